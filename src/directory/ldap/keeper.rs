//! The task that keeps the connection: opened at once, to the first server that can be used; opened again when it is
//! lost, with growing pauses while that fails; and moved back to an earlier server when that is well again.
//!
//! The watch has a connection beside it, to the same address: what it tells is true of what the searches find. With another
//! server, all that is remembered is asked for anew.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::connect::{ConnectError, Connected, Connector};
use super::floor::Floor;
use super::follow::Follower;
use super::link::{Connection, Fault, State};
use super::listen::{listen, probe};
use super::pauses::{self, LASTING, Pauses};
use crate::directory::changes::Changes;
use crate::health::Reporter;

/// How long one attempt may take, where `directory.timeout` is longer.
const ATTEMPT: Duration = Duration::from_secs(5);

/// How long an earlier server is left alone after it failed, and how long at most where it fails again and again.
const RETURN: Duration = Duration::from_secs(1);
const LONGEST_RETURN: Duration = Duration::from_secs(60);

/// A server that did well for this long has failed for the first time when it fails.
const RELIABLE: Duration = Duration::from_secs(60);

/// The task, before it runs.
pub(super) struct Keeper {
    servers: Vec<Connector>,
    /// How long an answer may take.
    patience: Duration,
    state: watch::Sender<State>,
    changes: Arc<Changes>,
    follower: Option<Follower>,
    floor: Arc<Floor>,
    reporter: Reporter,
    /// The server of the last connection, by its place in the list.
    last: Option<usize>,
    /// How long an earlier server is left alone.
    leave: Duration,
}

/// What opens connections, and whoever is told of changes over them.
pub(super) struct Kept {
    pub(super) servers: Vec<Connector>,
    pub(super) patience: Duration,
    pub(super) changes: Arc<Changes>,
    pub(super) follower: Option<Follower>,
    /// What every other server must have reached.
    pub(super) floor: Arc<Floor>,
    /// Who is told whether a server answers.
    pub(super) reporter: Reporter,
}

/// A connection, and the place of its server in the list.
type Reached = (usize, Connected);

/// Why a connection was left.
enum Left {
    Fault(Fault),
    /// An earlier server is well again.
    For(Reached),
}

impl Keeper {
    pub(super) fn new(kept: Kept, state: watch::Sender<State>) -> Self {
        let Kept { servers, patience, changes, follower, floor, reporter } = kept;
        Self { servers, patience, state, changes, follower, floor, reporter, last: None, leave: RETURN }
    }

    pub(super) async fn keep(mut self) {
        let mut pauses = Pauses::new();
        let mut better = None;
        let mut doubtful = None;
        loop {
            let reached = match better.take() {
                Some(reached) => Ok(reached),
                None => self.connect(doubtful.take()).await,
            };
            match reached {
                Ok((place, connected)) => {
                    let begun = Instant::now();
                    let fault = match self.stay(place, connected).await {
                        Left::Fault(fault) => fault,
                        Left::For(reached) => {
                            // Whoever asks from now on asks the better one.
                            self.offer(State::Connecting);
                            better = Some(reached);
                            pauses = Pauses::new();
                            continue;
                        }
                    };
                    self.trust(begun.elapsed());
                    let lasted = begun.elapsed() >= LASTING;
                    // It may let everybody in and answer nobody.
                    doubtful = (fault == Fault::Silent || !lasted).then_some(place);
                    self.left(place, fault, lasted || pauses.is_first());
                    // The next is tried at once.
                    if lasted {
                        pauses = Pauses::new();
                        continue;
                    }
                }
                Err(errors) => self.down(&errors),
            }
            pauses.pass().await;
        }
    }

    /// A connection to one of the servers; or why there is none, of each. While somebody waits for it, they are tried in
    /// their order, the doubtful one last.
    async fn connect(&self, doubtful: Option<usize>) -> Result<Reached, Vec<ConnectError>> {
        if !matches!(*self.state.borrow(), State::Connecting) {
            return self.connect_to_any().await;
        }
        let mut places: Vec<_> = (0..self.servers.len()).collect();
        places.sort_by_key(|place| Some(*place) == doubtful);
        let mut errors = BTreeMap::new();
        for place in places {
            match self.attempt(place).await {
                Ok(reached) => return Ok(reached),
                Err((place, error)) => errors.insert(place, error),
            };
        }
        Err(errors.into_values().collect())
    }

    /// The same, of all at once, until each has failed: while one gives no answer, the others are tried again.
    async fn connect_to_any(&self) -> Result<Reached, Vec<ConnectError>> {
        let after = async |pause, place| {
            sleep(pause).await;
            self.attempt(place).await
        };
        let mut attempts: FuturesUnordered<_> =
            (0..self.servers.len()).map(|place| after(Duration::ZERO, place)).collect();
        let mut errors = BTreeMap::new();
        while let Some(attempted) = attempts.next().await {
            match attempted {
                Ok(reached) => return Ok(reached),
                Err((place, error)) => {
                    errors.insert(place, error);
                    if errors.len() == self.servers.len() {
                        break;
                    }
                    attempts.push(after(pauses::LONGEST, place));
                }
            }
        }
        Err(errors.into_values().collect())
    }

