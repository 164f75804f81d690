//! The names under which logs and figures show what decided: one word for each rule.

use super::{Author, By, Refusal, Role};
use crate::dn::Dn;
use crate::grant::{Others, Right};

impl By {
    /// The name of the relation to an author.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Unknown => "unknown",
            Self::OnBehalf(_) => "on-behalf",
            Self::SendAs(_) => "send-as",
        }
    }
}

/// The grant by which somebody else's address may stand in From.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Granted {
    /// The right.
    pub right: Right,
    /// The submitter, or the security group that it is in.
    pub delegate: Dn,
}

impl Author {
    /// `own`, `unknown`, `on-behalf`, `schedule` or `send-as`. On behalf by the right to schedule alone is told apart.
    pub fn rule(&self) -> &'static str {
        match (&self.by, &self.granted) {
            (By::OnBehalf(_), Some(Granted { right: Right::Schedule, .. })) => "schedule",
            (by, _) => by.name(),
        }
    }
}

impl Granted {
    /// The grant that counts; of several owners, the first one's.
    pub(super) fn of(by: &By, others: &Others) -> Option<Self> {
        let right = match by {
            By::OnBehalf(_) if others.rights.send_on_behalf => Right::SendOnBehalf,
            By::OnBehalf(_) => Right::Schedule,
            By::SendAs(_) => Right::SendAs,
            By::Own | By::Unknown => return None,
        };
        Some(Self { right, delegate: others.delegates.of(right)?.clone() })
    }
}

impl Refusal {
    /// The rule that the message breaks.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::UnknownLogin(_) => "unknown-login",
            Self::From(_) => "from",
            Self::ResentFrom(_) => "resent-from",
            Self::Senders(_) => "senders",
            Self::NotAllowed(Role::Author, _) => "author",
            Self::NotAllowed(Role::Resender, _) => "resender",
            Self::NotAllowed(Role::EnvelopeSender, _) => "envelope-sender",
            Self::ReversePath(_) => "reverse-path",
            Self::Recipients => "recipients",
            Self::Shown(_) => "display-name",
            Self::Misdirecting => "direction",
            Self::NeedsSmtpUtf8(_) => "smtputf8",
            Self::NoAddress => "no-address",
            Self::BodyTooLong => "body-length",
            Self::NotActor(_) => "actor",
            Self::Calendar(_) => "calendar",
        }
    }

    /// The address that may not be used, if it is about one.
    pub fn address(&self) -> Option<String> {
        match self {
            Self::NotAllowed(_, address) | Self::NotActor(address) => Some(address.to_string()),
            Self::Shown(text) => Some(text.clone()),
            Self::UnknownLogin(_)
            | Self::From(_)
            | Self::ResentFrom(_)
            | Self::Senders(_)
            | Self::ReversePath(_)
            | Self::Recipients
            | Self::Misdirecting
            | Self::NeedsSmtpUtf8(_)
            | Self::NoAddress
            | Self::BodyTooLong
            | Self::Calendar(_) => None,
        }
    }
}
