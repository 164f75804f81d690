//! How a real server is reached, secured and asked.

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

use support::TempDir;
use support::slapd::{SUFFIX, Slapd};

/// carl may write for bea.
const COMPANY: &str = "\
dn: dc=example,dc=org
objectClass: organization
objectClass: dcObject
o: Example
dc: example

dn: uid=carl,dc=example,dc=org
objectClass: inetOrgPerson
cn: Carl Clausen
sn: Clausen
uid: carl
mail: carl@example.org

dn: uid=bea,dc=example,dc=org
objectClass: inetOrgPerson
objectClass: delegationPrincipal
cn: Bea Brandt
sn: Brandt
uid: bea
mail: bea@example.org
delegationSendOnBehalf: cn=assistants,dc=example,dc=org
delegationSendOnBehalf: cn=nobody,dc=example,dc=org

dn: cn=assistants,dc=example,dc=org
objectClass: groupOfNames
cn: assistants
member: uid=carl,dc=example,dc=org
";

fn start(files: &TempDir, options: &[&str]) -> Slapd {
    let file = files.write("company.ldif", COMPANY);
    Slapd::start(&[&[format!("--ldif={}", file.display()).as_str()], options].concat())
}

/// Exit status and everything that is said when carl wants to write as bea, the directory being reached with these
/// lines of `[directory]`; `{…}` is a file of the server.
fn explain(files: &TempDir, slapd: &Slapd, lines: &[&str]) -> (i32, String) {
    let mut text = "[delegation]\nenabled = true\n[directory]\n".to_owned();
    if !lines.iter().any(|line| line.starts_with("base_dn")) {
        text.push_str(&format!("base_dn = \"{SUFFIX}\"\n"));
    }
    for line in lines {
        let line = match line.split_once('{').and_then(|(key, rest)| Some((key, rest.split_once('}')?))) {
            Some((key, (file, rest))) => format!("{key}{}{rest}", slapd.path(file).display()),
            None => (*line).to_owned(),
        };
        text.push_str(&format!("{line}\n"));
    }
    let config = files.write("milter.toml", text);
    let output = Command::new(env!("CARGO_BIN_EXE_delegation-milter"))
        .arg("--config")
        .arg(config)
        .args(["explain", "carl", "bea@example.org"])
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), said)
}

/// `urls` with one.
fn at(url: &str) -> String {
    format!("urls = [\"{url}\"]")
}

/// What the answer is if everything is right.
const ALLOWED: (i32, &str) = (0, "allowed: carl as <bea@example.org>");

const NO_CA: &str = "the server's certificate comes from an authority that directory.ca_file does not hold";
const START_TLS: &str = "start_tls = true";
const CA: &str = "ca_file = \"{tls/ca.pem}\"";
const OTHER_CA: &str = "ca_file = \"{tls/other-ca.pem}\"";
const ACCOUNT: &str = "bind_dn = \"cn=delegation-milter,dc=example,dc=org\"";
const PASSWORD: &str = "bind_password_file = \"{milter.password}\"";
const EXTERNAL: &str = "bind = \"external\"";

/// A server with TLS.
struct Secure {
    files: TempDir,
    slapd: Slapd,
}

impl Secure {
    fn start() -> Self {
        let files = TempDir::new();
        let slapd = start(&files, &["--tls"]);
        Self { files, slapd }
    }

    fn at(&self, service: &str) -> String {
        at(&self.slapd.uri(service))
    }

    #[track_caller]
    fn check(&self, lines: &[&str], (status, text): (i32, &str)) {
        let (code, said) = explain(&self.files, &self.slapd, lines);
        assert_eq!(code, status, "{lines:?}: {said}");
        assert!(said.contains(text), "{lines:?}: {said}");
    }
}

#[test]
fn reached_and_secured() {
    let server = Secure::start();
    let (ldap, ldaps, ldapi) = (server.at("ldap"), server.at("ldaps"), server.at("ldapi"));
    let named = at(&format!("ldaps://localhost:{}", server.slapd.port("ldaps")));
    let crossed = at(&format!("ldaps://127.0.0.1:{}", server.slapd.port("ldap")));
    let nobody = server.slapd.path("nobody").display().to_string().replace('/', "%2F");

    server.check(&[&ldapi], ALLOWED);
    server.check(&[&ldap], ALLOWED);
    server.check(&[&at(&format!("ldapi://{nobody}"))], (75, "cannot be reached: No such file or directory"));
    server.check(&[&at("ldap://nowhere.invalid")], (75, "ldap://nowhere.invalid:389 cannot be reached: "));
    server.check(&[&crossed, CA], (75, "no TLS with ldaps://127.0.0.1:"));
    server.check(&[&named, CA], ALLOWED);
    let both = [&[ldaps.as_str()][..], &[&ldap, START_TLS]];
    for lines in both {
        server.check(&[lines, &[CA]].concat(), ALLOWED);
        server.check(&[lines, &[OTHER_CA]].concat(), (75, NO_CA));
    }
    for (certificate, ca, answer) in [
        ("expired", CA, (75, "the server's certificate has expired")),
        (
            "wrong-name",
            CA,
            (75, "the server's certificate is for another name than the one in directory.urls"),
        ),
        ("other", CA, (75, NO_CA)),
        ("other", OTHER_CA, ALLOWED),
    ] {
        server.slapd.present(certificate);
        for lines in both {
            server.check(&[lines, &[ca]].concat(), answer);
        }
    }
}

