//! Copies for the principal, from a real Postfix into a real Dovecot (LMTP, Sieve), looked at over IMAP. Dovecot and
//! Postfix use the files of `contrib/dovecot`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use base64::Engine;
use support::imap::{Imap, Stored};
use support::mail_system::{MailSystem, recipient};
use support::message::Delivery;
use support::milter::{Milter, Setup};
use support::smtp::Smtp;
use support::wait::wait_for;
use support::{project, unique};

/// Postfix, Dovecot and the milter.
struct Site {
    milter: Milter,
    mail: MailSystem,
}

impl Site {
    fn start(knobs: &str) -> Self {
        let fence = project("contrib/dovecot/sent-copy.regexp");
        let mail = MailSystem::start(&[
            "--logins=carl:secret,bea:secret,dora:secret,support:secret",
            "--mail-store=example.org",
            "relay_domains=example.org, example.net",
            "smtpd_relay_restrictions=permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
            &format!("smtpd_recipient_restrictions=check_recipient_access regexp:{}", fence.display()),
            "virtual_alias_maps=inline:{{@example.net=@example.org}, {office@example.org=bea@example.org}}",
        ]);
        let knobs = format!("sent_copy.address = \"{{local}}+Sent@{{domain}}\"\n{knobs}");
        let milter = Setup::unix(&mail.milter_socket(), "company.ldif").knobs(&knobs).start();
        Self { milter, mail }
    }

    fn mailbox(&self, login: &str, mailbox: &str) -> Vec<Stored> {
        self.imap(login).messages(mailbox)
    }

    fn imap(&self, login: &str) -> Imap {
        Imap::login(self.mail.port("imap"), login, "secret")
    }

    /// What is in a mailbox, once so many messages are.
    fn wait_for(&self, login: &str, mailbox: &str, count: usize) -> Vec<Stored> {
        let mut imap = self.imap(login);
        wait_for(&format!("{count} in {mailbox} of {login}"), || {
            Some(imap.messages(mailbox)).filter(|messages| messages.len() >= count)
        })
    }

    /// Sends a message to these recipients, and waits for it at one more.
    fn send(&self, login: &str, header: &str, recipients: &[&str]) -> Delivery {
        let mut session = self.mail.connect("submission");
        session.login(login);
        let own = recipient();
        session.expect(&format!("MAIL FROM:<{login}@example.org>"), "250");
        for to in recipients.iter().chain(&[own.as_str()]) {
            session.expect(&format!("RCPT TO:<{to}>"), "250");
        }
        let reply = session.data(&message(header));
        self.mail.outcome(reply, &own).delivery().clone()
    }

    /// What the milter said of the message with this author.
    fn logged(&self, from: &str) -> String {
        self.milter.wait_for_log(&format!("from=\"{from}\""))
    }

    /// How many recipients Postfix has for each message, in order.
    fn counts(&self) -> Vec<String> {
        let log = self.mail.log();
        let counts = log.lines().filter_map(|line| line.split_once("nrcpt=")).map(|(_, rest)| rest);
        counts.map(|rest| rest.split(' ').next().unwrap().to_owned()).collect()
    }
}

fn message(header: &str) -> Vec<u8> {
    format!("{header}\r\nSubject: {}\r\n\r\nHello.\r\n", unique()).into_bytes()
}

/// The message without the fields of its way: Return-Path, Delivered-To, Received.
fn without_trace(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets).into_owned();
    let start = text.find("From: ").unwrap_or_else(|| panic!("no From: {text}"));
    text[start..].to_owned()
}

