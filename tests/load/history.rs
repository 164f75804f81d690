//! What the directory said at which time, and which answers that allows.
//!
//! A state holds from when its change is sent until the next change is acknowledged. An answer is right if it follows from
//! a state that held while it was asked for; or from one that had ended by then no longer ago than a change may take to be
//! told. While slapd is away nothing is told, until the watch is back: whatever ended shortly before it went, or since, may
//! count until then. What a busy machine adds, because nobody gets to run, is measured and added.

use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::model::{ADDRESSES, Directory, Verdict};

/// How long after a change is acknowledged it may not count yet.
pub(crate) const TELLING: Duration = Duration::from_secs(1);

/// For how long after the directory is back a failure may be the answer that is remembered.
const BACKING_OFF: Duration = Duration::from_secs(1);

/// What is shorter is no delay.
const NOTABLE: Duration = Duration::from_millis(10);

/// How many states are kept whole: more than may count at a time.
const WHOLE: usize = 200;

/// Who asks for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(crate) person: usize,
    pub(crate) address: usize,
}

impl Pair {
    fn index(self) -> usize {
        self.person * ADDRESSES + self.address
    }
}

/// What an answer is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Finding {
    /// A state says so that held while it was asked for.
    Right,
    /// One says so that ended so long before, while changes were told.
    Late(Duration),
    /// One says so that ended before the directory went, or while it was away.
    Stale,
    /// Two say so together: one of the writer, and one of the author. Each may count, and each is asked for by itself.
    Mixed,
    /// As late as a busy machine explains.
    Starved,
    /// No state that may count says so.
    Wrong(String),
}

struct State {
    /// When its change was sent.
    begun: Instant,
    /// When the next one was acknowledged.
    ended: Option<Instant>,
    /// What made it.
    change: String,
    verdicts: Vec<Verdict>,
    /// Kept while it may count.
    directory: Option<Directory>,
}

/// A time in which nothing is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outage {
    pub(crate) begun: Instant,
    pub(crate) back: Option<Instant>,
}

#[derive(Default)]
pub(crate) struct History {
    states: RwLock<Vec<State>>,
    outages: RwLock<Vec<Outage>>,
    /// What changed verdicts last.
    hot: RwLock<Vec<Pair>>,
    /// When the machine was found to be late, and by how much.
    delays: Mutex<Vec<(Instant, Duration)>>,
}

impl History {
    /// A change is about to be sent that makes it so.
    pub(crate) fn begin(&self, change: String, directory: &Directory) {
        let verdicts = directory.verdicts();
        let mut states = self.states.write().unwrap();
        if let Some(before) = states.last() {
            let differs = |pair: &Pair| before.verdicts[pair.index()] != verdicts[pair.index()];
            let hot: Vec<_> = pairs().filter(differs).collect();
            if !hot.is_empty() {
                *self.hot.write().unwrap() = hot;
            }
        }
        if let Some(old) = states.len().checked_sub(WHOLE) {
            states[old].directory = None;
        }
        let directory = Some(directory.clone());
        states.push(State { begun: Instant::now(), ended: None, change, verdicts, directory });
    }

    /// The change is acknowledged.
    pub(crate) fn acknowledged(&self) {
        let mut states = self.states.write().unwrap();
        if let [.., before, _] = &mut states[..] {
            before.ended = Some(Instant::now());
        }
    }

    /// How many changes were made.
    pub(crate) fn changes(&self) -> usize {
        self.states.read().unwrap().len() - 1
    }

    /// Somebody whose verdict changed last.
    pub(crate) fn hot(&self, rng: &mut fastrand::Rng) -> Option<Pair> {
        let hot = self.hot.read().unwrap();
        (!hot.is_empty()).then(|| hot[rng.usize(..hot.len())])
    }

    /// From now on nothing is told.
    pub(crate) fn away(&self) {
        let mut outages = self.outages.write().unwrap();
        if outages.last().is_none_or(|last| last.back.is_some()) {
            outages.push(Outage { begun: Instant::now(), back: None });
        }
    }

    /// From now on changes are told; whether it was an outage that ends.
    pub(crate) fn back(&self) -> bool {
        let mut outages = self.outages.write().unwrap();
        match outages.last_mut() {
            Some(last) if last.back.is_none() => {
                last.back = Some(Instant::now());
                true
            }
            _ => false,
        }
    }

