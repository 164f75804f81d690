//! `grant` and `revoke` as programs run them: written to a real slapd under the access rules of `contrib/ldap`, with
//! what they say, their exit status, and what the directory holds then.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::process::{Command, Output, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::Signal;
use serde_json::Value;
use support::slapd::{ADMIN, SUFFIX, Slapd};
use support::{TempDir, project};

/// Who has a password in these tests.
const BEA: &str = "uid=bea,ou=people,dc=example,dc=org";
const ADMIN_DN: &str = "cn=admin,dc=example,dc=org";

/// The company on a server, and the configuration and passwords of a test.
struct Site {
    slapd: Slapd,
    files: TempDir,
}

impl Site {
    fn new(options: &[&str], more: &str) -> Self {
        let slapd = Slapd::start(&[&[Slapd::ldif("conf/demo.ldif").as_str()], options].concat());
        slapd.modify(&format!("dn: {BEA}\nchangetype: modify\nadd: userPassword\nuserPassword: bea\n"));
        let files = TempDir::new();
        for name in ["admin", "bea", "wrong"] {
            files.write(name, name);
        }
        let site = Self { slapd, files };
        site.configure(&site.slapd.uri("ldap"), "enabled = true", more);
        site
    }

    fn configure(&self, url: &str, delegation: &str, more: &str) {
        let text = format!(
            "[directory]\nurls = [\"{url}\"]\nbase_dn = \"{SUFFIX}\"\ntimeout = \"2s\"\n\
             bind_dn = \"cn=delegation-milter,{SUFFIX}\"\nbind_password_file = \"{}\"\n{more}\n\
             [delegation]\n{delegation}\n",
            self.slapd.path("milter.password").display()
        );
        self.files.write("milter.toml", text);
    }

    /// Runs a command as somebody: `admin`, `bea`, or `wrong`, who is the administrator with a wrong password.
    fn run(&self, who: &str, words: &[&str]) -> Said {
        let dn = if who == "bea" { BEA } else { ADMIN_DN };
        let file = self.files.path(who);
        let caller = ["--bind-dn", dn, "--bind-password-file", file.to_str().unwrap()];
        self.run_with(&[words, &caller].concat())
    }

    fn run_with(&self, words: &[&str]) -> Said {
        let config = self.files.path("milter.toml");
        let output = Command::new(env!("CARGO_BIN_EXE_delegation-milter"))
            .arg("--config")
            .arg(config)
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        output.into()
    }

    /// The values of an attribute of an entry, as the administrator sees them.
    fn values(&self, dn: &str, attribute: &str) -> Vec<String> {
        let found = self.slapd.ldapsearch(ADMIN, &["-s", "base", "-b", dn, "(objectClass=*)", attribute]);
        let prefix = format!("{attribute}: ");
        let value = |line: &str| line.strip_prefix(&prefix).map(str::to_owned);
        found.succeeded().lines().filter_map(value).collect()
    }
}

/// What a command said.
#[derive(Debug)]
struct Said {
    status: i32,
    stdout: String,
    stderr: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |octets| String::from_utf8(octets).unwrap();
        let status = output.status.code().unwrap();
        Self { status, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Said {
    #[track_caller]
    fn holds(&self, status: i32, texts: &[&str]) {
        assert_eq!(self.status, status, "{self:?}");
        for text in texts {
            assert!(self.stdout.contains(text) || self.stderr.contains(text), "{text:?}: {self:?}");
        }
    }
}

fn grant<'a>(right: &'a str, principal: &'a str, delegate: &'a str) -> [&'a str; 6] {
    ["grant", right, "--for", principal, "--to", delegate]
}

fn revoke<'a>(right: &'a str, principal: &'a str, delegate: &'a str) -> [&'a str; 6] {
    ["revoke", right, "--for", principal, "--to", delegate]
}

