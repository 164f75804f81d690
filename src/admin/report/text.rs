//! Lines of text: as the format "text" writes them to standard error, the same behind what syslogd(8) or journalctl(1)
//! put in front, and the gist of an entry of the journal (`MESSAGE`).

use std::borrow::Cow;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::line::{Damage, Fields, Line};

/// Under which name syslogd and the journal have us.
pub(super) const TAG: &str = "delegation-milter";
const LEVELS: [&str; 5] = ["INFO", "WARN", "ERROR", "DEBUG", "TRACE"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Reads a line of text.
pub(super) fn read(line: &str) -> Line<'_> {
    if let Some((at, event)) = headed(line) {
        return event_of(event, Some(at));
    }
    match prefix(line) {
        Some((at, true, body)) => within(body, || at.when()),
        Some((_, false, _)) => Line::Foreign,
        // The rest of a line of ours whose beginning is lost.
        None if line.contains(" verdict=\"") => Line::Damaged(Damage::Torn),
        None => Line::Foreign,
    }
}

/// What another logger got from us, and when, if the text itself does not say: text or JSON of ours, or the gist.
pub(super) fn within<'a>(body: &'a str, at: impl FnOnce() -> Option<Timestamp>) -> Line<'a> {
    let body = body.trim_ascii();
    if body.starts_with('{') {
        return super::json::read(body);
    }
    match headed(body) {
        Some((at, event)) => event_of(event, Some(at)),
        None => event_of(body, at()),
    }
}

/// The time and what follows the level, as the format "text" writes them.
fn headed(line: &str) -> Option<(Timestamp, &str)> {
    let (time, rest) = line.split_once(' ')?;
    let rest = rest.trim_start();
    let level = LEVELS.iter().find(|level| rest.starts_with(**level))?;
    let event = rest.strip_prefix(level)?.strip_prefix(' ')?;
    Some((time.parse().ok()?, event))
}

/// An event of ours. One that says something in words is not about a message.
fn event_of(event: &str, at: Option<Timestamp>) -> Line<'_> {
    let event = event.trim_ascii_start();
    if !is_pair(event) {
        let torn = event.contains(" verdict=\"") && event.contains("login=\"");
        return if torn { Line::Damaged(Damage::Torn) } else { Line::Other };
    }
    match fields(event) {
        Ok(fields) => Line::of(fields, at),
        Err(damage) => Line::Damaged(damage),
    }
}

/// Whether it begins with `name=`.
fn is_pair(event: &str) -> bool {
    event.split_once('=').is_some_and(|(name, _)| is_name(name))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'_')
}

fn fields(mut rest: &str) -> Result<Fields<'_>, Damage> {
    let mut fields = Fields::default();
    while !rest.is_empty() {
        let (name, value) = rest.split_once('=').filter(|(name, _)| is_name(name)).ok_or(Damage::Torn)?;
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => unquoted(quoted).ok_or(Damage::Torn)?,
            None => bare(value)?,
        };
        fields.set(name, value)?;
        rest = match after.strip_prefix(' ') {
            Some(next) => next.trim_ascii_start(),
            None if after.is_empty() => after,
            None => return Err(Damage::Torn),
        };
    }
    Ok(fields)
}

/// A number or a word, and what follows it.
fn bare(text: &str) -> Result<(Cow<'_, str>, &str), Damage> {
    let (value, after) = text.split_at_checked(text.find(' ').unwrap_or(text.len())).ok_or(Damage::Torn)?;
    if value.is_empty() || value.contains(['"', '=']) { Err(Damage::Torn) } else { Ok((value.into(), after)) }
}

/// The text up to the quote that ends it, and what follows that. Written as [`std::fmt::Debug`] writes a string.
fn unquoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let first = memchr::memchr2(b'"', b'\\', text.as_bytes())?;
    if text.as_bytes().get(first) == Some(&b'"') {
        let (value, after) = text.split_at_checked(first)?;
        return Some((value.into(), after.strip_prefix('"')?));
    }
    let mut value = String::with_capacity(text.len().min(256));
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '"' => return Some((value.into(), chars.as_str())),
            '\\' => value.push(escaped(&mut chars)?),
            c => value.push(c),
        }
    }
}

