//! What has changed in the directory since an answer was loaded: whoever is told of changes writes it, and whoever
//! remembers answers reads it.
//!
//! What is remembered is not searched for what must go: an answer carries a [`Stamp`] that was read before its load
//! began, and whoever finds it compares. So an answer that was under way when the change came, and is stored
//! afterwards, is as old as it is.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::address::Address;
use crate::directory::hashes::AsItIs;
use crate::directory::login::Login;
use crate::dn::Dn;
use crate::metrics;

/// The most names of changed entries that are kept apart, except that one change with more of them keeps them all. With
/// more, those of the older half are let go, and answers that nobody has used since are loaded again.
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

/// The changes so far, numbered from 1 on in the order in which they were told.
#[derive(Debug)]
pub struct Changes {
    /// The last of any kind. Written last, so that whoever sees a number finds all that is said of it.
    last: AtomicU64,
    /// The last of an entry.
    entries: AtomicU64,
    /// The last of groups, and the last that may have been one.
    groups: AtomicU64,
    groups_unsure: AtomicU64,
    /// The last that invalidated everything, in each of the two ways.
    expired: AtomicU64,
    forgotten: AtomicU64,
    /// The last that touched a name, by the hash of the name.
    touched: papaya::HashMap<u64, u64, AsItIs>,
    /// Of the changes of entries up to this one, the names are not known any more.
    unnamed: AtomicU64,
    hasher: RandomState,
    /// The bound of the names, as [`MOST_NAMES`].
    most_names: usize,
    /// Held by whoever tells; nobody who reads waits.
    newer: Mutex<Newer>,
    counts: Arc<metrics::Changes>,
}

/// The newer half of the names. Answers in use are compared all the time: what they are compared with is among these, and
/// few notice that the older half goes.
#[derive(Debug, Default)]
struct Newer {
    /// How many they are, a name once for each change of it.
    names: usize,
    /// The last change before them.
    begun: u64,
}

/// When a load began: by the clock, and by the changes.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// By the clock.
    pub at: Instant,
    /// The last change before it.
    last: u64,
}

/// What an answer is good for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Nothing was changed since its load began.
    Current,
    /// No change since then touched it up to this one, the last: it stands for the one before the load.
    Untouched(u64),
    /// Only for the time in which the directory gives none.
    Due,
    /// Nothing.
    Forgotten,
}

impl Stamp {
    /// The number of the last change before it.
    pub fn last(&self) -> u64 {
        self.last
    }
}

impl Default for Changes {
    fn default() -> Self {
        Self::counting(Arc::default())
    }
}

impl Changes {
    /// None yet; those to come are counted here.
    pub fn counting(counts: Arc<metrics::Changes>) -> Self {
        Self { counts, ..Self::keeping(MOST_NAMES) }
    }

    /// None yet; so many names are kept apart.
    fn keeping(most_names: usize) -> Self {
        let (last, entries, groups, groups_unsure, expired, forgotten) = Default::default();
        let (touched, unnamed, hasher, newer, counts) = Default::default();
        Self {
            last,
            entries,
            groups,
            groups_unsure,
            expired,
            forgotten,
            touched,
            unnamed,
            hasher,
            most_names,
            newer,
            counts,
        }
    }

    /// Read before a load begins, never later: what changes while it is under way may be missing in its answer.
    pub fn stamp(&self) -> Stamp {
        Stamp { at: Instant::now(), last: self.last.load(SeqCst) }
    }

    /// What an answer is good for that no change up to `checked` touched: the last before its load began, or one since. It
    /// is about these names, which are asked for only where they matter; `in_groups`, if it says which groups somebody is
    /// in. The one place that compares.
    pub fn standing(&self, checked: u64, names: impl FnOnce() -> Vec<Name>, in_groups: bool) -> Standing {
        // First: what is told meanwhile is for the next who asks.
        let last = self.last.load(SeqCst);
        if checked == last {
            return Standing::Current;
        }
        let later = |change: &AtomicU64| change.load(SeqCst) > checked;
        if later(&self.forgotten) || in_groups && later(&self.groups) {
            return Standing::Forgotten;
        }
        // In this order: whoever looks for names while they are taken away finds then that they are.
        if later(&self.entries) && (self.touched_since(checked, &names()) || later(&self.unnamed)) {
            return Standing::Forgotten;
        }
        if later(&self.expired) || in_groups && later(&self.groups_unsure) {
            return Standing::Due;
        }
        Standing::Untouched(last)
    }