    pub(crate) fn outages(&self) -> Vec<Outage> {
        self.outages.read().unwrap().clone()
    }

    /// Whether a failure to look up may be the answer.
    pub(crate) fn may_fail(&self, asked: Instant, answered: Instant) -> bool {
        let slack = BACKING_OFF + self.delay(asked, answered);
        let touches = |outage: &Outage| {
            outage.begun <= answered && outage.back.is_none_or(|back| back + slack >= asked)
        };
        self.outages.read().unwrap().iter().rev().take(3).any(touches)
    }

    /// The machine was so late now.
    pub(crate) fn delayed(&self, by: Duration) {
        if by >= NOTABLE {
            self.delays.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), by));
        }
    }

    /// How long nobody got to run in that time.
    pub(crate) fn delay(&self, from: Instant, to: Instant) -> Duration {
        let delays = self.delays.lock().unwrap_or_else(PoisonError::into_inner);
        let since = delays.iter().rev().take_while(|(at, _)| *at >= from);
        since.filter(|(at, by)| *at - *by <= to).map(|(_, by)| *by).sum()
    }

    /// All delays worth noting.
    pub(crate) fn delays(&self) -> Vec<Duration> {
        let delays = self.delays.lock().unwrap_or_else(PoisonError::into_inner);
        delays.iter().map(|(_, by)| *by).collect()
    }

    /// What an answer is to a question that `shown` turns a verdict into.
    pub(crate) fn judge(
        &self,
        pair: Pair,
        (asked, answered): (Instant, Instant),
        seen: Verdict,
        shown: impl Fn(Verdict) -> Verdict,
    ) -> Finding {
        let states = self.states.read().unwrap();
        let mut counting = Vec::new();
        for state in states.iter().rev().filter(|state| state.begun <= answered) {
            let finding = match state.ended.filter(|ended| *ended < asked) {
                None => Some(Finding::Right),
                Some(ended) => self.lateness(ended, asked, answered),
            };
            match finding {
                None => break,
                Some(finding) if shown(state.verdicts[pair.index()]) == seen => return finding,
                Some(_) => counting.extend(&state.directory),
            }
        }
        if mixed(&counting, pair).any(|verdict| shown(verdict) == seen) {
            return Finding::Mixed;
        }
        Finding::Wrong(explain(&states, pair, asked, answered, seen))
    }

    /// What it is to answer from a state that had ended by then; none if that may not be.
    fn lateness(&self, ended: Instant, asked: Instant, answered: Instant) -> Option<Finding> {
        let (late, delay) = (asked - ended, self.delay(ended, answered));
        if self.is_untold(ended + TELLING + delay, ended, (asked, answered)) {
            return Some(Finding::Stale);
        }
        if late <= TELLING {
            return Some(Finding::Late(late));
        }
        (late <= TELLING + delay).then_some(Finding::Starved)
    }

    /// Whether slapd or the watch went before what ended had to be told, and the watch was not back when it was asked.
    fn is_untold(&self, due: Instant, ended: Instant, (asked, answered): (Instant, Instant)) -> bool {
        let untold = |outage: &Outage| {
            outage.begun <= due.min(answered) && outage.back.is_none_or(|back| back >= ended && back >= asked)
        };
        self.outages.read().unwrap().iter().rev().take(3).any(untold)
    }
}

/// What follows from one of these states for the writer, and one for the author.
fn mixed(states: &[&Directory], pair: Pair) -> impl Iterator<Item = Verdict> {
    let writers: Vec<_> = states.iter().map(|state| state.writer(pair.person)).collect();
    states.iter().flat_map(move |state| {
        writers.iter().map(|writer| state.verdict(writer, pair.address)).collect::<Vec<_>>()
    })
}

fn pairs() -> impl Iterator<Item = Pair> {
    let people = 0..super::model::PEOPLE;
    people.flat_map(|person| (0..ADDRESSES).map(move |address| Pair { person, address }))
}

