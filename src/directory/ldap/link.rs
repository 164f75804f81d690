//! The one connection to the directory, for whoever asks: the task behind it ([`keeper`](super::keeper)) opens it, and
//! opens it again. Whoever asks waits for it only while there is hope: while all servers are known to be away, the
//! answer is a failure at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ldap3::Ldap;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::connect::ConnectError;
use super::keeper::{Keeper, Kept};
use crate::directory::Failure;

/// A connection to ask over.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) ldap: Ldap,
    /// The URL of its server.
    pub(super) server: Arc<str>,
    end: Arc<End>,
    heard: Arc<Heard>,
}

/// What is wrong with a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// It ended, or what came over it was no answer.
    Broken,
    /// No answer came.
    Silent,
}

/// The end of a connection that was given up.
#[derive(Default)]
struct End {
    fault: OnceLock<Fault>,
    told: Notify,
}

/// When an answer came last.
struct Heard {
    begin: Instant,
    /// After this many microseconds.
    last: AtomicU64,
}

impl Connection {
    /// Nothing was asked over it yet.
    pub(super) fn new(ldap: Ldap, server: Arc<str>) -> Self {
        let heard = Heard { begin: Instant::now(), last: AtomicU64::new(0) };
        Self { ldap, server, end: Arc::default(), heard: Arc::new(heard) }
    }

    /// Says that it is no good any more: it is thrown away, and another one is opened.
    pub(super) fn give_up(&self, fault: Fault) {
        // The first to say it knows best.
        let _ = self.end.fault.set(fault);
        self.end.told.notify_one();
    }

    /// Waits until it is given up, and says why.
    pub(super) async fn given_up(&self) -> Fault {
        self.end.told.notified().await;
        self.end.fault.get().copied().unwrap_or(Fault::Broken)
    }

    /// Notes that an answer came.
    pub(super) fn hear(&self) {
        let after = u64::try_from(self.heard.begin.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.heard.last.fetch_max(after, Ordering::Relaxed);
    }

    /// When an answer came last, or when it began.
    pub(super) fn heard(&self) -> Instant {
        self.heard.begin + Duration::from_micros(self.heard.last.load(Ordering::Relaxed))
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.end, &other.end)
    }
}

#[derive(Clone)]
pub(super) enum State {
    /// An attempt is under way, and nothing speaks against its success.
    Connecting,
    Up(Connection),
    /// The last attempts failed; others follow. The error is that of the first server.
    Down {
        error: ConnectError,
        all: Arc<str>,
    },
    /// It did not answer in time, or ends again and again; others follow.
    Lost(Arc<str>),
}

/// The connection to the directory. Dropped, it is closed.
pub(super) struct Link {
    state: watch::Receiver<State>,
    task: AbortHandle,
}

impl Link {
    /// Begins to connect to the first of the servers that can be used.
    pub(super) fn open(kept: Kept) -> Self {
        let (sender, state) = watch::channel(State::Connecting);
        let keeper = Keeper::new(kept, sender);
        Self { state, task: tokio::spawn(keeper.keep()).abort_handle() }
    }

    /// The connection; waits for it only while there is hope. `not` is one that was found to be broken.
    pub(super) async fn connection(&self, not: Option<&Connection>) -> Result<Connection, Failure> {
        let mut state = self.state.clone();
        let is_broken = |up: &Connection| not.is_some_and(|broken| broken.is(up));
        let settled = state.wait_for(|state| match state {
            State::Connecting => false,
            State::Up(connection) => !is_broken(connection),
            State::Down { .. } | State::Lost(_) => true,
        });
        // The keeper ends only with the link.
        let Ok(settled) = settled.await else {
            return Err(Failure::Unavailable("it is being closed".to_owned()));
        };
        match &*settled {
            State::Up(connection) => Ok(connection.clone()),
            State::Down { all, .. } => Err(Failure::Unavailable(all.to_string())),
            State::Lost(why) => Err(Failure::Unavailable(why.to_string())),
            State::Connecting => Err(Failure::Unavailable("it is being opened".to_owned())),
        }
    }

    /// Why there is no connection, once the first attempts have ended; none if there is one.
    pub(super) async fn trouble(&self) -> Option<ConnectError> {
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| !matches!(state, State::Connecting)).await.ok()?;
        match &*settled {
            State::Down { error, .. } => Some(error.clone()),
            State::Connecting | State::Up(_) | State::Lost(_) => None,
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}
