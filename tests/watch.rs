//! The directory tells of changes: whatever changes counts at once, though answers are remembered for ten minutes; and
//! what changed while nobody could tell it counts when it can. Through a real Postfix and a real slapd.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::time::{Duration, Instant};

use support::mail_system::{Borrowed, mail_system};
use support::message::from;
use support::milter::{Milter, Setup};
use support::relay::{Mode, Relay};
use support::slapd::Slapd;
use support::wait::wait_until;

/// How soon a change counts.
const AT_ONCE: Duration = Duration::from_secs(1);

/// How soon changes are told again after slapd is back.
const BACK: Duration = Duration::from_secs(2);

const TELLS: &str = "the directory tells of changes";

/// A milter between Postfix and slapd.
struct Scene {
    // Dropped first: whoever gets the mail system next has a milter of its own.
    milter: Milter,
    mail: Borrowed,
    slapd: Slapd,
}

impl Scene {
    fn set() -> Self {
        let slapd = Slapd::start(&[&Slapd::ldif("tests/fixtures/company.ldif")]);
        let port = slapd.port("ldap");
        Self::over(slapd, port)
    }

    /// With slapd behind this port.
    fn over(slapd: Slapd, port: u16) -> Self {
        let mail = mail_system();
        let knobs = "cache.ttl = \"10m\"\ncache.negative_ttl = \"10m\"";
        let setup = Setup::unix(&mail.milter_socket(), "company.ldif").knobs(knobs);
        let milter = setup.server_at(&slapd, port).start();
        milter.wait_for_log(TELLS);
        Self { mail, slapd, milter }
    }

    /// The first three digits of what is said to a message of this login with this author.
    fn says(&self, login: &str, author: &str) -> String {
        let domain = author.split_once('@').unwrap().1;
        let reply = self.mail.message(login, &format!("<{login}@{domain}>"), &from(author)).reply;
        reply[..3].to_owned()
    }

    /// It becomes so within [`AT_ONCE`], and stays so.
    fn soon_says(&self, login: &str, author: &str, code: &str) {
        let begun = Instant::now();
        wait_until(&format!("{login} as {author}: {code}"), || self.says(login, author) == code);
        assert!(begun.elapsed() < AT_ONCE, "{login} as {author}: {code} after {:?}", begun.elapsed());
        assert_eq!(self.says(login, author), code);
    }

    /// How often it was said that changes are told.
    fn told(&self) -> usize {
        self.milter.log().matches(TELLS).count()
    }
}

fn modify(dn: &str, changes: &str) -> String {
    format!("dn: {dn},dc=example,dc=org\nchangetype: modify\n{changes}\n")
}

#[test]
fn each_kind_of_change_counts_at_once() {
    let scene = Scene::set();
    for (change, login, author, before, after) in [
        ("a right is taken away", "carl", "bea@example.org", "250", "550"),
        ("a right is given", "emil", "bea@example.org", "550", "250"),
        ("somebody leaves a group", "lena", "info@example.org", "250", "550"),
        ("somebody joins a group", "mia", "info@example.org", "550", "250"),
        ("a group leaves a group", "mia", "info@example.org", "250", "550"),
        ("a group joins a group", "mia", "info@example.org", "550", "250"),
        ("a group becomes a list", "mia", "info@example.org", "250", "550"),
        ("a list becomes a group", "olga", "press@example.org", "550", "250"),
        ("an address is given", "emil", "e.ernst@example.org", "550", "250"),
        ("an address gets a second owner", "carl", "team@example.org", "250", "550"),
        ("somebody comes", "nina", "nina@example.org", "550", "250"),
        ("somebody is renamed", "zoe", "zoe@example.org", "250", "550"),
        ("somebody goes", "faye", "bea@example.org", "250", "550"),
        ("delegation is switched off", "ian", "bea@example.org", "250", "550"),
        ("a unit is renamed", "alice", "ceo@acme.example", "250", "550"),
    ] {
        assert_eq!(scene.says(login, author), before, "before {change}");
        assert_eq!(scene.says(login, author), before, "before {change}, remembered");
        scene.slapd.modify(&ldif(change));
        scene.soon_says(login, author, after);
    }
}

