//! The threads that serve connections, each with a runtime of its own.
//!
//! A connection stays on the thread that accepted it: what its packets wake is there already, while a runtime of several
//! threads would wake another one, to look for work, at every packet. What takes long is elsewhere: the directory on the
//! program's main runtime, long bodies on threads beside.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::thread::{self, available_parallelism};

use futures_util::future::{join_all, try_join_all};
use indymilter::{Callbacks, Config};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{oneshot, watch};

use crate::listener::{Acceptor, Socket, Transport};
use crate::transactions::Transactions;

/// The most threads: a message takes a few dozen microseconds, so that four serve more than one Postfix can send.
const MAX_THREADS: usize = 4;

/// The most threads beside each, for long bodies, of which few are judged at a time, and for names that a resolver looks up.
const MAX_BLOCKING: usize = 32;

/// Threads that serve connections.
pub(crate) struct Workers {
    ending: watch::Sender<bool>,
    ended: Vec<oneshot::Receiver<io::Result<()>>>,
    pulse: Pulse,
}

/// Asks the threads for a sign of life: each answers from within its runtime, as it answers Postfix.
#[derive(Clone)]
pub(crate) struct Pulse {
    asked: watch::Sender<u64>,
    answered: Vec<watch::Receiver<u64>>,
}

/// A thread's end of it.
struct Answering {
    asked: watch::Receiver<u64>,
    answered: watch::Sender<u64>,
}

impl Pulse {
    /// Waits until every thread has answered; those that have ended need not.
    pub(crate) async fn beat(&mut self) {
        self.asked.send_modify(|number| *number += 1);
        let asked = *self.asked.borrow();
        let answers = self
            .answered
            .iter_mut()
            .map(|answered| async move { answered.wait_for(|number| *number >= asked).await.is_ok() });
        join_all(answers).await;
    }

    fn thread(&mut self) -> Answering {
        let (answered, answers) = watch::channel(0);
        self.answered.push(answers);
        Answering { asked: self.asked.subscribe(), answered }
    }
}

impl Answering {
    async fn answer(mut self) -> Infallible {
        while self.asked.changed().await.is_ok() {
            self.answered.send_replace(*self.asked.borrow_and_update());
        }
        pending().await
    }
}

impl Workers {
    /// Starts a thread for each processor, up to [`MAX_THREADS`], which share `max_connections` evenly, as the `sockets`
    /// do, and each with callbacks of its own.
    ///
    /// # Errors
    ///
    /// The system has no thread or no descriptor left.
    pub(crate) fn start<T: Send + 'static>(
        sockets: &[Socket],
        max_connections: usize,
        transactions: &Transactions,
        callbacks: impl Fn(Transport) -> Callbacks<T>,
    ) -> io::Result<Self> {
        let threads = available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
        let max_connections = max_connections.div_ceil(threads * sockets.len().max(1));
        let (ending, ends) = watch::channel(false);
        let mut pulse = Pulse { asked: watch::Sender::new(0), answered: Vec::new() };
        let mut ended = Vec::new();
        for _ in 0..threads {
            let runtime = Builder::new_current_thread()
                .enable_io()
                .enable_time()
                .max_blocking_threads(MAX_BLOCKING)
                .build()?;
            let doors = sockets.iter().map(|socket| {
                let _within = runtime.enter();
                Ok((Acceptor::new(socket, transactions.clone())?, callbacks(socket.transport())))
            });
            let doors = doors.collect::<io::Result<Vec<_>>>()?;
            let (ends, answering) = (ends.clone(), pulse.thread());
            let (tell, result) = oneshot::channel();
            thread::Builder::new().name("connections".to_owned()).spawn(move || {
                let served = serve(&runtime, doors, max_connections, &ends, answering);
                // Nobody listens any more if the program is ending at once.
                drop(tell.send(served));
            })?;
            ended.push(result);
        }
        Ok(Self { ending, ended, pulse })
    }

    /// Whether they still answer.
    pub(crate) fn pulse(&self) -> Pulse {
        self.pulse.clone()
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

/// What a thread does: serves connections from all its doors, until the end or until one of them cannot go on.
fn serve<T: Send + 'static>(
    runtime: &Runtime,
    doors: Vec<(Acceptor, Callbacks<T>)>,
    max_connections: usize,
    ends: &watch::Receiver<bool>,
    answering: Answering,
) -> io::Result<()> {
    let served = doors.into_iter().map(|(acceptor, callbacks)| {
        let limits = Config { max_connections, ..Config::default() };
        let mut ends = ends.clone();
        let end = async move { ends.wait_for(|ending| *ending).await.map(drop) };
        indymilter::run(acceptor, callbacks, limits, end)
    });
    runtime.block_on(async {
        tokio::select! {
            served = try_join_all(served) => served.map(drop),
            never = answering.answer() => match never {},
        }
    })
}
