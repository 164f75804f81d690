//! `init` on real directories, with a terminal and without; and colours, which terminals alone get.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use delegation_milter::config::Config;
use delegation_milter::grant::Mode;
use serde_json::Value;
use support::samba::Samba;
use support::slapd::{Said, Slapd};
use support::{TempDir, project};

const SHIPPED: &str = include_str!("../conf/delegation-milter.toml");
const ACCOUNT: &str = "cn=delegation-milter,dc=example,dc=org";

struct Stage {
    files: TempDir,
}

impl Stage {
    fn new() -> Self {
        Self { files: TempDir::new() }
    }

    fn file(&self) -> PathBuf {
        self.files.path("milter.toml")
    }

    /// The program without a terminal, and with a socket of this test's own.
    fn run(&self, words: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_delegation-milter"));
        command.arg("--config").arg(self.file()).args(words).env("LDAPCONF", self.files.path("ldap.conf"));
        // libnss-wrapper(1): the only name that leads here and that nothing knows to be this machine's.
        let hosts = self.files.write("hosts", "127.0.0.1 elsewhere.example\n127.0.0.1 localhost\n");
        command.env("LD_PRELOAD", "libnss_wrapper.so").env("NSS_WRAPPER_HOSTS", hosts);
        support::slapd::finish(&mut command, "").into()
    }

    fn init(&self, words: &[&str]) -> Said {
        self.run(&[&["init", "--listen", &self.listen()], words].concat())
    }

    fn listen(&self) -> String {
        format!("unix:{}", self.files.path("milter.sock").display())
    }

