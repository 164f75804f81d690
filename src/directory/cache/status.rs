//! What the cache tells of itself: numbers.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts since the start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) stale: AtomicU64,
    pub(super) refreshes: AtomicU64,
    pub(super) failures: AtomicU64,
}

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Questions that were answered from memory, absences included.
    pub hits: u64,
    /// Questions for which there was nothing fresh.
    pub misses: u64,
    /// The misses that an older answer has served, because the directory gave none.
    pub stale: u64,
    /// Loads that began ahead of an expiry.
    pub refreshes: u64,
    /// Loads that failed.
    pub failures: u64,
}

impl Counters {
    /// One more.
    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    /// The counts now.
    pub(super) fn counts(&self) -> Counts {
        let Self { hits, misses, stale, refreshes, failures } = self;
        let [hits, misses, stale, refreshes, failures] =
            [hits, misses, stale, refreshes, failures].map(|counter| counter.load(Relaxed));
        Counts { hits, misses, stale, refreshes, failures }
    }
}
