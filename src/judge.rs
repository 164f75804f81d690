//! From a message to its verdict: the facts are gathered and decided on, and once more when the body is known.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use crate::address::Address;
use crate::bodies::Full;
use crate::bounce::relay::RelayError;
use crate::calendar::SentBy;
use crate::directory::{Failure, lookup::Lookup};
use crate::gather;
use crate::grant::Facts;
use crate::message::Message;
use crate::mime;
use crate::policy::{self, Answer, Body, Reading, Verdict};
use crate::reply;
use crate::scheduling::{self, Scheduling, Shape, Splice, Unread};
use crate::site::Site;

/// The most that is told of a fault, in octets.
const MAX_FAULT: usize = 400;

/// Why a message could not be judged. Whatever it is, the client is told [`reply::temporary`]. Its text is fit for a log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The directory gave no answer.
    #[error(transparent)]
    Directory(#[from] Failure),
    /// There is no room for the body.
    #[error(transparent)]
    Full(#[from] Full),
    /// The connection was opened before a reload, and was not asked for what the configuration now needs.
    #[error("the connection was opened under another configuration; the next one will do")]
    Reloaded,
    /// The report on a refused message could not be handed over.
    #[error("the report cannot be sent: {0}")]
    Relay(RelayError),
    /// The program has a fault: a panic.
    #[error("internal error: {0}")]
    Fault(String),
}

impl Trouble {
    /// The name under which logs and figures show it.
    pub(crate) fn rule(&self) -> &'static str {
        match self {
            Self::Directory(Failure::Unavailable(_)) => "directory",
            Self::Directory(Failure::BadAnswer(_)) => "bad-answer",
            Self::Directory(Failure::AmbiguousLogin(_)) => "ambiguous-login",
            Self::Full(_) => "no-room",
            Self::Reloaded => "reloaded",
            Self::Relay(_) => "relay",
            Self::Fault(_) => "internal",
        }
    }
}

/// What is known of a message at the end of its header.
pub(crate) enum Judged {
    /// All that matters.
    Verdict(Verdict),
    /// All but the body, with what the directory said.
    NeedsBody(Facts),
}

/// A body that the decision asked for.
pub(crate) enum Content {
    /// It is longer than `scheduling.max_body`.
    TooLong,
    /// As it is transferred, and what it holds.
    Read(Vec<u8>, Scheduling),
}

impl Content {
    /// Reads a body. A panic is a [`Trouble::Fault`].
    pub(crate) async fn read(fields: mime::Fields, octets: Vec<u8>) -> Result<Self, Trouble> {
        unwinding(async {
            let scheduling = scheduling::read(&fields, &octets);
            Ok(Self::Read(octets, scheduling))
        })
        .await
    }

    /// What to replace in the body, so that calendars have these SENT-BY.
    pub(crate) fn splices(&self, sent_by: &[(Address, SentBy)]) -> Vec<Splice> {
        match self {
            Self::TooLong => Vec::new(),
            Self::Read(octets, scheduling) => scheduling.mark(octets, sent_by),
        }
    }

    /// The body with its replacements; none if there are none.
    pub(crate) fn spliced(&self, splices: &[Splice]) -> Option<Vec<u8>> {
        match self {
            Self::Read(octets, _) if !splices.is_empty() => Some(scheduling::spliced(octets, splices)),
            Self::Read(..) | Self::TooLong => None,
        }
    }

    /// What is left as it is, and why; fit for a log.
    pub(crate) fn notes(&self) -> Vec<String> {
        match self {
            Self::TooLong => vec!["not read: the body is longer than scheduling.max_body".to_owned()],
            Self::Read(_, scheduling) => scheduling
                .unread()
                .iter()
                .map(|unread| format!("left as it is: {}", reply::printable(&unread.to_string())))
                .collect(),
        }
    }

    /// The same for who decides.
    fn body(&self) -> Body {
        match self {
            Self::TooLong => Body::TooLong,
            Self::Read(_, scheduling) => Body::Read(Reading {
                is_invitation: scheduling.shape() == Shape::Invitation,
                components: scheduling.components().cloned().collect(),
                unread: scheduling
                    .unread()
                    .iter()
                    .find(|unread| is_unproven(unread))
                    .map(ToString::to_string),
            }),
        }
    }
}

/// Whether nothing is known of what stands there, though it could be. What is encrypted nobody can check.
fn is_unproven(unread: &Unread) -> bool {
    match unread {
        Unread::Structure(_) | Unread::Encoding | Unread::Charset | Unread::Malformed(_) => true,
        Unread::Hidden | Unread::Protected => false,
    }
}

impl<L: Lookup> Site<L> {
    /// The verdict on a message, as far as its header tells.
    pub(crate) async fn judge(&self, message: &Message) -> Result<Judged, Trouble> {
        let facts = gather::facts(self, message).await?;
        Ok(match policy::decide(message, &facts, &self.rules, &Body::Unread) {
            Answer::Decided(verdict) => Judged::Verdict(verdict),
            Answer::NeedsBody(_) => Judged::NeedsBody(facts),
        })
    }

    /// The verdict on a message of which all is known. `facts` are those that [`Site::judge`] gave.
    pub(crate) async fn judge_with_body(
        &self,
        message: &Message,
        mut facts: Facts,
        content: &Content,
    ) -> Result<Verdict, Trouble> {
        let body = content.body();
        let acting = policy::acting_addresses(&facts, &self.rules, &body);
        facts.owners.append(gather::owners(&self.lookup, acting).await?);
        match policy::decide(message, &facts, &self.rules, &body) {
            Answer::Decided(verdict) => Ok(verdict),
            Answer::NeedsBody(question) => Err(Trouble::Fault(format!("the body is known: {question:?}"))),
        }
    }
}

/// What comes of it; a panic is a [`Trouble::Fault`].
pub(crate) async fn unwinding<T>(judging: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let judged = AssertUnwindSafe(judging).catch_unwind().await;
    judged.unwrap_or_else(|panic| Err(Trouble::Fault(what(&*panic))))
}

/// What a panic said.
fn what(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    reply::printable_within(text.unwrap_or("no reason given"), MAX_FAULT)
}
