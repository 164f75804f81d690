use std::sync::Arc;

use super::*;
use crate::dn::Dn;
use crate::grant::{
    Context, DecidedBy, Delegate, Grant, GrantRules, Right, Rights, Standing, rights_for, standing,
};

const DOMAIN: &str = "S-1-5-21-1-2-3-";

/// Of the names in these tests; of anything else, as it is written.
fn sid(name: &str) -> Sid {
    let rid = match name {
        "anna" => 1104,
        "bea" => 1105,
        "team" => 1106,
        "office" => 1107,
        "carl" => 1108,
        "users" => 513,
        _ => return Sid::parse(name).unwrap(),
    };
    Sid::parse(&format!("{DOMAIN}{rid}")).unwrap()
}

/// `carl` is a person elsewhere.
fn dn(name: &str) -> Dn {
    Dn::parse(&format!("cn={name},ou={},dc=org", if name == "carl" { "there" } else { "here" })).unwrap()
}

fn entry(name: &str) -> Entry {
    let primary_group = matches!(name, "anna" | "bea" | "carl").then(|| sid("users"));
    let security = Security { sid: sid(name), primary_group, denied: Box::default() };
    Entry {
        dn: dn(name),
        name: None,
        mail: Default::default(),
        aliases: Default::default(),
        logins_but_mail: Default::default(),
        mail_logs_in: false,
        numbers: Default::default(),
        is_group: false,
        enabled: None,
        security: Some(Box::new(security)),
        grants: Default::default(),
    }
}

/// With access control entries such as `+anna` and `-team`, of which `^` says that they are inherited.
fn principal(name: &str, entries: &[&str]) -> Entry {
    let mut principal = entry(name);
    let (mut grants, mut denied) = (Vec::new(), Vec::new());
    for text in entries {
        let inherited = text.starts_with('^');
        let (effect, name) = text.trim_start_matches('^').split_at(1);
        let trustee = Trustee { sid: sid(name), inherited };
        match effect {
            "+" => {
                grants.push(Grant { right: Right::SendAs, delegate: Delegate::Trustee(trustee) });
            }
            _ => denied.push(trustee),
        }
    }
    principal.grants = grants.into();
    principal.security.as_mut().unwrap().denied = denied.into();
    principal
}

fn submitter(name: &str, groups: &[&str]) -> Submitter {
    let in_group = |name: &&str| Arc::new(entry(name));
    Submitter {
        login: name.to_owned(),
        entry: Some(Arc::new(entry(name))),
        account: None,
        groups: groups.iter().map(in_group).collect(),
    }
}

fn rules(contexts: &[&str]) -> GrantRules {
    let context = |base: &&str| Context {
        name: (*base).to_owned(),
        base: Dn::parse(base).unwrap(),
        domains: Vec::new(),
        enabled: None,
    };
    GrantRules {
        enabled: false,
        decided_by: DecidedBy::Principal,
        contexts: contexts.iter().map(context).collect(),
        group_members: None,
    }
}

const EVERYONE: &str = "S-1-1-0";

#[test]
fn who_may_send_as_bea() {
    let anna = || submitter("anna", &["team", "office"]);
    for (entries, allowed) in [
        (&[][..], false),
        (&["+anna"], true),
        (&["+team"], true),
        (&["+office"], true),
        (&["+carl"], false),
        (&["^+anna"], true),
        // Nobody is allowed anything by what everybody has.
        (&["+S-1-1-0"], false),
        (&["+S-1-5-11"], false),
        (&["+users"], false),
        (&["+S-1-5-10"], false),
        // But denied.
        (&["-S-1-1-0", "+anna"], false),
        (&["-S-1-5-11", "+anna"], false),
        (&["-users", "+anna"], false),
        (&["-anna", "+anna"], false),
        (&["+anna", "-anna"], false),
        (&["-team", "+anna"], false),
        (&["-anna", "+team"], false),
        (&["-office", "+team"], false),
        (&["-carl", "+anna"], true),
        (&["-bea", "+anna"], true),
        (&["-S-1-5-21-1-2-4-513", "+anna"], true),
        // What the entry says itself goes before what it inherits.
        (&["^-anna", "+anna"], true),
        (&["^-S-1-1-0", "+team"], true),
        (&["^-anna", "^+anna"], false),
        (&["^-team", "^+anna"], false),
        (&["-anna", "^+anna"], false),
        (&["^-anna", "^+team", "+office"], true),
        (&["^-anna", "-team", "+office"], false),
    ] {
        let rights = rights_for(&principal("bea", entries), &anna(), &rules(&[]));
        assert_eq!(rights.send_as, allowed, "{entries:?}");
        assert_eq!(Rights { send_as: false, ..rights }, Rights::default(), "{entries:?}");
    }
}

