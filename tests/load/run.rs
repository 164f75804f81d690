//! A run from its start to its end.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::history::{History, Outage};
use super::model::Directory;
use super::program::{Figures, Program, processor};
use super::server::{Administrator, Restart, Searches, restart};
use super::talk::{Message, Talk};
use super::tally::{Kind, Tally};
use super::{post, report};
use crate::support::TempDir;
use crate::support::mail_system::MailSystem;
use crate::support::slapd::Slapd;
use crate::support::wait::PATIENCE;

/// How long the machine's own lateness is measured at a time.
const NAP: Duration = Duration::from_millis(5);

/// One message in so many is mail that nobody logged in to send; a connection ends after so many at most.
const UNAUTHENTICATED: u32 = 20;
const MESSAGES_A_CONNECTION: u32 = 200;

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) time: Duration,
    /// Straight on the socket, and through Postfix.
    pub(crate) connections: u64,
    pub(crate) posts: u64,
    /// How often the directory changes, and how often slapd goes, for how long.
    pub(crate) change: Duration,
    pub(crate) restart: Duration,
    pub(crate) down: Duration,
    /// What must have happened besides.
    pub(crate) until: Until,
    /// How often figures are taken, and how often a line is printed.
    pub(crate) sample: Duration,
    pub(crate) line: Duration,
    /// More of the milter's configuration.
    pub(crate) knobs: &'static str,
}

/// What a run goes on for, at most for [`PATIENCE`] above its time: a machine may be busy.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// slapd has been ended so often.
    Restarted(usize),
    /// A verdict was found to be wrong.
    Wrong,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) plan: Plan,
    pub(crate) tally: Tally,
    pub(crate) changes: usize,
    pub(crate) restarts: Vec<Restart>,
    pub(crate) outages: Vec<Outage>,
    pub(crate) samples: Vec<Figures>,
    /// Messages straight on the socket: when counting began, how long it took, how many there were.
    pub(crate) rates: Vec<(Instant, Duration, u64)>,
    pub(crate) searches: u64,
    /// Seconds of processor: the milter's, slapd's, ours.
    pub(crate) processor: [f64; 3],
    pub(crate) delays: Vec<Duration>,
    /// Messages that the milter logged.
    pub(crate) logged: u64,
    /// What it logged besides that is more than information.
    pub(crate) warnings: Vec<String>,
    pub(crate) unexplained: u64,
    pub(crate) ended_well: bool,
    /// Who ended by a panic.
    pub(crate) panics: Vec<&'static str>,
    /// What Postfix has not delivered in the end, and what it delivered that nobody waits for.
    pub(crate) queued: bool,
    pub(crate) left_over: usize,
}

/// What runs beside each other.
struct Stage<'a> {
    plan: &'a Plan,
    tally: &'a Tally,
    slapd: &'a Slapd,
    program: &'a Program,
    mail: Option<&'a MailSystem>,
    /// Of who restarts slapd; of who changes it; of all others.
    ends: [AtomicBool; 3],
}

pub(crate) fn run(plan: &Plan) -> Outcome {
    let files = TempDir::new();
    let mut directory = Directory::new(&mut Rng::with_seed(6));
    let ldif = files.write("people.ldif", directory.ldif());
    let slapd = Slapd::start(&[&format!("--ldif={}", ldif.display())]);
    let mail = (plan.posts > 0).then(|| MailSystem::start(&[]));
    let socket = mail.as_ref().map_or_else(|| files.path("milter.sock"), MailSystem::milter_socket);
    let history = Arc::new(History::default());
    history.begin("the beginning".to_owned(), &directory);
    let mut program = Program::start(&socket, &slapd, plan.knobs, &history);
    if !plan.knobs.contains("watch = false") {
        program.waits_for_changes();
    }
    let tally = Tally::new(history.clone());
    let stage = Stage {
        plan,
        tally: &tally,
        slapd: &slapd,
        program: &program,
        mail: mail.as_ref(),
        ends: Default::default(),
    };
    let Performed { restarts, samples, rates, processor, searches, panics } = stage.perform(&mut directory);
    let queued = mail.as_ref().is_some_and(|mail| !post::rest(mail));
    let left_over = mail.as_ref().map_or(0, |mail| mail.sink.count());
    let ended_well = program.end();
    Outcome {
        plan: *plan,
        changes: history.changes(),
        restarts,
        outages: history.outages(),
        samples,
        rates,
        searches,
        processor,
        delays: history.delays(),
        logged: program.log.messages.load(Relaxed),
        warnings: program.log.warnings(),
        unexplained: program.log.unexplained.load(Relaxed),
        ended_well,
        panics,
        queued,
        left_over,
        tally,
    }
}

struct Performed {
    restarts: Vec<Restart>,
    samples: Vec<Figures>,
    rates: Vec<(Instant, Duration, u64)>,
    processor: [f64; 3],
    searches: u64,
    panics: Vec<&'static str>,
}