#[test]
fn a_person_gives_on_the_own_entry_what_is_hers_to_give() {
    let site = Site::new(&[], "");
    let anna = "uid=anna,ou=people,dc=example,dc=org";
    // Both as they may be named, and nothing but the one value is changed.
    let said = site.run("bea", &grant("send-on-behalf", "bea@example.org", "anna"));
    said.holds(0, &["granted: send-on-behalf for", "  added     delegationSendOnBehalf: uid=anna,"]);
    assert!(!said.stdout.contains("warning"), "{said:?}");
    let carl = "uid=carl,ou=people,dc=example,dc=org";
    assert_eq!(site.values(BEA, "delegationSendOnBehalf"), [carl, anna]);
    site.run_with(&["explain", "anna", "bea@example.org"]).holds(0, &["by        on-behalf"]);
    site.run("bea", &grant("schedule", BEA, "a.adams@example.org")).holds(0, &[]);
    assert_eq!(site.values(BEA, "delegationSchedule"), [anna]);
    // Send-as is the administrators', and so are the entries of others.
    site.run("bea", &grant("send-as", "bea", "anna")).holds(
        1,
        &["refused: send-as", BEA, "may not write delegationSendAs", "insufficientAccessRights (50)"],
    );
    assert!(site.values(BEA, "delegationSendAs").is_empty());
    site.run("bea", &grant("send-on-behalf", "dora", "bea")).holds(1, &["access.ldif"]);
    site.run("admin", &grant("send-as", "bea", "anna")).holds(0, &[]);
    assert_eq!(site.values(BEA, "delegationSendAs"), [anna]);
    site.run("bea", &revoke("send-on-behalf", "bea", "anna"))
        .holds(0, &["revoked: send-on-behalf", "deleted"]);
    assert_eq!(site.values(BEA, "delegationSendOnBehalf"), [carl]);
    site.run("bea", &revoke("send-as", "bea", "anna")).holds(1, &["may not write"]);
}

#[test]
fn the_class_is_added_where_it_is_missing() {
    let site = Site::new(&[], "");
    site.slapd.modify(&format!(
        "dn: uid=new,ou=people,{SUFFIX}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: new\ncn: New\nsn: New\n\
         mail: new@example.org\nuserPassword: bea\n"
    ));
    let new = format!("uid=new,ou=people,{SUFFIX}");
    let file = site.files.path("bea");
    let caller = ["--bind-dn", &new, "--bind-password-file", file.to_str().unwrap()];
    let said = site.run_with(&[&grant("send-on-behalf", "new", "anna")[..], &caller].concat());
    said.holds(
        0,
        &["added     objectClass: delegationPrincipal", "added     delegationSendOnBehalf: uid=anna"],
    );
    assert_eq!(site.values(&new, "objectClass"), ["inetOrgPerson", "delegationPrincipal"]);
    let said = site.run("admin", &grant("send-as", "new", "anna"));
    said.holds(0, &["added     delegationSendAs: uid=anna"]);
    assert!(!said.stdout.contains("objectClass"), "{said:?}");
}

#[test]
fn what_would_not_count_is_refused_with_the_reason() {
    let site = Site::new(&[], "");
    let list = "cn=everyone,ou=groups,dc=example,dc=org";
    for (right, principal, delegate, reason) in [
        ("send-as", "bea", list, "a distribution list, which is never a delegate"),
        ("send-as", "bea", "Bea@Example.org", "self-grants grant nothing"),
        ("send-as", "bea", "nobody", "nobody logs in as nobody"),
        ("send-as", "bea", "nobody@example.org", "no entry has the address"),
        ("send-as", "bea", "uid=nobody,dc=example,dc=org", "there is no entry"),
        ("send-as", "nobody", "bea", "nobody logs in as nobody"),
        (
            "send-as",
            "bea",
            "ou=people,dc=example,dc=org",
            "neither a person who may log in nor a security group",
        ),
        ("send-on-behalf", "bea", "carl", "it is there already, as delegationSendOnBehalf"),
        ("send-on-behalf", "bea", "UID=Carl, OU=People, dc=example,dc=org", "it is there already"),
        ("send-as", "frida@example.org", "carl", "it is there already, as delegationSendAs"),
    ] {
        site.run("admin", &grant(right, principal, delegate)).holds(1, &["refused", reason]);
    }
    for (right, principal, delegate, reason) in [
        ("send-as", "bea", "carl", "it is not granted to it"),
        ("send-on-behalf", "bea", "anna", "it is not granted to it"),
        ("send-as", "info@example.org", "lena", "but to cn=headquarters,ou=groups,"),
    ] {
        site.run("admin", &revoke(right, principal, delegate)).holds(1, &["refused", reason]);
    }
    assert!(!site.slapd.log().contains(" MOD attr=delegation"), "something was written");
}

