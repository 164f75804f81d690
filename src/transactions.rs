//! The messages that are under way, counted so that the program can end without dropping one; and the bodies that they
//! hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};

use tokio::sync::watch;

use crate::bodies::Bodies;

/// The open transactions, shared by all connections.
#[derive(Clone, Debug, Default)]
pub struct Transactions {
    state: Arc<State>,
    bodies: Bodies,
}

/// How many transactions are open, and whether new ones may begin. As long as the program does not end, a message only
/// counts: it takes no lock and wakes nobody.
#[derive(Debug, Default)]
struct State {
    open: AtomicUsize,
    /// All that ever began.
    total: AtomicU64,
    ending: AtomicBool,
    /// Told that the program ends, and of each transaction that closes from then on.
    told: watch::Sender<()>,
}

/// An open transaction; dropping it closes it.
#[derive(Debug)]
pub struct Open(Transactions);

impl Transactions {
    /// Begins a transaction; none once the program is ending.
    pub fn open(&self) -> Option<Open> {
        // Counted before the look: who ends the program either is seen here or sees this.
        self.state.open.fetch_add(1, SeqCst);
        let open = Open(self.clone());
        if self.state.is_ending() {
            return None;
        }
        self.state.total.fetch_add(1, SeqCst);
        Some(open)
    }

    /// How many began since the start, and how many bodies were needed.
    pub fn counts(&self) -> (u64, u64) {
        (self.state.total.load(SeqCst), self.bodies.count())
    }

    /// How many are open.
    pub fn under_way(&self) -> usize {
        self.state.open.load(SeqCst)
    }

    /// The bodies of all transactions.
    pub fn bodies(&self) -> &Bodies {
        &self.bodies
    }

    /// Lets no more transactions begin.
    pub fn end(&self) {
        self.state.ending.store(true, SeqCst);
        self.state.told.send_replace(());
    }

    /// Waits until no transaction is open. To be called once they have been told to [`Transactions::end`].
    pub async fn closed(&self) {
        self.wait_for(|state| state.open.load(SeqCst) == 0).await;
    }

    /// Waits until [`Transactions::end`] is called.
    pub async fn ending(&self) {
        self.wait_for(State::is_ending).await;
    }

    async fn wait_for(&self, condition: impl Fn(&State) -> bool) {
        // The sender is ours: waiting cannot fail while it lives.
        let _ = self.state.told.subscribe().wait_for(|()| condition(&self.state)).await;
    }
}

impl State {
    fn is_ending(&self) -> bool {
        self.ending.load(SeqCst)
    }
}

impl Open {
    /// The bodies of all transactions.
    pub fn bodies(&self) -> &Bodies {
        self.0.bodies()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.state.open.fetch_sub(1, SeqCst);
        if self.0.state.is_ending() {
            self.0.state.told.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn the_last_transaction_ends_the_wait() {
        let transactions = Transactions::default();
        let (first, second) = (transactions.open(), transactions.open());
        assert!(transactions.ending().now_or_never().is_none());
        transactions.end();
        assert!(transactions.ending().now_or_never().is_some());
        assert!(transactions.open().is_none());
        assert_eq!(transactions.counts(), (2, 0));
        let mut closed = std::pin::pin!(transactions.closed());
        assert!(closed.as_mut().now_or_never().is_none());
        drop(first);
        assert!(closed.as_mut().now_or_never().is_none());
        drop(second);
        assert!(closed.now_or_never().is_some());
    }

    /// However an end and a beginning meet, the wait is over only when nothing is open any more.
    #[test]
    fn nothing_begins_once_all_is_closed() {
        for _ in 0..1000 {
            let transactions = Transactions::default();
            let other = transactions.clone();
            let beginner = std::thread::spawn(move || other.open());
            transactions.end();
            let closed = transactions.closed().now_or_never().is_some();
            let open = beginner.join().unwrap();
            assert!(!closed || open.is_none());
        }
    }
}