impl Stage<'_> {
    fn perform(&self, directory: &mut Directory) -> Performed {
        let [restarting, changing, writing] = &self.ends;
        std::thread::scope(|scope| {
            let mut others = vec![("who measures", scope.spawn(|| measure(&self.tally.history, writing)))];
            others.extend(
                (0..self.plan.connections).map(|n| ("who writes", scope.spawn(move || self.write(n)))),
            );
            if let Some(mail) = self.mail {
                let post = |n| move || post::work(mail, self.tally, 1000 + n, writing);
                others.extend((0..self.plan.posts).map(|n| ("who mails", scope.spawn(post(n)))));
            }
            let administrator = Administrator::of(self.slapd);
            let changes = scope
                .spawn(|| administrator.work(directory, &self.tally.history, self.plan.change, changing));
            let restarts = scope.spawn(|| self.restart(restarting));
            let mut searches = Searches::at(self.slapd);
            let (samples, rates, processor) = self.watch(&mut searches);
            let mut panics = Vec::new();
            restarting.store(true, SeqCst);
            let restarts = ended("who restarts slapd", restarts, &mut panics).unwrap_or_default();
            changing.store(true, SeqCst);
            ended("who changes the directory", changes, &mut panics);
            writing.store(true, SeqCst);
            for (who, thread) in others {
                ended(who, thread, &mut panics);
            }
            Performed { restarts, samples, rates, processor, searches: searches.count(), panics }
        })
    }

    fn restart(&self, end: &AtomicBool) -> Vec<Restart> {
        restart(self.slapd, &self.tally.history, (self.plan.restart, self.plan.down), end)
    }

    /// One connection after the other, full of messages.
    fn write(&self, number: u64) {
        let (mut rng, end) = (Rng::with_seed(number), &self.ends[2]);
        while !end.load(SeqCst) {
            let messages = 1 + rng.u32(..MESSAGES_A_CONNECTION);
            if let Err(error) = self.converse(&self.program.socket, messages, &mut rng) {
                self.tally.odd(&format!("connection {number}: {error}"));
                // Not again and again.
                std::thread::park_timeout(Duration::from_millis(100));
            }
        }
    }

    fn converse(&self, socket: &Path, messages: u32, rng: &mut Rng) -> std::io::Result<()> {
        let mut talk = Talk::connect(socket)?;
        for _ in 0..messages {
            if self.ends[2].load(SeqCst) {
                break;
            }
            let asked = Instant::now();
            if rng.u32(..UNAUTHENTICATED) == 0 {
                let answer = talk.unauthenticated()?;
                self.tally.took(Kind::Direct, (asked, Instant::now()));
                self.tally.unauthenticated.fetch_add(1, Relaxed);
                if answer != b'a' {
                    self.tally.odd(&format!("mail without a login is answered {}", char::from(answer)));
                }
                continue;
            }
            let message = Message::any(self.tally.pair(rng), rng);
            let seen = talk.write(message)?;
            let times = (asked, Instant::now());
            self.tally.took(Kind::Direct, times);
            self.tally.saw(message, times, &seen);
        }
        Ok(())
    }

    fn has_happened(&self) -> bool {
        match self.plan.until {
            Until::Restarted(times) => {
                self.tally.history.outages().iter().filter(|o| o.back.is_some()).count() >= times
            }
            Until::Wrong => self.tally.wrong.load(Relaxed) > 0,
        }
    }

    /// Takes figures for the time of the plan.
    #[allow(clippy::type_complexity, reason = "taken apart at once")]
    fn watch(&self, searches: &mut Searches) -> (Vec<Figures>, Vec<(Instant, Duration, u64)>, [f64; 3]) {
        let (begun, plan) = (Instant::now(), self.plan);
        let (mut samples, mut rates) = (Vec::new(), Vec::new());
        let (mut sample, mut line) = (begun + plan.sample, begun + plan.line);
        let mut rate = (begun, 0);
        let mut used = Processor::new(self.program.pid());
        while begun.elapsed() < plan.time || (!self.has_happened() && begun.elapsed() < plan.time + PATIENCE)
        {
            std::thread::park_timeout(Duration::from_millis(20));
            let now = Instant::now();
            if now >= rate.0 + Duration::from_secs(1) {
                let messages = self.tally.messages.load(Relaxed);
                rates.push((rate.0, now - rate.0, messages - rate.1));
                rate = (now, messages);
                used.note(self.slapd);
            }
            if now >= sample {
                samples.push(self.program.figures());
                sample += plan.sample;
            }
            if now >= line {
                report::line(
                    begun.elapsed(),
                    self.tally,
                    &rates,
                    plan.line,
                    &self.program.figures(),
                    searches.count(),
                );
                line += plan.line;
            }
        }
        (samples, rates, used.seconds())
    }
}

/// Seconds of processor. slapd is another process after each restart.
struct Processor {
    milter: u32,
    at_first: [f64; 2],
    slapd: (u32, f64),
    slapds_before: f64,
}

impl Processor {
    fn new(milter: u32) -> Self {
        let at_first = [milter, std::process::id()].map(|pid| processor(pid).unwrap_or_default());
        Self { milter, at_first, slapd: (0, 0.0), slapds_before: 0.0 }
    }

    fn note(&mut self, slapd: &Slapd) {
        let Some(pid) = slapd.pid() else { return };
        let Some(used) = processor(pid) else { return };
        if self.slapd.0 != pid {
            self.slapds_before += self.slapd.1;
        }
        self.slapd = (pid, used);
    }

    fn seconds(&self) -> [f64; 3] {
        let [milter, us] = [self.milter, std::process::id()].map(|pid| processor(pid).unwrap_or_default());
        [milter - self.at_first[0], self.slapds_before + self.slapd.1, us - self.at_first[1]]
    }
}

/// By how much a thread that wants to sleep a little sleeps longer.
fn measure(history: &History, end: &AtomicBool) {
    while !end.load(SeqCst) {
        let begun = Instant::now();
        std::thread::park_timeout(NAP);
        history.delayed(begun.elapsed().saturating_sub(NAP));
    }
}

fn ended<T>(who: &'static str, thread: ScopedJoinHandle<'_, T>, panics: &mut Vec<&'static str>) -> Option<T> {
    thread.join().map_err(|_| panics.push(who)).ok()
}
