//! The milter as a running program: from a configuration to a listening socket, reload on SIGHUP, an orderly end on
//! SIGTERM or SIGINT. As PID 1 of a container too: it has handlers for these, and no children.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::callbacks;
use crate::config::{Config, ConfigError, Listen};
use crate::health::{Health, Phase};
use crate::listener::{self, ListenError, Socket};
use crate::monitor::Monitor;
use crate::open::{self, Answers, OpenError};
use crate::service::Manager;
use crate::site::Site;
use crate::transactions::Transactions;
use crate::workers::Workers;

/// The most connections at a time, of all threads together; each smtpd process of Postfix holds one. More wait to be
/// accepted.
const MAX_CONNECTIONS: usize = 4096;

/// How long open transactions may take to finish once the program is to end.
const DRAIN: Duration = Duration::from_secs(60);

/// How long, after that, replies may take to be read.
const DRAIN_REPLIES: Duration = Duration::from_secs(5);

/// What the system takes, after that, to end a process that has little left.
const AT_LAST: Duration = Duration::from_secs(5);

/// Why the program cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The directory.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The socket.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// `metrics.listen`.
    #[error("metrics: {0}")]
    Monitor(ListenError),
    /// The system.
    #[error("the system refuses: {0}")]
    System(#[from] io::Error),
}

/// Serves until a signal ends it. `path` is where the configuration is read from anew.
pub async fn serve(path: &Path, config: Config) -> Result<(), ServeError> {
    // First, while nobody else looks into the environment or opens descriptors.
    let given = listener::given()?;
    let signals = Signals::new()?;
    let manager = Manager::from_environment();
    let listen = given.is_empty().then(|| config.listen.clone());
    let metrics = config.metrics.clone();
    let health = Health::default();
    let site = open::site(config, None, &health)?;
    raise_descriptor_limit();
    let sockets = sockets(given, listen.as_ref()).await?;
    let (sender, current) = watch::channel(Arc::new(site));
    let transactions = Transactions::default();
    let monitor = Monitor::start(metrics.as_ref(), &health, &current, &transactions);
    let _monitor = monitor.await.map_err(ServeError::Monitor)?;
    let workers = Workers::start(&sockets, MAX_CONNECTIONS, &transactions, |transport| {
        callbacks::callbacks(current.clone(), transactions.clone(), transport)
    })?;
    health.enter(Phase::Serving);
    info!(listen = described(&sockets), version = env!("CARGO_PKG_VERSION"), "ready");
    manager.ready(&health);
    // Beside, so that a reload of a long file does not look like the end of life.
    tokio::spawn(manager.clone().attend(health.clone(), workers.pulse()));
    let path = path.to_owned();
    let reload =
        Reload { path, listen, metrics, sender, transactions: transactions.clone(), health, manager };
    let end = until_the_end(signals, reload, sockets, &transactions);
    tokio::select! {
        result = workers.until(end) => result?,
        () = overdue(&transactions) => warn!("ending: connections that do not read their reply are closed"),
    }
    let (messages, bodies) = transactions.counts();
    info!(messages, bodies, "ended");
    Ok(())
}

/// What `listen` says, or where that is not used, what systemd has handed over.
async fn sockets(given: Vec<Socket>, listen: Option<&Listen>) -> Result<Vec<Socket>, ListenError> {
    match listen {
        Some(listen) => Ok(vec![Socket::bind(listen).await?]),
        None => {
            info!("\"listen\" is not used: systemd hands over what to listen on");
            Ok(given)
        }
    }
}

fn described(sockets: &[Socket]) -> String {
    sockets.iter().map(Socket::describe).collect::<Vec<_>>().join(", ")
}

/// Waits until the end is due and [`DRAIN`] is long over: a peer that never reads its reply would keep a connection,
/// and the program with it.
async fn overdue(transactions: &Transactions) {
    transactions.ending().await;
    tokio::time::sleep(DRAIN + DRAIN_REPLIES).await;
}

/// A descriptor for each connection: the system's default for programs is 1024.
fn raise_descriptor_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        warn!(reason = %error, "the limit of open files stays as it is");
    }
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Reloads on SIGHUP until a signal ends the program; then waits for what is under way, a second signal, or
/// [`DRAIN`].
async fn until_the_end(
    mut signals: Signals,
    reload: Reload,
    sockets: Vec<Socket>,
    transactions: &Transactions,
) {
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            _ = signals.hangup.recv() => reload.reload(),
        }
    }
    info!("ending: no new connections; open transactions are finished");
    reload.health.enter(Phase::Ending);
    reload.manager.stopping(&reload.health, DRAIN + DRAIN_REPLIES + AT_LAST);
    drop(sockets);
    transactions.end();
    tokio::select! {
        () = transactions.closed() => {}
        () = signals.end() => warn!("ending at once: messages under way are deferred"),
        () = tokio::time::sleep(DRAIN) => warn!("ending: messages still under way are deferred"),
    }
}

/// What SIGHUP does.
struct Reload {
    path: PathBuf,
    /// None: it is not used.
    listen: Option<Listen>,
    metrics: Option<Listen>,
    sender: watch::Sender<Arc<Site<Answers>>>,
    transactions: Transactions,
    health: Health,
    manager: Manager,
}

impl Reload {
    /// Puts the configuration and the directory in force as they are now. If either is bad, the old ones stay.
    fn reload(&self) {
        self.manager.reloading();
        match self.load() {
            Ok(site) => {
                self.sender.send_replace(Arc::new(site));
                // How many messages with a login there were, and how many bodies had to be read.
                let (messages, bodies) = self.transactions.counts();
                info!(config = %self.path.display(), messages, bodies, "reloaded");
                self.health.reloaded(None);
            }
            Err(error) => {
                let mistakes = error.to_string();
                // A line for each mistake.
                mistakes.lines().for_each(|mistake| {
                    error!("not reloaded, the old configuration stays in force: {mistake}");
                });
                self.health.reloaded(Some(mistakes.into()));
            }
        }
        self.manager.ready(&self.health);
    }

    fn load(&self) -> Result<Site<Answers>, ServeError> {
        let config = Config::load(&self.path)?;
        if self.listen.as_ref().is_some_and(|listen| *listen != config.listen) {
            warn!("the new \"listen\" counts from the next start");
        }
        if config.metrics != self.metrics {
            warn!("the new \"metrics.listen\" counts from the next start");
        }
        Ok(open::site(config, Some(&self.sender.borrow()), &self.health)?)
    }
}
