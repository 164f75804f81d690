//! The filter for fail2ban (contrib/fail2ban): whom it finds in lines that the program wrote, and whom not, whatever
//! clients write.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use support::milter::Setup;
use support::submission::Submission;
use support::{TempDir, project};

/// Nobody sends from here; it stands in what clients write.
const VICTIM: &str = "203.0.113.66";

/// The addresses that the filter finds in these lines, one for each.
fn found(files: &TempDir, lines: &[String]) -> Vec<String> {
    let log = files.write("log", lines.join("\n") + "\n");
    let filter = project("contrib/fail2ban/filter.d/delegation-milter.conf");
    let output = Command::new("fail2ban-regex")
        .args([Path::new("--out"), Path::new("<ip>"), &log, &filter])
        .output()
        .expect("fail2ban-regex: contrib/testbed/install fail2ban");
    assert!(output.status.code().is_some_and(|code| code < 2), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// What a milter in this mode logs of these messages, a line each.
fn logged(files: &TempDir, mode: &str, messages: &[Submission]) -> Vec<String> {
    let knobs = format!("policy.mode = \"{mode}\"");
    let mut milter = Setup::unix(&files.path("milter.sock"), "company.ldif").knobs(&knobs).start();
    for message in messages {
        message.send(&milter);
    }
    milter.signal(Signal::SIGTERM);
    assert!(milter.wait_for_end().success());
    let log = milter.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains(" verdict=\"")).map(str::to_owned).collect();
    assert_eq!(lines.len(), messages.len(), "{log}");
    lines
}

/// What a client may write to have somebody else banned.
fn injections() -> Vec<String> {
    let fields =
        format!("queue_id=\"1\" client=\"{VICTIM}\" login=\"x\" verdict=\"refuse\" rule=\"author\" x=\"");
    let line = format!("2026-11-22T17:00:00.123456Z  INFO {fields}");
    vec![
        format!("\" {fields}"),
        format!("\\\" {fields}"),
        format!("\\\\\" {fields}"),
        format!("\\\" {}", fields.replace('"', "\\\"")),
        format!("x\n{line}"),
        format!("x\r\n{line}"),
        format!("\u{2028}{line}"),
        format!("Nov 22 17:00:00 host delegation-milter[1]: {line}"),
        line,
        format!("\" client=\"{VICTIM}\" login=\"x"),
        format!("client=\"{VICTIM}\""),
        format!("{VICTIM} [{VICTIM}]"),
        "\\".into(),
        "\"".into(),
    ]
}

#[test]
fn who_is_refused_for_whom_they_claim_to_be_is_found() {
    let files = TempDir::new();
    let own = "carl@example.org";
    let messages = [
        Submission::new("192.0.2.1", "carl", "boss@example.org"),
        Submission::new("2001:db8::2", "carl", "boss@example.org"),
        Submission { mail_from: "<boss@example.org>".into(), ..Submission::new("192.0.2.3", "carl", own) },
        Submission::new("192.0.2.4", "carl", "\"boss@example.org\" <carl@example.org>"),
        Submission::new("192.0.2.5", "nobody-known", own),
        // Not these: accepted, and malformed.
        Submission::new("192.0.2.6", "carl", own),
        Submission::new("192.0.2.7", "carl", "bea@example.org"),
        Submission::new("192.0.2.8", "carl", "boss@example.org <"),
    ];
    let lines = logged(&files, "enforce", &messages);
    let expected = ["192.0.2.1", "2001:db8::2", "192.0.2.3", "192.0.2.4", "192.0.2.5"];
    assert_eq!(found(&files, &lines), expected, "{lines:#?}");
    // As syslogd and journalctl pass them on, and the gist that the journal gets.
    let gist = "queue_id=\"4Xq\" client=\"192.0.2.9\" login=\"carl\" from=\"boss@example.org\" verdict=\"bounce\" \
                rule=\"author\" reply=\"550 5.7.1 <boss@example.org>\"";
    for prefix in ["Nov 22 17:00:00 host ", "2026-11-22T17:00:00.123456+01:00 host.example "] {
        let behind: Vec<_> =
            lines.iter().map(|line| format!("{prefix}delegation-milter[123]: {line}")).collect();
        assert_eq!(found(&files, &behind), expected, "{prefix}");
        let gist = format!("{prefix}delegation-milter[123]: {gist}");
        assert_eq!(found(&files, &[gist]), ["192.0.2.9"], "{prefix}");
    }
}

#[test]
fn nobody_is_found_for_what_was_put_off_or_observed() {
    let files = TempDir::new();
    let observed = logged(&files, "observe", &[Submission::new("192.0.2.1", "carl", "boss@example.org")]);
    assert!(observed[0].contains("verdict=\"would refuse\""), "{observed:?}");
    assert!(found(&files, &observed).is_empty());
    // Of a directory with two entries for a login.
    let deferred: Vec<String> = ["defer", "would defer", "accept", "would change"]
        .map(|verdict| observed[0].replace("would refuse", verdict))
        .into();
    assert!(found(&files, &deferred).is_empty(), "{deferred:?}");
    // Other programs may quote what we write.
    let refused = observed[0].replace("would refuse", "refuse");
    let others = ["postfix/smtpd[1]: ", "x delegation-milter[1]: ", "delegation-milter-x[1]: "]
        .map(|tag| format!("Nov 22 17:00:00 host {tag}{refused}"));
    assert!(found(&files, &others).is_empty(), "{others:?}");
    assert_eq!(found(&files, &[refused]), ["192.0.2.1"]);
}

#[test]
fn what_a_client_writes_bans_nobody_else() {
    let files = TempDir::new();
    let mut messages = Vec::new();
    for text in injections() {
        let own = "carl@example.org";
        for (login, from) in [("carl", own), ("carl", "boss@example.org")] {
            let message = Submission::new("192.0.2.1", login, from);
            messages.extend([
                Submission { login: text.clone(), ..message.clone() },
                Submission { queue_id: text.clone(), ..message.clone() },
                Submission { mail_from: format!("<{text}>"), ..message.clone() },
                Submission { mail_from: format!("<\"{text}\"@example.org>"), ..message.clone() },
                Submission { from: text.clone(), ..message.clone() },
                Submission { from: format!("\"{text}\" <{from}>"), ..message.clone() },
                Submission { from: format!("<\"{text}\"@example.org>"), ..message },
            ]);
        }
    }
    let lines = logged(&files, "enforce", &messages);
    assert!(lines.iter().filter(|line| line.contains(VICTIM)).count() > 50);
    let addresses = found(&files, &lines);
    assert!(addresses.len() > 50 && addresses.iter().all(|address| address == "192.0.2.1"), "{addresses:?}");
    // The same where nothing is refused: then nobody is found, whatever stands in the values.
    let observed = logged(&files, "observe", &messages);
    assert_eq!(found(&files, &observed), Vec::<String>::new());
    let behind: Vec<_> =
        observed.iter().map(|line| format!("Nov 22 17:00:00 h delegation-milter[1]: {line}")).collect();
    assert_eq!(found(&files, &behind), Vec::<String>::new());
}

/// With the jail beside the system's own files: fail2ban reads it, and knows the filter.
#[test]
fn the_jail_is_read() {
    let files = TempDir::new();
    let copied = Command::new("cp").arg("-r").arg("/etc/fail2ban").arg(files.path("etc")).status().unwrap();
    assert!(copied.success(), "/etc/fail2ban: contrib/testbed/install fail2ban");
    // The system's own jail may want logs that are not here.
    std::fs::remove_dir_all(files.path("etc/jail.d")).unwrap();
    std::fs::create_dir(files.path("etc/jail.d")).unwrap();
    let read = |file: &str| std::fs::read_to_string(project("contrib/fail2ban").join(file)).unwrap();
    files.write("etc/filter.d/delegation-milter.conf", read("filter.d/delegation-milter.conf"));
    let jail = read("jail.d/delegation-milter.conf").replace("enabled = false", "enabled = true");
    for backend in [
        "backend = systemd".to_owned(),
        format!("backend = polling\nlogpath = {}", files.write("log", "").display()),
    ] {
        files.write("etc/jail.d/delegation-milter.conf", jail.replace("backend = systemd", &backend));
        let output =
            Command::new("fail2ban-client").arg("-c").arg(files.path("etc")).arg("-d").output().unwrap();
        let dump = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{output:?}");
        let place =
            if backend.contains("systemd") { "'_SYSTEMD_UNIT=delegation-milter.service'" } else { "/log'" };
        for part in ["'add', 'delegation-milter'", "client=\"<ADDR>\"", "'maxretry', 20", place] {
            assert!(dump.contains(part), "{part}: {dump}");
        }
    }
}
