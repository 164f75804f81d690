//! What was counted: answers by what they are, times, and what must not be.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::history::{Finding, History, Pair};
use super::model::{ADDRESSES, PEOPLE, Verdict};
use super::talk::{Message, Seen};

/// How much of what is wrong is told.
const TOLD: usize = 12;
const ALIKE: usize = 2;

/// Times in sixteenths of octaves, from 1 µs.
const STEPS: usize = 16 * 30;

/// A distribution of times.
pub(crate) struct Times(Vec<AtomicU64>);

impl Default for Times {
    fn default() -> Self {
        Self((0..STEPS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Times {
    fn note(&self, time: Duration) {
        let octaves = (time.as_secs_f64() * 1e6).max(1.0).log2();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 480")]
        let step = ((octaves * 16.0) as usize).min(STEPS - 1);
        self.0[step].fetch_add(1, Relaxed);
    }

    /// What this share of them does not exceed, in ms, within 4 %.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let counts: Vec<_> = self.0.iter().map(|count| count.load(Relaxed)).collect();
        #[allow(clippy::cast_precision_loss, reason = "counts of messages")]
        let wanted = counts.iter().sum::<u64>() as f64 * share;
        let mut below = 0;
        #[allow(clippy::cast_precision_loss, reason = "counts of messages")]
        let reached = counts.iter().position(|count| {
            below += count;
            below as f64 >= wanted && below > 0
        });
        #[allow(clippy::cast_precision_loss, reason = "up to 480")]
        reached.map_or(0.0, |step| 2f64.powf((step as f64 + 1.0) / 16.0) / 1e3)
    }

    /// What was noted since the last time.
    pub(crate) fn reset(&self) -> Self {
        Self(self.0.iter().map(|count| AtomicU64::new(count.swap(0, Relaxed))).collect())
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Straight on the socket.
    Direct,
    /// Through Postfix.
    Mail,
}

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) history: Arc<History>,
    pub(crate) direct: Times,
    pub(crate) mail: Times,
    /// Since the last line of the series.
    pub(crate) lately: Times,
    /// In µs.
    longest: [AtomicU64; 2],
    pub(crate) messages: AtomicU64,
    pub(crate) mails: AtomicU64,
    /// With a verdict.
    pub(crate) accepted: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) unauthenticated: AtomicU64,
    pub(crate) right: AtomicU64,
    pub(crate) late: AtomicU64,
    /// In µs.
    latest: AtomicU64,
    pub(crate) stale: AtomicU64,
    pub(crate) mixed: AtomicU64,
    pub(crate) starved: AtomicU64,
    pub(crate) deferred: AtomicU64,
    pub(crate) wrong: AtomicU64,
    /// Of these, what was accepted.
    pub(crate) wrongly_accepted: AtomicU64,
    pub(crate) needlessly_deferred: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) odd: AtomicU64,
    pub(crate) told: Mutex<Vec<String>>,
}

impl Tally {
    pub(crate) fn new(history: Arc<History>) -> Self {
        Self { history, ..Self::default() }
    }

    /// Who writes as whom: anybody, themselves, or whose verdict changed last.
    pub(crate) fn pair(&self, rng: &mut Rng) -> Pair {
        let (person, other) = (rng.usize(..PEOPLE), rng.usize(..ADDRESSES));
        match rng.u8(..10) {
            0..2 => Pair { person, address: person },
            2..6 => self.history.hot(rng).unwrap_or(Pair { person, address: other }),
            _ => Pair { person, address: other },
        }
    }

    /// A message took so long.
    pub(crate) fn took(&self, kind: Kind, (asked, answered): (Instant, Instant)) {
        let time = answered - asked;
        let (times, count, longest) = match kind {
            Kind::Direct => (&self.direct, &self.messages, &self.longest[0]),
            Kind::Mail => (&self.mail, &self.mails, &self.longest[1]),
        };
        times.note(time);
        if kind == Kind::Direct {
            self.lately.note(time);
        }
        count.fetch_add(1, Relaxed);
        longest.fetch_max(micros(time), Relaxed);
    }

    /// A message had this outcome.
    pub(crate) fn saw(&self, message: Message, (asked, answered): (Instant, Instant), seen: &Seen) {
        let Seen::Verdict(verdict) = *seen else {
            if self.history.may_fail(asked, answered) {
                self.deferred.fetch_add(1, Relaxed);
            } else {
                self.needlessly_deferred.fetch_add(1, Relaxed);
                self.tell("deferred, though slapd was there", &format!("{message:?}"));
            }
            return;
        };
        let accepts = verdict != Verdict::Refused;
        if accepts { &self.accepted } else { &self.refused }.fetch_add(1, Relaxed);
        let finding =
            self.history.judge(message.pair, (asked, answered), verdict, |verdict| message.shown(verdict));
        let count = match finding {
            Finding::Right => &self.right,
            Finding::Late(by) => {
                self.latest.fetch_max(micros(by), Relaxed);
                &self.late
            }
            Finding::Stale => &self.stale,
            Finding::Mixed => &self.mixed,
            Finding::Starved => &self.starved,
            Finding::Wrong(why) => {
                self.wrongly_accepted.fetch_add(accepts.into(), Relaxed);
                self.tell(&format!("WRONG: {:?}", message.pair), &format!("{message:?}\n    {why}"));
                &self.wrong
            }
        };
        count.fetch_add(1, Relaxed);
    }

    pub(crate) fn lost(&self, what: &str) {
        self.lost.fetch_add(1, Relaxed);
        self.tell("LOST", what);
    }

    /// Neither a verdict nor a failure to look up.
    pub(crate) fn odd(&self, what: &str) {
        self.odd.fetch_add(1, Relaxed);
        self.tell("ODD", what);
    }

    /// The first of each kind, for what is wrong once is soon wrong again.
    fn tell(&self, kind: &str, what: &str) {
        let mut told = self.told.lock().unwrap();
        if told.len() < TOLD && told.iter().filter(|told| told.starts_with(kind)).count() < ALIKE {
            told.push(format!("{kind}: {what}"));
        }
    }

    /// The longest that a message took, in ms.
    pub(crate) fn longest(&self, kind: Kind) -> f64 {
        milliseconds(&self.longest[usize::from(kind == Kind::Mail)])
    }

    /// How late an answer was at most while changes were told, in ms.
    pub(crate) fn latest(&self) -> f64 {
        milliseconds(&self.latest)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap()
}

#[allow(clippy::cast_precision_loss, reason = "microseconds of minutes")]
fn milliseconds(micros: &AtomicU64) -> f64 {
    micros.load(Relaxed) as f64 / 1e3
}

#[test]
fn quantiles() {
    let times = Times::default();
    (1..=1000).for_each(|ms| times.note(Duration::from_millis(ms)));
    for (share, expected) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
        let found = times.quantile(share);
        assert!((expected..expected * 1.05).contains(&found), "{share}: {found}");
    }
    assert!(times.reset().quantile(0.5) > 0.0);
    assert!(times.quantile(0.5) == 0.0);
}
