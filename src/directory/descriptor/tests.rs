use proptest::prelude::*;

use super::edit::{EditError, grant, revoke};
use super::{DescriptorError, Guid, Permission, permissions};
use crate::grant::Sid;

#[expect(unreachable_pub, reason = "it belongs to the tests of the whole program")]
#[path = "../../../tests/support/descriptor.rs"]
pub(crate) mod built;

use built::*;

const ANNA: &str = "S-1-5-21-1-2-3-1104";
const BEA: &str = "S-1-5-21-1-2-3-1105";
const TEAM: &str = "S-1-5-21-1-2-3-1106";
const ADMINS: &str = "S-1-5-21-1-2-3-512";

fn sid_of(text: &str) -> Sid {
    Sid::parse(text).unwrap()
}

/// Each permission in a few words.
fn shown(octets: &[u8]) -> Vec<String> {
    let permissions = permissions(octets, &SEND_AS_RIGHT).unwrap();
    let words = |own: &Permission| {
        let (inherited, specific) = (if own.inherited { " inherited" } else { "" }, own.specific);
        format!("{:?} {}{inherited}{}", own.effect, own.sid, if specific { "" } else { " all" })
    };
    permissions.iter().map(words).collect()
}

const SEND_AS_RIGHT: Guid = super::SEND_AS;

#[test]
fn what_an_entry_says() {
    let sid = sid(ANNA);
    let allow = vec![format!("Allow {ANNA}")];
    let deny = vec![format!("Deny {ANNA}")];
    for (name, ace, expected) in [
        ("send as", ace(ALLOW_OBJECT, 0, CONTROL_ACCESS, Some(SEND_AS), &sid), allow.clone()),
        ("denied", ace(DENY_OBJECT, 0, CONTROL_ACCESS, Some(SEND_AS), &sid), deny.clone()),
        ("another right", ace(ALLOW_OBJECT, 0, CONTROL_ACCESS, Some(RECEIVE_AS), &sid), vec![]),
        ("all rights", ace(ALLOW_OBJECT, 0, CONTROL_ACCESS, None, &sid), vec![format!("Allow {ANNA} all")]),
        (
            "all rights denied",
            ace(DENY_OBJECT, 0, CONTROL_ACCESS, None, &sid),
            vec![format!("Deny {ANNA} all")],
        ),
        ("not by control", ace(ALLOW_OBJECT, 0, 0x30, Some(SEND_AS), &sid), vec![]),
        ("plain", ace(ALLOW, 0, CONTROL_ACCESS, None, &sid), vec![format!("Allow {ANNA} all")]),
        ("full control", ace(ALLOW, 0, FULL_CONTROL, None, &sid), vec![format!("Allow {ANNA} all")]),
        ("generic", ace(ALLOW, 0, GENERIC_ALL, None, &sid), vec![format!("Allow {ANNA} all")]),
        ("plain without control", ace(ALLOW, 0, 0x000F_00FF, None, &sid), vec![]),
        ("plain denied", ace(DENY, 0, CONTROL_ACCESS, None, &sid), vec![format!("Deny {ANNA} all")]),
        ("audited", ace(AUDIT, 0, CONTROL_ACCESS, None, &sid), vec![]),
        ("for children", ace(ALLOW_OBJECT, INHERIT_ONLY, CONTROL_ACCESS, Some(SEND_AS), &sid), vec![]),
        ("denied to children", ace(DENY_OBJECT, INHERIT_ONLY, CONTROL_ACCESS, Some(SEND_AS), &sid), vec![]),
        (
            "inherited",
            ace(ALLOW_OBJECT, INHERITED, CONTROL_ACCESS, Some(SEND_AS), &sid),
            vec![format!("Allow {ANNA} inherited")],
        ),
        ("on a condition", ace(ALLOW_CALLBACK, 0, CONTROL_ACCESS, None, &sid), vec![]),
        (
            "send as on a condition",
            ace(ALLOW_CALLBACK_OBJECT, 0, CONTROL_ACCESS, Some(SEND_AS), &sid),
            vec![],
        ),
        (
            "denied on a condition",
            ace(DENY_CALLBACK, 0, CONTROL_ACCESS, None, &sid),
            vec![format!("Deny {ANNA} all")],
        ),
        (
            "send as denied on a condition",
            ace(DENY_CALLBACK_OBJECT, 0, CONTROL_ACCESS, Some(SEND_AS), &sid),
            deny,
        ),
        ("of a type that audits", ace(0x12, 0, CONTROL_ACCESS, None, &sid), vec![]),
        (
            "with more behind it",
            longer(ace(ALLOW_OBJECT, 0, CONTROL_ACCESS, Some(SEND_AS), &sid)),
            allow.clone(),
        ),
        ("with the type of its heirs", both_types(&sid), allow),
    ] {
        assert_eq!(shown(&descriptor(&[ace])), expected, "{name}");
    }
}

