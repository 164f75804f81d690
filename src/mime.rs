//! The parts of a message body by offset (RFC 2045, RFC 2046). Nothing is decoded and nothing is copied.
//!
//! The walk is our own: mail-parser, which reads the header fields of each part, would decode every part, enter
//! `message/rfc822` (and drop what it nests by recursion), look for the innermost boundary only, and find it anywhere
//! in a line, at the head of a longer one too. A delimiter is a whole line here (RFC 2046 section 5.1.1), and an outer
//! one ends whatever is open within.
//!
//! A part whose header fields contradict each other carries a [`Fault`] and is not entered. A body that goes beyond the
//! bounds below is a fault as a whole: what was not read is never taken for nothing.

use std::ops::Range;

use memchr::{memchr, memmem};

mod entity;

pub use entity::Entity;
use entity::HeaderReader;

/// Multiparts within multiparts: mail nests a handful; each level is one more comparison for each line with dashes.
pub const MAX_DEPTH: usize = 16;

/// Parts of one message, multiparts included. Each costs a reading of its fields and stays in memory.
pub const MAX_PARTS: usize = 1000;

/// Octets of one part's header fields. Merging continued parameters (RFC 2231) takes time that grows with the square.
pub const MAX_HEADER: usize = 16 * 1024;

/// Octets of the header fields of all parts together.
pub const MAX_HEADERS: usize = 512 * 1024;

/// Octets of a boundary. RFC 2046 section 5.1.1 allows 70; some programs write more.
pub const MAX_BOUNDARY: usize = 250;

/// The MIME header fields at the top of a message, as the milter collected them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Fields {
    /// The value of Content-Type, as it stands.
    pub content_type: Option<Vec<u8>>,
    /// The value of Content-Transfer-Encoding, as it stands.
    pub transfer_encoding: Option<Vec<u8>>,
    /// A field stood there more than once, or was too long to be kept: nothing of the body is read.
    pub repeated: bool,
}

/// Why a part, or a whole body, cannot be read as one thing only.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// Content-Type, Content-Transfer-Encoding or Content-Disposition more than once, or too long to be kept.
    #[error("a MIME header field is repeated or too long")]
    Repeated,
    /// A line among the header fields is none.
    #[error("a line among the header fields of a part is no header field")]
    Header,
    /// A multipart names no boundary, or one that no line can be.
    #[error("a multipart has no valid boundary")]
    Boundary,
    /// A multipart has the boundary of one around it.
    #[error("two multiparts, one within the other, have the same boundary")]
    SameBoundary,
    /// A multipart is encoded as a whole, which RFC 2045 section 6.4 forbids, and some readers decode.
    #[error("a multipart is itself encoded")]
    EncodedMultipart,
    /// A multipart has no part.
    #[error("a multipart has no parts")]
    NoParts,
    /// More than [`MAX_DEPTH`] multiparts within each other.
    #[error("its parts are nested too deeply")]
    TooDeep,
    /// More than [`MAX_PARTS`] parts.
    #[error("it has too many parts")]
    TooManyParts,
    /// More than [`MAX_HEADER`] octets of header fields in a part, or [`MAX_HEADERS`] in all.
    #[error("the header fields of its parts are too long")]
    HeaderTooLong,
}

/// One part of a message; the first is the message itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Part {
    /// What its header fields say; a part with a fault says nothing.
    pub entity: Result<Entity, Fault>,
    /// Where it stands in the body, its header fields and the line end ahead of the next delimiter left out.
    pub body: Range<usize>,
    /// The multipart that it is in, as an index into [`Tree::parts`].
    pub parent: Option<usize>,
}

/// All parts of a message outside of `message/*`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tree {
    /// In the order in which they begin.
    pub parts: Vec<Part>,
    /// Whether every reader must see the same parts: all delimiters are there, none is doubtful.
    pub clear: bool,
}

/// Finds the parts of a `body`, as it is transferred, in time that grows with its length.
pub fn walk(fields: &Fields, body: &[u8]) -> Result<Tree, Fault> {
    let reader = HeaderReader::new();
    let top = reader.top(fields);
    // A carriage return alone ends the line for some readers.
    let clear = memmem::find(body, b"\r--").is_none();
    let mut walker = Walker {
        body,
        reader,
        dashes: memmem::Finder::new(b"\n--"),
        parts: Vec::new(),
        open: Vec::new(),
        closed: Vec::new(),
        leaf: None,
        headers: 0,
        clear,
    };
    walker.begin(top, 0)?;
    walker.run()?;
    Ok(Tree { parts: walker.parts, clear: walker.clear })
}

