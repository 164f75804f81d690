//! Remembers what the directory answered: a [`Lookup`] in front of another one.
//!
//! One answer for a login, one for an address; the verdict is computed each time. In this order:
//!
//! 1. An answer younger than `ttl` (an absence: `negative_ttl`) that no invalidation has overtaken is given at once.
//!    In the last part of its life, using it has it loaded again in the background.
//! 2. Anything else waits for a load: one for a key, however many ask, and at most `limit` long.
//! 3. Where the load fails since the directory is away, an answer of at most `stale` serves; else the failure is the
//!    answer, also for who asks within the next second. A failure is never remembered as an absence.
//!
//! Nobody who asks after an invalidation, or after a change that the directory has told, gets an answer whose load
//! began before it and that it touches: see [`Changes`].

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::address::Address;
use crate::directory::Failure;
use crate::directory::changes::{Changes, Name};
use crate::directory::login::Login;
use crate::directory::lookup::{Forms, Holders, Lookup};
use crate::grant::{Entry, Person};
use crate::metrics;

mod bounded;
mod loads;
mod shelf;
mod status;
mod store;
mod twins;

use shelf::Shelf;
pub use status::Counts;
use status::Outage;
use store::{Answer, Asked, Store};
use twins::{Groups, Twins};

/// How long what is remembered, and how much.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CacheSettings {
    /// How long somebody who was found counts as found, from the load.
    pub ttl: Duration,
    /// The same for nobody; zero: it is not remembered that there is nobody.
    pub negative_ttl: Duration,
    /// How old an answer may be that serves while the directory is away, from its load; zero: none does.
    pub stale: Duration,
    /// The most people, and as many addresses with holders; a tenth of it for the absences of each.
    pub capacity: u64,
    /// The most that one load may take.
    pub limit: Duration,
    /// The most loads ahead of expiry that are under way; zero: nothing is loaded before somebody waits for it.
    pub refreshes: usize,
}

/// A [`Lookup`] that remembers. Its clones are the same one; when the last is dropped, what it has under way ends.
///
/// Needs a tokio runtime with time, also for a question that is answered from memory.
pub struct Cache<L>(Arc<Inner<L>>);

struct Inner<L> {
    lookup: Arc<L>,
    people: Shelf<Box<str>, Option<Person>>,
    holders: Shelf<Address, Holders>,
    twins: Arc<Twins>,
    common: Arc<Common>,
}

/// How much is remembered.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sizes {
    /// Logins of people.
    pub logins: usize,
    /// Logins that nobody has.
    pub unknown_logins: usize,
    /// Addresses with holders.
    pub addresses: usize,
    /// Addresses that nobody has.
    pub unknown_addresses: usize,
}

/// What both kinds of questions share.
#[derive(Clone)]
struct Common {
    settings: CacheSettings,
    changes: Arc<Changes>,
    counts: Arc<metrics::Cache>,
    outage: Arc<Outage>,
    refreshes: Arc<Semaphore>,
    groups: Arc<Groups>,
}

impl<L: Lookup + 'static> Cache<L> {
    /// Remembers what `lookup` answers from now on, under these forms, until `changes` say otherwise. Its loads run on the
    /// tokio runtime that calls this, also for who asks on another.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub fn new(lookup: L, settings: CacheSettings, forms: Forms, changes: Arc<Changes>) -> Self {
        Self::counting(lookup, settings, forms, changes, Arc::default())
    }

    /// The same, and goes on with these counts.
    ///
    /// # Panics
    ///
    /// As [`Self::new`].
    pub fn counting(
        lookup: L,
        settings: CacheSettings,
        forms: Forms,
        changes: Arc<Changes>,
        counts: Arc<metrics::Cache>,
    ) -> Self {
        let forms = Arc::new(forms);
        let people = Store::new(settings, Arc::clone(&forms), Arc::clone(&changes));
        let holders = Store::new(settings, forms, Arc::clone(&changes));
        let common = Common::new(settings, changes, counts);
        Self::with(lookup, common, people.into(), holders.into())
    }

    /// Goes on with what `old` remembers, in front of another lookup that gives the same answers, such as over a new
    /// connection. All of it is due, as after [`Self::expire_all`]; both caches go on and share what they learn, but
    /// nothing that `old` has under way.
    pub fn over<M: Lookup + 'static>(lookup: L, old: &Cache<M>) -> Self {
        old.expire_all();
        // Else one of them could bring an older answer than this cache already has.
        old.0.people.loads.disown();
        old.0.holders.loads.disown();
        let refreshes = Arc::new(Semaphore::new(old.0.common.settings.refreshes));
        let common = Common { refreshes, ..Common::clone(&old.0.common) };
        Self::with(lookup, common, Arc::clone(&old.0.people.store), Arc::clone(&old.0.holders.store))
    }

    /// From now on everything is asked for anew, and what is remembered serves only while the directory is away.
    pub fn expire_all(&self) {
        self.0.common.changes.expire();
    }

    /// Nothing of what is remembered serves any more.
    pub fn forget_all(&self) {
        self.0.common.changes.forget();
        self.0.people.store.clear();
        self.0.holders.store.clear();
    }

    /// What invalidates the answers.
    pub fn changes(&self) -> &Arc<Changes> {
        &self.0.common.changes
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        Counts::of(&self.0.common.counts)
    }

    /// How much is remembered.
    pub fn sizes(&self) -> Sizes {
        let ((logins, unknown_logins), (addresses, unknown_addresses)) =
            (self.0.people.store.sizes(), self.0.holders.store.sizes());
        Sizes { logins, unknown_logins, addresses, unknown_addresses }
    }

    fn with(
        lookup: L,
        common: Common,
        people: Arc<Store<Box<str>, Option<Person>>>,
        holders: Arc<Store<Address, Holders>>,
    ) -> Self {
        let common = Arc::new(common);
        let groups = Arc::clone(&common.groups);
        let twins = Twins { people: Arc::clone(&people), holders: Arc::clone(&holders), groups };
        let people = Shelf::new(people, Arc::clone(&common));
        let holders = Shelf::new(holders, Arc::clone(&common));
        Self(Arc::new(Inner { lookup: Arc::new(lookup), people, holders, twins: Arc::new(twins), common }))
    }
}

