//! `denied.action = "bounce"`: a refused message is dropped, and its submitter gets a report by mail.
//!
//! Whether there may be a report, and what stands in it, is a matter of plain values: [`original`] keeps what it needs
//! of the refused message, [`report`] decides and composes, [`limit`] counts. [`relay`] hands it to an SMTP server, and
//! only then is the message dropped: whatever fails before, the client still has it. Where there is no report, the
//! client is told instead, as with `action = "reject"`.

pub mod limit;
pub mod original;
pub mod relay;
pub mod report;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use crate::address::Address;
use crate::policy::{Refusal, Role};
use limit::Limit;
use relay::{Relay, RelayError};
use report::{Draft, NoReport};

/// What makes reports of refusals.
#[derive(Debug)]
pub struct Bounces {
    relay: Relay,
    /// Outlives a reload: what went, went.
    limit: Arc<Mutex<Limit>>,
}

/// What became of a report.
#[derive(Debug)]
pub enum Sent {
    /// It is on its way: the message can be dropped.
    Taken {
        /// Its Message-ID, without angle brackets.
        message_id: String,
    },
    /// There is none, for this reason: the client is told.
    Not(NoReport),
    /// Perhaps later: the message must be deferred.
    Later(RelayError),
}

impl Bounces {
    /// Reports that go to this relay; `before` is what was in force before a reload.
    pub fn new(relay: Relay, before: Option<&Self>) -> Self {
        Self { relay, limit: before.map_or_else(Arc::default, |before| Arc::clone(&before.limit)) }
    }

    /// Composes the report and hands it over. `mta` is the name of the mail server (the macro `{j}`), if it is known.
    pub async fn send(&self, draft: &Draft, mta: Option<&str>) -> Sent {
        let Some(slot) = Slot::take(&self.limit, draft.counted()) else {
            return Sent::Not(NoReport::TooMany);
        };
        let report = draft.compose(mta, seconds(SystemTime::now()));
        match self.relay.hand_over(&report, mta).await {
            Ok(()) => {
                slot.keep();
                Sent::Taken { message_id: report.message_id }
            }
            Err(error) if error.is_final() => Sent::Not(NoReport::Relay(error)),
            Err(error) => {
                if error.may_have_gone() {
                    slot.keep();
                }
                Sent::Later(error)
            }
        }
    }
}

/// The address for which a message was refused, if a report may stand in for the reply: an author or the envelope
/// sender is not allowed. Everything else is said to the client alone.
pub fn concerns(refusal: &Refusal) -> Option<(Role, &Address)> {
    match refusal {
        Refusal::NotAllowed(role @ (Role::Author | Role::EnvelopeSender), address) => Some((*role, address)),
        Refusal::NotAllowed(Role::Resender, _)
        | Refusal::UnknownLogin(_)
        | Refusal::From(_)
        | Refusal::ResentFrom(_)
        | Refusal::Senders(_)
        | Refusal::ReversePath(_)
        | Refusal::Recipients
        | Refusal::Shown(_)
        | Refusal::Misdirecting
        | Refusal::NeedsSmtpUtf8(_)
        | Refusal::NoAddress
        | Refusal::BodyTooLong
        | Refusal::NotActor(_)
        | Refusal::Calendar(_) => None,
    }
}

/// Seconds since 1970; a clock that stands before is at its beginning.
fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// One report that may go; given back unless it went.
struct Slot<'a> {
    limit: &'a Mutex<Limit>,
    mailbox: &'a str,
    taken: Instant,
    kept: bool,
}

impl<'a> Slot<'a> {
    fn take(limit: &'a Mutex<Limit>, mailbox: &'a str) -> Option<Self> {
        let taken = Instant::now();
        let is_left = limit.lock().unwrap_or_else(PoisonError::into_inner).take(mailbox, taken);
        is_left.then_some(Self { limit, mailbox, taken, kept: false })
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.limit.lock().unwrap_or_else(PoisonError::into_inner).give_back(self.mailbox, self.taken);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounce::limit::MAX_REPORTS;
    use crate::bounce::report::tests::any_draft;

    /// Whoever tries again and again after it gets no more than twenty of them either.
    #[tokio::test]
    async fn what_may_have_gone_counts() {
        for (replies, counts) in [
            (&["220 hello", "250 mail", "250 ok", "250 ok", "354 go", ""][..], true),
            (&["220 hello", "250 mail", "250 ok", "250 ok", "354 go", "451 later"], false),
            (&["220 hello", "250 mail", "250 ok", ""], false),
        ] {
            let port = relay::tests::servers(replies).await;
            let bounces = Bounces::new(Relay::new("127.0.0.1", port), None);
            for _ in 0..MAX_REPORTS {
                let sent = bounces.send(&any_draft(), None).await;
                assert!(matches!(sent, Sent::Later(_)), "{sent:?}");
            }
            let sent = bounces.send(&any_draft(), None).await;
            assert_eq!(matches!(sent, Sent::Not(NoReport::TooMany)), counts, "{replies:?}: {sent:?}");
        }
    }
}
