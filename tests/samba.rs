//! A real Active Directory: Samba's, with accounts, groups and permissions as its own tools write them.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use delegation_milter::directory::descriptor::edit::{grant, revoke};
use delegation_milter::directory::descriptor::{Effect, SEND_AS, permissions};
use support::decisions::wrong;
use support::mail_system::mail_system;
use support::milter::Setup;
use support::samba::Samba;

const RIGHT: &str = "ab721a54-1e2f-11d0-9819-00aa0040529b";

/// An access control entry in SDDL: `OA` allows, `OD` denies, to an account in braces or to one of Windows's own.
fn entry(kind: &str, flags: &str, whom: &str) -> String {
    format!("({kind};{flags};CR;{RIGHT};;{whom})")
}

fn person(name: &str) -> String {
    format!("CN={name},OU=people,DC=example,DC=org")
}

/// What only the server and its tools can tell: which descriptors they make, and what any account may read of them.
const TABLE: &str = r#"
    anna             | <anna@example.org>    | From: a.adams@example.org  | as sent
    anna@example.org | <anna@example.org>    | From: anna@example.org     | as sent
    ANNA             | <anna@example.org>    | From: boss@example.org     | envelope <boss@example.org>
    anna             | <anna@example.org>    | From: chief@example.org    | 550 5.7.1 …
    bob              | <bob@example.org>     | From: chief@example.org    | envelope <chief@example.org>
    carl             | <carl@example.org>    | From: chief@example.org    | envelope <chief@example.org>
    dora             | <dora@example.org>    | From: chief@example.org    | 550 5.7.1 …
    anna             | <anna@example.org>    | From: lead@example.org     | Sender: "Anna Adams" <anna@example.org>
    carl             | <carl@example.org>    | From: head@example.org     | Sender: "Carl Clausen" <carl@example.org>
    anna             | <anna@example.org>    | From: both@example.org     | envelope <both@example.org>
    anna             | <anna@example.org>    | From: shared@example.org   | envelope <shared@example.org>
    shared           | <shared@example.org>  | From: shared@example.org   | 550 5.7.1 …
    anna             | <anna@example.org>    | From: denied@example.org   | 550 5.7.1 …
    bob              | <bob@example.org>     | From: denied@example.org   | 550 5.7.1 …
    anna             | <anna@example.org>    | From: kept@example.org     | 550 5.7.1 …
    anna             | <anna@example.org>    | From: child@example.org    | envelope <child@example.org>
    fred             | <fred@example.org>    | From: child@example.org    | 550 5.7.1 …
    fred             | <fred@example.org>    | From: anna@example.org     | 550 5.7.1 …
    fred             | <fred@example.org>    | From: fred@example.org     | as sent
    bob              | <bob@example.org>     | From: helpdesk@example.org | 550 5.7.1 …
    dora             | <dora@example.org>    | From: news@example.org     | 550 5.7.1 …
    nobody           | <fred@example.org>    | From: fred@example.org     | 550 5.7.1 …
"#;

fn domain() -> Samba {
    let samba = Samba::start(&["samba/schema.ldif", "samba/people.ldif"]);
    for (dn, sddl) in [
        (person("boss"), entry("OA", "", "{anna}")),
        (person("chief"), entry("OA", "", "{helpdesk}") + &entry("OA", "", "{news}")),
        (person("both"), entry("OA", "", "{anna}")),
        (person("shared"), entry("OA", "", "{anna}")),
        (person("denied"), entry("OA", "", "{anna}") + &entry("OA", "", "{bob}") + &entry("OD", "", "WD")),
        (person("kept"), entry("OA", "", "WD") + &entry("OA", "", "AU") + &entry("OA", "", "PS")),
        // Samba hands it on to who is below.
        ("OU=team,OU=people,DC=example,DC=org".to_owned(), entry("OA", "CI", "{anna}")),
    ] {
        samba.permit(&dn, &sddl);
    }
    samba
}

#[test]
fn a_domain_of_samba() {
    let samba = domain();
    let mail = mail_system();
    let passes = |table: &str| {
        let setup = Setup::unix(&mail.milter_socket(), "presets/active-directory.ldif");
        let wrong = wrong(&mail, setup.source(&samba.source()), table);
        assert!(wrong.is_empty(), "{wrong}");
    };
    passes(TABLE);

    // What we write, it takes as it is.
    let anna = samba.sid("anna");
    let before = samba.descriptor("edited");
    let granted = grant(&before, &anna, &SEND_AS).unwrap().unwrap();
    samba.write_descriptor(&person("edited"), &granted);
    let kept = samba.descriptor("edited");
    let allowed = |octets: &[u8]| {
        let all = permissions(octets, &SEND_AS).unwrap();
        all.into_iter().filter(|own| own.effect == Effect::Allow && own.sid == anna).count()
    };
    assert_eq!((allowed(&before), allowed(&kept)), (0, 1));
    assert_eq!(kept.len(), granted.len());
    passes("anna | <anna@example.org> | From: edited@example.org | envelope <edited@example.org>");

    let revoked = revoke(&kept, &anna, &SEND_AS).unwrap().unwrap();
    samba.write_descriptor(&person("edited"), &revoked);
    assert_eq!(samba.descriptor("edited"), before);
    passes("anna | <anna@example.org> | From: edited@example.org | 550 5.7.1 …");
}
