//! A filter over the entry of a file (RFC 4511 section 4.5.1.7).
//!
//! A file has no schema, so every attribute is compared as names and addresses are on servers: as text without regard
//! to case and to runs of white space (`caseIgnoreMatch`), and as distinguished names where both values are such.
//! What cannot be determined is neither true nor false, here `None` ("Undefined"); only `Some(true)` is a match.

use std::str::from_utf8;

use super::{Comparison, Extensible, Filter, FilterError, Substrings};
use crate::directory::record::Record;
use crate::dn::{Dn, fold, fold_case};

/// Active Directory's rules for flags, by which `userAccountControl` and `groupType` are asked.
pub(super) const BIT_AND: &str = "1.2.840.113556.1.4.803";
const BIT_OR: &str = "1.2.840.113556.1.4.804";

impl Filter {
    /// Whether [`Self::matches`] can say something about every part of the filter.
    pub fn evaluable(&self) -> Result<(), FilterError> {
        match self {
            Self::And(filters) | Self::Or(filters) => filters.iter().try_for_each(Self::evaluable),
            Self::Not(filter) => filter.evaluable(),
            Self::Present(_) | Self::Compare(..) | Self::Substrings(..) => Ok(()),
            Self::Extensible(extensible) if Flags::of(extensible).is_some() => Ok(()),
            Self::Extensible(_) => Err(FilterError::NotEvaluable(self.clone())),
        }
    }

    /// Whether the entry matches.
    pub fn matches(&self, record: &Record) -> bool {
        self.evaluate(record) == Some(true)
    }

    pub(super) fn evaluate(&self, record: &Record) -> Option<bool> {
        match self {
            Self::And(filters) => all(filters.iter().map(|filter| filter.evaluate(record))),
            Self::Or(filters) => any(filters.iter().map(|filter| filter.evaluate(record))),
            Self::Not(filter) => filter.evaluate(record).map(|matches| !matches),
            Self::Present(attribute) => Some(record.values(attribute).next().is_some()),
            Self::Compare(attribute, by, value) => {
                any(record.values(attribute).map(|own| compare(own, *by, value)))
            }
            Self::Substrings(attribute, parts) => {
                any(record.values(attribute).map(|own| has_parts(own, parts)))
            }
            Self::Extensible(extensible) => Flags::of(extensible)?.evaluate(record),
        }
    }
}

/// False if one is; else undefined if one is; else true.
fn all(results: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    any(results.map(|result| result.map(|matches| !matches))).map(|fails| !fails)
}

/// True if one is; else undefined if one is; else false.
fn any(results: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut sum = Some(false);
    for result in results {
        match result {
            Some(true) => return Some(true),
            Some(false) => {}
            None => sum = None,
        }
    }
    sum
}

fn compare(own: &[u8], by: Comparison, asserted: &[u8]) -> Option<bool> {
    match by {
        // RFC 4511 section 4.5.1.7.6: without an approximate matching, as equality.
        Comparison::Equal | Comparison::Approximate => Some(equal(own, asserted)),
        Comparison::AtLeast => order(own, asserted).map(std::cmp::Ordering::is_ge),
        Comparison::AtMost => order(own, asserted).map(std::cmp::Ordering::is_le),
    }
}

fn equal(own: &[u8], asserted: &[u8]) -> bool {
    match (from_utf8(own), from_utf8(asserted)) {
        (Ok(own), Ok(asserted)) => fold(own) == fold(asserted) || same_name(own, asserted),
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
        (Err(_), Err(_)) => own == asserted,
    }
}

fn same_name(own: &str, asserted: &str) -> bool {
    let name = |text| Dn::parse(text).ok().filter(|dn| dn.depth() > 0);
    own.contains('=') && name(asserted).is_some_and(|asserted| name(own) == Some(asserted))
}

/// Numbers by their size, text by its letters; the two do not compare.
fn order(own: &[u8], asserted: &[u8]) -> Option<std::cmp::Ordering> {
    let (own, asserted) = (from_utf8(own).ok()?, from_utf8(asserted).ok()?);
    match (integer(own), integer(asserted)) {
        (Some(own), Some(asserted)) => Some(own.cmp(&asserted)),
        (None, None) => Some(fold(own).cmp(&fold(asserted))),
        (Some(_), None) | (None, Some(_)) => None,
    }
}

fn integer(text: &str) -> Option<i64> {
    text.trim().parse().ok()
}

fn has_parts(own: &[u8], parts: &Substrings) -> Option<bool> {
    let own = spaced(own, true, true)?;
    let last = if parts.last.is_empty() { String::new() } else { spaced(&parts.last, false, true)? };
    let initial = if parts.initial.is_empty() { String::new() } else { spaced(&parts.initial, true, false)? };
    let Some(mut rest) = own.strip_prefix(&initial).and_then(|rest| rest.strip_suffix(&last)) else {
        return Some(false);
    };
    for part in &parts.any {
        match rest.split_once(&spaced(part, false, false)?) {
            Some((_, behind)) => rest = behind,
            None => return Some(false),
        }
    }
    Some(true)
}

/// RFC 4518 section 2.6.1, for substrings: one space around the value, two between words, and in a part of one a
/// space at each end that had any, so that parts meet between words and nowhere else.
fn spaced(text: &[u8], starts: bool, ends: bool) -> Option<String> {
    let folded = fold_case(from_utf8(text).ok()?);
    let words = folded.split_whitespace().collect::<Vec<_>>().join("  ");
    if words.is_empty() {
        return Some(" ".to_owned());
    }
    let space = |there| if there { " " } else { "" };
    let before = space(starts || folded.starts_with(char::is_whitespace));
    let after = space(ends || folded.ends_with(char::is_whitespace));
    Some(format!("{before}{words}{after}"))
}

/// An extensible match by one of Active Directory's rules for flags.
struct Flags<'a> {
    attribute: &'a str,
    all: bool,
    mask: &'a [u8],
}

impl<'a> Flags<'a> {
    fn of(extensible: &'a Extensible) -> Option<Self> {
        let all = match extensible.rule.as_deref()? {
            BIT_AND => true,
            BIT_OR => false,
            _ => return None,
        };
        let attribute = extensible.attribute.as_deref().filter(|_| !extensible.dn)?;
        Some(Self { attribute, all, mask: &extensible.value })
    }

    fn evaluate(&self, record: &Record) -> Option<bool> {
        let number = |text| from_utf8(text).ok().and_then(integer);
        let mask = number(self.mask)?;
        any(record.values(self.attribute).map(|own| {
            let set = number(own)? & mask;
            Some(if self.all { set == mask } else { set != 0 })
        }))
    }
}
