//! What has changed in the directory since an answer was loaded: whoever is told of changes writes it, and whoever
//! remembers answers reads it.
//!
//! What is remembered is not searched for what must go: an answer carries a [`Stamp`] that was read before its load
//! began, and whoever finds it compares. So an answer that was under way when the change came, and is stored
//! afterwards, is as old as it is.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::address::Address;
use crate::directory::login::Login;
use crate::dn::Dn;

/// The most names of changed entries that are kept apart. With more, all answers from before are loaded again.
const MOST_NAMES: usize = 100_000;

/// Something by which an entry is found, or known.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Name {
    /// Its distinguished name.
    Entry(Dn),
    /// One of its addresses.
    Address(Address),
    /// One of its logins.
    Login(Login),
}

/// A [`Name`] for comparing alone.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct NameHash(u64);

/// The changes so far.
#[derive(Debug, Default)]
pub struct Changes {
    /// The number of the last change of an entry.
    last: AtomicU64,
    /// How often groups changed, and how often they may have.
    groups: AtomicU64,
    groups_unsure: AtomicU64,
    /// How often everything was invalidated, in each of the two ways.
    expired: AtomicU64,
    forgotten: AtomicU64,
    touched: Mutex<Touched>,
    hasher: RandomState,
}

/// Which names the changes of entries touched.
#[derive(Debug, Default)]
struct Touched {
    /// The number of the last change that touched a name.
    last: HashMap<NameHash, u64>,
    /// Of the changes up to this number, the names are not known any more.
    unknown: u64,
}

/// When a load began: by the clock, and by the changes.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// By the clock.
    pub at: Instant,
    last: u64,
    groups: u64,
    groups_unsure: u64,
    expired: u64,
    forgotten: u64,
}

/// What an answer is good for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Nothing was changed since its load began.
    Current,
    /// No change since then touched it up to this one, the last: [`Stamp::checked`] notes it.
    Untouched(u64),
    /// Only for the time in which the directory gives none.
    Due,
    /// Nothing.
    Forgotten,
}

impl Stamp {
    /// The same, for an answer that no change up to this number touched.
    #[must_use]
    pub fn checked(self, last: u64) -> Self {
        Self { last, ..self }
    }

    /// The number of the last change that is known not to have touched the answer.
    pub fn last(&self) -> u64 {
        self.last
    }
}

impl Changes {
    /// Read before a load begins, never later: what changes while it is under way may be missing in its answer.
    pub fn stamp(&self) -> Stamp {
        Stamp {
            at: Instant::now(),
            last: self.last.load(SeqCst),
            groups: self.groups.load(SeqCst),
            groups_unsure: self.groups_unsure.load(SeqCst),
            expired: self.expired.load(SeqCst),
            forgotten: self.forgotten.load(SeqCst),
        }
    }

    /// What an answer is good for that is about these names; `in_groups`, if it says which groups somebody is in. The
    /// one place that compares.
    pub fn standing(&self, stamp: &Stamp, names: &[NameHash], in_groups: bool) -> Standing {
        if stamp.forgotten != self.forgotten.load(SeqCst) {
            return Standing::Forgotten;
        }
        if in_groups && stamp.groups != self.groups.load(SeqCst) {
            return Standing::Forgotten;
        }
        let last = self.last.load(SeqCst);
        if stamp.last != last && self.touched().since(stamp.last, names) {
            return Standing::Forgotten;
        }
        let unsure = in_groups && stamp.groups_unsure != self.groups_unsure.load(SeqCst);
        if unsure || stamp.expired != self.expired.load(SeqCst) {
            return Standing::Due;
        }
        if stamp.last == last { Standing::Current } else { Standing::Untouched(last) }
    }

    /// Whether nothing at all changed since a load began: whoever asks now may wait for it.
    pub fn is_latest(&self, stamp: &Stamp) -> bool {
        stamp.last == self.last.load(SeqCst)
            && stamp.groups == self.groups.load(SeqCst)
            && stamp.groups_unsure == self.groups_unsure.load(SeqCst)
            && stamp.expired == self.expired.load(SeqCst)
            && stamp.forgotten == self.forgotten.load(SeqCst)
    }

    /// The name, for [`Self::standing`].
    pub fn hash(&self, name: &Name) -> NameHash {
        NameHash(self.hasher.hash_one(name))
    }

    /// An entry changed that has, or had, these names. What is remembered of them means nothing any more.
    pub fn changed(&self, names: &[Name]) {
        let mut touched = self.touched();
        let number = self.last.load(SeqCst) + 1;
        if touched.last.len() + names.len() > MOST_NAMES {
            *touched = Touched { last: HashMap::new(), unknown: number };
        }
        touched.last.extend(names.iter().map(|name| (self.hash(name), number)));
        // Last, so that whoever sees the number finds its names.
        self.last.store(number, SeqCst);
    }

