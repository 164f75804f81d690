//! What is printed, and what is wrong with it.
#![allow(clippy::print_stdout, reason = "it is what the bench prints")]
#![allow(clippy::cast_precision_loss, reason = "counts that are shown")]

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::program::Figures;
use super::run::{Outcome, Until};
use super::tally::{Kind, Tally};

/// How soon after slapd is back changes are told again.
const BACK: Duration = Duration::from_secs(2);

/// How much more a figure may be in the last third of a run than in the second, at the median: a share, and what may come
/// on top, for short runs still fill their caches.
const GROWTH: f64 = 1.05;
const RESIDENT: f64 = 2048.0;
const FEW: f64 = 4.0;

/// Connections to slapd: one for searches, and one for the watch. Those that end may be there beside the next, and beside
/// attempts at these.
const CONNECTIONS: u64 = 6;

/// One line of the series.
pub(crate) fn line(
    elapsed: Duration,
    tally: &Tally,
    rates: &[(Instant, Duration, u64)],
    every: Duration,
    figures: &Figures,
    searches: u64,
) {
    let lately = tally.lately.reset();
    let count = usize::try_from(every.as_secs()).unwrap().max(1);
    let rates: Vec<_> = rates.iter().rev().take(count).map(rate).collect();
    if elapsed <= every + every / 2 {
        println!(
            "     s   msg/s   p50    p99   resident   fds  threads  to slapd  searches    late   451  wrong"
        );
    }
    println!(
        "{:6.0} {:7.0} {:5.1} {:6.1} {:7.1} MB {:5} {:8} {:9} {:9} {:7} {:5} {:6}",
        elapsed.as_secs_f64(),
        median(&rates),
        lately.quantile(0.5),
        lately.quantile(0.99),
        figures.resident as f64 / 1024.0,
        figures.descriptors,
        figures.threads,
        figures.connections,
        searches,
        tally.late.load(Relaxed) + tally.stale.load(Relaxed),
        tally.deferred.load(Relaxed),
        tally.wrong.load(Relaxed),
    );
}

impl Outcome {
    /// How many verdicts are wrong, which is also printed.
    pub(crate) fn wrong(&self) -> u64 {
        let (knobs, wrong) = (self.plan.knobs, self.tally.wrong.load(Relaxed));
        println!("With {knobs:?} {wrong} verdicts are wrong.");
        wrong
    }

    /// What must not be.
    pub(crate) fn faults(&self) -> Vec<String> {
        [self.counted(), self.broken(), self.slow(), self.growing()].concat()
    }

    fn counted(&self) -> Vec<String> {
        let tally = &self.tally;
        let none = [
            (&tally.wrong, "verdicts against the directory"),
            (&tally.needlessly_deferred, "messages deferred though slapd was there"),
            (&tally.lost, "messages lost"),
            (&tally.odd, "conversations that went wrong"),
        ];
        let counts = none.into_iter().map(|(count, what)| (count.load(Relaxed), what));
        counts.filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect()
    }

    fn broken(&self) -> Vec<String> {
        let tally = &self.tally;
        let [accepted, refused, mails] =
            [&tally.accepted, &tally.refused, &tally.mails].map(|count| count.load(Relaxed));
        let (logged, messages, posts) = (self.logged, self.messages(), self.plan.posts);
        must([
            (self.panics.is_empty(), format!("ended by a panic: {:?}", self.panics)),
            (self.ended_well, "the milter did not end well".to_owned()),
            (!self.queued, "Postfix has mail left".to_owned()),
            (
                self.left_over == 0,
                format!("{} messages came that were not accepted, or twice", self.left_over),
            ),
            (logged == messages, format!("{logged} lines in the log for {messages} messages")),
            (posts == 0 || mails > 0, "nothing went through Postfix".to_owned()),
            (accepted > 0 && refused > 0, "all verdicts are the same".to_owned()),
        ])
    }

