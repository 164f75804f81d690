//! Forged and unusual From fields through a real Postfix: each line of `tests/corpus/from.tsv` gets its verdict.
//!
//! Postfix hands header fields to a milter as they arrived, or after it rewrote them
//! (`local_header_rewrite_clients`, for clients on the same host by default). Both are tested: with the first the
//! verdict is that of the corpus; with the second Postfix may repair a field first, and then none may be unsafe.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use mail_parser::MessageParser;
use support::mail_system::{MailSystem, Outcome, mail_system};
use support::milter::{Milter, Setup};
use support::text::{escape, unescape};

const CORPUS: &str = include_str!("corpus/from.tsv");

/// anna's own addresses; whatever else shows up as an author is somebody else's.
const OWN: [&str; 3] = ["anna@example.org", "a.adams@example.org", "anna+list@example.org"];

struct Line {
    id: &'static str,
    accept: bool,
    /// What stands in the place of From.
    bytes: Vec<u8>,
}

fn lines() -> Vec<Line> {
    let lines = CORPUS.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let columns: Vec<_> = line.split('\t').collect();
        let [id, verdict, bytes, _why] = columns[..] else { panic!("four columns: {line}") };
        assert!(["accept", "refuse"].contains(&verdict), "{line}");
        Line { id, accept: verdict == "accept", bytes: unescape(bytes) }
    });
    lines.collect()
}

/// A whole message with these bytes first.
fn message(line: &Line) -> Vec<u8> {
    [&line.bytes[..], b"To: to@sink.example\r\nSubject: corpus\r\n\r\nHello.\r\n"].concat()
}

fn start() -> (impl std::ops::Deref<Target = MailSystem>, Milter) {
    let mail = mail_system();
    let milter = Setup::unix(&mail.milter_socket(), "corpus.ldif").start();
    (mail, milter)
}

fn send(mail: &MailSystem, service: &str, line: &Line) -> Outcome {
    mail.message_over(service, Some("anna"), "<anna@example.org>", &message(line))
}

#[test]
fn every_line_has_its_verdict() {
    let (mail, _milter) = start();
    for line in lines() {
        let outcome = send(&mail, "submission", &line);
        if line.accept {
            let without_milter = send(&mail, "bare", &line);
            let (delivered, bare) = (outcome.delivery(), without_milter.delivery());
            assert_eq!(escape(&delivered.message()), escape(&bare.message()), "{}: changed", line.id);
            assert_eq!(delivered.envelope_sender(), bare.envelope_sender(), "{}", line.id);
            assert_eq!(delivered.parameters(), bare.parameters(), "{}", line.id);
            assert!(delivered.field("Sender").is_empty(), "{}: Sender added", line.id);
        } else {
            assert!(outcome.reply.starts_with('5'), "{}: {}", line.id, outcome.reply);
        }
    }
}

/// What Postfix leaves as it is, we leave too: all but one accepted line come out exactly as anna sent them.
#[test]
fn what_is_accepted_is_delivered_as_it_was_sent() {
    let (mail, _milter) = start();
    for line in lines().into_iter().filter(|line| line.accept) {
        let delivered = send(&mail, "submission", &line);
        let mut sent = escape(&message(&line));
        if line.id == "own-space-colon" {
            // Postfix itself takes the obsolete space out once a milter has seen the field (RFC 5322 section 4.5).
            sent = sent.replace("From :", "From:");
        }
        assert_eq!(escape(&delivered.delivery().message()), sent, "{}", line.id);
    }
}

/// Unsafe: a line that the corpus wants refused is delivered, and in the delivered header
///  - a field that any reader could take for From (whatever case, white space before the colon) shows `boss` or, to
///    mail-parser, an address that is not anna's own; or
///  - there is no From at all, or more than one, so that each reader chooses for itself.
#[test]
fn nothing_is_unsafe_after_postfix_rewrote_it() {
    let (mail, _milter) = start();
    for line in lines() {
        let outcome = send(&mail, "rewriting", &line);
        let Some(delivered) = outcome.delivered else {
            assert!(outcome.reply.starts_with('5'), "{}: {}", line.id, outcome.reply);
            assert!(!line.accept, "{}: {}", line.id, outcome.reply);
            continue;
        };
        let message = delivered.message();
        let from = delivered.field("From");
        assert_eq!(from.len(), 1, "{}: {} From fields in {delivered:?}", line.id, from.len());
        let shown = shown_from(&message);
        assert!(!shown.to_lowercase().contains("boss"), "{}: shows {shown}", line.id);
        for author in authors(&message) {
            assert!(
                OWN.contains(&author.to_ascii_lowercase().as_str()),
                "{}: {author} is an author",
                line.id
            );
        }
    }
}

/// The bodies of all fields that could be read as From, as they came and with encoded words decoded.
fn shown_from(message: &[u8]) -> String {
    let header = String::from_utf8_lossy(message);
    let header = header.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ");
    let named_from =
        |line: &&str| line.trim_start().to_lowercase().replace([' ', '\t'], "").starts_with("from:");
    let raw: Vec<_> = header.lines().filter(named_from).map(str::to_owned).collect();
    let parsed = MessageParser::default().parse(message).expect("mail-parser reads it");
    let decoded = parsed.headers().iter().filter(|header| header.name().trim().eq_ignore_ascii_case("from"));
    raw.into_iter()
        .chain(decoded.map(|header| format!("{:?}", header.value())))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The authors that mail-parser reads.
fn authors(message: &[u8]) -> Vec<String> {
    let parsed = MessageParser::default().parse(message).expect("mail-parser reads it");
    let headers = parsed.headers().iter().filter(|header| header.name().trim().eq_ignore_ascii_case("from"));
    let addresses = headers.filter_map(|header| header.value().as_address());
    addresses
        .flat_map(|list| list.iter().filter_map(|mailbox| mailbox.address().map(str::to_owned)))
        .collect()
}
