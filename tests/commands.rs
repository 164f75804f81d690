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
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use support::text::unescape;
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

#[test]
fn list_answers_with_its_status() {
    let files = TempDir::new();
    let config = configuration(&files, "");
    for (address, status, lines) in [
        (
            "info@example.org",
            0,
            &[
                "<info@example.org> is held by cn=info,ou=shared,dc=example,dc=org, which grants",
                "  counts    send-as to cn=headquarters,ou=groups,dc=example,dc=org: a security group",
                "  send-as   uid=lena,ou=people,dc=example,dc=org (lena, lena@example.org), through cn=headquarters,",
            ][..],
        ),
        ("press@example.org", 0, &["  does not  send-as to cn=everyone,", ": it names a distribution list"]),
        (
            "kim@example.org",
            0,
            &["it names the principal itself", "it names nothing that is in the directory"],
        ),
        ("gero@example.org", 0, &["not enabled: the principal's own entry says so", "  none      uid=carl,"]),
        (
            "sales@example.org",
            0,
            &["  send-as   uid=carl,", "uid=nils,", ": a right counts only if all entries"],
        ),
        (
            "hana@example.org",
            0,
            &["  schedule  uid=carl,ou=people,dc=example,dc=org (carl, carl@example.org)\n"],
        ),
        ("dora+x@example.org", 0, &["  send-as   uid=carl,"]),
        (
            "lena@example.org",
            0,
            &["for whom it may send\n", "  send-as   <info@example.org> (lena, lena@example.org)"],
        ),
        ("nobody@example.org", 1, &["<nobody@example.org> is nobody's: no entry has it"]),
        ("nobody", 2, &[]),
    ] {
        let output = program(&["--config", &config, "list", address]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(status), "{address}: {text}");
        for line in lines {
            assert!(text.contains(line), "{line:?} is not in the answer:\n{text}");
        }
    }
}

#[test]
fn what_grant_and_revoke_want_to_know() {
    for (words, said) in [
        (&["grant"][..], "<RIGHT>"),
        (
            &["grant", "send-to", "--for", "a", "--to", "b"],
            "possible values: send-as, send-on-behalf, schedule",
        ),
        (&["grant", "send-as", "--for", "a"], "--to <DELEGATE>"),
        (&["revoke", "send-as", "--to", "a"], "--for <PRINCIPAL>"),
        (
            &["revoke", "send-as", "--for", "a", "--to", "b", "--external", "--bind-dn", "c"],
            "cannot be used with",
        ),
        (&["grant", "send-as", "--for", "a", "--to", "b", "--bind-password-file", "c"], "--bind-dn <DN>"),
    ] {
        let output = program(words);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {text}");
        assert!(text.contains(said), "{words:?}: {text}");
    }
}

fn explain_message(config: &str, login: &str, message: &[u8], more: &[&str]) -> Output {
    let arguments = [&["--config", config, "explain", login, "--message", "-"], more].concat();
    program_reading(&arguments, message)
}