#[test]
fn the_principal_finds_the_message_in_sent() {
    let site = Site::start("policy.group_members = \"send-as\"");
    for (from, principal, sender) in
        [("Bea Boss <bea@example.org>", "bea", true), ("dora+x@example.org", "dora", false)]
    {
        let delivered = site.send("carl", &format!("From: {from}"), &["somebody@sink.example"]);
        // The recipients see nothing of the copy.
        assert!(delivered.recipients.iter().all(|to| to.contains("@sink.example")), "{delivered:?}");
        let sent = site.wait_for(principal, "Sent", 1);
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].flags, ["\\Seen"]);
        assert_eq!(without_trace(&sent[0].octets), without_trace(&delivered.message()));
        assert_eq!(without_trace(&sent[0].octets).contains("\nSender: \"Carl Clausen\""), sender);
        assert_eq!(site.mailbox(principal, "INBOX"), []);
        let copies = format!("copies=\"<{principal}+Sent@example.org>\"");
        let address = from.trim_start_matches("Bea Boss <").trim_end_matches('>');
        assert!(site.logged(address).contains(&copies), "{}", site.milter.log());
    }
    // What the principal receives otherwise goes on as it did.
    site.send("carl", "From: Bea Boss <bea@example.org>", &["bea@example.org"]);
    assert_eq!(site.wait_for("bea", "INBOX", 1)[0].flags, [""; 0]);
    assert_eq!(site.wait_for("bea", "Sent", 2).len(), 2);
    // No copy for the own message, nor for a group.
    let before = site.counts().len();
    site.send("carl", "From: carl@example.org", &[]);
    site.send("mia", "From: support@example.org", &[]);
    site.send("carl", "From: bea@example.org", &[]);
    assert_eq!(site.counts()[before..], ["1", "1", "2"], "{}", site.mail.log());
    assert_eq!(site.wait_for("bea", "Sent", 3).len(), 3);
    assert_eq!(site.mailbox("support", "Sent"), []);
    assert_eq!(site.mailbox("carl", "Sent"), []);
}

#[test]
fn a_copy_that_cannot_be_delivered_troubles_nobody() {
    let site = Site::start("");
    // Dovecot knows no frida.
    site.send("carl", "From: frida@example.org", &[]);
    wait_for("Dovecot refuses", || site.mail.log().contains("to=<frida+Sent@example.org>").then_some(()));
    let removed = || site.mail.log().matches(": removed").count();
    wait_for("the message is gone", || (removed() == 1).then_some(()));
    let log = site.mail.log();
    assert!(log.contains("status=bounced") && !log.contains("sender non-delivery notification"), "{log}");
    // Nor in Dovecot, if the message is international: its LMTP does not know SMTPUTF8.
    let mut session = site.mail.connect("submission");
    session.login("carl");
    session.expect("MAIL FROM:<carl@example.org> SMTPUTF8", "250");
    session.expect("RCPT TO:<somebody@sink.example>", "250");
    assert!(session.data(&message("From: B\u{e9}a <bea@example.org>")).starts_with("250"));
    wait_for("the message is gone", || (removed() == 2).then_some(()));
    assert_eq!(site.mailbox("carl", "INBOX"), []);
}

#[test]
fn observing_makes_no_copies() {
    let site = Site::start("policy.mode = \"observe\"");
    site.send("carl", "From: bea@example.org", &[]);
    assert!(site.logged("bea@example.org").contains("verdict=\"would change\""));
    assert!(site.logged("bea@example.org").contains("copies=\"<bea+Sent@example.org>\""));
    assert_eq!(site.counts(), ["1"]);
}

/// How a client says that address; Postfix takes all of them for a mailbox of the site.
const FORMS: &[&str] = &[
    "<bea+Sent@example.org>",
    "bea+Sent@example.org",
    "<BEA+sENT@EXAMPLE.ORG>",
    "<\"bea+Sent\"@example.org>",
    "<\"bea\\+Sent\"@example.org>",
    "<@relay.example,@b.example:bea+Sent@example.org>",
    "<bea+Sent@example.net>",
    "<office+Sent@example.org>",
    "<bea+Sent+x@example.org>",
    "<bea+Sent@example.org.>",
    "<bea+Sent@[127.0.0.1]>",
    "<bea+Sent@>",
    "<bea+Sent>",
    "<bea+Sent%example.org>",
    "<bea+Sent%example.org@mail.example.org>",
    "<\"bea+Sent@example.org\"@mail.example.org>",
    "<bea+Sent@example.org@mail.example.org>",
    "<example.org!bea+Sent>",
    "<mail.example.org!example.org!bea+Sent>",
    "<bea+Sent@.>",
    "<bea+Sent@example.org..>",
    "<bea+Sent @example.org>",
    "<bea+Sent(x)@example.org>",
    "<bea+Sent@(x)example.org>",
    "<(x)bea+Sent@example.org>",
    "<x:bea+Sent@example.org;>",
    "<bea+Sent\\@example.org>",
    "<bea\\+Sent@example.org>",
    "<bea.+Sent@example.org>",
    "<bea+Sent@[IPv6:::1]>",
    "<bea+Sent%example.org%mail.example.org>",
    "<bea+Sent%example.org@>",
    "<example.org!bea+Sent%mail.example.org>",
    "<bea+x+Sent@example.org>",
    "<\"bea\"+Sent@example.org>",
    "<bea+Sent@[mail.example.org]>",
    "<bea+Sent@example.org@>",
    "<@bea+Sent@example.org>",
    "<Bea <bea+Sent@example.org>>",
    "bea+Sent@example.org,x@y.example",
];

