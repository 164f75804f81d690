//! Whether all is well, for a load balancer and for people.
//!
//! *Down* (503) is who should get no mail to check: nobody connects yet, or no more; its threads are stuck; or the directory
//! is away, and nothing is remembered that serves in its place, so that everybody is deferred. *Degraded* (200) is what
//! somebody should look at while mail passes: the directory is away and what is remembered serves; changes in it are not
//! told and count later; the last reload failed. To take a server out for these would only move mail to others, of which
//! most ask the same directory.

use std::fmt;
use std::time::Duration;

use serde_json::json;

use crate::health::{Changes, Directory, Phase, State, Time};

/// How long an attempt to connect, or to be told of changes, is in order.
const PATIENCE: Duration = Duration::from_secs(60);
const CONNECTING: Duration = Duration::from_secs(10);

/// How the program is, and why.
#[derive(Debug, Default)]
pub(super) struct Standing {
    down: bool,
    findings: Vec<Finding>,
}

#[derive(Debug)]
struct Finding {
    /// What it is about: one word.
    about: &'static str,
    since: Option<Time>,
    /// What happened, to what, and what follows.
    says: String,
}

impl Standing {
    /// From how it is at `now`. `stale` is how long after its load an answer serves while the directory is away, if any
    /// person is remembered at all.
    pub(super) fn of(state: &State, stale: Option<Duration>, now: Time) -> Self {
        let mut standing = Self::default();
        standing.phase(state.phase);
        if let Some(since) = state.stuck {
            let says =
                "threads that serve connections do nothing any more: mail is deferred; restart the program";
            standing.down("threads", Some(since), says.to_owned());
        }
        standing.directory(&state.directory, stale, now);
        // While it is away, that it tells nothing says nothing new.
        if matches!(state.directory, Directory::File | Directory::Up { .. }) {
            standing.changes(&state.changes, now);
        }
        if let Some((at, failure)) =
            state.reload.as_ref().and_then(|last| Some((last.at, last.failure.as_ref()?)))
        {
            let says = format!("the last reload failed, the configuration before it is in force: {failure}");
            standing.degraded("reload", Some(at), says);
        }
        standing
    }

    /// Whether no mail should come here.
    pub(super) fn is_down(&self) -> bool {
        self.down
    }

    /// One word for it.
    pub(super) fn word(&self) -> &'static str {
        match (self.down, self.findings.is_empty()) {
            (true, _) => "down",
            (false, false) => "degraded",
            (false, true) => "ok",
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> String {
        let findings = self.findings.iter().map(|Finding { about, since, says }| {
            json!({ "about": about, "since": since.map(|since| since.to_string()), "says": says })
        });
        let findings: Vec<_> = findings.collect();
        format!("{}\n", json!({ "status": self.word(), "findings": findings }))
    }

    fn phase(&mut self, phase: Phase) {
        match phase {
            Phase::Starting => self.down("phase", None, "the program is starting".to_owned()),
            Phase::Serving => {}
            Phase::Ending => {
                let says = "the program is ending: it takes no new connections".to_owned();
                self.down("phase", None, says);
            }
        }
    }

    fn directory(&mut self, directory: &Directory, stale: Option<Duration>, now: Time) {
        let (since, says) = match directory {
            Directory::File | Directory::Up { .. } => return,
            Directory::Connecting { since } if passed(*since, now) < CONNECTING => return,
            Directory::Connecting { since } => (*since, "the directory gives no answer yet".to_owned()),
            Directory::Down { since, servers, why } => {
                (*since, format!("the directory, {servers}, does not answer: {why}"))
            }
        };
        match stale.filter(|stale| passed(since, now) < *stale) {
            Some(stale) => {
                let until = Time(since.0 + stale);
                let says = format!(
                    "{says}; until {until} what is remembered serves, and who is not remembered is deferred"
                );
                self.degraded("directory", Some(since), says);
            }
            None => self.down("directory", Some(since), format!("{says}; mail is deferred")),
        }
    }

    fn changes(&mut self, changes: &Changes, now: Time) {
        let later = "changes in it count when cache.ttl has passed";
        match changes {
            Changes::NotAsked | Changes::Told { .. } => {}
            Changes::Waiting { since } if passed(*since, now) < PATIENCE => {}
            Changes::Waiting { since } => {
                self.degraded("changes", Some(*since), format!("the directory tells of no changes: {later}"));
            }
            Changes::Refused { since, why } => {
                let says = format!("the directory does not tell of changes, {why}: {later}");
                self.degraded("changes", Some(*since), says);
            }
        }
    }

    fn down(&mut self, about: &'static str, since: Option<Time>, says: String) {
        self.down = true;
        self.findings.push(Finding { about, since, says });
    }

    fn degraded(&mut self, about: &'static str, since: Option<Time>, says: String) {
        self.findings.push(Finding { about, since, says });
    }
}

/// For people: one word, and a line for each reason.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.word())?;
        self.findings.iter().try_for_each(|Finding { about, since, says }| {
            write!(f, "{about}: ")?;
            since.iter().try_for_each(|since| write!(f, "since {since}, "))?;
            writeln!(f, "{}", says.replace('\n', "; "))
        })
    }
}

