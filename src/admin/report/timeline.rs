//! How many messages of each verdict there were in each hour; of each day, if a log goes over years.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::line::Verdict;

/// So many hours are kept, five years; then days.
const MOST: usize = 24 * 366 * 5;
const HOUR: i64 = 3600;

/// Counts of each verdict, in the order of [`Verdict::ALL`].
pub(super) type Counts = [u64; Verdict::ALL.len()];

/// Counts by the hour of the local clock.
pub(super) struct Timeline {
    pub(super) zone: TimeZone,
    /// By the number of the hour, or of the first hour of a day, since 1970.
    hours: BTreeMap<i64, Counts>,
    /// Hours in the unit that is counted: 1 or 24.
    unit: i64,
    /// The last hour that was asked for, as seconds of our time and as what it is in local time: lines are most often of
    /// the same hour as those before.
    last: Option<(i64, i64)>,
    most: usize,
}

impl Timeline {
    pub(super) fn new(zone: TimeZone) -> Self {
        Self { zone, hours: BTreeMap::new(), unit: 1, last: None, most: MOST }
    }

    pub(super) fn add(&mut self, at: Timestamp, verdict: Verdict) {
        let hour = self.hour(at);
        let counts = self.hours.entry(hour - hour.rem_euclid(self.unit)).or_default();
        add(counts, verdict, 1);
        if self.hours.len() > self.most && self.unit == 1 {
            self.unit = 24;
            self.hours = self.by(24);
        }
        // Hundreds of years: a log that is forged. The days that are furthest back go.
        if self.hours.len() > self.most {
            self.hours.pop_first();
        }
    }

    /// The number of the local hour. Offsets change at full quarters of an hour alone.
    fn hour(&mut self, at: Timestamp) -> i64 {
        let quarter = at.as_second().div_euclid(HOUR / 4);
        match self.last {
            Some((last, hour)) if last == quarter => hour,
            _ => {
                let offset = i64::from(self.zone.to_offset(at).seconds());
                let hour = (at.as_second() + offset).div_euclid(HOUR);
                self.last = Some((quarter, hour));
                hour
            }
        }
    }

    /// Counts in units of so many hours.
    pub(super) fn by(&self, hours: i64) -> BTreeMap<i64, Counts> {
        let mut sums: BTreeMap<i64, Counts> = BTreeMap::new();
        for (hour, counts) in &self.hours {
            let sum = sums.entry(hour - hour.rem_euclid(hours)).or_default();
            sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        sums
    }

    /// The first and the last hour; none without messages.
    pub(super) fn range(&self) -> Option<(i64, i64)> {
        let (first, _) = self.hours.first_key_value()?;
        let (last, _) = self.hours.last_key_value()?;
        Some((*first, *last + self.unit - 1))
    }
}

/// The local time at which an hour begins.
pub(super) fn civil(hour: i64) -> DateTime {
    let at = hour.checked_mul(HOUR).and_then(|seconds| Timestamp::from_second(seconds).ok());
    TimeZone::UTC.to_datetime(at.unwrap_or_default())
}

pub(super) fn add(counts: &mut Counts, verdict: Verdict, more: u64) {
    if let Some(at) = Verdict::ALL.iter().position(|own| *own == verdict)
        && let Some(count) = counts.get_mut(at)
    {
        *count += more;
    }
}

/// Each verdict with its count.
pub(super) fn counted(counts: &Counts) -> impl Iterator<Item = (Verdict, u64)> {
    Verdict::ALL.into_iter().zip(counts.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(zone: &str, most: usize, times: &[&str]) -> Vec<(String, u64)> {
        let mut timeline = Timeline { most, ..Timeline::new(TimeZone::get(zone).unwrap()) };
        times.iter().for_each(|at| timeline.add(at.parse().unwrap(), Verdict::Accept));
        let hours = timeline.hours.iter();
        hours.map(|(hour, counts)| (civil(*hour).to_string(), counts[0])).collect()
    }

    #[test]
    fn hours_are_those_of_the_clock_on_the_wall() {
        let times =
            ["2026-11-22T17:59:59Z", "2026-11-22T18:00:00Z", "2026-11-22T18:29:59Z", "2026-11-22T18:30:00Z"];
        for (zone, expected) in [
            ("UTC", [("2026-11-22T17:00:00", 1), ("2026-11-22T18:00:00", 3)]),
            ("Europe/Berlin", [("2026-11-22T18:00:00", 1), ("2026-11-22T19:00:00", 3)]),
            ("Asia/Kolkata", [("2026-11-22T23:00:00", 3), ("2026-11-23T00:00:00", 1)]),
        ] {
            let expected = expected.map(|(at, count)| (at.to_owned(), count));
            assert_eq!(timeline(zone, 9, &times), expected, "{zone}");
        }
    }

    #[test]
    fn many_hours_become_days_and_days_have_an_end() {
        let times =
            ["2026-11-20T01:00:00Z", "2026-11-20T02:00:00Z", "2026-11-21T03:00:00Z", "2026-11-22T00:00:00Z"];
        let day = |day: &str, count| (format!("2026-11-{day}T00:00:00"), count);
        assert_eq!(timeline("UTC", 2, &times[..3]), [day("20", 2), day("21", 1)]);
        assert_eq!(timeline("UTC", 2, &times), [day("21", 1), day("22", 1)]);
    }
}