#[test]
fn other_contexts_are_refused() {
    let contexts = "\n[[context]]\nname = \"acme\"\nbase_dn = \"ou=acme,dc=example,dc=org\"\n\
                    [[context]]\nname = \"rest\"\nbase_dn = \"dc=example,dc=org\"";
    let site = Site::new(&[], "");
    site.configure(&site.slapd.uri("ldap"), &format!("enabled = true\n{contexts}"), "");
    site.run("admin", &grant("send-as", "bea", "alice")).holds(1, &["another context"]);
    site.run("admin", &grant("send-as", "ceo@acme.example", "alice")).holds(0, &["granted"]);
}

#[test]
fn a_grant_that_does_not_count_yet_is_told() {
    let site = Site::new(&[], "");
    let gero = grant("send-on-behalf", "gero", "anna");
    site.run("admin", &gero).holds(0, &["warning", "not enabled: the principal's own entry says so"]);
    site.configure(&site.slapd.uri("ldap"), "enabled = false", "");
    let said = site.run("admin", &grant("send-on-behalf", "dora", "anna"));
    said.holds(0, &["warning", "the server says so ([delegation] enabled)"]);
    let said = site.run("admin", &grant("send-as", "cn=sales-south,ou=shared,dc=example,dc=org", "nils"));
    said.holds(
        0,
        &["warning", "cn=sales-north,ou=shared,dc=example,dc=org has the address sales@example.org too"],
    );
    let said = site.run("admin", &grant("send-as", "info@example.org", "lena"));
    said.holds(0, &["granted"]);
    let said = site.run("admin", &revoke("send-as", "info@example.org", "lena"));
    said.holds(0, &["revoked", "it still has the right: it is granted to cn=headquarters,"]);
}

#[test]
fn every_spelling_of_the_delegate_is_revoked() {
    let site = Site::new(&[], "");
    let frida = "uid=frida,ou=people,dc=example,dc=org";
    assert_eq!(site.values(frida, "delegationSendAs"), ["uid=Carl,ou=People,dc=example,dc=org"]);
    site.run("admin", &revoke("send-as", "frida", "carl"))
        .holds(0, &["delegationSendAs: uid=Carl,ou=People,"]);
    assert!(site.values(frida, "delegationSendAs").is_empty());
    assert_eq!(site.values(frida, "delegationSendOnBehalf").len(), 1);
}

/// Everybody who is quicker changes what the others have read.
/// A grant outlives its delegate, and would be that of the next entry with its name.
#[test]
fn who_is_gone_can_be_taken_the_right() {
    let site = Site::new(&[], "");
    let gone = "uid=gone,ou=people,dc=example,dc=org";
    site.slapd
        .modify(&format!("dn: {BEA}\nchangetype: modify\nadd: delegationSendAs\ndelegationSendAs: {gone}\n"));
    site.run("admin", &grant("send-as", "bea", gone)).holds(1, &["there is no entry uid=gone"]);
    site.run("admin", &revoke("send-as", "bea", gone))
        .holds(0, &["revoked", &format!("deleted   delegationSendAs: {gone}")]);
    site.run("admin", &revoke("send-as", "bea", gone)).holds(1, &["it is not granted to it"]);
    site.run("admin", &revoke("send-as", "bea", "gone")).holds(1, &["nobody logs in as gone"]);
}

