use proptest::prelude::*;

use super::submitter::Names;
use super::*;
use crate::address::Pattern;

const OFF: DecidedBy = DecidedBy::Server;

fn dn(text: &str) -> Dn {
    Dn::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// `uid=NAME,dc=example,dc=org`, unless the name is a whole one.
fn named(name: &str) -> Dn {
    if name.contains('=') { dn(name) } else { dn(&format!("uid={name},dc=example,dc=org")) }
}

/// A person who logs in with the name and has `NAME@example.org`; the name may be a distinguished one.
fn person(name: &str) -> Entry {
    let login = name.split(['=', ',']).nth(1).unwrap_or(name);
    Entry {
        dn: named(name),
        name: None,
        mail: [address(&format!("{login}@example.org"))].into(),
        aliases: Default::default(),
        logins_but_mail: [login.to_owned()].into_iter().collect(),
        mail_logs_in: false,
        numbers: Default::default(),
        is_group: false,
        enabled: None,
        security: None,
        grants: Default::default(),
    }
}

/// A group without mail.
fn group(name: &str) -> Entry {
    Entry { mail: Default::default(), logins_but_mail: Default::default(), ..person(name) }
}

impl Entry {
    fn grants(mut self, right: Right, delegate: &str) -> Self {
        let delegate = if delegate.contains(['=', '@']) { delegate } else { &named(delegate).to_string() };
        let grant = Grant { right, delegate: Delegate::parse(delegate) };
        self.grants = self.grants.into_iter().chain([grant]).collect();
        self
    }

    fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = Some(enabled);
        self
    }

    fn mail(mut self, mail: &[&str], aliases: &[&str]) -> Self {
        self.mail = mail.iter().map(|text| address(text)).collect();
        self.aliases = aliases.iter().map(|text| address(text)).collect();
        self
    }
}

/// The person with this name, in these groups.
fn submitter(name: &str, groups: &[&str]) -> Submitter {
    let in_group = |name: &&str| Arc::new(group(name));
    Submitter {
        login: name.to_owned(),
        entry: Some(Arc::new(person(name))),
        account: None,
        groups: groups.iter().map(in_group).collect(),
    }
}

fn account(may_send: &[&str]) -> Account {
    let may_send = may_send.iter().map(|text| Pattern::parse(text).unwrap()).collect();
    Account { login: "scanner".to_owned(), may_send, envelope: Vec::new(), mode: None }
}

/// Delegation is enabled for all, without contexts.
fn rules() -> GrantRules {
    GrantRules { enabled: true, decided_by: DecidedBy::Principal, contexts: Vec::new(), group_members: None }
}

fn context(base: &str, enabled: Option<bool>) -> Context {
    Context { name: base.to_owned(), base: dn(base), domains: Vec::new(), enabled }
}

fn in_contexts(bases: &[&str]) -> GrantRules {
    GrantRules { contexts: bases.iter().map(|base| context(base, None)).collect(), ..rules() }
}

fn rights(names: &[Right]) -> Rights {
    let mut rights = Rights::default();
    names.iter().for_each(|right| match right {
        SendAs => rights.send_as = true,
        SendOnBehalf => rights.send_on_behalf = true,
        Schedule => rights.schedule = true,
    });
    rights
}

use Right::{Schedule, SendAs, SendOnBehalf};

#[test]
fn a_delegate_by_the_form_of_the_value() {
    let by_login = |text: &str| Delegate::Login(text.to_owned());
    for (value, delegate) in [
        ("uid=anna,dc=org", Delegate::Dn(dn("uid=anna,dc=org"))),
        (" UID=Anna , dc=org ", Delegate::Dn(dn("uid=anna,dc=org"))),
        ("anna@example.org", Delegate::Address(address("anna@example.org"))),
        (" Anna@Example.org", Delegate::Address(address("anna@example.org"))),
        ("anna", by_login("anna")),
        (" anna ", by_login("anna")),
        ("EXAMPLE\\anna", by_login("EXAMPLE\\anna")),
        ("uid=anna,", by_login("uid=anna,")),
        ("Anna <anna@example.org>", by_login("Anna <anna@example.org>")),
        ("", by_login("")),
    ] {
        assert_eq!(Delegate::parse(value), delegate, "{value:?}");
    }
}

