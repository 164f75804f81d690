//! The messages that are under way, counted so that the program can end without dropping one.

use std::sync::Arc;

use tokio::sync::watch;

/// How many transactions are open, and whether new ones may begin.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct State {
    open: usize,
    ending: bool,
}

/// The count of open transactions, shared by all connections.
#[derive(Clone, Debug, Default)]
pub struct Transactions(Arc<watch::Sender<State>>);

/// An open transaction; dropping it closes it.
#[derive(Debug)]
pub struct Open(Transactions);

impl Transactions {
    /// Begins a transaction; none once the program is ending.
    pub fn open(&self) -> Option<Open> {
        let began = self.0.send_if_modified(|state| {
            if !state.ending {
                state.open += 1;
            }
            !state.ending
        });
        began.then(|| Open(self.clone()))
    }

    /// Lets no more transactions begin.
    pub fn end(&self) {
        self.0.send_modify(|state| state.ending = true);
    }

    /// Waits until no transaction is open.
    pub async fn closed(&self) {
        // The sender is ours: waiting cannot fail while it lives.
        let _ = self.0.subscribe().wait_for(|state| state.open == 0).await;
    }

    /// Waits until [`Transactions::end`] is called.
    pub async fn ending(&self) {
        let _ = self.0.subscribe().wait_for(|state| state.ending).await;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.send_modify(|state| state.open -= 1);
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
