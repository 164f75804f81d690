//! How the program is: whether the directory answers, whether it tells of changes, what became of the last reload.
//!
//! Whoever keeps a connection or reads the configuration writes it here; the service manager, and whoever asks over HTTP,
//! are told from here. Nothing waits for it, and no message reads it.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::metrics::Metrics;

/// How the program is and what it counts, shared by all that write and read it.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<watch::Sender<State>>, Arc<Metrics>);

/// How the program is at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct State {
    /// What the program is about.
    pub phase: Phase,
    /// Whether the directory answers.
    pub directory: Directory,
    /// Whether it tells of changes.
    pub changes: Changes,
    /// What became of the last reload; none: there was none.
    pub reload: Option<Reload>,
    /// Since when threads that serve connections do nothing any more; none: all work.
    pub stuck: Option<Time>,
    /// Which directory writes here: after a reload, another one.
    pub(crate) reporter: u64,
}

/// What the program is about.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Phase {
    /// Nobody can connect yet.
    #[default]
    Starting,
    /// Postfix is answered.
    Serving,
    /// No new connections are taken; messages under way are finished.
    Ending,
}

/// Whether the directory answers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Directory {
    /// It is a file, and in memory.
    #[default]
    File,
    /// An attempt to connect is under way, and nothing speaks against its success.
    Connecting {
        /// When the connection before it ended, or the program began.
        since: Time,
    },
    /// It is connected.
    Up {
        /// Since when.
        since: Time,
        /// The URL of the server.
        server: Arc<str>,
    },
    /// It does not answer: people who are not remembered are deferred.
    Down {
        /// When the last connection ended, or the program began.
        since: Time,
        /// Its URL, or those of several joined by "or".
        servers: Arc<str>,
        /// What is wrong, of each server.
        why: Arc<str>,
    },
}

/// Whether changes in the directory are told (`cache.watch`).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Changes {
    /// Nobody asks for it.
    #[default]
    NotAsked,
    /// Not yet, or not any more: they count when `cache.ttl` has passed.
    Waiting {
        /// Since when.
        since: Time,
    },
    /// Every change is told, and counts at once.
    Told {
        /// Since when.
        since: Time,
    },
    /// The server does not want to: they count when `cache.ttl` has passed.
    Refused {
        /// Since when.
        since: Time,
        /// What the server says.
        why: Arc<str>,
    },
}

/// A reload, as SIGHUP asks for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reload {
    /// When.
    pub at: Time,
    /// Why the old configuration stays, a line for each mistake; none: the new one is in force.
    pub failure: Option<Arc<str>>,
}

/// When something happened. Shown in UTC, as in the log: `2026-11-22T12:03:04Z`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Time(pub SystemTime);

impl Time {
    /// By the clock of the system.
    pub fn now() -> Self {
        Self(SystemTime::now())
    }

    /// Seconds since 1970, as Prometheus has them.
    pub fn unix(self) -> u64 {
        self.0.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.unix()).unwrap_or(i64::MAX);
        f.write_str(&mail_parser::DateTime::from_timestamp(seconds).to_rfc3339())
    }
}

impl Health {
    /// How it is now.
    pub fn now(&self) -> State {
        self.0.borrow().clone()
    }

    /// What is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.1
    }

    /// To wait for what changes.
    pub fn follow(&self) -> watch::Receiver<State> {
        self.0.subscribe()
    }

    /// What the program is about from now on.
    pub fn enter(&self, phase: Phase) {
        self.set(|state| state.phase = phase);
    }

    /// A reload came to its end.
    pub fn reloaded(&self, failure: Option<Arc<str>>) {
        let reloads = &self.metrics().reloads;
        let outcome = if failure.is_some() { &reloads.failed } else { &reloads.done };
        outcome.one();
        self.set(|state| state.reload = Some(Reload { at: Time::now(), failure }));
    }

    /// Whether threads that serve connections are stuck.
    pub fn stuck(&self, stuck: bool) {
        self.set(|state| state.stuck = stuck.then(|| state.stuck.unwrap_or_else(Time::now)));
    }

    /// From now on a file is the directory.
    pub fn file(&self) {
        self.begin(Directory::File, Changes::NotAsked);
    }

    /// From now on these servers are the directory, joined by "or"; the one before it is not heard any more.
    pub fn servers(&self, servers: &str, watch: bool) -> Reporter {
        let changes = if watch { Changes::Waiting { since: Time::now() } } else { Changes::NotAsked };
        // A reload while it is away is no news of it: what is remembered has not become younger.
        let since = self.0.borrow().directory.away_since();
        let number = self.begin(Directory::Connecting { since }, changes);
        Reporter { health: self.clone(), number, servers: servers.into() }
    }

    fn begin(&self, directory: Directory, changes: Changes) -> u64 {
        let mut number = 0;
        self.set(|state| {
            state.reporter += 1;
            number = state.reporter;
            (state.directory, state.changes) = (directory, changes);
        });
        number
    }

    /// Wakes only those who wait if anything is another than before.
    fn set(&self, change: impl FnOnce(&mut State)) {
        self.0.send_if_modified(|state| {
            let before = state.clone();
            change(state);
            *state != before
        });
    }
}

/// What a directory says of itself, as long as it is the one that is asked.
#[derive(Clone, Debug)]
pub struct Reporter {
    health: Health,
    number: u64,
    servers: Arc<str>,
}