#[test]
fn whom_a_delegate_names() {
    let anna = person("anna").mail(&["anna@example.org", "second@example.org"], &["alias@example.org"]);
    let list = group("staff").mail(&["staff@example.org"], &[]);
    let only_alias = group("odd").mail(&[], &["odd@example.org", "odder@example.org"]);
    for (value, entry, names) in [
        ("uid=anna,dc=example,dc=org", &anna, true),
        ("UID=Anna, DC=Example, DC=Org", &anna, true),
        ("uid=anna,ou=x,dc=example,dc=org", &anna, false),
        ("dc=example,dc=org", &anna, false),
        ("anna@example.org", &anna, true),
        ("ANNA@EXAMPLE.ORG", &anna, true),
        ("second@example.org", &anna, false),
        ("alias@example.org", &anna, false),
        ("anna+x@example.org", &anna, false),
        ("anna", &anna, true),
        ("Anna", &anna, true),
        ("bea", &anna, false),
        ("", &anna, false),
        ("staff@example.org", &list, true),
        ("staff", &list, false),
        ("odd@example.org", &only_alias, true),
        ("odder@example.org", &only_alias, false),
    ] {
        assert_eq!(Delegate::parse(value).names(entry), names, "{value} {:?}", entry.dn);
    }
}

#[test]
fn a_number_is_no_login() {
    let numbers = |own: &[&str], logins: &[&str]| {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Entry { numbers: texts(own), logins_but_mail: texts(logins), ..person("anna") }
    };
    let named = |text| Delegate::Number(number(text).unwrap());
    for (delegate, entry, names) in [
        (named("1001"), numbers(&["1001"], &["anna"]), true),
        (named("01001"), numbers(&["1001"], &["anna"]), true),
        (named("1001"), numbers(&["1002"], &["1001"]), false),
        (named("1001"), numbers(&[], &["1001", "1001@example.org"]), false),
        (named("100"), numbers(&["1001"], &["anna"]), false),
        (Delegate::parse("1001"), numbers(&["1001"], &["anna"]), false),
        (Delegate::parse("1001"), numbers(&["1002"], &["1001"]), true),
    ] {
        assert_eq!(delegate.names(&entry), names, "{delegate:?} {entry:?}");
    }
    for (text, digits) in [
        ("1001", Some("1001")),
        (" 007 ", Some("7")),
        ("0", Some("0")),
        ("000", Some("0")),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1 2", None),
        ("1001\u{661}", None),
        ("0x10", None),
    ] {
        assert_eq!(number(text).as_deref(), digits, "{text:?}");
    }
}

#[test]
fn the_most_specific_context_is_the_place() {
    let rules = in_contexts(&["dc=org", "ou=acme,dc=org", "ou=sub,ou=acme,dc=org"]);
    for (name, place) in [
        ("uid=a,dc=org", Place::In(0)),
        ("dc=org", Place::In(0)),
        ("uid=a,ou=acmee,dc=org", Place::In(0)),
        ("uid=a,OU=Acme,dc=org", Place::In(1)),
        ("ou=acme,dc=org", Place::In(1)),
        ("uid=a,ou=x,ou=acme,dc=org", Place::In(1)),
        ("uid=a,ou=sub,ou=acme,dc=org", Place::In(2)),
        ("uid=a,dc=net", Place::Outside),
    ] {
        assert_eq!(rules.place(&dn(name)), place, "{name}");
        assert_eq!(self::rules().place(&dn(name)), Place::Undivided, "{name}");
    }
}

#[test]
fn who_shares_a_context() {
    let rules = in_contexts(&["ou=a,dc=org", "ou=b,dc=org", "ou=c,ou=b,dc=org"]);
    for (one, other, share) in [
        ("uid=x,ou=a,dc=org", "uid=y,ou=a,dc=org", true),
        ("uid=x,ou=a,dc=org", "uid=y,ou=b,dc=org", false),
        ("uid=x,ou=b,dc=org", "uid=y,ou=c,ou=b,dc=org", false),
        ("uid=x,ou=a,dc=org", "uid=y,dc=org", false),
        ("uid=x,dc=org", "uid=y,dc=org", false),
        ("uid=x,dc=org", "uid=x,dc=org", false),
    ] {
        for (one, other) in [(one, other), (other, one)] {
            assert_eq!(rules.share_context(&dn(one), &dn(other)), share, "{one} {other}");
            assert!(self::rules().share_context(&dn(one), &dn(other)), "{one} {other}");
        }
    }
}

#[test]
fn the_context_that_claims_a_domain() {
    let mut rules = in_contexts(&["ou=a,dc=org", "ou=b,dc=org"]);
    rules.contexts[1].domains = vec!["acme.example".to_owned(), "acme.test".to_owned()];
    for (domain, base) in [
        ("acme.example", Some("ou=b,dc=org")),
        ("ACME.test", Some("ou=b,dc=org")),
        ("sub.acme.example", None),
        ("example.org", None),
        ("", None),
    ] {
        assert_eq!(rules.base_for(domain).cloned(), base.map(dn), "{domain}");
    }
}

