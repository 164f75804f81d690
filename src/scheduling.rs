//! The calendars of a message (RFC 6047): read, and changed in place.
//!
//! A calendar is a `text/calendar` or `application/ics` part at any depth outside of `message/*`. [`read`] never fails:
//! what cannot be read is noted, and a message with such notes never has the [`Shape`] that a right asks for.

use std::ops::Range;

use crate::address::Address;
use crate::calendar::{Calendar, CalendarError, Component, MAX_SIZE, Method, SentBy, Text};
use crate::mime::{self, Entity, Fault, Fields, Part, Tree};

mod shape;
mod transfer;

pub use crate::calendar::Edit as Splice;
pub use shape::Shape;
use transfer::Transfer;

/// The calendars with a METHOD in the body of a message.
#[derive(Clone, Debug)]
pub struct Scheduling {
    components: Vec<Component>,
    /// Whether some object has a METHOD.
    any: bool,
    /// How many components and properties were read, to stay below a bound.
    size: usize,
    shape: Shape,
    unread: Vec<Unread>,
    /// The calendars that may be changed.
    parts: Vec<Source>,
}

/// What of a message could not be read, or must not be changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unread {
    /// The whole body, or a part of it: readers would disagree about what stands there.
    #[error("the body cannot be read: {0}")]
    Structure(Fault),
    /// A part is encrypted, or signed in a form that hides it.
    #[error("a part is encrypted, or signed in a form that hides it")]
    Hidden,
    /// A calendar is signed, or stands in a part that says it is encrypted. It was read, but a change would break that.
    #[error("a calendar is signed or encrypted, so that it was read but must not be changed")]
    Protected,
    /// The transfer encoding of a calendar is unknown, or broken.
    #[error("the transfer encoding of a calendar is unknown or broken")]
    Encoding,
    /// The charset of a calendar is unknown, or one that is not read.
    #[error("the charset of a calendar is unknown")]
    Charset,
    /// A calendar is malformed.
    #[error("a calendar is malformed: {0}")]
    Malformed(CalendarError),
}

/// Where a calendar stands and how it is written.
#[derive(Clone, Debug)]
struct Source {
    body: Range<usize>,
    transfer: Transfer,
    charset: Option<String>,
    /// The parameter `method`, which counts where there is no METHOD.
    method: Option<Method>,
}

/// A calendar as it was found.
struct Found {
    /// The index of its part.
    part: usize,
    /// What copies of it share.
    normal: Vec<u8>,
    /// Whether it is written so that every reader must read the same, with METHODs that some property acts in.
    clear: bool,
}

/// Reads the calendars of a body, as it is transferred. What cannot be read is noted.
pub fn read(fields: &Fields, body: &[u8]) -> Scheduling {
    let mut scheduling = Scheduling {
        components: Vec::new(),
        any: false,
        size: 0,
        shape: Shape::Other,
        unread: Vec::new(),
        parts: Vec::new(),
    };
    match mime::walk(fields, body) {
        Ok(tree) => scheduling.read_parts(&tree, body),
        Err(fault) => scheduling.unread.push(Unread::Structure(fault)),
    }
    scheduling
}

impl Scheduling {
    /// Whether no calendar with a METHOD was found.
    pub fn is_empty(&self) -> bool {
        !self.any
    }

    /// The components of all calendars with a METHOD, in their order. A calendar with a METHOD may have none.
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

    /// What to replace in the same `body`, so that SENT-BY is as `changes` say: ascending, without overlap, and nothing
    /// where it already is.
    ///
    /// A delegate is set in each component whose actor (RFC 5546 section 1.4) is one of the addresses: on the properties of
    /// these addresses, for what an organizer sends their ATTENDEE too. It is removed wherever an address stands.
    pub fn mark(&self, body: &[u8], changes: &[(Address, SentBy)]) -> Vec<Splice> {
        // Each calendar is decoded and read once more for it.
        if changes.is_empty() {
            return Vec::new();
        }
        self.parts.iter().flat_map(|part| part.splices(body, changes).unwrap_or_default()).collect()
    }

    fn read_parts(&mut self, tree: &Tree, body: &[u8]) {
        let mut found = Vec::new();
        for (index, part) in tree.parts.iter().enumerate() {
            match self.read_part(tree, index, part, body) {
                Ok(calendar) => found.extend(calendar),
                Err(unread) => self.unread.push(unread),
            }
        }
        if self.any && self.unread.is_empty() {
            self.shape = shape::shape(tree, &found);
        }
    }

