//! One content line: its name, its parameters and its value (RFC 5545 section 3.1).

use std::ops::Range;

use percent_encoding::percent_decode_str;

use super::text::{Line, Text};
use super::{CalendarError, Party};
use crate::address::Address;

/// Octets of a property that is read. Real ones have a few hundred; a value that is not read may be of any length.
const MAX_PROPERTY: usize = 64 * 1024;

/// Octets of a name that is compared: none of those known here is longer.
const MAX_NAME: usize = 64;

/// A property without its folds. Ranges index the positions.
pub(super) struct Property<'t> {
    text: &'t Text<'t>,
    /// Where each of its characters stands in the text.
    pub(super) positions: Vec<usize>,
    /// The SENT-BY parameters, each from its semicolon on.
    pub(super) sent_by: Vec<Range<usize>>,
    /// The values of these parameters, without their quotation marks, and whether they had them.
    values: Vec<(Range<usize>, bool)>,
    /// The values of the EMAIL parameters (RFC 7986 section 6.2).
    emails: Vec<Range<usize>>,
    /// The colon ahead of the value.
    pub(super) colon: usize,
    /// Whether it is written so that every reader must read the same.
    pub(super) clear: bool,
}

/// The name of a content line in upper case; empty if the line is blank, none if there is none.
pub(super) fn name(text: &Text<'_>, line: &Line) -> Option<String> {
    let mut name = String::new();
    for position in text.unfolded(line) {
        match text.at(position)? {
            b':' | b';' if !name.is_empty() => return Some(name),
            // RFC 5545 section 3.1: letters, digits and hyphens; the underscore is often seen.
            c if c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_') => {
                name.push(c.to_ascii_uppercase().into());
            }
            _ => return is_blank(text, line).then(String::new),
        }
        if name.len() > MAX_NAME {
            return None;
        }
    }
    name.is_empty().then_some(name)
}

fn is_blank(text: &Text<'_>, line: &Line) -> bool {
    text.view().get(line.span.clone()).is_some_and(|line| line.iter().all(u8::is_ascii_whitespace))
}

impl<'t> Property<'t> {
    /// Reads a content line that has a name.
    pub(super) fn read(text: &'t Text<'t>, line: &Line) -> Result<Self, CalendarError> {
        if line.span.len() > MAX_PROPERTY {
            return Err(CalendarError::TooLong);
        }
        let positions = text.unfolded(line).collect();
        let property = Self {
            text,
            positions,
            sent_by: Vec::new(),
            values: Vec::new(),
            emails: Vec::new(),
            colon: 0,
            clear: true,
        };
        property.parameters()
    }

    fn at(&self, index: usize) -> Option<u8> {
        self.text.at(*self.positions.get(index)?)
    }

    /// The first of some characters, from an index on.
    fn find(&self, from: usize, any: &[u8]) -> Option<usize> {
        (from..self.positions.len()).find(|index| self.at(*index).is_some_and(|c| any.contains(&c)))
    }

    fn parameters(mut self) -> Result<Self, CalendarError> {
        let mut index = self.find(0, b":;").ok_or(CalendarError::NoColon)?;
        while self.at(index) == Some(b';') {
            let start = index;
            let end = self.find(start + 1, b"=:;").ok_or(CalendarError::NoColon)?;
            let is_sent_by = self.is(start + 1..end, b"SENT-BY");
            if self.at(end) != Some(b'=') {
                // A parameter without value: vCalendar 1.0 had such.
                self.clear = false;
                index = end;
                if is_sent_by {
                    self.sent_by.push(start..end);
                }
                continue;
            }
            index = self.parameter_values(end + 1, is_sent_by)?;
            if is_sent_by {
                self.sent_by.push(start..index);
            } else if self.is(start + 1..end, b"EMAIL") {
                self.emails.push(end + 1..index);
            }
        }
        self.colon = index;
        Ok(self)
    }

