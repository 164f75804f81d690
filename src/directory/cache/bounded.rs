//! A map that is read without a lock, and that holds a bounded number of values.
//!
//! When there is no room, those go that nobody has asked for since they were last spared: CLOCK, which is nearly as good
//! as the least recently used, and costs who asks no more than a flag.

use std::borrow::Borrow;
use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::directory::hashes::AsItIs;

/// The most values that one insertion finds in use before it takes one all the same.
const MOST_SPARED: usize = 32;

/// How many values an insertion looks at, as long as there is room, that may have become useless: more than it adds, so
/// that all are looked at. That spares nobody, and what was used counts as used. Without room it would only lead the hand
/// past what is not used.
const LOOKS: usize = 2;

/// A map from keys to values. Two keys with the same hash, of which there are none among any number that fits into memory,
/// push each other out.
pub(super) struct Bounded<K, V> {
    kept: papaya::HashMap<u64, Kept<K, V>, AsItIs>,
    capacity: usize,
    /// Held by whoever writes; nobody who reads waits.
    ring: Mutex<Ring>,
    hasher: RandomState,
}

/// In which order the hand comes by.
#[derive(Default)]
struct Ring {
    /// The hash of each key, once, from the hand on. Also of those in `removed`.
    places: VecDeque<u64>,
    /// Those whose value was removed: the place goes when the hand comes by, unless there is a value again.
    removed: HashSet<u64, AsItIs>,
}

struct Kept<K, V> {
    key: K,
    value: V,
}

/// What has room for a flag.
pub(super) trait Used {
    /// Whether somebody has read it since it was spared; at first, nobody has.
    fn was_used(&self) -> &AtomicBool;
}

