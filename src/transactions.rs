//! The messages that are under way, counted so that the program can end without dropping one; and the bodies that they
//! hold.

use std::sync::Arc;

use tokio::sync::watch;

use crate::bodies::Bodies;

/// How many transactions are open, and whether new ones may begin.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct State {
    open: usize,
    /// All that ever began.
    total: u64,
    ending: bool,
}

/// The open transactions, shared by all connections.
#[derive(Clone, Debug, Default)]
pub struct Transactions {
    state: Arc<watch::Sender<State>>,
    bodies: Bodies,
}

/// An open transaction; dropping it closes it.
#[derive(Debug)]
pub struct Open(Transactions);

impl Transactions {
    /// Begins a transaction; none once the program is ending.
    pub fn open(&self) -> Option<Open> {
        let began = self.state.send_if_modified(|state| {
            if !state.ending {
                state.open += 1;
                state.total += 1;
            }
            !state.ending
        });
        began.then(|| Open(self.clone()))
    }

    /// How many began since the start, and how many bodies were needed.
    pub fn counts(&self) -> (u64, u64) {
        (self.state.borrow().total, self.bodies.count())
    }

    /// The bodies of all transactions.
    pub fn bodies(&self) -> &Bodies {
        &self.bodies
    }

    /// Lets no more transactions begin.
    pub fn end(&self) {
        self.state.send_modify(|state| state.ending = true);
    }

    /// Waits until no transaction is open.
    pub async fn closed(&self) {
        // The sender is ours: waiting cannot fail while it lives.
        let _ = self.state.subscribe().wait_for(|state| state.open == 0).await;
    }

    /// Waits until [`Transactions::end`] is called.
    pub async fn ending(&self) {
        let _ = self.state.subscribe().wait_for(|state| state.ending).await;
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
        self.0.state.send_modify(|state| state.open -= 1);
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
        drop(first);
        assert!(transactions.closed().now_or_never().is_none());
        drop(second);
        assert!(transactions.closed().now_or_never().is_some());
    }
}