    /// The watch: it must be there while slapd is, and be back soon.
    fn slow(&self) -> Vec<String> {
        let lost = format!("the watch was lost {} times though slapd ran", self.unexplained);
        // slapd, the milter and who reads its log wait for each other.
        let slow = self.restarts.iter().filter(|restart| restart.back > BACK + restart.delay * 3);
        let slow = slow.map(|restart| format!("the watch was not back in time: {restart:?}"));
        let too_few = matches!(self.plan.until, Until::Restarted(times) if self.restarts.len() < times);
        let few = format!("slapd was ended {} times only", self.restarts.len());
        must([(self.unexplained == 0, lost), (!too_few, few)]).into_iter().chain(slow).collect()
    }

    fn growing(&self) -> Vec<String> {
        let grows = |(what, figure, slack): Figure| {
            let figures = self.figures(figure);
            (!flat(&figures, slack)).then(|| format!("{what} grows: {figures:?}"))
        };
        let most = self.samples.iter().map(|figures| figures.connections).max().unwrap_or_default();
        let known = (1..=CONNECTIONS).contains(&most);
        let most = must([(known, format!("{most} connections to slapd"))]);
        FIGURES.into_iter().filter_map(grows).chain(most).collect()
    }

    /// Messages for which the milter logs a line.
    fn messages(&self) -> u64 {
        let [messages, mails, unauthenticated] =
            [&self.tally.messages, &self.tally.mails, &self.tally.unauthenticated]
                .map(|count| count.load(Relaxed));
        messages + mails - unauthenticated
    }

    fn figures(&self, figure: fn(&Figures) -> u64) -> Vec<f64> {
        self.samples.iter().map(|figures| figure(figures) as f64).collect()
    }

    /// Messages per second in whole seconds: with slapd, and while it was away or the watch was.
    fn rates(&self) -> [Vec<f64>; 2] {
        let away = |from: Instant, time: Duration| {
            self.outages
                .iter()
                .any(|outage| outage.begun <= from + time && outage.back.is_none_or(|back| back >= from))
        };
        let of = |wanted| {
            self.rates.iter().filter(|(from, time, _)| away(*from, *time) == wanted).map(rate).collect()
        };
        [of(false), of(true)]
    }

    pub(crate) fn print(&self) {
        let killed = self.restarts.iter().filter(|restart| restart.killed).count();
        println!(
            "\n{:.0} s, {} connections, {} through Postfix; {} changes, {} restarts of slapd, {killed} of them by SIGKILL",
            self.plan.time.as_secs_f64(),
            self.plan.connections,
            self.plan.posts,
            self.changes,
            self.restarts.len(),
        );
        self.print_verdicts();
        self.print_times();
        self.print_watch();
        self.print_figures();
        self.print_warnings();
        self.tally.told.lock().unwrap().iter().for_each(|told| println!("{told}"));
        match &self.faults()[..] {
            [] => println!("\nNothing is wrong."),
            faults => println!("\nWRONG:\n  {}", faults.join("\n  ")),
        }
    }

    fn print_verdicts(&self) {
        let tally = &self.tally;
        println!("\nVerdicts");
        for (name, count) in [
            ("messages straight on the socket", &tally.messages),
            ("  without a login", &tally.unauthenticated),
            ("messages through Postfix", &tally.mails),
            ("accepted", &tally.accepted),
            ("refused", &tally.refused),
            ("right: so says a state that held while it was asked for", &tally.right),
            ("of a state that ended at most 1 s before, while changes are told", &tally.late),
            ("of one that ended before or since slapd went, until they are told again", &tally.stale),
            ("of two such states: of the writer and of the author", &tally.mixed),
            ("late, as the machine was", &tally.starved),
            ("451 while slapd is away", &tally.deferred),
            ("451 though slapd is there", &tally.needlessly_deferred),
            ("WRONG", &tally.wrong),
            ("  of these accepted", &tally.wrongly_accepted),
            ("lost", &tally.lost),
            ("conversations that went wrong", &tally.odd),
        ] {
            println!("  {name:<72}{:>9}", count.load(Relaxed));
        }
        let oldest = tally.latest();
        println!("  The oldest state that counted while changes are told had ended {oldest:.1} ms before.");
    }

