//! `denied.action = "bounce"`: what the submitter gets, when there must be no report, and that nothing is lost whoever
//! dies. Through a real Postfix that delivers into Maildirs; it is its own relay, with the milter on it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use delegation_milter::bounce::limit::MAX_REPORTS;
use delegation_milter::bounce::relay::LIMIT;
use mail_parser::{MessageParser, MimeHeaders};
use nix::sys::signal::Signal;
use serde_json::Value;
use support::gate::{Gate, POINTS, Point};
use support::mail_system::MailSystem;
use support::message::from;
use support::milter::{Milter, Setup};
use support::relay::{Mode, Relay};
use support::wait::wait_until;
use support::{project, unique};

const REFUSED: &str =
    "550 5.7.1 <boss@example.org>: you may not send as or on behalf of this address; ask it@example.org";

/// A Postfix, and the milter that it asks.
struct Scene {
    // Dropped first: what it logged is shown before what Postfix did.
    milter: Option<Milter>,
    mail: MailSystem,
    knobs: String,
}

impl Scene {
    /// Reports go to Postfix itself.
    fn set() -> Self {
        Self::with(&[], "")
    }

    /// With parameters of `main.cf` and lines of configuration.
    fn with(parameters: &[&str], knobs: &str) -> Self {
        let mut scene =
            Self { milter: None, mail: MailSystem::start_with_mailboxes(parameters), knobs: knobs.into() };
        let port = scene.mail.port("mx");
        scene.start_milter(port);
        scene
    }

    /// Starts the milter, perhaps anew, with its relay at this port.
    fn start_milter(&mut self, relay: u16) {
        self.milter = None;
        let knobs = format!(
            "denied.action = \"bounce\"\ndenied.relay = \"127.0.0.1:{relay}\"\ndenied.contact = \"it@example.org\"\n{}",
            self.knobs
        );
        let setup = Setup::unix(&self.mail.milter_socket(), "bounces.ldif").knobs(&knobs);
        self.milter = Some(setup.start());
    }

    fn milter(&self) -> &Milter {
        self.milter.as_ref().unwrap()
    }

    /// Sends as anna, and gives back the reply to the message.
    fn send(&self, message: &[u8]) -> String {
        self.send_as("anna", "<anna@example.org>", &["<to@sink.example>"], message)
    }

    fn send_as(&self, login: &str, mail_from: &str, recipients: &[&str], message: &[u8]) -> String {
        let mut session = self.mail.connect("submission");
        session.login(login);
        session.expect(&format!("MAIL FROM:{mail_from}"), "250");
        recipients.iter().for_each(|to| drop(session.expect(&format!("RCPT TO:{to}"), "250")));
        session.data(message)
    }

    /// Waits for so many messages in a mailbox.
    fn wait_for(&self, local: &str, count: usize) -> Vec<Vec<u8>> {
        wait_until(&format!("{local} has {count} messages"), || self.mail.mailbox(local).len() >= count);
        let messages = self.mail.mailbox(local);
        assert_eq!(messages.len(), count, "{local}");
        messages
    }

    /// What has been sent so far has arrived, in this mailbox and elsewhere: another message comes through.
    fn settle(&self, mailbox: &str) {
        let sentinel = format!("sentinel-{}", unique());
        for local in [mailbox, "to"] {
            let before = self.mail.mailbox(local).len();
            let to = format!("<{local}@example.org>");
            let reply =
                self.send_as("boss", "<boss@example.org>", &[&to], &subject("boss@example.org", &sentinel));
            assert!(reply.starts_with("250"), "{reply}");
            wait_until("the queue is empty", || {
                let all = self.mail.mailbox(local);
                all.len() > before && all.iter().any(|message| contains(message, &sentinel))
            });
        }
        wait_until("nothing is under way", || !self.mail.has_queued());
    }

    /// The reports in a mailbox, and nothing else but sentinels.
    fn reports(&self, mailbox: &str) -> Vec<Vec<u8>> {
        self.mail
            .mailbox(mailbox)
            .into_iter()
            .filter(|message| contains(message, "multipart/report"))
            .collect()
    }
}

