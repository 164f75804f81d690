//! One kind of question: the answers that are remembered, and the loads that bring them.

use std::future::Future;
use std::sync::Arc;

use tokio::time::Instant;

use super::Common;
use super::loads::{Loads, Next};
use super::store::{Answer, Asked, Fresh, Store};
use crate::directory::Failure;
use crate::metrics::Remembered;

/// Answers one kind of question.
pub(super) struct Shelf<K, V> {
    pub(super) store: Arc<Store<K, V>>,
    pub(super) loads: Loads<K, V>,
    common: Arc<Common>,
}

impl<K: Asked, V: Answer> Shelf<K, V> {
    /// Answers from `store`, which other shelves may fill too.
    pub(super) fn new(store: Arc<Store<K, V>>, common: Arc<Common>) -> Self {
        Self { loads: Loads::new(Arc::clone(&store), Arc::clone(&common)), store, common }
    }

    /// The answer from memory, else from `load`, else an older one.
    pub(super) async fn answer<R>(&self, asked: &K::Asking, load: impl FnOnce() -> R) -> Result<V, Failure>
    where
        R: Future<Output = Result<V, Failure>> + Send + 'static,
    {
        let now = Instant::now();
        if let Some(Fresh { value, is_due }) = self.store.fresh(asked, now) {
            self.counts().hits.one();
            if is_due {
                self.refresh(asked, load);
            }
            return Ok(value);
        }
        self.counts().misses.one();
        let answer = match self.loads.next(K::of(asked), load) {
            Next::Known(answer) => answer,
            Next::Wait(load) => load.await.unwrap_or_else(|_| Err(cut_off())),
        };
        answer.or_else(|failure| self.cover(asked, failure))
    }

    /// Begins to load what is not remembered, for somebody who will ask. It goes on by itself.
    pub(super) fn expect<R>(&self, asked: &K::Asking, load: impl FnOnce() -> R)
    where
        R: Future<Output = Result<V, Failure>> + Send + 'static,
    {
        match self.store.fresh(asked, Instant::now()) {
            Some(Fresh { is_due: true, .. }) => self.refresh(asked, load),
            Some(Fresh { is_due: false, .. }) => {}
            None => drop(self.loads.next(K::of(asked), load)),
        }
    }

    fn counts(&self) -> &Remembered {
        K::counts(&self.common.counts)
    }

    fn refresh<R>(&self, asked: &K::Asking, load: impl FnOnce() -> R)
    where
        R: Future<Output = Result<V, Failure>> + Send + 'static,
    {
        // A claim only with a permit: else nobody would load it for a second.
        let Ok(permit) = Arc::clone(&self.common.refreshes).try_acquire_owned() else { return };
        if self.store.claim_refresh(asked, Instant::now()) {
            self.loads.ahead(K::of(asked), permit, load);
        }
    }

    /// What serves in place of a failure: nothing, if the failure is what the directory has to say.
    fn cover(&self, asked: &K::Asking, failure: Failure) -> Result<V, Failure> {
        let now = Instant::now();
        let older = match failure {
            Failure::Unavailable(_) | Failure::BadAnswer(_) => self.store.stale(asked, now),
            Failure::AmbiguousLogin(_) => None,
        };
        let Some(value) = older else { return Err(failure) };
        self.counts().stale.one();
        self.common.outage.serves(&failure, now);
        Ok(value)
    }
}

/// A task that never ended: the program ends.
fn cut_off() -> Failure {
    Failure::Unavailable("looking up was cut off".to_owned())
}
