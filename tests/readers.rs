//! What we accept as From means the same authors to other readers.
//!
//! Legal values are mutated a hundred thousand times. For each that our strict reader accepts, Python's `email` (both
//! policies), mail-parser and lettre must read no mailbox that ours does not: whom they show as the author is one
//! whose right was checked. A reader that shows nobody, or fails, misleads nobody.

#![allow(clippy::indexing_slicing, clippy::string_slice, clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::thread;

use delegation_milter::address::Address;
use delegation_milter::mailbox;

const VALUES: usize = 100_000;
const SEED: u64 = 0x5322_2047_6532;

/// Legal values of every shape that the reader accepts.
const LEGAL: &[&str] = &[
    " anna@example.org",
    " <anna@example.org>",
    " Anna Adams <anna@example.org>",
    " \"Adams, Anna\" <anna@example.org>",
    " Anna B. Adams <anna@example.org>",
    " =?utf-8?B?w4RuYQ==?= <anna@example.org>",
    " =?iso-8859-1?Q?=C4na_Adams?= <anna@example.org>",
    " =?utf-8?q?a?=\n =?utf-8?q?b?= <anna@example.org>",
    " Äna <anna@example.org>",
    " anna@example.org (Anna, at work)",
    " (mail of) Anna (at (home) work) <anna@example.org> (x)",
    " Anna Adams\n <anna@example.org>",
    " \"anna\"@example.org",
    " \"a b\" <\"anna\"@example.org>",
    " anna+list@example.org",
    " Anna <anna@example.org>, Bea <bea@example.org>",
    " anna@example.org, bea@example.org,carl@example.org",
    " \"a \\\"b\\\" c\" <anna@example.org>",
    " anna@[192.0.2.1]",
    " o'neil@example.org",
];

/// What mutations put in: everything that some reader treats in a way of its own.
const PIECES: &[&str] = &[
    "<",
    ">",
    ",",
    ";",
    ":",
    "@",
    "\"",
    "\\",
    "(",
    ")",
    "[",
    "]",
    ".",
    " ",
    "\t",
    "\n ",
    "=?",
    "?=",
    "=?utf-8?q?",
    "=40",
    "=3C",
    "'",
    "%",
    "!",
    "+",
    "\u{0}",
    "\r",
    "\u{7f}",
    "\u{a0}",
    "\u{200b}",
    "\u{202e}",
    "\u{2028}",
    "\u{ff20}",
    "é",
    "boss",
    "boss@example.org",
    "<boss@example.org>",
    "\"boss@example.org\"",
    "(boss@example.org)",
    ",boss@example.org",
    "=?utf-8?q?boss=40example.org?=",
    "=?utf-8?B?PGJvc3NAZXhhbXBsZS5vcmc+?=",
    "mailto:",
    "@a.example:",
    "\\\"",
    "\\(",
    "\\)",
    "()",
    "\"\"",
    "<>",
    "x ",
    "Team:",
];

fn values() -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(SEED);
    (0..VALUES).map(|_| mutated(&mut random)).collect()
}

fn mutated(random: &mut fastrand::Rng) -> String {
    let mut value: Vec<char> = LEGAL[random.usize(..LEGAL.len())].chars().collect();
    for _ in 0..random.usize(1..4) {
        let at = random.usize(..=value.len());
        match random.usize(..5) {
            0 if at < value.len() => drop(value.remove(at)),
            1 if at < value.len() => value[at] = PIECES[random.usize(..PIECES.len())].chars().next().unwrap(),
            2 => {
                let (from, to) = (random.usize(..=value.len()), random.usize(..=value.len()));
                let piece: Vec<char> = value[from.min(to)..from.max(to)].to_vec();
                value.splice(at..at, piece);
            }
            _ => {
                let piece: Vec<char> = PIECES[random.usize(..PIECES.len())].chars().collect();
                value.splice(at..at, piece);
            }
        }
    }
    value.into_iter().collect()
}

/// An accepted value: as written, and the mailboxes that we read.
struct Accepted {
    value: String,
    authors: Vec<Address>,
}