fn contains(message: &[u8], text: &str) -> bool {
    message.windows(text.len()).any(|window| window == text.as_bytes())
}

fn subject(author: &str, subject: &str) -> Vec<u8> {
    format!("From: {author}\r\nTo: x@sink.example\r\nSubject: {subject}\r\n\r\nHello.\r\n").into_bytes()
}

/// A message that may not go, which no other is.
fn forbidden() -> Vec<u8> {
    let id = format!("Message-ID: <{}@client.example>\r\n", unique());
    [id.as_bytes(), &from("boss@example.org")].concat()
}

fn message_id(message: &[u8]) -> String {
    MessageParser::new().parse(message).unwrap().message_id().unwrap().to_owned()
}

/// A report as Python's `email` reads it.
fn python(report: &[u8]) -> Value {
    let mut process = Command::new("python3")
        .arg(project("tests/readers/read_report.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is there (contrib/testbed/install)");
    process.stdin.take().unwrap().write_all(report).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The value of a field that is there once.
fn value<'a>(fields: &'a Value, name: &str) -> &'a str {
    let values: Vec<_> = fields.as_array().unwrap().iter().filter(|field| field[0] == name).collect();
    assert_eq!(values.len(), 1, "{name} in {fields}");
    values[0][1].as_str().unwrap()
}

#[test]
fn the_submitter_gets_a_report() {
    let scene = Scene::set();
    let recipients = [
        "<to@sink.example>",
        "<b@sink.example> NOTIFY=NEVER",
        "<c@sink.example> ORCPT=rfc822;list+2Bx@sink.example NOTIFY=FAILURE",
    ];
    let message =
        [&b"Message-ID: <one@client.example>\r\nX-Note: one\r\n"[..], &from("boss@example.org")].concat();
    let reply = scene.send_as("anna", "<anna@example.org> ENVID=abc", &recipients, &message);
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    let report = scene.wait_for("anna", 1).remove(0);

    python_reads(&python(&report));
    mail_parser_reads(&report);

    // One line in the log; the message is nowhere.
    let line = scene.milter().wait_for_log("verdict=");
    let id = format!("report=\"{}\"", message_id(&report));
    assert!(line.contains("verdict=\"bounce\"") && line.contains(REFUSED) && line.contains(&id), "{line}");
    scene.settle("anna");
    assert_eq!(scene.reports("anna").len(), 1);
    assert_eq!(scene.mail.mailbox("c").len() + scene.mail.mailbox("b").len(), 0);
    assert_eq!(scene.milter().log().lines().filter(|line| line.contains("verdict=\"bounce\"")).count(), 1);
}

fn python_reads(read: &Value) {
    assert_eq!(read["type"], serde_json::json!(["multipart/report", "delivery-status"]));
    assert_eq!(
        read["parts"],
        serde_json::json!(["text/plain", "message/delivery-status", "text/rfc822-headers"])
    );
    assert_eq!(read["defects"], serde_json::json!([]));
    let top = |name| value(&read["top"], name);
    assert_eq!(top("return-path"), "<>");
    assert_eq!(top("from"), "Mail Delivery System <MAILER-DAEMON@example.org>");
    assert_eq!((top("to"), top("auto-submitted")), ("anna@example.org", "auto-replied"));
    assert_eq!((top("in-reply-to"), top("subject")), ("<one@client.example>", "Your message was not sent"));
    let groups = read["groups"].as_array().unwrap();
    python_reads_groups(groups);
    let text = read["text"].as_str().unwrap();
    assert!(text.contains("<boss@example.org>") && text.contains("ask it@example.org"), "{text}");
    assert_eq!(
        (value(&read["header"], "X-Note"), value(&read["header"], "From")),
        ("one", "boss@example.org")
    );
}