#[test]
fn who_is_slower_sees_what_the_others_did() {
    let site = Site::new(&[], "");
    let dora = "uid=dora,ou=people,dc=example,dc=org";
    let delegates = ["anna", "bea", "emil", "frida"];
    let run = |words: &[&str]| site.run("admin", words).status;
    let statuses = std::thread::scope(|scope| {
        let one =
            |delegate: &'static str| scope.spawn(move || run(&grant("send-on-behalf", "dora", delegate)));
        let twice = delegates.iter().chain(&delegates).copied();
        let runs: Vec<_> = twice.map(one).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect::<Vec<_>>()
    });
    // Of each two, one did it, and the other finds it there.
    assert_eq!(statuses.iter().filter(|status| **status == 0).count(), 4, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 1).count(), 4, "{statuses:?}");
    assert_eq!(site.values(dora, "delegationSendOnBehalf").len(), 4);
}

#[test]
fn groups_are_delegates_and_principals() {
    let site = Site::new(&[], "");
    let group = "cn=assistants,ou=groups,dc=example,dc=org";
    site.run("admin", &grant("send-as", "bea", group)).holds(0, &["granted"]);
    site.run_with(&["explain", "lena", "bea@example.org"]).holds(0, &["by        send-as"]);
    site.run("admin", &grant("send-as", "everyone@example.org", "carl")).holds(0, &["granted"]);
    site.run_with(&["explain", "carl", "everyone@example.org"]).holds(0, &[]);
}

#[test]
fn names_that_mean_several_are_told() {
    let site = Site::new(&[], "");
    site.run("admin", &grant("send-as", "sales@example.org", "anna")).holds(
        2,
        &["give the distinguished name of one", "cn=sales-north,ou=shared,", "cn=sales-south,ou=shared,"],
    );
}

#[test]
fn nobody_writes_as_the_milter_by_default() {
    let site = Site::new(&[], "");
    site.run_with(&grant("send-as", "bea", "anna")).holds(2, &["--bind-dn DN", "--external"]);
    let words = [&grant("send-as", "bea", "anna")[..], &["--bind-dn", ADMIN_DN]].concat();
    site.run_with(&words).holds(2, &["no terminal", "--bind-password-file"]);
    let words = [&grant("send-as", "bea", "anna")[..], &["--bind-dn", ""]].concat();
    site.run_with(&words).holds(2, &["--bind-dn is empty"]);
    let words = [&grant("send-as", "bea", "anna")[..], &["--external"]].concat();
    site.run_with(&words).holds(2, &["nothing proves to ldap://127.0.0.1:"]);
    // Here EXTERNAL is the milter's account, which may write nothing.
    site.configure(&site.slapd.uri("ldapi"), "enabled = true", "");
    site.run_with(&words).holds(1, &["cn=delegation-milter,dc=example,dc=org may not write"]);
    assert!(site.values(BEA, "delegationSendAs").is_empty());
}

#[test]
fn wrong_passwords_and_servers_that_are_away() {
    let site = Site::new(&[], "");
    site.run("wrong", &grant("send-as", "bea", "anna")).holds(2, &["refuses the login of cn=admin,"]);
    let said = site.run_with(
        &[&grant("send-as", "bea", "anna")[..], &["--bind-dn", ADMIN_DN, "--bind-password-file", "/nowhere"]]
            .concat(),
    );
    said.holds(2, &["--bind-password-file /nowhere: does not exist"]);
    site.slapd.signal(Signal::SIGSTOP);
    let said = site.run("admin", &grant("send-as", "bea", "anna"));
    site.slapd.signal(Signal::SIGCONT);
    said.holds(75, &["not available"]);
    site.slapd.stop();
    site.run("admin", &grant("send-as", "bea", "anna")).holds(75, &["cannot be reached"]);
    site.slapd.start_again();
    assert!(site.values(BEA, "delegationSendAs").is_empty());
}

#[test]
fn a_password_goes_to_no_other_host_in_plain_text() {
    let site = Site::new(&[], "");
    let text = "[directory]\nurls = [\"ldap://192.0.2.1\"]\nbase_dn = \"dc=example,dc=org\"\n";
    site.files.write("milter.toml", text);
    site.run("admin", &grant("send-as", "bea", "anna")).holds(2, &["without TLS", "allow_plaintext"]);
}

