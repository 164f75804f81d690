//! The answers to one kind of question, as long as they are good for something.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;

use tokio::time::Instant;

use super::CacheSettings;
use crate::directory::changes::{Changes, Name, NameHash, Stamp, Standing};
use crate::directory::lookup::Forms;
use crate::grant::Entry;

/// After a refresh was begun for an answer, none is for this long: it is under way, or it failed.
const REFRESH_AGAIN: Duration = Duration::from_secs(1);

/// What can be asked.
pub(super) trait Asked: Hash + Eq + Send + Sync + 'static {
    /// The names that are looked up for it: an entry that gets one of them changes the answer.
    fn names(&self, forms: &Forms) -> Vec<Name>;
}

/// What can be remembered.
pub(super) trait Answer: Clone + Send + Sync + 'static {
    /// Whether it says which groups somebody is in.
    const NAMES_GROUPS: bool;

    /// The entries that it was made of; none: it says that there is nothing.
    fn entries(&self) -> &[Arc<Entry>];
}

/// An answer with its age.
pub(super) struct Held<V> {
    /// The answer.
    pub(super) value: V,
    stamp: Stamp,
    /// The number of the last change that is known not to have touched it.
    checked: AtomicU64,
    /// What it is about.
    names: Box<[NameHash]>,
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
    changes: Arc<Changes>,
    forms: Arc<Forms>,
    settings: CacheSettings,
    /// Spreads the refreshes of keys that were loaded at the same time.
    spread: RandomState,
}

impl<K: Asked, V: Answer> Store<K, V> {
    /// Nothing is remembered yet.
    pub(super) fn new(settings: CacheSettings, forms: Arc<Forms>, changes: Arc<Changes>) -> Self {
        Self {
            found: bounded(settings.capacity, settings.ttl.max(settings.stale)),
            absent: bounded(settings.capacity.div_ceil(10), settings.negative_ttl),
            changes,
            forms,
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
            .find(|held| held.age(now) < held.life && self.is_current(held))
    }

    fn is_current(&self, held: &Held<V>) -> bool {
        match self.standing(held) {
            Standing::Current => true,
            Standing::Untouched(last) => {
                held.checked.fetch_max(last, SeqCst);
                true
            }
            Standing::Due | Standing::Forgotten => false,
        }
    }

    fn standing(&self, held: &Held<V>) -> Standing {
        let stamp = held.stamp.checked(held.checked.load(SeqCst));
        let in_groups = V::NAMES_GROUPS && !held.value.entries().is_empty();
        self.changes.standing(&stamp, &held.names, in_groups)
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
            && self.standing(&held) != Standing::Forgotten;
        serves.then(|| held.value.clone())
    }

    /// Remembers what a load has brought that began at `stamp`, in place of what was there, unless that is younger: two
    /// caches may fill one store.
    pub(super) fn put(&self, key: K, value: V, stamp: Stamp) {
        let mut there = [&self.found, &self.absent].into_iter().filter_map(|answers| answers.get(&key));
        if there.any(|held| held.stamp.at > stamp.at) {
            return;
        }
        if !value.entries().is_empty() {
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
        let entries = value.entries().iter().map(|entry| Name::Entry(entry.dn.clone()));
        let names = key.names(&self.forms).into_iter().chain(entries);
        let names = names.map(|name| self.changes.hash(&name)).collect();
        let (checked, refresh) = (AtomicU64::new(stamp.last()), AtomicU64::new(refresh));
        Arc::new(Held { value, stamp, checked, names, life, refresh })
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
