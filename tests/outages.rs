//! The directory goes away, hangs, vanishes or talks nonsense, and comes back: known people go on, others are told to
//! try again, soon; nothing has to be started anew. Through a real Postfix and a real slapd.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use support::mail_system::{Borrowed, Outcome, mail_system};
use support::message::from;
use support::milter::{Milter, Setup};
use support::relay::{Mode, Relay};
use support::slapd::Slapd;
use support::wait::wait_until;

/// `directory.timeout` of these tests.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How soon the directory must be used again.
const BACK: Duration = Duration::from_secs(10);

/// What answers last here is old after a second, and absences are not remembered.
const KNOBS: &str = "directory.timeout = \"1s\"\ncache.ttl = \"1s\"\ncache.negative_ttl = \"0s\"\n";

/// A milter between Postfix and slapd, to which a relay leads.
struct Scene {
    // Dropped first: whoever gets the mail system next has a milter of its own.
    milter: Option<Milter>,
    mail: Borrowed,
    slapd: Slapd,
    relay: Relay,
}

impl Scene {
    /// Everything runs, but for the milter.
    fn set() -> Self {
        let slapd = Slapd::start(&[&Slapd::ldif("tests/fixtures/company.ldif")]);
        let relay = Relay::to(slapd.port("ldap"));
        Self { mail: mail_system(), relay, slapd, milter: None }
    }

    fn with_carl_known() -> Self {
        let mut scene = Self::set();
        scene.make_carl_known();
        scene
    }

    /// Starts the milter, perhaps anew, and lets it know carl.
    fn make_carl_known(&mut self) {
        self.start_milter();
        assert!(self.carl_for_bea().delivered.is_some());
    }

    fn start_milter(&mut self) {
        self.start_milter_with(KNOBS);
    }

    fn start_milter_with(&mut self, knobs: &str) {
        self.milter = None;
        let setup = Setup::unix(&self.mail.milter_socket(), "company.ldif").knobs(knobs);
        self.milter = Some(setup.server_at(&self.slapd, self.relay.port()).start());
    }

    fn milter(&self) -> &Milter {
        self.milter.as_ref().unwrap()
    }

    /// On behalf of bea, as she allowed.
    fn carl_for_bea(&self) -> Outcome {
        self.mail.message("carl", "<carl@example.org>", &from("bea@example.org"))
    }

    /// He is not known yet.
    fn emil(&self) -> Outcome {
        self.mail.message("emil", "<emil@example.org>", &from("emil@example.org"))
    }

    /// The directory is away: what must hold.
    fn holds_out(&self) {
        wait_until("an answer from before is used", || {
            let outcome = self.carl_for_bea();
            assert_eq!(outcome.delivery().field("Sender"), ["\"Carl Clausen\" <carl@example.org>"]);
            self.milter().log().contains("answers from before are used")
        });
        // Also now that it is known to be away, and again.
        for _ in 0..3 {
            assert!(self.carl_for_bea().delivered.is_some());
            let begun = Instant::now();
            let outcome = self.emil();
            assert!(outcome.reply.starts_with("451 4.3.0 "), "{}", outcome.reply);
            assert!(begun.elapsed() < 2 * TIMEOUT, "told after {:?}", begun.elapsed());
        }
    }

    /// The directory is back: it must be used again soon.
    fn is_well_again(&self) {
        let begun = Instant::now();
        wait_until("emil is found", || self.emil().delivered.is_some());
        assert!(begun.elapsed() < BACK, "back after {:?}", begun.elapsed());
        wait_until("carl is asked for again", || {
            assert!(self.carl_for_bea().delivered.is_some());
            self.milter().log().contains("the directory answers again")
        });
    }
}

#[test]
fn stopped_and_started() {
    let scene = Scene::with_carl_known();
    scene.slapd.stop();
    scene.relay.set(Mode::Close);
    scene.holds_out();
    scene.slapd.start_again();
    scene.relay.set(Mode::Forward);
    scene.is_well_again();
}

#[test]
fn hung_and_going_on() {
    let scene = Scene::with_carl_known();
    scene.slapd.signal(Signal::SIGSTOP);
    scene.holds_out();
    scene.slapd.signal(Signal::SIGCONT);
    scene.is_well_again();
}

#[test]
fn out_of_reach_in_every_way() {
    let mut scene = Scene::set();
    for mode in [
        Mode::Silence,
        Mode::BlackHole,
        Mode::Close,
        Mode::Garbage(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        // An alert of TLS (RFC 8446 section 6), and a message that is LDAP only at its beginning.
        Mode::Garbage(b"\x15\x03\x01\x00\x02\x02\x46"),
        Mode::Garbage(b"\x30\x84\x7f\xff\xff\xff\x02\x01\x02"),
        Mode::Garbage(b"\x30\x03\x02\x01\x02"),
    ] {
        scene.make_carl_known();
        scene.relay.set(mode);
        scene.holds_out();
        scene.relay.set(Mode::Forward);
        scene.is_well_again();
    }
}

#[test]
fn the_milter_starts_while_the_directory_is_away() {
    let mut scene = Scene::set();
    scene.relay.set(Mode::Close);
    scene.start_milter();
    let outcome = scene.carl_for_bea();
    assert!(outcome.reply.starts_with("451 4.3.0 "), "{}", outcome.reply);
    // What needs no directory works: mail without a login.
    let internet = scene.mail.message_over("mx", None, "<x@elsewhere.example>", &from("x@elsewhere.example"));
    assert!(internet.delivered.is_some());
    scene.relay.set(Mode::Forward);
    let begun = Instant::now();
    wait_until("carl is found", || scene.carl_for_bea().delivered.is_some());
    assert!(begun.elapsed() < BACK);
}

/// What is not LDAP makes the library that reads it panic: that too is told in the form of the log.
#[test]
fn a_panic_is_a_line_of_the_log() {
    let mut scene = Scene::set();
    scene.relay.set(Mode::Garbage(b"\x30\x03\x02\x01\x02"));
    scene.start_milter_with(&format!("{KNOBS}log.format = \"json\""));
    assert!(scene.emil().reply.starts_with("451 4.3.0 "));
    let line = scene.milter().wait_for_log("panicked");
    assert!(line.contains("\"level\":\"ERROR\""), "{line}");
    for line in scene.milter().log().lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
}