/// Kinds of changes that modify an entry, and how.
const MODIFICATIONS: [(&str, &str, &str); 12] = [
    (
        "a right is taken away",
        "uid=bea",
        "delete: delegationSendOnBehalf\ndelegationSendOnBehalf: uid=carl,dc=example,dc=org",
    ),
    (
        "a right is given back",
        "uid=bea",
        "add: delegationSendOnBehalf\ndelegationSendOnBehalf: uid=carl,dc=example,dc=org",
    ),
    (
        "a right is given",
        "uid=bea",
        "add: delegationSendOnBehalf\ndelegationSendOnBehalf: uid=emil,dc=example,dc=org",
    ),
    // A group has a member (RFC 4519 section 3.5).
    (
        "somebody leaves a group",
        "cn=office",
        "add: member\nmember: uid=anna,dc=example,dc=org\n-\ndelete: member\nmember: uid=lena,dc=example,dc=org",
    ),
    ("somebody joins a group", "cn=office", "add: member\nmember: uid=mia,dc=example,dc=org"),
    ("a group leaves a group", "cn=headquarters", "delete: member\nmember: cn=office,dc=example,dc=org"),
    ("a group joins a group", "cn=headquarters", "add: member\nmember: cn=office,dc=example,dc=org"),
    (
        "a group becomes a list",
        "cn=office",
        "add: objectClass\nobjectClass: delegationGroup\n-\nadd: mail\nmail: office@example.org",
    ),
    (
        "a list becomes a group",
        "cn=everyone",
        "replace: delegationSecurityGroup\ndelegationSecurityGroup: TRUE",
    ),
    (
        "an address is given",
        "uid=emil",
        "add: objectClass\nobjectClass: delegationPrincipal\n-\n\
         add: delegationAlias\ndelegationAlias: e.ernst@example.org",
    ),
    ("an address gets a second owner", "uid=nomail", "add: mail\nmail: team@example.org"),
    ("delegation is switched off", "uid=bea", "replace: delegationEnabled\ndelegationEnabled: FALSE"),
];

/// Other kinds, as LDIF.
const OTHERS: [(&str, &str); 4] = [
    (
        "somebody comes",
        "dn: uid=nina,dc=example,dc=org\nchangetype: add\nobjectClass: inetOrgPerson\nuid: nina\ncn: Nina\nsn: Nina\n\
         mail: nina@example.org\n",
    ),
    (
        "somebody is renamed",
        "dn: uid=zoe,dc=example,dc=org\nchangetype: modrdn\nnewrdn: uid=zoey\ndeleteoldrdn: 1\n",
    ),
    ("somebody goes", "dn: uid=faye,dc=example,dc=org\nchangetype: delete\n"),
    (
        "a unit is renamed",
        "dn: ou=acme,dc=example,dc=org\nchangetype: modrdn\nnewrdn: ou=zenith\ndeleteoldrdn: 1\n",
    ),
];

/// The kind of change as LDIF.
fn ldif(change: &str) -> String {
    let modification = MODIFICATIONS.iter().find(|(name, ..)| *name == change);
    let other = OTHERS.iter().find(|(name, _)| *name == change);
    match (modification, other) {
        (Some((_, dn, changes)), _) => modify(dn, changes),
        (_, Some((_, ldif))) => (*ldif).to_owned(),
        (None, None) => panic!("{change}?"),
    }
}

#[test]
fn a_change_that_nobody_reads_costs_nothing() {
    let scene = Scene::set();
    let messages = || {
        for (login, author) in [("carl", "bea@example.org"), ("lena", "info@example.org")] {
            assert_eq!(scene.says(login, author), "250");
        }
        assert_eq!(scene.says("carl", "nobody@example.org"), "550");
    };
    messages();
    let mark = scene.slapd.mark();
    for change in [
        modify("uid=bea", "replace: description\ndescription: on leave"),
        modify("uid=carl", "replace: userPassword\nuserPassword: secret"),
        "dn: cn=printer,dc=example,dc=org\nchangetype: add\nobjectClass: device\ncn: printer\n".to_owned(),
        "dn: cn=printer,dc=example,dc=org\nchangetype: delete\n".to_owned(),
        modify("uid=emil", "replace: sn\nsn: Ernst"),
    ] {
        scene.slapd.modify(&change);
    }
    // What is read, of somebody else: when it counts, all before it was told.
    scene.slapd.modify(&ldif("a right is given"));
    scene.soon_says("emil", "bea@example.org", "250");
    // Who emil is and which groups he is in, as often as he tries: what is asked while a change is told is not kept.
    let told = |search: &String| search.contains("uid=emil") || search.contains("(mail=bea@example.org)");
    let asked: Vec<_> = scene.slapd.searches_since(mark).into_iter().filter(|search| !told(search)).collect();
    assert_eq!(asked, Vec::<String>::new());
    let mark = scene.slapd.mark();
    messages();
    assert_eq!(scene.slapd.searches_since(mark), Vec::<String>::new());
}

/// What the open searches ask for.
#[test]
fn no_member_is_asked_for() {
    let scene = Scene::set();
    let log = scene.slapd.log();
    let asked: Vec<_> = log.lines().filter_map(|line| Some(line.split_once(" SRCH attr=")?.1)).collect();
    assert!(asked.iter().any(|attributes| attributes.contains("delegationsendonbehalf")), "{asked:#?}");
    for attributes in asked {
        let member = attributes.split_whitespace().any(|name| name.to_ascii_lowercase().contains("member"));
        assert!(!member, "{attributes}");
    }
}

