//! The answers to one kind of question, as long as they are good for something.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::CacheSettings;
use super::bounded::{Bounded, Used};
use crate::directory::changes::{Changes, Name, Stamp, Standing};
use crate::directory::lookup::Forms;
use crate::grant::Entry;
use crate::metrics;

/// After a refresh was begun for an answer, none is for so many milliseconds: it is under way, or it failed.
const REFRESH_AGAIN: u32 = 1000;

/// What can be asked.
pub(super) trait Asked: Borrow<Self::Asking> + Hash + Eq + Clone + Send + Sync + 'static {
    /// How somebody asks.
    type Asking: Hash + Eq + ?Sized;

    /// The question, to be kept.
    fn of(asking: &Self::Asking) -> Self;

    /// What is counted of such questions.
    fn counts(cache: &metrics::Cache) -> &metrics::Remembered;

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
struct Held<V> {
    value: V,
    /// When its load began, in milliseconds since the store was made.
    at: u64,
    /// The number of the last change that is known not to have touched it.
    checked: AtomicU64,
    /// From which age on, in milliseconds, somebody who uses it has it loaded again.
    refresh: AtomicU32,
    /// See [`Used`].
    was_used: AtomicBool,
}

/// An answer that is as good as the directory's.
pub(super) struct Fresh<V> {
    /// The answer.
    pub(super) value: V,
    /// Whether it is time to load it again ahead of its expiry: see [`Store::claim_refresh`].
    pub(super) is_due: bool,
}

/// What is remembered. Freshness is by our own stamps, for they must be those from before the load, follow the changes,
/// and follow the clock that tests can set.
///
/// Absences have their own share: whoever tries addresses that do not exist pushes nobody out.
pub(super) struct Store<K, V> {
    found: Bounded<K, Held<V>>,
    absent: Bounded<K, Held<V>>,
    /// Held while an answer comes in or goes: two caches may fill one store.
    filling: Mutex<()>,
    changes: Arc<Changes>,
    forms: Arc<Forms>,
    settings: CacheSettings,
    since: Instant,
    /// Spreads the refreshes of keys that were loaded at the same time.
    spread: RandomState,
}

impl<K: Asked, V: Answer> Store<K, V> {
    /// Nothing is remembered yet.
    pub(super) fn new(settings: CacheSettings, forms: Arc<Forms>, changes: Arc<Changes>) -> Self {
        Self {
            found: Bounded::new(settings.capacity),
            absent: Bounded::new(settings.capacity.div_ceil(10)),
            filling: Mutex::default(),
            changes,
            forms,
            settings,
            since: Instant::now(),
            spread: RandomState::new(),
        }
    }

    /// The answer, if it is as good as the directory's, for somebody who will use it.
    pub(super) fn fresh(&self, asked: &K::Asking, now: Instant) -> Option<Fresh<V>> {
        let now = self.millis_at(now);
        let fresh = |answers: &Bounded<K, Held<V>>| {
            answers.read(asked, |key, held| {
                let is_fresh = held.age(now) < millis(self.life(&held.value)) && self.is_current(key, held);
                is_fresh.then(|| Fresh { value: held.value.clone(), is_due: held.is_due(now) })
            })
        };
        fresh(&self.found).flatten().or_else(|| fresh(&self.absent).flatten())
    }

    /// Whether it is for whoever asks this to have an answer that is due loaded again: it is for one of those who ask at
    /// the same time.
    pub(super) fn claim_refresh(&self, asked: &K::Asking, now: Instant) -> bool {
        let now = self.millis_at(now);
        let claim = |answers: &Bounded<K, Held<V>>| answers.peek(asked, |_, held| held.claim_refresh(now));
        claim(&self.found).or_else(|| claim(&self.absent)).unwrap_or(false)
    }

    /// How long after its load an answer is fresh.
    fn life(&self, value: &V) -> Duration {
        if value.entries().is_empty() { self.settings.negative_ttl } else { self.settings.ttl }
    }

    fn is_current(&self, key: &K, held: &Held<V>) -> bool {
        match self.standing(key, held) {
            Standing::Current => true,
            Standing::Untouched(last) => {
                held.checked.fetch_max(last, SeqCst);
                true
            }
            Standing::Due | Standing::Forgotten => false,
        }
    }

    fn standing(&self, key: &K, held: &Held<V>) -> Standing {
        let last = held.checked.load(SeqCst);
        let in_groups = V::NAMES_GROUPS && !held.value.entries().is_empty();
        let names = || {
            let entries = held.value.entries().iter().map(|entry| Name::Entry(entry.dn.clone()));
            key.names(&self.forms).into_iter().chain(entries).collect()
        };
        self.changes.standing(last, names, in_groups)
    }