    fn config(&self) -> Config {
        Config::load(&self.file()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The program at a terminal (script(1)), where somebody types this.
    fn at_terminal(&self, environment: &str, words: &[&str], typed: &str) -> Said {
        let program = env!("CARGO_BIN_EXE_delegation-milter");
        let words = words.iter().map(|word| format!(" '{word}'")).collect::<String>();
        let file = self.file().display().to_string();
        let line = format!("env TERM=xterm {environment} '{program}' --config '{file}'{words}");
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).env_remove("NO_COLOR");
        command.env("LDAPCONF", self.files.path("ldap.conf"));
        support::slapd::finish(&mut command, typed).into()
    }
}

fn comments(text: &str) -> Vec<String> {
    text.lines().filter(|line| line.starts_with("# ")).map(str::to_owned).collect()
}

fn mode(file: &Path) -> u32 {
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_configuration_that_works_and_is_not_replaced() {
    let slapd = Slapd::start(&[&Slapd::ldif("conf/demo.ldif")]);
    let stage = Stage::new();
    let (url, password) = (slapd.uri("ldap"), slapd.path("milter.password").display().to_string());
    let words = ["--url", &url, "--bind-dn", ACCOUNT, "--bind-password-file", &password];
    let said = stage.init(&words);
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    for part in [
        "preset    delegation, for there are entries of class delegationPrincipal",
        "found     an LDAP server",
        "found     it can tell of changes",
        "people, ",
        "0 errors, ",
        "-o smtpd_milters=unix:",
        "policy.mode = \"observe\"",
        "check --postfix /etc/postfix",
        "systemctl restart delegation-milter",
        "let it read ",
    ] {
        assert!(said.stdout.contains(part), "{part:?} is not in:\n{}", said.stdout);
    }
    assert!(!said.stdout.contains('\x1b'), "colours are for terminals");
    let text = std::fs::read_to_string(stage.file()).unwrap();
    assert_eq!(comments(&text), comments(SHIPPED));
    let config = stage.config();
    assert_eq!(config.mode, Mode::Observe);
    assert_eq!(config.directory.base_dn.unwrap().to_string(), "dc=example,dc=org");
    assert_eq!(stage.run(&["explain", "carl", "bea@example.org"]).code, 0);
    assert_eq!(stage.run(&["explain", "carl", "boss@example.org"]).code, 1);
}

#[test]
fn what_is_there_stays_unless_told() {
    let stage = Stage::new();
    let url = format!("file:{}", project("conf/demo.ldif").display());
    let words = ["--url", &url];
    let before = b"mine\n";
    std::fs::write(stage.file(), before).unwrap();
    std::fs::set_permissions(stage.file(), std::fs::Permissions::from_mode(0o600)).unwrap();
    let again = stage.init(&words);
    assert_eq!(again.code, 2, "{}", again.stdout);
    assert!(again.stderr.contains("is there already; give --force"), "{}", again.stderr);
    assert_eq!(std::fs::read(stage.file()).unwrap(), before);
    // As another program's input.
    let printed = stage.init(&[&words[..], &["--output", "-"]].concat());
    assert_eq!(printed.code, 0, "{}", printed.stderr);
    let forced = stage.init(&[&words[..], &["--force", "--json"]].concat());
    assert_eq!(forced.code, 0, "{}", forced.stderr);
    let answer: Value = serde_json::from_str(&forced.stdout).unwrap();
    assert_eq!(answer["preset"], "delegation");
    assert!(answer["check"].as_array().unwrap().len() > 2, "{answer}");
    assert_eq!(std::fs::read_to_string(stage.file()).unwrap().trim_end(), printed.stdout.trim_end());
    assert_eq!(mode(&stage.file()), 0o600, "as it was");
    let left: Vec<_> = std::fs::read_dir(stage.file().parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 2, "the file, and that of hosts: {left:?}");
}

/// What the package installs is there to be replaced: nobody has written anything into it.
#[test]
fn the_shipped_file_is_nobodys() {
    let stage = Stage::new();
    let url = format!("file:{}", project("conf/demo.ldif").display());
    std::fs::copy(project("conf/delegation-milter.toml"), stage.file()).unwrap();
    std::fs::set_permissions(stage.file(), std::fs::Permissions::from_mode(0o640)).unwrap();
    let first = stage.init(&["--url", &url]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert_eq!(mode(&stage.file()), 0o640, "as it was");
    let second = stage.init(&["--url", &url]);
    assert!(second.code == 2 && second.stderr.contains("give --force"), "{}{}", second.stdout, second.stderr);
}

/// It is written beside and put in its place whole; what is no file is not replaced.
#[test]
fn nothing_is_left_beside_it() {
    let stage = Stage::new();
    let url = format!("file:{}", project("conf/demo.ldif").display());
    assert_eq!(stage.init(&["--url", &url]).code, 0);
    let names =
        std::fs::read_dir(stage.file().parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
    let names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    assert!(names.iter().all(|name| !name.ends_with(".new")), "{names:?}");
    let socket = stage.files.path("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let words = ["--url", &url, "--output", socket.to_str().unwrap(), "--force"];
    let said = stage.init(&words);
    assert!(said.code == 2 && said.stderr.contains("is no regular file"), "{}{}", said.stdout, said.stderr);
    assert!(std::os::unix::net::UnixStream::connect(&socket).is_ok());
}

#[test]
fn the_product_is_guessed() {
    for (preset, class) in [
        ("kopano", "kopano-user"),
        ("kolab", "kolabInetOrgPerson"),
        ("univention", "univentionGroup"),
        ("delegation", "delegationPrincipal"),
    ] {
        let fixture = format!("tests/fixtures/presets/{preset}.ldif");
        let schema = project(&format!("tests/fixtures/presets/{preset}.schema.ldif"));
        let mut options = vec![Slapd::ldif(&fixture)];
        if schema.exists() {
            options.push(format!("--schema={}", schema.display()));
        }
        let slapd = Slapd::start(&options.iter().map(String::as_str).collect::<Vec<_>>());
        let stage = Stage::new();
        let url = slapd.uri("ldapi");
        let said = stage.init(&["--url", &url, "--external"]);
        assert_eq!(said.code, 0, "{preset}: {}{}", said.stdout, said.stderr);
        let line = format!("preset    {preset}, for there are entries of class {class}");
        assert!(said.stdout.contains(&line), "{}", said.stdout);
        assert_eq!(stage.run(&["explain", "anna", "anna@example.org"]).code, 0, "{preset}");

        // The same people in a file.
        let stage = Stage::new();
        let file = format!("file:{}", project(&fixture).display());
        let said = stage.init(&["--url", &file]);
        assert_eq!(said.code, 0, "{preset}: {}{}", said.stdout, said.stderr);
        assert!(said.stdout.contains(&line), "{}", said.stdout);
        assert_eq!(stage.run(&["explain", "anna", "anna@example.org"]).code, 0, "{preset}");
    }
}

#[test]
fn active_directory_is_guessed() {
    let samba = Samba::start(&["samba/schema.ldif", "samba/people.ldif"]);
    let source = samba.source();
    let value = |key: &str| {
        let line = source.lines().find(|line| line.starts_with(&format!("directory.{key} = "))).unwrap();
        line.split('"').nth(1).unwrap().to_owned()
    };
    let (url, account, password) = (value("urls"), value("bind_dn"), value("bind_password_file"));
    let stage = Stage::new();
    let said = stage.init(&["--url", &url, "--bind-dn", &account, "--bind-password-file", &password]);
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("preset    active-directory, for the server says"), "{}", said.stdout);
    assert_eq!(stage.config().directory.base_dn.unwrap().to_string(), "DC=example,DC=org");
    assert_eq!(stage.run(&["explain", "anna", "anna@example.org"]).code, 0);
}

#[test]
fn what_is_missing_is_named() {
    let slapd = Slapd::start(&[&Slapd::ldif("conf/demo.ldif"), "--tls"]);
    let stage = Stage::new();
    let (url, password) = (slapd.uri("ldap"), slapd.path("milter.password").display().to_string());
    let wrong = stage.files.write("wrong", "nonsense\n").display().to_string();
    // The same server under a name that is not known to be this machine.
    let elsewhere = url.replace("127.0.0.1", "elsewhere.example");
    let ca = slapd.path("tls/ca.pem").display().to_string();
    let login = ["--bind-dn", ACCOUNT, "--bind-password-file", &password];
    for (words, code, says) in [
        (vec![], 2, "there is no terminal to ask: give --url URL"),
        (vec!["--url", &url, "--bind-dn", ACCOUNT], 2, "give --bind-password-file FILE"),
        (vec!["--url", "http://x"], 2, "directory.urls"),
        (vec!["--url", &url, "--preset", "exchange"], 2, "one of delegation, kopano, active-directory"),
        (vec!["--url", &url, "--base-dn", "nonsense"], 2, "directory.base_dn"),
        (vec!["--url", &url, "--bind-dn", ACCOUNT, "--bind-password-file", &wrong], 75, "refuses the login"),
        (vec!["--url", "ldap://127.0.0.1:1"], 75, "the directory is not available"),
        (vec!["--url", "file:/nowhere.ldif"], 2, "directory.urls"),
        ([&["--url", &elsewhere, "--ca-file", &ca][..], &login].concat(), 75, "no TLS with"),
        ([&["--url", &elsewhere][..], &login].concat(), 2, "or --allow-plaintext"),
    ] {
        let said = stage.init(&words);
        assert_eq!(said.code, code, "{words:?}: {}{}", said.stdout, said.stderr);
        assert!(said.stderr.contains(says), "{words:?}: {}", said.stderr);
        assert!(!stage.file().exists(), "{words:?}");
    }
    // A password goes without TLS if that is asked for, and mail goes on being looked up by whoever reads along.
    let said = stage.init(&[&["--url", &elsewhere, "--allow-plaintext"][..], &login].concat());
    assert!(said.stdout.contains("everything goes unencrypted"), "{}{}", said.stdout, said.stderr);
    slapd.present("wrong-name");
    let words = ["--url", &elsewhere, "--ca-file", &ca, "--bind-dn", ACCOUNT, "--bind-password-file", &wrong];
    let said = stage.init(&[&words[..], &["--force"]].concat());
    assert_eq!(said.code, 75, "{}", said.stdout);
    assert!(said.stderr.contains("refuses the login"), "{}", said.stderr);
    let words = ["--url", &elsewhere, "--ca-file", &ca, "--force"];
    let said = stage.init(&[&words[..], &login].concat());
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    let text = std::fs::read_to_string(stage.file()).unwrap();
    assert!(text.contains("\nstart_tls = true\n"), "{text}");
    assert!(text.contains("\n#allow_plaintext = false\n"), "{text}");
}

#[test]
fn a_terminal_is_asked_with_proposals() {
    let slapd = Slapd::start(&[&Slapd::ldif("conf/demo.ldif")]);
    let stage = Stage::new();
    stage.files.write("ldap.conf", format!("URI {}\n", slapd.uri("ldap")));
    let password = slapd.path("milter.password").display().to_string();
    let listen = stage.listen();
    let said =
        stage.at_terminal("", &["init", "--listen", &listen], &format!("\n{ACCOUNT}\n{password}\n\n\n"));
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    for part in [
        &format!("The directory's URL [{}]: ", slapd.uri("ldap")),
        "Log in as (nothing: anonymously): ",
        "The file with its password [/etc/delegation-milter/ldap.password]: ",
        "Entries outside this one do not count [dc=example,dc=org]: ",
        "The product (there are entries of class delegationPrincipal) [delegation]: ",
        "\x1b[32mok\x1b[0m",
    ] {
        assert!(said.stdout.contains(part), "{part:?} is not in:\n{}", said.stdout);
    }
    let config = stage.config();
    assert_eq!(config.directory.base_dn.unwrap().to_string(), "dc=example,dc=org");

    // Somebody who goes away leaves nothing behind.
    std::fs::remove_file(stage.file()).unwrap();
    let said = stage.at_terminal("", &["init"], "\x04");
    assert_eq!(said.code, 2, "{}", said.stdout);
    assert!(said.stdout.contains("no answer: give --url URL"), "{}", said.stdout);
    assert!(!stage.file().exists());
}

#[test]
fn colours_are_for_people_at_a_terminal() {
    let stage = Stage::new();
    let directory = format!("file:{}", project("conf/demo.ldif").display());
    stage.files.write("milter.toml", format!("[directory]\nurls = [\"{directory}\"]\n"));
    for words in
        [&["check"][..], &["explain", "anna", "anna@example.org"], &["explain", "anna", "boss@example.org"]]
    {
        let piped = stage.run(words);
        assert!(!piped.stdout.contains('\x1b'), "{}", piped.stdout);
        let shown = stage.at_terminal("", words, "");
        assert_eq!(shown.code, piped.code, "{words:?}");
        assert!(shown.stdout.contains("\x1b[3"), "{words:?}: {}", shown.stdout);
        let plain = |text: &str| {
            let text = text.replace("\x1b[0m", "").replace("\r\n", "\n");
            ["31", "32", "33", "36"]
                .iter()
                .fold(text, |text, colour| text.replace(&format!("\x1b[{colour}m"), ""))
        };
        assert_eq!(plain(&shown.stdout), piped.stdout, "{words:?}");
        for environment in ["NO_COLOR=1", "TERM=dumb"] {
            let shown = stage.at_terminal(environment, words, "");
            assert!(!shown.stdout.contains('\x1b'), "{environment}: {}", shown.stdout);
        }
        let json = stage.at_terminal("", &[words, &["--json"]].concat(), "");
        assert!(!json.stdout.contains('\x1b'), "{}", json.stdout);
    }
}
