//! `policy.on_behalf_display = "name"`, with real mail through Postfix: who wrote for whom stands in From, for every reader
//! alike, once, and nothing else of From changes.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use mail_parser::{Address, HeaderName, MessageParser};
use support::mail_system::{MailSystem, mail_system};
use support::message::Delivery;
use support::milter::{Milter, Setup};
use support::project;

type Named = (String, String);
/// What is sent, what is delivered, and what is shown.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const BEA: &str = "Carl Clausen on behalf of Bea Brandt";
const FRIDA: &str = "Carl Clausen on behalf of Frida Falk";

/// From as carl sends it, as it is delivered, its folds aside, and whose names and addresses it shows; `-` for any name.
const ROWS: &[Row] = &[
    ("bea@example.org", "\"{bea}\" <bea@example.org>", &[(BEA, "bea@example.org")]),
    ("<bea@example.org>", "\"{bea}\" <bea@example.org>", &[(BEA, "bea@example.org")]),
    ("Bea Brandt <bea@example.org>", "\"{bea}\" <bea@example.org>", &[(BEA, "bea@example.org")]),
    (
        "\"Brandt, Bea\" <B.Brandt@Example.org>",
        "\"{bea}\" <B.Brandt@Example.org>",
        &[(BEA, "B.Brandt@Example.org")],
    ),
    ("=?utf-8?q?B=C3=A9a?=<bea@example.org>", "\"{bea}\" <bea@example.org>", &[(BEA, "bea@example.org")]),
    ("Bea\r\n\tBrandt\r\n <bea@example.org>", "\"{bea}\" <bea@example.org>", &[(BEA, "bea@example.org")]),
    (
        "bea@example.org (in the office)",
        "\"{bea}\" <bea@example.org> (in the office)",
        &[(BEA, "bea@example.org")],
    ),
    (
        "(x) Bea (y) Brandt <bea@example.org>",
        "(x) \"{bea}\" (y) <bea@example.org>",
        &[(BEA, "bea@example.org")],
    ),
    (
        "Carl <carl@example.org>, Bea <bea@example.org>,\r\n frida@example.org",
        "Carl <carl@example.org>, \"{bea}\" <bea@example.org>, \"{frida}\" <frida@example.org>",
        &[("Carl", "carl@example.org"), (BEA, "bea@example.org"), (FRIDA, "frida@example.org")],
    ),
    ("Me <carl@example.org>", "Me <carl@example.org>", &[("Me", "carl@example.org")]),
    // Send-as: recipients see the principal, and nothing of the delegate.
    ("D <dora@example.org>", "D <dora@example.org>", &[("D", "dora@example.org")]),
];

fn start(mail: &MailSystem, knobs: &str) -> Milter {
    let knobs = format!("policy.on_behalf_display = \"name\"\n{knobs}");
    Setup::unix(&mail.milter_socket(), "company.ldif").knobs(&knobs).start()
}

/// The names as they are without comments, which some readers put behind them.
fn without_comments(way: &[Named]) -> Vec<(&str, &str)> {
    let bare = |shown: &'_ Named| shown.0.split(" (").next().unwrap_or_default().len();
    way.iter().map(|own| (&own.0[..bare(own)], own.1.as_str())).collect()
}

/// The message as it comes out.
fn through(mail: &MailSystem, service: &str, login: &str, parameters: &str, header: &str) -> Delivery {
    let message = format!("{header}\r\nTo: to@sink.example\r\nSubject: test\r\n\r\nHello.\r\n");
    let mail_from = format!("<{login}@example.org>{parameters}");
    let outcome = mail.message_over(service, Some(login), &mail_from, message.as_bytes());
    outcome.delivery().clone()
}

fn from(delivered: &Delivery) -> String {
    let fields = delivered.field("From");
    assert_eq!(fields.len(), 1, "{delivered:?}");
    // Folds are single spaces or tabs in all that is written here.
    fields[0].replace('\t', " ")
}

