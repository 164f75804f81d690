//! What the cache tells of itself: numbers, and when the directory went away and came back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use crate::directory::Failure;

/// Outages are told at most this often: a directory that fails at every other question does not fill the log.
const TELL_AGAIN: Duration = Duration::from_mins(1);

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

/// A time in which older answers serve, and how much is said of it.
#[derive(Debug, Default)]
pub(super) struct Outage {
    /// Its begin was told, its end was not. Apart from the rest, since every load looks at it.
    told: AtomicBool,
    state: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    begin: Option<Instant>,
    served: u64,
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

impl Outage {
    /// An older answer serves because of `failure`.
    pub(super) fn serves(&self, failure: &Failure, now: Instant) {
        let mut said = self.said();
        if self.told.load(Relaxed) {
            said.served += 1;
            return;
        }
        if said.begin.is_some_and(|begin| now.saturating_duration_since(begin) < TELL_AGAIN) {
            return;
        }
        *said = Said { begin: Some(now), served: 1 };
        self.told.store(true, Relaxed);
        warn!("{failure}; until it answers, answers from before are used where there are any");
    }

    /// The directory has answered a question.
    pub(super) fn answers(&self) {
        if !self.told.load(Relaxed) {
            return;
        }
        let said = self.said();
        if self.told.swap(false, Relaxed) {
            warn!("the directory answers again; meanwhile {} answers from before were used", said.served);
        }
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        // A count is whole at any time.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
