//! The service manager, where there is one: told when the program is ready, how it is, that it reloads or ends, and that it
//! is alive (sd_notify(3)); systemd, or whatever else sets `NOTIFY_SOCKET`.
//!
//! Ready is when Postfix can connect: what a directory that is away means for a message is for the message to say. Alive
//! is when every thread that serves connections answers, whatever the directory does.

use std::convert::Infallible;
use std::env;
use std::ffi::OsStr;
use std::future::pending;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{error, warn};

use crate::health::Health;
use crate::workers::Pulse;

mod status;

use status::status;

/// How often the threads are asked for a sign of life where no manager wants one: [`Health`] tells of it all the same.
const BEAT: Duration = Duration::from_secs(15);

/// How long the manager may be busy: PID 1 reads what is told while it does little else.
const PATIENCE: Duration = Duration::from_secs(1);

/// The service manager, or nobody.
#[derive(Clone)]
pub(crate) struct Manager {
    line: Option<Arc<Line>>,
    /// How often it wants a sign of life.
    watchdog: Option<Duration>,
}

/// Where it listens.
struct Line {
    socket: UnixDatagram,
    manager: SocketAddr,
    /// That it does not was told.
    is_cut: AtomicBool,
}

impl Manager {
    /// The one that the environment names. Where it cannot be told anything, that is logged, and the program serves.
    pub(crate) fn from_environment() -> Self {
        let named = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let line = named.and_then(|name| match Line::to(&name) {
            Ok(line) => Some(Arc::new(line)),
            Err(error) => {
                warn!(reason = %error, "the service manager cannot be told anything: NOTIFY_SOCKET");
                None
            }
        });
        let variable = |name| env::var(name).ok();
        let watchdog = watchdog(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"), process::id());
        Self { line, watchdog }
    }

    /// Postfix can connect.
    pub(crate) fn ready(&self, health: &Health) {
        self.tell(&format!("READY=1\nSTATUS={}", status(&health.now())));
    }

    /// The configuration is about to be read anew; [`Self::ready`] follows, whatever becomes of it.
    pub(crate) fn reloading(&self) {
        // systemd.service(5), Type=notify-reload: later than the signal, or it waits for another one.
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=reloading", now.as_micros()));
    }

    /// The end has begun, and may take so long.
    pub(crate) fn stopping(&self, health: &Health, within: Duration) {
        let status = status(&health.now());
        self.tell(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={}\nSTATUS={status}", within.as_micros()));
    }

    /// Tells it how the program is, and that it is alive, as long as this goes on.
    pub(crate) async fn attend(self, health: Health, pulse: Pulse) -> Infallible {
        tokio::select! {
            never = self.say(&health) => never,
            never = self.live(&health, pulse) => never,
        }
    }

    /// Tells each change of how the program is.
    async fn say(&self, health: &Health) -> Infallible {
        let mut states = health.follow();
        let mut said = String::new();
        loop {
            let text = status(&states.borrow_and_update());
            if text != said {
                self.tell(&format!("STATUS={text}"));
                said = text;
            }
            if states.changed().await.is_err() {
                return pending().await;
            }
        }
    }

    /// Gives a sign of life whenever all threads have.
    async fn live(&self, health: &Health, mut pulse: Pulse) -> Infallible {
        // sd_watchdog_enabled(3): every half of the time after which the program counts as dead.
        let every = self.watchdog.map_or(BEAT, |most| most / 2);
        let mut beats = interval(every);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beats.tick().await;
            let beat = pulse.beat();
            tokio::pin!(beat);
            // So that the log says why before the manager ends the program.
            if timeout(every / 2, &mut beat).await.is_err() {
                health.stuck(true);
                error!("a thread that serves connections does nothing any more: its messages wait");
                beat.await;
                warn!("all threads that serve connections work again");
            }
            health.stuck(false);
            if self.watchdog.is_some() {
                self.tell("WATCHDOG=1");
            }
        }
    }

    fn tell(&self, what: &str) {
        if let Some(line) = &self.line {
            line.tell(what);
        }
    }
}

impl Line {
    fn to(name: &OsStr) -> io::Result<Self> {
        let manager = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "it is neither a path nor \"@\" and a name",
                ));
            }
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { socket, manager, is_cut: AtomicBool::new(false) })
    }

    fn tell(&self, what: &str) {
        // By its address each time: a manager that was started anew has another socket there.
        match self.socket.send_to_addr(what.as_bytes(), &self.manager) {
            Ok(_) => self.is_cut.store(false, Relaxed),
            Err(error) if !self.is_cut.swap(true, Relaxed) => {
                warn!(reason = %error, "the service manager cannot be told how the program is");
            }
            Err(_) => {}
        }
    }
}

/// After how long without a sign of life the program counts as dead (sd_watchdog_enabled(3)).
fn watchdog(most: Option<String>, whose: Option<String>, own: u32) -> Option<Duration> {
    let is_ours = whose.is_none_or(|whose| whose.parse() == Ok(own));
    let most = most?.parse().ok().filter(|most| *most > 0 && is_ours)?;
    Some(Duration::from_micros(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_a_sign_of_life() {
        let text = |text: &str| Some(text.to_owned());
        for (most, whose, every) in [
            (None, None, None),
            (text("30000000"), None, Some(30)),
            (text("30000000"), text("42"), Some(30)),
            (text("30000000"), text("43"), None),
            (text("30000000"), text("me"), None),
            (text("0"), None, None),
            (text("soon"), None, None),
        ] {
            let said = format!("{most:?} {whose:?}");
            assert_eq!(watchdog(most, whose, 42), every.map(Duration::from_secs), "{said}");
        }
    }

    /// What a manager at `address` hears.
    fn heard(manager: &UnixDatagram) -> String {
        let mut text = [0; 4096];
        let length = manager.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..length]).into_owned()
    }

    #[test]
    fn a_socket_in_no_file() {
        let name = format!("delegation-milter-test-{}", process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let line = Line::to(OsStr::new(&format!("@{name}"))).unwrap();
        line.tell("WATCHDOG=1");
        assert_eq!(heard(&manager), "WATCHDOG=1");
    }

    #[test]
    fn a_manager_that_is_away_harms_nobody() {
        let line = Line::to(OsStr::new("/nowhere/at/all")).unwrap();
        line.tell("READY=1");
        assert!(line.is_cut.load(Relaxed));
        assert!(Line::to(OsStr::new("vsock:2:1234")).is_err());
    }
}
