//! The short form of contrib/bench/run: what the milter says to every kind of message, straight on its socket and through
//! Postfix, while it is measured. How fast it is, it does not say: that takes a machine that does nothing else.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

use std::process::Command;

#[test]
fn every_verdict_is_right_while_it_is_measured() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/bench/run");
    let program = concat!("--program=", env!("CARGO_BIN_EXE_delegation-milter"));
    let output = Command::new(script).args(["--quick", program]).output().unwrap();
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let (table, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{table}\n{errors}");
    // A table without its rows says nothing.
    assert!(
        table.contains("unauthenticated") && table.contains("Every verdict was right."),
        "{table}\n{errors}"
    );
}