    fn read_part(
        &mut self,
        tree: &Tree,
        index: usize,
        part: &Part,
        body: &[u8],
    ) -> Result<Option<Found>, Unread> {
        let entity = part.entity.as_ref().map_err(|fault| Unread::Structure(*fault))?;
        if is_hidden(&entity.kind) {
            return Err(Unread::Hidden);
        }
        if !matches!(entity.kind.as_str(), "text/calendar" | "application/ics") {
            return Ok(None);
        }
        let source = Source::new(part, entity)?;
        let encoded = body.get(part.body.clone()).unwrap_or_default();
        let decoded = source.transfer.decode(encoded).ok_or(Unread::Encoding)?;
        let text = Text::new(&decoded, source.charset.as_deref()).ok_or(Unread::Charset)?;
        let calendar = Calendar::read(&text, source.method).map_err(Unread::Malformed)?;
        let clear = entity.clear && calendar.is_clear();
        let clear = clear && calendar.methods().all(|method| agrees(method, source.method));
        self.keep(calendar)?;
        if is_protected(tree, part) {
            return Err(Unread::Protected);
        }
        self.parts.push(source);
        Ok(Some(Found { part: index, normal: text.normal(), clear }))
    }

    /// Keeps what a calendar says, if there is not too much of it in the message.
    fn keep(&mut self, calendar: Calendar) -> Result<(), Unread> {
        self.size += calendar.size();
        if self.size > MAX_SIZE {
            return Err(Unread::Malformed(CalendarError::TooMany));
        }
        self.any |= calendar.methods().any(|method| method.is_some());
        self.components.extend(calendar.into_components());
        Ok(())
    }
}

impl Source {
    fn new(part: &Part, entity: &Entity) -> Result<Self, Unread> {
        let transfer = Transfer::named(entity.encoding.as_deref()).ok_or(Unread::Encoding)?;
        let method = entity.method.as_deref().map(Method::parse);
        Ok(Self { body: part.body.clone(), transfer, charset: entity.charset.clone(), method })
    }

    fn splices(&self, body: &[u8], changes: &[(Address, SentBy)]) -> Option<Vec<Splice>> {
        let encoded = body.get(self.body.clone())?;
        let decoded = self.transfer.decode(encoded)?;
        let text = Text::new(&decoded, self.charset.as_deref())?;
        let edits = Calendar::read(&text, self.method).ok()?.edits(&text, changes);
        let line_end = transfer::first_line_end(body).unwrap_or(b"\r\n");
        let mut splices = self.transfer.splices(encoded, &decoded, edits, line_end);
        for splice in &mut splices {
            splice.range = self.body.start + splice.range.start..self.body.start + splice.range.end;
        }
        Some(splices)
    }
}

/// Whether an object has a METHOD in which some property acts, and the parameter of Content-Type says no other.
fn agrees(method: Option<Method>, parameter: Option<Method>) -> bool {
    method.is_some_and(|method| {
        method.actor().is_some() && parameter.is_none_or(|parameter| parameter == method)
    })
}

/// Whether nobody can tell what such a part holds: RFC 1847 section 2.2, RFC 8551 section 3.
fn is_hidden(kind: &str) -> bool {
    matches!(
        kind,
        "multipart/encrypted" | "application/pkcs7-mime" | "application/x-pkcs7-mime" | "application/pgp"
    )
}

/// Whether a part is in a `multipart/signed` or `multipart/encrypted` (RFC 1847), at any depth.
fn is_protected(tree: &Tree, part: &Part) -> bool {
    let parent = |part: &Part| part.parent.and_then(|parent| tree.parts.get(parent));
    let protects = |kind: &str| matches!(kind, "multipart/signed" | "multipart/encrypted");
    std::iter::successors(parent(part), |part| parent(part))
        .any(|part| part.entity.as_ref().is_ok_and(|entity| protects(&entity.kind)))
}

/// The body with the `splices`, which must ascend and not overlap.
pub fn spliced(body: &[u8], splices: &[Splice]) -> Vec<u8> {
    transfer::edited(body, 0, splices)
}

#[cfg(test)]
mod tests;
