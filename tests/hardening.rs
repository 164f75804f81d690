//! The unit of `contrib/systemd`: that systemd understands it, and how little it leaves to the program.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::process::Command;

use support::{TempDir, project};

/// From 0, nothing is exposed, to 10; issued by `systemd-analyze security`.
const MOST_EXPOSED: f64 = 2.0;

/// The unit, with the program where the tests have it.
fn unit() -> String {
    let unit = std::fs::read_to_string(project("contrib/systemd/delegation-milter.service")).unwrap();
    let there = unit.replace(
        "ExecStart=/usr/sbin/delegation-milter",
        concat!("ExecStart=", env!("CARGO_BIN_EXE_delegation-milter")),
    );
    assert_ne!(unit, there, "the unit starts the program");
    there
}

/// What systemd-analyze(1) says, all of it, and whether it is content.
fn analyze(words: &[&str], unit: &str) -> (bool, String) {
    let files = TempDir::new();
    let unit = files.write("delegation-milter.service", unit);
    let output = Command::new("systemd-analyze").args(words).arg(unit).env("NO_COLOR", "1").output();
    let output = output.unwrap_or_else(|error| {
        panic!("systemd-analyze: {error}; install it with: contrib/testbed/install systemd")
    });
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn systemd_understands_the_unit() {
    let (content, said) = analyze(&["verify", "--man=no"], &unit());
    assert!(content && said.is_empty(), "{said}");
    let (_, said) = analyze(&["verify", "--man=no"], &unit().replace("PrivateTmp=yes", "PrivateTemp=yes"));
    assert!(said.contains("PrivateTemp"), "a slip is told: {said}");
}

/// The overall exposure of a unit.
fn exposure(unit: &str) -> f64 {
    let (_, said) = analyze(&["security", "--offline=true", "--threshold=100", "--no-pager"], unit);
    let line = said.lines().find(|line| line.contains("Overall exposure level")).expect(&said);
    let figure = line.split_once(".service: ").and_then(|(_, rest)| rest.split(' ').next()).expect(line);
    figure.parse().unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[test]
fn little_is_exposed() {
    let whole = exposure(&unit());
    assert!(whole < MOST_EXPOSED, "{whole}");
    // The figure counts what stands in the unit.
    let unfiltered: String = unit()
        .lines()
        .filter(|line| !line.starts_with("SystemCallFilter"))
        .flat_map(|line| [line, "\n"])
        .collect();
    assert!(exposure(&unfiltered) > whole + 1.0, "without a filter: {}", exposure(&unfiltered));
}