/// What the directory said of it, so far as it matters.
fn explain(states: &[State], pair: Pair, asked: Instant, answered: Instant, seen: Verdict) -> String {
    let before = |state: &&State| state.begun <= answered;
    let mut lines = vec![format!("{pair:?}: {seen:?}, in {:?}", answered - asked)];
    let mut last = None;
    for state in states.iter().rev().filter(before).take(200) {
        let verdict = state.verdicts[pair.index()];
        if last != Some(verdict) {
            let ended = state.ended.map_or("not ended".to_owned(), |ended| {
                format!("ended {:?} before it was asked", asked.saturating_duration_since(ended))
            });
            lines.push(format!("    {verdict:?} by {} ({ended})", state.change));
            last = Some(verdict);
        }
        if lines.len() > 4 {
            break;
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(begun: Instant, ended: Option<Instant>, verdict: Verdict) -> State {
        State { begun, ended, change: String::new(), verdicts: vec![verdict], directory: None }
    }

    /// A right that was taken away at second 10, in 50 ms.
    fn revoked(zero: Instant) -> History {
        let at = |ms: u64| zero + Duration::from_millis(ms);
        let states =
            vec![state(zero, Some(at(10_050)), Verdict::OnBehalf), state(at(10_000), None, Verdict::Refused)];
        History { states: RwLock::new(states), ..History::default() }
    }

    fn judged(history: &History, zero: Instant, asked: u64, answered: u64, seen: Verdict) -> String {
        let at = |ms: u64| zero + Duration::from_millis(ms);
        let pair = Pair { person: 0, address: 0 };
        let finding = history.judge(pair, (at(asked), at(answered)), seen, |verdict| verdict);
        format!("{finding:?}").split(['(', ' ']).next().unwrap().to_owned()
    }

    #[test]
    fn while_changes_are_told() {
        let zero = Instant::now();
        let history = revoked(zero);
        for (asked, answered, seen, finding) in [
            (9_000, 9_001, Verdict::OnBehalf, "Right"),
            (9_000, 9_999, Verdict::Refused, "Wrong"),
            (9_000, 10_000, Verdict::Refused, "Right"),
            (10_040, 10_041, Verdict::OnBehalf, "Right"),
            (11_050, 11_060, Verdict::OnBehalf, "Late"),
            (11_051, 11_060, Verdict::OnBehalf, "Wrong"),
            (11_051, 11_060, Verdict::Refused, "Right"),
            (11_051, 11_060, Verdict::Own, "Wrong"),
        ] {
            assert_eq!(judged(&history, zero, asked, answered, seen), finding, "{asked} {answered} {seen:?}");
        }
        for ms in [10_500, 11_000] {
            let at = zero + Duration::from_millis(ms);
            history.delays.lock().unwrap().push((at, Duration::from_millis(150)));
        }
        assert_eq!(judged(&history, zero, 11_350, 11_360, Verdict::OnBehalf), "Starved");
        assert_eq!(judged(&history, zero, 11_351, 11_360, Verdict::OnBehalf), "Wrong");
    }

    #[test]
    fn while_nothing_is_told() {
        let zero = Instant::now();
        let at = |ms: u64| zero + Duration::from_millis(ms);
        for (begun, back, asked, finding) in [
            (9_000, Some(10_500), 10_400, "Stale"),
            (11_000, None, 10_400, "Late"),
            // It went before it had to be told; nobody can have heard of it until the watch is back.
            (11_000, None, 20_000, "Stale"),
            (11_051, None, 20_000, "Wrong"),
            (9_000, Some(12_000), 12_000, "Stale"),
            (9_000, Some(12_000), 12_001, "Wrong"),
            (9_000, Some(10_500), 11_050, "Late"),
            (8_000, Some(9_000), 11_051, "Wrong"),
        ] {
            let history = revoked(zero);
            history.outages.write().unwrap().push(Outage { begun: at(begun), back: back.map(at) });
            let what = format!("{begun} {back:?} {asked}");
            assert_eq!(judged(&history, zero, asked, asked + 5, Verdict::OnBehalf), finding, "{what}");
        }
    }

    #[test]
    fn failures() {
        let zero = Instant::now();
        let at = |ms: u64| zero + Duration::from_millis(ms);
        let history = History::default();
        assert!(!history.may_fail(at(0), at(1)));
        history.outages.write().unwrap().push(Outage { begun: at(1_000), back: Some(at(2_000)) });
        for (asked, answered, may) in
            [(500, 999, false), (500, 1_000, true), (3_000, 3_001, true), (3_001, 3_002, false)]
        {
            assert_eq!(history.may_fail(at(asked), at(answered)), may, "{asked} {answered}");
        }
    }
}
