//! iCalendar as it travels in mail (RFC 5545, RFC 5546): who acts in it, and the change of one property.
//!
//! Octets go in and edits of octets come out; nothing is decoded and written again, for libraries that do so fold anew,
//! reorder and add. What a calendar says beyond its structure, METHOD, ORGANIZER and ATTENDEE is not looked at.

use crate::address::Address;

mod edit;
mod property;
mod read;
mod text;

pub use edit::Edit;
pub use read::{Calendar, MAX_SIZE};
pub use text::Text;

/// What a calendar asks of those who get it (RFC 5546 section 1.4).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Method {
    /// `PUBLISH`
    Publish,
    /// `REQUEST`
    Request,
    /// `ADD`
    Add,
    /// `CANCEL`
    Cancel,
    /// `DECLINECOUNTER`
    DeclineCounter,
    /// `REPLY`
    Reply,
    /// `REFRESH`
    Refresh,
    /// `COUNTER`
    Counter,
    /// Any other.
    Other,
}

/// The property that names who sends a calendar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Actor {
    /// ORGANIZER
    Organizer,
    /// ATTENDEE
    Attendee,
}

impl Method {
    /// Who sends calendars with this method; nobody is known to for a method that no standard has.
    pub fn actor(self) -> Option<Actor> {
        match self {
            Self::Publish | Self::Request | Self::Add | Self::Cancel | Self::DeclineCounter => {
                Some(Actor::Organizer)
            }
            Self::Reply | Self::Refresh | Self::Counter => Some(Actor::Attendee),
            Self::Other => None,
        }
    }
}

/// One event, task or the like, in a calendar with a METHOD.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Component {
    /// The METHOD of the calendar.
    pub method: Method,
    /// Its ORGANIZER properties; more than one is not legal.
    pub organizers: Vec<Party>,
    /// Its ATTENDEE properties.
    pub attendees: Vec<Party>,
}

/// An ORGANIZER or ATTENDEE property.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Party {
    /// Whom its value names, if it is a `mailto` URI with one address.
    pub address: Option<Address>,
    /// Whom each value of its SENT-BY parameters names.
    pub sent_by: Vec<Option<Address>>,
}

/// What becomes of SENT-BY (RFC 5545 section 3.2.18) on the properties of somebody.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SentBy {
    /// It names this delegate, and nobody else.
    Set(Address),
    /// There is none.
    Remove,
}

/// Why a calendar cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CalendarError {
    /// There is no calendar in it.
    #[error("it holds no VCALENDAR")]
    NoCalendar,
    /// Text, or another object, outside of a VCALENDAR.
    #[error("text stands outside of its VCALENDAR")]
    Outside,
    /// BEGIN and END do not pair, or one VCALENDAR is in another.
    #[error("its BEGIN and END do not pair")]
    Unbalanced,
    /// More components within each other than any calendar has.
    #[error("its components are nested too deeply")]
    TooDeep,
    /// One VCALENDAR with two METHOD properties.
    #[error("it has two METHODs")]
    TwoMethods,
    /// A quotation mark without another.
    #[error("a parameter has an unpaired quotation mark")]
    Quotes,
    /// A property without value.
    #[error("a property has no colon")]
    NoColon,
    /// A property that is longer than any real one.
    #[error("a property is too long")]
    TooLong,
    /// More components and attendees than are read: [`MAX_SIZE`].
    #[error("it has too many components or attendees")]
    TooMany,
}

impl Method {
    /// Reads the value of a METHOD property or parameter.
    pub fn parse(text: &str) -> Self {
        match text.trim().to_ascii_uppercase().as_str() {
            "PUBLISH" => Self::Publish,
            "REQUEST" => Self::Request,
            "ADD" => Self::Add,
            "CANCEL" => Self::Cancel,
            "DECLINECOUNTER" => Self::DeclineCounter,
            "REPLY" => Self::Reply,
            "REFRESH" => Self::Refresh,
            "COUNTER" => Self::Counter,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests;
