//! The loads of one kind of question: one for a key at a time, whoever waits for it, and a pause after a failure.
//!
//! A load is a task of its own: whoever waits for it may go away. It owns its key until another takes the key over,
//! which happens to a load that an invalidation has overtaken; what a load brings that no longer owns its key is told
//! to those who wait for it, and not remembered.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::Shared;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::Common;
use super::store::{Answer, Asked, Fresh, Store};
use crate::directory::Failure;
use crate::directory::changes::Stamp;

/// How long the failure of a load is the answer to its question.
pub(super) const BACK_OFF: Duration = Duration::from_secs(1);

/// The most failures that are remembered. What is beyond asks the directory, which bounds itself.
const MOST_FAILURES: usize = 1024;

/// What a load will bring, for each who waits.
pub(super) type Waiting<V> = Shared<oneshot::Receiver<Result<V, Failure>>>;

/// What there is for somebody who has found nothing fresh.
pub(super) enum Next<V> {
    /// Somebody else's load has just ended.
    Known(Result<V, Failure>),
    /// A load is under way.
    Wait(Waiting<V>),
}

/// The loads of one kind. Dropped, it ends them.
pub(super) struct Loads<K, V> {
    desk: Arc<Desk<K, V>>,
    /// Where they run. Not where they are asked for: that may end before those who wait elsewhere have an answer.
    runtime: Handle,
    tasks: Mutex<JoinSet<()>>,
}

/// What the loads themselves hold on to: no task among it, so that nothing keeps itself alive.
struct Desk<K, V> {
    store: Arc<Store<K, V>>,
    common: Arc<Common>,
    /// Held while a load begins and while one stores its answer: who finds no load under way finds its answer.
    table: Mutex<Table<K, V>>,
}

struct Table<K, V> {
    under_way: HashMap<K, Load<V>>,
    failed: HashMap<K, Failed>,
    /// The number of the last load.
    last: u64,
}

struct Load<V> {
    number: u64,
    stamp: Stamp,
    answer: Waiting<V>,
}

struct Failed {
    failure: Failure,
    stamp: Stamp,
    until: Instant,
}

impl<K: Asked, V: Answer> Loads<K, V> {
    /// No load yet; they will fill `store`. Loads run on the runtime of whoever calls this.
    pub(super) fn new(store: Arc<Store<K, V>>, common: Arc<Common>) -> Self {
        let table = Table { under_way: HashMap::new(), failed: HashMap::new(), last: 0 };
        let desk = Arc::new(Desk { store, common, table: Mutex::new(table) });
        Self { desk, runtime: Handle::current(), tasks: Mutex::default() }
    }

    /// For a key of which nothing is fresh: the load that is under way, or a new one.
    pub(super) fn next<R>(&self, key: K, load: impl FnOnce() -> R) -> Next<V>
    where
        R: Future<Output = Result<V, Failure>> + Send + 'static,
    {
        let mut table = self.desk.table();
        let now = Instant::now();
        if let Some(Fresh { value, .. }) = self.desk.store.fresh(key.borrow(), now) {
            return Next::Known(Ok(value));
        }
        if let Some(failure) = self.desk.failure(&table, &key, now) {
            return Next::Known(Err(failure));
        }
        let waiting = self.desk.joinable(&table, &key).unwrap_or_else(|| self.begin(&mut table, key, load()));
        Next::Wait(waiting)
    }

    /// Loads what will soon be due, unless that is under way or has just failed.
    pub(super) fn ahead<R>(&self, key: K, permit: OwnedSemaphorePermit, load: impl FnOnce() -> R)
    where
        R: Future<Output = Result<V, Failure>> + Send + 'static,
    {
        let mut table = self.desk.table();
        if self.desk.failure(&table, &key, Instant::now()).is_some()
            || self.desk.joinable(&table, &key).is_some()
        {
            return;
        }
        K::counts(&self.desk.common.counts).refreshes.one();
        let load = load();
        let load = async move {
            let _permit = permit;
            load.await
        };
        // Nobody waits for it.
        drop(self.begin(&mut table, key, load));
    }