    /// The values of one parameter; the index of the semicolon or colon behind them.
    fn parameter_values(&mut self, from: usize, keep: bool) -> Result<usize, CalendarError> {
        let mut start = from;
        loop {
            let quoted = self.at(start) == Some(b'"');
            let (value, end) = if quoted { self.quoted(start)? } else { self.unquoted(start, keep)? };
            if keep {
                self.values.push((value, quoted));
            }
            if self.at(end) != Some(b',') {
                return Ok(end);
            }
            start = end + 1;
        }
    }

    fn quoted(&mut self, start: usize) -> Result<(Range<usize>, usize), CalendarError> {
        let close = self.find(start + 1, b"\"").ok_or(CalendarError::Quotes)?;
        let end = self.find(close, b",;:").ok_or(CalendarError::NoColon)?;
        self.clear &= end == close + 1;
        Ok((start + 1..close, end))
    }

    fn unquoted(&mut self, start: usize, uri: bool) -> Result<(Range<usize>, usize), CalendarError> {
        let mut end = self.find(start, b",;:").ok_or(CalendarError::NoColon)?;
        // SENT-BY=mailto:anna@example.org:mailto:boss@example.org, as some programs write it: the first colon is of the
        // URI if there is another for the value.
        if uri
            && self.is(start..end, b"MAILTO")
            && self.find(end + 1, b":").is_some()
            && let Some(behind) = self.find(end + 1, b",;:")
        {
            self.clear = false;
            end = behind;
        }
        self.clear &= (start..end).all(|index| self.at(index) != Some(b'"'));
        Ok((start..end, end))
    }

    /// Whether a range holds a word of ASCII in any case.
    fn is(&self, range: Range<usize>, word: &[u8]) -> bool {
        range.len() == word.len()
            && range.zip(word).all(|(index, c)| self.at(index).is_some_and(|o| o.eq_ignore_ascii_case(c)))
    }

    /// Whether it has no parameters and no white space around its value: ical.js (Thunderbird) takes `BEGIN` with a
    /// parameter for an ordinary property.
    pub(super) fn is_bare(&self) -> bool {
        let is_space = |index: usize| self.at(index).is_some_and(|c| c.is_ascii_whitespace());
        let ends = [self.colon + 1, self.positions.len().saturating_sub(1)];
        self.find(0, b":;") == Some(self.colon) && !ends.into_iter().any(is_space)
    }

    /// The value, without white space around it.
    pub(super) fn value(&self) -> Option<String> {
        self.decode(self.colon + 1..self.positions.len()).map(|value| value.trim_ascii().to_owned())
    }

    fn decode(&self, range: Range<usize>) -> Option<String> {
        self.text.decode(self.positions.get(range)?)
    }

    /// Whom an ORGANIZER or ATTENDEE names.
    pub(super) fn party(&self) -> Party {
        let address = self.value().and_then(|value| mailto(&value));
        let sent_by = self.values.iter().map(|(value, _)| mailto(&self.decode(value.clone())?)).collect();
        Party { address, sent_by }
    }

    /// Whether its EMAIL parameters, which some readers show, name the same address as its value.
    pub(super) fn has_one_address(&self, address: Option<&Address>) -> bool {
        self.emails.iter().all(|email| {
            let email = self.decode(email.clone()).map(|email| email.trim_matches('"').to_owned());
            email.and_then(|email| Address::parse(&email).ok()).as_ref() == address
        })
    }

    /// Whether there is one SENT-BY with one value in quotation marks.
    pub(super) fn has_one_quoted_sent_by(&self) -> bool {
        matches!((self.sent_by.as_slice(), self.values.as_slice()), ([_], [(_, true)]))
    }
}

/// The address of a `mailto` URI (RFC 6068) with one address and no header fields.
fn mailto(uri: &str) -> Option<Address> {
    let uri = uri.trim_ascii();
    let scheme = uri.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("mailto:"))?;
    let to = uri.strip_prefix(scheme).filter(|to| !to.contains('?'))?;
    Address::parse(&percent_decode_str(to).decode_utf8().ok()?).ok()
}