struct Walker<'a> {
    body: &'a [u8],
    reader: HeaderReader,
    /// Finds lines that begin with dashes.
    dashes: memmem::Finder<'static>,
    parts: Vec<Part>,
    /// The multiparts that are not closed, from the outermost on.
    open: Vec<Open>,
    /// The boundaries of those that are: some readers find more parts behind the last delimiter.
    closed: Vec<Vec<u8>>,
    /// The part without parts that has begun.
    leaf: Option<usize>,
    /// Octets of header fields so far.
    headers: usize,
    clear: bool,
}

struct Open {
    part: usize,
    boundary: Vec<u8>,
    empty: bool,
}

/// A delimiter line of the multipart `open[level]`.
#[derive(Clone, Copy)]
struct Delimiter {
    level: usize,
    /// The last one.
    close: bool,
    /// Where the line begins, and where the next one does.
    start: usize,
    next: usize,
}

impl Walker<'_> {
    fn run(&mut self) -> Result<(), Fault> {
        let mut position = 0;
        while !self.open.is_empty() {
            let Some(delimiter) = self.next_delimiter(position) else {
                // RFC 2046 section 5.1.2: the end of the body ends them; whether it was cut off nobody knows.
                self.clear = false;
                self.end(self.body.len(), 0);
                break;
            };
            position = self.pass(delimiter)?;
        }
        if self.clear && !self.closed.is_empty() {
            // Nothing is open: what it looks for is what was closed.
            self.next_delimiter(position);
        }
        Ok(())
    }

    /// Goes past a delimiter line, and past the header fields of the part that it begins.
    fn pass(&mut self, delimiter: Delimiter) -> Result<usize, Fault> {
        let Delimiter { level, close, start, next } = delimiter;
        let end = self.without_line_end(start);
        self.clear &= level + 1 == self.open.len();
        self.end(end, level + 1);
        if close {
            self.clear &= self.closed.len() < MAX_DEPTH;
            if self.clear {
                self.closed.extend(self.open.get(level).map(|open| open.boundary.clone()));
            }
            self.end(next, level);
            return Ok(next);
        }
        if let Some(open) = self.open.last_mut() {
            open.empty = false;
        }
        let (header, from) = self.header(next)?;
        let digest = self.open.last().and_then(|open| self.parts.get(open.part)).is_some_and(Part::is_digest);
        let entity = self.reader.part(self.body.get(header).unwrap_or_default(), digest);
        self.begin(entity, from)?;
        Ok(from)
    }

    /// A part begins, its body at `from`.
    fn begin(&mut self, entity: Result<Entity, Fault>, from: usize) -> Result<(), Fault> {
        if self.parts.len() == MAX_PARTS {
            return Err(Fault::TooManyParts);
        }
        let parent = self.open.last().map(|open| open.part);
        let part = self.parts.len();
        let (entity, boundary) = match entity.and_then(|entity| Ok((self.boundary(&entity)?, entity))) {
            Ok((boundary, entity)) => (Ok(entity), boundary),
            Err(fault) => (Err(fault), None),
        };
        self.parts.push(Part { entity, body: from..self.body.len(), parent });
        match boundary {
            Some(_) if self.open.len() == MAX_DEPTH => return Err(Fault::TooDeep),
            Some(boundary) => self.open.push(Open { part, boundary, empty: true }),
            None => self.leaf = Some(part),
        }
        Ok(())
    }

    /// The boundary of a multipart; none for a part that has no parts.
    fn boundary(&mut self, entity: &Entity) -> Result<Option<Vec<u8>>, Fault> {
        if !entity.is_multipart() {
            return Ok(None);
        }
        if !entity.is_unencoded() {
            return Err(Fault::EncodedMultipart);
        }
        // RFC 2046 section 5.1.1: a boundary does not end in white space, which may be added on the way.
        let written = entity.boundary.as_deref().unwrap_or_default();
        let boundary = written.trim_end().as_bytes();
        let valid = |b: &u8| (b' '..=b'~').contains(b);
        if boundary.is_empty() || boundary.len() > MAX_BOUNDARY || !boundary.iter().all(valid) {
            return Err(Fault::Boundary);
        }
        if self.open.iter().any(|open| open.boundary == boundary) {
            return Err(Fault::SameBoundary);
        }
        // Readers that compare the head of the line only see the delimiters of the outer one.
        let begins_as_outer = self.open.iter().any(|open| boundary.starts_with(&open.boundary));
        self.clear &= boundary.len() == written.len() && !begins_as_outer;
        Ok(Some(boundary.to_vec()))
    }

    /// Ends what is open from `level` on, and the part without parts, at the offset `end`.
    fn end(&mut self, mut end: usize, level: usize) {
        if let Some(leaf) = self.leaf.take().and_then(|leaf| self.parts.get_mut(leaf)) {
            // Where there is nothing between two delimiters, the line end ahead of the second is the first's.
            end = end.max(leaf.body.start);
            leaf.body.end = end;
        }
        while self.open.len() > level
            && let Some(open) = self.open.pop()
            && let Some(part) = self.parts.get_mut(open.part)
        {
            end = end.max(part.body.start);
            part.body.end = end;
            if open.empty {
                part.entity = Err(Fault::NoParts);
            }
        }
    }

    /// The header fields that begin at `from`, and where what follows them begins.
    fn header(&mut self, from: usize) -> Result<(Range<usize>, usize), Fault> {
        let mut start = from;
        let (end, next) = loop {
            let line = self.line(start);
            if line.is_empty() || self.matches(start, line.end).is_some() {
                // Without an empty line: some readers have no such part.
                self.clear = false;
                break (start, start);
            }
            if matches!(self.body.get(line.clone()), Some(b"\n" | b"\r\n")) {
                break (start, line.end);
            }
            start = line.end;
            if start - from > MAX_HEADER {
                return Err(Fault::HeaderTooLong);
            }
        };
        self.headers += end - from;
        if self.headers > MAX_HEADERS {
            return Err(Fault::HeaderTooLong);
        }
        Ok((from..end, next))
    }

    /// The next delimiter line of anything open, from the line that begins at `position` on.
    fn next_delimiter(&mut self, position: usize) -> Option<Delimiter> {
        let mut start = position;
        loop {
            let rest = self.body.get(start..)?;
            if rest.starts_with(b"--") {
                let next = self.line(start).end;
                if let Some((level, close)) = self.matches(start, next) {
                    return Some(Delimiter { level, close, start, next });
                }
            }
            start += self.dashes.find(rest)? + 1;
        }
    }

    /// Which open multipart the line is a delimiter of, and whether it is its last.
    fn matches(&mut self, start: usize, next: usize) -> Option<(usize, bool)> {
        let line = self.body.get(start..next)?.strip_prefix(b"--")?;
        for (level, open) in self.open.iter().enumerate().rev() {
            let Some(rest) = line.strip_prefix(open.boundary.as_slice()) else { continue };
            if rest.iter().all(u8::is_ascii_whitespace) {
                return Some((level, false));
            }
            if rest.strip_prefix(b"--").is_some_and(|rest| rest.iter().all(u8::is_ascii_whitespace)) {
                return Some((level, true));
            }
            // Readers that compare the head of the line only see a delimiter here.
            self.clear = false;
        }
        self.clear &= !self.closed.iter().any(|boundary| line.starts_with(boundary));
        None
    }

    /// The line that begins at `start`, with its end.
    fn line(&self, start: usize) -> Range<usize> {
        let rest = self.body.get(start..).unwrap_or_default();
        start..start + memchr(b'\n', rest).map_or(rest.len(), |end| end + 1)
    }

    /// RFC 2046 section 5.1.1: the line end ahead of a delimiter belongs to the delimiter.
    fn without_line_end(&self, start: usize) -> usize {
        let before = self.body.get(..start).unwrap_or_default();
        let before = before.strip_suffix(b"\n").unwrap_or(before);
        before.strip_suffix(b"\r").unwrap_or(before).len()
    }
}

impl Part {
    fn is_digest(&self) -> bool {
        self.entity.as_ref().is_ok_and(|entity| entity.kind == "multipart/digest")
    }
}

#[cfg(test)]
mod tests;
