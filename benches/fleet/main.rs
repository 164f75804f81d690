//! A fleet of Postfix hosts, each with a milter of its own, before one directory: how many searches reach it.
//!
//! `contrib/bench/scale fleet` runs it and shows what it prints: an object in JSON for each row. What is simulated are
//! the users, the directory's answers, and time; the cache is the program's own, with all that it does in the background.
//! Hosts know nothing of each other, so that a few stand for all.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench that panics has failed"
)]

mod company;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use delegation_milter::address::Address;
use delegation_milter::directory::cache::{Cache, CacheSettings};
use delegation_milter::directory::changes::Changes;
use delegation_milter::directory::lookup::{Forms, Lookup};
use fastrand::Rng;
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep_until};

use company::{Activity, Company, Counting, Searches};

/// The fleet, and what is asked of it in a second.
const HOSTS: u64 = 50;
const MESSAGES: f64 = 10_000.0;
const CHANGES: f64 = 20.0;

/// How many people leave in a second: 315,000 in a year. A name that goes is told as follow.rs does.
const LEAVERS: f64 = 0.01;
const ADAPTED: [Duration; 3] = [Duration::from_millis(250), Duration::from_secs(1), Duration::from_secs(5)];

/// Of 100 messages: those on behalf of somebody else, and those from addresses that nobody has. The others are own.
const ON_BEHALF: u64 = 8;
const UNKNOWN: u64 = 2;

/// Everybody who always comes to the same host has a number: the first hosts have the most active one each. Those from
/// here on have as much to do as hosts have on the average.
const FIRST: u64 = 10;

/// Until nothing changes any more, and how long is counted then.
const WARM_UP: Duration = Duration::from_mins(20);
const COUNTED: Duration = Duration::from_mins(10);

/// What is simulated for one row.
#[derive(Clone, Copy)]
struct Row {
    /// How many of the hosts; their figures stand for all.
    hosts: u64,
    /// Whether everybody always comes to the same host; else to any.
    sticky: bool,
    remember: Remember,
    /// How many of 100 changes are of groups, and what is told of those.
    of_groups: u64,
    told: Told,
    /// Whether answers are loaded ahead of their expiry.
    ahead: bool,
    ttl: Duration,
    warm_up: Duration,
    /// Whether people leave, whose entries are deleted.
    leavers: bool,
}

/// What hosts remember.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Remember {
    /// Nothing: each message asks.
    Nothing,
    /// Answers, for their time.
    Answers,
    /// Answers, until the directory tells of a change (`cache.watch`).
    Watched,
}

/// What the directory tells of a group that changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Told {
    /// That it did.
    Group,
    /// What it does not: who came or went.
    Member,
}

/// What the messages saw.
#[derive(Default)]
struct Seen {
    messages: AtomicU64,
    waited: AtomicU64,
    waited_ms: AtomicU64,
}

/// All counts at one moment.
#[derive(Clone, Copy, Default)]
struct Counts {
    messages: u64,
    waited: u64,
    waited_ms: u64,
    logins: u64,
    groups: u64,
    addresses: u64,
    ahead: u64,
}

struct Host {
    lookup: Counting,
    cache: Cache<Counting>,
    seen: Arc<Seen>,
}

fn main() {
    let company = Arc::new(Company::new());
    let rows = Mutex::new(rows().into_iter());
    // Two at a time.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(row) = { rows.lock().unwrap().next() } {
                    let runtime =
                        Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
                    print(&row, &runtime.block_on(simulate(row, &company)));
                }
            });
        }
    });
}