    /// A connection to the server at this place; or why there is none, with the place.
    async fn attempt(&self, place: usize) -> Result<Reached, (usize, ConnectError)> {
        // Every place has its server.
        let Some(server) = self.servers.get(place) else { return pending().await };
        self.usable(place, server).await.map(|connected| (place, connected)).map_err(|error| (place, error))
    }

    async fn usable(&self, place: usize, server: &Connector) -> Result<Connected, ConnectError> {
        let within = self.patience.min(ATTEMPT);
        let mut connected = server.connect(None, within).await?.apart();
        let behind = self.is_another(place)
            && timeout(within, self.floor.is_above(&mut connected.ldap)).await.unwrap_or(true);
        if behind {
            return Err(ConnectError::Behind { server: server.server().to_string() });
        }
        Ok(connected)
    }

    fn is_another(&self, place: usize) -> bool {
        self.last.is_some_and(|last| last != place)
    }

    /// Offers the connection until it is left.
    async fn stay(&mut self, place: usize, Connected { ldap, mut driver, server, peer }: Connected) -> Left {
        if self.is_another(place) {
            // Before anybody can ask it, so that what it says is never taken for what another one said.
            self.changes.expire();
            self.follower.iter_mut().for_each(Follower::start_over);
        }
        self.last = Some(place);
        let connection = Connection::new(ldap, server.clone());
        info!(%server, "connected to the directory");
        self.reporter.metrics().ldap.opened.one();
        self.offer(State::Up(connection.clone()));
        let mut follower = self.follower.take();
        // The watch may be silent for days; without one, or another server, whoever asks next will notice.
        let probing = follower.is_some() || self.servers.len() > 1;
        let (left, why) = tokio::select! {
            biased;
            why = driver.ended() => (Left::Fault(Fault::Broken), Some(why)),
            fault = connection.given_up() => (Left::Fault(fault), None),
            reached = self.better(place) => (Left::For(reached), None),
            never = self.follow(place, peer, follower.as_mut()) => match never {},
            never = probe(&connection, self.patience), if probing => match never {},
        };
        follower.iter().for_each(Follower::untold);
        self.follower = follower;
        self.count(&left);
        match (&left, why) {
            (Left::Fault(Fault::Silent), _) => {
                warn!(%server, "the directory does not answer: the connection is given up");
            }
            (Left::Fault(Fault::Broken), why) => {
                info!(%server, reason = why, "the connection to the directory ended");
            }
            (Left::For(_), _) => info!(%server, "left for an earlier server, which is well again"),
        }
        left
    }

    fn count(&self, left: &Left) {
        let why = match left {
            Left::Fault(Fault::Broken) => "ended",
            Left::Fault(Fault::Silent) => "silent",
            Left::For(_) => "returned",
        };
        self.reporter.metrics().ldap.left.of(why).one();
    }

    async fn follow(
        &self,
        place: usize,
        peer: Option<SocketAddr>,
        follower: Option<&mut Follower>,
    ) -> Infallible {
        match self.servers.get(place) {
            Some(server) => listen(follower, server, peer, self.patience.min(ATTEMPT)).await,
            // Every place has its server.
            None => pending().await,
        }
    }

    /// Waits until a server is well that stands before this one.
    async fn better(&self, place: usize) -> Reached {
        if place == 0 {
            return pending().await;
        }
        loop {
            sleep(self.leave).await;
            for earlier in 0..place {
                if let Ok(reached) = self.attempt(earlier).await {
                    return reached;
                }
            }
        }
    }

    /// Takes note of how long the last connection did well.
    fn trust(&mut self, lasted: Duration) {
        self.leave = if lasted >= RELIABLE { RETURN } else { (self.leave * 2).min(LONGEST_RETURN) };
    }

    /// A connection came to its end. One that ended may come again, and another server may be well; one that ended at
    /// once, and again, is no hope for those who ask.
    fn left(&self, place: usize, fault: Fault, recently_well: bool) {
        let several = self.servers.len() > 1;
        let hope = recently_well && (several || fault == Fault::Broken);
        let server = self.servers.get(place).map(|server| server.server().to_string()).unwrap_or_default();
        self.offer(match fault {
            _ if hope => State::Connecting,
            Fault::Silent => State::Lost(format!("{server} does not answer").into()),
            Fault::Broken => State::Lost(format!("{server} closes every connection at once").into()),
        });
    }

    /// Notes a failure, and logs it unless it is the one that was logged before.
    fn down(&self, errors: &[ConnectError]) {
        let Some(first) = errors.first() else { return };
        self.reporter.metrics().ldap.failed.one();
        let all = errors.iter().map(ConnectError::to_string).collect::<Vec<_>>().join("; ");
        let known = matches!(&*self.state.borrow(), State::Down { all: before, .. } if **before == *all);
        if !known {
            warn!(reason = all, "the directory is not available; trying again");
        }
        self.offer(State::Down { error: first.clone(), all: all.into() });
    }

    /// Tells how it is: whoever asks, and whoever watches the program.
    fn offer(&self, state: State) {
        match &state {
            State::Connecting => self.reporter.connecting(),
            State::Up(connection) => self.reporter.up(&connection.server),
            State::Down { all: why, .. } | State::Lost(why) => self.reporter.down(why),
        }
        self.state.send_replace(state);
    }
}
