//! The one connection to a server, kept by a task: opened at once, opened again when it is lost, with growing pauses
//! while that fails. Whoever asks waits for the first attempt only: while the server is known to be away, the answer
//! is a failure at once.

use std::sync::Arc;
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
    /// Told when it is no good any more.
    condemned: Arc<Notify>,
}

impl Connection {
    /// Says that it is no good: the server does not answer on it. It is thrown away, and another one is opened.
    pub(super) fn condemn(&self) {
        self.condemned.notify_one();
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.condemned, &other.condemned)
    }
}

#[derive(Clone)]
enum State {
    /// An attempt is under way, and nothing speaks against its success.
    Connecting,
    Up(Connection),
    /// The last attempt failed; others follow.
    Down(ConnectError),
    /// It did not answer in time, or not with LDAP; others follow.
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
                    self.stay(connected).await;
                    if begun.elapsed() >= LASTING {
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

    /// Offers the connection until it ends.
    async fn stay(&self, Connected { ldap, mut driver }: Connected) {
        let condemned = Arc::new(Notify::new());
        info!(server = %self.connector.server(), "connected to the directory");
        self.state.send_replace(State::Up(Connection { ldap, condemned: condemned.clone() }));
        let next = tokio::select! {
            why = driver.ended() => {
                info!(server = %self.connector.server(), reason = why, "the connection to the directory ended");
                State::Connecting
            }
            () = condemned.notified() => {
                warn!(server = %self.connector.server(), "the directory does not answer: the connection is given up");
                State::Lost(format!("{} does not answer", self.connector.server()).into())
            }
        };
        self.state.send_replace(next);
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
