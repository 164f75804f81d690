//! Quoted-printable (RFC 2045 section 6.7): only what stands for a changed property is encoded anew.

use std::ops::Range;

use super::{MAX_LINE, Splice};
use crate::calendar::Edit;

/// What stands in the encoded octets, one after the other.
enum Token {
    /// One octet, as it is or as `=` and two digits.
    Octet { octet: u8, encoded: bool },
    /// A soft line break, or white space at the end of a line, which was added on the way (rule 3): nothing.
    Nothing,
}

/// Reads tokens with where they stand.
struct Tokens<'a> {
    encoded: &'a [u8],
    next: usize,
    /// White space up to here is known to mean itself.
    spaces: usize,
    broken: bool,
}

impl<'a> Tokens<'a> {
    fn new(encoded: &'a [u8]) -> Self {
        Self { encoded, next: 0, spaces: 0, broken: false }
    }

    fn read(&mut self) -> Option<(Token, usize)> {
        let rest = self.encoded.get(self.next..)?;
        match rest {
            [] => None,
            [b'=', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                Some((Token::Octet { octet: hex(*high) << 4 | hex(*low), encoded: true }, 3))
            }
            [b'=', behind @ ..] => {
                let end = line_end(behind);
                self.broken = end.is_none();
                Some((Token::Nothing, 1 + end?))
            }
            [b' ' | b'\t', ..] if self.next >= self.spaces => match padding(rest) {
                (length, true) => Some((Token::Nothing, length)),
                (length, false) => {
                    self.spaces = self.next + length;
                    self.read()
                }
            },
            [octet, ..] => Some((Token::Octet { octet: *octet, encoded: false }, 1)),
        }
    }
}

impl Iterator for Tokens<'_> {
    type Item = (Token, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let (token, length) = self.read()?;
        let start = self.next;
        self.next += length;
        Some((token, start..self.next))
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20).wrapping_sub(b'a').wrapping_add(10),
    }
}

/// The length of the white space and the line end behind a `=`, if there is nothing else on the line.
fn line_end(behind: &[u8]) -> Option<usize> {
    let (length, at_end) = padding(behind);
    let rest = behind.get(length..)?;
    let end = if rest.starts_with(b"\r\n") { 2 } else { rest.len().min(1) };
    at_end.then_some(length + end)
}

/// The length of the white space ahead, and whether its line ends behind it.
fn padding(octets: &[u8]) -> (usize, bool) {
    let length = octets.iter().position(|c| !matches!(c, b' ' | b'\t')).unwrap_or(octets.len());
    let rest = octets.get(length..).unwrap_or_default();
    (length, rest.is_empty() || rest.starts_with(b"\n") || rest.starts_with(b"\r\n"))
}

/// The octets that are meant, if nothing in them is broken.
pub(super) fn decode(encoded: &[u8]) -> Option<Vec<u8>> {
    let mut tokens = Tokens::new(encoded);
    let decoded = tokens
        .by_ref()
        .filter_map(|(token, _)| if let Token::Octet { octet, .. } = token { Some(octet) } else { None })
        .collect();
    (!tokens.broken).then_some(decoded)
}

/// Where a changed property stands in the encoded octets, and whether the line ends in and behind it stand as they are.
struct Place {
    range: Range<usize>,
    literal: bool,
}

/// Finds the places of all edits in one pass.
fn places(encoded: &[u8], edits: &[Edit]) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::with_capacity(edits.len());
    let mut octets = Tokens::new(encoded)
        .filter_map(|(token, at)| {
            if let Token::Octet { octet, encoded } = token { Some((octet, encoded, at)) } else { None }
        })
        .enumerate()
        .peekable();
    for Edit { range, .. } in edits {
        let mut place = Place { range: 0..0, literal: true };
        let mut literal = None;
        while let Some((index, (octet, is_encoded, at))) = octets.next_if(|(index, _)| *index < range.end) {
            if index < range.start {
                continue;
            }
            if index == range.start {
                place.range.start = at.start;
            }
            place.range.end = at.end;
            if octet == b'\n' {
                literal.get_or_insert(!is_encoded);
            }
        }
        // The line end behind it begins with the octet that comes next.
        let behind = octets.peek().map(|(_, (_, is_encoded, _))| !is_encoded);
        place.literal = literal.or(behind).unwrap_or(true);
        places.push(place);
    }
    places
}

/// What to replace in the encoded octets.
pub(super) fn splices(encoded: &[u8], edits: &[Edit], line_end: &[u8]) -> Vec<Splice> {
    let mut splices = Vec::with_capacity(edits.len());
    // Where the last splice ended, and how many characters its last line has.
    let mut last = (0, 0);
    for (Edit { with, .. }, Place { range, literal }) in edits.iter().zip(places(encoded, edits)) {
        let column = column(encoded, range.start, last);
        let behind = length_of_line(encoded.get(range.end..).unwrap_or_default());
        let mut writer = Writer { written: Vec::new(), column, line_end };
        writer.write(with, literal);
        writer.make_room(behind);
        last = (range.end, writer.column);
        splices.push(Splice { range, with: writer.written });
    }
    splices
}

/// How many characters stand ahead of an offset on its line, once what is ahead has been replaced.
fn column(encoded: &[u8], offset: usize, (end, column): (usize, usize)) -> usize {
    let between = encoded.get(end..offset).unwrap_or_default();
    memchr::memrchr(b'\n', between).map_or(column + between.len(), |feed| between.len() - feed - 1)
}

/// The length of the line ahead, as far as it matters: beyond [`MAX_LINE`] it is too long, however long it is.
fn length_of_line(octets: &[u8]) -> usize {
    let line = octets.iter().take(MAX_LINE + 1).position(|c| *c == b'\n');
    let line = octets.get(..line.unwrap_or(octets.len().min(MAX_LINE + 1))).unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line).len()
}

struct Writer<'e> {
    written: Vec<u8>,
    column: usize,
    line_end: &'e [u8],
}

impl Writer<'_> {
    fn write(&mut self, octets: &[u8], literal: bool) {
        let mut rest = octets;
        while let [first, behind @ ..] = rest {
            let line_end = if rest.starts_with(b"\r\n") { 2 } else { usize::from(*first == b'\n') };
            if literal && line_end > 0 {
                self.written.extend_from_slice(rest.get(..line_end).unwrap_or_default());
                self.column = 0;
                rest = rest.get(line_end..).unwrap_or_default();
                continue;
            }
            // Rule 3: white space at the end of a line is encoded; there is none ahead of a soft break that counts.
            let at_end = behind.is_empty() || behind.starts_with(b"\n") || behind.starts_with(b"\r\n");
            match first {
                b' ' | b'\t' if !at_end => self.put(&[*first]),
                // No line begins with a dash that did not: it might be a delimiter of some multipart.
                b'-' if self.column == 0 || self.column + 1 >= MAX_LINE => self.put(b"=2D"),
                b'!'..=b'<' | b'>'..=b'~' => self.put(&[*first]),
                _ => self.put(format!("={first:02X}").as_bytes()),
            }
            rest = behind;
        }
    }

    /// Writes what stands for one octet, on a new line if it and a soft break do not fit.
    fn put(&mut self, token: &[u8]) {
        self.make_room(token.len());
        self.written.extend_from_slice(token);
        self.column += token.len();
    }

    fn make_room(&mut self, length: usize) {
        if length > 0 && self.column + length >= MAX_LINE {
            self.written.push(b'=');
            self.written.extend_from_slice(self.line_end);
            self.column = 0;
        }
    }
}
