//! The program as a milter: what it does to sessions, sockets, signals and memory, through a real Postfix wherever
//! Postfix can be made to do it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use nix::sys::signal::Signal;
use support::mail_system::{MailSystem, Outcome, mail_system, recipient};
use support::message::{Delivery, from};
use support::milter::{Milter, Setup, fixture, free_port};
use support::wait::wait_until;
use support::wire::{ACTIONS, Packet, STEPS, Wire, strings as wire_strings};
use support::{TempDir, text};

const CARL: &str = "\"Carl Clausen\" <carl@example.org>";

fn start(mail: &MailSystem, knobs: &str) -> Milter {
    Setup::unix(&mail.milter_socket(), "company.ldif").knobs(knobs).start()
}

fn senders(outcome: &Outcome) -> Vec<String> {
    outcome.delivery().field("Sender")
}

// Messages

#[test]
fn mail_without_a_login_passes_unchanged() {
    let mail = mail_system();
    let _milter = start(&mail, "");
    let message = [b"Sender: x@y.example\r\nSender: z@y.example\r\n", &from("boss@example.org")[..]].concat();
    for service in ["mx", "submission"] {
        let outcome = mail.message_over(service, None, "<anna@example.org>", &message);
        assert_eq!(text::escape(&outcome.delivery().message()), text::escape(&message));
    }
}

#[test]
fn mail_without_a_login_is_refused_if_so_configured() {
    let mail = mail_system();
    let _milter = start(&mail, "unauthenticated = \"refuse\"");
    let outcome = mail.message_over("mx", None, "<anna@example.org>", &from("anna@example.org"));
    assert_eq!(outcome.reply, "530 5.7.0 authentication required; log in to send mail here");
    assert!(mail.message("anna", "<anna@example.org>", &from("anna@example.org")).delivered.is_some());
}

/// A message that needs no change comes out as it does with no milter at all, whatever is in it.
#[test]
fn what_needs_no_change_is_delivered_as_without_a_milter() {
    let mail = mail_system();
    let _milter = start(&mail, "");
    let long = "x".repeat(5000);
    for (what, header, body) in [
        ("nothing but From", "", ""),
        ("folds and tabs", "Subject: a\r\n\tb\r\n  c\r\nX-Empty:\r\nX-Space:   two  \r\n", "text\r\n"),
        (
            "the same name twice",
            "X-A: 1\r\nx-a: 2\r\nReceived: by here\r\nReceived: by there\r\n",
            "text\r\n",
        ),
        ("no space behind the colon", "Subject:close\r\nX-Tab:\ttab\r\n", "text\r\n"),
        ("8-bit header and body", "Subject: \u{e9}t\u{e9}\r\n", "\u{fc}ber\r\n"),
        ("dots", "", ".\r\n..\r\n.x\r\n...\r\n"),
        ("bare CR and LF", "", "a\rb\nc\r\r\nd\n\r\n"),
        ("no line end at the end", "", "the end"),
        ("long lines", "", &format!("{long}\r\n{long}")),
        ("a long header", &format!("X-Long: {long}\r\n").repeat(10), "text\r\n"),
        ("white space lines", "", " \r\n\t\r\n\r\n\r\n"),
        ("a header that ends early", "Subject: a\r\nthis is no field\r\nX: y\r\n", "text\r\n"),
    ] {
        let message = format!("From: anna@example.org\r\n{header}\r\n{body}").into_bytes();
        let mail_from = "<anna@example.org> BODY=8BITMIME";
        let with = mail.message("anna", mail_from, &message);
        let without = mail.message_over("bare", Some("anna"), mail_from, &message);
        let (with, without) = (with.delivery(), without.delivery());
        assert_eq!(text::escape(&with.message()), text::escape(&without.message()), "{what}");
        assert_eq!(with.envelope_sender(), without.envelope_sender(), "{what}");
        assert_eq!(with.parameters(), without.parameters(), "{what}");
    }
}