#[test]
fn slapd_comes_back_and_what_changed_meanwhile_counts() {
    // Nothing is told while the connection is broken, though slapd runs and is changed.
    let slapd = Slapd::start(&[&Slapd::ldif("tests/fixtures/company.ldif")]);
    let relay = Relay::to(slapd.port("ldap"));
    let port = relay.port();
    let scene = Scene::over(slapd, port);
    for (login, author) in
        [("carl", "bea@example.org"), ("lena", "info@example.org"), ("faye", "bea@example.org")]
    {
        assert_eq!(scene.says(login, author), "250");
    }
    let told = scene.told();
    relay.set(Mode::Close);
    scene.milter.wait_for_log("the connection to the directory ended");
    for change in ["a right is taken away", "somebody leaves a group", "somebody goes"] {
        scene.slapd.modify(&ldif(change));
    }
    assert_eq!(scene.says("carl", "bea@example.org"), "250", "nobody has told");
    relay.set(Mode::Forward);
    let begun = Instant::now();
    wait_until("changes are told again", || scene.told() > told);
    assert!(begun.elapsed() < BACK, "back after {:?}", begun.elapsed());
    assert!(scene.milter.log().contains("resumed=true"), "it goes on where it was");
    for (login, author) in
        [("carl", "bea@example.org"), ("lena", "info@example.org"), ("faye", "bea@example.org")]
    {
        scene.soon_says(login, author, "550");
    }
}

/// Nobody asks, and nothing would be told anyway.
#[test]
fn a_black_hole_is_noticed() {
    let slapd = Slapd::start(&[&Slapd::ldif("tests/fixtures/company.ldif")]);
    let relay = Relay::to(slapd.port("ldap"));
    let port = relay.port();
    let scene = Scene::over(slapd, port);
    assert_eq!(scene.says("carl", "bea@example.org"), "250");
    for (change, code) in [("a right is taken away", "550"), ("a right is given back", "250")] {
        let (told, given_up) = (scene.told(), scene.milter.log().matches("does not answer").count());
        relay.set(Mode::BlackHole);
        scene.slapd.modify(&ldif(change));
        wait_until("it is noticed", || scene.milter.log().matches("does not answer").count() > given_up);
        relay.set(Mode::Forward);
        let begun = Instant::now();
        wait_until("changes are told again", || scene.told() > told);
        assert!(begun.elapsed() < BACK, "back after {:?}", begun.elapsed());
        scene.soon_says("carl", "bea@example.org", code);
    }
}

#[test]
fn a_restart_of_slapd_loses_nothing() {
    let scene = Scene::set();
    for (login, author) in [("carl", "bea@example.org"), ("emil", "dora@example.org")] {
        scene.says(login, author);
    }
    for round in 0..3 {
        let told = scene.told();
        scene.slapd.stop();
        assert_eq!(scene.says("carl", "bea@example.org"), "250", "what is remembered serves");
        scene.slapd.start_again();
        let begun = Instant::now();
        wait_until("changes are told again", || scene.told() > told);
        assert!(begun.elapsed() < BACK, "round {round}: back after {:?}", begun.elapsed());
    }
    let mark = scene.slapd.mark();
    assert_eq!(scene.says("carl", "bea@example.org"), "250");
    // Who is in which groups is told from the beginning each time; nothing else has changed.
    let asked = scene.slapd.searches_since(mark);
    assert!(!asked.iter().any(|search| search.contains("(mail=bea@example.org)")), "{asked:#?}");
    scene.slapd.modify(&ldif("a right is taken away"));
    scene.soon_says("carl", "bea@example.org", "550");
}

#[test]
fn a_server_that_does_not_tell_is_told_of_once() {
    let slapd = Slapd::start(&[&Slapd::ldif("tests/fixtures/company.ldif"), "--without=syncprov"]);
    let mail = mail_system();
    let setup = Setup::unix(&mail.milter_socket(), "company.ldif").knobs("cache.ttl = \"1s\"");
    let scene = Scene { milter: setup.server(&slapd).start(), mail, slapd };
    let line = scene.milter.wait_for_log("does not tell of changes");
    assert!(line.contains("WARN") && line.contains("cache.ttl"), "{line}");
    assert_eq!(scene.says("carl", "bea@example.org"), "250");
    scene.slapd.modify(&ldif("a right is taken away"));
    wait_until("the ttl has passed", || scene.says("carl", "bea@example.org") == "550");
    assert_eq!(scene.milter.log().matches("does not tell of changes").count(), 1);
}
