use super::*;
use crate::address::Address;
use crate::dn::Dn;

fn record(values: &[(&str, &str)]) -> Record {
    let mut record = Record::new(Dn::parse("uid=bea,dc=org").unwrap());
    values.iter().for_each(|(attribute, value)| record.push(attribute, value.as_bytes().to_vec()));
    record
}

fn carl() -> Entry {
    Entry {
        dn: Dn::parse("uid=carl,dc=org").unwrap(),
        name: None,
        mail: [Address::parse("carl@example.org").unwrap()].into(),
        aliases: [Address::parse("c@example.org").unwrap()].into(),
        logins_but_mail: ["carl".to_owned()].into_iter().collect(),
        mail_logs_in: false,
        numbers: ["1003".to_owned()].into_iter().collect(),
        is_group: false,
        enabled: None,
        grants: Default::default(),
        security: None,
    }
}

/// As LDIF has them (RFC 2849).
fn told(modifications: &[Modification]) -> Vec<String> {
    let told = |own: &Modification| {
        let sign = match own.operation {
            Operation::Add => '+',
            Operation::Delete => '-',
            Operation::Replace => '=',
        };
        format!("{sign}{}: {}", own.attribute, String::from_utf8_lossy(&own.value))
    };
    modifications.iter().map(told).collect()
}

fn granted(stored: &[(&str, &str)], attribute: &str, right: Right, is_group: bool) -> Vec<String> {
    let record = record(stored);
    let slot = Slot { record: &record, right, attribute, form: GrantForm::of(attribute) };
    told(&slot.grant(&carl(), is_group).unwrap())
}

#[test]
fn a_grant_adds_one_value_and_the_class_where_it_is_missing() {
    let value = "+delegationSendAs: uid=carl,dc=org";
    let class = "+objectClass: delegationPrincipal";
    for (stored, attribute, is_group, expected) in [
        (&[("objectClass", "person")][..], "delegationSendAs", false, &[class, value][..]),
        (&[("objectClass", "DelegationPrincipal")], "delegationSendAs", false, &[value]),
        (&[], "publicDelegates", false, &["+publicDelegates: uid=carl,dc=org"]),
        (&[], "kopanoSendAsPrivilege", false, &["+kopanoSendAsPrivilege: 1003"]),
        (&[], "kopanoSendAsPrivilege", true, &["+kopanoSendAsPrivilege: uid=carl,dc=org"]),
    ] {
        assert_eq!(granted(stored, attribute, Right::SendAs, is_group), expected, "{stored:?} {attribute}");
    }
}

#[test]
fn what_the_attribute_cannot_hold_is_not_written() {
    let empty = record(&[]);
    let nobody = Entry {
        mail: Default::default(),
        aliases: Default::default(),
        logins_but_mail: Default::default(),
        mail_logs_in: false,
        numbers: Default::default(),
        ..carl()
    };
    for (form, right, expected) in [
        (GrantForm::Number, Right::SendAs, Unwritable::NoNumber),
        (GrantForm::Deputy, Right::SendAs, Unwritable::Right),
        (GrantForm::Descriptor, Right::SendAs, Unwritable::NoSid),
    ] {
        let slot = Slot { record: &empty, right, attribute: "x", form };
        assert_eq!(slot.grant(&nobody, false), Err(expected), "{form:?}");
    }
}

/// What else a value says of the deputy stays as it was.
#[test]
fn one_value_of_a_deputy_holds_both_rights() {
    const NAME: &str = "oxDeputyPermissionGivenTo";
    let of = |rest: &str| format!("uid=carl,dc=org |:$:| {rest}");
    let schema = Schema::preset("univention").unwrap();
    let [idle, behalf, both, mail] = [
        "00000 |:$:| 00000 |:$:| 0",
        "00000 |:$:| 00000 |:$:| 1",
        "00000 |:$:| 00220 |:$:| 1",
        "02200 |:$:| 00000 |:$:| 1",
    ]
    .map(of);
    let none: Vec<(&str, &str)> = Vec::new();
    assert_eq!(granted(&none, NAME, Right::SendOnBehalf, false), [format!("+{NAME}: {behalf}")]);
    assert_eq!(
        granted(&[(NAME, &idle)], NAME, Right::SendOnBehalf, false),
        [format!("-{NAME}: {idle}"), format!("+{NAME}: {behalf}")]
    );
    let revoked = |value: &str, right| told(&revoke(&record(&[(NAME, value)]), right, &schema, &carl()));
    assert_eq!(revoked(&behalf, Right::SendOnBehalf), [format!("-{NAME}: {behalf}")]);
    assert_eq!(revoked(&behalf, Right::Schedule), Vec::<String>::new());
    assert_eq!(
        revoked(&mail, Right::SendOnBehalf),
        [format!("-{NAME}: {mail}"), format!("+{NAME}: {}", of("02200 |:$:| 00000 |:$:| 0"))]
    );
    let schedule = revoked(&both, Right::Schedule);
    assert_eq!(schedule.len(), 2, "{schedule:?}");
    assert!(schedule[1].ends_with("|:$:| 1"), "{schedule:?}");
}

#[test]
fn a_revocation_deletes_what_names_the_delegate_as_it_is_stored() {
    let schema = Schema::preset("delegation").unwrap();
    let record = record(&[
        ("delegationSendAs", "UID=Carl, DC=org"),
        ("delegationSendAs", "uid=carla,dc=org"),
        ("delegationSendAs", "carl@EXAMPLE.org"),
        ("delegationSendAs", "c@example.org"),
        ("delegationSendAs", "CARL"),
        ("delegationSendOnBehalf", "uid=carl,dc=org"),
    ]);
    for (right, expected) in [
        (
            Right::SendAs,
            &[
                "-delegationSendAs: UID=Carl, DC=org",
                "-delegationSendAs: carl@EXAMPLE.org",
                "-delegationSendAs: CARL",
            ][..],
        ),
        (Right::SendOnBehalf, &["-delegationSendOnBehalf: uid=carl,dc=org"]),
        (Right::Schedule, &[]),
    ] {
        assert_eq!(told(&revoke(&record, right, &schema, &carl())), expected, "{right:?}");
    }
}
