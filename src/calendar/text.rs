//! The octets of a calendar as characters, lines and folds, without decoding them: what is not understood stays as it
//! is, valid in its charset or not.
//!
//! All that iCalendar's syntax needs is in ASCII, so a view suffices in which each character of ASCII is one octet and
//! everything else is some octet above it. In ASCII-compatible charsets, the octets are that view: the second octets
//! that Shift_JIS, GBK, GB18030 and Big5 have in the range of ASCII are digits and those from `@` on, never `"`, `,`,
//! `:`, `;`, white space or a line end.

use std::borrow::Cow;
use std::ops::Range;

use encoding_rs::{Encoding, ISO_2022_JP, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE};
use memchr::memchr;

/// Escape, with which ISO-2022-JP changes the set of characters (RFC 1468).
const ESC: u8 = 0x1B;

/// What stands in the view for what is not ASCII.
const OTHER: u8 = 0xFF;

/// What stands in the view for the second half of a surrogate pair.
const LOW_SURROGATE: u8 = 0xFD;

/// The octets of a calendar with what is needed to read them. Positions count characters of its view.
#[derive(Debug)]
pub struct Text<'a> {
    octets: &'a [u8],
    view: Cow<'a, [u8]>,
    /// Where the view begins in the octets, behind a byte order mark.
    start: usize,
    /// Octets for each character of the view.
    width: usize,
    encoding: &'static Encoding,
}

/// A content line: a line with those that are folded onto it (RFC 5545 section 3.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Line {
    /// Without the line end behind it.
    pub(super) span: Range<usize>,
}

impl<'a> Text<'a> {
    /// The octets in a charset (RFC 2978), UTF-8 unless said (RFC 5545 section 3.1.4). None where the charset is
    /// unknown, or does not hold ASCII in a way known here.
    pub fn new(octets: &'a [u8], charset: Option<&str>) -> Option<Self> {
        let label = charset.map_or("utf-8", str::trim);
        let encoding = Encoding::for_label(label.as_bytes()).filter(|known| *known != REPLACEMENT)?;
        if encoding == UTF_16LE || encoding == UTF_16BE {
            return Self::wide(octets, label, encoding);
        }
        let start = if encoding == UTF_8 && octets.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        let rest = octets.get(start..)?;
        let view =
            if encoding == ISO_2022_JP { Cow::Owned(without_escaped(rest)?) } else { Cow::Borrowed(rest) };
        Some(Self { octets, view, start, width: 1, encoding })
    }

    fn wide(octets: &'a [u8], label: &str, named: &'static Encoding) -> Option<Self> {
        let (encoding, start) = match octets {
            [0xFF, 0xFE, ..] => (UTF_16LE, 2),
            [0xFE, 0xFF, ..] => (UTF_16BE, 2),
            // RFC 2781 section 4.3: big-endian unless it says otherwise; its first character is of ASCII.
            [0, ..] if label.eq_ignore_ascii_case("utf-16") => (UTF_16BE, 0),
            _ => (named, 0),
        };
        let (units, []) = octets.get(start..)?.as_chunks::<2>() else { return None };
        let number = if encoding == UTF_16LE { u16::from_le_bytes } else { u16::from_be_bytes };
        let view = units.iter().map(|unit| narrow(number(*unit))).collect();
        Some(Self { octets, view: Cow::Owned(view), start, width: 2, encoding })
    }

    /// The characters, each of ASCII as itself.
    pub(super) fn view(&self) -> &[u8] {
        &self.view
    }

    /// The character at a position.
    pub(super) fn at(&self, position: usize) -> Option<u8> {
        self.view.get(position).copied()
    }

    /// Octets for one character of ASCII.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Where a range of positions is in the octets.
    pub(super) fn octets_of(&self, range: &Range<usize>) -> Range<usize> {
        self.start + range.start * self.width..self.start + range.end * self.width
    }

    /// The octets of the character at a position.
    pub(super) fn octets_at(&self, position: usize) -> &[u8] {
        self.octets.get(self.octets_of(&(position..position + 1))).unwrap_or_default()
    }

    /// A character of ASCII as it is written here.
    pub(super) fn write(&self, ascii: u8, into: &mut Vec<u8>) {
        if self.width == 1 {
            into.push(ascii);
        } else if self.encoding == UTF_16LE {
            into.extend([ascii, 0]);
        } else {
            into.extend([0, ascii]);
        }
    }

    /// The characters at some positions as text, if they are valid.
    pub(super) fn decode(&self, positions: &[usize]) -> Option<String> {
        let octets: Vec<u8> = positions.iter().flat_map(|at| self.octets_at(*at)).copied().collect();
        self.encoding.decode_without_bom_handling_and_without_replacement(&octets).map(Cow::into_owned)
    }