/// With application data (MS-DTYP section 2.4.4.6).
fn longer(mut ace: Vec<u8>) -> Vec<u8> {
    ace.extend([7; 8]);
    ace[2] += 8;
    ace
}

fn both_types(sid: &[u8]) -> Vec<u8> {
    let mask_and_flags = [[0, 1, 0, 0], [3, 0, 0, 0]].concat();
    let body = [mask_and_flags.as_slice(), &SEND_AS, &RECEIVE_AS, sid].concat();
    [[ALLOW_OBJECT, 0, u8::try_from(body.len() + 4).unwrap(), 0].as_slice(), &body].concat()
}

#[test]
fn in_canonical_order_however_stored() {
    let ace = |kind, flags, sid: &str| ace(kind, flags, CONTROL_ACCESS, Some(SEND_AS), &sid_octets(sid));
    let aces = [
        ace(ALLOW_OBJECT, INHERITED, ANNA),
        ace(ALLOW_OBJECT, 0, BEA),
        ace(DENY_OBJECT, INHERITED, TEAM),
        ace(DENY_OBJECT, 0, ADMINS),
    ];
    let expected = [
        format!("Deny {ADMINS}"),
        format!("Allow {BEA}"),
        format!("Deny {TEAM} inherited"),
        format!("Allow {ANNA} inherited"),
    ];
    assert_eq!(shown(&descriptor(&aces)), expected);
    assert_eq!(shown(&descriptor(&[3, 1, 2, 0].map(|at: usize| aces[at].clone()))), expected);
}

fn sid_octets(text: &str) -> Vec<u8> {
    sid(text)
}

#[test]
fn no_list_allows_nobody() {
    let owner = sid(ADMINS);
    let mut null = with_parts(Some(&owner), None, None, None);
    assert_eq!(shown(&null), [""; 0]);
    assert_eq!(grant(&null, &sid_of(ANNA), &SEND_AS_RIGHT), Err(EditError::NoList));
    // MS-DTYP section 2.4.6: a list that is present and null.
    null[2] |= 4;
    assert_eq!(shown(&null), [""; 0]);
    assert_eq!(revoke(&null, &sid_of(ANNA), &SEND_AS_RIGHT), Err(EditError::NoList));
    // A list that is said not to be present.
    let mut absent = descriptor(&[send_as(ANNA)]);
    absent[2] &= !4;
    assert_eq!(shown(&absent), [""; 0]);
    assert_eq!(shown(&descriptor(&[])), [""; 0]);
}

#[test]
fn what_is_no_descriptor_says_nothing() {
    use DescriptorError::{Malformed, Truncated, UnknownType};
    let good = descriptor(&[send_as(ANNA)]);
    let changed = |at: usize, octet: u8| {
        let mut octets = good.clone();
        octets[at] = octet;
        octets
    };
    for (name, octets, error) in [
        ("nothing", vec![], Truncated),
        ("a header cut off", good[..19].to_vec(), Truncated),
        ("a list cut off", good[..good.len() - 1].to_vec(), Truncated),
        ("another revision", changed(0, 2), Malformed),
        ("absolute pointers", changed(3, 0), Malformed),
        ("a list beyond the end", changed(17, 1), Truncated),
        ("an owner beyond the end", changed(5, 1), Truncated),
        ("another revision of the list", changed(20, 3), Malformed),
        ("a list without room for its header", changed(22, 7), Malformed),
        (
            "an audit list without room for its header",
            with_parts(None, None, Some(&[4, 0, 1, 0]), Some(&acl(&[]))),
            Malformed,
        ),
        ("a list without room for its entries", changed(22, 30), Truncated),
        ("more entries than there are", changed(24, 2), Truncated),
        ("an entry smaller than its header", changed(30, 0), Truncated),
        ("an entry of an odd size", changed(30, 57), Malformed),
        ("an entry smaller than its fields", changed(30, 32), Truncated),
        ("an entry larger than the list", changed(30, 60), Truncated),
        ("an identifier of another revision", changed(56, 2), Truncated),
        ("an identifier of too many parts", changed(57, 6), Truncated),
        ("an unknown type", changed(28, 0x16), UnknownType(0x16)),
    ] {
        assert_eq!(permissions(&octets, &SEND_AS_RIGHT), Err(error), "{name}");
        assert_eq!(grant(&octets, &sid_of(BEA), &SEND_AS_RIGHT), Err(error.into()), "{name}");
        assert_eq!(revoke(&octets, &sid_of(ANNA), &SEND_AS_RIGHT), Err(error.into()), "{name}");
    }
}