#[test]
fn a_server_without_the_schema_says_what_to_load() {
    let site = Site::new(&[], "attributes.send_as = [\"noSuchThing\"]");
    site.run("admin", &grant("send-as", "bea", "anna")).holds(2, &["noSuchThing", "delegation.ldif"]);
    // The first that it knows is the one.
    let more = "attributes.send_as = [\"noSuchThing\", \"delegationSendAs\"]";
    site.configure(&site.slapd.uri("ldap"), "enabled = true", more);
    site.run("admin", &grant("send-as", "bea", "anna")).holds(0, &["added     delegationSendAs: "]);
    site.configure(&site.slapd.uri("ldap"), "enabled = true", "attributes.schedule = []");
    site.run("admin", &grant("schedule", "bea", "anna")).holds(1, &["no attribute for schedule"]);
}

#[test]
fn for_programs() {
    let site = Site::new(&[], "");
    let said = site.run("admin", &[&grant("send-as", "bea", "anna")[..], &["--json"]].concat());
    let answer: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((said.status, &answer["done"]), (0, &true.into()));
    assert_eq!(answer["added"][0]["attribute"], "delegationSendAs");
    assert_eq!(answer["principal"], BEA);
    let said = site.run("admin", &[&grant("send-as", "bea", "anna")[..], &["--json"]].concat());
    let answer: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((said.status, &answer["done"]), (1, &false.into()));
    assert!(answer["reason"].as_str().unwrap().contains("there already"));
}

#[test]
fn a_file_is_edited_by_hand() {
    let files = TempDir::new();
    let text = format!("[directory]\nurls = [\"file:{}\"]\n", project("conf/demo.ldif").display());
    let config = files.write("milter.toml", text);
    let run = |words: &[&str]| -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_delegation-milter"));
        command.arg("--config").arg(&config).args(words).output().unwrap().into()
    };
    let dn = "uid=bea,ou=people,dc=example,dc=org";
    run(&grant("send-as", "bea", "anna")).holds(
        2,
        &["edit it by hand", dn, "add the line    delegationSendAs: uid=anna,ou=people,dc=example,dc=org"],
    );
    run(&revoke("send-on-behalf", "bea", "carl"))
        .holds(2, &["delete the line    delegationSendOnBehalf: uid=carl,"]);
    run(&grant("send-on-behalf", "bea", "carl")).holds(1, &["it is there already"]);
}

/// What a line of a file cannot hold as it is stands there as base64 (RFC 2849), and whole.
#[test]
fn a_file_gets_lines_that_read_back() {
    let files = TempDir::new();
    let long = "x".repeat(500);
    let entry = |login: &str| {
        let dn = STANDARD.encode(format!("cn={login},dc=org"));
        format!("dn:: {dn}\nobjectClass: person\nuid: {login}\nmail: {login}@example.org\n\n")
    };
    let text = entry("boss")
        + &entry(&long)
        + &entry("umlaut").replace(&STANDARD.encode("cn=umlaut,dc=org"), &STANDARD.encode("cn=Jörg,dc=org"));
    let file = files.write("people.ldif", text);
    let config = files.write("milter.toml", format!("[directory]\nurls = [\"file:{}\"]\n", file.display()));
    for (delegate, line) in [
        (long.as_str(), format!(": cn={long},dc=org")),
        ("umlaut", format!(":: {}", STANDARD.encode("cn=Jörg,dc=org"))),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_delegation-milter"));
        let words = grant("send-as", "boss", delegate);
        let said: Said = command.arg("--config").arg(&config).args(words).output().unwrap().into();
        said.holds(2, &[&format!("delegationSendAs{line}\n")]);
    }
}

// --------------------------------------------------------------------------------------------------- presets

/// The people of `tests/presets.rs`, each in the classes of the product.
fn people(preset: &str) -> Site {
    let ldif = Slapd::ldif(&format!("tests/fixtures/presets/{preset}.ldif"));
    let schema =
        format!("--schema={}", project(&format!("tests/fixtures/presets/{preset}.schema.ldif")).display());
    let options = if preset == "delegation" { vec![ldif.as_str()] } else { vec![ldif.as_str(), &schema] };
    let site = Site { slapd: Slapd::start(&options), files: TempDir::new() };
    site.files.write("admin", "admin");
    site.configure(&site.slapd.uri("ldap"), "enabled = true", &format!("preset = \"{preset}\""));
    site
}

