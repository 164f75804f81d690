//! Scheduling mail (RFC 5545, 5546, 6047) for others: which is let through, and what it says when it is delivered.
//!
//! Tables of messages through a real Postfix; `tests/support/scheduling.rs` says what a row is. Whoever reads a delivered
//! calendar here is not the program: `tests/support/parts.rs` splits and decodes, calcard says who acts for whom, and
//! every byte that is not SENT-BY is compared. The people are those of `tests/fixtures/scheduling/directory.ldif`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use support::calendars::{fault_of, marks};
use support::scheduling::Row;

/// The judge of these tables is no good if it lets everything pass: every change that must not be is seen.
#[test]
fn the_judge_sees_every_other_change() {
    let row = Row::parse("carl | bea | names | base64 | mixed | on behalf | ");
    let sent = String::from_utf8_lossy;
    let plain = Row::parse("carl | bea | publish | none | single | on behalf | ").message;
    let with = |what: &str, by: &str| sent(&plain).replacen(what, by, 1).into_bytes();
    let marked = |line: &str| with("ORGANIZER:mailto:bea@example.org", line);
    let good = marked("ORGANIZER;SENT-BY=\"mailto:carl@example.org\":mailto:bea@example.org");
    assert_eq!(fault_of(&plain, &good), None);
    assert_eq!(marks(&good), "ORGANIZER bea by carl");
    assert_eq!(fault_of(&plain, &plain), None);
    for (changed, fault) in [
        (marked("ORGANIZER;SENT-BY=mailto:carl@example.org:mailto:bea@example.org"), "quoted"),
        (marked("ORGANIZER;SENT-BY=\"mailto:a@x\";SENT-BY=\"mailto:a@x\":mailto:bea@example.org"), "once"),
        (marked("ORGANIZER;SENT-BY=\"mailto:carl@example.org\":MAILTO:bea@example.org"), "more than SENT-BY"),
        (
            marked("ORGANIZER;X=1;SENT-BY=\"mailto:carl@example.org\":mailto:bea@example.org"),
            "more than SENT-BY",
        ),
        (marked("organizer;SENT-BY=\"mailto:carl@example.org\":mailto:bea@example.org"), "more than SENT-BY"),
        (
            marked("ORGANIZER;SENT-BY=\"mailto:carl@example.org\"\n :mailto:bea@example.org"),
            "end in another way",
        ),
        (
            marked(&format!(
                "ORGANIZER;SENT-BY=\"mailto:{}@example.org\":mailto:bea@example.org",
                "c".repeat(60)
            )),
            "75 octets",
        ),
        (marked("ORGANIZER:mailto:bea@exam\r\n ple.org"), "written anew"),
        (with("SUMMARY:Open day", "SUMMARY:Open da\r\n y"), "written anew"),
        (with("SUMMARY:Open day", "SUMMARY:Open door"), "more than SENT-BY"),
        (with("SUMMARY:Open day\r\n", ""), "content lines"),
        (with("Subject: Budget", "Subject: budget"), "not to be changed"),
    ] {
        let found = fault_of(&plain, &changed).unwrap_or_default();
        assert!(found.contains(fault), "{fault:?} in {found:?}: {}", sent(&changed));
    }
    // The attachment, a delimiter, the width of the base64 lines.
    for (what, by) in [("agenda.pdf", "agenda.pdg"), ("JVBERi0x", "JVBERi0y"), ("--mixed--", "--mixed-- ")] {
        let changed = sent(&row.message).replace(what, by).into_bytes();
        assert!(fault_of(&row.message, &changed).is_some(), "{what}");
    }
    let anew =
        sent(&row.message).replacen("QkVHSU46VkNBTEVOREFS", "QkVHSU46\r\nVkNBTEVOREFS", 1).into_bytes();
    assert!(fault_of(&row.message, &anew).unwrap().contains("encoded anew"));
}