fn python_reads_groups(groups: &[Value]) {
    assert_eq!(groups.len(), 3, "the message, and two of three recipients: {groups:?}");
    assert_eq!(value(&groups[0], "Reporting-MTA"), "dns; mail.example.org");
    assert_eq!(value(&groups[0], "Original-Envelope-Id"), "abc");
    let recipients = groups[1..].iter().map(|group| value(group, "Final-Recipient")).collect::<Vec<_>>();
    assert_eq!(recipients, ["rfc822; to@sink.example", "rfc822; c@sink.example"]);
    assert_eq!(value(&groups[2], "Original-Recipient"), "rfc822; list+x@sink.example");
    for group in &groups[1..] {
        assert_eq!((value(group, "Action"), value(group, "Status")), ("failed", "5.7.1"));
        assert_eq!(value(group, "Diagnostic-Code"), format!("smtp; {REFUSED}"));
    }
}

fn mail_parser_reads(report: &[u8]) {
    let parsed = MessageParser::new().parse(report).unwrap();
    assert_eq!(parsed.content_type().unwrap().attribute("report-type"), Some("delivery-status"));
    assert_eq!(parsed.parts.len(), 4);
    assert!(parsed.body_text(0).unwrap().contains("<boss@example.org>"));
}

/// Postfix gives a Message-ID to what has none, another each time; the client that tries again means the same message.
#[test]
fn what_is_sent_again_is_known_without_a_message_id() {
    let scene = Scene::set();
    let message = [&b"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\n"[..], &from("boss@example.org")].concat();
    for _ in 0..2 {
        let mut session = scene.mail.connect("rewriting");
        session.login("anna");
        session.expect("MAIL FROM:<anna@example.org>", "250");
        session.expect("RCPT TO:<to@sink.example>", "250");
        assert!(session.data(&message).starts_with("250"));
    }
    let reports = scene.wait_for("anna", 2);
    assert!(
        reports.iter().all(|report| contains(
            report,
            "
Message-Id: <"
        )),
        "Postfix gives it one"
    );
    assert_eq!(message_id(&reports[0]), message_id(&reports[1]));
}

#[test]
fn the_envelope_sender_is_a_reason_too() {
    let scene = Scene::set();
    let reply =
        scene.send_as("anna", "<boss@example.org>", &["<to@sink.example>"], &from("anna@example.org"));
    assert!(reply.starts_with("250"), "{reply}");
    // It goes to anna, not to whom she named.
    let report = scene.wait_for("anna", 1).remove(0);
    assert!(contains(&report, "as the envelope sender"));
    scene.settle("anna");
    assert_eq!(scene.mail.mailbox("boss").len(), 0);
}

#[test]
fn international_mailboxes() {
    let scene = Scene::set();
    let header = "X-Note: für dich\r\n";
    let message = [header.as_bytes(), &from("boss@example.org")].concat();
    for (login, own, mailbox, to) in [
        ("anna", "anna", "anna", "anna@example.org"),
        ("aenne", "änne", "änne", "änne@example.org"),
        ("baerbel", "bärbel", "baerbel", "baerbel@example.org"),
    ] {
        let mail_from = format!("<{own}@example.org> SMTPUTF8");
        let reply = scene.send_as(login, &mail_from, &["<jürgen@sink.example>"], &message);
        assert!(reply.starts_with("250"), "{login}: {reply}");
        let report = scene.wait_for(mailbox, 1).remove(0);
        let read = python(&report);
        assert_eq!(read["type"], serde_json::json!(["multipart/report", "global-delivery-status"]));
        assert_eq!(
            read["parts"],
            serde_json::json!(["text/plain", "message/global-delivery-status", "message/global-headers"])
        );
        assert_eq!(value(&read["top"], "to"), to);
        assert_eq!(value(&read["groups"][1], "Final-Recipient"), "utf-8; jürgen@sink.example");
        assert_eq!(value(&read["header"], "X-Note"), "für dich");
        assert!(read["text"].as_str().unwrap().contains("jürgen@sink.example"));
        let parsed = MessageParser::new().parse(&report).unwrap();
        assert_eq!(parsed.to().unwrap().first().unwrap().address(), Some(to));
    }
}

