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

use delegation_milter::config::Config;
use delegation_milter::directory::Directory;
use delegation_milter::directory::ldif::LdifDirectory;
use delegation_milter::grant::{Facts, Owners, Submitter};
use delegation_milter::message::{Envelope, Header, Message};
use delegation_milter::policy::{self, Answer, Body, Rules, Verdict};
use futures_util::FutureExt;
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

/// The same table against the reader and the decision alone, without Postfix and without a milter.
#[test]
fn the_core_alone_gives_the_same_verdicts() {
    for line in lines() {
        let accepted = matches!(decide(&line), Answer::Decided(Verdict::Accept(_)));
        assert_eq!(accepted, line.accept, "{}", line.id);
    }
}

fn decide(line: &Line) -> Answer {
    let fixture = support::project("tests/fixtures/corpus.ldif");
    let text = format!("[directory]\nurls = [\"file:{}\"]\n", fixture.display());
    let config = Config::parse(&text, &fixture).unwrap();
    let directory = LdifDirectory::load(&fixture, &config.directory.schema, None).unwrap();
    let entry = directory.by_login("anna", None).now_or_never().unwrap().unwrap();
    let submitter = Submitter { login: "anna".into(), entry, ..Submitter::default() };
    let mut header = Header::default();
    for (name, body) in fields(&message(line)) {
        header.add(&name, &body);
    }
    let envelope = Envelope::read([&b"<anna@example.org>"[..]].into_iter());
    let message = Message::new("anna".into(), envelope, &header);
    let owners = owners(&message, &submitter, &config.rules, &directory);
    policy::decide(&message, &Facts { submitter, owners }, &config.rules, &Body::Unread)
}

fn owners(message: &Message, submitter: &Submitter, rules: &Rules, directory: &LdifDirectory) -> Owners {
    let mut owners = Owners::default();
    let shown = policy::shown_addresses(message, submitter, rules);
    for address in message.addresses().into_iter().cloned().chain(shown) {
        let forms = rules.addresses.candidates(&address);
        let holders = directory.by_address(&forms, None).now_or_never().unwrap().unwrap();
        owners.insert(address, holders.into());
    }
    owners
}

/// The fields of a header block as Postfix hands them to a milter: a bare LF ends a line, the first line that is no
/// field ends the block, and NUL ends a body.
fn fields(message: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut fields: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for line in message.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
        let folded = line.starts_with(b" ") || line.starts_with(b"\t");
        match (folded, fields.last_mut(), line.iter().position(|&byte| byte == b':')) {
            (true, Some((_, body)), _) => body.extend([b"\n", line].concat()),
            (false, _, Some(colon)) if is_name(line[..colon].trim_ascii_end()) => {
                let body = line[colon + 1..].split(|&byte| byte == 0).next().unwrap();
                fields.push((line[..colon].to_vec(), body.to_vec()));
            }
            _ => break,
        }
    }
    fields
}

/// RFC 5322 section 3.6.8.
fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
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