    /// No load that is under way is remembered.
    pub(super) fn disown(&self) {
        self.desk.table().under_way.clear();
    }

    /// How many failures are remembered.
    #[cfg(test)]
    pub(super) fn failures(&self) -> usize {
        self.desk.table().failed.len()
    }

    fn begin<R>(&self, table: &mut Table<K, V>, key: K, load: R) -> Waiting<V>
    where
        R: Future<Output = Result<V, Failure>> + Send + 'static,
    {
        let stamp = self.desk.common.changes.stamp();
        let (tell, answer) = oneshot::channel();
        let answer = answer.shared();
        table.last += 1;
        let number = table.last;
        table.under_way.insert(key.clone(), Load { number, stamp, answer: answer.clone() });
        let desk = Arc::clone(&self.desk);
        self.spawn(async move {
            let brought = bounded(desk.common.settings.limit, load).await;
            desk.end(key, number, stamp, brought.clone());
            // Nobody may be left who waits.
            let _ = tell.send(brought);
        });
        answer
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(task, &self.runtime);
    }
}

impl<K: Asked, V: Answer> Desk<K, V> {
    fn table(&self) -> MutexGuard<'_, Table<K, V>> {
        // A panic under the lock may lose a load, which the next question begins again.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The load under way, if whoever asks now may have its answer.
    fn joinable(&self, table: &Table<K, V>, key: &K) -> Option<Waiting<V>> {
        let load = table.under_way.get::<K>(key)?;
        // What it will be about is not known yet: any change may touch it.
        self.common.changes.is_latest(&load.stamp).then(|| load.answer.clone())
    }

    fn failure(&self, table: &Table<K, V>, key: &K, now: Instant) -> Option<Failure> {
        let Failed { failure, stamp, until } = table.failed.get::<K>(key)?;
        (now < *until && self.common.changes.is_latest(stamp)).then(|| failure.clone())
    }

    fn end(&self, key: K, number: u64, stamp: Stamp, brought: Result<V, Failure>) {
        match brought {
            Ok(_) => self.common.outage.answers(),
            Err(_) => K::counts(&self.common.counts).failures.one(),
        }
        let mut table = self.table();
        if table.under_way.get::<K>(&key).is_none_or(|load| load.number != number) {
            return;
        }
        table.under_way.remove::<K>(&key);
        match brought {
            Ok(value) => {
                table.failed.remove::<K>(&key);
                self.store.put(key, value, stamp);
            }
            Err(failure) => self.fail(&mut table, key, stamp, failure),
        }
    }

    fn fail(&self, table: &mut Table<K, V>, key: K, stamp: Stamp, failure: Failure) {
        match failure {
            Failure::Unavailable(_) | Failure::BadAnswer(_) => {}
            // The directory has answered: what it said before does not hold.
            Failure::AmbiguousLogin(_) => self.store.remove(&key),
        }
        let now = Instant::now();
        if table.failed.len() >= MOST_FAILURES {
            table.failed.retain(|_, failed| now < failed.until);
        }
        if table.failed.len() < MOST_FAILURES {
            table.failed.insert(key, Failed { failure, stamp, until: now + BACK_OFF });
        }
    }
}

/// A load that ends, and that ends in words.
async fn bounded<V, R>(limit: Duration, load: R) -> Result<V, Failure>
where
    R: Future<Output = Result<V, Failure>>,
{
    // In a block of its own, so that what dropping the load does is caught too.
    let load = AssertUnwindSafe(async move { timeout(limit, load).await }).catch_unwind();
    match load.await {
        Ok(Ok(brought)) => brought,
        Ok(Err(_)) => Err(Failure::Unavailable(format!("no answer within {} s", limit.as_secs_f32()))),
        Err(_) => Err(Failure::BadAnswer("looking up ended in an internal error".to_owned())),
    }
}
