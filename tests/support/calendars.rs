//! What became of a calendar on its way. Two judges: calcard, which says what a calendar program reads, and a comparison
//! of content lines, byte for byte.

use calcard::icalendar::{
    ICalendar, ICalendarComponentType, ICalendarEntry, ICalendarParameterName, ICalendarParameterValue,
    ICalendarValue, Uri,
};
use calcard::{Entry, Parser};

use super::parts::{Calendar, Piece, pieces, unfolded};
use super::text::escape;

/// What differs between a message as it was sent and as it was delivered but for SENT-BY, or is not lawful in it.
/// Neither has a header that may change.
pub(crate) fn fault_of(sent: &[u8], delivered: &[u8]) -> Option<String> {
    let (sent, delivered) = (pieces(sent), pieces(delivered));
    if sent.len() != delivered.len() {
        return Some(format!("{} pieces became {}", sent.len(), delivered.len()));
    }
    sent.iter().zip(&delivered).find_map(|(sent, delivered)| match (sent, delivered) {
        (Piece::Calendar(sent), Piece::Calendar(delivered)) => fault_of_calendar(sent, delivered),
        _ => (sent != delivered).then(|| format!("not to be changed: {sent:?}\n    became {delivered:?}")),
    })
}

/// Every SENT-BY in the calendars of a message, as calcard reads them: `ORGANIZER bea by carl`, joined by commas within
/// one part and by slashes between parts, `2 x` if two parts have the same; `-` for a part without any.
pub(crate) fn marks(message: &[u8]) -> String {
    let mut parts = Vec::new();
    for piece in pieces(message) {
        if let Piece::Calendar(calendar) = piece {
            let marks: Vec<_> = objects(&calendar.text()).iter().flat_map(marks_of).collect();
            parts.push(if marks.is_empty() { "-".to_owned() } else { marks.join(", ") });
        }
    }
    match parts.as_slice() {
        [] => "no calendar".to_owned(),
        [first, second] if first == second => format!("2 x {first}"),
        _ => parts.join(" / "),
    }
}

// ------------------------------------------------------------------------------------------------ calcard

/// The iCalendar objects of a text; anything else in it fails the test.
fn objects(text: &str) -> Vec<ICalendar> {
    let mut parser = Parser::new(text);
    let mut objects = Vec::new();
    loop {
        let entry = parser.entry();
        if entry == Entry::Eof {
            return objects;
        }
        let Entry::ICalendar(object) = entry else {
            panic!(
                "calcard finds {entry:?} in
{text}"
            )
        };
        objects.push(object);
    }
}

fn marks_of(object: &ICalendar) -> Vec<String> {
    let mut marks = Vec::new();
    for component in &object.components {
        let of_event = component.component_type == ICalendarComponentType::VEvent;
        let within = if of_event { "" } else { &format!("{} ", component.component_type.as_str()) };
        for entry in &component.entries {
            let by = entry.params.iter().filter(|p| p.name == ICalendarParameterName::SentBy);
            let whose = format!("{within}{} {}", entry.name.as_str(), value(entry));
            marks.extend(by.map(|parameter| format!("{whose} by {}", uri(&parameter.value))));
        }
    }
    marks
}

fn uri(value: &ICalendarParameterValue) -> String {
    let ICalendarParameterValue::Uri(Uri::Location(uri)) = value else { return format!("{value:?}") };
    short(uri)
}

fn value(entry: &ICalendarEntry) -> String {
    let [ICalendarValue::Uri(Uri::Location(uri))] = entry.values.as_slice() else {
        return format!("{:?}", entry.values);
    };
    short(uri)
}

/// A calendar address: of the company's own domain the local part alone.
fn short(uri: &str) -> String {
    let mailto = uri.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("mailto:"));
    let address = if mailto { &uri[7..] } else { return format!("<{uri}>") };
    address.strip_suffix("@example.org").unwrap_or(address).to_owned()
}

fn without_sent_by(mut object: ICalendar) -> ICalendar {
    for entry in object.components.iter_mut().flat_map(|component| &mut component.entries) {
        entry.params.retain(|parameter| parameter.name != ICalendarParameterName::SentBy);
    }
    object
}

// ------------------------------------------------------------------------------------------ byte for byte

fn fault_of_calendar(sent: &Calendar, delivered: &Calendar) -> Option<String> {
    let (before, after) = (sent.octets(), delivered.octets());
    let (old, new) = (content_lines(&before), content_lines(&after));
    if old.len() != new.len() {
        return Some(format!("{} content lines became {}:\n{}", old.len(), new.len(), escape(&after)));
    }
    if old == new {
        return (sent != delivered).then(|| "nothing changed, but it was encoded anew".to_owned());
    }
    let utf8 = delivered.is_utf8();
    let fault = |(old, new): (&&[u8], &&[u8])| {
        let fault = fault_of_line(old, new, utf8)?;
        Some(format!("{fault}:\n    {}\n    {}", escape(old), escape(new)))
    };
    let mut faults = old.iter().zip(&new).filter(|(old, new)| old != new).filter_map(fault);
    faults
        .next()
        .or_else(|| delivered.fault_of_encoding(sent))
        .or_else(|| fault_around(sent, delivered, unchanged(&old, &new)))
        .or_else(|| fault_to_calcard(sent, delivered))
}

