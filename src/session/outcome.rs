//! What a session is asked for, and what it says is to be done.

use crate::actions::Modification;
use crate::bodies::Room;
use crate::reply::{self, Reply};
use crate::transactions::Open;

/// What is to be done with the message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Accept it as it is; nothing more of it needs to be seen.
    Accept,
    /// Go on: what is to be done is said at the end of the message.
    Continue,
    /// Take the message and drop it.
    Discard,
    /// Refuse or defer it with this reply.
    Refuse(Reply),
}

/// What the MTA was asked to send when the connection began, besides what every decision needs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Steps {
    /// The recipients.
    pub recipients: bool,
    /// The body.
    pub body: bool,
}

/// What is to be done after a piece of the body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Next {
    /// The rest of the body is needed.
    More,
    /// Nothing more of the body is needed.
    Skip,
    /// The message is done with.
    End(Outcome),
}

/// What is to be done at the end of a message.
#[derive(Debug)]
pub struct End {
    /// With [`Outcome::Accept`], the modifications are due first.
    pub outcome: Outcome,
    /// In the order in which they must be applied; none but with [`Outcome::Accept`].
    pub modifications: Vec<Modification>,
    /// The transaction, which stays open until all is said.
    pub open: Option<Open>,
    /// The room that the body takes, and with it what replaces it.
    pub room: Option<Room>,
}

impl End {
    /// The message is deferred.
    pub fn deferred() -> Self {
        Self::without_change(Outcome::Refuse(reply::temporary()))
    }

    pub(super) fn without_change(outcome: Outcome) -> Self {
        Self { outcome, modifications: Vec::new(), open: None, room: None }
    }
}
