//! The change of calendars in any body: undone, it is what it was; read again, it says what it should and nothing else
//! differs.

use delegation_milter::address::Address;
use delegation_milter::calendar::{Actor, Component, Party, SentBy};
use delegation_milter::mime::{Fields, Tree, walk};
use delegation_milter::scheduling::{Splice, read, spliced};

use super::message::message;

/// Checks a message as `message` reads it.
pub(crate) fn check(octets: &[u8]) {
    let (fields, body) = message(octets);
    let boss = Address::parse("boss@x.org").unwrap();
    let anna = Address::parse("\"anna, a\"@x.org").unwrap();
    let marked = check_change(&fields, body, &boss, Some(&anna));
    check_change(&fields, &marked, &boss, None);
}

/// Checks that SENT-BY is set or taken away; the changed body.
fn check_change(fields: &Fields, body: &[u8], boss: &Address, delegate: Option<&Address>) -> Vec<u8> {
    let change = delegate.map_or(SentBy::Remove, |delegate| SentBy::Set(delegate.clone()));
    let changes = [(boss.clone(), change)];
    let before = read(fields, body);
    let splices = before.mark(body, &changes);
    let changed = spliced(body, &splices);
    assert_eq!(undone(body, &splices, &changed), body);

    let after = read(fields, &changed);
    assert_eq!(after.unread(), before.unread());
    assert_eq!(after.mark(&changed, &changes), [], "nothing is left to do");
    // What is signed, or stands in a message within, is not changed.
    if before.unread().is_empty() {
        let expected: Vec<_> = before.components().map(|one| expected(one, boss, delegate)).collect();
        assert_eq!(after.components().cloned().collect::<Vec<_>>(), expected);
    }
    if let Ok(tree) = walk(fields, body) {
        assert_others_stay(&tree, body, &walk(fields, &changed).unwrap(), &changed, &splices);
    }
    changed
}

/// The parts are the same, and those without a splice hold the same.
fn assert_others_stay(tree: &Tree, body: &[u8], after: &Tree, changed: &[u8], splices: &[Splice]) {
    assert_eq!(tree.parts.len(), after.parts.len());
    for (old, new) in tree.parts.iter().zip(&after.parts) {
        assert_eq!((&old.entity, old.parent), (&new.entity, new.parent));
        let touched = splices.iter().any(|s| old.body.start <= s.range.start && s.range.end <= old.body.end);
        assert!(touched || body[old.body.clone()] == changed[new.body.clone()]);
    }
}

fn expected(component: &Component, boss: &Address, delegate: Option<&Address>) -> Component {
    let acts = |parties: &[Party]| parties.iter().any(|party| party.address.as_ref() == Some(boss));
    let (organizers, attendees) = match (delegate, component.method.actor()) {
        (None, _) => (true, true),
        (Some(_), Some(Actor::Organizer)) => (acts(&component.organizers), acts(&component.organizers)),
        (Some(_), Some(Actor::Attendee)) => (false, acts(&component.attendees)),
        (Some(_), None) => (false, false),
    };
    let mut expected = component.clone();
    for (due, parties) in [(organizers, &mut expected.organizers), (attendees, &mut expected.attendees)] {
        for party in parties.iter_mut().filter(|party| due && party.address.as_ref() == Some(boss)) {
            party.sent_by = delegate.map(|delegate| Some(delegate.clone())).into_iter().collect();
        }
    }
    expected
}

fn undone(body: &[u8], splices: &[Splice], changed: &[u8]) -> Vec<u8> {
    let mut back = Vec::new();
    let (mut from, mut gone) = (0, 0);
    for Splice { range, with } in splices {
        assert!(from <= range.start && range.start < range.end && range.end <= body.len(), "{splices:?}");
        gone += range.start - from;
        back.push(Splice { range: gone..gone + with.len(), with: body[range.clone()].to_vec() });
        gone += with.len();
        from = range.end;
    }
    spliced(changed, &back)
}
