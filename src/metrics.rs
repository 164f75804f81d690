//! What is counted while the program runs, for whoever watches it: plain atomics, counted where something happens and read
//! when somebody asks.
//!
//! All begin at zero and outlive reloads. What they are told apart by are words of closed lists, never anything that a
//! message or an entry says: nobody can make more of them. To count takes neither a lock nor memory. How they are shown is
//! [`crate::monitor`]'s to say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

mod histogram;

pub use histogram::Histogram;

/// Everything that is counted.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Messages that were judged.
    pub messages: Messages,
    /// Connections from the MTA.
    pub connections: Connections,
    /// What is remembered of the directory.
    pub cache: Arc<Cache>,
    /// What the directory has told.
    pub changes: Arc<Changes>,
    /// An LDAP server.
    pub ldap: Ldap,
    /// Reloads.
    pub reloads: Reloads,
}

/// A number that only grows, or that goes up and down.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more.
    pub fn one(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// So many more.
    pub fn add(&self, more: usize) {
        self.0.fetch_add(u64::try_from(more).unwrap_or(u64::MAX), Relaxed);
    }

    /// One less.
    fn one_less(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// How many there are, or were so far.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Counts told apart by a word of a closed list.
#[derive(Debug)]
pub struct Words {
    words: &'static [&'static str],
    counts: Box<[Count]>,
    other: Count,
}

impl Words {
    fn new(words: &'static [&'static str]) -> Self {
        Self { words, counts: words.iter().map(|_| Count::default()).collect(), other: Count::default() }
    }

    /// The count of a word; of all that are not in the list together, the same one.
    pub fn of(&self, word: &str) -> &Count {
        self.entries().find(|(known, _)| *known == word).map_or(&self.other, |(_, count)| count)
    }

    /// Each word with its count, in the order of the list; last `other`, if anything was counted there.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let other = Some(("other", self.other.get())).filter(|(_, count)| *count > 0);
        self.entries().map(|(word, count)| (word, count.get())).chain(other)
    }

    fn entries(&self) -> impl Iterator<Item = (&'static str, &Count)> {
        self.words.iter().copied().zip(&self.counts)
    }
}

/// Verdicts as the log has them, those of `mode = "observe"` by names of their own; and by which rules each may be.
const VERDICTS: [(&str, &[&str]); 7] = [
    ("accept", ACCEPTED),
    ("refuse", REFUSED),
    ("bounce", REPORTED),
    ("defer", DEFERRED),
    ("would change", ACCEPTED),
    ("would refuse", REFUSED),
    ("would defer", DEFERRED),
];

/// The relations of a submitter to an author, from the nearest on: a message with several authors counts as what its last
/// one in this order is.
const ACCEPTED: &[&str] = &["own", "unknown", "send-as", "on-behalf", "schedule"];

/// [`crate::policy::Refusal::rule`], and mail without a login.
const REFUSED: &[&str] = &[
    "author",
    "envelope-sender",
    "resender",
    "unknown-login",
    "unauthenticated",
    "from",
    "resent-from",
    "senders",
    "reverse-path",
    "recipients",
    "display-name",
    "direction",
    "smtputf8",
    "no-address",
    "body-length",
    "actor",
    "calendar",
];

/// Those of which there are reports: [`crate::bounce::concerns`].
const REPORTED: &[&str] = &["author", "envelope-sender"];

/// [`crate::judge::Trouble::rule`].
const DEFERRED: &[&str] =
    &["directory", "bad-answer", "ambiguous-login", "no-room", "reloaded", "relay", "internal"];

/// What becomes of a report that was due: sent, given up (the client is told instead), put off with its message.
const REPORTS: &[&str] = &["sent", "refused", "deferred"];

