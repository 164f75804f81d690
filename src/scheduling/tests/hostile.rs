//! Bodies that would take forever if some step grew faster than they do. What they take is bounded far above what a slow
//! machine needs, and far below what a square would.

use std::time::{Duration, Instant};

use super::*;

/// Octets of each body.
const SIZE: usize = 3 << 20;

const ENOUGH: Duration = Duration::from_secs(30);

/// So often repeated that a body is full.
fn full(text: &str) -> String {
    text.repeat(SIZE / text.len())
}

#[test]
fn time_grows_with_the_body() {
    let mixed = "multipart/mixed; boundary=a";
    let event = |lines: &str| {
        format!("BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\n{lines}\nEND:VEVENT\nEND:VCALENDAR\n")
    };
    let boss = "ORGANIZER:mailto:boss@x.org\n";
    let long = "a".repeat(200);
    let deep: String = (0..14)
        .map(|level| {
            format!(
                "--{}\nContent-Type: multipart/mixed; boundary={long}{}\n\n",
                format!("{long}{level}").trim_start_matches(&format!("{long}0")),
                level + 1
            )
        })
        .collect();
    let parameters = format!("--a\nContent-Type: text/plain{}\n\n", "; x*1=y".repeat(2000));
    for (name, content_type, encoding, body) in [
        ("delimiters", mixed, None, full("--a\n")),
        ("nearly delimiters", mixed, None, full("--ab\n")),
        ("dashes", mixed, None, full("--")),
        ("lines of dashes", mixed, None, full("--\n")),
        ("empty lines", mixed, None, full("\n")),
        ("one line", mixed, None, full("a")),
        ("one header", mixed, None, format!("--a\n{}", full("a: b\n"))),
        ("one header field", mixed, None, format!("--a\nX: {}", full("a"))),
        ("parameters", mixed, None, full(&parameters)),
        ("comments", mixed, None, full(&format!("--a\nContent-Type: {}\n\n", "(".repeat(15_000)))),
        (
            "encoded words",
            mixed,
            None,
            full(&format!("--a\nContent-Type: a/b; c={}\n\n", " =?".repeat(5000))),
        ),
        (
            "multiparts",
            "multipart/mixed; boundary=0",
            None,
            format!("{deep}{}", full(&format!("--{long}\n"))),
        ),
        ("folds", "text/calendar", None, event(&full("\n "))),
        ("a folded name", "text/calendar", None, event(&full("A\n "))),
        ("one property", "text/calendar", None, event(&format!("ORGANIZER;CN={}", full("a")))),
        ("one other property", "text/calendar", None, event(&format!("X:{}", full("a")))),
        ("organizers", "text/calendar", None, event(&boss.repeat(30_000))),
        (
            "components",
            "text/calendar",
            None,
            event(&format!("END:VEVENT\n{}BEGIN:VEVENT", format!("BEGIN:A\n{boss}END:A\n").repeat(15_000))),
        ),
        ("objects", "text/calendar", None, event(boss).repeat(15_000)),
        ("begins", "text/calendar", None, full("BEGIN:VCALENDAR\n")),
        (
            "parameters of a property",
            "text/calendar",
            None,
            event(&full(&format!("ATTENDEE{}:mailto:boss@x.org\n", ";SENT-BY=a".repeat(5000)))),
        ),
        (
            "unpaired marks",
            "text/calendar",
            None,
            event(&full(&format!("ATTENDEE;CN=a{}:b\n", ",a".repeat(30_000)))),
        ),
        ("soft breaks", "text/calendar", Some("quoted-printable"), full("=\n")),
        ("white space", "text/calendar", Some("quoted-printable"), event(&format!("X:{}x", full(" ")))),
        (
            "organizers, quoted",
            "text/calendar",
            Some("quoted-printable"),
            event(&boss.repeat(30_000)).replace('\n', "=0A"),
        ),
        (
            "base64",
            "text/calendar",
            Some("base64"),
            base64::Engine::encode(&base64::prelude::BASE64_STANDARD, event(&boss.repeat(30_000))),
        ),
        ("padding", "text/calendar", Some("base64"), full("=")),
        ("empty base64", "text/calendar", Some("base64"), full("\n")),
    ] {
        let started = Instant::now();
        let body = body.as_bytes();
        let read = read(&fields(content_type, encoding), body);
        let changed = spliced(body, &read.mark(body, &boss_by_anna()));
        assert!(changed.len() >= body.len(), "{name}");
        let took = started.elapsed();
        assert!(took < ENOUGH, "{name}: {took:?}");
        if std::env::var_os("SHOW_TIMES").is_some() {
            println!("{took:>12.1?} {name}: {:?}", read.unread().first());
        }
    }
}
