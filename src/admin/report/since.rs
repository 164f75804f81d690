//! `--since WHEN`: a date, a date with a time, or how long ago.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

/// Reads when; none if it is nothing of the kind. Without an offset it is in the zone of `now`, and a date is its
/// beginning.
pub(super) fn read(text: &str, now: &Zoned) -> Option<Timestamp> {
    let text = text.trim();
    span(text, now)
        .or_else(|| text.parse::<Timestamp>().ok())
        .or_else(|| text.parse::<Zoned>().ok().map(|at| at.timestamp()))
        // A zone that is not known would be passed over.
        .or_else(|| zoned(text.parse::<DateTime>().ok().filter(|_| !text.contains('['))?, now.time_zone()))
        .or_else(|| zoned(text.parse::<Date>().ok().filter(|_| !text.contains('['))?.into(), now.time_zone()))
}

fn zoned(date: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    Some(zone.to_zoned(date).ok()?.timestamp())
}

/// `90m`, `24h`, `7d`, `2w`: a day is one of the calendar, whatever its hours.
fn span(text: &str, now: &Zoned) -> Option<Timestamp> {
    let unit = text.chars().next_back()?;
    let count: i64 = text.strip_suffix(unit)?.parse().ok().filter(|count| (0..=1_000_000).contains(count))?;
    let span = match unit {
        's' => count.seconds(),
        'm' => count.minutes(),
        'h' => count.hours(),
        'd' => i32::try_from(count).ok().filter(|days| *days < 100_000)?.days(),
        'w' => i32::try_from(count).ok().filter(|weeks| *weeks < 10_000)?.weeks(),
        _ => return None,
    };
    Some(now.checked_sub(span).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_times_and_spans() {
        let now: Zoned = "2026-11-22T17:00:00[Europe/Berlin]".parse().unwrap();
        for (text, expected) in [
            ("2026-11-01", Some("2026-10-31T23:00:00Z")),
            ("2026-07-01", Some("2026-06-30T22:00:00Z")),
            ("2026-11-01 08:30", Some("2026-11-01T07:30:00Z")),
            ("2026-11-01T08:30:15", Some("2026-11-01T07:30:15Z")),
            ("2026-11-01T08:30:15Z", Some("2026-11-01T08:30:15Z")),
            ("2026-11-01T08:30[America/New_York]", Some("2026-11-01T13:30:00Z")),
            ("2026-11-01T08:30[Nowhere/Land]", None),
            ("2026-11-01[Nowhere/Land]", None),
            ("2026-11-01T08:30:15.5+05:30", Some("2026-11-01T03:00:15.5Z")),
            ("24h", Some("2026-11-21T16:00:00Z")),
            ("7d", Some("2026-11-15T16:00:00Z")),
            ("2w", Some("2026-11-08T16:00:00Z")),
            ("30d", Some("2026-10-23T15:00:00Z")),
            ("90m", Some("2026-11-22T14:30:00Z")),
            ("0s", Some("2026-11-22T16:00:00Z")),
            ("", None),
            ("d", None),
            ("-1d", None),
            ("7x", None),
            ("7 days", None),
            ("999999w", None),
            ("99999999999999999999h", None),
            ("yesterday", None),
            ("2026-13-01", None),
        ] {
            let expected = expected.map(|at| at.parse::<Timestamp>().unwrap());
            assert_eq!(read(text, &now), expected, "{text}");
        }
    }
}
