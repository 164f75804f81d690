//! Any lines of a log: each is something, and what is read from one reads the same when it is written as the program
//! writes it, bare, behind what syslogd puts in front, and never otherwise behind another program's name. Any lines as
//! values: none of them becomes a field, or ends the line.

use std::fmt::Write as _;

use delegation_milter::admin::report::line::{Line, Message};

/// Checks lines of text.
pub(crate) fn check(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let lines: Vec<_> = text.split('\n').take(8).collect();
    for line in &lines {
        if let Line::Message(message) = Line::read(line) {
            check_again(&message);
        }
    }
    for window in lines.windows(3) {
        check_values(window[0], window[1], window[2]);
    }
}

fn check_again(message: &Message<'_>) {
    let line = written(message);
    let same = |line: &str| match Line::read(line) {
        Line::Message(again) => assert_eq!(*again, *message, "{line:?}"),
        other => panic!("{line:?}: {other:?}"),
    };
    same(&line);
    same(&format!("Nov 22 17:00:00 host delegation-milter[1]: {line}"));
    let foreign = format!("Nov 22 17:00:00 host postfix/smtpd[1]: {line}");
    assert_eq!(Line::read(&foreign), Line::Foreign);
}

/// As the format "text" has it.
fn written(message: &Message<'_>) -> String {
    let fields = &message.fields;
    let mut line = format!("{}  INFO", message.at);
    for (name, value) in [
        ("queue_id", &fields.queue_id),
        ("client", &fields.client),
        ("login", &fields.login),
        ("mail_from", &fields.mail_from),
        ("from", &fields.from),
        ("verdict", &fields.verdict),
        ("rule", &fields.rule),
        ("grant", &fields.grant),
        ("address", &fields.address),
        ("sender", &fields.sender),
        ("display_name", &fields.display_name),
        ("envelope", &fields.envelope),
        ("copies", &fields.copies),
        ("calendar", &fields.calendar),
        ("reply", &fields.reply),
        ("reason", &fields.reason),
    ] {
        if let Some(value) = value {
            write!(line, " {name}={value:?}").unwrap();
        }
    }
    if let Some(ms) = fields.ms {
        write!(line, " ms={ms}").unwrap();
    }
    line
}

fn check_values(login: &str, from: &str, reply: &str) {
    let line = format!(
        "2026-11-22T17:00:00.123456Z  INFO queue_id=\"1\" login={login:?} from={from:?} verdict=\"refuse\" \
         rule=\"author\" reply={reply:?} ms=0.5"
    );
    let Line::Message(message) = Line::read(&line) else { panic!("{line:?}") };
    let fields = &message.fields;
    assert_eq!(fields.login.as_deref(), Some(login));
    assert_eq!(fields.from.as_deref(), Some(from));
    assert_eq!(fields.reply.as_deref(), Some(reply));
    assert_eq!(
        (fields.rule.as_deref(), fields.client.as_deref(), fields.ms),
        (Some("author"), None, Some(0.5))
    );
    check_again(&message);
}
