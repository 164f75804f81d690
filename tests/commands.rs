//! The command line: what it answers, on which stream, and with which exit status.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use support::wire::{ACTIONS, STEPS, Wire};
use support::{TempDir, project};

fn program(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_delegation-milter")).args(arguments).output().unwrap()
}

/// A configuration for the company of `conf/demo.ldif`, with more lines.
fn configuration(files: &TempDir, more: &str) -> String {
    let directory = project("conf/demo.ldif");
    let text = format!(
        "listen = \"unix:{}\"\n{more}\n[directory]\nurls = [\"file:{}\"]\n[delegation]\nenabled = true\n",
        files.path("sock").display(),
        directory.display()
    );
    files.write("milter.toml", text).display().to_string()
}

fn explain(config: &str, login: &str, address: &str) -> (i32, String) {
    let output = program(&["--config", config, "explain", login, address]);
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn explain_answers_with_its_status() {
    let files = TempDir::new();
    let config = configuration(&files, "denied.contact = \"it@example.org\"");
    for (login, address, status, lines) in [
        ("anna", "anna@example.org", 0, &["allowed: anna as <anna@example.org>", "  by        own"][..]),
        ("carl", "bea@example.org", 0, &["  by        on-behalf", "  Sender    carl@example.org"]),
        ("carl", "dora@example.org", 0, &["  by        send-as", "  envelope  dora@example.org"]),
        ("anna", "boss@example.org", 1, &["refused: anna as <boss@example.org>", "; ask it@example.org"]),
        ("anna", "nobody@example.org", 1, &["<nobody@example.org>: you may not send"]),
        ("stranger", "anna@example.org", 1, &["  entry     none", "550 5.7.1 the login stranger"]),
    ] {
        let (code, text) = explain(&config, login, address);
        assert_eq!(code, status, "{login} {address}: {text}");
        for line in lines {
            assert!(text.contains(line), "{line:?} is not in the answer:\n{text}");
        }
    }
}

/// Every group and every grant that counted is named, and every one that did not, with the reason.
#[test]
fn explain_names_the_path() {
    let files = TempDir::new();
    let config = configuration(&files, "");
    for (login, address, lines) in [
        (
            "lena",
            "info@example.org",
            &[
                ": directly",
                ": through cn=",
                ": the submitter is in this group",
                "  counts    send-as to cn=",
            ][..],
        ),
        (
            "olga",
            "press@example.org",
            &[
                "  does not  cn=everyone,ou=groups,dc=example,dc=org: a distribution list is never a delegate",
                ": it names a distribution list, which is never a delegate",
            ],
        ),
        (
            "carl",
            "kim@example.org",
            &[": it names the principal itself", ": it names nothing that is in the directory"],
        ),
        (
            "carl",
            "gero@example.org",
            &[": delegation is not enabled: the principal's own entry says so (delegationEnabled)"],
        ),
        ("anna", "bea@example.org", &[": it names neither the submitter nor a security group"]),
    ] {
        let (_, text) = explain(&config, login, address);
        for line in lines {
            assert!(text.contains(line), "{line:?} is not in the answer:\n{text}");
        }
    }
}

#[test]
fn explain_for_programs() {
    let files = TempDir::new();
    let config = configuration(&files, "");
    let output = program(&["--config", &config, "explain", "carl", "bea@example.org", "--json"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["allowed"], true);
    assert_eq!(answer["by"], "on-behalf");
    assert_eq!(answer["principals"][0]["grants"][0]["counts"], true);
    let output = program(&["--config", &config, "explain", "anna", "boss@example.org", "--json"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &answer["allowed"]), (Some(1), &false.into()));
}

/// Usage and configuration end with 2 and say why on standard error, nothing on standard output.
#[test]
fn what_is_wrong_ends_with_2() {
    let files = TempDir::new();
    let good = configuration(&files, "");
    let typo = files.write("typo.toml", "lisen = \"inet:127.0.0.1:9931\"\n").display().to_string();
    let nowhere = files.path("nowhere.toml").display().to_string();
    for (arguments, said) in [
        (&["--config", &nowhere][..], "nowhere.toml does not exist; name another configuration file"),
        (&["--config", &typo], "typo.toml:1: lisen: "),
        (&["--config", &typo, "explain", "a", "b@c"], "typo.toml:1: lisen: "),
        (
            &["--config", &good, "explain", "anna", "nonsense"],
            "\"nonsense\" is not a mail address: it has no domain",
        ),
        (&["--config", &good, "explain", "anna"], "required arguments were not provided"),
        (&["--config", &good, "expalin"], "unrecognized subcommand"),
        (&["--nonsense"], "unexpected argument"),
    ] {
        ends_with_2(&program(arguments), said);
    }
}

#[test]
fn every_bad_configuration_ends_with_2() {
    let examples = project("tests/config");
    for example in std::fs::read_dir(examples).unwrap().map(|example| example.unwrap().path()) {
        if example.extension().is_some_and(|extension| extension == "toml") {
            let first = std::fs::read(&example).unwrap();
            let first = String::from_utf8_lossy(&first);
            let first = first.lines().find_map(|line| line.strip_prefix("#> ")).unwrap();
            ends_with_2(&program(&["--config", &example.display().to_string()]), first);
        }
    }
}

#[track_caller]
fn ends_with_2(output: &Output, said: &str) {
    let here = format!("{}/", project("tests/config").display());
    let error = String::from_utf8_lossy(&output.stderr).replace(&here, "");
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains(said), "{said:?} is not in {error}");
    assert!(output.stdout.is_empty());
}

/// A socket that cannot be had, and a directory that cannot be read, end the start with 2 and a remedy.
#[test]
fn what_cannot_be_started_says_what_to_do() {
    let files = TempDir::new();
    let ldif = files.write("bad.ldif", "dn: uid=a\nuid: a\nnonsense\n");
    let listen = |path: &Path| format!("listen = \"unix:{}\"", path.display());
    let demo = project("conf/demo.ldif");
    for (listen, directory, said) in [
        (listen(&files.path("nowhere/sock")), &demo, "make the directory of the socket first"),
        (listen(&ldif), &demo, "is no socket; remove it, or choose another \"listen\""),
        (listen(&files.path("sock")) + "\nsocket_group = \"nosuchgroup\"", &demo, "there is no such group"),
        (listen(&files.path("sock")), &ldif, "bad.ldif, line 3: there is no `:`"),
    ] {
        let text = format!("{listen}\n[directory]\nurls = [\"file:{}\"]\n", directory.display());
        let config = files.write("milter.toml", text).display().to_string();
        ends_with_2(&program(&["--config", &config]), said);
    }
}

/// A full disk under the log loses lines and no mail.
#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let files = TempDir::new();
    let config = configuration(&files, "");
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut process = Command::new(env!("CARGO_BIN_EXE_delegation-milter"))
        .args(["--config", &config])
        .stdin(Stdio::null())
        .stderr(full)
        .spawn()
        .unwrap();
    support::wait::wait_until("the milter listens", || {
        std::os::unix::net::UnixStream::connect(files.path("sock")).is_ok()
    });
    let (mut wire, _) = Wire::negotiate(&files.path("sock"), ACTIONS, STEPS);
    assert_eq!(wire.mail("anna", "<anna@example.org>").0, 'c');
    wire.send_strings('L', &["From", " anna@example.org"]);
    wire.send('N', b"");
    let answer = wire.receive();
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(answer.0, 'a');
}