/// What is changed leaves everything else as it is, byte for byte.
#[test]
fn only_sender_differs_in_a_message_on_behalf() {
    let mail = mail_system();
    let _milter = start(&mail, "");
    let message = "Subject: a\r\n\tb\r\nFrom:  Bea\r\n <bea@example.org>\r\nX:\tx\r\nX: \u{e9}\r\n\r\n.\r\nbody\u{fc}\r\n";
    let outcome = mail.message("carl", "<carl@example.org> BODY=8BITMIME", message.as_bytes());
    let delivered = text::escape(&outcome.delivery().message());
    let sender = text::escape(format!("Sender: {CARL}\r\n").as_bytes());
    assert_eq!(senders(&outcome), [CARL]);
    assert_eq!(delivered.replace(&sender, ""), text::escape(message.as_bytes()));
}

/// RFC 3461, 6152, 6531 and 1870: the parameters that the client gave stay when the envelope sender is replaced.
#[test]
fn a_new_envelope_sender_keeps_the_parameters() {
    let mail = mail_system();
    let _milter = start(&mail, "");
    for parameters in [
        "",
        "BODY=8BITMIME",
        "BODY=8BITMIME ENVID=QQ314159+2Bx RET=HDRS",
        "BODY=7BIT RET=FULL",
        "BODY=8BITMIME SMTPUTF8",
        "SIZE=100 ENVID=x RET=HDRS",
    ] {
        let delivered = |author| sent_to_two(&mail, author, &format!("<carl@example.org> {parameters}"));
        let (kept, replaced) = (delivered("carl@example.org"), delivered("dora@example.org"));
        assert_eq!(kept.envelope_sender(), "<carl@example.org>");
        assert_eq!(replaced.envelope_sender(), "<dora@example.org>");
        assert_eq!(replaced.parameters(), kept.parameters(), "{parameters}");
        assert_eq!(recipients_parameters(&replaced), recipients_parameters(&kept), "{parameters}");
    }
}

/// What stands behind the paths of RCPT TO, whatever the order in which Postfix delivers.
fn recipients_parameters(delivery: &Delivery) -> Vec<&str> {
    let parameters = delivery.recipients.iter().filter_map(|recipient| recipient.split_once(' '));
    let mut parameters: Vec<_> = parameters.map(|(_, parameters)| parameters).collect();
    parameters.sort_unstable();
    assert_eq!(parameters.len(), 2, "{delivery:?}");
    parameters
}

/// Sends a message of carl's to two recipients, with parameters of their own.
fn sent_to_two(mail: &MailSystem, author: &str, mail_from: &str) -> Delivery {
    let mut session = mail.connect("submission");
    session.login("carl");
    let recipients = [recipient(), recipient()];
    session.expect(&format!("MAIL FROM:{mail_from}"), "250");
    session.expect(&format!("RCPT TO:<{}> NOTIFY=FAILURE,DELAY ORCPT=rfc822;a+40b", recipients[0]), "250");
    session.expect(&format!("RCPT TO:<{}> NOTIFY=NEVER ORCPT=rfc822;c+40d", recipients[1]), "250");
    let reply = session.data(&from(author));
    let outcome = mail.outcome(reply, &recipients[0]);
    assert_eq!(outcome.delivery().recipients.len(), 2);
    outcome.delivery().clone()
}

/// Nobody can find out which addresses exist: the words are the same.
#[test]
fn a_refusal_names_the_address_and_tells_nothing_of_it() {
    let mail = mail_system();
    let _milter = start(&mail, "");
    let words = |address: &str| {
        let author = mail.message("anna", "<anna@example.org>", &from(address)).reply;
        let envelope = mail.message("anna", &format!("<{address}>"), &from("anna@example.org")).reply;
        assert!(author.contains(&format!("<{address}>")), "{author}");
        [author, envelope].map(|reply| reply.replace(address, "ADDRESS"))
    };
    let existing = words("boss@example.org");
    assert!(existing[0].starts_with("550 5.7.1 <ADDRESS>: "), "{existing:?}");
    for address in ["nobody@example.org", "bea@example.org", "boss@elsewhere.example", "everyone@example.org"]
    {
        assert_eq!(words(address), existing, "{address}");
    }
}

