//! Dialogues in the milter protocol with Debian's miltertest, an MTA's side that is not ours: `tests/miltertest/*.lua`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::path::Path;
use std::process::Command;

use support::milter::{Milter, Setup, free_port};
use support::{TempDir, project};

/// Runs a dialogue with a milter; it fails where the script says `error`.
fn run(script: &str, transport: &str, socket: &str) {
    let output = Command::new("miltertest")
        .current_dir(project("tests/miltertest"))
        .args(["-D", &format!("socket={socket}"), "-D", &format!("transport={transport}")])
        .args(["-D", &format!("script={script}"), "-s", "dialogue.lua"])
        .output()
        .unwrap_or_else(|error| {
            panic!("miltertest: {error}; install it with: contrib/testbed/install miltertest")
        });
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{script} over {transport}: {}", String::from_utf8_lossy(&said));
}

/// Runs a dialogue over a Unix socket and over TCP, with these lines of configuration.
fn run_over_both(script: &str, knobs: &str) {
    let files = TempDir::new();
    let socket = files.path("milter.sock");
    let port = free_port();
    let _milters: [Milter; 2] = [Setup::unix(&socket, "company.ldif"), Setup::inet(port, "company.ldif")]
        .map(|setup| setup.knobs(knobs).start());
    run(script, "unix", &format!("unix:{}", socket.display()));
    run(script, "inet", &format!("inet:{port}@127.0.0.1"));
}

/// The dialogues, with the configuration that each is about.
const DIALOGUES: [(&str, &str); 10] = [
    ("negotiation.lua", ""),
    ("negotiation-no-body.lua", "scheduling.enabled = false"),
    ("scheduling.lua", ""),
    ("observer.lua", "policy.mode = \"observe\""),
    ("nobody.lua", ""),
    ("own.lua", ""),
    ("refuse.lua", ""),
    ("on-behalf.lua", ""),
    ("send-as.lua", ""),
    ("narrow-mta.lua", ""),
];

#[test]
fn dialogues() {
    for (script, knobs) in DIALOGUES {
        run_over_both(script, knobs);
    }
}

#[test]
fn every_script_is_a_dialogue_or_what_they_share() {
    let files = std::fs::read_dir(project("tests/miltertest")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut found: Vec<_> = names.filter(|name| name.ends_with(".lua")).collect();
    let mut known: Vec<_> = DIALOGUES.iter().map(|(script, _)| (*script).to_owned()).collect();
    known.push("dialogue.lua".to_owned());
    found.sort();
    known.sort();
    assert_eq!(found, known);
}

/// A script that fails is noticed.
#[test]
fn a_wrong_expectation_fails() {
    let files = TempDir::new();
    let socket = files.path("milter.sock");
    let _milter = Setup::unix(&socket, "company.ldif").start();
    let script = files.write(
        "wrong.lua",
        "local conn = connect()\nmail(conn, nil, \"x@y.example\")\nexpect(conn, SMFIR_CONTINUE)\n",
    );
    let wrong = |script: &Path| run(script.to_str().unwrap(), "unix", &format!("unix:{}", socket.display()));
    let panic = std::panic::catch_unwind(|| wrong(&script)).expect_err("it must fail");
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("expected continue, got accept"), "{message}");
}