#[test]
fn where_delegation_is_enabled() {
    use DecidedBy::{Context, Principal, Server};
    const UNSAID: Option<bool> = None;
    const YES: Option<bool> = Some(true);
    const NO: Option<bool> = Some(false);
    for (decided_by, server, context_says, principal_says, expected) in [
        (Principal, false, UNSAID, UNSAID, (false, Scope::Server)),
        (Principal, true, UNSAID, UNSAID, (true, Scope::Server)),
        (Principal, true, NO, UNSAID, (false, Scope::Context)),
        (Principal, false, YES, UNSAID, (true, Scope::Context)),
        (Principal, false, NO, YES, (true, Scope::Principal)),
        (Principal, true, YES, NO, (false, Scope::Principal)),
        (Principal, false, UNSAID, YES, (true, Scope::Principal)),
        (Context, true, UNSAID, NO, (true, Scope::Server)),
        (Context, false, UNSAID, YES, (false, Scope::Server)),
        (Context, true, NO, YES, (false, Scope::Context)),
        (Context, false, YES, NO, (true, Scope::Context)),
        (Server, true, NO, NO, (true, Scope::Server)),
        (Server, false, YES, YES, (false, Scope::Server)),
    ] {
        let contexts = vec![context("dc=example,dc=org", context_says)];
        let rules = GrantRules { enabled: server, decided_by, contexts, group_members: None };
        let principal = Entry { enabled: principal_says, ..person("bea") };
        let case = (decided_by, server, context_says, principal_says);
        assert_eq!(rules.enabled(&principal), expected, "{case:?}");
    }
}

#[test]
fn the_inner_context_says_whether_delegation_is_enabled() {
    for (inner, expected) in [
        (Some(false), (false, Scope::Context)),
        // It says nothing: the server does, and not the context around it.
        (None, (false, Scope::Server)),
    ] {
        let contexts = vec![context("dc=org", Some(true)), context("ou=acme,dc=org", inner)];
        let rules = GrantRules { contexts, enabled: false, ..rules() };
        assert_eq!(rules.enabled(&person("uid=a,ou=acme,dc=org")), expected);
    }
    let rules = GrantRules { contexts: vec![context("ou=acme,dc=org", Some(false))], ..rules() };
    assert_eq!(rules.enabled(&person("uid=a,dc=org")), (true, Scope::Server));
}

#[test]
fn what_becomes_of_a_grant() {
    use Standing::{Counts, Disabled, NotSubmitter, SelfGrant};
    let anna = || submitter("anna", &["staff", "office"]);
    let counts = |name| Counts(named(name));
    for (principal, expected) in [
        (person("bea").grants(SendAs, "anna"), counts("anna")),
        (person("bea").grants(SendAs, "anna@example.org"), counts("anna")),
        (person("bea").grants(SendAs, "UID=ANNA , dc=example, dc=org"), counts("anna")),
        (person("bea").grants(SendAs, "staff"), counts("staff")),
        (person("bea").grants(SendAs, "office"), counts("office")),
        (person("bea").grants(SendAs, "carl"), NotSubmitter),
        (person("bea").grants(SendAs, "gone@example.org"), NotSubmitter),
        (person("bea").grants(SendAs, "others"), NotSubmitter),
        (person("bea").grants(SendAs, "bea"), SelfGrant),
        (person("bea").grants(SendOnBehalf, "bea@example.org"), SelfGrant),
        (person("bea").enabled(false).grants(Schedule, "bea"), SelfGrant),
        // A group that grants to itself makes its members no delegates.
        (group("staff").mail(&["staff@example.org"], &[]).grants(SendAs, "staff"), SelfGrant),
        (group("staff").mail(&["staff@example.org"], &[]).grants(SendAs, "office"), counts("office")),
        (person("bea").enabled(false).grants(SendAs, "anna"), counts("anna")),
        (person("bea").enabled(false).grants(SendOnBehalf, "anna"), Disabled(Scope::Principal)),
        (person("bea").enabled(false).grants(Schedule, "staff"), Disabled(Scope::Principal)),
        (person("bea").enabled(false).grants(Schedule, "carl"), NotSubmitter),
        (person("bea").enabled(true).grants(SendOnBehalf, "anna"), counts("anna")),
        (person("bea").enabled(true).grants(Schedule, "anna"), counts("anna")),
    ] {
        let standing = standing(&principal.grants[0], &principal, &anna(), &rules());
        assert_eq!(standing, expected, "{principal:?}");
    }
}