#[test]
fn observing_changes_nothing_and_says_what_it_would_do() {
    let mail = mail_system();
    let milter = start(&mail, "policy.mode = \"observe\"");
    let forged = [b"Sender: x@y.example\r\nSender: z@y.example\r\n", &from("boss@example.org")[..]].concat();
    for (login, mail_from, message, logged) in [
        ("anna", "<anna@example.org>", &from("boss@example.org"), "would refuse"),
        ("anna", "<boss@example.org>", &forged, "would refuse"),
        ("carl", "<carl@example.org>", &from("dora@example.org"), "would change"),
        ("ghost", "<ghost@example.org>", &b"Subject: no From\r\n\r\nx\r\n".to_vec(), "would refuse"),
        ("sam", "<sam@example.org>", &from("sam@example.org"), "would defer"),
    ] {
        let outcome = mail.message(login, mail_from, message);
        assert_eq!(text::escape(&outcome.delivery().message()), text::escape(message));
        assert_eq!(outcome.delivery().envelope_sender(), mail_from);
        let line = milter.wait_for_log(&format!("login=\"{login}\" mail_from=\"{mail_from}\""));
        assert!(line.contains(logged), "{line}");
    }
}

/// A staged roll-out: one login is watched while the others are judged, and the other way round.
#[test]
fn an_account_is_observed_or_enforced_by_itself() {
    let mail = mail_system();
    let account = |mode| format!("[[account]]\nlogin = \"carl\"\nmode = \"{mode}\"");
    let refused = |login: &str| {
        mail.message(login, &format!("<{login}@example.org>"), &from("boss@example.org")).delivered.is_none()
    };
    {
        let _milter = start(&mail, &account("observe"));
        assert!(!refused("carl") && refused("anna"));
    }
    {
        let _milter = start(&mail, &format!("policy.mode = \"observe\"\n{}", account("enforce")));
        assert!(refused("carl") && !refused("anna"));
        let outcome = mail.message("carl", "<carl@example.org>", &from("bea@example.org"));
        assert_eq!(senders(&outcome), [CARL]);
    }
}

/// Each message has one line, with who, what and why.
#[test]
fn one_log_line_for_each_message() {
    let mail = mail_system();
    let milter = start(&mail, "");
    for (author, parts) in [
        ("carl@example.org", &["verdict=\"accept\" rule=\"own\" ms="][..]),
        (
            "bea@example.org",
            &[
                "verdict=\"accept\" rule=\"on-behalf\" grant=\"uid=bea,dc=example,dc=org to uid=carl,dc=example,dc=org\"",
                "<carl@example.org>",
            ],
        ),
        (
            "dora@example.org",
            &[
                "verdict=\"accept\" rule=\"send-as\" grant=\"uid=dora,dc=example,dc=org to uid=carl,dc=example,dc=org\"",
                "<dora@example.org>",
            ],
        ),
        (
            "boss@example.org",
            &[
                "verdict=\"refuse\" rule=\"author\" address=\"boss@example.org\"",
                "550 5.7.1 <boss@example.org>",
            ],
        ),
    ] {
        let lines = milter.log().lines().count();
        let outcome = mail.message("carl", "<carl@example.org>", &from(author));
        let line = milter.wait_for_log(&format!("from=\"{author}\""));
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
        let queue_id = outcome.reply.rsplit_once("queued as ").map_or("", |(_, id)| id);
        assert!(line.contains(queue_id) && line.contains("client=\"127.0.0.1\" login=\"carl\""), "{line}");
        assert_eq!(milter.log().lines().count(), lines + 1);
    }
}

/// The client's address is that of the message: it may change within a session.
#[test]
fn the_log_names_the_client() {
    let mail = mail_system();
    let milter = start(&mail, "");
    let mut session = mail.connect("submission");
    for address in ["127.0.0.9", "127.0.0.10"] {
        session.expect(&format!("XCLIENT LOGIN=carl ADDR={address}"), "220");
        session.expect("EHLO client.example", "250");
        let outcome = mail.transaction(&mut session, "<carl@example.org>", &from("carl@example.org"));
        let (_, queue_id) = outcome.reply.rsplit_once("queued as ").expect(&outcome.reply);
        let line = milter.wait_for_log(&format!("queue_id=\"{queue_id}\""));
        assert!(line.contains(&format!("client=\"{address}\" login")), "{line}");
    }
}