impl Site {
    /// The name of the entry with this value.
    fn dn(&self, filter: &str) -> String {
        let found = self.slapd.ldapsearch(ADMIN, &["-b", SUFFIX, filter, "1.1"]).succeeded();
        found
            .lines()
            .find_map(|line| line.strip_prefix("dn: "))
            .unwrap_or_else(|| panic!("{filter}"))
            .to_owned()
    }

    fn account(&self, name: &str) -> String {
        self.dn(&format!("(|(uid={name})(sAMAccountName={name}))"))
    }

    /// All that an entry has, but for what the server writes itself.
    fn entry(&self, dn: &str) -> Vec<String> {
        let found = self.slapd.ldapsearch(ADMIN, &["-s", "base", "-b", dn, "(objectClass=*)"]).succeeded();
        let mut lines: Vec<_> = found.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    }
}

/// What is written is what the product itself would read, and what is taken again leaves nothing behind.
#[test]
fn in_the_form_of_every_preset() {
    for (preset, send_as, on_behalf) in [
        ("delegation", "delegationSendAs: uid=fred,", "delegationSendOnBehalf: uid=fred,"),
        ("kopano", "kopanoSendAsPrivilege: 1", "delegationSendOnBehalf: uid=fred,"),
        ("kolab", "delegationSendAs: uid=fred,", "kolabDelegate: uid=fred,"),
        ("univention", "kopanoSendAsPrivilege: 1", "oxDeputyPermissionGivenTo: uid=fred,"),
        ("active-directory", "nTSecurityDescriptor: Send As for ", "publicDelegates: "),
    ] {
        let site = people(preset);
        let (boss, lead) = (site.account("boss"), site.account("lead"));
        let before = [site.entry(&boss), site.entry(&lead)];
        let helpdesk = site.dn("(cn=helpdesk)");
        site.run("admin", &grant("send-as", "boss@example.org", "a.adams@example.org"))
            .holds(1, &["it is there already"]);
        for (right, principal, by, added) in [
            ("send-as", "boss@example.org", "send-as", send_as),
            ("send-on-behalf", "lead@example.org", "on-behalf", on_behalf),
        ] {
            site.run("admin", &grant(right, principal, "fred")).holds(0, &["granted", added]);
            site.run_with(&["explain", "fred", principal]).holds(0, &[&format!("by        {by}")]);
            site.run_with(&["list", principal]).holds(0, &[by, "fred"]);
            site.run_with(&["list", "fred@example.org"]).holds(0, &[&format!("{by:9} <{principal}> (fred")]);
            site.run("admin", &grant(right, principal, "fred")).holds(1, &["it is there already"]);
            site.run("admin", &grant(right, principal, &helpdesk)).holds(0, &["granted"]);
            site.run_with(&["explain", "carl", principal]).holds(0, &[&format!("by        {by}")]);
            for delegate in ["fred@example.org", &helpdesk] {
                site.run("admin", &revoke(right, principal, delegate)).holds(0, &["revoked"]);
            }
            site.run_with(&["explain", "fred", principal]).holds(1, &["refused"]);
        }
        assert_eq!([site.entry(&boss), site.entry(&lead)], before, "{preset}");
    }
}

