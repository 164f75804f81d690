//! A long load: many connections write at full speed, and a few through a real Postfix, while the directory changes all the
//! time and slapd is stopped and killed again and again. Every single verdict is held against what the directory said, and
//! the program may not grow.
//!
//! Here it takes seconds; `contrib/bench/load` sets `LOAD_SECONDS` for longer, and more of everything.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

#[path = "../support/mod.rs"]
mod support;

mod history;
mod model;
mod post;
mod program;
mod report;
mod run;
mod server;
mod talk;
mod tally;

use std::time::Duration;

use run::{Plan, Until, run};

const QUICK: Plan = Plan {
    time: Duration::from_secs(12),
    connections: 50,
    posts: 2,
    change: Duration::from_millis(200),
    restart: Duration::from_secs(4),
    down: Duration::from_millis(500),
    sample: Duration::from_millis(500),
    line: Duration::from_secs(4),
    until: Until::Restarted(2),
    knobs: "",
};

/// While slapd stays.
const BRIEF: Plan = Plan {
    time: Duration::ZERO,
    connections: 10,
    posts: 0,
    restart: Duration::from_secs(3600),
    until: Until::Wrong,
    ..QUICK
};

/// As long as is asked for in the environment.
fn plan() -> Plan {
    let Ok(seconds) = std::env::var("LOAD_SECONDS") else { return QUICK };
    Plan {
        time: Duration::from_secs(seconds.parse().expect("LOAD_SECONDS is a number of seconds")),
        connections: 200,
        posts: 4,
        change: Duration::from_secs(1),
        restart: Duration::from_secs(60),
        down: Duration::from_secs(3),
        sample: Duration::from_secs(10),
        line: Duration::from_secs(60),
        until: Until::Restarted(1),
        knobs: "",
    }
}

#[test]
fn no_verdict_against_the_directory() {
    let outcome = run(&plan());
    outcome.print();
    assert_eq!(outcome.faults(), Vec::<String>::new());
}

/// What is held against the directory can be found wrong: where changes are not told, and where other rules hold.
#[test]
fn a_program_that_does_otherwise_is_found_out() {
    for knobs in [
        "cache.watch = false\ncache.ttl = \"10m\"",
        "policy.prefer = \"send-as\"",
        "directory.group_depth = 0",
    ] {
        let outcome = run(&Plan { knobs, ..BRIEF });
        let wrong = outcome.wrong();
        assert!(wrong > 0, "{knobs}");
        assert!(outcome.faults().iter().any(|fault| fault.contains("verdicts")), "{:?}", outcome.faults());
    }
}
