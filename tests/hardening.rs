//! The unit of `contrib/systemd`: that systemd understands it, how little it leaves to the program, and that the program
//! lives with that. And the limits that `contrib/SECURITY.md` tells of.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use support::mail_system::MailSystem;
use support::message::from;
use support::milter::{Milter, Setup, free_port};
use support::slapd::{SUFFIX, Slapd};
use support::wait::wait_until;
use support::wire::{ACTIONS, STEPS, Wire};
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

/// Of this unit alone: those that it names are this machine's, which may have its own faults.
const VERIFY: [&str; 3] = ["verify", "--man=no", "--recursive-errors=no"];

/// What systemd says before version 253, which keeps the `Type=` that stands before it.
const TYPE_OF_253: &str = "Failed to parse service type, ignoring: notify-reload";

#[test]
fn systemd_understands_the_unit() {
    let unit = unit();
    let (_, said) = analyze(&VERIFY, &unit);
    let mut ours = said.lines().filter(|line| line.contains("delegation-milter"));
    assert!(ours.all(|line| line.ends_with(TYPE_OF_253)), "{said}");
    let of_252 = unit.replace("Type=notify-reload\n", "");
    assert!(
        unit.contains("\nType=notify\nType=notify-reload\n") && of_252.contains("\nType=notify\n"),
        "{unit}"
    );
    let (content, said) = analyze(&VERIFY, &of_252);
    assert!(content && !said.contains("delegation-milter"), "{said}");
    let (content, said) = analyze(&VERIFY, &of_252.replace("PrivateTmp=yes", "PrivateTemp=yes"));
    assert!(!content && said.contains("PrivateTemp"), "a slip is told: {said}");
}

/// One user, one directory and one socket, in all files that name them.
#[test]
fn the_files_of_systemd_tell_one_story() {
    let read = |name: &str| std::fs::read_to_string(project("contrib/systemd").join(name)).unwrap();
    let lines = |name: &str| {
        let text =
            read(name).lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let text: Vec<String> = text;
        text.into_iter().filter(|line| !line.starts_with('#') && !line.is_empty()).collect::<Vec<_>>()
    };
    let has = |name: &str, line: &str| assert!(lines(name).iter().any(|own| own == line), "{name}: {line}");
    has("delegation-milter.service", "User=delegation-milter");
    has(
        "delegation-milter.sysusers",
        "u delegation-milter - \"Send on behalf and send as, for Postfix\" - -",
    );
    has("delegation-milter.sysusers", "m delegation-milter postfix");
    let directory = "/var/spool/postfix/delegation-milter";
    has("delegation-milter.tmpfiles", &format!("d {directory} 2770 root postfix -"));
    has("delegation-milter.service", &format!("ReadWritePaths=-{directory}"));
    has("delegation-milter.socket", &format!("ListenStream={directory}/milter.sock"));
    let shipped = std::fs::read_to_string(project("conf/delegation-milter.toml")).unwrap();
    assert!(shipped.contains(&format!("\nlisten = \"unix:{directory}/milter.sock\"\n")), "{shipped}");
    let root = TempDir::new();
    let users = project("contrib/systemd/delegation-milter.sysusers");
    let root = format!("--root={}", root.path("").display());
    let made = Command::new("systemd-sysusers").args([&root, "--dry-run"]).arg(users).output().unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success() && said.contains("Creating user 'delegation-milter'"), "{said}");
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

/// Starts through `contrib/testbed/confine`, with what a unit leaves.
fn confined(setup: Setup, unit: &Path) -> Setup {
    let confine = project("contrib/testbed/confine").display().to_string();
    setup.through(&[&confine, &unit.display().to_string()])
}

fn shipped() -> PathBuf {
    project("contrib/systemd/delegation-milter.service")
}

/// That the kernel holds it to the unit.
fn is_confined(milter: &Milter) {
    for (field, value) in [
        ("Seccomp", "2"),
        ("NoNewPrivs", "1"),
        ("CapEff", "0000000000000000"),
        ("CapPrm", "0000000000000000"),
        ("CapAmb", "0000000000000000"),
    ] {
        assert_eq!(milter.status(field), value, "{field}");
    }
}

/// From a calendar program, for Bea.
const INVITATION: &str = "From: bea@example.org\r\nTo: to@sink.example\r\nSubject: x\r\nMIME-Version: 1.0\r\n\
     Content-Type: text/calendar; method=REQUEST; charset=utf-8\r\n\r\n\
     BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//x//EN\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1@example.org\r\n\
     DTSTAMP:20261122T100000Z\r\nDTSTART:20261201T100000Z\r\nORGANIZER:mailto:bea@example.org\r\n\
     ATTENDEE:mailto:to@sink.example\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