#[test]
fn where_there_must_be_no_report_the_client_is_told() {
    let scene = Scene::set();
    let to = "<to@sink.example>";
    let field = |field: &str| [field.as_bytes(), b"\r\n", &from("boss@example.org")[..]].concat();
    let plain = from("boss@example.org");
    for (login, mail_from, recipient, message, why) in [
        ("anna", "<>", to, plain.clone(), "the envelope sender is null"),
        ("anna", "<anna@example.org>", to, field("Auto-Submitted: auto-generated"), "Auto-Submitted"),
        (
            "anna",
            "<anna@example.org>",
            to,
            field("Content-Type: multipart/report; boundary=x"),
            "it is a report itself",
        ),
        (
            "anna",
            "<anna@example.org>",
            "<to@sink.example> NOTIFY=NEVER",
            plain.clone(),
            "no recipient wants a report",
        ),
        (
            "anna",
            "<anna@example.org>",
            "<to@sink.example> NOTIFY=SUCCESS",
            plain.clone(),
            "no recipient wants a report",
        ),
        ("nemo", "<boss@example.org>", to, plain.clone(), "the submitter has no mail address"),
    ] {
        let reply = scene.send_as(login, mail_from, &[recipient], &message);
        assert_eq!(reply, REFUSED, "{why}");
        let line = scene.milter().wait_for_log(why);
        assert!(line.contains("verdict=\"refuse\" ") && line.contains("no_report="), "{line}");
    }
    // What is no matter for a report at all.
    let reply = scene.send(b"From: junk <\r\n\r\nHello.\r\n");
    assert!(reply.starts_with("554 5.6.0"), "{reply}");
    let reply = scene.send_as("nobody", "<anna@example.org>", &[to], &plain);
    assert!(reply.starts_with("550 5.7.1 the login"), "{reply}");
    let reply = scene.send(&[&b"Resent-From: boss@example.org\r\n"[..], &from("anna@example.org")].concat());
    assert!(reply.starts_with("550 5.7.1 <boss@example.org>"), "{reply}");
    scene.settle("anna");
    assert_eq!(scene.reports("anna").len(), 0);
}

#[test]
fn no_report_leaves_the_site() {
    let elsewhere = ("emil", "<emil@elsewhere.example>", "emil");
    let here = ("anna", "<anna@example.org>", "anna");
    let forbidden = from("boss@example.org");
    let send = |scene: &Scene, (login, mail_from, _): (&str, &str, &str)| {
        scene.send_as(login, mail_from, &["<to@sink.example>"], &forbidden)
    };
    let scene = Scene::with(&[], "policy.local_domains = [\"example.org\"]");
    assert_eq!(send(&scene, elsewhere), REFUSED);
    assert!(send(&scene, here).starts_with("250"));
    scene.wait_for("anna", 1);
    scene.settle("emil");
    assert_eq!(scene.reports("emil").len(), 0);
    // Where no domain is named, the directory is taken at its word.
    let scene = Scene::set();
    assert!(send(&scene, elsewhere).starts_with("250"));
    scene.wait_for("emil", 1);
}

#[test]
fn a_client_that_breaks_off_gets_no_report() {
    let scene = Scene::set();
    let mut session = scene.mail.connect("submission");
    session.login("anna");
    session.expect("MAIL FROM:<anna@example.org>", "250");
    session.expect("RCPT TO:<to@sink.example>", "250");
    session.expect("DATA", "354");
    session.send(&forbidden());
    drop(session);
    wait_until("Postfix notices", || scene.mail.log().contains("lost connection after DATA"));
    scene.settle("anna");
    assert_eq!(scene.reports("anna").len(), 0);
    assert!(!scene.milter().log().contains("verdict=\"bounce\""));
}