#[test]
fn what_becomes_of_an_access_control_entry() {
    let stands = |principal: &Entry, submitter: &Submitter, rules: &GrantRules| {
        standing(principal.grants.first().unwrap(), principal, submitter, rules)
    };
    let anna = submitter("anna", &["team"]);
    let elsewhere = rules(&["ou=here,dc=org", "ou=there,dc=org"]);
    let none = rules(&[]);
    for (name, entries, rules, expected) in [
        ("bea", &["+anna"][..], &none, Standing::Counts(dn("anna"))),
        ("bea", &["+team"], &none, Standing::Counts(dn("team"))),
        ("bea", &["+carl"], &none, Standing::NotSubmitter),
        ("bea", &["+bea"], &none, Standing::SelfGrant),
        ("bea", &["+anna", "-team"], &none, Standing::Denied(sid("team"))),
        ("bea", &["+anna", "-S-1-1-0"], &none, Standing::Denied(sid(EVERYONE))),
        ("carl", &["+anna"], &none, Standing::Counts(dn("anna"))),
        ("carl", &["+anna"], &elsewhere, Standing::OtherContext),
        ("carl", &["+anna", "-anna"], &elsewhere, Standing::OtherContext),
        // The members of a group are not the group, which is a principal by itself.
        ("team", &["+team"], &none, Standing::SelfGrant),
        ("team", &["+S-1-5-10"], &none, Standing::NotSubmitter),
    ] {
        assert_eq!(stands(&principal(name, entries), &anna, rules), expected, "{name} {entries:?}");
    }
}

#[test]
fn who_is_not_shown_whole_is_allowed_nothing() {
    let bea = principal("bea", &["+team", "+anna"]);
    let hidden = |hide: &dyn Fn(&mut Entry)| {
        let mut entry = entry("anna");
        hide(&mut entry);
        Submitter { entry: Some(Arc::new(entry)), ..submitter("anna", &["team"]) }
    };
    let no_identifier = hidden(&|entry| entry.security = None);
    let no_group = hidden(&|entry| entry.security.as_mut().unwrap().primary_group = None);
    let mut office = entry("office");
    office.security = None;
    let mut no_group_identifier = submitter("anna", &["team"]);
    no_group_identifier.groups = [entry("team"), office].map(Arc::new).into();
    for (submitter, who) in [(no_identifier, "anna"), (no_group, "anna"), (no_group_identifier, "office")] {
        assert_eq!(rights_for(&bea, &submitter, &rules(&[])), Rights::default(), "{who}");
        let becomes = standing(&bea.grants[0], &bea, &submitter, &rules(&[]));
        assert_eq!(becomes, Standing::Unidentified(dn(who)));
    }
}

#[test]
fn grants_of_other_attributes_count_beside() {
    let mut bea = principal("bea", &["-anna"]);
    let other = Grant { right: Right::SendAs, delegate: Delegate::Dn(dn("anna")) };
    bea.grants = bea.grants.into_iter().chain([other]).collect();
    assert!(rights_for(&bea, &submitter("anna", &[]), &rules(&[])).send_as);
}
