//! The change of one property: SENT-BY set or taken away, folded anew, all other characters as they were.

use std::ops::Range;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::property::Property;
use super::text::{Line, Text};
use super::{CalendarError, SentBy};
use crate::address::Address;

/// Octets of a line without its end (RFC 5545 section 3.1).
const MAX_LINE: usize = 75;

/// What of an address must be escaped in a `mailto` URI (RFC 6068 section 2): all but unreserved characters and those
/// without any other meaning there.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'\'')
    .remove(b'*')
    .remove(b'+');

/// A replacement in some octets: those of a calendar, or those that it is transferred in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Edit {
    /// The octets that go; in a calendar, one property without the line end behind it.
    pub range: Range<usize>,
    /// What comes in their place.
    pub with: Vec<u8>,
}

/// A character of the changed property.
#[derive(Clone, Copy)]
enum Character {
    /// The one at a position of the text.
    Kept(usize),
    /// One of ASCII.
    New(u8),
}

/// How a property of the text must change; not at all if it already is as it should be.
pub(super) fn edit(text: &Text<'_>, line: &Line, change: &SentBy) -> Result<Option<Edit>, CalendarError> {
    let property = Property::read(text, line)?;
    let delegate = match change {
        SentBy::Set(delegate) if is_set(&property, delegate) => return Ok(None),
        SentBy::Remove if property.sent_by.is_empty() => return Ok(None),
        SentBy::Set(delegate) => Some(delegate),
        SentBy::Remove => None,
    };
    let with = fold(text, &changed(&property, delegate), text.has_crlf(line));
    Ok(Some(Edit { range: text.octets_of(&line.span), with }))
}

fn is_set(property: &Property<'_>, delegate: &Address) -> bool {
    property.has_one_quoted_sent_by() && property.party().sent_by == [Some(delegate.clone())]
}

/// The property with one SENT-BY, where the first one stood or ahead of the value, or with none.
fn changed(property: &Property<'_>, delegate: Option<&Address>) -> Vec<Character> {
    let new = delegate.map(|delegate| format!(";SENT-BY=\"{}\"", mailto(delegate))).unwrap_or_default();
    let place = property.sent_by.first().map_or(property.colon, |first| first.start);
    let mut characters = Vec::new();
    let mut parameters = property.sent_by.iter().peekable();
    for (index, position) in property.positions.iter().enumerate() {
        if index == place {
            characters.extend(new.bytes().map(Character::New));
        }
        while parameters.next_if(|parameter| parameter.end <= index).is_some() {}
        if !parameters.peek().is_some_and(|parameter| parameter.contains(&index)) {
            characters.push(Character::Kept(*position));
        }
    }
    characters
}

/// The address as a URI; ASCII without quotation marks, whatever it holds.
fn mailto(address: &Address) -> String {
    let written = address.to_string();
    let (local, domain) = written.rsplit_once('@').unwrap_or((&written, ""));
    format!("mailto:{}@{}", utf8_percent_encode(local, ESCAPED), utf8_percent_encode(domain, ESCAPED))
}

/// Folds a property (RFC 5545 section 3.1), never within a character.
fn fold(text: &Text<'_>, characters: &[Character], crlf: bool) -> Vec<u8> {
    let mut folded = Vec::new();
    let mut rest = characters;
    let mut room = MAX_LINE / text.width();
    loop {
        let (line, behind) = rest.split_at(fitting(text, rest, room));
        for character in line {
            match character {
                Character::Kept(position) => folded.extend_from_slice(text.octets_at(*position)),
                Character::New(ascii) => text.write(*ascii, &mut folded),
            }
        }
        if behind.is_empty() {
            return folded;
        }
        let line_end: &[u8] = if crlf { b"\r\n " } else { b"\n " };
        line_end.iter().for_each(|ascii| text.write(*ascii, &mut folded));
        room = MAX_LINE / text.width() - 1;
        rest = behind;
    }
}

/// How many characters go on a line that has room for some.
fn fitting(text: &Text<'_>, characters: &[Character], room: usize) -> usize {
    if characters.len() <= room {
        return characters.len();
    }
    let seen = |index: usize| match characters.get(index) {
        Some(Character::Kept(position)) => text.at(*position).unwrap_or_default(),
        Some(Character::New(ascii)) => *ascii,
        None => b' ',
    };
    let may = |cut: &usize| text.may_cut(seen(cut - 1), seen(*cut));
    // White space at the end of a line gets lost on the way, and some readers take more than one at its beginning.
    let good = |cut: &usize| may(cut) && ![seen(cut - 1), seen(*cut)].iter().any(u8::is_ascii_whitespace);
    let within = || (1..=room).rev();
    within().find(good).or_else(|| within().find(may)).unwrap_or_else(|| {
        if text.may_cut_anywhere() {
            return room;
        }
        (room + 1..characters.len()).find(may).unwrap_or(characters.len())
    })
}