/// What Python's `email` and mail-parser show of the messages, each in three ways of reading.
fn readers(messages: &[Delivery]) -> Vec<Vec<Vec<Named>>> {
    let mut python = Command::new("python3")
        .arg(project("tests/readers/read_names.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("python3: {error}; contrib/testbed/install python3"));
    let mut input = python.stdin.take().unwrap();
    for message in messages {
        let hex: String = message.message().iter().map(|octet| format!("{octet:02x}")).collect();
        writeln!(input, "{hex}").unwrap();
    }
    drop(input);
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    let read = messages.iter().zip(lines.lines());
    let read = read.map(|(message, line)| {
        let mut ways: Vec<Vec<Named>> = serde_json::from_str(line).unwrap();
        ways.push(mail_parser(message));
        ways
    });
    read.collect()
}

fn mail_parser(message: &Delivery) -> Vec<Named> {
    let octets = message.message();
    let parsed = MessageParser::default().parse(&octets).unwrap();
    let Some(Address::List(list)) = parsed.header(HeaderName::From).unwrap().as_address().cloned() else {
        panic!("{message:?}");
    };
    let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
    list.iter().map(|own| (text(&own.name), text(&own.address))).collect()
}

#[test]
fn only_the_name_of_an_author_on_behalf_changes() {
    let mail = mail_system();
    let _milter = start(&mail, "");
    for service in ["submission", "rewriting"] {
        let delivered: Vec<_> = ROWS
            .iter()
            .map(|(sent, ..)| through(&mail, service, "carl", "", &format!("From: {sent}")))
            .collect();
        for ((_, expected, names), (delivered, ways)) in
            ROWS.iter().zip(delivered.iter().zip(readers(&delivered)))
        {
            let expected = expected.replace("{bea}", BEA).replace("{frida}", FRIDA);
            // Postfix itself writes many values anew where it rewrites.
            if service == "submission" {
                assert_eq!(from(delivered), expected, "{delivered:?}");
            }
            for way in ways {
                assert_eq!(without_comments(&way), *names, "{service}: {delivered:?}");
            }
            // Sent once more, as by a second milter, or by a client from its drafts.
            let again = format!("From: {}\r\nSender: Carl Clausen <carl@example.org>", from(delivered));
            assert_eq!(from(&through(&mail, service, "carl", "", &again)), from(delivered));
        }
    }
}

#[test]
fn names_and_addresses_that_are_not_ascii() {
    let mail = mail_system();
    let _milter = start(&mail, "");
    let name = "Zo\u{eb} Z\u{fc}ndel on behalf of Bea Brandt";
    for (service, parameters, sent) in [
        ("submission", "", "Bea <bea@example.org>"),
        ("submission", " SMTPUTF8", "B\u{e9}a <bea@example.org>"),
        ("rewriting", " SMTPUTF8", "B\u{e9}a <bea@example.org> (im B\u{fc}ro)"),
    ] {
        let delivered = through(&mail, service, "zoe", parameters, &format!("From: {sent}"));
        assert!(from(&delivered).starts_with("=?utf-8?"), "{delivered:?}");
        for way in &readers(std::slice::from_ref(&delivered))[0] {
            assert_eq!(without_comments(way), [(name, "bea@example.org")], "{delivered:?}");
        }
        let again = through(&mail, service, "zoe", parameters, &format!("From: {}", from(&delivered)));
        assert_eq!(from(&again), from(&delivered));
    }
}

#[test]
fn observing_changes_no_name() {
    let mail = mail_system();
    let milter = start(&mail, "policy.mode = \"observe\"");
    let delivered = through(&mail, "submission", "carl", "", "From: bea@example.org");
    assert_eq!(from(&delivered), "bea@example.org");
    assert!(milter.wait_for_log("would change").contains(&format!("display_name=\"{BEA}\"")));
}