// Sessions

/// Every transaction starts from nothing: neither login nor authors of an earlier one count.
#[test]
fn messages_of_one_session_do_not_mix() {
    let mail = mail_system();
    let _milter = start(&mail, "");
    let mut session = mail.connect("submission");
    for (login, author, sender) in [
        ("carl", "bea@example.org", Some(CARL)),
        ("anna", "bea@example.org", None),
        ("anna", "anna@example.org", Some("")),
        ("carl", "anna@example.org", None),
        ("carl", "dora@example.org", Some("")),
        ("carl", "bea@example.org", Some(CARL)),
        ("emil", "carl@example.org", None),
        ("emil", "emil@example.org", Some("")),
    ] {
        session.login(login);
        for _ in 0..2 {
            let outcome = mail.transaction(&mut session, &format!("<{login}@example.org>"), &from(author));
            let found = outcome.delivered.as_ref().map(|delivery| delivery.field("Sender").join("|"));
            assert_eq!(found.as_deref(), sender, "{login} as {author}: {}", outcome.reply);
        }
    }
}

#[test]
fn a_login_that_is_taken_away_does_not_stay() {
    let mail = mail_system();
    let _milter = start(&mail, "unauthenticated = \"refuse\"");
    let mut session = mail.connect("submission");
    session.login("carl");
    let as_carl = mail.transaction(&mut session, "<carl@example.org>", &from("bea@example.org"));
    assert_eq!(senders(&as_carl), [CARL]);
    session.expect("XCLIENT LOGIN=[UNAVAILABLE]", "220");
    session.expect("EHLO client.example", "250");
    let as_nobody = mail.transaction(&mut session, "<carl@example.org>", &from("bea@example.org"));
    assert!(as_nobody.reply.starts_with("530 5.7.0"), "{}", as_nobody.reply);
}

/// The same within one connection to the milter, which Postfix ends at XCLIENT: macros of MAIL without a login.
#[test]
fn macros_of_an_earlier_message_do_not_count() {
    let files = TempDir::new();
    let socket = files.path("milter.sock");
    let _milter = Setup::unix(&socket, "company.ldif").knobs("unauthenticated = \"refuse\"").start();
    for macros in [&["{mail_addr}", "carl@example.org"][..], &[]] {
        let (mut wire, _) = Wire::negotiate(&socket, ACTIONS, STEPS);
        assert_eq!(wire.mail("carl", "<carl@example.org>").0, 'c');
        wire.send('A', b"");
        wire.macros('M', macros);
        wire.send_strings('M', &["<carl@example.org>"]);
        let Packet(letter, reply) = wire.receive();
        assert_eq!(
            (letter, String::from_utf8_lossy(&reply).starts_with("530 5.7.0")),
            ('y', true),
            "{macros:?}"
        );
    }
}

#[test]
fn rset_ends_a_transaction() {
    let mail = mail_system();
    let _milter = start(&mail, "");
    let mut session = mail.connect("submission");
    session.login("carl");
    session.expect("MAIL FROM:<bea@example.org>", "250");
    session.expect("RSET", "250");
    session.expect("MAIL FROM:<carl@example.org>", "250");
    session.expect("RCPT TO:<lost@sink.example>", "250");
    session.expect("RSET", "250");
    let outcome = mail.transaction(&mut session, "<carl@example.org>", &from("bea@example.org"));
    assert_eq!(
        (senders(&outcome), outcome.delivery().envelope_sender()),
        (vec![CARL.to_owned()], "<carl@example.org>")
    );
    // A refusal in the middle, then RSET, then a message that is fine.
    assert!(session.command("MAIL FROM:<boss@example.org>").starts_with("250"));
    session.expect("RSET", "250");
    let outcome = mail.transaction(&mut session, "<carl@example.org>", &from("boss@example.org"));
    assert!(outcome.reply.starts_with("550 5.7.1"), "{}", outcome.reply);
    session.expect("RSET", "250");
    let outcome = mail.transaction(&mut session, "<carl@example.org>", &from("carl@example.org"));
    assert_eq!(senders(&outcome), [""; 0]);
    assert_eq!(mail.sink.have("lost@sink.example"), []);
}