impl Common {
    fn new(settings: CacheSettings, changes: Arc<Changes>, counts: Arc<metrics::Cache>) -> Self {
        let (outage, groups) = Default::default();
        let refreshes = Arc::new(Semaphore::new(settings.refreshes));
        Self { settings, changes, counts, outage, refreshes, groups }
    }
}

impl<L: Lookup + 'static> Lookup for Cache<L> {
    async fn person(&self, login: &str) -> Result<Option<Person>, Failure> {
        self.0.people.answer(&*folded(login), || self.load_person(login)).await
    }

    async fn owners(&self, address: &Address) -> Result<Holders, Failure> {
        let load = || {
            let (lookup, twins) = (Arc::clone(&self.0.lookup), Arc::clone(&self.0.twins));
            let address = address.clone();
            async move { Ok(twins.holders(&lookup.owners(&address).await?)) }
        };
        self.0.holders.answer(address, load).await
    }

    fn expect(&self, login: &str) {
        self.0.people.expect(&*folded(login), || self.load_person(login));
    }
}

impl<L: Lookup + 'static> Cache<L> {
    fn load_person(
        &self,
        login: &str,
    ) -> impl Future<Output = Result<Option<Person>, Failure>> + Send + 'static {
        let (lookup, twins) = (Arc::clone(&self.0.lookup), Arc::clone(&self.0.twins));
        let login = login.to_owned();
        async move { Ok(lookup.person(&login).await?.map(|person| twins.person(person))) }
    }
}

/// A login as directories compare it, as far as all of them do: without regard to ASCII case. That two forms of one
/// address are two keys costs a load, no more.
fn folded(login: &str) -> Cow<'_, str> {
    if login.bytes().any(|byte| byte.is_ascii_uppercase()) {
        login.to_ascii_lowercase().into()
    } else {
        login.into()
    }
}

impl Asked for Box<str> {
    type Asking = str;

    fn counts(cache: &metrics::Cache) -> &metrics::Remembered {
        &cache.logins
    }

    fn of(asking: &str) -> Self {
        asking.into()
    }

    fn names(&self, forms: &Forms) -> Vec<Name> {
        vec![Name::Login(Login::of(forms.login(self)))]
    }
}

impl Asked for Address {
    type Asking = Self;

    fn counts(cache: &metrics::Cache) -> &metrics::Remembered {
        &cache.addresses
    }

    fn of(asking: &Self) -> Self {
        asking.clone()
    }

    fn names(&self, forms: &Forms) -> Vec<Name> {
        forms.addresses.candidates(self).into_iter().map(Name::Address).collect()
    }
}

impl Answer for Option<Person> {
    const NAMES_GROUPS: bool = true;

    fn entries(&self) -> &[Arc<Entry>] {
        self.as_ref().map_or(&[], |person| std::slice::from_ref(&person.entry))
    }
}

impl Answer for Holders {
    const NAMES_GROUPS: bool = false;

    fn entries(&self) -> &[Arc<Entry>] {
        self
    }
}

impl<L> Clone for Cache<L> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<L: Lookup + 'static> fmt::Debug for Cache<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cache").field(&self.counts()).finish()
    }
}

#[cfg(test)]
mod tests;
