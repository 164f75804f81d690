use proptest::prelude::*;

use super::*;
use crate::address::Address;

fn register() -> Register {
    Register::new(Arc::new(Schema::preset("delegation").unwrap()))
}

fn id(n: u8) -> Id {
    [n; 16]
}

/// `dn; attribute=value; …`
fn record(text: &str) -> Record {
    let mut parts = text.split("; ");
    let mut record = Record::new(Dn::parse(parts.next().unwrap()).unwrap());
    for part in parts {
        let (attribute, value) = part.split_once('=').unwrap();
        record.push(attribute, value.into());
    }
    record
}

const ANNA: &str = "uid=anna,ou=people,dc=org; uid=anna; mail=anna@example.org; objectClass=inetOrgPerson";

fn changed(dn: &str, addresses: &[&str], logins: &[&str]) -> Effect {
    let addresses = addresses.iter().map(|text| Name::Address(Address::parse(text).unwrap()));
    let logins = logins.iter().map(|text| Name::Login(Login::of(text)));
    Effect::Changed(addresses.chain(logins).chain([Name::Entry(Dn::parse(dn).unwrap())]).collect())
}

#[test]
fn what_is_watched() {
    assert_eq!(
        register().attributes(),
        [
            "cn",
            "delegationalias",
            "delegationenabled",
            "delegationschedule",
            "delegationsecuritygroup",
            "delegationsendas",
            "delegationsendonbehalf",
            "displayname",
            "gosamailalternateaddress",
            "mail",
            "mailalternateaddress",
            "maillocaladdress",
            "objectclass",
            "uid",
        ]
    );
}

#[test]
fn what_follows_from_an_entry_that_was_known() {
    let anna = "uid=anna,ou=people,dc=org";
    for (now, effect) in [
        (ANNA.to_owned(), Effect::Nothing),
        (format!("{ANNA}; description=new"), Effect::Nothing),
        (format!("{ANNA}; member=uid=bea,dc=org"), Effect::Nothing),
        (
            "UID=anna, OU=People, dc=org; objectClass=inetOrgPerson; MAIL=anna@example.org; uid=anna".into(),
            Effect::Nothing,
        ),
        (
            format!("{ANNA}; delegationSendAs=uid=bea,dc=org"),
            changed(anna, &["anna@example.org"], &["anna", "anna@example.org"]),
        ),
        (
            format!("{ANNA}; delegationAlias=a@example.org"),
            changed(anna, &["anna@example.org", "a@example.org"], &["anna", "anna@example.org"]),
        ),
        (format!("{anna}; objectClass=inetOrgPerson"), changed(anna, &[], &[])),
        (ANNA.replace("uid=anna,", "uid=anne,"), Effect::Everything),
        (ANNA.replace("ou=people", "ou=former"), Effect::Everything),
    ] {
        let mut register = register();
        assert_eq!(
            register.note(id(1), &record(ANNA)),
            changed(anna, &["anna@example.org"], &["anna", "anna@example.org"])
        );
        assert_eq!(register.note(id(1), &record(&now)), effect, "{now}");
        assert_eq!(register.note(id(1), &record(&now)), Effect::Nothing, "{now}");
        assert_eq!(register.len(), 1);
    }
}

#[test]
fn what_follows_from_a_name_that_goes() {
    let people = "ou=people,dc=org; objectClass=organizationalUnit";
    let lease = "cn=lease,ou=dhcp,dc=org; cn=lease; objectClass=device";
    let mut register = register();
    register.note(id(1), &record(people));
    register.note(id(2), &record(lease));
    // What nobody finds goes unnoticed, and what moves entries below it does not.
    assert_eq!(register.remove(&[id(2)]), Effect::Nothing);
    assert_eq!(register.remove(&[id(1)]), Effect::Nothing);
    register.note(id(1), &record(people));
    register.note(id(3), &record(ANNA));
    assert_eq!(register.note(id(1), &record(&people.replace("ou=people", "ou=former"))), Effect::Moved);
    register.note(id(4), &record("ou=former,dc=org; objectClass=organizationalUnit"));
    assert_eq!(register.remove(&[id(4), id(3)]), Effect::Everything);
    // It goes, and what is below it does not: that went with it.
    register.note(id(1), &record(people));
    register.note(id(3), &record(ANNA));
    assert_eq!(register.remove(&[id(1)]), Effect::Moved);
    let moved = format!("{}; hasSubordinates=TRUE", people.replace("ou=people", "ou=sales"));
    assert_eq!(register.note(id(5), &record(&moved)), Effect::Moved);
    assert_eq!(register.note(id(5), &record(&moved)), Effect::Nothing);
    // Who was never heard of may have been anybody.
    assert_eq!(register.remove(&[id(9)]), Effect::Everything);
}

