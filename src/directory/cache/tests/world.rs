//! A directory whose answers carry the number of the version that they come from, and that does what a test says.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;

use crate::address::Address;
use crate::directory::Failure;
use crate::directory::cache::{Cache, CacheSettings};
use crate::directory::lookup::{Forms, Holders, Lookup};
use crate::dn::Dn;
use crate::grant::{Entry, Person};

pub(super) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(super) fn settings() -> CacheSettings {
    CacheSettings {
        ttl: secs(300),
        negative_ttl: secs(30),
        stale: secs(3600),
        capacity: 1000,
        limit: secs(10),
        refreshes: 16,
    }
}

/// What the directory says.
#[derive(Clone)]
pub(super) enum Mood {
    /// It knows everybody.
    Knows,
    /// It knows nobody.
    KnowsNobody,
    Fails(Failure),
    Panics,
    /// Panics when it is no longer wanted.
    PanicsWhenDropped,
}

pub(super) struct World {
    pub(super) version: AtomicU64,
    mood: Mutex<Mood>,
    /// The loads that have begun, by number from 0: what they asked for.
    asked: Mutex<Vec<String>>,
    pub(super) under_way: AtomicUsize,
    gate: watch::Sender<Gate>,
    /// The most turns that a load leaves to others, chosen at random each time.
    pub(super) dawdles: AtomicU64,
}

#[derive(Default)]
struct Gate {
    closed: bool,
    passes: HashSet<usize>,
}

pub(super) fn unavailable() -> Mood {
    Mood::Fails(Failure::Unavailable("it is away".to_owned()))
}

pub(super) fn bad_answer() -> Mood {
    Mood::Fails(Failure::BadAnswer("garbage".to_owned()))
}

pub(super) fn ambiguous() -> Mood {
    Mood::Fails(Failure::AmbiguousLogin(vec![]))
}

impl World {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            version: AtomicU64::new(1),
            mood: Mutex::new(Mood::Knows),
            asked: Mutex::default(),
            under_way: AtomicUsize::new(0),
            gate: watch::Sender::default(),
            dawdles: AtomicU64::new(0),
        })
    }

    pub(super) fn cache(self: &Arc<Self>, settings: CacheSettings) -> Cache<Fake> {
        Cache::new(self.lookup(), settings, Forms::default(), Arc::default())
    }

    pub(super) fn lookup(self: &Arc<Self>) -> Fake {
        Fake(Arc::clone(self))
    }

    /// Something changes in the directory.
    pub(super) fn change(&self) {
        self.version.fetch_add(1, SeqCst);
    }

    pub(super) fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// From now on nobody gets an answer.
    pub(super) fn hold(&self) {
        self.gate.send_modify(|gate| *gate = Gate { closed: true, ..Gate::default() });
    }

    /// But this load.
    pub(super) fn let_pass(&self, load: usize) {
        self.gate.send_modify(|gate| gate.passes.extend([load]));
    }

    pub(super) fn release(&self) {
        self.gate.send_modify(|gate| gate.closed = false);
    }

    /// How many loads have begun.
    pub(super) fn loads(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// One question: what it sees is what was there when it came.
    async fn entry(&self, question: String) -> Result<Option<Arc<Entry>>, Failure> {
        let number = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(question);
            asked.len() - 1
        };
        let _under_way = UnderWay::new(self);
        let version = self.version.load(SeqCst);
        for _ in 0..fastrand::u64(0..=self.dawdles.load(SeqCst)) {
            tokio::task::yield_now().await;
        }
        let mut gate = self.gate.subscribe();
        gate.wait_for(|gate| !gate.closed || gate.passes.contains(&number)).await.unwrap();
        let mood = self.mood.lock().unwrap().clone();
        match mood {
            Mood::Knows | Mood::PanicsWhenDropped => Ok(Some(entry(version))),
            Mood::KnowsNobody => Ok(None),
            Mood::Fails(failure) => Err(failure),
            Mood::Panics => panic!("as the test says"),
        }
    }
}

struct UnderWay<'a>(&'a World);

impl<'a> UnderWay<'a> {
    fn new(world: &'a World) -> Self {
        world.under_way.fetch_add(1, SeqCst);
        Self(world)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, SeqCst);
        let mood = self.0.mood.lock().unwrap().clone();
        assert!(!matches!(mood, Mood::PanicsWhenDropped), "as the test says");
    }
}

pub(in crate::directory::cache) fn entry(version: u64) -> Arc<Entry> {
    Arc::new(Entry {
        dn: Dn::parse("uid=anna,dc=org").unwrap(),
        name: Some(version.to_string().into()),
        mail: Default::default(),
        aliases: Default::default(),
        logins_but_mail: Default::default(),
        mail_logs_in: false,
        numbers: Default::default(),
        is_group: false,
        enabled: None,
        security: None,
        grants: Default::default(),
    })
}

pub(super) struct Fake(Arc<World>);

impl Lookup for Fake {
    async fn person(&self, login: &str) -> Result<Option<Person>, Failure> {
        let entry = self.0.entry(login.to_owned()).await?;
        Ok(entry.map(|entry| Person { entry, groups: [].into() }))
    }

    async fn owners(&self, address: &Address) -> Result<Holders, Failure> {
        Ok(self.0.entry(address.to_string()).await?.into_iter().collect())
    }
}

/// An answer in words: the version, `nobody`, or which failure.
fn in_words(answer: Result<Option<&Entry>, &Failure>) -> String {
    match answer {
        Ok(Some(entry)) => format!("version {}", entry.name.clone().unwrap()),
        Ok(None) => "nobody".to_owned(),
        Err(Failure::Unavailable(_)) => "unavailable".to_owned(),
        Err(Failure::BadAnswer(_)) => "bad answer".to_owned(),
        Err(Failure::AmbiguousLogin(_)) => "ambiguous".to_owned(),
    }
}

pub(super) async fn person(cache: &Cache<Fake>, login: &str) -> String {
    let answer = cache.person(login).await;
    in_words(answer.as_ref().map(|person| person.as_ref().map(|person| &*person.entry)))
}

pub(super) async fn owner(cache: &Cache<Fake>, address: &str) -> String {
    let answer = cache.owners(&Address::parse(address).unwrap()).await;
    in_words(answer.as_ref().map(|owners| owners.first().map(|owner| &**owner)))
}

/// The same for an answer that does not have to be waited for.
pub(super) fn person_at_once(cache: &Cache<Fake>, login: &str) -> Option<String> {
    person(cache, login).now_or_never()
}

/// Asks in a task of its own, and lets it begin.
pub(super) async fn ask(cache: &Cache<Fake>, login: &str) -> tokio::task::JoinHandle<String> {
    let (cache, login) = (cache.clone(), login.to_owned());
    let asking = tokio::spawn(async move { person(&cache, &login).await });
    settle().await;
    asking
}

/// Until nothing can go on: the clock is paused, and runs only then.
pub(super) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}