#[test]
fn a_grant_by_login() {
    let mut principal = person("bea");
    principal.grants = [Grant { right: SendAs, delegate: Delegate::parse("ANNA") }].into();
    assert_eq!(rights_for(&principal, &submitter("anna", &[]), &rules()), rights(&[SendAs]));
    assert_eq!(rights_for(&principal, &submitter("carl", &["anna"]), &rules()), rights(&[]));
}

#[test]
fn a_disabled_grant_names_the_scope() {
    let principal = person("bea").grants(SendOnBehalf, "anna");
    let standing =
        |rules: &GrantRules| standing(&principal.grants[0], &principal, &submitter("anna", &[]), rules);
    let off = GrantRules { enabled: false, ..rules() };
    assert_eq!(standing(&off), Standing::Disabled(Scope::Server));
    let contexts = vec![context("dc=org", Some(false))];
    assert_eq!(
        standing(&GrantRules { contexts: contexts.clone(), ..rules() }),
        Standing::Disabled(Scope::Context)
    );
    let server = GrantRules { contexts, decided_by: OFF, ..rules() };
    assert_eq!(standing(&server), Standing::Counts(named("anna")));
}

#[test]
fn no_grant_crosses_a_context() {
    let rules = in_contexts(&["ou=a,dc=org", "ou=b,dc=org"]);
    let (in_a, in_b, outside) = ("uid=x,ou=a,dc=org", "uid=x,ou=b,dc=org", "uid=x,dc=org");
    let (group_a, group_b, group_out) = ("cn=g,ou=a,dc=org", "cn=g,ou=b,dc=org", "cn=g,dc=org");
    for (principal, delegate, submitter_is, groups, expected) in [
        ("uid=p,ou=a,dc=org", in_a, in_a, vec![], Some(in_a)),
        ("uid=p,ou=a,dc=org", in_b, in_b, vec![], None),
        ("uid=p,ou=a,dc=org", outside, outside, vec![], None),
        ("uid=p,dc=org", outside, outside, vec![], None),
        ("uid=p,dc=org", in_a, in_a, vec![], None),
        ("uid=p,ou=a,dc=org", group_a, in_a, vec![group_a], Some(group_a)),
        ("uid=p,ou=a,dc=org", group_b, in_a, vec![group_b], None),
        ("uid=p,ou=a,dc=org", group_out, in_a, vec![group_out], None),
        // Should a directory ever give a group of another context: the submitter itself must share it too.
        ("uid=p,ou=a,dc=org", group_a, in_b, vec![group_a], None),
        ("uid=p,ou=a,dc=org", group_a, outside, vec![group_a], None),
    ] {
        let principal = person(principal).grants(SendAs, delegate);
        let submitter = submitter(submitter_is, &groups);
        let expected = expected.map_or(Standing::OtherContext, |name| Standing::Counts(dn(name)));
        let standing = standing(&principal.grants[0], &principal, &submitter, &rules);
        assert_eq!(standing, expected, "{delegate} of {:?} for {submitter_is}", principal.dn);
    }
}

#[test]
fn any_identity_that_is_named_will_do() {
    // One address, primary of a group elsewhere and of one here: the grant names both.
    let rules = in_contexts(&["ou=a,dc=org", "ou=b,dc=org"]);
    let groups = ["cn=g,ou=b,dc=org", "cn=g,ou=a,dc=org"]
        .map(|name| Arc::new(group(name).mail(&["g@example.org"], &[])));
    let submitter = Submitter { groups: groups.into(), ..submitter("uid=x,ou=a,dc=org", &[]) };
    let principal = person("uid=p,ou=a,dc=org").grants(SendAs, "g@example.org");
    let standing = standing(&principal.grants[0], &principal, &submitter, &rules);
    assert_eq!(standing, Standing::Counts(dn("cn=g,ou=a,dc=org")));
}

#[test]
fn the_rights_of_one_principal() {
    let bea = || person("bea");
    for (principal, expected) in [
        (bea(), rights(&[])),
        (bea().grants(SendAs, "anna"), rights(&[SendAs])),
        (bea().grants(SendOnBehalf, "anna"), rights(&[SendOnBehalf])),
        (bea().grants(Schedule, "anna"), rights(&[Schedule])),
        (bea().grants(SendAs, "anna").grants(SendOnBehalf, "anna"), rights(&[SendAs, SendOnBehalf])),
        (bea().grants(SendAs, "staff").grants(Schedule, "anna"), rights(&[SendAs, Schedule])),
        (bea().grants(SendAs, "carl").grants(SendOnBehalf, "anna"), rights(&[SendOnBehalf])),
        (bea().grants(SendAs, "bea").grants(SendOnBehalf, "carl"), rights(&[])),
        (bea().enabled(false).grants(SendAs, "anna").grants(SendOnBehalf, "anna"), rights(&[SendAs])),
        (bea().enabled(false).grants(Schedule, "anna").grants(SendOnBehalf, "staff"), rights(&[])),
    ] {
        assert_eq!(
            rights_for(&principal, &submitter("anna", &["staff"]), &rules()),
            expected,
            "{principal:?}"
        );
    }
}

