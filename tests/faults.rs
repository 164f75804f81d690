//! The short form of contrib/bench/faults: what breaks, and what becomes of the mail; the rows that no other test has.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

use std::process::Command;

#[test]
fn no_mail_is_lost_or_wrongly_accepted() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/bench/faults");
    let program = concat!("--program=", env!("CARGO_BIN_EXE_delegation-milter"));
    let output = Command::new(script).args(["--short", program]).output().unwrap();
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let (table, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{table}\n{errors}");
    // A table without its rows says nothing.
    assert!(table.contains("control-open") && table.contains("FAILED: none."), "{table}\n{errors}");
}