/// The rows of the table.
fn rows() -> Vec<Row> {
    let first = Row {
        hosts: 1,
        sticky: false,
        remember: Remember::Watched,
        of_groups: 1,
        told: Told::Group,
        ahead: true,
        ttl: Duration::from_mins(5),
        warm_up: WARM_UP,
        leavers: false,
    };
    let mut rows = Vec::new();
    for first in [first, Row { sticky: true, ..first }] {
        rows.push(Row { remember: Remember::Nothing, ..first });
        for ahead in [false, true] {
            rows.push(Row { remember: Remember::Answers, ahead, ..first });
            rows.extend([1, 10, 50].map(|of_groups| Row { of_groups, ahead, ..first }));
        }
        rows.extend([1, 10, 50].map(|of_groups| Row { of_groups, told: Told::Member, ..first }));
        rows.push(Row { leavers: true, ..first });
    }
    for sticky in [false, true] {
        let first = Row { sticky, ..first };
        let hour = Row { ttl: Duration::from_hours(1), warm_up: 4 * WARM_UP, ..first };
        rows.extend([hour, Row { told: Told::Member, ..hour }]);
        // That one host stands for all, and that nothing changes any more after the warm-up.
        rows.extend([Row { hosts: 4, ..first }, Row { warm_up: 2 * WARM_UP, ..first }]);
    }
    rows
}

fn print(row: &Row, counts: &Counts) {
    let Row { hosts, sticky, remember, of_groups, told, ahead, ttl, warm_up, leavers } = row;
    let rate = |count: u64| (count * HOSTS) as f64 / *hosts as f64 / COUNTED.as_secs_f64();
    let rates = [
        ("messages", counts.messages),
        ("waited", counts.waited),
        ("waited_ms", counts.waited_ms),
        ("logins", counts.logins),
        ("groups", counts.groups),
        ("addresses", counts.addresses),
        ("ahead_loads", counts.ahead),
    ];
    let rates: Vec<_> =
        rates.iter().map(|(name, count)| format!("\"{name}\": {:.1}", rate(*count))).collect();
    println!(
        "{{\"hosts\": {hosts}, \"sticky\": {sticky}, \"remember\": \"{remember:?}\", \"of_groups\": {of_groups}, \
         \"told\": \"{told:?}\", \"leavers\": {leavers}, \"ahead\": {ahead}, \"ttl\": {}, \"warm_up\": {}, {}}}",
        ttl.as_secs(),
        warm_up.as_secs(),
        rates.join(", ")
    );
}

async fn simulate(row: Row, company: &Arc<Company>) -> Counts {
    let searches = Arc::new(Searches::default());
    let hosts: Vec<_> = (0..row.hosts).map(|_| Host::new(&row, company, &searches)).collect();
    let simulated = FIRST..FIRST + row.hosts;
    let activity = Activity::new(|user| !row.sticky || simulated.contains(&home(user)));
    let share = if row.sticky { activity.share() } else { row.hosts as f64 / HOSTS as f64 };
    let (mut messages, mut changes) = (Every::new(MESSAGES * share, 1), Every::new(CHANGES, 2));
    let (mut leavers, mut adapted) = (Every::new(LEAVERS, 4), VecDeque::new());
    let mut rng = Rng::with_seed(3);
    let begin = Instant::now();
    let mut before = None;
    while begin.elapsed() < row.warm_up + COUNTED {
        if begin.elapsed() >= row.warm_up && before.is_none() {
            before = Some(Counts::now(&hosts, &searches));
        }
        let next = messages.next.min(changes.next);
        if next > Instant::now() {
            sleep_until(next).await;
        }
        if messages.is_due() {
            let user = activity.somebody(&mut rng);
            let host = if row.sticky { home(user) - FIRST } else { rng.u64(..row.hosts) };
            hosts[host as usize].message(user, row.remember, &mut rng);
        }
        if changes.is_due() && row.remember == Remember::Watched {
            change(&hosts, &row, &mut rng);
        }
        if leavers.is_due() && row.leavers {
            hosts.iter().for_each(|host| host.cache.changes().forget());
            adapted = ADAPTED.map(|after| Instant::now() + after).into();
        }
        if adapted.pop_front_if(|at| *at <= Instant::now()).is_some() {
            hosts.iter().for_each(|host| host.cache.changes().expire());
        }
    }
    Counts::now(&hosts, &searches).since(before.unwrap())
}

/// The host to which a user comes who always comes to the same.
fn home(user: u64) -> u64 {
    user % HOSTS
}