#[test]
fn a_grant_stands_last_of_those_not_inherited() {
    let other = |flags, sid: &str| ace(ALLOW, flags, FULL_CONTROL, None, &sid_octets(sid));
    let denied = |flags| ace(DENY_OBJECT, flags, CONTROL_ACCESS, Some(RECEIVE_AS), &sid(TEAM));
    for (name, aces, at) in [
        ("alone", vec![], 0),
        ("behind all", vec![denied(0), other(0, ADMINS)], 2),
        (
            "before the inherited",
            vec![denied(0), other(0, ADMINS), denied(INHERITED), other(INHERITED, ADMINS)],
            2,
        ),
        ("behind what denies, out of order", vec![other(INHERITED, ADMINS), denied(0), other(0, ADMINS)], 2),
    ] {
        let before = descriptor(&aces);
        let mut expected = aces.clone();
        expected.insert(at, send_as(ANNA));
        let after = grant(&before, &sid_of(ANNA), &SEND_AS_RIGHT).unwrap().unwrap();
        assert_eq!(after, descriptor(&expected), "{name}");
        assert_eq!(grant(&after, &sid_of(ANNA), &SEND_AS_RIGHT), Ok(None), "{name}");
        assert_eq!(revoke(&after, &sid_of(ANNA), &SEND_AS_RIGHT), Ok(Some(before)), "{name}");
    }
}

#[test]
fn a_grant_is_taken_back_and_nothing_else() {
    let object = |kind, flags, right, sid: &str| ace(kind, flags, CONTROL_ACCESS, right, &sid_octets(sid));
    let kept = [
        object(DENY_OBJECT, 0, Some(SEND_AS), ANNA),
        ace(ALLOW, 0, FULL_CONTROL, None, &sid(ANNA)),
        object(ALLOW_OBJECT, 0, None, ANNA),
        object(ALLOW_OBJECT, 0, Some(RECEIVE_AS), ANNA),
        object(ALLOW_OBJECT, 0, Some(SEND_AS), BEA),
        object(ALLOW_OBJECT, INHERIT_ONLY, Some(SEND_AS), ANNA),
        object(ALLOW_OBJECT, INHERITED, Some(SEND_AS), ANNA),
    ];
    let [owner, group, sacl] =
        [sid(ADMINS), sid(TEAM), acl(&[ace(AUDIT, 0, CONTROL_ACCESS, None, &sid(ANNA))])];
    let whole = |aces: &[Vec<u8>]| with_parts(Some(&owner), Some(&group), Some(&sacl), Some(&acl(aces)));
    let mut aces = kept.to_vec();
    aces.insert(5, send_as(ANNA));
    aces.insert(2, send_as(ANNA));
    assert_eq!(revoke(&whole(&aces), &sid_of(ANNA), &SEND_AS_RIGHT), Ok(Some(whole(&kept))));
    assert_eq!(revoke(&whole(&kept), &sid_of(ANNA), &SEND_AS_RIGHT), Ok(None));
}

#[test]
fn the_revision_of_lists_with_object_entries() {
    let mut octets = descriptor(&[ace(ALLOW, 0, FULL_CONTROL, None, &sid(ADMINS))]);
    octets[20] = 2;
    assert_eq!(grant(&octets, &sid_of(ANNA), &SEND_AS_RIGHT).unwrap().unwrap()[20], 4);
}

