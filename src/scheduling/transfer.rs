//! Transfer encodings (RFC 2045 section 6): decoded, and changed in place so that as few encoded octets as can be change.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Splice;
use crate::calendar::Edit;

mod quoted;

/// Characters of a line (RFC 2045 sections 6.7 and 6.8).
const MAX_LINE: usize = 76;

/// Readers take any bits behind the last octet for padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// How the octets of a part are transferred.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Transfer {
    /// As they are.
    Identity,
    /// RFC 2045 section 6.7
    QuotedPrintable,
    /// RFC 2045 section 6.8
    Base64,
}

impl Transfer {
    /// The encoding with a name in lower case, if it is known.
    pub(super) fn named(name: Option<&str>) -> Option<Self> {
        match name {
            None | Some("7bit" | "8bit" | "binary") => Some(Self::Identity),
            Some("quoted-printable") => Some(Self::QuotedPrintable),
            Some("base64") => Some(Self::Base64),
            Some(_) => None,
        }
    }

    /// The octets that are meant; none where readers would disagree about them.
    pub(super) fn decode(self, encoded: &[u8]) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Identity => Some(Cow::Borrowed(encoded)),
            Self::QuotedPrintable => quoted::decode(encoded).map(Cow::Owned),
            Self::Base64 => decode_base64(encoded).map(Cow::Owned),
        }
    }

    /// What to replace in the encoded octets, so that `edits` are made in those decoded from them. New lines end in
    /// `line_end` where the encoded octets have no line end of their own.
    pub(super) fn splices(
        self,
        encoded: &[u8],
        decoded: &[u8],
        edits: Vec<Edit>,
        line_end: &[u8],
    ) -> Vec<Splice> {
        let line_end = first_line_end(encoded).unwrap_or(line_end);
        match self {
            Self::Identity => edits,
            Self::QuotedPrintable => quoted::splices(encoded, &edits, line_end),
            Self::Base64 => base64_splice(encoded, decoded, &edits, line_end).into_iter().collect(),
        }
    }
}

/// The first line end in some octets.
pub(super) fn first_line_end(octets: &[u8]) -> Option<&'static [u8]> {
    let end = memchr::memchr(b'\n', octets)?;
    Some(if octets.get(..end)?.ends_with(b"\r") { b"\r\n" } else { b"\n" })
}

fn decode_base64(encoded: &[u8]) -> Option<Vec<u8>> {
    // RFC 2045 section 6.8 lets readers pass over other characters; some stop at them.
    let characters: Vec<u8> = encoded.iter().filter(|c| !c.is_ascii_whitespace()).copied().collect();
    BASE64.decode(characters).ok()
}

/// One splice from the first changed quantum on, for all that follows it moves.
fn base64_splice(encoded: &[u8], decoded: &[u8], edits: &[Edit], line_end: &[u8]) -> Option<Splice> {
    let quantum = edits.first()?.range.start / 3;
    let mut characters = encoded.iter().enumerate().filter(|(_, c)| !c.is_ascii_whitespace());
    let (start, _) = characters.clone().nth(quantum * 4)?;
    let (last, _) = characters.next_back()?;
    let (line_length, column) = columns(encoded, start);
    let tail = BASE64.encode(edited(decoded, quantum * 3, edits));
    let with = in_lines(tail.as_bytes(), line_length, column, line_end);
    Some(Splice { range: start..last + 1, with })
}

/// How long the lines are, and how many characters stand ahead of an offset on its line.
fn columns(encoded: &[u8], offset: usize) -> (usize, usize) {
    let count = |line: &[u8]| line.iter().filter(|c| !c.is_ascii_whitespace()).count();
    let mut lines = encoded.split(|c| *c == b'\n').map(count).filter(|length| *length > 0);
    let first = lines.next().unwrap_or(MAX_LINE);
    let line_length = match lines.next() {
        Some(_) => first,
        // A single line says little of how long they may be, if it is short.
        None if first <= MAX_LINE => MAX_LINE,
        None => usize::MAX,
    };
    let before = encoded.get(..offset).unwrap_or_default();
    (line_length, before.rsplit(|c| *c == b'\n').next().map_or(0, count))
}

/// The octets from an offset on, with the edits made, which must ascend and not overlap.
pub(super) fn edited(decoded: &[u8], from: usize, edits: &[Edit]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(decoded.len());
    let mut from = from;
    for Edit { range, with } in edits {
        octets.extend_from_slice(decoded.get(from..range.start).unwrap_or_default());
        octets.extend_from_slice(with);
        from = range.end;
    }
    octets.extend_from_slice(decoded.get(from..).unwrap_or_default());
    octets
}

fn in_lines(characters: &[u8], length: usize, mut column: usize, line_end: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(characters.len() + characters.len() / 32);
    for character in characters {
        if column >= length {
            lines.extend_from_slice(line_end);
            column = 0;
        }
        lines.push(*character);
        column += 1;
    }
    lines
}

#[cfg(test)]
mod tests;