#[test]
fn members_of_a_group_as_principal() {
    let staff = || group("staff").mail(&["staff@example.org"], &[]);
    let off = || staff().enabled(false);
    for (principal, groups, group_members, expected) in [
        (staff(), vec!["staff"], None, rights(&[])),
        (staff(), vec!["staff"], Some(SendAs), rights(&[SendAs])),
        (staff(), vec!["staff"], Some(SendOnBehalf), rights(&[SendOnBehalf])),
        (staff(), vec!["office", "staff"], Some(SendAs), rights(&[SendAs])),
        (staff(), vec!["office"], Some(SendAs), rights(&[])),
        (staff(), vec![], Some(SendAs), rights(&[])),
        (off(), vec!["staff"], Some(SendAs), rights(&[SendAs])),
        (off(), vec!["staff"], Some(SendOnBehalf), rights(&[])),
        (staff().grants(SendAs, "anna"), vec!["staff"], Some(SendOnBehalf), rights(&[SendAs, SendOnBehalf])),
        (person("bea"), vec!["staff"], Some(SendAs), rights(&[])),
    ] {
        let rules = GrantRules { group_members, ..rules() };
        let case = format!("{:?} in {groups:?} with {group_members:?}", principal.dn);
        assert_eq!(rights_for(&principal, &submitter("anna", &groups), &rules), expected, "{case}");
    }
    let rules = GrantRules { group_members: Some(SendAs), ..in_contexts(&["ou=a,dc=org", "ou=b,dc=org"]) };
    for (name, expected) in [("uid=x,ou=b,dc=org", rights(&[SendAs])), ("uid=x,ou=a,dc=org", rights(&[]))] {
        let staff = "cn=staff,ou=b,dc=org";
        assert_eq!(rights_for(&group(staff), &submitter(name, &[staff]), &rules), expected, "{name}");
    }
}

/// What anna is to the address when these entries are all that the directory has.
fn relation_to(author: &str, submitter: Submitter, directory: &[Entry]) -> Option<Relation> {
    let addresses = AddressRules::new("+", [("example.net", "example.org")]).unwrap();
    let forms = addresses.candidates(&address(author));
    let entries = directory.iter().filter(|entry| forms.iter().any(|form| entry.has(form)));
    let mut owners = Owners::default();
    owners.insert(address(author), entries.cloned().map(Arc::new).collect());
    relation(&address(author), &Facts { submitter, owners }, &addresses, &rules())
}

/// The relation in a word, with the names of the principals.
fn told(relation: Option<Relation>) -> String {
    match relation {
        None => "not asked".to_owned(),
        Some(Relation::Own) => "own".to_owned(),
        Some(Relation::Unknown) => "unknown".to_owned(),
        Some(Relation::Others(others)) => {
            let name = |entry: &Arc<Entry>| entry.dn.as_str().split(['=', ',']).nth(1).unwrap().to_owned();
            let mut words: Vec<_> = others.principals.iter().map(name).collect();
            let Rights { send_as, send_on_behalf, schedule } = others.rights;
            let rights = [(send_as, SendAs), (send_on_behalf, SendOnBehalf), (schedule, Schedule)];
            words
                .extend(rights.into_iter().filter(|(has, _)| *has).map(|(_, right)| right.name().to_owned()));
            words.join(" ")
        }
    }
}

