//! What the header fields of one part say of it, as mail-parser reads them, and whether every reader must read the same.

use mail_parser::{ContentType, Header, HeaderName, MessageParser};

use super::{Fault, Fields};
use crate::display;

/// How the names of files end by which readers know calendars, whatever the type says (Gmail, Roundcube), and the file
/// that Outlook reads in place of the message (TNEF, MS-OXTNEF section 1.3).
const NAMES_OF_OTHERS: [&str; 6] = [".ics", ".ical", ".icalendar", ".ifb", ".vcs", "winmail.dat"];

/// What a part is. All text but the parameters is in lower case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entity {
    /// Type and subtype: `text/plain` where nothing is said.
    pub kind: String,
    /// The parameter `boundary`.
    pub boundary: Option<String>,
    /// The parameter `charset`.
    pub charset: Option<String>,
    /// The parameter `method` (RFC 6047 section 2.4).
    pub method: Option<String>,
    /// Content-Transfer-Encoding.
    pub encoding: Option<String>,
    /// Content-Disposition says `attachment`.
    pub attachment: bool,
    /// Whether its name, or a type that no standard has, makes some readers take it for a calendar, or for the whole
    /// message.
    pub taken_for_other: bool,
    /// Whether the fields are written so that every reader must read the same.
    pub clear: bool,
}

impl Entity {
    /// Whether it has parts.
    pub fn is_multipart(&self) -> bool {
        self.kind.starts_with("multipart/")
    }

    /// Whether it stands as it is (RFC 2045 section 6.2).
    pub fn is_unencoded(&self) -> bool {
        matches!(self.encoding.as_deref(), None | Some("7bit" | "8bit" | "binary"))
    }
}

/// Reads header fields; made once for a message, for it holds a table.
pub(super) struct HeaderReader(MessageParser);

impl HeaderReader {
    pub(super) fn new() -> Self {
        Self(MessageParser::new().with_mime_headers())
    }

    /// The fields of the message itself.
    pub(super) fn top(&self, fields: &Fields) -> Result<Entity, Fault> {
        if fields.repeated {
            return Err(Fault::Repeated);
        }
        let mut block = Vec::new();
        let known = [
            ("Content-Type", &fields.content_type),
            ("Content-Transfer-Encoding", &fields.transfer_encoding),
        ];
        for (name, value) in known {
            let Some(value) = value else { continue };
            block.extend([name.as_bytes(), b":", value, b"\n"].concat());
        }
        self.part(&block, false)
    }

    /// The fields of a part, without the empty line. What says nothing is text, and a message within a digest
    /// (RFC 2046 section 5.1.5).
    pub(super) fn part(&self, block: &[u8], digest: bool) -> Result<Entity, Fault> {
        let mut clear = block.iter().all(|b| matches!(b, b'\t' | b'\n' | b'\r' | b' '..=b'~'));
        clear &= lines_are_fields(block)?;
        let block = [block, b"\n\n"].concat();
        let message = self.0.parse_headers(&block);
        let headers = message.as_ref().map(|message| message.headers()).unwrap_or_default();
        let content_type = one(headers, &HeaderName::ContentType)?;
        let encoding = one(headers, &HeaderName::ContentTransferEncoding)?;
        let disposition = one(headers, &HeaderName::ContentDisposition)?;

        let written = content_type.and_then(|header| header.value.as_content_type());
        let disposed = disposition.and_then(|header| header.value.as_content_type());
        clear &= agrees(content_type, &block) && agrees(disposition, &block);
        let attribute = |name| written.and_then(|written| written.attribute(name)).map(str::to_owned);
        let kind = written.map_or_else(|| default_kind(digest), kind);
        let taken_for_other =
            is_type_of_other(&kind) || [written, disposed].into_iter().flatten().any(has_name_of_other);
        Ok(Entity {
            kind,
            boundary: attribute("boundary"),
            charset: attribute("charset"),
            method: attribute("method"),
            // As it is written: mail-parser decodes encoded words (RFC 2047), other readers do not.
            encoding: encoding.map(|header| written_encoding(header, &block)),
            attachment: disposed.is_some_and(ContentType::is_attachment),
            taken_for_other,
            clear,
        })
    }
}

/// Whether the lines are header fields as they should be; a fault if one is no field at all, for some readers take it
/// for the first of the text.
fn lines_are_fields(block: &[u8]) -> Result<bool, Fault> {
    let mut clear = true;
    for (number, line) in block.split_inclusive(|b| *b == b'\n').enumerate() {
        // A carriage return alone ends the line for some readers.
        clear &= !line.strip_suffix(b"\r\n").unwrap_or(line).contains(&b'\r');
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            // Some readers take a line of white space for the end of the fields.
            clear &= !line.trim_ascii().is_empty();
            if number == 0 {
                return Err(Fault::Header);
            }
            continue;
        }
        let colon = line.iter().position(|b| *b == b':').ok_or(Fault::Header)?;
        let name = line.get(..colon).unwrap_or_default();
        if name.is_empty() || !name.iter().all(|b| matches!(b, b'!'..=b'~')) {
            return Err(Fault::Header);
        }
    }
    Ok(clear)
}

