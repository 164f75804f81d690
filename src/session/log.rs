//! The one log line of a message: queue id, submitter, authors, verdict and why. Nothing else of the message is logged,
//! and nothing unescaped.

use std::time::Duration;

use tracing::{info, warn};

use super::Trouble;
use crate::grant::Mode;
use crate::message::{Envelope, Message};
use crate::policy::{Accepted, EnvelopeChange, SenderChange};
use crate::reply::{Reply, printable};

/// What every line says.
pub(super) struct Line<'a> {
    pub(super) queue_id: &'a str,
    pub(super) message: &'a Message,
    pub(super) mode: Mode,
    pub(super) took: Duration,
}

/// Writes an event with the fields of every line, and more. All of them are given as strings, not as `%` values: the
/// text format then quotes them, and no value can pass for another field.
macro_rules! write_line {
    ($level:ident, $line:expr, $verdict:expr, $($field:tt)*) => {{
        let line = $line;
        $level!(
            queue_id = printable(line.queue_id),
            login = printable(&line.message.login),
            mail_from = reverse_path(&line.message.envelope),
            from = authors(line.message),
            verdict = $verdict,
            $($field)*
            ms = line.milliseconds(),
        )
    }};
}

impl Line<'_> {
    pub(super) fn accepted(&self, accepted: &Accepted) {
        let by = accepted.authors.iter().map(|author| author.by.name()).collect::<Vec<_>>().join(", ");
        let (sender, envelope) = (sender(&accepted.sender), envelope(&accepted.envelope));
        let verdict = match self.mode {
            Mode::Enforce => "accept",
            Mode::Observe if sender.is_none() && envelope.is_none() => "accept",
            Mode::Observe => "would change",
        };
        write_line!(info, self, verdict, by = printable(&by), sender, envelope,);
    }

    pub(super) fn refused(&self, reply: &Reply) {
        write_line!(info, self, refusal(self.mode), reply = reply.to_string(),);
    }

    pub(super) fn deferred(&self, trouble: &Trouble) {
        let verdict = match self.mode {
            Mode::Enforce => "defer",
            Mode::Observe => "would defer",
        };
        write_line!(warn, self, verdict, reason = trouble.to_string(),);
    }

    fn milliseconds(&self) -> f64 {
        (self.took.as_secs_f64() * 1e6).round() / 1e3
    }
}

/// The line of mail without a login that is refused.
pub(super) fn unauthenticated(envelope: &Envelope, reply: &Reply, mode: Mode) {
    info!(mail_from = reverse_path(envelope), verdict = refusal(mode), reply = reply.to_string());
}

fn refusal(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "refuse",
        Mode::Observe => "would refuse",
    }
}

fn reverse_path(envelope: &Envelope) -> String {
    printable(&envelope.sender.to_string())
}

/// The authors; none if From names none, which the reply then says.
fn authors(message: &Message) -> Option<String> {
    let mailboxes = message.authors.as_ref().ok()?;
    let addresses: Vec<_> = mailboxes.iter().map(|mailbox| mailbox.address.to_string()).collect();
    Some(printable(&addresses.join(", ")))
}

fn sender(change: &SenderChange) -> Option<String> {
    match change {
        SenderChange::Keep => None,
        SenderChange::Remove => Some("removed".to_owned()),
        SenderChange::Set(mailbox) => Some(printable(&format!("<{}>", mailbox.address))),
    }
}

fn envelope(change: &EnvelopeChange) -> Option<String> {
    match change {
        EnvelopeChange::Keep => None,
        EnvelopeChange::Set(address) => Some(printable(&format!("<{address}>"))),
    }
}