/// Whatever is told first of an entry that is known by name alone is a change.
#[test]
fn known_by_name_alone() {
    let mut register = register();
    let anna = Dn::parse("uid=anna,ou=people,dc=org").unwrap();
    register.name(id(1), &anna);
    let first = changed("uid=anna,ou=people,dc=org", &["anna@example.org"], &["anna", "anna@example.org"]);
    assert_eq!(register.note(id(1), &record(ANNA)), first);
    // Its name, read at the same time, says nothing new.
    register.name(id(1), &anna);
    assert_eq!(register.note(id(1), &record(ANNA)), Effect::Nothing);
    register.name(id(2), &Dn::parse("ou=people,dc=org").unwrap());
    assert_eq!(
        register.note(id(2), &record("ou=former,dc=org; objectClass=organizationalUnit")),
        Effect::Moved
    );
    register.name(id(3), &Dn::parse("uid=bea,dc=org").unwrap());
    assert_eq!(register.remove(&[id(3)]), Effect::Everything);
}

/// As it is told again after a time in which nothing was.
#[test]
fn what_is_doubted_has_changed() {
    let mut register = register();
    register.note(id(1), &record(ANNA));
    register.doubt(&id(1));
    assert!(matches!(register.note(id(1), &record(ANNA)), Effect::Changed(_)));
    assert_eq!(register.note(id(1), &record(ANNA)), Effect::Nothing);
}

#[test]
fn what_is_not_confirmed_is_gone() {
    let mut register = register();
    register.note(id(1), &record(ANNA));
    register.note(id(2), &record("cn=lease,dc=org; cn=lease"));
    register.begin();
    assert_eq!(register.confirm(&[id(1)]), Effect::Nothing);
    assert_eq!((register.prune(), register.len()), (Effect::Nothing, 1));
    register.begin();
    register.note(id(1), &record(ANNA));
    assert_eq!((register.prune(), register.len()), (Effect::Nothing, 1));
    register.begin();
    assert_eq!((register.prune(), register.len()), (Effect::Everything, 0));
    // Nobody said what it is.
    assert_eq!(register.confirm(&[id(1)]), Effect::Moved);
}

proptest! {
    /// However entries come and go, what is below a name is counted right.
    #[test]
    fn entries_below_are_counted(steps in prop::collection::vec((0..6_u8, 0..5_usize, any::<bool>()), 0..60)) {
        const NAMES: [&str; 5] = ["ou=a", "ou=b", "uid=x,ou=a", "uid=x,ou=b", "uid=y,uid=x,ou=a"];
        let mut register = register();
        let mut there = HashMap::new();
        for (number, name, stays) in steps {
            let dn = Dn::parse(NAMES[name]).unwrap();
            if stays {
                register.note(id(number), &Record::new(dn.clone()));
                there.insert(number, dn);
            } else {
                register.remove(&[id(number)]);
                there.remove(&number);
            }
            for name in NAMES {
                let dn = Dn::parse(name).unwrap();
                let below = there.values().any(|other| other.depth() == dn.depth() + 1 && other.is_within(&dn));
                let hash = register.hasher.hash_one(&dn);
                prop_assert_eq!(register.below.contains_key(&hash), below, "{}", name);
            }
        }
    }
}
