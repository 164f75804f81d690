//! Two servers with the same entries: one goes away in every way, under load, and no message is lost or deferred that
//! the other can answer; and no server is asked that has not what the other has told. Through a real Postfix and two
//! real slapds.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use support::mail_system::{Borrowed, mail_system};
use support::message::from;
use support::milter::{Milter, Setup};
use support::relay::{Mode, Relay};
use support::slapd::Slapd;
use support::wait::wait_until;

/// `directory.timeout` of these tests.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Everything is asked for again all the time.
const KNOBS: &str =
    "directory.timeout = \"1s\"\ncache.ttl = \"1s\"\ncache.negative_ttl = \"0s\"\ncache.stale = \"0s\"\n";

/// A server, and the way to it.
struct Server {
    slapd: Slapd,
    relay: Relay,
}

/// How a server goes away.
#[derive(Clone, Copy, Debug)]
enum Away {
    Stopped,
    Hung,
    BlackHole,
}

impl Server {
    fn start() -> Self {
        let slapd = Slapd::start(&[&Slapd::ldif("tests/fixtures/company.ldif")]);
        Self { relay: Relay::to(slapd.port("ldap")), slapd }
    }

    fn goes(&self, away: Away) {
        match away {
            Away::Stopped => {
                self.slapd.stop();
                self.relay.set(Mode::Close);
            }
            Away::Hung => self.slapd.signal(Signal::SIGSTOP),
            Away::BlackHole => self.relay.set(Mode::BlackHole),
        }
    }

    fn comes_back(&self, away: Away) {
        match away {
            Away::Stopped => {
                self.slapd.start_again();
                self.relay.set(Mode::Forward);
            }
            Away::Hung => self.slapd.signal(Signal::SIGCONT),
            Away::BlackHole => self.relay.set(Mode::Forward),
        }
    }

    /// How often the milter connected to it.
    fn connections(&self, milter: &Milter) -> usize {
        let connected = format!("connected to the directory server=ldap://127.0.0.1:{}", self.relay.port());
        milter.log().matches(&connected).count()
    }
}

fn start(mail: &Borrowed, servers: [&Server; 2], knobs: &str) -> Milter {
    let ports = servers.map(|server| server.relay.port());
    let setup = Setup::unix(&mail.milter_socket(), "company.ldif").knobs(knobs);
    let milter = setup.servers_at(&servers[0].slapd, &ports).start();
    milter.wait_for_log("connected to the directory");
    milter
}

/// Who sends as whom; all may.
const ALLOWED: [(&str, &str); 6] = [
    ("carl", "bea@example.org"),
    ("lena", "info@example.org"),
    ("emil", "emil@example.org"),
    ("carl", "dora@example.org"),
    ("anna", "a.adams@example.org"),
    ("zoe", "bea@example.org"),
];

/// A message that was not accepted: when it was begun, after the fault, and what was said.
#[derive(Debug)]
struct Deferred(
    #[expect(dead_code, reason = "for who reads why the test failed")] Duration,
    #[expect(dead_code, reason = "the same")] String,
);

/// Sends all the time while `meanwhile` runs. How many messages arrived, and which were not accepted.
fn under_load(mail: &Borrowed, meanwhile: impl FnOnce()) -> (usize, Vec<Deferred>) {
    let (end, begun) = (AtomicBool::new(false), Instant::now());
    let results = Mutex::new((0, Vec::new()));
    std::thread::scope(|scope| {
        for client in 0..4 {
            let (end, results) = (&end, &results);
            scope.spawn(move || {
                for (login, author) in ALLOWED.into_iter().cycle().skip(client) {
                    if end.load(SeqCst) {
                        break;
                    }
                    let at = begun.elapsed();
                    let outcome = mail.message(login, &format!("<{login}@example.org>"), &from(author));
                    let mut results = results.lock().unwrap();
                    match outcome.delivered {
                        Some(_) => results.0 += 1,
                        None => results.1.push(Deferred(at, outcome.reply)),
                    }
                }
            });
        }
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(meanwhile));
        end.store(true, SeqCst);
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    results.into_inner().unwrap()
}

#[test]
fn one_of_two_goes_away_under_load() {
    let (mail, first, second) = (mail_system(), Server::start(), Server::start());
    let milter = start(&mail, [&first, &second], KNOBS);
    for away in [Away::Stopped, Away::Hung, Away::BlackHole] {
        let (used, back) = (second.connections(&milter), first.connections(&milter));
        let (arrived, deferred) = under_load(&mail, || {
            first.goes(away);
            wait_until("the second is used", || second.connections(&milter) > used);
            let used_at = Instant::now();
            wait_until("it goes on for a while", || used_at.elapsed() > 2 * TIMEOUT);
            first.comes_back(away);
            wait_until("the first is used again", || first.connections(&milter) > back);
        });
        assert_eq!(deferred.len(), 0, "{away:?}: {deferred:#?}");
        assert!(arrived > 20, "{away:?}: {arrived} messages");
        // Who is not asked is missed by nobody.
        let connections = first.connections(&milter) + second.connections(&milter);
        let (arrived, deferred) = under_load(&mail, || {
            second.goes(away);
            let gone = Instant::now();
            wait_until("it goes on for a while", || gone.elapsed() > TIMEOUT);
            second.comes_back(away);
        });
        assert_eq!(deferred.len(), 0, "{away:?}: {deferred:#?}");
        assert!(arrived > 10, "{away:?}: {arrived} messages");
        assert_eq!(first.connections(&milter) + second.connections(&milter), connections, "{away:?}");
    }
}

#[test]
fn the_first_is_a_black_hole_when_the_milter_starts() {
    let (mail, first, second) = (mail_system(), Server::start(), Server::start());
    first.relay.set(Mode::BlackHole);
    let milter = start(&mail, [&first, &second], KNOBS);
    let begun = Instant::now();
    assert!(mail.message("carl", "<carl@example.org>", &from("bea@example.org")).delivered.is_some());
    assert!(begun.elapsed() < 2 * TIMEOUT, "after {:?}", begun.elapsed());
    // Once, not once a message.
    let begun = Instant::now();
    for (login, author) in ALLOWED {
        let outcome = mail.message(login, &format!("<{login}@example.org>"), &from(author));
        assert!(outcome.delivered.is_some(), "{}", outcome.reply);
    }
    assert!(begun.elapsed() < 2 * TIMEOUT, "after {:?}", begun.elapsed());
    assert_eq!(first.connections(&milter), 0);
}

#[test]
fn both_are_away_and_either_comes_back() {
    let (mail, first, second) = (mail_system(), Server::start(), Server::start());
    let milter = start(&mail, [&first, &second], KNOBS);
    let carl = || mail.message("carl", "<carl@example.org>", &from("bea@example.org"));
    for server in [&second, &first] {
        first.goes(Away::BlackHole);
        second.goes(Away::Hung);
        wait_until("nobody answers", || carl().reply.starts_with("451 4.3.0 "));
        if std::ptr::eq(server, &first) {
            first.comes_back(Away::BlackHole);
        } else {
            second.comes_back(Away::Hung);
        }
        let begun = Instant::now();
        wait_until("one answers", || carl().delivered.is_some());
        assert!(begun.elapsed() < 5 * TIMEOUT, "after {:?}", begun.elapsed());
        first.comes_back(Away::BlackHole);
        second.comes_back(Away::Hung);
        wait_until("the first is used", || {
            carl();
            let log = milter.log();
            let last = log.lines().rfind(|line| line.contains("connected to the directory")).unwrap();
            last.ends_with(&format!(":{}", first.relay.port()))
        });
    }
}