    fn print_times(&self) {
        let [there, away] = self.rates();
        println!("\nMessages straight on the socket per second, min / median / max");
        for (name, rates) in [("with slapd", &there), ("in seconds in which it was away", &away)] {
            let (least, most) = bounds(rates);
            println!("  {name:<40}{least:>9.0} / {:.0} / {most:.0}   ({} s)", median(rates), rates.len());
        }
        println!("\nFrom MAIL to the last word, p50 / p99 / max in ms");
        for (name, times, kind) in [
            ("straight", &self.tally.direct, Kind::Direct),
            ("through Postfix", &self.tally.mail, Kind::Mail),
        ] {
            println!(
                "  {name:<40}{:>9.1} / {:.1} / {:.1}",
                times.quantile(0.5),
                times.quantile(0.99),
                self.tally.longest(kind)
            );
        }
    }

    fn print_watch(&self) {
        let backs = self.restarts.iter().map(|restart| restart.back.as_secs_f64() * 1e3);
        let backs: Vec<_> = backs.collect();
        let (median, most) = (median(&backs), bounds(&backs).1);
        println!(
            "\nFrom when slapd answers again until changes are told, median / max: {median:.0} / {most:.0} ms"
        );
        let late = self.delays.iter().max().copied().unwrap_or_default().as_millis();
        let all = self.delays.iter().sum::<Duration>().as_secs_f64();
        println!(
            "The machine was late by 10 ms or more {} times, by {late} ms at most, by {all:.1} s in all",
            self.delays.len()
        );
        let ([milter, slapd, us], searches) = (self.processor, self.searches);
        println!(
            "Processor: milter {milter:.1} s, slapd {slapd:.1} s, this program {us:.1} s; searches at slapd: {searches}"
        );
    }

    fn print_figures(&self) {
        println!("\nThe milter, medians of the first, second and last third, and the most");
        for (what, figure, slack) in FIGURES {
            let figures = self.figures(figure);
            let verdict = if flat(&figures, slack) { "flat" } else { "GROWS" };
            let [first, second, third] = thirds(&figures).map(median);
            println!(
                "  {what:<40}{first:>9.0} {second:>9.0} {third:>9.0} {:>9.0}   {verdict}",
                bounds(&figures).1
            );
        }
    }

    fn print_warnings(&self) {
        println!("\nThe milter's warnings: {}", self.warnings.len());
        for warning in self.warnings.iter().take(4) {
            println!("  {}", warning.chars().take(200).collect::<String>());
        }
    }
}

/// What is said where something does not hold.
fn must<const N: usize>(all: [(bool, String); N]) -> Vec<String> {
    all.into_iter().filter_map(|(holds, what)| (!holds).then_some(what)).collect()
}

/// What must not grow: its name, what it is, and by how much it may all the same.
type Figure = (&'static str, fn(&Figures) -> u64, f64);

const FIGURES: [Figure; 4] = [
    ("resident memory in KiB", |figures| figures.resident, RESIDENT),
    ("descriptors", |figures| figures.descriptors, FEW),
    ("threads", |figures| figures.threads, FEW),
    ("connections to slapd", |figures| figures.connections, 1.0),
];

/// Whether the last third is no more than the second, by and large.
fn flat(figures: &[f64], slack: f64) -> bool {
    let [_, second, third] = thirds(figures).map(median);
    third <= second * GROWTH + slack
}

fn thirds(figures: &[f64]) -> [&[f64]; 3] {
    let third = figures.len() / 3;
    let (first, rest) = figures.split_at(third);
    let (second, last) = rest.split_at(third);
    [first, second, last]
}

fn rate((_, time, messages): &(Instant, Duration, u64)) -> f64 {
    *messages as f64 / time.as_secs_f64()
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn bounds(values: &[f64]) -> (f64, f64) {
    let least = values.iter().copied().min_by(f64::total_cmp).unwrap_or_default();
    (least, values.iter().copied().max_by(f64::total_cmp).unwrap_or_default())
}

#[test]
fn what_grows_is_not_flat() {
    let constant = vec![20_000.0; 30];
    let leak: Vec<_> = (0..120).map(|n| 20_000.0 + 100.0 * f64::from(n)).collect();
    let warm_up: Vec<_> = (0..120).map(|n| 20_000.0 + 100.0 * f64::from(n.min(40))).collect();
    assert!(flat(&constant, 0.0) && flat(&warm_up, 0.0));
    assert!(!flat(&leak, RESIDENT));
}