/// The only header field with this name.
fn one<'h, 'x>(headers: &'h [Header<'x>], name: &HeaderName<'_>) -> Result<Option<&'h Header<'x>>, Fault> {
    let mut found = headers.iter().filter(|header| header.name == *name);
    let first = found.next();
    if found.next().is_some() { Err(Fault::Repeated) } else { Ok(first) }
}

fn default_kind(digest: bool) -> String {
    if digest { "message/rfc822".to_owned() } else { "text/plain".to_owned() }
}

/// The value of a field as it stands.
fn raw<'b>(header: &Header<'_>, block: &'b [u8]) -> Option<&'b str> {
    let range = header.offset_start as usize..header.offset_end as usize;
    block.get(range).and_then(|value| std::str::from_utf8(value).ok())
}

/// The name of a transfer encoding, `?` where none stands.
fn written_encoding(header: &Header<'_>, block: &[u8]) -> String {
    let name = raw(header, block).map(str::trim).filter(|name| !name.is_empty());
    name.unwrap_or("?").to_ascii_lowercase()
}

/// vCalendar 1.0, names without a standard, and TNEF.
fn is_type_of_other(kind: &str) -> bool {
    let subtype = kind.split('/').next_back().unwrap_or_default();
    let is_calendar = matches!(kind, "text/calendar" | "application/ics");
    !is_calendar
        && (matches!(subtype, "ics" | "x-ics")
            || ["calendar", "tnef"].iter().any(|word| subtype.contains(word)))
}

/// Whether a file name among the parameters, in any of its forms (RFC 2047, RFC 2231), is one of [`NAMES_OF_OTHERS`].
fn has_name_of_other(written: &ContentType<'_>) -> bool {
    let parameters = written.attributes().unwrap_or_default();
    parameters.iter().filter(|parameter| parameter.name.contains("name")).any(|parameter| {
        let name = display::decode(&parameter.value).trim().to_ascii_lowercase();
        NAMES_OF_OTHERS.iter().any(|end| name.ends_with(end))
    })
}

fn kind(written: &ContentType<'_>) -> String {
    format!("{}/{}", written.ctype(), written.subtype().unwrap_or_default()).to_ascii_lowercase()
}

/// Whether a field is written plainly, and means what mail-parser made of it.
fn agrees(header: Option<&Header<'_>>, block: &[u8]) -> bool {
    let Some(header) = header else { return true };
    let Some(read) = header.value.as_content_type() else { return false };
    let Some((main, parameters)) = raw(header, block).and_then(plain) else { return false };
    let same_type = main == read.subtype().map_or_else(|| read.ctype().to_owned(), |_| kind(read));
    same_type
        && ["boundary", "charset", "method"].iter().all(|name| {
            let mut own =
                parameters.iter().filter(|(attribute, _)| attribute.split('*').next() == Some(name));
            let value = own.next().map(|(attribute, value)| (attribute.as_str(), value.as_str()));
            own.next().is_none() && value == read.attribute(name).map(|value| (*name, value))
        })
}

/// A value and its parameters in the form of RFC 2045 section 5.1, without comments, escapes and repetitions.
fn plain(value: &str) -> Option<(String, Vec<(String, String)>)> {
    let value = value.replace(['\r', '\n'], "");
    let (main, mut rest) = value.split_once(';').unwrap_or((&value, ""));
    let main = main.trim();
    if main.is_empty() || !main.chars().all(|c| c == '/' || is_token(c)) {
        return None;
    }
    let mut parameters: Vec<(String, String)> = Vec::new();
    while !rest.trim().is_empty() {
        let (attribute, from) = rest.split_once('=')?;
        let attribute = attribute.trim().to_ascii_lowercase();
        let (value, behind) = parameter_value(from)?;
        let known = parameters.iter().any(|(other, _)| *other == attribute);
        if known || attribute.is_empty() || !attribute.chars().all(is_token) {
            return None;
        }
        parameters.push((attribute, value.to_owned()));
        rest = behind;
    }
    Some((main.to_ascii_lowercase(), parameters))
}

/// A token or quoted string, and what stands behind the semicolon that follows it.
fn parameter_value(text: &str) -> Option<(&str, &str)> {
    let (value, behind) = if let Some(quoted) = text.trim_start().strip_prefix('"') {
        quoted.split_once('"').filter(|(value, _)| !value.contains('\\'))?
    } else {
        let end = text.find(';').unwrap_or(text.len());
        let (value, behind) = text.split_at(end);
        // `=`, `?`, `:` and `/` must be quoted, often are not, and mislead nobody.
        let fits = |c| is_token(c) || matches!(c, '=' | '?' | ':' | '/');
        (Some(value.trim()).filter(|value| !value.is_empty() && value.chars().all(fits))?, behind)
    };
    let behind = behind.trim_start();
    if behind.is_empty() { Some((value, "")) } else { behind.strip_prefix(';').map(|rest| (value, rest)) }
}

/// RFC 2045 section 5.1 `token`.
fn is_token(c: char) -> bool {
    c.is_ascii_graphic() && !r#"()<>@,;:\"/[]?="#.contains(c)
}