/// What Postfix tells of a login, by AUTH PLAIN against Dovecot.
#[test]
fn people_who_log_in_with_a_password() {
    let mail = MailSystem::start(&["--logins=anna:secret,carl:hidden"]);
    let _milter = start(&mail, "unauthenticated = \"refuse\"");
    let plain = |login: &str, password: &str| BASE64_STANDARD.encode(format!("\0{login}\0{password}"));
    let log_in = |login, password| {
        let mut session = mail.connect("auth");
        session.expect(&format!("AUTH PLAIN {}", plain(login, password)), "235");
        session
    };
    let mut session = mail.connect("auth");
    session.expect(&format!("AUTH PLAIN {}", plain("anna", "wrong")), "535");
    session.expect("MAIL FROM:<anna@example.org>", "530");
    let mut anna = log_in("anna", "secret");
    let outcome = mail.transaction(&mut anna, "<anna@example.org>", &from("anna@example.org"));
    assert_eq!(senders(&outcome), [""; 0]);
    let outcome = mail.transaction(&mut anna, "<anna@example.org>", &from("bea@example.org"));
    assert!(outcome.reply.starts_with("550 5.7.1 <bea@example.org>"), "{}", outcome.reply);
    let mut carl = log_in("carl", "hidden");
    let outcome = mail.transaction(&mut carl, "<carl@example.org>", &from("bea@example.org"));
    assert_eq!(senders(&outcome), [CARL]);
}

/// Fields go from the highest index down, since the indexes count what is left; the answer comes last.
#[test]
fn modifications_come_in_their_order() {
    let files = TempDir::new();
    let socket = files.path("milter.sock");
    let _milter = Setup::unix(&socket, "company.ldif").start();
    let (mut wire, _) = Wire::negotiate(&socket, ACTIONS, STEPS);
    wire.macros('M', &["{auth_authen}", "carl", "{mail_addr}", "carl@example.org"]);
    wire.send_strings('M', &["<carl@example.org>", "RET=HDRS", "ENVID=x"]);
    assert_eq!(wire.receive().0, 'c');
    for field in [
        ["Sender", " a@x.example"],
        ["From", " dora@example.org"],
        ["SENDER", " b@x.example"],
        ["Sender", ""],
    ] {
        wire.send_strings('L', &field);
    }
    wire.send('N', b"");
    wire.send('E', b"");
    let packet =
        |letter, index: &[u8], texts: &[&str]| Packet(letter, [index, &wire_strings(texts)].concat());
    for expected in [
        packet('m', &[0, 0, 0, 3], &["Sender", ""]),
        packet('m', &[0, 0, 0, 2], &["Sender", ""]),
        packet('m', &[0, 0, 0, 1], &["Sender", ""]),
        packet('e', &[], &["<dora@example.org>", "RET=HDRS ENVID=x"]),
        packet('a', &[], &[]),
    ] {
        assert_eq!(wire.receive(), expected);
    }
}