/// None if a clock was set back.
fn passed(since: Time, now: Time) -> Duration {
    now.0.duration_since(since.0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::health::Reload;

    fn at(seconds: u64) -> Time {
        Time(UNIX_EPOCH + Duration::from_secs(seconds))
    }

    fn serving() -> State {
        State { phase: Phase::Serving, ..State::default() }
    }

    fn away(since: u64) -> State {
        let (servers, why) = ("ldap://a".into(), "connection refused".into());
        State { directory: Directory::Down { since: at(since), servers, why }, ..serving() }
    }

    fn asked(changes: Changes) -> State {
        State { changes, ..serving() }
    }

    const HOUR: Option<Duration> = Some(Duration::from_secs(3600));

    /// At second 1000.
    #[test]
    fn table() {
        let told = |failure: Option<&str>| Reload { at: at(5), failure: failure.map(Into::into) };
        let up = Directory::Up { since: at(1), server: "ldap://a".into() };
        for (state, stale, says) in [
            (serving(), None, "ok\n"),
            (State { directory: up, ..serving() }, None, "ok\n"),
            (State::default(), None, "down\nphase: the program is starting\n"),
            (
                State { phase: Phase::Ending, ..serving() },
                None,
                "down\nphase: the program is ending: it takes no new connections\n",
            ),
            (
                State { stuck: Some(at(999)), ..serving() },
                None,
                "down\nthreads: since 1970-01-01T00:16:39Z, threads that serve connections do nothing any more: mail is \
                 deferred; restart the program\n",
            ),
            (
                away(940),
                HOUR,
                "degraded\ndirectory: since 1970-01-01T00:15:40Z, the directory, ldap://a, does not answer: connection \
                 refused; until 1970-01-01T01:15:40Z what is remembered serves, and who is not remembered is deferred\n",
            ),
            (
                State { changes: Changes::Waiting { since: at(0) }, ..away(940) },
                None,
                "down\ndirectory: since 1970-01-01T00:15:40Z, the directory, ldap://a, does not answer: connection \
                 refused; mail is deferred\n",
            ),
            (
                away(0),
                Some(Duration::from_secs(1000)),
                "down\ndirectory: since 1970-01-01T00:00:00Z, the directory, ldap://a, does not answer: connection \
                 refused; mail is deferred\n",
            ),
            (State { directory: Directory::Connecting { since: at(991) }, ..serving() }, None, "ok\n"),
            (
                State { directory: Directory::Connecting { since: at(990) }, ..serving() },
                None,
                "down\ndirectory: since 1970-01-01T00:16:30Z, the directory gives no answer yet; mail is deferred\n",
            ),
            (asked(Changes::Told { since: at(0) }), None, "ok\n"),
            (asked(Changes::Waiting { since: at(941) }), None, "ok\n"),
            (
                asked(Changes::Waiting { since: at(940) }),
                None,
                "degraded\nchanges: since 1970-01-01T00:15:40Z, the directory tells of no changes: changes in it count \
                 when cache.ttl has passed\n",
            ),
            (
                asked(Changes::Refused { since: at(999), why: "no overlay".into() }),
                None,
                "degraded\nchanges: since 1970-01-01T00:16:39Z, the directory does not tell of changes, no overlay: \
                 changes in it count when cache.ttl has passed\n",
            ),
            (State { reload: Some(told(None)), ..serving() }, None, "ok\n"),
            (
                State { reload: Some(told(Some("one\ntwo"))), ..serving() },
                None,
                "degraded\nreload: since 1970-01-01T00:00:05Z, the last reload failed, the configuration before it is in \
                 force: one; two\n",
            ),
        ] {
            let standing = Standing::of(&state, stale, at(1000));
            assert_eq!(standing.to_string(), says, "{state:?}");
            assert_eq!(standing.is_down(), says.starts_with("down"), "{state:?}");
        }
    }

    #[test]
    fn for_programs() {
        let ok = Standing::of(&serving(), None, at(1000)).json();
        assert_eq!(ok, "{\"findings\":[],\"status\":\"ok\"}\n");
        let away: serde_json::Value =
            serde_json::from_str(&Standing::of(&away(940), HOUR, at(1000)).json()).unwrap();
        assert_eq!(away["status"], "degraded");
        assert_eq!(away["findings"][0]["about"], "directory");
        assert_eq!(away["findings"][0]["since"], "1970-01-01T00:15:40Z");
    }
}