/// What stands behind a backslash (char::escape_debug).
fn escaped(chars: &mut std::str::Chars<'_>) -> Option<char> {
    match chars.next()? {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        '0' => Some('\0'),
        'u' => {
            let (number, after) = chars.as_str().strip_prefix('{')?.split_once('}')?;
            let c = char::from_u32(u32::from_str_radix(number, 16).ok()?)?;
            *chars = after.chars();
            Some(c)
        }
        c @ ('"' | '\\' | '\'') => Some(c),
        _ => None,
    }
}

/// When a line was written, as another logger has it. Looked at only where ours does not say it.
enum Stamp<'a> {
    /// RFC 3339, or as journalctl(1) writes "short-iso", without a colon in the offset.
    Iso(&'a str),
    /// RFC 3164 section 4.1.2: month, day and time, of which year and zone it does not say.
    Bsd(&'a str, &'a str, &'a str),
}

/// What syslogd and journalctl put in front: time, host, name and process. Whether the name is ours, and what follows.
fn prefix(line: &str) -> Option<(Stamp<'_>, bool, &str)> {
    let (first, rest) = line.split_once(' ')?;
    let (stamp, rest) = if MONTHS.contains(&first) {
        let (day, rest) = rest.trim_ascii_start().split_once(' ')?;
        let (time, rest) = rest.split_once(' ')?;
        (Stamp::Bsd(first, day, time), rest)
    } else {
        first.get(..5).filter(|year| year.ends_with('-'))?;
        (Stamp::Iso(first), rest)
    };
    let (_host, rest) = rest.trim_ascii_start().split_once(' ')?;
    let (tag, body) = rest.split_once(": ").or_else(|| rest.strip_suffix(':').map(|tag| (tag, "")))?;
    let name = tag.split_once('[').map_or(tag, |(name, _)| name);
    Some((stamp, name == TAG, body))
}

impl Stamp<'_> {
    fn when(&self) -> Option<Timestamp> {
        match self {
            Self::Iso(text) => iso(text),
            Self::Bsd(month, day, time) => bsd(month, day, time, &Zoned::now()),
        }
    }
}

fn iso(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| {
        let (time, minutes) = text.split_at_checked(text.len().checked_sub(2)?)?;
        format!("{time}:{minutes}").parse().ok()
    })
}

/// The last such day until now, and tomorrow at most: clocks differ. In the zone of this machine.
fn bsd(month: &str, day: &str, time: &str, now: &Zoned) -> Option<Timestamp> {
    let month = i8::try_from(MONTHS.iter().position(|name| *name == month)?).ok()? + 1;
    let (day, time) = (day.parse().ok()?, time.parse::<Time>().ok()?);
    let latest = now.date().tomorrow().ok()?;
    // The 29th of February is up to eight years ago.
    let mut years = (0..9).filter_map(|back| Date::new(now.year() - back, month, day).ok());
    let date = years.find(|date| *date <= latest)?;
    let at = TimeZone::system().to_zoned(DateTime::from_parts(date, time)).ok()?;
    Some(at.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_without_a_year_is_the_last_one() {
        let now: Zoned = "2026-01-02T10:00:00[UTC]".parse().unwrap();
        let year = |month, day| {
            let at = bsd(month, day, "03:04:05", &now).unwrap();
            at.to_zoned(TimeZone::system()).year()
        };
        for (month, day, expected) in [
            ("Jan", "2", 2026),
            ("Jan", "3", 2026),
            ("Jan", "4", 2025),
            ("Dec", "31", 2025),
            ("Feb", "29", 2024),
        ] {
            assert_eq!(year(month, day), expected, "{month} {day}");
        }
        assert_eq!(bsd("Feb", "30", "03:04:05", &now), None);
    }
}
