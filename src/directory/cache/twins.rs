//! One entry in memory for all answers that have the same: everybody in a group has it, and somebody who is found by a
//! login is found by addresses too.
//!
//! What is the same is so to the letter, so that nobody can tell whether it is shared. Nothing is kept here that no answer
//! keeps.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::folded;
use super::store::Store;
use crate::address::Address;
use crate::directory::lookup::Holders;
use crate::grant::{Entry, Person};

/// Groups that went are looked for when there are twice as many names as there were groups then, and this many.
const FEW: usize = 1024;

/// Where an entry may be in memory already.
pub(super) struct Twins {
    pub(super) people: Arc<Store<Box<str>, Option<Person>>>,
    pub(super) holders: Arc<Store<Address, Holders>>,
    pub(super) groups: Arc<Groups>,
}

impl Twins {
    /// The same person, made of entries that are in memory already, as far as there are any.
    pub(super) fn person(&self, person: Person) -> Person {
        let Person { entry, groups } = person;
        Person {
            entry: self.entry(entry),
            groups: groups.iter().map(|group| self.groups.one(group, Role::Membership)).collect(),
        }
    }

    /// The same for the holders of an address.
    pub(super) fn holders(&self, holders: &Holders) -> Holders {
        holders.iter().map(|entry| self.entry(Arc::clone(entry))).collect()
    }

    fn entry(&self, entry: Arc<Entry>) -> Arc<Entry> {
        if entry.is_group {
            return self.groups.one(&entry, Role::Holder);
        }
        let by_login = entry.logins().filter_map(|login| self.people.twin(&*folded(login), &entry));
        let by_address = entry.addresses().filter_map(|address| self.holders.twin(address, &entry));
        let twin = by_login.chain(by_address).next();
        twin.unwrap_or(entry)
    }
}

/// What a group is in an answer. Other attributes are asked for of one than of the other: they are no twins, and would
/// only push each other out.
#[derive(Clone, Copy, Hash)]
enum Role {
    Holder,
    Membership,
}

/// The groups that are in some answer.
#[derive(Default)]
pub(super) struct Groups {
    known: Mutex<Known>,
    hasher: RandomState,
}

#[derive(Default)]
struct Known {
    /// By the hash of role and name, the last that came.
    groups: HashMap<u64, Weak<Entry>>,
    /// How many there may be before those are looked for that went.
    enough: usize,
}

impl Groups {
    /// The group, as it is in memory already.
    fn one(&self, group: &Arc<Entry>, role: Role) -> Arc<Entry> {
        let name = self.hasher.hash_one((role, &group.dn));
        // What is in the map is whole at any time.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let there = known.groups.get(&name).and_then(Weak::upgrade);
        if let Some(there) = there.filter(|there| there.is_written_as(group)) {
            return there;
        }
        if known.groups.len() >= known.enough {
            known.groups.retain(|_, group| group.strong_count() > 0);
            known.enough = (2 * known.groups.len()).max(FEW);
        }
        known.groups.insert(name, Arc::downgrade(group));
        Arc::clone(group)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::world;
    use super::*;
    use crate::dn::Dn;

    fn group(name: &str) -> Arc<Entry> {
        let dn = Dn::parse(name).unwrap();
        Arc::new(Entry { dn, is_group: true, ..Entry::clone(&world::entry(1)) })
    }

    fn one(groups: &Groups, group: &Arc<Entry>) -> Arc<Entry> {
        groups.one(group, Role::Membership)
    }

    #[test]
    fn one_group_for_all_while_somebody_has_it() {
        let groups = Groups::default();
        let first = one(&groups, &group("cn=a,dc=org"));
        for (other, same) in
            [(group("cn=a,dc=org"), true), (group("CN=a,dc=org"), false), (group("cn=b,dc=org"), false)]
        {
            assert_eq!(Arc::ptr_eq(&first, &one(&groups, &other)), same, "{other:?}");
        }
        // The last that came is the one.
        let changed = Arc::new(Entry { enabled: Some(true), ..Entry::clone(&first) });
        assert!(Arc::ptr_eq(&changed, &one(&groups, &changed)));
        assert!(Arc::ptr_eq(&changed, &one(&groups, &Arc::new(Entry::clone(&changed)))));
        let gone = Arc::downgrade(&changed);
        drop(changed);
        assert!(gone.upgrade().is_none());
    }

    #[test]
    fn a_holder_and_a_membership_do_not_push_each_other_out() {
        let groups = Groups::default();
        let membership = one(&groups, &group("cn=a,dc=org"));
        let holder = Arc::new(Entry { enabled: Some(true), ..Entry::clone(&membership) });
        for _ in 0..2 {
            let again = Arc::new(Entry::clone(&holder));
            assert!(Arc::ptr_eq(&holder, &groups.one(&holder, Role::Holder)));
            assert!(Arc::ptr_eq(&holder, &groups.one(&again, Role::Holder)));
            assert!(Arc::ptr_eq(&membership, &one(&groups, &Arc::new(Entry::clone(&membership)))));
        }
    }

    #[test]
    fn groups_that_nobody_has_are_forgotten() {
        let groups = Groups::default();
        let kept: Vec<_> = (0..FEW).map(|n| one(&groups, &group(&format!("cn={n},dc=org")))).collect();
        for n in 0..20 * FEW {
            one(&groups, &group(&format!("cn=passing{n},dc=org")));
        }
        assert!((FEW..=3 * FEW).contains(&groups.known.lock().unwrap().groups.len()));
        for known in kept {
            assert!(Arc::ptr_eq(&known, &one(&groups, &Arc::new(Entry::clone(&known)))));
        }
    }
}
