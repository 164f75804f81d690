//! Any text as the value of a grant: it has one form, names one of two people at most, and nobody who is not in it.

use delegation_milter::address::Address;
use delegation_milter::directory::schema::{Deputy, GrantForm, Member, MemberName};
use delegation_milter::dn::Dn;
use delegation_milter::grant::{Delegate, Entry, Right, number};
use unicode_normalization::UnicodeNormalization;

const RIGHTS: [Right; 3] = [Right::SendAs, Right::SendOnBehalf, Right::Schedule];

/// Checks a value.
pub(crate) fn check(octets: &[u8]) {
    let Ok(value) = str::from_utf8(octets) else { return };
    let people = [person("anna", "1001"), person("bea", "2002")];
    for form in [GrantForm::Dn, GrantForm::Number, GrantForm::Deputy, GrantForm::Descriptor] {
        for right in RIGHTS {
            let Ok(Some(delegate)) = form.read(right, value) else { continue };
            check_form(form, value, &delegate);
            let named = people.iter().filter(|person| delegate.names(person));
            let named: Vec<_> = named.flat_map(|person| person.logins()).collect();
            assert!(named.len() <= 1, "{value:?} names {named:?}");
            for name in named {
                let number = if name == "anna" { "1001" } else { "2002" };
                let text = plain(value);
                assert!(text.contains(name) || text.contains(number), "{value:?} names {name}");
            }
        }
    }
    if let Ok(deputy) = Deputy::parse(value) {
        check_deputy(value, &deputy);
    }
    check_member(value);
}

/// Somebody whose name, address, login and number nobody else has.
fn person(login: &str, number: &str) -> Entry {
    Entry {
        dn: Dn::parse(&format!("uid={login},ou=People,dc=example,dc=org")).unwrap(),
        mail: [Address::parse(&format!("{login}@example.org")).unwrap()].into(),
        logins_but_mail: [login].into_iter().collect(),
        mail_logs_in: false,
        numbers: [number].into_iter().collect(),
        name: None,
        aliases: Box::default(),
        is_group: false,
        enabled: None,
        grants: Box::default(),
        security: None,
    }
}

/// The text without any escapes, in the case and the compatibility forms in which directories compare.
fn plain(value: &str) -> String {
    let mut octets = Vec::new();
    let mut rest = value.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|digits| str::from_utf8(digits).ok());
        match (first, hex.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'\\', Some(octet)) => {
                octets.push(octet);
                rest = &tail[2..];
            }
            (b'\\', None) => rest = tail,
            (octet, _) => {
                octets.push(*octet);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&octets).nfkc().flat_map(char::to_lowercase).nfkc().collect()
}

/// What is read is written and read again; each form is what it looks like.
fn check_form(form: GrantForm, value: &str, delegate: &Delegate) {
    let value = value.trim();
    match delegate {
        Delegate::Dn(dn) if form == GrantForm::Deputy => assert_eq!(dn, &Deputy::parse(value).unwrap().dn),
        Delegate::Dn(dn) => {
            assert_eq!((dn.as_str(), number(value)), (value, None));
            assert_eq!(Delegate::parse(dn.as_str()), *delegate);
        }
        Delegate::Address(address) => {
            assert!(value.contains('@') && Dn::parse(value).is_err(), "{value:?}");
            assert_eq!(Address::parse(value).as_ref(), Ok(address));
        }
        Delegate::Login(login) => {
            assert_eq!(login, value);
            assert!(
                Address::parse(value).is_err()
                    && Dn::parse(value).is_ok_and(|dn| dn.depth() == 0) == value.is_empty()
            );
            assert!(form == GrantForm::Dn || number(value).is_none());
        }
        Delegate::Number(digits) => {
            assert!(form == GrantForm::Number && value.ends_with(digits.as_str()), "{value:?}");
            assert!(!digits.is_empty() && value.trim_start_matches('0').len() <= digits.len());
        }
        Delegate::Trustee(trustee) => panic!("{value:?} is no text of {trustee:?}"),
    }
}

/// A right is given and taken, and nothing else changes.
fn check_deputy(value: &str, deputy: &Deputy) {
    assert!(value.contains(deputy.dn.as_str()) && deputy.dn.depth() > 0);
    assert_eq!(Deputy::parse(&deputy.to_string()).as_ref(), Ok(deputy), "{value:?}");
    assert!(!deputy.has(Right::SendAs));
    for right in RIGHTS {
        let without = deputy.clone().without(right);
        let with = deputy.clone().with(right);
        assert!(!without.has(right) && with.as_ref().is_none_or(|with| with.has(right)), "{value:?}");
        assert!(!deputy.is_idle() || !deputy.has(right));
        for other in RIGHTS.into_iter().filter(|other| *other != right) {
            assert_eq!(without.has(other), deputy.has(other), "{value:?}");
            assert!(with.as_ref().is_none_or(|with| with.has(other) == deputy.has(other)), "{value:?}");
        }
        for changed in [Some(without), with].iter().flatten() {
            assert_eq!(changed.dn.as_str(), deputy.dn.as_str());
            assert_eq!(Deputy::parse(&changed.to_string()).as_ref(), Ok(changed), "{value:?}");
        }
    }
}

fn check_member(value: &str) {
    for attribute in ["member", "uniqueMember", "memberUid"] {
        match Member::of(attribute).name(value) {
            // A space that is escaped is a part of the name.
            Ok(MemberName::Dn(dn)) => {
                assert_eq!((dn.as_str().trim_end(), attribute == "memberUid"), (value.trim(), false));
            }
            Ok(MemberName::Login(login)) => assert_eq!((login.as_str(), attribute), (value, "memberUid")),
            Err(_) => assert_ne!(attribute, "memberUid"),
        }
    }
}