#[test]
fn observe_changes_nothing_and_sends_nothing() {
    let scene = Scene::with(&[], "policy.mode = \"observe\"");
    assert!(scene.send(&forbidden()).starts_with("250"));
    scene.wait_for("to", 1);
    assert!(scene.milter().wait_for_log("verdict=").contains("verdict=\"would refuse\""));
    scene.settle("anna");
    assert_eq!(scene.reports("anna").len(), 0);
}

#[test]
fn a_relay_that_is_away_loses_nothing() {
    let mut scene = Scene::set();
    let relay = Relay::to(scene.mail.port("mx"));
    scene.start_milter(relay.port());
    let message = forbidden();
    relay.set(Mode::Close);
    for _ in 0..3 {
        let reply = scene.send(&message);
        assert!(reply.starts_with("451 4.3.0"), "{reply}");
    }
    assert!(
        scene.milter().wait_for_log("verdict=\"defer\"").contains("the report cannot be sent: 127.0.0.1:")
    );
    // Once it is back, the client that tries again is rid of the message.
    relay.set(Mode::Forward);
    assert!(scene.send(&message).starts_with("250"));
    scene.wait_for("anna", 1);
    scene.settle("anna");
    assert_eq!(scene.reports("anna").len(), 1);
    // What did not go does not count.
    for count in 2..=MAX_REPORTS {
        assert!(scene.send(&forbidden()).starts_with("250"), "{count}");
    }
    assert_eq!(scene.send(&forbidden()), REFUSED);
}

#[test]
fn a_relay_that_never_answers_is_given_up() {
    let mut scene = Scene::set();
    let relay = Relay::to(scene.mail.port("mx"));
    scene.start_milter(relay.port());
    relay.set(Mode::Silence);
    let begun = Instant::now();
    let reply = scene.send(&forbidden());
    assert!(reply.starts_with("451 4.3.0"), "{reply}");
    let took = begun.elapsed();
    assert!((LIMIT..LIMIT + Duration::from_secs(10)).contains(&took), "{took:?}");
    let _ = scene.milter().wait_for_log("no answer within 20 s");
    assert_eq!(scene.reports("anna").len(), 0);
}

#[test]
fn what_a_relay_refuses() {
    let table = "smtpd_recipient_restrictions=check_recipient_access inline:{{anna@example.org=450 later}, {aenne@example.org=550 never}, {emil@elsewhere.example=550 never}}";
    let scene = Scene::with(&[table], "");
    let reply = scene.send(&forbidden());
    assert!(reply.starts_with("451 4.3.0"), "for now: {reply}");
    let reply = scene.send_as("emil", "<emil@elsewhere.example>", &["<to@sink.example>"], &forbidden());
    assert_eq!(reply, REFUSED, "for good: the client tells the user");
    assert!(scene.milter().wait_for_log("no_report=").contains("the relay does not take it: 127.0.0.1:"));
    // Without SMTPUTF8, such a mailbox cannot be reached at all. Who submits it is another matter.
    let scene = Scene::with(&["smtpd_discard_ehlo_keywords=smtputf8"], "");
    let reply = scene.send_as("aenne", "<anna@example.org>", &["<to@sink.example>"], &forbidden());
    assert_eq!(reply, REFUSED);
    assert!(scene.milter().wait_for_log("no_report=").contains("does not offer SMTPUTF8"));
}

/// The milter is killed at each step, and the client tries again.
#[test]
fn a_milter_that_is_killed_loses_nothing() {
    let mut scene = Scene::set();
    let gate = Gate::before(scene.mail.port("mx"));
    scene.start_milter(gate.port());
    let mut reports = 0;
    for point in POINTS {
        let message = forbidden();
        gate.stop_at(point);
        let reply = std::thread::scope(|threads| {
            let client = threads.spawn(|| scene.send(&message));
            gate.wait_until_stopped();
            scene.milter().signal(Signal::SIGKILL);
            client.join().unwrap()
        });
        gate.break_off();
        scene.start_milter(gate.port());
        let known = point == Point::Quit && reply.starts_with("250");
        if !known {
            assert!(reply.starts_with("4"), "{point:?}: {reply}");
            assert!(scene.send(&message).starts_with("250"), "{point:?}");
        }
        // The relay took the first one too from there on.
        let twice = !known && matches!(point, Point::Taken | Point::Quit);
        reports += if twice { 2 } else { 1 };
        check(&scene, reports, &message);
    }
}

