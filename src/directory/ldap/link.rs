//! The one connection to a server, kept by a task: opened at once, opened again when it is lost, with growing pauses
//! while that fails. Whoever asks waits for the first attempt only: while the server is known to be away, the answer
//! is a failure at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ldap3::Ldap;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::connect::{ConnectError, Connected, Connector};
use crate::directory::Failure;

/// How long one attempt may take, where `directory.timeout` is longer: with the longest pause, the server is used
/// again less than ten seconds after it is back.
const ATTEMPT: Duration = Duration::from_secs(5);

/// Pauses between failed attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A connection that lasted this long was a good one: when it ends, the next is tried at once.
const LASTING: Duration = Duration::from_secs(1);

/// A connection to ask over.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) ldap: Ldap,
    end: Arc<End>,
    heard: Arc<AtomicU64>,
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

impl Connection {
    /// Says that it is no good any more: it is thrown away, and another one is opened.
    pub(super) fn give_up(&self, fault: Fault) {
        // The first to say it knows best.
        let _ = self.end.fault.set(fault);
        self.end.told.notify_one();
    }

    /// Notes that an answer came.
    pub(super) fn hear(&self) {
        self.heard.fetch_add(1, Ordering::Relaxed);
    }

    /// How many answers came.
    pub(super) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.end, &other.end)
    }
}

#[derive(Clone)]
enum State {
    /// An attempt is under way, and nothing speaks against its success.
    Connecting,
    Up(Connection),
    /// The last attempt failed; others follow.
    Down(ConnectError),
    /// It did not answer in time, or ends again and again; others follow.
    Lost(Arc<str>),
}

/// The connection to a server. Dropped, it is closed.
pub(super) struct Link {
    state: watch::Receiver<State>,
    task: AbortHandle,
}

impl Link {
    /// Begins to connect.
    pub(super) fn open(connector: Connector, timeout: Duration) -> Self {
        let (sender, state) = watch::channel(State::Connecting);
        let keeper = Keeper { connector, attempt: timeout.min(ATTEMPT), state: sender };
        Self { state, task: tokio::spawn(keeper.keep()).abort_handle() }
    }

    /// The connection; waits for it only while there is hope. `not` is one that was found to be broken.
    pub(super) async fn connection(&self, not: Option<&Connection>) -> Result<Connection, Failure> {
        let mut state = self.state.clone();
        let is_broken = |up: &Connection| not.is_some_and(|broken| broken.is(up));
        let settled = state.wait_for(|state| match state {
            State::Connecting => false,
            State::Up(connection) => !is_broken(connection),
            State::Down(_) | State::Lost(_) => true,
        });
        // The keeper ends only with the link.
        let Ok(settled) = settled.await else {
            return Err(Failure::Unavailable("it is being closed".to_owned()));
        };
        match &*settled {
            State::Up(connection) => Ok(connection.clone()),
            State::Down(error) => Err(Failure::Unavailable(error.to_string())),
            State::Lost(why) => Err(Failure::Unavailable(why.to_string())),
            State::Connecting => Err(Failure::Unavailable("it is being opened".to_owned())),
        }
    }

    /// Why there is no connection, once the first attempt has ended; none if there is one.
    pub(super) async fn trouble(&self) -> Option<ConnectError> {
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| !matches!(state, State::Connecting)).await.ok()?;
        match &*settled {
            State::Down(error) => Some(error.clone()),
            State::Connecting | State::Up(_) | State::Lost(_) => None,
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The task that keeps the connection.
struct Keeper {
    connector: Connector,
    attempt: Duration,
    state: watch::Sender<State>,
}

impl Keeper {
    async fn keep(self) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.connector.connect(self.attempt).await {
                Ok(connected) => {
                    let begun = Instant::now();
                    let fault = self.stay(connected).await;
                    let lasted = begun.elapsed() >= LASTING;
                    // One that ended may come again; one that ended at once, and again, is no hope for those who ask.
                    let hope = fault == Fault::Broken && (lasted || pause == FIRST_PAUSE);
                    self.state.send_replace(if hope { State::Connecting } else { self.lost(fault) });
                    if lasted {
                        pause = FIRST_PAUSE;
                        continue;
                    }
                }
                Err(error) => self.down(error),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Offers the connection until it ends, and says what ended it.
    async fn stay(&self, Connected { ldap, mut driver }: Connected) -> Fault {
        let end = Arc::new(End::default());
        info!(server = %self.connector.server(), "connected to the directory");
        self.state.send_replace(State::Up(Connection { ldap, end: end.clone(), heard: Arc::default() }));
        let why = tokio::select! {
            biased;
            why = driver.ended() => Some(why),
            () = end.told.notified() => None,
        };
        let fault =
            if why.is_some() { Fault::Broken } else { end.fault.get().copied().unwrap_or(Fault::Broken) };
        let server = self.connector.server();
        match (fault, why) {
            (Fault::Silent, _) => warn!(%server, "the directory does not answer: the connection is given up"),
            (Fault::Broken, why) => info!(%server, reason = why, "the connection to the directory ended"),
        }
        fault
    }

    fn lost(&self, fault: Fault) -> State {
        let server = self.connector.server();
        State::Lost(match fault {
            Fault::Silent => format!("{server} does not answer").into(),
            Fault::Broken => format!("{server} closes every connection at once").into(),
        })
    }

    /// Notes a failure, and logs it unless it is the one that was logged before.
    fn down(&self, error: ConnectError) {
        let text = error.to_string();
        let known = matches!(&*self.state.borrow(), State::Down(before) if before.to_string() == text);
        if !known {
            warn!(reason = text, "the directory is not available; trying again");
        }
        self.state.send_replace(State::Down(error));
    }
}