    /// The answer for the time in which the directory gives none. Never an absence.
    pub(super) fn stale(&self, asked: &K::Asking, now: Instant) -> Option<V> {
        let now = self.millis_at(now);
        let serves =
            |held: &Held<V>| !self.settings.stale.is_zero() && held.age(now) <= millis(self.settings.stale);
        let stale = self.found.read(asked, |key, held| {
            let serves = serves(held) && self.standing(key, held) != Standing::Forgotten;
            serves.then(|| held.value.clone())
        });
        stale.flatten()
    }

    /// Remembers what a load has brought that began at `stamp`, in place of what was there, unless that is younger.
    pub(super) fn put(&self, key: K, value: V, stamp: Stamp) {
        let _filling = self.filling();
        if self.has_younger(key.borrow(), stamp) {
            return;
        }
        let CacheSettings { ttl, negative_ttl, stale, .. } = self.settings;
        let held = self.held(&key, value, stamp);
        let now = self.millis_at(Instant::now());
        let is_older_than = |life| move |held: &Held<V>| held.age(now) > millis(life);
        if !held.value.entries().is_empty() {
            self.absent.remove(&key);
            return self.found.insert(key, held, is_older_than(ttl.max(stale)));
        }
        self.found.remove(&key);
        if !negative_ttl.is_zero() {
            self.absent.insert(key, held, is_older_than(negative_ttl));
        }
    }

    fn has_younger(&self, asked: &K::Asking, stamp: Stamp) -> bool {
        // A millisecond is long, and a change within it makes the difference.
        let than = (self.millis_at(stamp.at), stamp.last());
        let is_younger = |held: &Held<V>| (held.at, held.checked.load(SeqCst)) > than;
        let has_younger = |answers: &Bounded<K, Held<V>>| answers.peek(asked, |_, held| is_younger(held));
        [&self.found, &self.absent].into_iter().filter_map(has_younger).any(|is_younger| is_younger)
    }

    fn filling(&self) -> MutexGuard<'_, ()> {
        // A panic under the lock leaves at most an answer beside an absence, each as old as it says.
        self.filling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets one answer.
    pub(super) fn remove(&self, key: &K) {
        let _filling = self.filling();
        self.found.remove(key);
        self.absent.remove(key);
    }

    /// Gives the memory back; that nothing serves any more is for the changes to say.
    pub(super) fn clear(&self) {
        self.found.clear();
        self.absent.clear();
    }

    /// An entry among the answers to this question that is, to the letter, as this one.
    pub(super) fn twin(&self, asked: &K::Asking, entry: &Entry) -> Option<Arc<Entry>> {
        let twin = |_: &K, held: &Held<V>| {
            held.value.entries().iter().find(|known| known.is_written_as(entry)).cloned()
        };
        self.found.peek(asked, twin).flatten()
    }

    /// How many answers are remembered, and how many absences.
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.found.len(), self.absent.len())
    }

    fn held(&self, key: &K, value: V, stamp: Stamp) -> Held<V> {
        // After six to seven eighths of its life.
        let jitter = self.spread.hash_one(key) % 128;
        let refresh = millis(self.life(&value)).saturating_mul(6 * 128 + jitter) / (8 * 128);
        let refresh = AtomicU32::new(u32::try_from(refresh).unwrap_or(u32::MAX));
        let (at, checked) = (self.millis_at(stamp.at), AtomicU64::new(stamp.last()));
        Held { value, at, checked, refresh, was_used: AtomicBool::new(false) }
    }

    fn millis_at(&self, at: Instant) -> u64 {
        millis(at.saturating_duration_since(self.since))
    }
}

impl<V> Held<V> {
    fn is_due(&self, now: u64) -> bool {
        self.age(now) >= u64::from(self.refresh.load(Relaxed))
    }

    fn claim_refresh(&self, now: u64) -> bool {
        let age = u32::try_from(self.age(now)).unwrap_or(u32::MAX);
        let due = self.refresh.load(Relaxed);
        let next = age.saturating_add(REFRESH_AGAIN);
        age >= due && self.refresh.compare_exchange(due, next, Relaxed, Relaxed).is_ok()
    }

    /// In milliseconds.
    fn age(&self, now: u64) -> u64 {
        now.saturating_sub(self.at)
    }
}

impl<V> Used for Held<V> {
    fn was_used(&self) -> &AtomicBool {
        &self.was_used
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