/// The connection to the relay breaks at each step, and the client tries again.
#[test]
fn a_relay_that_is_killed_loses_nothing() {
    let mut scene = Scene::set();
    let gate = Gate::before(scene.mail.port("mx"));
    scene.start_milter(gate.port());
    let mut reports = 0;
    for point in POINTS {
        let message = forbidden();
        gate.stop_at(point);
        let reply = std::thread::scope(|threads| {
            let client = threads.spawn(|| scene.send(&message));
            gate.wait_until_stopped();
            gate.break_off();
            client.join().unwrap()
        });
        if point == Point::Quit {
            assert!(reply.starts_with("250"), "{reply}");
        } else {
            assert!(reply.starts_with("451 4.3.0"), "{point:?}: {reply}");
            assert!(scene.send(&message).starts_with("250"), "{point:?}");
        }
        reports += if point == Point::Taken { 2 } else { 1 };
        check(&scene, reports, &message);
    }
}

/// So many reports came so far, those on this message with one Message-ID; and nobody got the message.
fn check(scene: &Scene, reports: usize, message: &[u8]) {
    wait_until("the reports arrive", || scene.reports("anna").len() >= reports);
    scene.settle("anna");
    let all = scene.reports("anna");
    assert_eq!(all.len(), reports);
    let id = message_id(message);
    let mut ids: Vec<_> =
        all.iter().filter(|report| contains(report, &id)).map(|report| message_id(report)).collect();
    assert!(!ids.is_empty());
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert!(!scene.mail.mailbox("to").iter().any(|mail| contains(mail, &id)), "the message was delivered");
}

/// Whatever comes into anna's mailbox, her client sends it on with her login.
#[test]
fn a_client_that_sends_everything_back_makes_no_loop() {
    let scene = Scene::set();
    assert!(scene.send(&forbidden()).starts_with("250"));
    let mut replies = Vec::new();
    let mut sent_back = 0;
    // A loop would never end; its end here is that a round brings nothing new.
    while scene.mail.has_queued() || scene.reports("anna").len() > sent_back {
        for report in scene.reports("anna").iter().skip(sent_back) {
            sent_back += 1;
            // As it came, as automatic mail, and as a person's new message about it.
            replies.push(scene.send_as("anna", "<>", &["<boss@example.org>"], report));
            replies.push(scene.send_as("anna", "<anna@example.org>", &["<boss@example.org>"], report));
            let fresh = [&forbidden()[..], report].concat();
            replies.push(scene.send_as("anna", "<>", &["<boss@example.org>"], &fresh));
            replies.push(scene.send_as("anna", "<anna@example.org>", &["<boss@example.org>"], &fresh));
            assert!(sent_back <= 2 * MAX_REPORTS, "it goes on and on");
        }
    }
    scene.settle("anna");
    // One for the first message, and one for each that looked as if a person had written it, until it was enough.
    assert_eq!(scene.reports("anna").len(), MAX_REPORTS);
    assert_eq!(replies.iter().filter(|reply| reply.starts_with("250")).count(), MAX_REPORTS - 1);
    assert!(
        replies.iter().all(|reply| reply.starts_with("250") || reply.starts_with("550 5.7.1")),
        "{replies:?}"
    );
    assert!(scene.milter().log().contains("the submitter got 20 reports within the hour"));
}

#[test]
fn a_reload_keeps_the_count() {
    let scene = Scene::set();
    for _ in 0..MAX_REPORTS {
        assert!(scene.send(&forbidden()).starts_with("250"));
    }
    scene.milter().reload();
    assert_eq!(scene.send(&forbidden()), REFUSED);
}
