//! How long things took, as Prometheus counts it: how many took no longer than each of a few bounds.

use std::iter::zip;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The upper bounds: a message from memory takes some 30 µs, a search some 300 µs, and a directory that is away some
/// seconds.
const BOUNDS: [Duration; 18] = [
    Duration::from_micros(25),
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// How many took how long.
#[derive(Debug, Default)]
pub struct Histogram {
    within: [AtomicU64; BOUNDS.len()],
    longer: AtomicU64,
    /// In nanoseconds: enough for 584 years.
    sum: AtomicU64,
}

/// A histogram as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// A bound in seconds, and how many took no longer.
    pub buckets: Vec<(f64, u64)>,
    /// How many there are.
    pub count: u64,
    /// How long all took together, in seconds.
    pub sum: f64,
}

impl Histogram {
    /// One more, which took so long.
    pub fn observe(&self, took: Duration) {
        let bucket = zip(&BOUNDS, &self.within).find(|(bound, _)| took <= **bound);
        bucket.map_or(&self.longer, |(_, within)| within).fetch_add(1, Relaxed);
        self.sum.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// What was observed so far. The count is that of the buckets, whatever is counted meanwhile.
    pub fn shown(&self) -> Shown {
        let mut count = 0;
        let mut buckets = Vec::with_capacity(BOUNDS.len());
        for (bound, within) in zip(&BOUNDS, &self.within) {
            count += within.load(Relaxed);
            buckets.push((bound.as_secs_f64(), count));
        }
        count += self.longer.load(Relaxed);
        Shown { buckets, count, sum: Duration::from_nanos(self.sum.load(Relaxed)).as_secs_f64() }
    }
}