fn accepted() -> Vec<Accepted> {
    let read = |value: String| {
        let authors = mailbox::read(value.as_bytes()).ok()?.into_iter().map(|m| m.address).collect();
        Some(Accepted { value, authors })
    };
    values().into_iter().filter_map(read).collect()
}

/// Whether a reader shows somebody else: an address, or what looks like one, that is none of the authors.
fn shows_somebody_else(shown: &str, authors: &[Address]) -> bool {
    let at = shown.rfind('@');
    let Some(at) = at else { return false };
    let (local, domain) = (&shown[..at], &shown[at + 1..]);
    let meant = Address::parse(shown).or_else(|_| Address::from_parts(local, domain));
    !meant.is_ok_and(|address| authors.contains(&address))
}

fn report(reader: &str, differences: &[(String, String)]) {
    let shown: Vec<_> =
        differences.iter().take(20).map(|(value, read)| format!("{value:?} as {read:?}")).collect();
    assert!(
        differences.is_empty(),
        "{reader} reads {} values otherwise:\n{}",
        differences.len(),
        shown.join("\n")
    );
}

#[test]
fn mutations_reach_both_verdicts() {
    let accepted = accepted().len();
    assert!((VALUES / 10..VALUES * 9 / 10).contains(&accepted), "{accepted} of {VALUES} are accepted");
}

#[test]
fn mail_parser_reads_the_same_authors() {
    let mut differences = Vec::new();
    for Accepted { value, authors } in accepted() {
        let message = format!("From:{}\r\n\r\n", value.replace('\n', "\r\n"));
        let parsed = mail_parser::MessageParser::new().parse(message.as_bytes()).unwrap();
        let Some(from) = parsed.from() else { continue };
        for shown in from.iter().filter_map(|mailbox| mailbox.address()) {
            if shows_somebody_else(shown, &authors) && !known_loss(&value) {
                differences.push((value.clone(), shown.to_owned()));
            }
        }
    }
    report("mail-parser", &differences);
}

/// mail-parser 0.11 loses what stands between the quotation marks of a quoted local part.
fn known_loss(value: &str) -> bool {
    value.contains("\"@")
}

#[test]
fn lettre_reads_the_same_authors() {
    let mut differences = Vec::new();
    for Accepted { value, authors } in accepted() {
        let Ok(mailboxes) = value.replace('\n', "").parse::<lettre::message::Mailboxes>() else { continue };
        for mailbox in mailboxes {
            if shows_somebody_else(mailbox.email.as_ref(), &authors) {
                differences.push((value.clone(), mailbox.email.to_string()));
            }
        }
    }
    report("lettre", &differences);
}

#[test]
fn python_reads_the_same_authors() {
    let accepted = accepted();
    let half = accepted.len() / 2;
    let (left, right) = accepted.split_at(half);
    let read = thread::scope(|scope| {
        let halves = [left, right].map(|part| scope.spawn(|| ask_python(part)));
        halves.map(|half| half.join().unwrap()).concat()
    });
    assert_eq!(read.len(), accepted.len());
    let mut differences = Vec::new();
    for (Accepted { value, authors }, ways) in accepted.iter().zip(&read) {
        for (way, shown) in ways {
            let others = shown.iter().filter(|shown| shows_somebody_else(shown, authors));
            differences.extend(others.map(|shown| (value.clone(), format!("{way}: {shown}"))));
        }
    }
    report("Python's email", &differences);
}

/// What each way of reading makes of each value.
fn ask_python(values: &[Accepted]) -> Vec<BTreeMap<String, Vec<String>>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers/read_from.py");
    let mut python = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is missing: install the package python3");
    let mut input = python.stdin.take().unwrap();
    let output = BufReader::new(python.stdout.take().unwrap());
    let read = thread::scope(|scope| {
        scope.spawn(move || {
            for Accepted { value, .. } in values {
                let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
                writeln!(input, "{hex}").unwrap();
            }
        });
        output.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
    });
    assert!(python.wait().unwrap().success());
    read
}