/// Something changes in the directory that is told to all hosts.
fn change(hosts: &[Host], row: &Row, rng: &mut Rng) {
    let is_group = rng.u64(..100) < row.of_groups;
    // The user, or who came or went.
    let names = company::names(rng.u64(..company::USERS));
    for host in hosts {
        match row.told {
            Told::Group if is_group => host.cache.changes().groups_changed(),
            Told::Group | Told::Member => host.cache.changes().changed(&names),
        }
    }
}

impl Host {
    fn new(row: &Row, company: &Arc<Company>, searches: &Arc<Searches>) -> Self {
        let settings = CacheSettings {
            ttl: row.ttl,
            negative_ttl: Duration::from_secs(30),
            stale: Duration::from_hours(1),
            capacity: 100_000,
            limit: Duration::from_secs(10),
            refreshes: if row.ahead { 16 } else { 0 },
        };
        let lookup = Counting { company: Arc::clone(company), searches: Arc::clone(searches) };
        let changes = Arc::new(Changes::default());
        let cache = Cache::new(lookup.clone(), settings, Forms::default(), changes);
        Self { lookup, cache, seen: Arc::default() }
    }

    /// Somebody sends a message.
    fn message(&self, user: u64, remember: Remember, rng: &mut Rng) {
        let author = match rng.u64(..100) {
            kind if kind < ON_BEHALF => company::principal(user),
            kind if kind < ON_BEHALF + UNKNOWN => company::stranger(rng),
            _ => company::address(user),
        };
        let (cache, lookup, seen) = (self.cache.clone(), self.lookup.clone(), Arc::clone(&self.seen));
        tokio::spawn(async move {
            let begin = Instant::now();
            match remember {
                Remember::Nothing => look_up(&lookup, user, &author).await,
                Remember::Answers | Remember::Watched => look_up(&cache, user, &author).await,
            }
            let took = begin.elapsed();
            seen.messages.fetch_add(1, Relaxed);
            seen.waited.fetch_add(u64::from(!took.is_zero()), Relaxed);
            seen.waited_ms.fetch_add(took.as_millis() as u64, Relaxed);
        });
    }
}

/// What is looked up for a message, as gather.rs does: logins tell here which address is own.
async fn look_up<L: Lookup>(lookup: &L, user: u64, author: &Address) {
    let login = company::login(user);
    let person = lookup.person(&login);
    if *author == company::address(user) {
        assert!(person.await.unwrap().is_some());
    } else {
        let (person, owners) = tokio::join!(person, lookup.owners(author));
        assert!(person.unwrap().is_some());
        owners.unwrap();
    }
}

/// Things that happen so often in a second, at random times (a Poisson process).
struct Every {
    next: Instant,
    rate: f64,
    rng: Rng,
}

impl Every {
    fn new(rate: f64, seed: u64) -> Self {
        Self { next: Instant::now(), rate, rng: Rng::with_seed(seed) }
    }

    fn is_due(&mut self) -> bool {
        let is_due = self.next <= Instant::now();
        if is_due {
            self.next += Duration::from_secs_f64(-(1.0 - self.rng.f64()).ln() / self.rate);
        }
        is_due
    }
}

impl Counts {
    fn now(hosts: &[Host], searches: &Searches) -> Self {
        let seen =
            |count: fn(&Seen) -> &AtomicU64| hosts.iter().map(|host| count(&host.seen).load(Relaxed)).sum();
        Self {
            messages: seen(|seen| &seen.messages),
            waited: seen(|seen| &seen.waited),
            waited_ms: seen(|seen| &seen.waited_ms),
            logins: searches.logins.load(Relaxed),
            groups: searches.groups.load(Relaxed),
            addresses: searches.addresses.load(Relaxed),
            ahead: hosts.iter().map(|host| host.cache.counts().refreshes).sum(),
        }
    }

    fn since(self, before: Self) -> Self {
        Self {
            messages: self.messages - before.messages,
            waited: self.waited - before.waited,
            waited_ms: self.waited_ms - before.waited_ms,
            logins: self.logins - before.logins,
            groups: self.groups - before.groups,
            addresses: self.addresses - before.addresses,
            ahead: self.ahead - before.ahead,
        }
    }
}