/// Whatever the order in which steps come, a message that was not judged is not accepted, and the next one is served.
#[test]
fn steps_out_of_order_are_never_accepted() {
    let files = TempDir::new();
    let socket = files.path("milter.sock");
    let mut milter = Setup::unix(&socket, "company.ldif").start();
    let boss = &wire_strings(&["From", " boss@example.org"])[..];
    let bea = &wire_strings(&["From", " bea@example.org"])[..];
    for (what, steps) in [
        ("the end alone", &[('E', &b""[..])][..]),
        ("the end of the header alone", &[('N', b"")]),
        ("a header alone", &[('L', boss), ('E', b"")]),
        ("a body alone", &[('B', b"x"), ('E', b"")]),
        ("MAIL and the end", &[('M', b""), ('E', b"")]),
        ("no end of the header", &[('M', b""), ('L', boss), ('E', b"")]),
        ("refused, and no end to it", &[('M', b""), ('L', boss), ('N', b""), ('E', b"")]),
        ("a second header", &[('M', b""), ('L', bea), ('N', b""), ('L', boss), ('N', b""), ('E', b"")]),
        ("aborted", &[('M', b""), ('L', bea), ('N', b""), ('A', b""), ('E', b"")]),
        ("half a packet of a header", &[('M', b""), ('L', b"From"), ('N', b"")]),
        ("an unknown step", &[('M', b""), ('?', b"x"), ('N', b"")]),
        ("an empty packet", &[('M', b""), ('\0', b""), ('E', b"")]),
    ] {
        for offered in [0, STEPS] {
            let (mut wire, _) = Wire::negotiate(&socket, ACTIONS, offered);
            let answers = play(&mut wire, steps);
            assert!(!answers.contains(&'a'), "{what}, {offered:x}: {answers:?}");
            assert!(milter.is_alive(), "{what}");
        }
    }
    let (mut wire, _) = Wire::negotiate(&socket, ACTIONS, STEPS);
    assert_eq!(wire.mail("anna", "<anna@example.org>").0, 'c');
}

/// A message whose body comes with its end has one answer: of two, the second would answer the next message.
#[test]
fn a_body_in_the_last_packet_has_one_answer() {
    let files = TempDir::new();
    let socket = files.path("milter.sock");
    let _milter = Setup::unix(&socket, "company.ldif").start();
    for (from, verdict) in [("carl@example.org", 'a'), ("bea@example.org", 'h'), ("boss@example.org", 'y')] {
        let (mut wire, _) = Wire::negotiate(&socket, ACTIONS, STEPS);
        assert_eq!(wire.mail("carl", "<carl@example.org>").0, 'c');
        wire.send_strings('L', &["From", &format!(" {from}")]);
        wire.send('N', b"");
        wire.send('E', b"text");
        assert_eq!(wire.receive().0, verdict, "{from}");
        if verdict == 'h' {
            assert_eq!(wire.receive().0, 'a', "{from}");
        }
        assert_eq!(wire.mail("carl", "<carl@example.org>").0, 'c', "{from}");
        assert_eq!(wire.finish(), []);
    }
}

/// The letters of all answers to these steps, until the milter hangs up or has nothing more to say.
fn play(wire: &mut Wire, steps: &[(char, &[u8])]) -> Vec<char> {
    for (letter, body) in steps {
        if *letter == 'M' && body.is_empty() {
            wire.macros('M', &["{auth_authen}", "carl", "{mail_addr}", "carl@example.org"]);
            wire.send_strings('M', &["<carl@example.org>"]);
        } else {
            wire.send(*letter, body);
        }
    }
    wire.finish().into_iter().map(|packet| packet.0).collect()
}

// Sockets

#[test]
fn over_tcp() {
    let port = free_port();
    let mail = MailSystem::start_inet(port);
    let _milter = Setup::inet(port, "company.ldif").start();
    let outcome = mail.message("carl", "<carl@example.org>", &from("bea@example.org"));
    assert_eq!(senders(&outcome), [CARL]);
    let outcome = mail.message("carl", "<carl@example.org>", &from("dora@example.org"));
    assert_eq!(outcome.delivery().envelope_sender(), "<dora@example.org>");
    let outcome = mail.message("carl", "<carl@example.org>", &from("boss@example.org"));
    assert!(outcome.reply.starts_with("550 5.7.1 <boss@example.org>"), "{}", outcome.reply);
}

#[test]
fn the_sockets_mode_and_group() {
    let files = TempDir::new();
    let socket = files.path("milter.sock");
    let group = nix::unistd::Group::from_gid(nix::unistd::getgid()).unwrap().expect("our group has a name");
    for mode in [0o600, 0o660, 0o666] {
        let knobs = format!("socket_mode = \"{mode:04o}\"\nsocket_group = \"{}\"", group.name);
        let milter = Setup::unix(&socket, "company.ldif").knobs(&knobs).launch();
        wait_until("it can be connected to, and not before mode and group are right", || milter.connects());
        let metadata = std::fs::metadata(&socket).unwrap();
        assert_eq!((metadata.permissions().mode() & 0o777, metadata.gid()), (mode, group.gid.as_raw()));
    }
    let knobs = "socket_group = \"no-such-group\"";
    let mut milter = Setup::unix(&socket, "company.ldif").knobs(knobs).launch();
    assert_eq!(milter.wait_for_end().code(), Some(2));
    assert!(milter.log().contains("there is no such group"), "{}", milter.log());
}