#[test]
fn the_relation_of_a_person() {
    let mut anna = submitter("anna", &["staff"]);
    let entry = person("anna").mail(&["anna@example.org", "anna@other.example"], &["a.adams@example.org"]);
    anna.entry = Some(Arc::new(entry.clone()));
    let directory = [
        entry,
        person("boss"),
        person("bea").mail(&["bea@example.org"], &["b@example.org"]).grants(SendOnBehalf, "anna"),
        person("tagged").mail(&["anna+tag@example.org"], &[]).grants(SendAs, "staff"),
        person("dora").mail(&["dora+tag@example.org"], &[]).grants(Schedule, "anna"),
        person("exact").mail(&["exact@example.net"], &[]).grants(SendAs, "anna"),
        person("mapped").mail(&["exact@example.org"], &[]),
        person("literal").mail(&["x@[192.0.2.1]"], &[]).grants(SendAs, "anna"),
    ];
    for (author, expected) in [
        ("anna@example.org", "own"),
        ("ANNA@Example.ORG", "own"),
        ("\"anna\"@example.org", "own"),
        ("anna@other.example", "own"),
        ("a.adams@example.org", "own"),
        ("anna+list@example.org", "own"),
        ("anna@example.net", "own"),
        ("anna+list@example.net", "own"),
        ("a.adams+x@example.net", "own"),
        // An entry has this very address, so anna's extension does not.
        ("anna+tag@example.org", "tagged send-as"),
        ("anna+tag@example.net", "tagged send-as"),
        ("anna+tag2@example.org", "own"),
        ("\"anna+ x\"@example.org", "unknown"),
        ("boss@example.org", "boss"),
        ("boss+x@example.net", "boss"),
        ("bea@example.org", "bea send-on-behalf"),
        ("b@example.org", "bea send-on-behalf"),
        ("bea+x@example.org", "bea send-on-behalf"),
        // Only the form with the extension exists.
        ("dora+tag@example.org", "dora schedule"),
        ("dora@example.org", "unknown"),
        ("dora+other@example.org", "unknown"),
        // Whole comes before mapped.
        ("exact@example.net", "exact send-as"),
        ("exact@example.org", "mapped"),
        ("nobody@example.org", "unknown"),
        ("anna@example.com", "unknown"),
        ("x@[192.0.2.1]", "unknown"),
    ] {
        assert_eq!(told(relation_to(author, anna.clone(), &directory)), expected, "{author}");
    }
}

#[test]
fn all_holders_of_an_address_must_grant() {
    let north = || person("north").mail(&["sales@example.org"], &[]);
    let south = || person("south").mail(&[], &["sales@example.org"]);
    for (directory, expected) in [
        (vec![north()], "north"),
        (vec![north().grants(SendAs, "anna")], "north send-as"),
        (vec![north().grants(SendAs, "anna"), south()], "north south"),
        (vec![north(), south().grants(SendAs, "anna")], "north south"),
        (vec![north().grants(SendAs, "anna"), south().grants(SendAs, "staff")], "north south send-as"),
        (vec![north().grants(SendAs, "anna"), south().grants(SendOnBehalf, "anna")], "north south"),
        (
            vec![north().grants(SendAs, "anna").grants(Schedule, "anna"), south().grants(Schedule, "anna")],
            "north south schedule",
        ),
        (
            vec![north().grants(SendOnBehalf, "anna"), south().grants(SendOnBehalf, "anna").enabled(false)],
            "north south",
        ),
        // The address of the one is the base of the other's: only the first form that somebody has counts.
        (
            vec![north().grants(SendAs, "anna"), person("x").mail(&["sales+x@example.org"], &[])],
            "north send-as",
        ),
    ] {
        let told = told(relation_to("sales@example.org", submitter("anna", &["staff"]), &directory));
        assert_eq!(told, expected, "{directory:?}");
    }
}

#[test]
fn what_is_shared_with_the_submitter_is_its_own() {
    let anna = person("anna").mail(&["sales@example.org"], &[]);
    let submitter = Submitter { entry: Some(Arc::new(anna.clone())), ..submitter("anna", &[]) };
    let directory = [anna, person("north").mail(&["sales@example.org"], &[])];
    assert_eq!(told(relation_to("sales@example.org", submitter, &directory)), "own");
}

#[test]
fn an_answer_counts_only_with_the_address_in_it() {
    // A directory whose matching is looser than ours gives somebody with another address.
    let mut owners = Owners::default();
    let other = person("other").mail(&["\u{e4}@example.org"], &[]).grants(SendAs, "anna");
    owners.insert(address("a@example.org"), [Arc::new(other)].into());
    let facts = Facts { submitter: submitter("anna", &[]), owners };
    let relation = |text| relation(&address(text), &facts, &AddressRules::default(), &rules());
    assert_eq!(relation("a@example.org"), Some(Relation::Unknown));
    assert_eq!(relation("never.asked@example.org"), None);
    assert_eq!(relation("anna@example.org"), Some(Relation::Own));
    assert_eq!(relation("a@[192.0.2.1]"), Some(Relation::Unknown));
}