impl Reporter {
    /// What is counted, whichever directory is asked.
    pub fn metrics(&self) -> &Metrics {
        self.health.metrics()
    }

    /// The connection ended, and another one is tried.
    pub fn connecting(&self) {
        self.set(|state| state.directory = Directory::Connecting { since: state.directory.away_since() });
    }

    /// This server is connected.
    pub fn up(&self, server: &Arc<str>) {
        let server = Arc::clone(server);
        self.set(|state| state.directory = Directory::Up { since: Time::now(), server });
    }

    /// None answers, for this reason.
    pub fn down(&self, why: &str) {
        let (servers, why) = (Arc::clone(&self.servers), why.into());
        self.set(|state| {
            state.directory = Directory::Down { since: state.directory.away_since(), servers, why };
        });
    }

    /// From now on every change is told.
    pub fn told(&self) {
        self.set(|state| state.changes = Changes::Told { since: Time::now() });
    }

    /// Changes are not told any more, until they are again.
    pub fn untold(&self) {
        self.set(|state| {
            if matches!(state.changes, Changes::Told { .. }) {
                state.changes = Changes::Waiting { since: Time::now() };
            }
        });
    }

    /// Changes are not told, for this reason.
    pub fn refused(&self, why: &str) {
        self.set(|state| {
            let since = match &state.changes {
                Changes::Refused { since, .. } => *since,
                Changes::NotAsked | Changes::Waiting { .. } | Changes::Told { .. } => Time::now(),
            };
            state.changes = Changes::Refused { since, why: why.into() };
        });
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        self.health.set(|state| {
            if state.reporter == self.number {
                change(state);
            }
        });
    }
}

impl Directory {
    /// Since when it is away, if it is from now on.
    fn away_since(&self) -> Time {
        match self {
            Self::File | Self::Up { .. } => Time::now(),
            Self::Connecting { since } | Self::Down { since, .. } => *since,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn directory(health: &Health) -> String {
        match health.now().directory {
            Directory::File => "file".to_owned(),
            Directory::Connecting { .. } => "connecting".to_owned(),
            Directory::Up { server, .. } => format!("up {server}"),
            Directory::Down { servers, why, .. } => format!("down {servers}: {why}"),
        }
    }

    fn away_since(health: &Health) -> Time {
        health.now().directory.away_since()
    }

    #[test]
    fn a_directory_comes_and_goes() {
        let health = Health::default();
        let reporter = health.servers("ldap://a or ldap://b", true);
        assert_eq!(directory(&health), "connecting");
        let begun = away_since(&health);
        reporter.down("no route");
        assert_eq!(directory(&health), "down ldap://a or ldap://b: no route");
        reporter.connecting();
        reporter.down("refused");
        assert_eq!(away_since(&health), begun, "it was never there");
        reporter.up(&"ldap://b".into());
        assert_eq!(directory(&health), "up ldap://b");
        reporter.connecting();
        assert_ne!(away_since(&health), begun);
    }

    #[test]
    fn who_was_replaced_is_not_heard() {
        let health = Health::default();
        let old = health.servers("ldap://old", true);
        old.up(&"ldap://old".into());
        old.told();
        let new = health.servers("ldap://new", false);
        assert_eq!((directory(&health).as_str(), health.now().changes), ("connecting", Changes::NotAsked));
        old.down("closed");
        old.refused("no");
        assert_eq!((directory(&health).as_str(), health.now().changes), ("connecting", Changes::NotAsked));
        new.up(&"ldap://new".into());
        health.file();
        new.down("closed");
        assert_eq!(directory(&health), "file");
    }

    #[test]
    fn who_is_away_stays_away_over_a_reload() {
        let health = Health::default();
        health.servers("ldap://a", false).down("no route");
        let away = away_since(&health);
        health.servers("ldap://a", false).down("no route");
        assert_eq!(away_since(&health), away);
    }

    #[test]
    fn changes_are_told_or_not() {
        let health = Health::default();
        let reporter = health.servers("ldap://a", true);
        assert!(matches!(health.now().changes, Changes::Waiting { .. }));
        reporter.refused("size limit");
        let refused = health.now().changes;
        reporter.untold();
        reporter.refused("size limit");
        assert_eq!(health.now().changes, refused, "a server that goes does not change its mind");
        reporter.told();
        assert!(matches!(health.now().changes, Changes::Told { .. }));
        reporter.untold();
        assert!(matches!(health.now().changes, Changes::Waiting { .. }));
    }

    #[test]
    fn only_what_changes_wakes() {
        let health = Health::default();
        let mut follower = health.follow();
        follower.mark_unchanged();
        health.stuck(false);
        health.enter(Phase::Starting);
        assert!(!follower.has_changed().unwrap());
        health.stuck(true);
        let since = health.now().stuck;
        health.stuck(true);
        assert_eq!(health.now().stuck, since);
        assert!(follower.has_changed().unwrap());
    }

    #[test]
    fn times_are_those_of_the_log() {
        let time = Time(UNIX_EPOCH + Duration::from_secs(1_795_349_584));
        assert_eq!((time.to_string().as_str(), time.unix()), ("2026-11-22T12:13:04Z", 1_795_349_584));
    }
}