    /// Some group has other members, or is another kind of group: who is in which groups is not known any more.
    pub fn groups_changed(&self) {
        self.groups.fetch_add(1, SeqCst);
    }

    /// Groups may have changed without anybody telling: who is in which groups is asked for anew.
    pub fn groups_unsure(&self) {
        self.groups_unsure.fetch_add(1, SeqCst);
    }

    /// Everything so far is asked for anew, and serves only while the directory is away.
    pub fn expire(&self) {
        self.expired.fetch_add(1, SeqCst);
    }

    /// Nothing so far serves any more.
    pub fn forget(&self) {
        self.forgotten.fetch_add(1, SeqCst);
    }

    fn touched(&self) -> MutexGuard<'_, Touched> {
        // Each insertion is whole, and the number follows them all.
        self.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Touched {
    /// Whether a change later than this number touched any of the names.
    fn since(&self, number: u64, names: &[NameHash]) -> bool {
        let later = |name: &NameHash| self.last.get(name).is_some_and(|last| *last > number);
        self.unknown > number || names.iter().any(later)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> Name {
        Name::Entry(Dn::parse(name).unwrap())
    }

    fn address(text: &str) -> Name {
        Name::Address(Address::parse(text).unwrap())
    }

    #[test]
    fn a_change_touches_its_names_alone() {
        let changes = Changes::default();
        let stamp = changes.stamp();
        let hashed = |name: &Name| [changes.hash(name)];
        let standing = |stamp: &Stamp, name: &Name| changes.standing(stamp, &hashed(name), false);
        assert_eq!(standing(&stamp, &entry("uid=a,dc=org")), Standing::Current);
        changes.changed(&[entry("uid=a,dc=org"), address("a@example.org")]);
        for (name, now) in [
            (entry("uid=a,dc=org"), Standing::Forgotten),
            (entry("UID=A, dc=org"), Standing::Forgotten),
            (address("A@EXAMPLE.org"), Standing::Forgotten),
            (entry("uid=b,dc=org"), Standing::Untouched(1)),
            (Name::Login(Login::of("a@example.org")), Standing::Untouched(1)),
        ] {
            assert_eq!(standing(&stamp, &name), now, "{name:?}");
            assert_eq!(standing(&changes.stamp(), &name), Standing::Current, "{name:?}");
        }
        // What was checked is compared with later changes alone.
        let checked = stamp.checked(1);
        assert_eq!(standing(&checked, &entry("uid=b,dc=org")), Standing::Current);
        changes.changed(&[entry("uid=b,dc=org")]);
        assert_eq!(standing(&checked, &entry("uid=b,dc=org")), Standing::Forgotten);
        assert_eq!(standing(&checked, &entry("uid=c,dc=org")), Standing::Untouched(2));
    }

    #[test]
    fn each_kind_of_change() {
        type Change = fn(&Changes);
        let table: &[(Change, Standing, Standing)] = &[
            (Changes::groups_changed, Standing::Current, Standing::Forgotten),
            (Changes::groups_unsure, Standing::Current, Standing::Due),
            (Changes::expire, Standing::Due, Standing::Due),
            (Changes::forget, Standing::Forgotten, Standing::Forgotten),
            (|changes| changes.changed(&[]), Standing::Untouched(1), Standing::Untouched(1)),
        ];
        for (change, alone, in_groups) in table {
            let changes = Changes::default();
            let stamp = changes.stamp();
            assert!(changes.is_latest(&stamp));
            change(&changes);
            assert_eq!(changes.standing(&stamp, &[], false), *alone);
            assert_eq!(changes.standing(&stamp, &[], true), *in_groups);
            assert!(!changes.is_latest(&stamp));
            assert!(changes.is_latest(&changes.stamp()));
        }
    }

    #[test]
    fn names_beyond_the_bound_touch_everything_before() {
        let changes = Changes::default();
        let stamp = changes.stamp();
        let name = [changes.hash(&entry("uid=somebody,dc=org"))];
        let names: Vec<_> = (0..MOST_NAMES / 2).map(|n| entry(&format!("uid={n},dc=org"))).collect();
        changes.changed(&names);
        assert_eq!(changes.standing(&stamp, &name, false), Standing::Untouched(1));
        let younger = changes.stamp();
        let names: Vec<_> = (0..=MOST_NAMES / 2).map(|n| entry(&format!("uid=x{n},dc=org"))).collect();
        changes.changed(&names);
        assert_eq!(changes.standing(&stamp, &name, false), Standing::Forgotten);
        assert_eq!(changes.standing(&younger, &name, false), Standing::Forgotten);
        assert_eq!(changes.standing(&changes.stamp(), &name, false), Standing::Current);
    }
}
