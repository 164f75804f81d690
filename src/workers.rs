//! The threads that serve connections, each with a runtime of its own.
//!
//! A connection stays on the thread that accepted it: what its packets wake is there already, while a runtime of several
//! threads would wake another one, to look for work, at every packet. What takes long is elsewhere: the directory on the
//! program's main runtime, long bodies on threads beside.

use std::future::pending;
use std::io;
use std::thread::{self, available_parallelism};

use futures_util::future::try_join_all;
use indymilter::{Callbacks, Config};
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};

use crate::listener::{Acceptor, Socket};
use crate::transactions::Transactions;

/// The most threads: a message takes a few dozen microseconds, so that four serve more than one Postfix can send.
const MAX_THREADS: usize = 4;

/// The most threads beside each, for long bodies, of which few are judged at a time, and for names that a resolver looks up.
const MAX_BLOCKING: usize = 32;

/// Threads that serve connections.
pub(crate) struct Workers {
    ending: watch::Sender<bool>,
    ended: Vec<oneshot::Receiver<io::Result<()>>>,
}

impl Workers {
    /// Starts a thread for each processor, up to [`MAX_THREADS`], which share `max_connections` evenly, and
    /// each with callbacks of its own.
    ///
    /// # Errors
    ///
    /// The system has no thread or no descriptor left.
    pub(crate) fn start<T: Send + 'static>(
        socket: &Socket,
        max_connections: usize,
        transactions: &Transactions,
        callbacks: impl Fn() -> Callbacks<T>,
    ) -> io::Result<Self> {
        let threads = available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
        let max_connections = max_connections.div_ceil(threads);
        let (ending, ends) = watch::channel(false);
        let mut ended = Vec::new();
        for _ in 0..threads {
            let runtime = Builder::new_current_thread()
                .enable_io()
                .enable_time()
                .max_blocking_threads(MAX_BLOCKING)
                .build()?;
            let acceptor = {
                let _within = runtime.enter();
                Acceptor::new(socket, transactions.clone())?
            };
            let limits = Config { max_connections, ..Config::default() };
            let (callbacks, mut ends) = (callbacks(), ends.clone());
            let (tell, result) = oneshot::channel();
            thread::Builder::new().name("connections".to_owned()).spawn(move || {
                let end = async move { ends.wait_for(|ending| *ending).await.map(drop) };
                let served = runtime.block_on(indymilter::run(acceptor, callbacks, limits, end));
                // Nobody listens any more if the program is ending at once.
                drop(tell.send(served));
            })?;
            ended.push(result);
        }
        Ok(Self { ending, ended })
    }

    /// Waits until `end`, from when on packets that wait are not read any more, and then until all threads have ended.
    ///
    /// # Errors
    ///
    /// One of them cannot serve.
    pub(crate) async fn until(self, end: impl Future<Output = ()>) -> io::Result<()> {
        let served = self.ended.into_iter().map(|served| async { served.await.map_err(io::Error::other)? });
        let ending = async {
            end.await;
            self.ending.send_replace(true);
            pending::<io::Result<()>>().await
        };
        tokio::select! {
            served = try_join_all(served) => served.map(drop),
            never = ending => never,
        }
    }
}
