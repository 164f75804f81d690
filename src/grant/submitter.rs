//! Who authenticated: an entry, an `[[account]]`, or both, with the groups that stand for it.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Delegate, Entry};
use crate::address::{Address, Pattern};
use crate::dn::Dn;

/// A login that the configuration defines, besides or instead of an entry: a scanner, a ticket system.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// The login, as it arrives in `{auth_authen}`.
    pub login: String,
    /// Addresses that count as its own.
    pub may_send: Vec<Pattern>,
    /// Addresses that it may use as envelope sender besides.
    pub envelope: Vec<Pattern>,
    /// Whether its messages are only watched; without it, `policy.mode` says.
    pub mode: Option<Mode>,
}

impl Account {
    /// Whether the address, as it stands, is its own.
    fn owns(&self, address: &Address) -> bool {
        self.may_send.iter().any(|pattern| pattern.matches(address))
    }

    /// The addresses that it may send from, as far as they are named.
    fn addresses(&self) -> impl Iterator<Item = &Address> + Clone {
        self.may_send.iter().filter_map(|pattern| match pattern {
            Pattern::Address(address) => Some(address),
            Pattern::Any | Pattern::Domain(_) => None,
        })
    }
}

/// Whether verdicts are carried out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// They are.
    Enforce,
    /// They are logged, and every message passes unchanged.
    Observe,
}

/// Who logs in, as the directory has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Person {
    /// The entry.
    pub entry: Arc<Entry>,
    /// The security groups that it is in, directly or through security groups alone.
    pub groups: Arc<[Arc<Entry>]>,
}

/// Who authenticated.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Submitter {
    /// The login as it arrived in `{auth_authen}`.
    pub login: String,
    /// Its entry.
    pub entry: Option<Arc<Entry>>,
    /// Its `[[account]]`.
    pub account: Option<Arc<Account>>,
    /// The security groups that it is in, directly or through security groups alone.
    pub groups: Arc<[Arc<Entry>]>,
}

impl Submitter {
    /// Whether anything is known of the login.
    pub fn is_known(&self) -> bool {
        self.entry.is_some() || self.account.is_some()
    }

    /// Its primary address: the one that it logs in with, else the entry's, else the account's first.
    pub fn primary(&self) -> Option<&Address> {
        let login = Address::parse(&self.login).ok();
        let entry = self.entry.as_deref();
        let typed = entry.and_then(|entry| entry.mail.iter().find(|own| Some(*own) == login.as_ref()));
        typed.into_iter().chain(self.named()).next()
    }

    /// The addresses that could stand for it, the primary first.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> + Clone {
        self.primary().into_iter().chain(self.named())
    }

    /// The addresses of its entry, then those of its account.
    fn named(&self) -> impl Iterator<Item = &Address> + Clone {
        let account = self.account.iter().flat_map(|account| account.addresses());
        self.entry.iter().flat_map(|entry| entry.addresses()).chain(account)
    }

    /// Whether the address, as it stands, is one of its own.
    pub fn owns(&self, address: &Address) -> bool {
        self.entry.as_ref().is_some_and(|entry| entry.has(address))
            || self.account.as_ref().is_some_and(|account| account.owns(address))
    }

    /// The domains of its own addresses.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        let entry = self.entry.iter().flat_map(|entry| entry.addresses()).map(Address::domain);
        let patterns = self.account.iter().flat_map(|account| &account.may_send);
        entry.chain(patterns.filter_map(|pattern| match pattern {
            Pattern::Any => None,
            Pattern::Domain(domain) => Some(domain.as_ref()),
            Pattern::Address(address) => Some(address.domain()),
        }))
    }

    /// The entries whose grants are the submitter's: its own, and its security groups.
    pub fn identities(&self) -> impl Iterator<Item = &Entry> {
        self.entry.iter().chain(self.groups.iter()).map(Arc::as_ref)
    }
}

/// The names of the submitter's identities, for an owner with hundreds of grants and a submitter in as many groups.
pub(super) struct Names<'a> {
    submitter: &'a Submitter,
    /// None where so little is compared that it costs more to hash it.
    hashed: Option<HashSet<&'a Dn>>,
}

impl<'a> Names<'a> {
    /// So many grants are compared without being hashed.
    pub(super) const FEW: usize = 16;

    pub(super) fn of(submitter: &'a Submitter, grants: usize) -> Self {
        let hashed = || submitter.identities().map(|identity| &identity.dn).collect();
        Self { submitter, hashed: (grants > Self::FEW).then(hashed) }
    }

    /// Whether the delegate is one of the identities; of delegates that are not given by name, whether they may be.
    pub(super) fn may_have(&self, delegate: &Delegate) -> bool {
        match (delegate, &self.hashed) {
            (Delegate::Dn(dn), Some(names)) => names.contains(dn),
            (Delegate::Dn(dn), None) => self.submitter.identities().any(|identity| identity.dn == *dn),
            (Delegate::Address(_) | Delegate::Login(_) | Delegate::Number(_) | Delegate::Trustee(_), _) => {
                true
            }
        }
    }
}