impl<K: Hash + Eq, V: Used> Bounded<K, V> {
    /// Nothing yet, and never more than `capacity`.
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            kept: papaya::HashMap::with_hasher(AsItIs),
            capacity: usize::try_from(capacity).unwrap_or(usize::MAX),
            ring: Mutex::default(),
            hasher: RandomState::new(),
        }
    }

    /// What `read` makes of the value, if there is one, for somebody who uses it.
    pub(super) fn read<Q, R>(&self, key: &Q, read: impl FnOnce(&K, &V) -> R) -> Option<R>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.peek(key, |key, value| {
            // Mostly it is set, and then nothing needs to be written.
            let was_used = value.was_used();
            if !was_used.load(Relaxed) {
                was_used.store(true, Relaxed);
            }
            read(key, value)
        })
    }

    /// The same for somebody who only looks, which keeps nothing here.
    pub(super) fn peek<Q, R>(&self, key: &Q, read: impl FnOnce(&K, &V) -> R) -> Option<R>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let all = self.kept.pin();
        let kept = all.get(&self.hasher.hash_one(key)).filter(|kept| kept.key.borrow() == key)?;
        Some(read(&kept.key, &kept.value))
    }

    /// Takes the value in, which is as much used as the one in whose place it comes. Some of those that are `useless` go,
    /// and if there is no room, one that is not used.
    pub(super) fn insert(&self, key: K, value: V, useless: impl Fn(&V) -> bool) {
        if self.capacity == 0 {
            return;
        }
        let hash = self.hasher.hash_one(&key);
        let mut ring = self.ring();
        let looks = if ring.values() < self.capacity { LOOKS } else { 0 };
        for _ in 0..looks {
            self.pass(&mut ring, |kept| !useless(&kept.value));
        }
        let all = self.kept.pin();
        if let Some(old) = all.get(&hash) {
            value.was_used().store(old.value.was_used().load(Relaxed), Relaxed);
        } else {
            // First, so that the new one, which nobody has used, does not go.
            self.make_room(&mut ring, useless);
            ring.add(hash);
        }
        all.insert(hash, Kept { key, value });
    }

    /// For one more.
    fn make_room(&self, ring: &mut Ring, useless: impl Fn(&V) -> bool) {
        let mut spared = 0;
        while ring.values() >= self.capacity {
            self.pass(ring, |kept| {
                let stays = kept.value.was_used().swap(false, Relaxed)
                    && spared < MOST_SPARED
                    && !useless(&kept.value);
                spared += usize::from(stays);
                stays
            });
        }
    }

    /// Moves the hand on by one, which `stays` or goes.
    fn pass(&self, ring: &mut Ring, stays: impl FnOnce(&Kept<K, V>) -> bool) {
        let all = self.kept.pin();
        let Some(hash) = ring.next() else { return };
        let Some(kept) = all.get(&hash) else { return };
        if stays(kept) {
            ring.add(hash);
        } else {
            all.remove(&hash);
        }
    }

    /// Forgets one value.
    pub(super) fn remove(&self, key: &K) {
        let hash = self.hasher.hash_one(key);
        let mut ring = self.ring();
        if let Ok(Some(_)) = self.kept.pin().remove_if(&hash, |_, kept| kept.key == *key) {
            ring.removed.insert(hash);
        }
    }

    /// Forgets all.
    pub(super) fn clear(&self) {
        let mut ring = self.ring();
        *ring = Ring::default();
        self.kept.pin().clear();
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // A panic under the lock loses at most a place in the ring: a value that stays until all are forgotten.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    /// Takes in one that has no value yet.
    fn add(&mut self, hash: u64) {
        if !self.removed.remove(&hash) {
            self.places.push_back(hash);
        }
    }

    /// The one that the hand comes by, which has no place any more.
    fn next(&mut self) -> Option<u64> {
        let hash = self.places.pop_front()?;
        self.removed.remove(&hash);
        Some(hash)
    }

    /// How many have a value.
    fn values(&self) -> usize {
        self.places.len().saturating_sub(self.removed.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number with a flag.
    struct Flagged(usize, AtomicBool);

    impl Used for Flagged {
        fn was_used(&self) -> &AtomicBool {
            &self.1
        }
    }

    fn flagged(n: usize) -> Flagged {
        Flagged(n, AtomicBool::new(false))
    }

    fn kept(bounded: &Bounded<String, Flagged>, count: usize) -> Vec<usize> {
        let is_kept = |n: &usize| {
            bounded.kept.pin().values().any(|kept| kept.value.0 == *n && kept.key == n.to_string())
        };
        (0..count).filter(is_kept).collect()
    }

    fn insert(bounded: &Bounded<String, Flagged>, n: usize) {
        bounded.insert(n.to_string(), flagged(n), |_| false);
    }

    fn places(bounded: &Bounded<String, Flagged>) -> usize {
        bounded.ring().places.len()
    }

    #[test]
    fn what_is_used_stays() {
        let bounded = Bounded::new(4);
        (0..4).for_each(|n| insert(&bounded, n));
        assert_eq!(kept(&bounded, 9), [0, 1, 2, 3]);
        for n in 4..100 {
            assert_eq!(bounded.read("2", |key, value| (key.clone(), value.0)), Some(("2".to_owned(), 2)));
            insert(&bounded, n);
            assert_eq!(bounded.len(), 4);
        }
        assert_eq!(bounded.read("4", |_, value| value.0), None);
    }

    #[test]
    fn one_goes_even_if_all_are_used_and_not_the_new_one() {
        for capacity in [1, 2, 32, 33, 34, 100] {
            let bounded = Bounded::new(capacity as u64);
            for n in 0..500 {
                insert(&bounded, n);
                assert_eq!(bounded.peek(&n.to_string(), |_, value| value.0), Some(n), "among {capacity}");
                (0..=n).for_each(|n| {
                    bounded.read(&n.to_string(), |_, _| ());
                });
                assert_eq!(bounded.len(), capacity.min(n + 1));
            }
        }
    }

    #[test]
    fn what_is_used_stays_so_when_it_is_replaced() {
        for (is_used, stay) in [(true, vec![0, 1, 2, 8]), (false, vec![1, 2, 3, 8])] {
            let bounded = Bounded::new(4);
            (0..4).for_each(|n| insert(&bounded, n));
            for n in 0..3 {
                // Whoever looks does not use it.
                bounded.peek(&n.to_string(), |_, _| ());
                if is_used || n > 0 {
                    bounded.read(&n.to_string(), |_, _| ());
                }
            }
            (0..4).for_each(|n| insert(&bounded, n));
            insert(&bounded, 8);
            assert_eq!(kept(&bounded, 9), stay);
        }
    }

    #[test]
    fn what_is_useless_goes_though_there_is_room() {
        let bounded = Bounded::new(1000);
        (0..100).for_each(|n| insert(&bounded, n));
        (100..300).for_each(|n| bounded.insert(n.to_string(), flagged(n), |n| n.0 < 100));
        assert_eq!(kept(&bounded, 300), (100..300).collect::<Vec<_>>());
    }

    #[test]
    fn replaced_removed_and_forgotten() {
        let bounded = Bounded::new(1000);
        for round in 0..1000 {
            bounded.insert("a".to_owned(), flagged(round), |_| false);
            assert_eq!(bounded.read("a", |_, value| value.0), Some(round));
            bounded.insert("b".to_owned(), flagged(round), |_| false);
            bounded.remove(&"b".to_owned());
            assert_eq!((bounded.read("b", |_, value| value.0), bounded.len()), (None, 1));
            assert_eq!(bounded.ring().values(), 1);
            assert!(bounded.ring().places.len() <= 2);
        }
        bounded.clear();
        assert_eq!((bounded.read("a", |_, _| ()), bounded.len(), places(&bounded)), (None, 0, 0));
        let none = Bounded::new(0);
        insert(&none, 1);
        assert_eq!(none.len(), 0);
    }

    /// Between two rounds of the hand, keys come and go in any order.
    #[test]
    fn each_value_has_one_place() {
        let bounded = Bounded::new(100);
        let mut random = fastrand::Rng::with_seed(1);
        let mut there = HashSet::new();
        for _ in 0..100 {
            for _ in 0..random.usize(..1000) {
                let n = random.usize(..99);
                bounded.remove(&n.to_string());
                there.remove(&n);
                if random.bool() {
                    insert(&bounded, n);
                    there.insert(n);
                }
                // There is room for all of them.
                assert_eq!((bounded.len(), bounded.ring().values()), (there.len(), there.len()));
            }
            let places = places(&bounded);
            assert!(places <= 200, "{places}");
            // Nothing new: the hand comes by all.
            (0..places).for_each(|_| insert(&bounded, 0));
            there.insert(0);
            let ring = bounded.ring();
            let once: HashSet<_> = ring.places.iter().copied().collect();
            assert_eq!(
                (once.len(), ring.places.len(), ring.removed.len()),
                (bounded.len(), bounded.len(), 0)
            );
            assert!(once.iter().all(|hash| bounded.kept.pin().contains_key(hash)));
        }
    }

    #[test]
    fn one_hash_for_two_keys_is_not_one_key() {
        let bounded: Bounded<String, Flagged> = Bounded::new(10);
        let kept = Kept { key: "other".to_owned(), value: flagged(1) };
        bounded.kept.pin().insert(bounded.hasher.hash_one("a"), kept);
        assert_eq!(bounded.read("a", |_, value| value.0), None);
        bounded.remove(&"a".to_owned());
        assert_eq!(bounded.len(), 1);
    }

    #[test]
    fn many_write_and_read() {
        let bounded = Bounded::new(100);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let bounded = &bounded;
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(thread);
                    for _ in 0..20_000 {
                        let n = random.usize(..300);
                        match random.u8(..8) {
                            0 => insert(bounded, n),
                            1 => bounded.remove(&n.to_string()),
                            _ => {
                                let read = bounded.read(&n.to_string(), |key, value| (key.clone(), value.0));
                                assert!(read.is_none_or(|read| read == (n.to_string(), n)));
                            }
                        }
                        // The map counts in parts, which are added up while each thread may be between two of them.
                        assert!(bounded.len() <= 104, "{}", bounded.len());
                    }
                });
            }
        });
        (0..1000).for_each(|n| insert(&bounded, n));
        assert_eq!((bounded.len(), places(&bounded)), (100, 100));
    }
}
