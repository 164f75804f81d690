//! The calendars of a message: read, and changed in place.

use std::ops::Range;

use crate::address::Address;
use crate::calendar::{CalendarError, Component, SentBy};
use crate::mime::Fields;

/// The calendars with a METHOD in the body of a message.
#[derive(Clone, Debug)]
pub struct Scheduling {
    components: Vec<Component>,
    shape: Shape,
    unread: Vec<Unread>,
}

/// How a message is built.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// As programs send invitations and answers to them; what the right `schedule` allows.
    Invitation,
    /// Any other way.
    Other,
}

/// What of a message could not be read, or must not be changed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unread {
    /// A calendar is malformed.
    #[error("a calendar is malformed: {0}")]
    Malformed(CalendarError),
}

impl Unread {
    /// Whether a calendar certainly stands there; else it only may.
    pub fn is_calendar(&self) -> bool {
        match self {
            Self::Malformed(_) => true,
        }
    }
}

/// A replacement in a body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Splice {
    /// The octets that go.
    pub range: Range<usize>,
    /// What comes in their place.
    pub with: Vec<u8>,
}

/// Reads the calendars of a body, as it is transferred. What cannot be read is noted.
pub fn read(_fields: &Fields, _body: &[u8]) -> Scheduling {
    Scheduling { components: Vec::new(), shape: Shape::Other, unread: Vec::new() }
}

impl Scheduling {
    /// Whether no calendar with a METHOD was found.
    pub fn is_empty(&self) -> bool {
        self.components.is_empty()
    }

    /// The components of all calendars with a METHOD, in their order.
    pub fn components(&self) -> impl Iterator<Item = &Component> {
        self.components.iter()
    }

    /// How the message is built.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// What could not be read, or must not be changed.
    pub fn unread(&self) -> &[Unread] {
        &self.unread
    }

    /// What to replace in the same `body`, so that SENT-BY is as `changes` say: ascending, without overlap.
    pub fn mark(&self, _body: &[u8], _changes: &[(Address, SentBy)]) -> Vec<Splice> {
        Vec::new()
    }
}

/// The body with the `splices`, which must ascend and not overlap.
pub fn spliced(body: &[u8], splices: &[Splice]) -> Vec<u8> {
    let mut changed = Vec::with_capacity(body.len());
    let mut from = 0;
    for Splice { range, with } in splices {
        changed.extend_from_slice(body.get(from..range.start).unwrap_or_default());
        changed.extend_from_slice(with);
        from = range.end;
    }
    changed.extend_from_slice(body.get(from..).unwrap_or_default());
    changed
}