    /// Whether nothing at all changed since a load began: whoever asks now may wait for it.
    pub fn is_latest(&self, stamp: &Stamp) -> bool {
        stamp.last == self.last.load(SeqCst)
    }

    /// An entry changed that has, or had, these names. What is remembered of them means nothing any more.
    pub fn changed(&self, names: &[Name]) {
        self.counts.entries.one();
        self.tell(|newer, number| {
            let touched = self.touched.pin();
            if newer.names + names.len() > self.most_names / 2 {
                // First, so that nobody misses a name that is not there any more.
                self.unnamed.store(newer.begun, SeqCst);
                touched.retain(|_, last| *last > newer.begun);
                *newer = Newer { names: 0, begun: number - 1 };
            }
            newer.names += names.len();
            for name in names {
                touched.insert(self.hasher.hash_one(name), number);
            }
            self.entries.store(number, SeqCst);
        });
    }

    /// Some group has other members, or is another kind of group: who is in which groups is not known any more.
    pub fn groups_changed(&self) {
        self.counts.groups.one();
        self.tell(|_, number| self.groups.store(number, SeqCst));
    }

    /// Groups may have changed without anybody telling: who is in which groups is asked for anew.
    pub fn groups_unsure(&self) {
        self.counts.groups.one();
        self.tell(|_, number| self.groups_unsure.store(number, SeqCst));
    }

    /// Everything so far is asked for anew, and serves only while the directory is away.
    pub fn expire(&self) {
        self.counts.everything.one();
        self.tell(|_, number| self.expired.store(number, SeqCst));
    }

    /// Nothing so far serves any more.
    pub fn forget(&self) {
        self.counts.everything.one();
        self.tell(|_, number| self.forgotten.store(number, SeqCst));
    }

    fn tell(&self, note: impl FnOnce(&mut Newer, u64)) {
        // A panic under the lock leaves what was noted of a change without a number, which the next one takes.
        let mut newer = self.newer.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.last.load(SeqCst) + 1;
        note(&mut newer, number);
        self.last.store(number, SeqCst);
    }

    /// Whether a change later than this number touched any of the names.
    fn touched_since(&self, number: u64, names: &[Name]) -> bool {
        let touched = self.touched.pin();
        names.iter().any(|name| touched.get(&self.hasher.hash_one(name)).is_some_and(|last| *last > number))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// As [`MOST_NAMES`].
    const FEW: usize = 100;

    /// How many are told beside those who read.
    const CHANGES: u64 = 200_000;

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
        let standing =
            |stamp: &Stamp, name: &Name| changes.standing(stamp.last(), || vec![name.clone()], false);
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
        let checked = Stamp { last: 1, ..stamp };
        assert_eq!(standing(&checked, &entry("uid=b,dc=org")), Standing::Current);
        changes.changed(&[entry("uid=b,dc=org")]);
        assert_eq!(standing(&checked, &entry("uid=b,dc=org")), Standing::Forgotten);
        assert_eq!(standing(&checked, &entry("uid=c,dc=org")), Standing::Untouched(2));
    }

    #[test]
    fn each_kind_of_change() {
        type Change = fn(&Changes);
        let table: &[(Change, Standing, Standing)] = &[
            (Changes::groups_changed, Standing::Untouched(1), Standing::Forgotten),
            (Changes::groups_unsure, Standing::Untouched(1), Standing::Due),
            (Changes::expire, Standing::Due, Standing::Due),
            (Changes::forget, Standing::Forgotten, Standing::Forgotten),
            (|changes| changes.changed(&[]), Standing::Untouched(1), Standing::Untouched(1)),
        ];
        for (change, alone, in_groups) in table {
            let changes = Changes::default();
            let stamp = changes.stamp();
            assert!(changes.is_latest(&stamp));
            change(&changes);
            assert_eq!(changes.standing(stamp.last(), Vec::new, false), *alone);
            assert_eq!(changes.standing(stamp.last(), Vec::new, true), *in_groups);
            assert!(!changes.is_latest(&stamp));
            assert!(changes.is_latest(&changes.stamp()));
        }
    }

