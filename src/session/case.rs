//! A message when it is concluded: its body with what is written into it, and what becomes of it.

use std::net::IpAddr;
use std::time::Duration;

use super::Outcome;
use crate::actions::Modification;
use crate::address::Address;
use crate::calendar::SentBy;
use crate::grant::Mode;
use crate::judge::Content;
use crate::message::Message;
use crate::scheduling::Splice;

/// A message with all that is known of it when it is concluded.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) message: &'a Message,
    /// Where it comes from, where the MTA tells.
    pub(super) client: Option<IpAddr>,
    /// None if the body was not needed, or is let go already.
    pub(super) content: Option<&'a Content>,
    /// How much of the body was read, in octets; none if it was not needed, or is too long.
    pub(super) body: Option<usize>,
    pub(super) queue_id: &'a str,
    /// The time that it took so far.
    pub(super) took: Duration,
}

impl Case<'_> {
    /// What to replace in the body, so that calendars have these SENT-BY.
    pub(super) fn splices(&self, sent_by: &[(Address, SentBy)]) -> Vec<Splice> {
        self.content.map(|content| content.splices(sent_by)).unwrap_or_default()
    }

    /// The body with its replacements; none if there are none.
    pub(super) fn spliced(&self, splices: &[Splice]) -> Option<Vec<u8>> {
        self.content.and_then(|content| content.spliced(splices))
    }
}

/// What becomes of a message.
pub(super) struct Conclusion {
    pub(super) outcome: Outcome,
    /// None but with [`Outcome::Accept`].
    pub(super) modifications: Vec<Modification>,
}

impl Conclusion {
    pub(super) fn without_change(outcome: Outcome) -> Self {
        Self { outcome, modifications: Vec::new() }
    }

    /// How many recipients are added: each is a copy.
    pub(super) fn copies(&self) -> usize {
        let is_copy = |change: &&Modification| matches!(change, Modification::AddRecipient { .. });
        self.modifications.iter().filter(is_copy).count()
    }
}

/// What becomes of a conclusion: with `mode = "observe"` it is only logged, and the message passes unchanged.
pub(super) fn carried_out(conclusion: Conclusion, mode: Mode) -> Conclusion {
    match mode {
        Mode::Enforce => conclusion,
        Mode::Observe => Conclusion::without_change(Outcome::Accept),
    }
}