    /// Whether a line may be folded between two characters.
    pub(super) fn may_cut(&self, before: u8, after: u8) -> bool {
        if self.width == 2 {
            return after != LOW_SURROGATE;
        }
        if self.encoding == UTF_8 || self.encoding.is_single_byte() {
            // Text under the name of another charset is often UTF-8: the inside of such a character is spared too.
            return before.is_ascii() || !matches!(after, 0x80..=0xBF);
        }
        before.is_ascii() && after.is_ascii()
    }

    /// Whether it does no harm to fold where [`Self::may_cut`] says no, if there is no better place.
    pub(super) fn may_cut_anywhere(&self) -> bool {
        self.width == 1 && (self.encoding == UTF_8 || self.encoding.is_single_byte())
    }

    /// The content lines.
    pub(super) fn lines(&self) -> impl Iterator<Item = Line> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let (span, behind) = self.line(next)?;
            next = behind;
            Some(Line { span })
        })
    }

    /// The content line that begins at `start`, without its end, and where the next one begins.
    fn line(&self, start: usize) -> Option<(Range<usize>, usize)> {
        let mut from = start;
        loop {
            let rest = self.view.get(from..).filter(|rest| !rest.is_empty() || from > start)?;
            let Some(end) = memchr(b'\n', rest) else {
                return Some((start..self.view.len(), self.view.len()));
            };
            let end = from + end;
            from = end + 1;
            if !matches!(self.at(from), Some(b' ' | b'\t')) {
                let text = self.view.get(start..end)?;
                return Some((start..start + text.strip_suffix(b"\r").unwrap_or(text).len(), from));
            }
        }
    }

    /// The positions of a content line without its folds.
    pub(super) fn unfolded(&self, line: &Line) -> impl Iterator<Item = usize> {
        let mut next = line.span.start;
        let end = line.span.end;
        std::iter::from_fn(move || {
            loop {
                match self.view.get(next..end)? {
                    [b'\n', b' ' | b'\t', ..] => next += 2,
                    [b'\r', b'\n', b' ' | b'\t', ..] => next += 3,
                    [] => return None,
                    [_, ..] => break,
                }
            }
            next += 1;
            Some(next - 1)
        })
    }

    /// The octets without folds, blank lines and the kind of line ends: what two copies of a calendar share.
    pub fn normal(&self) -> Vec<u8> {
        let mut normal = Vec::with_capacity(self.octets.len());
        for Line { span } in self.lines() {
            let before = normal.len();
            let mut from = span.start;
            while let Some(rest) = self.view.get(from..span.end) {
                let end = from + memchr(b'\n', rest).unwrap_or(rest.len());
                let line = self.view.get(from..end).unwrap_or_default();
                let text =
                    from..from + line.strip_suffix(b"\r").filter(|_| end < span.end).unwrap_or(line).len();
                normal.extend_from_slice(self.octets.get(self.octets_of(&text)).unwrap_or_default());
                // Behind the line feed and the white space that make a fold.
                from = end + 2;
            }
            if normal.len() > before {
                normal.push(b'\n');
            }
        }
        normal
    }

    /// Whether lines end in CRLF around a content line: at its first fold, behind it, or at the first line of all.
    pub(super) fn has_crlf(&self, line: &Line) -> bool {
        let from = |start: usize| {
            let end = start + memchr(b'\n', self.view.get(start..)?)?;
            Some(end > 0 && self.at(end - 1) == Some(b'\r'))
        };
        from(line.span.start).or_else(|| from(0)).unwrap_or(true)
    }
}

fn narrow(unit: u16) -> u8 {
    match (u8::try_from(unit), unit) {
        (Ok(ascii), _) if ascii.is_ascii() => ascii,
        (_, 0xDC00..=0xDFFF) => LOW_SURROGATE,
        (Ok(_) | Err(_), _) => OTHER,
    }
}

/// The view of ISO-2022-JP (RFC 1468): what is not in ASCII or its Japanese variant is hidden, and the escape sequences.
/// None where a line ends outside of ASCII, for readers disagree whether the next one begins within.
fn without_escaped(octets: &[u8]) -> Option<Vec<u8>> {
    let mut view = Vec::with_capacity(octets.len());
    let mut ascii = true;
    let mut rest = octets;
    while let [first, behind @ ..] = rest {
        let length = match rest {
            [ESC, b'(', b'B' | b'J', ..] => {
                ascii = true;
                3
            }
            [ESC, b'(' | b'$', _, ..] => {
                ascii = false;
                3
            }
            [b'\n', ..] if !ascii => return None,
            _ => 0,
        };
        if length > 0 {
            view.extend(std::iter::repeat_n(OTHER, length));
            rest = rest.get(length..)?;
        } else {
            view.push(if ascii { *first } else { OTHER });
            rest = behind;
        }
    }
    Some(view)
}
