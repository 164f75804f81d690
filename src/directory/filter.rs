//! Search filters: read and written (RFC 4515), and evaluated over the entry of a file ([`Filter::matches`]).
//!
//! Filters come from presets, which build them with [`Filter::equal`] and its kin, and from the configuration, which
//! has them as text. [`escape`] is the one place in the program that escapes values: whoever sends a filter builds a
//! [`Filter`] and writes it with `Display`, and no value can become part of a filter's structure.

use std::fmt;

mod matching;
mod parse;

pub use parse::is_description;

use crate::reply::printable_within;

/// How deep filters may be nested; what people write has three or four levels.
pub const MAX_DEPTH: usize = 32;

/// The longest filter that a message repeats, in octets.
const MAX_SHOWN: usize = 400;

/// A search filter (RFC 4511 section 4.5.1.7). Attribute names and matching rules are kept as they were written.
#[derive(Clone, Eq, PartialEq)]
pub enum Filter {
    /// All match; with none, it is absolutely true (RFC 4526).
    And(Vec<Filter>),
    /// Any matches; with none, it is absolutely false (RFC 4526).
    Or(Vec<Filter>),
    /// It does not match.
    Not(Box<Filter>),
    /// The attribute has a value.
    Present(String),
    /// A value of the attribute compares so to the one given.
    Compare(String, Comparison, Vec<u8>),
    /// A value of the attribute has these parts.
    Substrings(String, Substrings),
    /// A matching rule is named.
    Extensible(Extensible),
}

/// How [`Filter::Compare`] compares.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `~=`
    Approximate,
    /// `>=`
    AtLeast,
    /// `<=`
    AtMost,
}

/// The parts of a substring filter, in the order in which they must follow each other; an empty one demands nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Substrings {
    /// What the value begins with.
    pub initial: Vec<u8>,
    /// What it has between its beginning and its end; none of them empty.
    pub any: Vec<Vec<u8>>,
    /// What it ends with.
    pub last: Vec<u8>,
}

/// An extensible match (RFC 4511 section 4.5.1.7.7); it has an attribute, a rule, or both.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Extensible {
    /// The attribute; without it, all that the rule fits.
    pub attribute: Option<String>,
    /// `:dn`: whether the attributes of the entry's name count too.
    pub dn: bool,
    /// The matching rule's name or object identifier; without it, the attribute's own rule for equality.
    pub rule: Option<String>,
    /// What is compared.
    pub value: Vec<u8>,
}

impl Filter {
    /// `(attribute=*)`
    pub fn present(attribute: &str) -> Self {
        Self::Present(attribute.to_owned())
    }

    /// `(attribute=value)`; the value may hold anything.
    pub fn equal(attribute: &str, value: impl AsRef<[u8]>) -> Self {
        Self::Compare(attribute.to_owned(), Comparison::Equal, value.as_ref().to_vec())
    }

    /// `(&…)`
    pub fn and(filters: impl IntoIterator<Item = Self>) -> Self {
        Self::And(filters.into_iter().collect())
    }

    /// `(|…)`
    pub fn or(filters: impl IntoIterator<Item = Self>) -> Self {
        Self::Or(filters.into_iter().collect())
    }

    /// `(attribute:bit-and:=mask)`: the attribute has all bits of the mask, by Active Directory's rule for flags.
    pub fn has_bits(attribute: &str, mask: u32) -> Self {
        Self::Extensible(Extensible {
            attribute: Some(attribute.to_owned()),
            dn: false,
            rule: Some(matching::BIT_AND.to_owned()),
            value: mask.to_string().into_bytes(),
        })
    }

    /// The attributes that it names, as often as it does.
    pub fn attributes(&self) -> Vec<&str> {
        match self {
            Self::And(filters) | Self::Or(filters) => filters.iter().flat_map(Self::attributes).collect(),
            Self::Not(filter) => filter.attributes(),
            Self::Present(attribute) | Self::Compare(attribute, ..) | Self::Substrings(attribute, _) => {
                vec![attribute]
            }
            Self::Extensible(extensible) => extensible.attribute.as_deref().into_iter().collect(),
        }
    }

    /// The values with which it compares the attribute for equality, wherever it does.
    pub fn equal_to(&self, attribute: &str) -> Vec<&[u8]> {
        match self {
            Self::And(filters) | Self::Or(filters) => {
                filters.iter().flat_map(|filter| filter.equal_to(attribute)).collect()
            }
            Self::Not(filter) => filter.equal_to(attribute),
            Self::Compare(own, Comparison::Equal, value) if own.eq_ignore_ascii_case(attribute) => {
                vec![value]
            }
            Self::Compare(..) | Self::Present(_) | Self::Substrings(..) | Self::Extensible(_) => Vec::new(),
        }
    }