/// How many octets of a calendar stand before the first content line that changed, and behind the last one.
fn unchanged(old: &[&[u8]], new: &[&[u8]]) -> (usize, usize) {
    let octets = |lines: &[&[u8]]| lines.iter().map(|line| line.len()).sum();
    let same = |(old, new): &(&&[u8], &&[u8])| old == new;
    let before = old.iter().zip(new).take_while(same).count();
    let behind = old.iter().rev().zip(new.iter().rev()).take_while(same).count();
    (octets(&new[..before]), octets(&new[new.len() - behind..]))
}

/// The encoded octets of what stands before and behind it must be the same, but for base64, which runs on. Up to three
/// octets are encoded together.
fn fault_around(sent: &Calendar, delivered: &Calendar, (before, behind): (usize, usize)) -> Option<String> {
    let (old, new) = (&sent.body, &delivered.body);
    let prefix = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let suffix = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    let first = sent.holds(&old[..prefix]) + 3 >= before;
    let last = sent.is_base64() || sent.holds(&old[old.len() - suffix..]) + 3 >= behind;
    (!first || !last).then(|| format!("encoded anew though it did not change: {}", escape(new)))
}

/// The same to calcard, too, but for SENT-BY. What it cannot read right is left out: an address that is not quoted.
fn fault_to_calcard(sent: &Calendar, delivered: &Calendar) -> Option<String> {
    let read =
        |calendar: &Calendar| objects(&calendar.text()).into_iter().map(without_sent_by).collect::<Vec<_>>();
    let bare = sent.text().contains("SENT-BY=mailto");
    (!bare && read(sent) != read(delivered)).then(|| "calcard reads more that differs".to_owned())
}

/// The content lines of a calendar with their folds and line ends (RFC 5545 section 3.1).
fn content_lines(calendar: &[u8]) -> Vec<&[u8]> {
    let mut ends = Vec::new();
    let mut at = 0;
    for line in calendar.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            ends.pop();
        }
        at += line.len();
        ends.push(at);
    }
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(&ends).map(|(start, end)| &calendar[start..*end]).collect()
}

/// What is wrong about a content line that is not as it was.
fn fault_of_line(old: &[u8], new: &[u8], utf8: bool) -> Option<&'static str> {
    let (before, after) = (Line::parse(old), Line::parse(new));
    if before.without_sent_by() != after.without_sent_by() {
        return Some("more than SENT-BY changed");
    }
    if before.sent_by() == after.sent_by() {
        return Some("written anew though nothing had to change");
    }
    let by = after.sent_by();
    if by.len() > 1 || !by.iter().all(|by| by.starts_with(b"\"mailto:") && by.ends_with(b"\"")) {
        return Some("SENT-BY must be there once, and quoted (RFC 5545 section 3.2.18)");
    }
    let ends = |line: &[u8]| line.ends_with(b"\r\n");
    if new.split_inclusive(|byte| *byte == b'\n').any(|line| ends(line) != ends(old)) {
        return Some("its lines end in another way");
    }
    let lines = || new.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    if lines().any(|line| line.len() > 75) {
        return Some("longer than 75 octets (RFC 5545 section 3.1)");
    }
    (utf8 && lines().any(|line| std::str::from_utf8(line).is_err())).then_some("folded within a character")
}

/// A content line, unfolded: `name *(";" param) ":" value`.
#[derive(Debug)]
struct Line {
    name: Vec<u8>,
    /// As written, with what stands between semicolons.
    parameters: Vec<Vec<u8>>,
    value: Vec<u8>,
}

impl Line {
    fn parse(line: &[u8]) -> Self {
        let text = unfolded(line);
        let text = text.trim_ascii_end();
        let mut cells = vec![vec![]];
        let (mut quoted, mut at) = (false, 0);
        while let Some(byte) = text.get(at) {
            quoted ^= *byte == b'"';
            // An address that should be quoted and is not: its first colon ends no parameter.
            let bare =
                *byte == b':' && cells.last().is_some_and(|c| c.eq_ignore_ascii_case(b"SENT-BY=mailto"));
            match byte {
                b';' if !quoted => cells.push(vec![]),
                b':' if !quoted && !bare => break,
                _ => cells.last_mut().expect("never empty").push(*byte),
            }
            at += 1;
        }
        let value = text[at..].to_vec();
        Self { name: cells.remove(0), parameters: cells, value }
    }

    fn is_sent_by(parameter: &[u8]) -> bool {
        parameter.get(..8).is_some_and(|name| name.eq_ignore_ascii_case(b"SENT-BY="))
    }

    fn without_sent_by(&self) -> (&[u8], Vec<&Vec<u8>>, &[u8]) {
        let others = self.parameters.iter().filter(|parameter| !Self::is_sent_by(parameter)).collect();
        (&self.name, others, &self.value)
    }

    fn sent_by(&self) -> Vec<&[u8]> {
        self.parameters.iter().filter(|p| Self::is_sent_by(p)).map(|parameter| &parameter[8..]).collect()
    }
}