#[test]
fn logged_in() {
    let server = Secure::start();
    let (ldap, ldaps, ldapi) = (server.at("ldap"), server.at("ldaps"), server.at("ldapi"));
    let wrong = format!("bind_password_file = \"{}\"", server.files.write("wrong", "wrong").display());
    for lines in [&[ldapi.as_str()][..], &[&ldap], &[&ldaps, CA], &[&ldap, START_TLS, CA]] {
        server.check(&[lines, &[ACCOUNT, PASSWORD]].concat(), ALLOWED);
        let refused = "refuses the login of cn=delegation-milter,dc=example,dc=org: invalidCredentials (49)";
        server.check(&[lines, &[ACCOUNT, wrong.as_str()]].concat(), (75, refused));
    }
    let pair = |certificate: &str, key: &str| {
        [("client_cert_file", format!("{certificate}.pem")), ("client_key_file", format!("{key}.key"))]
            .map(|(option, file)| format!("{option} = \"{{tls/{file}}}\""))
    };
    server.check(&[&ldapi, EXTERNAL], ALLOWED);
    for ((certificate, key), answer) in [
        (("client", "client"), ALLOWED),
        (
            ("other", "other"),
            (75, "the server closed the connection; does it accept directory.client_cert_file?"),
        ),
        (("client", "other"), (2, "client_cert_file and client_key_file cannot be used")),
    ] {
        let [certificate, key] = pair(certificate, key);
        server.check(&[&ldaps, CA, EXTERNAL, &certificate, &key], answer);
        server.check(&[&ldap, START_TLS, CA, EXTERNAL, &certificate, &key], answer);
    }
    let log = server.slapd.log().to_ascii_lowercase();
    for (method, times) in [("method=128", 4), ("mech=external", 3)] {
        let account = format!("bind dn=\"cn=delegation-milter,dc=example,dc=org\" {method}");
        assert!(log.matches(&account).count() >= times, "{account} is not in the log {times} times:\n{log}");
    }
}

#[test]
fn a_server_without_tls_and_what_it_is_asked() {
    let files = TempDir::new();
    let slapd = start(&files, &[]);
    let ldap = at(&slapd.uri("ldap"));
    for (more, text) in [
        (START_TLS, "it refuses StartTLS: "),
        ("base_dn = \"dc=nowhere\"", "there is no dc=nowhere: noSuchObject (32)"),
        ("base_dn = \"ou=a,dc=example,dc=org\"", "there is no ou=a,dc=example,dc=org: noSuchObject (32)"),
    ] {
        let (code, said) = explain(&files, &slapd, &[&ldap, more]);
        assert_eq!(code, 75, "{said}");
        assert!(said.contains(text), "{said}");
    }

    // What it is found by comes under its first name: mail.
    for (more, text) in [
        ("attributes.address = [\"rfc822Mailbox\"]", "uid=bea,dc=example,dc=org is found, but what it is"),
        (
            "attributes.login = [\"userid\"]",
            "uid=carl,dc=example,dc=org is found, but what it is found by is",
        ),
    ] {
        let (code, said) = explain(&files, &slapd, &[&ldap, more]);
        assert_eq!(code, 75, "{said}");
        assert!(said.contains(text), "{said}");
    }

    // It asks about the login, the address, groups, lists, and each grant: all kinds of questions.
    let (code, said) = explain(&files, &slapd, &[&ldap]);
    assert_eq!(code, 0, "{said}");
    let log = slapd.log();
    let asked: Vec<_> = log.lines().filter_map(|line| line.split_once("SRCH attr=")).collect();
    assert!(asked.len() >= 6, "{log}");
    for (_, attributes) in asked {
        for attribute in attributes.split_whitespace() {
            let member = attribute.to_ascii_lowercase().contains("member");
            assert!(!member && !["*", "+"].contains(&attribute), "{attributes}");
        }
    }
}
