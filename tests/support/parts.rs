//! The parts of a message, split and decoded as RFC 2045 and RFC 2046 say, by nobody's code but this: what it finds is
//! held against what the program found.

use super::text::escape;

/// A stretch of a message. Put together again, the pieces are the message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Piece {
    /// What nobody may change: headers, delimiters, everything that is no calendar.
    Fixed(Vec<u8>),
    /// The body of a part that is a calendar.
    Calendar(Calendar),
}

/// The body of a calendar part.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Calendar {
    pub(crate) body: Vec<u8>,
    encoding: String,
    charset: String,
}

/// Splits a message. What stands in `message/*`, or is signed or encrypted, is not looked into.
pub(crate) fn pieces(message: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    entity(message, &mut pieces);
    assert_eq!(pieces.iter().map(Piece::bytes).collect::<Vec<_>>().concat(), message);
    pieces
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Fixed(bytes) => bytes,
            Self::Calendar(calendar) => &calendar.body,
        }
    }
}

/// RFC 2045 section 3: a header, an empty line, a body.
fn entity(entity: &[u8], pieces: &mut Vec<Piece>) {
    let header = if entity.starts_with(b"\r\n") {
        2
    } else {
        find(entity, b"\r\n\r\n").map_or(entity.len(), |end| end + 4)
    };
    let (header, body) = entity.split_at(header);
    pieces.push(Piece::Fixed(header.to_vec()));
    let kind = field(header, "Content-Type");
    match kind.split([';', ' ']).next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "multipart/signed" | "multipart/encrypted" => pieces.push(Piece::Fixed(body.to_vec())),
        multipart if multipart.starts_with("multipart/") => {
            parts(body, &parameter(&kind, "boundary"), pieces);
        }
        "text/calendar" | "application/ics" => pieces.push(Piece::Calendar(Calendar {
            body: body.to_vec(),
            encoding: field(header, "Content-Transfer-Encoding").to_ascii_lowercase(),
            charset: parameter(&kind, "charset").to_ascii_lowercase(),
        })),
        _ => pieces.push(Piece::Fixed(body.to_vec())),
    }
}

/// RFC 2046 section 5.1.1: parts between delimiter lines; the line end before a delimiter belongs to it.
fn parts(body: &[u8], boundary: &str, pieces: &mut Vec<Piece>) {
    let delimiter = format!("--{boundary}");
    let (mut start, mut at, mut inside) = (0, 0, false);
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        let is_last = text.trim_end() == format!("{delimiter}--");
        if text.trim_end() == delimiter || is_last {
            let end = if at > start { at - 2 } else { at };
            match inside {
                true => entity(&body[start..end], pieces),
                false => pieces.push(Piece::Fixed(body[start..end].to_vec())),
            }
            pieces.push(Piece::Fixed(body[end..at + line.len()].to_vec()));
            (start, inside) = (at + line.len(), !is_last);
        }
        at += line.len();
        if is_last {
            break;
        }
    }
    match inside {
        true => entity(&body[start..], pieces),
        false => pieces.push(Piece::Fixed(body[start..].to_vec())),
    }
}

/// The body of the first field with this name, unfolded, without comments; empty if there is none.
fn field(header: &[u8], name: &str) -> String {
    let text = String::from_utf8_lossy(header).replace("\r\n ", " ").replace("\r\n\t", " ");
    let named = text.lines().filter_map(|line| line.split_once(':'));
    let mut bodies = named.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, body)| body.trim());
    let body = bodies.next().unwrap_or_default();
    match (body.find(" ("), body.find(')')) {
        (Some(start), Some(end)) if !body.contains('"') => [&body[..start], &body[end + 1..]].concat(),
        _ => body.to_owned(),
    }
}

fn parameter(body: &str, name: &str) -> String {
    let of = |parameter: &str| {
        let (found, value) = parameter.trim().split_once('=')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim_matches('"').to_owned())
    };
    body.split(';').find_map(of).unwrap_or_default()
}

impl Calendar {
    /// The calendar itself. An encoding that is not as RFC 2045 section 6 says fails the test.
    pub(crate) fn decoded(&self) -> Vec<u8> {
        match self.encoding.as_str() {
            "base64" => decoded_base64(&self.body),
            "quoted-printable" => decoded_quoted_printable(&self.body),
            _ => self.body.clone(),
        }
    }

    /// As text. Where a fold stands within a character (RFC 5545 section 3.1 allows it), without folds.
    pub(crate) fn text(&self) -> String {
        let bytes = self.decoded();
        match self.charset.as_str() {
            "iso-8859-1" => bytes.iter().map(|byte| char::from(*byte)).collect(),
            "utf-16le" => {
                let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
                char::decode_utf16(units).collect::<Result<_, _>>().unwrap()
            }
            _ => String::from_utf8(bytes)
                .unwrap_or_else(|error| String::from_utf8(unfolded(error.as_bytes())).unwrap()),
        }
    }

    pub(crate) fn is_base64(&self) -> bool {
        self.encoding == "base64"
    }