    /// `(!…)`
    pub fn negate(filter: Self) -> Self {
        Self::Not(Box::new(filter))
    }
}

/// Why a filter cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FilterError {
    /// The text is no filter.
    #[error("it is not a filter (RFC 4515): {problem}, at character {position}")]
    Syntax {
        /// Where the reader stopped: the number of the character, from 1.
        position: usize,
        /// What it found.
        problem: Problem,
    },
    /// It is a filter, but only a server knows the matching rule.
    #[error(
        "`{filter}` cannot be evaluated on a file: only the rules 1.2.840.113556.1.4.803 (bit-and) and \
             1.2.840.113556.1.4.804 (bit-or) are known here; write it without an extensible match",
        filter = printable_within(&.0.to_string(), MAX_SHOWN)
    )]
    NotEvaluable(Filter),
}

/// What is wrong with a filter's text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Problem {
    /// Something else than `(`.
    #[error("a filter begins with `(`")]
    Open,
    /// Something else than `)`, or the end.
    #[error("`)` is missing")]
    Close,
    /// Text after the filter.
    #[error("there is text after the filter; put several filters into `(&...)` or `(|...)`")]
    Trailing,
    /// No attribute name, or one with characters that no attribute has.
    #[error("an attribute name is missing here")]
    Attribute,
    /// No operator behind the attribute.
    #[error("one of `=`, `~=`, `>=`, `<=` and `:=` is missing behind the attribute")]
    Operator,
    /// An extensible match that is none.
    #[error("a matching rule is missing or out of place; the form is `(attribute:rule:=value)`")]
    Rule,
    /// A backslash without two hexadecimal digits.
    #[error("`\\` must be followed by two hexadecimal digits; write a backslash as `\\5c`")]
    Escape,
    /// A character that must be escaped.
    #[error("`(` must be written as `\\28` in a value, and NUL as `\\00`")]
    Unescaped,
    /// An asterisk where no pattern is possible.
    #[error("`*` must be written as `\\2a` here: only `=` takes a pattern")]
    Asterisk,
    /// Deeper than [`MAX_DEPTH`].
    #[error("it is nested too deeply")]
    Depth,
}

/// A value as it stands in a filter; see [`escape`].
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(&'a [u8]);

/// The value as it may stand in a filter (RFC 4515 section 3): `*`, `(`, `)`, `\`, NUL, and octets that are not UTF-8
/// are written as a backslash and two hexadecimal digits.
pub fn escape<V: AsRef<[u8]> + ?Sized>(value: &V) -> Escaped<'_> {
    Escaped(value.as_ref())
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '*' | '(' | ')' | '\\' | '\0' => write!(f, "\\{:02x}", u32::from(c))?,
                    c => write!(f, "{c}")?,
                }
            }
            for octet in chunk.invalid() {
                write!(f, "\\{octet:02x}")?;
            }
        }
        Ok(())
    }
}

/// The string representation of RFC 4515.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(filters) => write_list(f, '&', filters),
            Self::Or(filters) => write_list(f, '|', filters),
            Self::Not(filter) => write!(f, "(!{filter})"),
            Self::Present(attribute) => write!(f, "({attribute}=*)"),
            Self::Compare(attribute, by, value) => write!(f, "({attribute}{by}{})", escape(value)),
            Self::Substrings(attribute, parts) => write!(f, "({attribute}={parts})"),
            Self::Extensible(extensible) => write!(f, "({extensible})"),
        }
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, operator: char, filters: &[Filter]) -> fmt::Result {
    write!(f, "({operator}")?;
    for filter in filters {
        write!(f, "{filter}")?;
    }
    f.write_str(")")
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::Approximate => "~=",
            Self::AtLeast => ">=",
            Self::AtMost => "<=",
        })
    }
}

impl fmt::Display for Substrings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}*", escape(&self.initial))?;
        for part in &self.any {
            write!(f, "{}*", escape(part))?;
        }
        write!(f, "{}", escape(&self.last))
    }
}

impl fmt::Display for Extensible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.attribute.as_deref().unwrap_or_default())?;
        if self.dn {
            f.write_str(":dn")?;
        }
        if let Some(rule) = &self.rule {
            write!(f, ":{rule}")?;
        }
        write!(f, ":={}", escape(&self.value))
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
pub(crate) mod tests;