/// One value holds all that a deputy may do.
#[test]
fn a_deputy_has_one_value() {
    let site = people("univention");
    let lead = site.dn("(uid=lead)");
    let fred = || {
        let mut values = site.values(&lead, "oxDeputyPermissionGivenTo");
        values.retain(|value| value.starts_with("uid=fred,"));
        values.iter().map(|value| value.split_once(" |:$:| ").unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    for (words, expected) in [
        (grant("send-on-behalf", "lead", "fred"), &["00000 |:$:| 00000 |:$:| 1"][..]),
        (grant("schedule", "lead", "fred"), &["00000 |:$:| 02440 |:$:| 1"]),
        (revoke("send-on-behalf", "lead", "fred"), &["00000 |:$:| 02440 |:$:| 0"]),
        (grant("send-on-behalf", "lead", "fred"), &["00000 |:$:| 02440 |:$:| 1"]),
        (revoke("schedule", "lead", "fred"), &["00000 |:$:| 02400 |:$:| 1"]),
    ] {
        site.run("admin", &words).holds(0, &[]);
        assert_eq!(fred(), expected, "{words:?}");
    }
    // The class that allows another attribute is the product's to add.
    let said = site.run("admin", &grant("send-as", "lead", "fred"));
    said.holds(1, &["objectClassViolation (65)", "no class that allows it"]);
}

/// Kolab has one attribute for both rights.
#[test]
fn a_delegate_of_kolab_has_both_rights() {
    let site = people("kolab");
    site.run("admin", &grant("send-on-behalf", "lead", "fred"))
        .holds(0, &["kolabDelegate gives schedule too"]);
    site.run("admin", &grant("schedule", "lead", "fred"))
        .holds(1, &["it is there already, as kolabDelegate"]);
    let said = site.run("admin", &revoke("schedule", "lead", "fred"));
    said.holds(0, &["kolabDelegate gave send-on-behalf too: that is gone as well"]);
}

/// What is stored as text counts however it is written, and is shown so.
#[test]
fn names_in_text_are_listed_however_written() {
    let site = people("kolab");
    let (lead, fred) = (site.account("lead"), site.account("fred"));
    for written in [fred.replace(',', " , "), "\"fred\"@example.org".to_owned()] {
        let change =
            format!("dn: {lead}\nchangetype: modify\nreplace: kolabDelegate\nkolabDelegate: {written}\n");
        site.slapd.modify(&change);
        site.run_with(&["explain", "fred", "lead@example.org"]).holds(0, &["by        on-behalf"]);
        site.run_with(&["list", "fred@example.org"]).holds(0, &["on-behalf <lead@example.org> (fred"]);
    }
}

/// A number that several people have would give the right to all of them.
#[test]
fn what_names_others_too_is_not_written() {
    let site = people("kopano");
    let (bob, fred) = (site.account("bob"), site.account("fred"));
    let number = site.values(&bob, "uidNumber").concat();
    site.slapd.modify(&format!("dn: {fred}\nchangetype: modify\nreplace: uidNumber\nuidNumber: {number}\n"));
    let said = site.run("admin", &grant("send-as", "boss", "fred"));
    said.holds(1, &[&format!("kopanoSendAsPrivilege would name it as number {number}, and {bob} too")]);
    site.run_with(&["explain", "bob", "boss@example.org"]).holds(1, &["refused"]);
}

/// In a security descriptor, one access control entry is written and taken: what denies, what is inherited and what
/// gives all rights is told, and stays.
#[test]
fn only_send_as_itself_is_changed_in_a_descriptor() {
    let site = people("active-directory");
    let before = site.entry(&site.account("inherited"));
    for (words, status, said) in [
        (revoke("send-as", "inherited@example.org", "anna"), 1, "or comes from above"),
        (revoke("send-as", "full@example.org", "anna"), 1, "gives all rights"),
        (revoke("send-as", "boss@example.org", "fred"), 1, "it is not granted to it"),
        (grant("send-as", "broken@example.org", "fred"), 1, "the security descriptor: "),
        (grant("send-as", "group-denied@example.org", "bob"), 0, "warning   it does not count: denied by"),
        (revoke("send-as", "group-denied@example.org", "bob"), 0, "nTSecurityDescriptor: Send As for "),
        (revoke("send-as", "group-denied@example.org", "carl"), 0, "revoked"),
        (grant("schedule", "boss@example.org", "fred"), 1, "no attribute for schedule"),
    ] {
        site.run("admin", &words).holds(status, &[said]);
    }
    assert_eq!(site.entry(&site.account("inherited")), before);
    site.run_with(&["explain", "anna", "group-denied@example.org"]).holds(0, &["by        send-as"]);
}