    /// How many octets a stretch of its body stands for; one that is cut off at either end may count for nothing.
    pub(crate) fn holds(&self, stretch: &[u8]) -> usize {
        match self.encoding.as_str() {
            "base64" => stretch.iter().filter(|octet| !octet.is_ascii_whitespace()).count() * 3 / 4,
            "quoted-printable" => {
                let soft = stretch.windows(3).filter(|octets| *octets == b"=\r\n").count();
                let octets = stretch.iter().filter(|octet| **octet == b'=').count() - soft;
                (stretch.len() - 3 * soft).saturating_sub(2 * octets)
            }
            _ => stretch.len(),
        }
    }

    /// What stands in it, in octets of which LF is a line end: UTF-16 as UTF-8.
    pub(crate) fn octets(&self) -> Vec<u8> {
        if self.charset == "utf-16le" { self.text().into_bytes() } else { self.decoded() }
    }

    /// Whether it is UTF-8, as calendars are by default (RFC 5545 section 3.1.4).
    pub(crate) fn is_utf8(&self) -> bool {
        !matches!(self.charset.as_str(), "iso-8859-1" | "utf-16le")
    }

    /// Its encoded lines without their ends.
    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.body.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// What RFC 2045 section 6 forbids of these lines; not of those that the client wrote so itself.
    pub(crate) fn fault_of_encoding(&self, sent: &Self) -> Option<String> {
        let limit = match self.encoding.as_str() {
            // Sections 6.7 and 6.8.
            "base64" | "quoted-printable" => 76,
            // RFC 5321 section 4.5.3.1.6.
            _ => 998,
        };
        let longest = sent.lines().map(<[u8]>::len).max().unwrap_or(0);
        let longest = if longest > limit { longest.max(998) } else { limit };
        let mut lines = self.lines();
        if let Some(long) = lines.find(|line| line.len() > longest) {
            return Some(format!("{} octets in an encoded line: {}", long.len(), escape(long)));
        }
        let bare = |body: &[u8]| {
            body.iter().enumerate().any(|(at, b)| *b == b'\n' && (at == 0 || body[at - 1] != b'\r'))
        };
        bare(&self.body).then(|| "a line of the part ends without CR".to_owned())
    }
}

fn decoded_base64(body: &[u8]) -> Vec<u8> {
    use base64::Engine;
    let text: Vec<_> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let decoded = base64::engine::general_purpose::STANDARD.decode(&text);
    decoded.unwrap_or_else(|error| panic!("no base64: {error}: {}", escape(body)))
}

fn decoded_quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = body;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, tail) {
            (b'=', [b'\r', b'\n', ..]) => rest = &tail[2..],
            (b'=', [high, low, ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).unwrap_or_default();
                let value = u8::from_str_radix(digits, 16);
                decoded.push(value.unwrap_or_else(|_| panic!("={digits}: {}", escape(body))));
                rest = &tail[2..];
            }
            (b'=', _) => panic!("ends in the middle of an octet: {}", escape(body)),
            _ => decoded.push(*byte),
        }
    }
    decoded
}

/// Writes a body in an encoding, with so many octets in a line where that can be chosen.
pub(crate) fn encoded(body: &[u8], encoding: &str, width: usize) -> Vec<u8> {
    match encoding.to_ascii_lowercase().as_str() {
        "base64" => encoded_base64(body, width),
        "quoted-printable" => encoded_quoted_printable(body, width),
        _ => body.to_vec(),
    }
}

fn encoded_base64(body: &[u8], width: usize) -> Vec<u8> {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(body);
    let lines: Vec<_> = text.as_bytes().chunks(width).collect();
    lines.join(&b"\r\n"[..])
}

/// With lower-case digits for what is not ASCII, as some programs write them. LF without CR is no line end.
fn encoded_quoted_printable(body: &[u8], width: usize) -> Vec<u8> {
    let mut encoded = Vec::new();
    let mut column = 0;
    for (at, byte) in body.iter().enumerate() {
        if *byte == b'\r' && body.get(at + 1) == Some(&b'\n') {
            continue;
        }
        if *byte == b'\n' && at > 0 && body[at - 1] == b'\r' {
            encoded.extend_from_slice(b"\r\n");
            column = 0;
            continue;
        }
        let at_end = body.get(at + 1).is_none_or(|next| *next == b'\r');
        let token = match byte {
            b'=' => b"=3D".to_vec(),
            b' ' | b'\t' if at_end => format!("={byte:02X}").into_bytes(),
            b' '..=b'~' | b'\t' => vec![*byte],
            _ => format!("={byte:02x}").into_bytes(),
        };
        // RFC 2045 section 6.7 (5): the equal sign at the end counts.
        if column + token.len() >= width {
            encoded.extend_from_slice(b"=\r\n");
            column = 0;
        }
        column += token.len();
        encoded.extend_from_slice(&token);
    }
    encoded
}

/// Without folds (RFC 5545 section 3.1).
pub(crate) fn unfolded(calendar: &[u8]) -> Vec<u8> {
    let mut text: Vec<u8> = Vec::new();
    for line in calendar.split_inclusive(|byte| *byte == b'\n') {
        let folded = line.starts_with(b" ") || line.starts_with(b"\t");
        if folded {
            let end = text.strip_suffix(b"\n").unwrap_or(&text);
            let end = end.strip_suffix(b"\r").unwrap_or(end).len();
            text.truncate(end);
        }
        text.extend_from_slice(&line[usize::from(folded)..]);
    }
    text
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