/// All that it does in its life, with the calls, address families and capabilities of the unit: TLS to a directory that
/// tells of changes, with a credential; messages that pass, are changed, refused and reported; a reload; its end.
#[test]
fn a_whole_life_in_confinement() {
    let slapd = Slapd::start(&["--tls", &Slapd::ldif("tests/fixtures/company.ldif")]);
    let files = TempDir::new();
    files.write("ldap.password", "milter\n");
    let ca = files.write("ca.pem", std::fs::read(slapd.path("tls/ca.pem")).unwrap());
    let port = free_port();
    let mail = MailSystem::start_inet(port);
    let source = format!(
        "directory.urls = [\"{}\"]\ndirectory.ca_file = \"{}\"\ndirectory.base_dn = \"{SUFFIX}\"\n\
         directory.bind_dn = \"cn=delegation-milter,{SUFFIX}\"\n\
         directory.bind_password_file = \"credential:ldap.password\"\n",
        slapd.uri("ldaps"),
        ca.display()
    );
    let knobs = format!("denied.action = \"bounce\"\ndenied.relay = \"localhost:{}\"", mail.port("mx"));
    let setup = Setup::inet(port, "company.ldif").source(&source).knobs(&knobs);
    let mut milter = confined(setup, &shipped()).variable("CREDENTIALS_DIRECTORY", &files.path("")).start();
    is_confined(&milter);
    milter.wait_for_log("the directory tells of changes");

    let own = mail.message("carl", "<carl@example.org>", &from("carl@example.org"));
    assert!(own.delivery().field("Sender").is_empty());
    let invitation = mail.message("carl", "<carl@example.org>", INVITATION.as_bytes());
    assert_eq!(invitation.delivery().field("Sender"), ["\"Carl Clausen\" <carl@example.org>"]);
    milter.wait_for_log("SENT-BY written in 1 place");
    assert!(send_for(&mail, "boss@example.org").starts_with("250"));
    milter.wait_for_log("verdict=\"bounce\"");

    slapd.modify(&format!("dn: uid=bea,{SUFFIX}\nchangetype: modify\ndelete: delegationSendOnBehalf\n"));
    // Taken, as everything is here; whether it is delivered, the log says.
    wait_until("the change counts", || {
        send_for(&mail, "bea@example.org");
        milter.log().lines().any(|line| line.contains("bea@") && line.contains("verdict=\"bounce\""))
    });
    assert!(milter.reload().contains("reloaded"));
    let reloaded = mail.message("carl", "<carl@example.org>", &from("carl@example.org"));
    assert!(reloaded.delivered.is_some());
    milter.signal(Signal::SIGTERM);
    assert!(milter.wait_for_end().success());
    assert!(!milter.log().contains("not permitted"), "{}", milter.log());
}

/// Carl writes for somebody; the reply. Where it is reported to him, nothing else is delivered.
fn send_for(mail: &MailSystem, author: &str) -> String {
    let mut session = mail.connect("submission");
    session.login("carl");
    session.expect("MAIL FROM:<carl@example.org>", "250");
    session.expect("RCPT TO:<to@sink.example>", "250");
    session.data(&from(author))
}

/// A Unix socket and its group, in a directory that is not its own.
#[test]
fn a_socket_in_confinement() {
    let files = TempDir::new();
    let directory = files.path("delegation-milter");
    std::fs::create_dir(&directory).unwrap();
    std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o777)).unwrap();
    // The group of nobody, who root becomes; else the one that the tests have.
    let group = if nix::unistd::geteuid().is_root() { 65534 } else { nix::unistd::getegid().as_raw() };
    let group = nix::unistd::Group::from_gid(group.into()).unwrap().unwrap().name;
    let socket = directory.join("milter.sock");
    let knobs = format!("socket_group = \"{group}\"");
    let mut milter = confined(Setup::unix(&socket, "company.ldif").knobs(&knobs), &shipped()).start();
    is_confined(&milter);
    let (mut wire, _) = Wire::negotiate(&socket, ACTIONS, STEPS);
    assert_eq!(wire.mail("carl", "<carl@example.org>").0, 'c');
    drop(wire);
    milter.signal(Signal::SIGTERM);
    assert!(milter.wait_for_end().success());
    assert!(!socket.exists());
}

/// What the unit does not leave is not there: without the calls of the network, there is no socket.
#[test]
fn confinement_confines() {
    let files = TempDir::new();
    let unit = std::fs::read_to_string(shipped()).unwrap();
    let less =
        unit.replace("SystemCallErrorNumber=", "SystemCallFilter=~@network-io\nSystemCallErrorNumber=");
    let less = files.write("less.service", less);
    let mut milter = confined(Setup::inet(free_port(), "company.ldif"), &less).launch();
    assert!(!milter.wait_for_end().success());
    assert!(milter.log().contains("not permitted"), "{}", milter.log());
}

#[test]
fn limits_stand_where_they_are_said_to_stand() {
    let page = std::fs::read_to_string(project("contrib/SECURITY.md")).unwrap();
    let (_, limits) = page.split_once("## Limits").unwrap();
    let (table, _) = limits.split_once("\n## ").unwrap();
    let mut found = 0;
    for line in table.lines() {
        let mut names = Vec::new();
        for code in line.split('`').skip(1).step_by(2) {
            if code.starts_with("src/") {
                let source = std::fs::read_to_string(project(code)).unwrap();
                for name in names.drain(..) {
                    assert!(source.contains(&format!("const {name}: ")), "{name} in {code}");
                    found += 1;
                }
            } else if code.starts_with("MAX_") {
                names.push(code);
            }
        }
        assert!(names.is_empty(), "{names:?} stand nowhere: {line}");
    }
    assert!(found > 10, "{found}");
}
