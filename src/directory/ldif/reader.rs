//! The reader of RFC 2849's content records.
//!
//! Three stages: octets to unfolded lines, lines to records, lines of a record to attributes. What the RFC wants in
//! base64 because it is not ASCII is taken as UTF-8 too: people write it so by hand, and servers take it.

use std::collections::HashSet;
use std::str::from_utf8;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Located, Problem};
use crate::directory::record::{Record, key};
use crate::dn::Dn;

/// An entry and the number of the line on which it begins.
pub(super) struct Found {
    pub(super) line: usize,
    pub(super) record: Record,
}

/// Reads all records of a file. The attributes in `texts` (in lower case) are needed as text; the values of others
/// may be anything.
pub(super) fn records(file: &[u8], texts: &HashSet<String>) -> Result<Vec<Found>, Located> {
    let lines = unfold(file)?;
    let lines = without_version(&lines)?;
    let records = lines.split(|line| line.text.is_empty()).filter_map(<[Line]>::split_first);
    records.map(|(first, rest)| record(first, rest, texts)).collect()
}

/// A line without its folds; an empty one separates records.
struct Line {
    number: usize,
    text: Vec<u8>,
}

impl Line {
    fn error(&self, problem: Problem) -> Located {
        Located { line: self.number, problem }
    }
}

/// RFC 2849 notes 2 and 3: a line that begins with one space continues the one before it, a comment too.
fn unfold(file: &[u8]) -> Result<Vec<Line>, Located> {
    let file = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file);
    let mut lines: Vec<Line> = Vec::new();
    for (index, text) in file.split(|octet| *octet == b'\n').enumerate() {
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        match (text.strip_prefix(b" "), lines.last_mut()) {
            (Some(more), Some(last)) if !last.text.is_empty() => last.text.extend_from_slice(more),
            (Some(_), _) => return Err(Located { line: index + 1, problem: Problem::Continuation }),
            (None, _) => lines.push(Line { number: index + 1, text: text.to_vec() }),
        }
    }
    lines.retain(|line| !line.text.starts_with(b"#"));
    Ok(lines)
}

/// RFC 2849 `version-spec`: optional here, as everywhere.
fn without_version(lines: &[Line]) -> Result<&[Line], Located> {
    let start = lines.iter().position(|line| !line.text.is_empty()).unwrap_or(lines.len());
    let Some((first, rest)) = lines.get(start..).and_then(<[Line]>::split_first) else { return Ok(&[]) };
    match split(first)? {
        (name, value) if name.eq_ignore_ascii_case("version") => {
            if value == b"1" {
                Ok(rest)
            } else {
                Err(first.error(Problem::Version))
            }
        }
        _ => Ok(lines),
    }
}

fn record(first: &Line, rest: &[Line], texts: &HashSet<String>) -> Result<Found, Located> {
    let mut record = Record::new(name(first)?);
    for line in rest {
        let (description, value) = split(line)?;
        let attribute = key(description);
        match attribute.as_str() {
            "dn" => return Err(line.error(Problem::SecondName)),
            "changetype" | "control" => return Err(line.error(Problem::Change)),
            name if texts.contains(name) && from_utf8(&value).is_err() => {
                return Err(line.error(Problem::NotText));
            }
            _ => record.push(description, value),
        }
    }
    Ok(Found { line: first.number, record })
}

/// RFC 2849 `dn-spec`.
fn name(line: &Line) -> Result<Dn, Located> {
    let (description, value) = split(line)?;
    if !description.eq_ignore_ascii_case("dn") {
        return Err(line.error(Problem::NoName(description.to_owned())));
    }
    let text = String::from_utf8(value).map_err(|_| line.error(Problem::NotText))?;
    let dn = Dn::parse(&text).ok().filter(|dn| dn.depth() > 0);
    dn.ok_or_else(|| line.error(Problem::Name(text)))
}

/// RFC 2849 `attrval-spec`: the description, and the value without its encoding.
fn split(line: &Line) -> Result<(&str, Vec<u8>), Located> {
    let error = |problem| line.error(problem);
    let colon = line.text.iter().position(|octet| *octet == b':').ok_or_else(|| error(Problem::NoColon))?;
    let (description, value) = line.text.split_at_checked(colon).unwrap_or_default();
    let description = from_utf8(description).ok().filter(|text| is_description(text));
    let description = description.ok_or_else(|| error(Problem::Attribute))?;
    let value = match value.strip_prefix(b":").unwrap_or_default() {
        [b':', encoded @ ..] => STANDARD.decode(encoded.trim_ascii()).map_err(|_| error(Problem::Base64))?,
        [b'<', ..] => return Err(error(Problem::Url)),
        value => plain(value).ok_or_else(|| error(Problem::NotText))?,
    };
    Ok((description, value))
}

/// A value that stands as it is, behind any number of spaces.
fn plain(value: &[u8]) -> Option<Vec<u8>> {
    let text = from_utf8(value).ok()?;
    (!text.contains('\0')).then(|| text.trim_start_matches(' ').into())
}

/// RFC 4512 section 2.5: a name or object identifier, and options.
fn is_description(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
    };
    text.split(';').all(is_part)
}