#[test]
fn no_larger_than_lists_can_be() {
    let aces: Vec<_> = (0..1170).map(|at| send_as(&format!("S-1-5-21-1-2-3-{at}"))).collect();
    let octets = descriptor(&aces);
    assert!(octets.len() > 65_500 && permissions(&octets, &SEND_AS_RIGHT).is_ok());
    assert_eq!(grant(&octets, &sid_of("S-1-5-21-1-2-3-9999"), &SEND_AS_RIGHT), Err(EditError::TooLarge));
}

fn any_sid() -> impl Strategy<Value = Vec<u8>> {
    (0_u32..8).prop_map(|rid| sid(&format!("S-1-5-21-1-2-3-{rid}")))
}

fn any_ace() -> impl Strategy<Value = Vec<u8>> {
    let kind =
        prop_oneof![Just(ALLOW), Just(DENY), Just(AUDIT), Just(ALLOW_OBJECT), Just(DENY_OBJECT), 9_u8..=12];
    let flags = prop_oneof![Just(0), Just(INHERITED), Just(INHERIT_ONLY)];
    let mask = prop_oneof![Just(CONTROL_ACCESS), Just(FULL_CONTROL), any::<u32>()];
    let right = prop_oneof![Just(None), Just(Some(SEND_AS)), Just(Some(RECEIVE_AS))];
    (kind, flags, mask, right, any_sid()).prop_map(|(kind, flags, mask, right, sid)| {
        let is_object = matches!(kind, 5 | 6 | 11 | 12);
        ace(kind, flags, mask, right.filter(|_| is_object), &sid)
    })
}

fn any_descriptor() -> impl Strategy<Value = Vec<u8>> {
    let parts = (proptest::option::of(any_sid()), proptest::option::of(any_sid()), any::<bool>());
    (parts, proptest::collection::vec(any_ace(), 0..12)).prop_map(|((owner, group, audited), aces)| {
        let sacl = audited.then(|| acl(&[ace(AUDIT, 0, CONTROL_ACCESS, None, &sid(ANNA))]));
        with_parts(owner.as_deref(), group.as_deref(), sacl.as_deref(), Some(&acl(&aces)))
    })
}

proptest! {
    #[test]
    fn any_octets_are_read(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = permissions(&octets, &SEND_AS_RIGHT);
    }

    #[test]
    fn a_descriptor_with_any_octet_changed_is_read(octets in any_descriptor(), at: usize, octet: u8) {
        let mut octets = octets;
        let at = at % octets.len();
        octets[at] = octet;
        let _ = permissions(&octets, &SEND_AS_RIGHT);
        let _ = grant(&octets, &sid_of(ANNA), &SEND_AS_RIGHT);
    }

    #[test]
    fn a_descriptor_cut_off_says_nothing(octets in any_descriptor(), at: usize) {
        let at = at % octets.len();
        prop_assert!(permissions(&octets[..at], &SEND_AS_RIGHT).is_err());
    }

    #[test]
    fn an_edit_changes_one_thing(octets in any_descriptor(), delegate in any_sid()) {
        let delegate = Sid::from_octets(&delegate).unwrap();
        let before = shown(&octets);
        let own = format!("Allow {delegate}");
        let without: Vec<_> = before.iter().filter(|words| **words != own).cloned().collect();
        if let Some(granted) = grant(&octets, &delegate, &SEND_AS_RIGHT).unwrap() {
            let mut after = shown(&granted);
            let new = after.iter().position(|words| *words == own).unwrap();
            after.remove(new);
            prop_assert_eq!(&after, &before);
            prop_assert_eq!(granted.len(), octets.len() + 56);
            let revoked = revoke(&granted, &delegate, &SEND_AS_RIGHT).unwrap();
            prop_assert_eq!(revoked, Some(octets.clone()));
        } else {
            prop_assert!(before.contains(&own));
        }
        let revoked = revoke(&octets, &delegate, &SEND_AS_RIGHT).unwrap();
        prop_assert_eq!(shown(&revoked.unwrap_or(octets)), without);
    }
}