/// A socket that a killed process left behind is replaced; what is somebody else's is left alone.
#[test]
fn a_socket_that_is_there_already() {
    let files = TempDir::new();
    let socket = files.path("milter.sock");
    drop(UnixListener::bind(&socket).unwrap());
    assert!(UnixStream::connect(&socket).is_err(), "it is stale");
    let first = Setup::unix(&socket, "company.ldif").start();
    let mut second = Setup::unix(&socket, "company.ldif").launch();
    assert_eq!(second.wait_for_end().code(), Some(2));
    assert!(second.log().contains("another program listens there"), "{}", second.log());
    assert!(UnixStream::connect(&socket).is_ok(), "the first is still there");
    drop(first);
    let file = files.write("file", "precious");
    let mut third = Setup::unix(&file, "company.ldif").launch();
    assert_eq!(third.wait_for_end().code(), Some(2));
    assert!(third.log().contains("is no socket"), "{}", third.log());
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
}

#[test]
fn a_port_that_is_taken() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut milter = Setup::inet(listener.local_addr().unwrap().port(), "company.ldif").launch();
    assert_eq!(milter.wait_for_end().code(), Some(2));
    assert!(milter.log().contains("another program listens there"), "{}", milter.log());
}

// Signals

/// SIGHUP: the rules and the directory as they are now count from the next message on; a message under way ends as it
/// began; what is bad is logged, and the old stays.
#[test]
fn reload() {
    let mail = mail_system();
    let milter = start(&mail, "");
    let as_boss = || mail.message("anna", "<anna@example.org>", &from("boss@example.org")).reply;
    let granted = String::from_utf8(fixture("company.ldif")).unwrap().replace(
        "mail: boss@example.org\n",
        "mail: boss@example.org\ndelegationSendAs: uid=anna,dc=example,dc=org\n",
    );
    assert!(as_boss().starts_with("550"));
    let mut session = mail.connect("submission");
    session.login("anna");
    let to = recipient();
    session.expect("MAIL FROM:<anna@example.org>", "250");
    milter.replace_directory(granted.as_bytes());
    assert!(as_boss().starts_with("550"), "before SIGHUP");
    assert!(!milter.reload().contains("not reloaded"));
    assert!(as_boss().starts_with("250"), "after SIGHUP");
    session.expect(&format!("RCPT TO:<{to}>"), "250");
    assert!(session.data(&from("boss@example.org")).starts_with("550"), "it began before SIGHUP");

    for (what, spoil) in [("directory", true), ("configuration", false)] {
        if spoil {
            milter.replace_directory(b"dn: uid=anna\nthis is no LDIF\n");
        } else {
            milter.replace_directory(granted.as_bytes());
            milter.reconfigure("policy.prefer = \"nonsense\"");
        }
        assert!(milter.reload().contains("not reloaded"), "{what}");
        assert!(as_boss().starts_with("250"), "the old {what} stays");
    }
    milter.reconfigure("policy.mode = \"observe\"");
    milter.replace_directory(&fixture("company.ldif"));
    assert!(!milter.reload().contains("not reloaded"));
    assert!(as_boss().starts_with("250"), "observed");
}

/// SIGTERM: the socket goes first, a message under way is finished, then the program ends with 0.
#[test]
fn an_orderly_end() {
    let mail = mail_system();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut milter = start(&mail, "");
        let mut session = mail.connect("submission");
        session.login("carl");
        let to = recipient();
        session.expect("MAIL FROM:<carl@example.org>", "250");
        session.expect(&format!("RCPT TO:<{to}>"), "250");
        milter.signal(signal);
        wait_until("the socket is gone", || !mail.milter_socket().exists());
        assert!(milter.is_alive());
        let outcome = mail.outcome(session.data(&from("bea@example.org")), &to);
        assert_eq!(senders(&outcome), [CARL]);
        assert_eq!(milter.wait_for_end().code(), Some(0));
    }
}