    #[test]
    fn names_beyond_the_bound_touch_what_was_not_used_since() {
        let changes = Changes::keeping(FEW);
        let names = |begin: usize| -> Vec<_> {
            (begin..begin + FEW / 2).map(|n| entry(&format!("uid={n},dc=org"))).collect()
        };
        let (somebody, touched) = (entry("uid=somebody,dc=org"), entry("uid=0,dc=org"));
        let standing =
            |stamp: &Stamp, name: &Name| changes.standing(stamp.last(), || vec![name.clone()], false);
        let first = changes.stamp();
        let checked = |last| Stamp { last, ..first };
        changes.changed(&names(0));
        let second = changes.stamp();
        changes.changed(std::slice::from_ref(&touched));
        // The names of the first are still known.
        assert_eq!(standing(&first, &somebody), Standing::Untouched(2));
        assert_eq!(standing(&first, &touched), Standing::Forgotten);
        assert_eq!(standing(&second, &touched), Standing::Forgotten);
        changes.changed(&names(FEW));
        // Those of the second are, and no others.
        assert_eq!(standing(&first, &somebody), Standing::Forgotten);
        assert_eq!(standing(&checked(1), &somebody), Standing::Untouched(3));
        assert_eq!(standing(&second, &somebody), Standing::Untouched(3));
        assert_eq!(standing(&second, &touched), Standing::Forgotten);
        changes.changed(&names(2 * FEW));
        assert_eq!(standing(&second, &somebody), Standing::Forgotten);
        assert_eq!(standing(&checked(2), &somebody), Standing::Untouched(4));
        assert_eq!(standing(&checked(2), &touched), Standing::Untouched(4));
        assert_eq!(standing(&changes.stamp(), &somebody), Standing::Current);
        assert!(changes.touched.len() <= FEW);
    }

    #[test]
    fn more_names_at_once_than_are_kept_apart() {
        let changes = Changes::keeping(FEW);
        let stamp = changes.stamp();
        let names: Vec<_> = (0..=FEW).map(|n| entry(&format!("uid={n},dc=org"))).collect();
        changes.changed(&names);
        assert_eq!(changes.standing(stamp.last(), || vec![names[7].clone()], false), Standing::Forgotten);
        changes.changed(&[]);
        changes.changed(&names);
        assert_eq!(changes.standing(stamp.last(), Vec::new, false), Standing::Forgotten);
    }

    /// Changes of one name each, so many that the first of them is not known by its name any more.
    fn push_out(changes: &Changes) {
        (0..=FEW).for_each(|n| changes.changed(&[entry(&format!("uid=other{n},dc=org"))]));
    }

    #[test]
    fn a_name_that_goes_while_it_is_looked_for() {
        let changes = Changes::keeping(FEW);
        let stamp = changes.stamp();
        let touched = entry("uid=a,dc=org");
        changes.changed(std::slice::from_ref(&touched));
        let names = || {
            push_out(&changes);
            vec![touched]
        };
        assert_eq!(changes.standing(stamp.last(), names, false), Standing::Forgotten);
    }

    #[test]
    fn what_was_told_before_somebody_asked_is_never_missed() {
        let changes = Changes::keeping(FEW);
        let names: Vec<_> = (0..2 * FEW).map(|n| entry(&format!("uid={n},dc=org"))).collect();
        let name_of = |number: u64| &names[usize::try_from(number).unwrap() % names.len()];
        let is_over = AtomicBool::new(false);
        let read = || {
            let mut random = fastrand::Rng::with_seed(7);
            while !is_over.load(SeqCst) {
                // Among the last, of which some are about to go and some have just gone.
                let number = changes.stamp().last().saturating_sub(random.u64(..FEW as u64));
                if number > 0 {
                    let names = || vec![name_of(number).clone()];
                    assert_eq!(changes.standing(number - 1, names, false), Standing::Forgotten, "{number}");
                }
            }
        };
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..3).map(|_| scope.spawn(read)).collect();
            for number in 1..=CHANGES {
                changes.changed(std::slice::from_ref(name_of(number)));
            }
            is_over.store(true, SeqCst);
            readers.into_iter().for_each(|reader| reader.join().unwrap());
        });
        assert_eq!(changes.stamp().last(), CHANGES);
        assert!(changes.touched.len() <= FEW);
    }
}
