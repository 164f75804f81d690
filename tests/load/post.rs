//! Whole mail through a real Postfix while all the rest goes on: what it accepts must come, and what it refuses must not.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::talk::{Changes, Message, Seen, refused};
use super::tally::{Kind, Tally};
use crate::support::mail_system::{MailSystem, recipient};
use crate::support::message::Delivery;
use crate::support::wait::PATIENCE;

/// Sends message after message, each in a session of its own, until the end.
pub(crate) fn work(mail: &MailSystem, tally: &Tally, seed: u64, end: &AtomicBool) {
    let mut rng = Rng::with_seed(seed);
    while !end.load(SeqCst) {
        let message = Message::any(tally.pair(&mut rng), &mut rng);
        let recipient = recipient();
        let mut session = mail.connect("submission");
        session.login(&message.login());
        let asked = Instant::now();
        let commands =
            [format!("MAIL FROM:<{}>", message.envelope_sender()), format!("RCPT TO:<{recipient}>")];
        let refusal = commands.iter().map(|command| session.command(command)).find(|r| !r.starts_with('2'));
        let reply = refusal.unwrap_or_else(|| session.data(&content(message)));
        let times = (asked, Instant::now());
        tally.took(Kind::Mail, times);
        if !reply.starts_with("250") {
            match refused(&reply) {
                Some(seen) => tally.saw(message, times, &seen),
                None => tally.odd(&format!("Postfix answers {reply}")),
            }
            continue;
        }
        match mail.sink.take(&recipient, PATIENCE) {
            None => tally.lost(&format!("accepted, and not delivered: {message:?}, {recipient}")),
            Some(delivery) => match message.accepted(&changes(message, &delivery)) {
                Ok(verdict) => tally.saw(message, times, &Seen::Verdict(verdict)),
                Err(what) => tally.odd(&what),
            },
        }
    }
}

/// Waits until Postfix has nothing left to deliver.
pub(crate) fn rest(mail: &MailSystem) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while mail.has_queued() && Instant::now() < deadline {
        std::thread::park_timeout(Duration::from_millis(20));
    }
    !mail.has_queued()
}

fn content(message: Message) -> Vec<u8> {
    let header: String =
        message.header().into_iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{header}\r\n{}", message.body()).into_bytes()
}

/// What was changed on the way.
fn changes(message: Message, delivery: &Delivery) -> Changes {
    let envelope = delivery.envelope_sender();
    let text = String::from_utf8_lossy(&delivery.data).replace("\r\n ", "");
    Changes {
        sender: delivery.field("Sender").pop(),
        envelope: (envelope != format!("<{}>", message.envelope_sender())).then(|| envelope.to_owned()),
        body: text.contains("SENT-BY").then_some(text),
    }
}
