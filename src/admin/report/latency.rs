//! How long messages took: counted in classes that grow with the time, so that any number of messages takes the same
//! memory, and each class is narrower than a hundredth of its time.

/// Each doubling of the time has this many classes (a power of two).
const CLASSES: u64 = 128;
/// The longest time that is told from a longer one, in microseconds: over an hour.
const LONGEST: u64 = (1 << 32) - 1;
const COUNT: usize = 128 * 27;

/// Counts of times.
pub(super) struct Latency {
    counts: Vec<u64>,
    pub(super) count: u64,
    longest: u64,
}

impl Default for Latency {
    fn default() -> Self {
        Self { counts: vec![0; COUNT], count: 0, longest: 0 }
    }
}

impl Latency {
    /// Adds a time in milliseconds.
    pub(super) fn add(&mut self, ms: f64) {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it saturates, and is no negative number"
        )]
        let us = ((ms * 1e3).round() as u64).min(LONGEST);
        if let Some(count) = self.counts.get_mut(class(us)) {
            *count += 1;
            self.count += 1;
            self.longest = self.longest.max(us);
        }
    }

    /// The time in milliseconds within which this share of the messages was done, from 0 to 1; none without messages.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a count"
        )]
        let rank = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let class = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(milliseconds(most(class).min(self.longest)))
    }

    pub(super) fn longest(&self) -> Option<f64> {
        (self.count > 0).then(|| milliseconds(self.longest))
    }

    /// Counts in classes that double: `(from, to, count)` in milliseconds, from the first to the last that has any.
    pub(super) fn doublings(&self) -> Vec<(f64, f64, u64)> {
        let mut doublings: Vec<(f64, f64, u64)> = Vec::new();
        for (class, count) in self.counts.iter().enumerate() {
            // Below a sixteenth of a millisecond there is nothing to tell apart.
            let to = (most(class) + 1).next_power_of_two().max(64);
            match doublings.last_mut().filter(|(_, last, _)| *last == milliseconds(to)) {
                Some((_, _, sum)) => *sum += count,
                None => doublings.push((
                    if to == 64 { 0.0 } else { milliseconds(to / 2) },
                    milliseconds(to),
                    *count,
                )),
            }
        }
        let first = doublings.iter().position(|(_, _, count)| *count > 0).unwrap_or_default();
        let last = doublings.iter().rposition(|(_, _, count)| *count > 0).map_or(0, |last| last + 1);
        doublings.into_iter().take(last).skip(first).collect()
    }
}

#[allow(clippy::cast_precision_loss, reason = "at most an hour")]
fn milliseconds(us: u64) -> f64 {
    us as f64 / 1e3
}

/// The class of a time in microseconds: those below `CLASSES` have their own; of the others count the highest eight
/// bits, and how many follow.
fn class(us: u64) -> usize {
    let shift = (us / CLASSES).checked_ilog2().map_or(0, |log| log + 1);
    let class = if shift == 0 { us } else { CLASSES * u64::from(shift) + (us >> (shift - 1)) - CLASSES };
    usize::try_from(class).unwrap_or(usize::MAX)
}

/// The longest time of a class, in microseconds.
fn most(class: usize) -> u64 {
    let class = class as u64;
    let shift = class / CLASSES;
    if shift == 0 { class } else { ((class % CLASSES + CLASSES + 1) << (shift - 1)) - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_narrow_and_without_gaps() {
        let mut last = None;
        for us in (0..100_000).chain([1 << 20, LONGEST - 1, LONGEST]) {
            let class = class(us);
            assert!(class < COUNT, "{us}");
            assert!(most(class) >= us && most(class) - us <= us / 128, "{us} {class} {}", most(class));
            assert!(last.is_none_or(|last| class >= last), "{us}");
            last = Some(class);
        }
    }

    #[test]
    fn quantiles() {
        let mut latency = Latency::default();
        assert_eq!((latency.quantile(0.5), latency.longest()), (None, None));
        assert!(latency.doublings().is_empty());
        for us in 1..=1000 {
            latency.add(f64::from(us) / 1e3);
        }
        for (share, expected) in [(0.0, 0.001), (0.5, 0.5), (0.99, 0.99), (1.0, 1.0)] {
            let found = latency.quantile(share).unwrap();
            assert!((found - expected).abs() <= expected / 100.0, "{share}: {found}");
        }
        assert_eq!(latency.longest(), Some(1.0));
        let sum: u64 = latency.doublings().iter().map(|(_, _, count)| count).sum();
        assert_eq!(sum, 1000);
        assert_eq!(
            latency.doublings().first().map(|(from, to, count)| (*from, *to, *count)),
            Some((0.0, 0.064, 63))
        );
        latency.add(f64::MAX);
        assert_eq!(latency.quantile(1.0), Some(4_294_967.295));
    }
}
