//! What the cache tells of itself: numbers, and when the directory went away and came back.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use crate::directory::Failure;
use crate::metrics::{Cache, Count, Remembered};

/// Outages are told at most this often: a directory that fails at every other question does not fill the log.
const TELL_AGAIN: Duration = Duration::from_mins(1);

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

impl Counts {
    /// Of both kinds of questions together.
    pub(super) fn of(cache: &Cache) -> Self {
        let both = |of: fn(&Remembered) -> &Count| of(&cache.logins).get() + of(&cache.addresses).get();
        Self {
            hits: both(|kind| &kind.hits),
            misses: both(|kind| &kind.misses),
            stale: both(|kind| &kind.stale),
            refreshes: both(|kind| &kind.refreshes),
            failures: both(|kind| &kind.failures),
        }
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
