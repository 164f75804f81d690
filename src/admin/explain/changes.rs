//! What becomes of an accepted message.

use serde::Serialize;

use super::printable;
use crate::address::Address;
use crate::policy::{Accepted, EnvelopeChange, FromChange, SenderChange};
use crate::reply;

/// What the message gets.
#[derive(Debug, Default, Serialize)]
pub(super) struct Changes {
    /// The Sender; absent if it gets none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sender: Option<String>,
    /// The display names in From, where they are replaced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) display_names: Vec<String>,
    /// The envelope sender in place of its own, where it is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) envelope: Option<String>,
    /// Where copies for those who are written for go, unless the client names that recipient itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) copies: Vec<String>,
    /// Where copies would go, had the client asked for SMTPUTF8.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) no_copies: Vec<String>,
}

impl Changes {
    pub(super) fn of(accepted: &Accepted) -> Self {
        let listed = |addresses: &[Address]| addresses.iter().map(printable).collect();
        Self {
            sender: sender(&accepted.sender),
            display_names: names(&accepted.from),
            envelope: envelope(&accepted.envelope),
            copies: listed(&accepted.copies.to),
            no_copies: listed(&accepted.copies.left_out),
        }
    }
}

fn names(change: &FromChange) -> Vec<String> {
    match change {
        FromChange::Keep => Vec::new(),
        FromChange::Names(names) => names.iter().flatten().map(|name| reply::printable(name)).collect(),
    }
}

fn sender(change: &SenderChange) -> Option<String> {
    match change {
        SenderChange::Set(mailbox) => Some(printable(&mailbox.address)),
        SenderChange::Keep | SenderChange::Remove => None,
    }
}

/// What becomes of the Sender fields.
pub(super) fn sender_field(present: usize, change: &SenderChange) -> &'static str {
    match change {
        SenderChange::Set(_) => "written",
        SenderChange::Keep | SenderChange::Remove if present == 0 => "none",
        SenderChange::Keep => "kept",
        SenderChange::Remove => "removed",
    }
}

fn envelope(change: &EnvelopeChange) -> Option<String> {
    match change {
        EnvelopeChange::Set(address) => Some(printable(address)),
        EnvelopeChange::Keep => None,
    }
}
