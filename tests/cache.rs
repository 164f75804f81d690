//! How often the directory is asked, and who waits for it: counted in slapd's log, with real mail. It tells of no
//! changes here (tests/watch.rs): answers count for their time.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::time::Duration;

use support::mail_system::{MailSystem, mail_system, recipient};
use support::message::from;
use support::milter::{Milter, Setup};
use support::relay::{Mode, Relay};
use support::slapd::Slapd;
use support::wait::wait_until;

fn company() -> Slapd {
    Slapd::start(&[&Slapd::ldif("tests/fixtures/company.ldif")])
}

fn unwatched(knobs: &str) -> String {
    format!("cache.watch = false\n{knobs}")
}

fn start(mail: &MailSystem, slapd: &Slapd, port: u16, knobs: &str) -> Milter {
    let setup = Setup::unix(&mail.milter_socket(), "company.ldif").knobs(&unwatched(knobs));
    let milter = setup.server_at(slapd, port).start();
    milter.wait_for_log("connected to the directory");
    milter
}

/// Who a search asks for: a login, an address, or groups.
fn question(search: &str) -> &'static str {
    match search {
        search if search.contains("(uid=") => "login",
        search if search.contains("(member=") => "groups",
        search if search.contains("(delegationAlias=") => "address",
        _ => "something else",
    }
}

/// Sends as many messages as there are clients, all at the same time: their last dots leave together.
fn at_once(mail: &MailSystem, clients: usize, login: &str, message: &[u8]) -> Vec<String> {
    let together = std::sync::Barrier::new(clients);
    std::thread::scope(|scope| {
        let client = || {
            let mut session = mail.connect("submission");
            session.login(login);
            session.expect(&format!("MAIL FROM:<{login}@example.org>"), "250");
            session.expect(&format!("RCPT TO:<{}>", recipient()), "250");
            session.expect("DATA", "354");
            together.wait();
            session.send(&[message, b".\r\n"].concat());
            session.reply()
        };
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

#[test]
fn twenty_cold_messages_look_everything_up_once_and_warm_ones_nothing() {
    let (mail, slapd) = (mail_system(), company());
    let _milter = start(&mail, &slapd, slapd.port("ldap"), "");
    // lena: in a group (1), in a group (2), in nothing more (3). olga: in a list, which does not count (1).
    for (login, author, levels, code) in [
        ("lena", "info@example.org", 3, "250"),
        ("olga", "press@example.org", 1, "550"),
        ("carl", "bea@example.org", 1, "250"),
    ] {
        let cold = slapd.mark();
        for reply in at_once(&mail, 20, login, &from(author)) {
            assert!(reply.starts_with(code), "{login}: {reply}");
        }
        let searches = slapd.searches_since(cold);
        let count = |kind| searches.iter().filter(|search| question(search) == kind).count();
        // About the envelope sender, the submitter's own, there is nothing to ask.
        assert_eq!((count("login"), count("address"), count("groups")), (1, 1, levels), "{searches:#?}");
        assert_eq!(searches.len(), 2 + levels, "{searches:#?}");

        let warm = slapd.mark();
        for reply in at_once(&mail, 20, login, &from(author)) {
            assert!(reply.starts_with(code), "{login}: {reply}");
        }
        assert_eq!(slapd.searches_since(warm), Vec::<String>::new());
    }
}

#[test]
fn in_the_steady_state_nobody_waits_for_the_directory() {
    // On the way there and on the way back: a search takes twice as long.
    let late = Duration::from_millis(100);
    let (mail, slapd) = (mail_system(), company());
    let relay = Relay::to(slapd.port("ldap"));
    let milter = start(&mail, &slapd, relay.port(), "cache.ttl = \"3s\"");
    let begin = slapd.mark();
    let send = || {
        let reply = mail.message("carl", "<carl@example.org>", &from("bea@example.org")).reply;
        assert!(reply.starts_with("250"), "{reply}");
    };
    send();
    relay.set(Mode::Delay(late));
    // Until he has been looked up anew three times.
    wait_until("carl is looked up anew", || {
        send();
        let logins = slapd.searches_since(begin).iter().filter(|search| question(search) == "login").count();
        logins > 3
    });
    let log = milter.log();
    let times = log.lines().filter_map(|line| line.rsplit_once(" ms=")?.1.trim().parse::<f64>().ok());
    let times: Vec<_> = times.skip(1).collect();
    assert!(times.len() > 10, "{} messages", times.len());
    let slowest = times.iter().copied().fold(0.0, f64::max);
    assert!(slowest < 2.0 * late.as_secs_f64() * 1000.0, "a message took {slowest} ms: it waited");
}

/// Bea takes carl's right away.
const REVOKE: &str = "dn: uid=bea,dc=example,dc=org\nchangetype: modify\ndelete: delegationSendOnBehalf\n\
     delegationSendOnBehalf: uid=carl,dc=example,dc=org\n";

fn carl_for_bea(mail: &MailSystem) -> String {
    mail.message("carl", "<carl@example.org>", &from("bea@example.org")).reply
}

#[test]
fn a_right_that_is_taken_away_is_gone_after_the_ttl() {
    let (mail, slapd) = (mail_system(), company());
    let _milter = start(&mail, &slapd, slapd.port("ldap"), "cache.ttl = \"1s\"");
    assert!(carl_for_bea(&mail).starts_with("250"));
    slapd.modify(REVOKE);
    wait_until("carl may no longer", || carl_for_bea(&mail).starts_with("550 5.7.1 "));
}

#[test]
fn a_reload_has_everything_asked_for_anew() {
    let (mail, slapd) = (mail_system(), company());
    let milter = start(&mail, &slapd, slapd.port("ldap"), "cache.ttl = \"1h\"");
    assert!(carl_for_bea(&mail).starts_with("250"));
    slapd.modify(REVOKE);
    assert!(carl_for_bea(&mail).starts_with("250"), "what is remembered serves for the ttl");
    assert!(milter.reload().contains("reloaded"));
    assert!(carl_for_bea(&mail).starts_with("550 5.7.1 "));
}

#[test]
fn a_reload_while_the_directory_is_away_loses_nothing() {
    let (mail, slapd) = (mail_system(), company());
    let milter = start(&mail, &slapd, slapd.port("ldap"), "cache.ttl = \"1h\"");
    assert!(carl_for_bea(&mail).starts_with("250"));
    slapd.stop();
    // Rules do not shape what the directory says.
    milter.reconfigure(&unwatched(
        "cache.ttl = \"1h\"\npolicy.prefer = \"send-as\"\ndenied.contact = \"the desk\"",
    ));
    assert!(milter.reload().contains(" reloaded"));
    assert!(carl_for_bea(&mail).starts_with("250"));
    assert!(milter.log().contains("answers from before are used"));
    // What people log in with does.
    milter.reconfigure(&unwatched("cache.ttl = \"1h\"\ndirectory.attributes.login = [\"cn\"]"));
    assert!(milter.reload().contains(" reloaded"));
    assert!(carl_for_bea(&mail).starts_with("451 4.3.0 "));
}

#[test]
fn while_the_directory_is_away_nothing_older_than_stale_serves() {
    let (mail, slapd) = (mail_system(), company());
    let _milter = start(&mail, &slapd, slapd.port("ldap"), "cache.ttl = \"1s\"\ncache.stale = \"2s\"");
    assert!(carl_for_bea(&mail).starts_with("250"));
    slapd.stop();
    wait_until("carl is deferred", || carl_for_bea(&mail).starts_with("451 4.3.0 "));
}