#[test]
fn the_relation_of_an_account() {
    let tagged = || vec![person("boss"), person("tagged").mail(&["scanner+tag@example.org"], &[])];
    for (may_send, author, expected) in [
        (vec!["scanner@example.org"], "scanner@example.org", "own"),
        (vec!["scanner@example.org"], "Scanner@Example.ORG", "own"),
        (vec!["scanner@example.org"], "scanner+x@example.org", "own"),
        (vec!["scanner@example.org"], "scanner@example.net", "own"),
        (vec!["scanner@example.org"], "boss@example.org", "boss"),
        (vec!["scanner@example.org"], "x@example.org", "unknown"),
        // An entry has this very address.
        (vec!["scanner@example.org"], "scanner+tag@example.org", "tagged"),
        (vec!["scanner+tag@example.org"], "scanner+tag@example.org", "own"),
        (vec!["scanner+tag@example.org"], "scanner@example.org", "unknown"),
        (vec!["*@example.org"], "boss@example.org", "own"),
        (vec!["*@example.org"], "scanner+tag@example.org", "own"),
        (vec!["*@example.org"], "new@example.net", "own"),
        (vec!["*@example.org"], "x@example.com", "unknown"),
        (vec!["*@example.org"], "x@sub.example.org", "unknown"),
        (vec!["*@example.com", "boss@example.org"], "boss@example.org", "own"),
        (vec!["*"], "boss@example.org", "own"),
        (vec!["*"], "x@example.com", "own"),
        (vec!["*"], "x@[192.0.2.1]", "own"),
        (vec!["*@example.org"], "x@[192.0.2.1]", "unknown"),
        (vec![], "scanner@example.org", "unknown"),
    ] {
        let account = Some(Arc::new(account(&may_send)));
        let submitter = Submitter { login: "scanner".to_owned(), account, ..Submitter::default() };
        assert_eq!(told(relation_to(author, submitter, &tagged())), expected, "{author} with {may_send:?}");
    }
}

#[test]
fn an_account_besides_an_entry() {
    let directory = [person("anna"), person("bea").grants(SendOnBehalf, "anna"), person("boss")];
    let account = Some(Arc::new(account(&["tickets@example.org"])));
    let anna = Submitter { account, ..submitter("anna", &[]) };
    for (author, expected) in [
        ("anna@example.org", "own"),
        ("tickets@example.org", "own"),
        ("bea@example.org", "bea send-on-behalf"),
        ("boss@example.org", "boss"),
    ] {
        assert_eq!(told(relation_to(author, anna.clone(), &directory)), expected, "{author}");
    }
}

#[test]
fn an_unknown_submitter_owns_and_receives_nothing() {
    let directory = [person("anna"), person("bea").grants(SendAs, "anna")];
    let nobody = Submitter { login: "anna".to_owned(), ..Submitter::default() };
    assert!(!nobody.is_known());
    for (author, expected) in
        [("anna@example.org", "anna"), ("bea@example.org", "bea"), ("x@example.org", "unknown")]
    {
        assert_eq!(told(relation_to(author, nobody.clone(), &directory)), expected, "{author}");
    }
}

#[test]
fn the_submitter_s_addresses() {
    let mail = ["a@example.org", "b@example.org"];
    for (login, mail, aliases, may_send, expected) in [
        ("anna", &mail[..], vec![], vec![], vec!["a@example.org", "b@example.org"]),
        ("B@Example.org", &mail, vec![], vec![], vec!["b@example.org", "a@example.org"]),
        // Aliases are no primaries, though one may log in with them.
        (
            "c@example.org",
            &mail,
            vec!["c@example.org"],
            vec![],
            vec!["a@example.org", "b@example.org", "c@example.org"],
        ),
        ("anna", &[], vec!["c@example.org", "b@example.org"], vec![], vec!["c@example.org", "b@example.org"]),
        ("anna", &["ä@example.org"], vec!["ae@example.org"], vec![], vec!["ä@example.org", "ae@example.org"]),
        ("anna", &[], vec![], vec!["*", "*@example.org"], vec![]),
        (
            "anna",
            &[],
            vec![],
            vec!["*", "t@example.org", "u@example.org"],
            vec!["t@example.org", "u@example.org"],
        ),
        (
            "t@example.org",
            &["a@example.org"],
            vec![],
            vec!["t@example.org"],
            vec!["a@example.org", "t@example.org"],
        ),
    ] {
        let entry = Some(Arc::new(person("anna").mail(mail, &aliases)));
        let account = Some(Arc::new(account(&may_send)));
        let submitter = Submitter { login: login.to_owned(), entry, account, groups: Default::default() };
        let mut addresses: Vec<_> = submitter.addresses().map(Address::to_string).collect();
        assert_eq!(submitter.primary().map(Address::to_string), addresses.first().cloned(), "{login}");
        let mut seen = std::collections::HashSet::new();
        addresses.retain(|text| seen.insert(text.clone()));
        assert_eq!(addresses, expected, "{login}");
    }
    assert_eq!(Submitter::default().primary(), None);
}