/// While it ends, an old connection gets no new transaction; the client is told to try again.
#[test]
fn no_new_message_while_it_ends() {
    let mail = mail_system();
    let mut milter = start(&mail, "");
    let mut open = mail.connect("submission");
    open.login("carl");
    let to = recipient();
    open.expect("MAIL FROM:<carl@example.org>", "250");
    open.expect(&format!("RCPT TO:<{to}>"), "250");
    let mut late = mail.connect("submission");
    late.login("carl");
    late.expect("NOOP", "250");
    milter.signal(Signal::SIGTERM);
    wait_until("the socket is gone", || !mail.milter_socket().exists());
    let reply = late.command("MAIL FROM:<carl@example.org>");
    assert!(reply.starts_with("451 4.3.2"), "{reply}");
    assert_eq!(senders(&mail.outcome(open.data(&from("bea@example.org")), &to)), [CARL]);
    assert_eq!(milter.wait_for_end().code(), Some(0));
    let reply = mail.message("carl", "<carl@example.org>", &from("carl@example.org")).reply;
    assert!(reply.starts_with("451"), "without a milter nothing passes: {reply}");
}

// Limits

/// The body is never held: a large message costs no memory.
#[test]
fn a_large_message_costs_no_memory() {
    let mail = mail_system();
    let milter = start(&mail, "");
    let send = |size: usize| {
        let line = [&b"x".repeat(70)[..], b"\r\n"].concat();
        let message = [from("bea@example.org"), line.repeat(size / line.len())].concat();
        let outcome = mail.message("carl", "<carl@example.org>", &message);
        assert_eq!(senders(&outcome), [CARL]);
        assert!(outcome.delivery().data.len() > size);
        milter.memory("VmHWM")
    };
    let before = send(1000);
    let after = send(20_000_000);
    assert!(after - before < 4 * 1024, "{before} KiB, then {after} KiB");
}

/// 500 smtpd processes, each in the middle of a message.
#[test]
fn many_connections_cost_little_memory() {
    let files = TempDir::new();
    let socket = files.path("milter.sock");
    let milter = Setup::unix(&socket, "company.ldif").start();
    let connections = (0..500).map(|_| {
        let (mut wire, _) = Wire::negotiate(&socket, ACTIONS, STEPS);
        assert_eq!(wire.mail("carl", "<carl@example.org>").0, 'c');
        wire.send_strings('L', &["From", " bea@example.org"]);
        wire.send_strings('L', &["Subject", &"x".repeat(2000)]);
        wire
    });
    let mut connections: Vec<_> = connections.collect();
    let memory = milter.memory("VmRSS");
    assert!(memory < 64 * 1024, "{memory} KiB");
    for wire in &mut connections {
        wire.send('N', b"");
        wire.send('B', b"text");
        assert_eq!(wire.receive().0, 's', "the message is to be changed at its end");
    }
}

/// Out of descriptors it waits for one, and goes on.
#[test]
fn descriptors_run_out() {
    let files = TempDir::new();
    let socket = files.path("milter.sock");
    let mut milter = Setup::unix(&socket, "company.ldif").descriptors(64).start();
    let alone = milter.open_descriptors();
    let mut crowd: Vec<_> = (0..80).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    milter.wait_for_log("could not be accepted");
    assert!(milter.is_alive());
    crowd.clear();
    let (mut wire, _) = Wire::negotiate(&socket, ACTIONS, STEPS);
    assert_eq!(wire.mail("anna", "<anna@example.org>").0, 'c');
    wire.send_strings('L', &["From", " anna@example.org"]);
    wire.send('N', b"");
    wire.send('B', b"text");
    assert_eq!(wire.receive().0, 'a');
    drop(wire);
    wait_until("the descriptors of the crowd are free", || milter.open_descriptors() <= alone);
}
