//! How many reports a submitter gets: at most [`MAX_REPORTS`] within [`PERIOD`].
//!
//! Whatever makes reports without end (a rule that sends them on, a program that tries again and again), this bounds
//! it. Plain values; the clock is the caller's.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// The most reports that go to one mailbox within [`PERIOD`].
pub const MAX_REPORTS: usize = 20;

/// The time that is looked back.
pub const PERIOD: Duration = Duration::from_secs(3_600);

/// The most mailboxes that are remembered: 20 times each, a few megabytes together. Beyond them nobody new gets a
/// report until the period of one is over.
const MAX_MAILBOXES: usize = 10_000;

/// When reports went to whom.
#[derive(Debug, Default)]
pub struct Limit {
    /// By mailbox, the oldest first.
    sent: HashMap<String, VecDeque<Instant>>,
}

impl Limit {
    /// Takes one of the reports that may still go to `mailbox` (an [`crate::address::Address::key`]); false if there
    /// is none left.
    pub fn take(&mut self, mailbox: &str, now: Instant) -> bool {
        if !self.sent.contains_key(mailbox) && !self.has_room(now) {
            return false;
        }
        let sent = self.sent.entry(mailbox.to_owned()).or_default();
        forget(sent, now);
        let left = sent.len() < MAX_REPORTS;
        if left {
            sent.push_back(now);
        }
        left
    }

    /// Gives back one that was taken at `taken`: it did not go.
    pub fn give_back(&mut self, mailbox: &str, taken: Instant) {
        let Some(sent) = self.sent.get_mut(mailbox) else { return };
        if let Some(index) = sent.iter().position(|time| *time == taken) {
            sent.remove(index);
        }
        if sent.is_empty() {
            self.sent.remove(mailbox);
        }
    }

    /// Whether one more mailbox can be remembered. Those whose time is over are forgotten when it matters.
    fn has_room(&mut self, now: Instant) -> bool {
        if self.sent.len() >= MAX_MAILBOXES {
            self.sent.retain(|_, sent| {
                forget(sent, now);
                !sent.is_empty()
            });
        }
        self.sent.len() < MAX_MAILBOXES
    }
}

/// Forgets what is longer ago than [`PERIOD`].
fn forget(sent: &mut VecDeque<Instant>, now: Instant) {
    while sent.front().is_some_and(|time| now.saturating_duration_since(*time) >= PERIOD) {
        sent.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn twenty_within_the_hour() {
        let (mut limit, start) = (Limit::default(), Instant::now());
        for minute in 0..20 {
            assert!(limit.take("anna@example.org", start + minute * MINUTE), "{minute}");
        }
        for (minute, left) in [(20, false), (59, false), (60, true), (60, false), (61, true), (61, false)] {
            assert_eq!(limit.take("anna@example.org", start + minute * MINUTE), left, "{minute}");
        }
        assert!(limit.take("bea@example.org", start), "each has its own");
    }

    #[test]
    fn what_did_not_go_does_not_count() {
        let (mut limit, now) = (Limit::default(), Instant::now());
        for _ in 0..1000 {
            assert!(limit.take("anna@example.org", now));
            limit.give_back("anna@example.org", now);
        }
        assert!(limit.sent.is_empty());
        limit.give_back("nobody@example.org", now);
    }

    #[test]
    fn memory_is_bounded() {
        let (mut limit, start) = (Limit::default(), Instant::now());
        for number in 0..MAX_MAILBOXES {
            assert!(limit.take(&format!("{number}@example.org"), start));
        }
        assert!(!limit.take("one-more@example.org", start + 59 * MINUTE));
        assert!(limit.take("0@example.org", start + 59 * MINUTE), "who is remembered goes on");
        assert!(limit.take("one-more@example.org", start + PERIOD));
        assert_eq!(limit.sent.len(), 2);
    }
}