fn program_reading(arguments: &[&str], input: &[u8]) -> Output {
    let mut process = Command::new(env!("CARGO_BIN_EXE_delegation-milter"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(input).unwrap();
    process.wait_with_output().unwrap()
}

#[test]
fn explain_allows_a_whole_message() {
    let files = TempDir::new();
    let config = configuration(&files, "");
    for (login, message, more, lines) in [
        (
            "carl",
            "From: Bea Brandt\r\n <bea@example.org>\r\n\r\nFrom: boss@example.org\r\n",
            &[][..],
            &[
                "allowed: carl with this message from <carl@example.org>",
                "  Sender    carl@example.org",
                "  envelope  kept",
                "<bea@example.org> in From: send-on-behalf, written as on-behalf",
                "  counts    send-on-behalf to uid=carl,ou=people,dc=example,dc=org: it names the submitter",
                "<carl@example.org> in MAIL FROM: own",
            ][..],
        ),
        (
            "carl",
            "From: frida@example.org, dora@example.org\n\n",
            &["--mail-from", "<>"],
            &[
                "with this message from <>",
                "<frida@example.org> in From: send-as and send-on-behalf, written as on-behalf",
                "<dora@example.org> in From: send-as, written as send-as",
            ],
        ),
        ("carl", "From: dora@example.org", &[], &["  Sender    none", "  envelope  dora@example.org"]),
        ("carl", "From: dora@example.org", &["--mail-from", ""], &["  envelope  kept"]),
        ("anna", "From: anna@example.org\nSender: <anna@example.org>", &[], &["  Sender    kept"]),
        ("anna", "From: anna@example.org\nSender: <boss@example.org>", &[], &["  Sender    removed"]),
    ] {
        explains_message(&config, login, message, more, 0, lines);
    }
}

#[test]
fn explain_refuses_a_whole_message() {
    let files = TempDir::new();
    let config = configuration(&files, "");
    for (login, message, more, lines) in [
        (
            "anna",
            "From: anna@example.org, boss@example.org\n",
            &[][..],
            &[
                "refused: anna with this message",
                "  reply     550 5.7.1 <boss@example.org>: you may not send",
                "<anna@example.org> in From and MAIL FROM: own",
                "<boss@example.org> in From: none",
                "held by uid=boss,ou=people,dc=example,dc=org, which grants\n  nothing",
            ][..],
        ),
        (
            "anna",
            "From: anna@example.org",
            &["--mail-from", "boss@example.org"],
            &["(in MAIL FROM)", "<boss@example.org> in MAIL FROM: none"],
        ),
        ("anna", "From: anna@example.org", &["--mail-from", "plain"], &["553 5.1.7 <plain>: MAIL FROM must"]),
        (
            "anna",
            "Resent-From: x@example.com\nFrom: anna@example.org",
            &[],
            &["(in Resent-From)", "<x@example.com> in Resent-From: unknown"],
        ),
        ("anna", "", &[], &["554 5.6.0 there is no From field"]),
        (
            "stranger",
            "From: anna@example.org",
            &[],
            &["stranger with this message from <>", "the login stranger"],
        ),
    ] {
        explains_message(&config, login, message, more, 1, lines);
    }
}

#[test]
fn explain_says_what_becomes_of_a_report() {
    let files = TempDir::new();
    let config = configuration(&files, "[denied]\naction = \"bounce\"\n");
    for (message, more, line) in [
        ("From: boss@example.org", &[][..], "  report    to <anna@example.org>, and the message is dropped"),
        ("From: boss@example.org", &["--mail-from", ""], "  report    none: the envelope sender is null"),
        (
            "Auto-Submitted: auto-replied\nFrom: boss@example.org",
            &[],
            "  report    none: it is automatic mail (Auto-Submitted)",
        ),
    ] {
        explains_message(&config, "anna", message, more, 1, &[line, "  reply     550 5.7.1"]);
    }
    for (config, message) in
        [(&config, "From: junk <"), (&configuration(&TempDir::new(), ""), "From: boss@example.org")]
    {
        let output = explain_message(config, "anna", message.as_bytes(), &[]);
        assert!(!String::from_utf8_lossy(&output.stdout).contains("  report "), "{message}");
    }
}

#[test]
fn explain_names_copies_and_the_names_on_from() {
    let files = TempDir::new();
    let knobs = "[sent_copy]\naddress = \"{local}+Sent@{domain}\"\n[policy]\non_behalf_display = \"name\"\n";
    let config = configuration(&files, knobs);
    let both = "From: \"B. Brandt\" <bea@example.org>, dora@example.org, carl@example.org\n";
    let lines = [
        "  From      Carl Clausen on behalf of Bea Brandt\n",
        "  copies    bea+Sent@example.org, dora+Sent@example.org\n",
    ];
    explains_message(&config, "carl", both, &[], 0, &lines);
    let output = explain_message(&config, "carl", both.as_bytes(), &["--json"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["display_names"], serde_json::json!(["Carl Clausen on behalf of Bea Brandt"]));
    assert_eq!(answer["copies"], serde_json::json!(["bea+Sent@example.org", "dora+Sent@example.org"]));
    for (config, message, status) in [
        (&config, "From: carl@example.org", 0),
        (&config, "From: bea@example.org, boss@example.org", 1),
        (&configuration(&TempDir::new(), ""), both, 0),
    ] {
        let output = explain_message(config, "carl", message.as_bytes(), &[]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(status), "{message}: {text}");
        assert!(!text.contains("  From  ") && !text.contains("  copies  "), "{message}: {text}");
    }
}

#[test]
fn explain_names_what_is_written_into_calendars() {
    let files = TempDir::new();
    let config = configuration(&files, "[scheduling]\nmax_body = \"1 KiB\"\n");
    let invitation = |organizer: &str, more: &str| {
        format!(
            "From: bea@example.org\nContent-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR\nMETHOD:REQUEST\n\
             BEGIN:VEVENT\nORGANIZER:mailto:{organizer}\nATTENDEE:mailto:bea@example.org\n{more}END:VEVENT\nEND:VCALENDAR\n"
        )
    };
    let marked = "  calendar  SENT-BY <carl@example.org> for <bea@example.org>\n";
    explains_message(&config, "carl", &invitation("bea@example.org", ""), &[], 0, &[marked]);
    let long = invitation("bea@example.org", &"X-MORE:more\n".repeat(100));
    let unread = "  calendar  not read: the body is longer than scheduling.max_body\n";
    explains_message(&config, "carl", &long, &[], 0, &[unread]);
    let forwarded = explain_message(&config, "carl", invitation("x@foreign.example", "").as_bytes(), &[]);
    assert!(!String::from_utf8_lossy(&forwarded.stdout).contains("  calendar  "), "nothing is changed");
}

#[track_caller]
fn explains_message(config: &str, login: &str, message: &str, more: &[&str], status: i32, lines: &[&str]) {
    let output = explain_message(config, login, message.as_bytes(), more);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(status), "{login} {message:?}: {text}");
    for line in lines {
        assert!(text.contains(line), "{line:?} is not in the answer:\n{text}");
    }
}

#[test]
fn explain_decides_a_whole_message_for_programs() {
    let files = TempDir::new();
    let config = configuration(&files, "");
    let file =
        files.write("message", "From: dora@example.org\nSender: x@example.com\n\n").display().to_string();
    let output = program(&["--config", &config, "explain", "carl", "--message", &file, "--json"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for (pointer, value) in [
        ("/allowed", true.into()),
        ("/mail_from", "<carl@example.org>".into()),
        ("/sender_field", "removed".into()),
        ("/envelope", "dora@example.org".into()),
        ("/addresses/0/address", "dora@example.org".into()),
        ("/addresses/0/places", serde_json::json!(["From"])),
        ("/addresses/0/relation", serde_json::json!(["send-as"])),
        ("/addresses/0/by", "send-as".into()),
        ("/addresses/0/principals/0/grants/0/counts", true.into()),
        ("/addresses/1/relation", serde_json::json!(["own"])),
    ] {
        assert_eq!(answer.pointer(pointer), Some(&value), "{pointer} of {answer:#}");
    }
    for absent in ["/address", "/by", "/principals", "/sender", "/reply", "/addresses/1/by"] {
        assert_eq!(answer.pointer(absent), None, "{absent} of {answer:#}");
    }
}

/// `tests/corpus.rs` sends these through Postfix; of the same octets in a file, the verdict is the same.
#[test]
fn explain_gives_the_verdicts_of_the_corpus() {
    let files = TempDir::new();
    let directory = project("tests/fixtures/corpus.ldif");
    let text = format!("[directory]\nurls = [\"file:{}\"]\n", directory.display());
    let config = files.write("milter.toml", text).display().to_string();
    let lines: Vec<_> =
        include_str!("corpus/from.tsv").lines().filter(|line| !line.starts_with('#')).collect();
    assert!(lines.len() > 40);
    for line in lines {
        let columns: Vec<_> = line.split('\t').collect();
        let message = [&unescape(columns[2])[..], b"To: to@sink.example\r\n\r\nHello.\r\n"].concat();
        let output = explain_message(&config, "anna", &message, &[]);
        let expected = if columns[1] == "accept" { 0 } else { 1 };
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(expected), "{}: {text}", columns[0]);
    }
}

/// What the milter answers with 451 is neither yes nor no, and says what to do.
#[test]
fn a_login_of_several_is_deferred() {
    let files = TempDir::new();
    let person =
        |ou| format!("dn: uid=a,ou={ou}\nobjectClass: inetOrgPerson\nuid: a\nmail: a@{ou}.example\n\n");
    let ldif = files.write("two.ldif", person("x") + &person("y"));
    let text = format!("[directory]\nurls = [\"file:{}\"]\n", ldif.display());
    let config = files.write("milter.toml", text).display().to_string();
    for arguments in [&["a@x.example"][..], &["--message", "/dev/null"]] {
        let output = program(&[&["--config", &config, "explain", "a"], arguments].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(75), "{error}");
        for said in ["uid=a,ou=x and uid=a,ou=y", "deferred (451) until only one of them has it"] {
            assert!(error.contains(said), "{said:?} is not in {error}");
        }
    }
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
        (
            &["--config", &good, "explain", "anna", "a@example.org", "--message", "-"],
            "cannot be used with '--message",
        ),
        (&["--config", &good, "explain", "anna", "a@example.org", "--mail-from", ""], "cannot be used with"),
        (&["--config", &good, "explain", "anna", "--mail-from", ""], "--message"),
        (
            &["--config", &good, "explain", "anna", "--message", &nowhere],
            "nowhere.toml: cannot be read: No such file",
        ),
        (&["--config", &good, "expalin"], "unrecognized subcommand"),
        (&["--nonsense"], "unexpected argument"),
    ] {
        ends_with_2(&program(arguments), said);
    }
}

/// Names of files reach a terminal as text.
#[test]
fn nothing_but_text_is_said_on_standard_error() {
    let files = TempDir::new();
    let good = configuration(&files, "");
    let odd = files.path("\u{1b}[31m\u{202e}").display().to_string();
    for arguments in [&["--config", &odd][..], &["--config", &good, "explain", "anna", "--message", &odd]] {
        let output = program(arguments);
        ends_with_2(&output, "\\u{1b}[31m\\u{202e}");
        let is_text = |byte: &u8| *byte == b'\n' || (b' '..=b'~').contains(byte);
        assert!(output.stderr.iter().all(is_text), "{:?}", String::from_utf8_lossy(&output.stderr));
    }
}

/// As in `explain … | head -1`.
#[test]
fn who_stops_reading_has_read_enough() {
    let files = TempDir::new();
    let config = configuration(&files, "");
    for (address, status) in [("anna@example.org", 0), ("boss@example.org", 1)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_delegation-milter"))
            .args(["--config", &config, "explain", "anna", address])
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{address}");
        assert_eq!(output.status.code(), Some(status), "{address}");
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
    wire.send('B', b"text");
    let answer = wire.receive();
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(answer.0, 'a');
}

/// Each shell has a script; bash, which is on every machine, completes by it.
#[test]
fn shells_complete_commands_and_options() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = program(&["completions", shell]);
        let script = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{shell}");
        for word in ["explain", "revoke", "mail-from", "completions"] {
            assert!(script.contains(word), "{word} is not in the script for {shell}");
        }
    }
    let files = TempDir::new();
    let script = files.write("completion", program(&["completions", "bash"]).stdout);
    let asked = "source \"$1\"; COMP_WORDS=(delegation-milter exp) COMP_CWORD=1; \
                 _delegation__milter delegation-milter exp delegation-milter; echo \"${COMPREPLY[@]}\"";
    let output = Command::new("bash").args(["-c", asked, "bash"]).arg(&script).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "explain\n");
}