#[test]
fn the_submitter_s_domains() {
    let entry = person("anna").mail(&["anna@example.org"], &["a@bücher.example"]);
    let account = account(&["*", "*@Scan.example", "t@tickets.example"]);
    let (entry, account) = (Some(Arc::new(entry)), Some(Arc::new(account)));
    let submitter = Submitter { entry, account, ..Submitter::default() };
    let domains: Vec<_> = submitter.domains().collect();
    assert_eq!(domains, ["example.org", "xn--bcher-kva.example", "scan.example", "tickets.example"]);
    assert!(submitter.is_known());
}

#[test]
fn identities_are_the_entry_and_its_groups() {
    let submitter = submitter("anna", &["staff", "office"]);
    let identities: Vec<_> = submitter.identities().map(|entry| entry.dn.clone()).collect();
    assert_eq!(identities, ["anna", "staff", "office"].map(named));
    assert_eq!(Submitter::default().identities().count(), 0);
}

/// Grants to some of few names, so that they meet.
fn any_principal() -> impl Strategy<Value = Entry> {
    let right = prop_oneof![Just(SendAs), Just(SendOnBehalf), Just(Schedule)];
    let grants = proptest::collection::vec((right, "anna|carl|staff|p[0-3]"), 0..5);
    ("p[0-3]", grants, proptest::option::of(any::<bool>())).prop_map(|(name, grants, enabled)| {
        let principal = Entry { enabled, ..person(&name).mail(&["shared@example.org"], &[]) };
        grants.into_iter().fold(principal, |principal, (right, delegate)| principal.grants(right, &delegate))
    })
}

proptest! {
    #[test]
    fn no_right_without_a_grant_of_every_holder(holders in proptest::collection::vec(any_principal(), 1..4)) {
        let granted = |right| holders.iter().all(|holder| {
            let to_anna = |grant: &Grant| grant.right == right
                && (grant.delegate.names(&person("anna")) || grant.delegate.names(&group("staff")));
            holder.grants.iter().any(to_anna) && (right == SendAs || holder.enabled != Some(false))
        });
        let expected: Vec<_> = [SendAs, SendOnBehalf, Schedule].into_iter().filter(|right| granted(*right)).collect();
        match relation_to("shared@example.org", submitter("anna", &["staff"]), &holders) {
            Some(Relation::Others(others)) => prop_assert_eq!(others.rights, rights(&expected)),
            other => prop_assert!(false, "{:?}", other),
        }
    }
}

proptest! {
    /// However many there are, for they are compared in different ways.
    #[test]
    fn the_rights_are_those_of_the_grants_that_count(
        groups in proptest::collection::vec(0..40u8, 0..12),
        grants in proptest::collection::vec((0..40u8, 0..3u8), 0..2 * Names::FEW),
        written in proptest::bool::ANY,
    ) {
        let spelled = |number: u8| if written { format!("CN = {number}, dc=org") } else { format!("cn={number},dc=org") };
        let grant = |(number, right)| {
            let right = match right { 0 => SendAs, 1 => SendOnBehalf, _ => Schedule };
            // Some by name, some by login, one of them the principal's own.
            let delegate = match number { 0 => "boss".to_owned(), 1 => "uid=boss,dc=example,dc=org".to_owned(), 2 => "anna".to_owned(), _ => spelled(number) };
            Grant { right, delegate: Delegate::parse(&delegate) }
        };
        let principal = Entry { grants: grants.into_iter().map(grant).collect(), ..person("boss") };
        let groups: Vec<_> = groups.iter().map(|number| format!("cn={number},dc=org")).collect();
        let anna = submitter("anna", &groups.iter().map(String::as_str).collect::<Vec<_>>());
        let counts = |grant: &&Grant| matches!(standing(grant, &principal, &anna, &rules()), Standing::Counts(_));
        let each: Vec<_> = principal.grants.iter().filter(counts).map(|grant| grant.right).collect();
        prop_assert_eq!(rights_for(&principal, &anna, &rules()), rights(&each));
        for right in [SendAs, SendOnBehalf, Schedule] {
            let delegates = delegates_for(&principal, &anna, &rules());
            let first = principal.grants.iter().filter(|grant| grant.right == right).find(counts);
            let first = first.map(|grant| standing(grant, &principal, &anna, &rules()));
            prop_assert_eq!(delegates.of(right).cloned().map(Standing::Counts), first);
        }
    }
}
