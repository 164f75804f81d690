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

use std::process::Command;
use std::time::{Duration, Instant};

use delegation_milter::directory::descriptor::edit::{grant, revoke};
use delegation_milter::directory::descriptor::{Effect, SEND_AS, permissions};
use support::TempDir;
use support::decisions::wrong;
use support::mail_system::{MailSystem, mail_system};
use support::message::from;
use support::milter::Setup;
use support::samba::Samba;
use support::wait::wait_until;

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
    changes_count_at_once(&samba, &mail);
    rights_are_written(&samba);
}

/// What `grant` and `revoke` write as the administrator, whom the domain controller takes by his login.
fn rights_are_written(samba: &Samba) {
    let files = TempDir::new();
    let config = files.write("milter.toml", format!("{}delegation.enabled = true\n", samba.source()));
    let password = files.write("password", "Passw0rd.x");
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_delegation-milter"));
        command.arg("--config").arg(&config).args(words);
        if words[0] != "explain" {
            command.args(["--bind-dn", "administrator@example.org", "--bind-password-file"]).arg(&password);
        }
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    };
    let before = samba.descriptor("edited");
    for (words, status, text) in [
        // It has proxy addresses alone, and is disabled.
        (
            "grant send-as --for shared@example.org --to fred",
            0,
            "added     nTSecurityDescriptor: Send As for",
        ),
        ("explain fred shared@example.org", 0, "by        send-as"),
        ("grant send-as --for edited --to shared@example.org", 1, "neither a person who may log in nor"),
        ("grant send-as --for edited --to news@example.org", 1, "a distribution list"),
        ("grant send-as --for edited --to helpdesk@example.org", 0, "granted"),
        ("explain carl edited@example.org", 0, "by        send-as"),
        ("grant send-as --for edited --to helpdesk@example.org", 1, "it is there already"),
        ("revoke send-as --for edited --to helpdesk@example.org", 0, "revoked"),
        (
            "grant send-on-behalf --for edited --to a.adams@example.org",
            0,
            "added     publicDelegates: CN=Anna",
        ),
        ("explain anna edited@example.org", 0, "by        on-behalf"),
        ("revoke send-on-behalf --for edited --to anna", 0, "revoked"),
        ("explain anna edited@example.org", 1, "refused"),
    ] {
        let (code, said) = run(&words.split(' ').collect::<Vec<_>>());
        assert!(code == status && said.contains(text), "{words}: {code} {said}");
    }
    assert_eq!(samba.descriptor("edited"), before);
}

/// How soon a change counts.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Changes as LDIF: whom they concern, and what is said then.
fn changes(samba: &Samba) -> Vec<(&'static str, &'static str, &'static str, String)> {
    let edited = samba.descriptor("edited");
    let granted = grant(&edited, &samba.sid("anna"), &SEND_AS).unwrap().unwrap();
    let descriptor = |octets: &[u8]| Samba::descriptor_change(&person("edited"), octets);
    let modify = |dn: &str, what: &str| format!("dn: {dn}\nchangetype: modify\n{what}\n");
    let bob = |what: &str, group: &str| {
        modify(
            &format!("CN={group},OU=groups,DC=example,DC=org"),
            &format!("{what}: member\nmember: {}", person("Bob Berg")),
        )
    };
    let addresses =
        "add: proxyAddresses\nproxyAddresses: SMTP:fred@example.org\nproxyAddresses: smtp:f.falk@example.org";
    let other_login = "replace: sAMAccountName\nsAMAccountName: dorothea\n-\ndelete: mail";
    let nora = format!(
        "dn: {}\nchangetype: add\nobjectClass: user\nsAMAccountName: nora\nmail: nora@example.org\n\
         userAccountControl: 544\n",
        person("Nora Nord")
    );
    vec![
        ("anna", "edited@example.org", "250", descriptor(&granted)),
        ("anna", "edited@example.org", "550", descriptor(&edited)),
        ("bob", "chief@example.org", "550", bob("delete", "helpdesk")),
        ("bob", "chief@example.org", "250", bob("add", "night")),
        ("fred", "f.falk@example.org", "250", modify(&person("Fred Falk"), addresses)),
        ("dora", "dora@example.org", "550", modify(&person("Dora Dahl"), other_login)),
        ("nora", "nora@example.org", "250", nora),
    ]
}

/// The domain controller tells of changes, though answers are remembered for ten minutes.
fn changes_count_at_once(samba: &Samba, mail: &MailSystem) {
    let setup = Setup::unix(&mail.milter_socket(), "presets/active-directory.ldif");
    let knobs = "cache.ttl = \"10m\"\ncache.negative_ttl = \"10m\"";
    let milter = setup.source(&samba.source()).knobs(knobs).start();
    milter.wait_for_log("the directory tells of changes");
    let says = |login: &str, author: &str| {
        let reply = mail.message(login, &format!("<{login}@example.org>"), &from(author)).reply;
        reply[..3].to_owned()
    };
    for (login, author, after, ldif) in changes(samba) {
        assert_ne!(says(login, author), after, "{login} as {author}");
        samba.modify(&ldif);
        let begun = Instant::now();
        wait_until(&format!("{login} as {author}: {after}"), || says(login, author) == after);
        assert!(begun.elapsed() < AT_ONCE, "{login} as {author}: {after} after {:?}", begun.elapsed());
    }
}
