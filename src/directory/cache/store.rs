//! The answers to one kind of question, as long as they are good for something.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use super::CacheSettings;
use super::epoch::{Epochs, Stamp, Standing};

/// After a refresh was begun for an answer, none is for this long: it is under way, or it failed.
const REFRESH_AGAIN: Duration = Duration::from_secs(1);

/// What can be remembered.
pub(super) trait Answer: Clone + Send + Sync + 'static {
    /// Whether it says that there is nothing.
    fn is_absence(&self) -> bool;
}

/// An answer with its age.
pub(super) struct Held<V> {
    /// The answer.
    pub(super) value: V,
    stamp: Stamp,
    /// How long after its load it is fresh.
    life: Duration,
    /// From which age on, in milliseconds, somebody who uses it has it loaded again.
    refresh: AtomicU64,
}

/// What is remembered. Freshness is by our own stamps, for they must be those from before the load, follow the epochs,
/// and follow the clock that tests can set; moka's `time_to_live`, which counts from the insertion by moka's own
/// clock, only bounds how long memory is held.
///
/// Absences have their own share: whoever tries addresses that do not exist pushes nobody out.
pub(super) struct Store<K, V> {
    found: moka::sync::Cache<K, Arc<Held<V>>>,
    absent: moka::sync::Cache<K, Arc<Held<V>>>,
    epochs: Arc<Epochs>,
    settings: CacheSettings,
    /// Spreads the refreshes of keys that were loaded at the same time.
    spread: RandomState,
}

impl<K: Hash + Eq + Send + Sync + 'static, V: Answer> Store<K, V> {
    /// Nothing is remembered yet.
    pub(super) fn new(settings: CacheSettings, epochs: Arc<Epochs>) -> Self {
        Self {
            found: bounded(settings.capacity, settings.ttl.max(settings.stale)),
            absent: bounded(settings.capacity.div_ceil(10), settings.negative_ttl),
            epochs,
            settings,
            spread: RandomState::new(),
        }
    }

    /// The answer, if it is as good as the directory's.
    pub(super) fn fresh<Q>(&self, asked: &Q, now: Instant) -> Option<Arc<Held<V>>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        [&self.found, &self.absent]
            .into_iter()
            .filter_map(|answers| answers.get(asked))
            .find(|held| held.age(now) < held.life && self.epochs.standing(&held.stamp) == Standing::Current)
    }

    /// The answer for the time in which the directory gives none. Never an absence.
    pub(super) fn stale<Q>(&self, asked: &Q, now: Instant) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let held = self.found.get(asked)?;
        let serves = !self.settings.stale.is_zero()
            && held.age(now) <= self.settings.stale
            && self.epochs.standing(&held.stamp) != Standing::Forgotten;
        serves.then(|| held.value.clone())
    }

    /// Remembers what a load has brought that began at `stamp`, in place of what was there.
    pub(super) fn put(&self, key: K, value: V, stamp: Stamp) {
        if !value.is_absence() {
            self.absent.invalidate(&key);
            let held = self.held(&key, value, stamp, self.settings.ttl);
            return self.found.insert(key, held);
        }
        self.found.invalidate(&key);
        if !self.settings.negative_ttl.is_zero() {
            let held = self.held(&key, value, stamp, self.settings.negative_ttl);
            self.absent.insert(key, held);
        }
    }

    /// Forgets one answer.
    pub(super) fn remove(&self, key: &K) {
        self.found.invalidate(key);
        self.absent.invalidate(key);
    }

    /// Gives the memory back; that nothing serves any more is for the epochs to say.
    pub(super) fn clear(&self) {
        self.found.invalidate_all();
        self.absent.invalidate_all();
    }

    /// How many answers are remembered, and how many absences.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (u64, u64) {
        self.found.run_pending_tasks();
        self.absent.run_pending_tasks();
        (self.found.entry_count(), self.absent.entry_count())
    }

    fn held(&self, key: &K, value: V, stamp: Stamp, life: Duration) -> Arc<Held<V>> {
        // After six to seven eighths of its life.
        let jitter = self.spread.hash_one(key) % 128;
        let refresh = millis(life).saturating_mul(6 * 128 + jitter) / (8 * 128);
        Arc::new(Held { value, stamp, life, refresh: AtomicU64::new(refresh) })
    }
}

impl<V> Held<V> {
    /// Whether it is time to load it again ahead of its expiry. Says so to one of those who ask at the same time.
    pub(super) fn claim_refresh(&self, now: Instant) -> bool {
        let age = millis(self.age(now));
        let due = self.refresh.load(Relaxed);
        let next = age.saturating_add(millis(REFRESH_AGAIN));
        age >= due && self.refresh.compare_exchange(due, next, Relaxed, Relaxed).is_ok()
    }

    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.stamp.at)
    }
}

fn bounded<K, V>(capacity: u64, life: Duration) -> moka::sync::Cache<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    moka::sync::Cache::builder().max_capacity(capacity).time_to_live(life).build()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