/// Messages that were judged.
#[derive(Debug)]
pub struct Messages {
    verdicts: [(&'static str, Words); VERDICTS.len()],
    /// How long each took to decide: what its log line says as `ms`.
    pub seconds: Histogram,
    /// Mail without a login that passed unseen (`unauthenticated = "accept"`).
    pub without_login: Count,
    /// Reports on refused messages.
    pub reports: Words,
    /// Copies that were added.
    pub copies: Count,
    /// Messages that were deferred by a fault of ours or by a modification that the MTA did not take.
    pub faults: Count,
}

impl Messages {
    /// A message was judged, as its log line says. `rule` is that of the author who stands furthest away.
    pub fn judged(&self, verdict: &str, rule: &str, took: Duration) {
        self.verdict(verdict, rule);
        self.seconds.observe(took);
    }

    /// The same for what takes no time.
    pub fn verdict(&self, verdict: &str, rule: &str) {
        if let Some((_, rules)) = self.verdicts.iter().find(|(known, _)| *known == verdict) {
            rules.of(rule).one();
        }
    }

    /// Each verdict with its rules.
    pub fn verdicts(&self) -> impl Iterator<Item = (&'static str, &Words)> {
        self.verdicts.iter().map(|(verdict, rules)| (*verdict, rules))
    }

    /// Of the relations to the authors of a message, the furthest.
    pub fn furthest(rules: impl Iterator<Item = &'static str>) -> &'static str {
        let place = |rule: &&str| ACCEPTED.iter().position(|known| known == rule);
        rules.max_by_key(place).unwrap_or("own")
    }
}

impl Default for Messages {
    fn default() -> Self {
        Self {
            verdicts: VERDICTS.map(|(verdict, rules)| (verdict, Words::new(rules))),
            seconds: Histogram::default(),
            without_login: Count::default(),
            reports: Words::new(REPORTS),
            copies: Count::default(),
            faults: Count::default(),
        }
    }
}

/// Connections from the MTA, from the negotiation on.
#[derive(Debug, Default)]
pub struct Connections {
    /// All that ever were.
    pub total: Count,
    /// Those that are.
    pub open: Count,
}

/// A connection that counts as open until it is dropped.
#[derive(Debug)]
pub struct Connected(Arc<Metrics>);

impl Connected {
    /// One more.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        metrics.connections.total.one();
        metrics.connections.open.one();
        Self(metrics)
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.open.one_less();
    }
}

/// What is remembered, by what was asked.
#[derive(Debug, Default)]
pub struct Cache {
    /// Who logs in so.
    pub logins: Remembered,
    /// Who has this address.
    pub addresses: Remembered,
}

/// Questions of one kind.
#[derive(Debug, Default)]
pub struct Remembered {
    /// Those that were answered from memory, absences included.
    pub hits: Count,
    /// Those for which there was nothing fresh.
    pub misses: Count,
    /// The misses that an older answer has served, because the directory gave none.
    pub stale: Count,
    /// Loads that began ahead of an expiry.
    pub refreshes: Count,
    /// Loads that failed.
    pub failures: Count,
}

/// Changes that were told, or that had to be supposed.
#[derive(Debug, Default)]
pub struct Changes {
    /// Of an entry.
    pub entries: Count,
    /// Of the members of a group.
    pub groups: Count,
    /// After which everything is asked for anew.
    pub everything: Count,
}

/// How searches end: with an answer; with a result code that is none; with an answer that cannot be used; without one.
const OUTCOMES: &[&str] = &["answered", "refused", "unusable", "unavailable", "timeout"];

/// Why connections are left: the server ended it; it gave no sign of life; an earlier server is well again.
const LEFT: &[&str] = &["ended", "silent", "returned"];

/// An LDAP server.
#[derive(Debug)]
pub struct Ldap {
    /// Searches for the answers to questions.
    pub searches: Words,
    /// How long these took.
    pub seconds: Histogram,
    /// Connections for searches that were opened.
    pub opened: Count,
    /// Connections for searches that came to an end.
    pub left: Words,
    /// Rounds of attempts to connect after which there was none.
    pub failed: Count,
}

impl Default for Ldap {
    fn default() -> Self {
        Self {
            searches: Words::new(OUTCOMES),
            seconds: Histogram::default(),
            opened: Count::default(),
            left: Words::new(LEFT),
            failed: Count::default(),
        }
    }
}

/// Reloads, as SIGHUP asks for them.
#[derive(Debug, Default)]
pub struct Reloads {
    /// After which the new configuration was in force.
    pub done: Count,
    /// After which the old one stayed.
    pub failed: Count,
}

#[cfg(test)]
mod tests;