/// And what looks much the same, and is nobody's business.
const OTHERS: &[&str] =
    &["bea@example.org", "bea+Sentry@example.org", "bea+x@example.net", "bea+Unsent@example.org"];

/// Sessions of everybody: a stranger, the own network, the own network with a login, a login with its password.
fn clients(site: &Site) -> Vec<(&'static str, Smtp)> {
    let mut stranger = site.mail.connect("submission");
    stranger.expect("XCLIENT ADDR=192.0.2.1 NAME=outside.example", "220");
    stranger.expect("EHLO outside.example", "250");
    let mut insider = site.mail.connect("submission");
    insider.login("carl");
    let mut authenticated = site.mail.connect("auth");
    let plain = base64::engine::general_purpose::STANDARD.encode("\0carl\0secret");
    authenticated.expect(&format!("AUTH PLAIN {plain}"), "235");
    let mx = site.mail.connect("mx");
    vec![("stranger", stranger), ("insider", insider), ("authenticated", authenticated), ("mx", mx)]
}

#[test]
fn nobody_else_writes_into_sent() {
    let site = Site::start("");
    for (name, mut session) in clients(&site) {
        session.expect("MAIL FROM:<carl@example.org>", "250");
        for form in FORMS {
            let reply = session.command(&format!("RCPT TO:{form}"));
            assert!(reply.starts_with('5'), "{name}: {form}: {reply}");
            // Refused because nobody may write there, or because it is no address.
            let why = ["is for copies", "syntax", "Relay access denied", "5.1.3", "5.1.2"];
            assert!(why.iter().any(|why| reply.contains(why)), "{name}: {form}: {reply}");
        }
        for address in OTHERS {
            session.expect(&format!("RCPT TO:<{address}>"), "250");
        }
        assert!(session.data(&message("From: carl@example.org")).starts_with("250"), "{name}");
    }
    // Insiders write to others' extensions as they like.
    let mut session = site.mail.connect("submission");
    session.login("carl");
    session.expect("MAIL FROM:<carl@example.org>", "250");
    session.expect("RCPT TO:<carol+sent@elsewhere.example>", "250");
    assert_eq!(site.wait_for("bea", "INBOX", OTHERS.len() * 4).len(), OTHERS.len() * 4);
    assert_eq!(site.mailbox("bea", "Sent"), []);
}

/// What reaches Dovecot is filed by its recipient alone, whatever stands in the message.
#[test]
fn only_the_recipient_makes_it_a_copy() {
    let site = Site::start("");
    let header = "Delivered-To: bea+Sent@example.org\r\nX-Original-To: bea+Sent@example.org\r\n\
                  From: Bea <bea@example.org>\r\nTo: bea+Sent@example.org\r\nSender: carl@example.org";
    let mut socket = BufReader::new(UnixStream::connect(site.mail.path("dovecot/lmtp")).unwrap());
    let others = ["bea@example.org", "bea+x@example.org", "bea+Sent+x@example.org", "bea+x+Sent@example.org"];
    let mut say = |text: &str, code: &str| {
        socket.get_mut().write_all(text.as_bytes()).unwrap();
        let mut line = String::from("-   ");
        while line.as_bytes().get(3) != Some(&b' ') || line.starts_with('-') {
            line.clear();
            assert!(socket.read_line(&mut line).unwrap() > 0, "{text}: Dovecot hung up");
        }
        assert!(line.starts_with(code), "{text}: {line}");
    };
    say("", "220");
    say("LHLO client.example\r\n", "250");
    for to in others {
        say("MAIL FROM:<carl@example.org>\r\n", "250");
        say(&format!("RCPT TO:<{to}>\r\n"), "250");
        say("DATA\r\n", "354");
        say(&format!("{}.\r\n", String::from_utf8(message(header)).unwrap()), "250");
    }
    let received = site.wait_for("bea", "INBOX", others.len());
    assert!(received.iter().all(|message| message.flags.is_empty()));
    assert_eq!(site.mailbox("bea", "Sent"), []);
    assert_eq!(site.imap("bea").mailboxes(), ["INBOX"]);
}
