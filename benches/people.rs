//! What a million people cost who are remembered: memory, and the time that it takes to find one of them.
//!
//! Fills the cache as `serve` uses it, over a lookup that makes each entry anew from attribute values, as the LDAP
//! adapter does, with the constructors of the LDIF reader, which are the same. Nothing is shared but what the cache
//! shares. See `contrib/bench/scale`, which runs it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::missing_docs_in_private_items,
    reason = "a bench ends at once when something is wrong, and prints"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use delegation_milter::address::Address;
use delegation_milter::directory::cache::{Cache, CacheSettings};
use delegation_milter::directory::ldif::LdifDirectory;
use delegation_milter::directory::lookup::{Forms, Holders, Lookup};
use delegation_milter::directory::schema::Schema;
use delegation_milter::directory::{Directory, Failure};
use delegation_milter::grant::{Entry, Person};
use futures_util::FutureExt;
use tokio::runtime;

/// How many groups there are, and in how many each person is.
const GROUPS: usize = 5_000;
const GROUPS_EACH: usize = 30;

/// The addresses of a person: the primary and two aliases.
const DOMAINS: [&str; 3] = ["example.org", "mail.example.org", "old-name.example"];

/// The most that a person may take, in bytes.
const MOST: f64 = 1024.0;

const FIRST: [&str; 16] = [
    "Anna",
    "Bernhard",
    "Christine",
    "Dieter",
    "Elisabeth",
    "Friedrich",
    "Gabriele",
    "Hans",
    "Ines",
    "Joachim",
    "Katharina",
    "Lars",
    "Monika",
    "Norbert",
    "Olga",
    "Peter",
];
const LAST: [&str; 16] = [
    "Adams",
    "Baumgartner",
    "Claussen",
    "Dietrich",
    "Ebert",
    "Fischer",
    "Gruber",
    "Hoffmann",
    "Jansen",
    "Krause",
    "Lehmann",
    "Meyer",
    "Neumann",
    "Oppermann",
    "Petersen",
    "Richter",
];

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let first = arguments.next();
    if first.as_deref() == Some("lookups") {
        let mut numbers = arguments.map(|number| number.parse().expect("a number"));
        return lookups(numbers.next().expect("how many people"), numbers.next().expect("how many lookups"));
    }
    let people = first.map_or(1_000_000, |number| number.parse().expect("how many people"));
    let each = measure(people);
    println!();
    if each > MOST {
        println!("FAILED: a person takes {each:.0} bytes, more than {MOST:.0}.");
        std::process::exit(1);
    }
    println!("A person takes {each:.0} bytes: at most {MOST:.0}.");
}

/// Bytes a person with the answer for the login alone.
fn measure(people: usize) -> f64 {
    let loading = loading();
    let _entered = loading.enter();
    let cache = cache(people);
    println!("{people} people, {} addresses each, {GROUPS_EACH} of {GROUPS} groups each", DOMAINS.len());
    println!();
    println!("answers that are remembered       bytes a person");
    let before = resident();
    let mut each = Vec::new();
    let mut tell = |what: &str| {
        each.push((resident() - before) / people as f64);
        println!("{what:32}  {:14.0}", each[each.len() - 1]);
    };
    fill(&cache, people, async |cache: &Cache<Made>, n| {
        assert!(cache.person(&Named::new(n).login).await.unwrap().is_some());
    });
    tell("(a) login");
    for (number, what) in [(0, "(b) login, primary address"), (1, ""), (2, "(c) login, all addresses")] {
        fill(&cache, people, async move |cache: &Cache<Made>, n| {
            assert_eq!(cache.owners(&Named::new(n).address(number)).await.unwrap().len(), 1);
        });
        if !what.is_empty() {
            tell(what);
        }
    }
    assert_eq!(cache.counts().misses, 4 * people as u64);
    println!();
    println!("warm: a login and the holders of an address   lookups/s   p50 ns   p99 ns");
    for zipf in [false, true] {
        for threads in [1, 2] {
            warm(&cache, people, threads, zipf);
        }
    }
    assert_eq!(cache.counts().misses, 4 * people as u64, "something was looked up again");
    each[0]
}

/// Each of the people is asked for once, by two threads.
fn fill<A>(cache: &Cache<Made>, people: usize, ask: A)
where
    A: AsyncFn(&Cache<Made>, usize) + Clone + Send + Sync,
{
    thread::scope(|scope| {
        for half in 0..2 {
            let ask = ask.clone();
            scope.spawn(move || {
                runtime().block_on(async {
                    for n in (half..people).step_by(2) {
                        ask(cache, n).await;
                    }
                });
            });
        }
    });
}

/// Asks for people who are remembered, uniformly or as often as Zipf's law says.
fn warm(cache: &Cache<Made>, people: usize, threads: usize, zipf: bool) {
    const LOOKUPS: usize = 1_000_000;
    let ask = |seed| {
        let questions = questions(people, seed, zipf);
        move || {
            let _runtime = runtime();
            let entered = _runtime.enter();
            let begin = Instant::now();
            let rounds = LOOKUPS / questions.len();
            for _ in 0..rounds {
                questions.iter().for_each(|question| look_up(cache, question));
            }
            let speed = 2.0 * (rounds * questions.len()) as f64 / begin.elapsed().as_secs_f64();
            let timed = |(login, address): &(String, Address)| {
                let begin = Instant::now();
                look_up(cache, &(login.clone(), address.clone()));
                begin.elapsed()
            };
            let mut times: Vec<Duration> = questions.iter().map(timed).collect();
            times.sort_unstable();
            drop(entered);
            (speed, times)
        }
    };
    let asked: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|seed| ask(seed as u64)).map(|ask| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let speed: f64 = asked.iter().map(|(speed, _)| speed).sum();
    let mut times: Vec<_> = asked.into_iter().flat_map(|(_, times)| times).collect();
    times.sort_unstable();
    let at = |share: usize| times[times.len() * share / 100].as_nanos();
    let what = format!("  {threads} thread(s), {}", if zipf { "Zipf" } else { "uniform" });
    println!("{what:44}  {speed:10.0}  {:7}  {:7}", at(50), at(99));
}

/// What callgrind counts: the difference between two numbers of lookups is theirs alone.
fn lookups(people: usize, lookups: usize) {
    let loading = loading();
    let _entered = loading.enter();
    let cache = cache(people);
    fill(&cache, people, async |cache: &Cache<Made>, n| {
        cache.person(&Named::new(n).login).await.unwrap();
        cache.owners(&Named::new(n).address(0)).await.unwrap();
    });
    let questions = questions(people, 0, false);
    questions.iter().cycle().take(lookups).for_each(|question| look_up(&cache, question));
    println!("{:?}", cache.counts());
}

/// The submitter of a message and the holders of an address in it.
fn look_up(cache: &Cache<Made>, (login, address): &(String, Address)) {
    let person = cache.person(login).now_or_never().expect("it is remembered").unwrap();
    let holders = cache.owners(address).now_or_never().expect("it is remembered").unwrap();
    assert!(person.is_some() && holders.len() == 1);
}

fn questions(people: usize, seed: u64, zipf: bool) -> Vec<(String, Address)> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut pick = || match zipf {
        // The inverse of the integral of 1/x.
        true => ((people as f64).powf(random.f64()) as usize).clamp(1, people) - 1,
        false => random.usize(..people),
    };
    (0..100_000).map(|_| (Named::new(pick()).login, Named::new(pick()).address(0))).collect()
}

fn cache(people: usize) -> Cache<Made> {
    let hour = Duration::from_secs(3600);
    let settings = CacheSettings {
        ttl: 24 * hour,
        negative_ttl: hour,
        stale: 24 * hour,
        // For the addresses too.
        capacity: 4 * people as u64,
        limit: hour,
        refreshes: 16,
    };
    Cache::new(Made::new(), settings, Forms::default(), Arc::default())
}

/// Where loads run.
fn loading() -> runtime::Runtime {
    runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

fn runtime() -> runtime::Runtime {
    runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

/// What the kernel says is in memory, in bytes.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    1024.0 * line.trim().trim_end_matches(" kB").parse::<f64>().unwrap()
}

/// The names of one of the people.
struct Named {
    number: usize,
    full: String,
    login: String,
}

impl Named {
    fn new(number: usize) -> Self {
        let (first, last) = (FIRST[number % 16], LAST[number / 16 % 16]);
        let login = format!("{first}.{last}{number}").to_lowercase();
        Self { number, full: format!("{first} {last}"), login }
    }

    fn dn(&self) -> String {
        format!("uid={},ou=people,ou=headquarters,dc=example,dc=org", self.login)
    }

    fn address(&self, number: usize) -> Address {
        Address::parse(&format!("{}@{}", self.login, DOMAINS[number])).unwrap()
    }

    fn ldif(&self) -> String {
        let Self { number, full, login } = self;
        let mut ldif = format!(
            "dn: {}\nobjectClass: inetOrgPerson\nobjectClass: delegationPrincipal\nuid: {login}\ncn: {full}\n\
             displayName: {full}\n",
            self.dn()
        );
        for (number, domain) in DOMAINS.iter().enumerate() {
            let attribute = if number == 0 { "mail" } else { "delegationAlias" };
            writeln!(ldif, "{attribute}: {login}@{domain}").unwrap();
        }
        if number % 10 == 0 {
            for delegate in [number + 1, number + 2] {
                writeln!(ldif, "delegationSendOnBehalf: {}", Named::new(delegate).dn()).unwrap();
            }
        }
        ldif
    }
}

/// Makes its answers anew each time.
struct Made {
    schema: Schema,
    groups: Vec<Arc<Entry>>,
}

impl Made {
    fn new() -> Self {
        let schema = Schema::preset("delegation").unwrap();
        let group = |n| {
            let dn = format!("cn=department {n:04},ou=groups,ou=headquarters,dc=example,dc=org");
            let ldif = format!("dn: {dn}\nobjectClass: groupOfNames\ncn: department {n:04}\n");
            made(&schema, &ldif)
        };
        let groups = (0..GROUPS).map(group).collect();
        Self { groups, schema }
    }

    fn entry(&self, name: &str) -> Arc<Entry> {
        let number = name.trim_start_matches(|c: char| !c.is_ascii_digit());
        made(&self.schema, &Named::new(number.parse().unwrap()).ldif())
    }
}

fn made(schema: &Schema, ldif: &str) -> Arc<Entry> {
    let directory = LdifDirectory::parse(Path::new("bench"), ldif.as_bytes(), schema, None).unwrap();
    let dn =
        delegation_milter::dn::Dn::parse(ldif.lines().next().unwrap().trim_start_matches("dn: ")).unwrap();
    directory.by_dn(&dn).now_or_never().unwrap().unwrap().unwrap()
}

impl Lookup for Made {
    async fn person(&self, login: &str) -> Result<Option<Person>, Failure> {
        let entry = self.entry(login);
        let mut random = fastrand::Rng::with_seed(login.len() as u64 ^ fastrand::u64(..));
        // Each group anew, as it comes from a server.
        let group = |_| Arc::new(Entry::clone(&self.groups[random.usize(..GROUPS)]));
        let groups = (0..GROUPS_EACH).map(group).collect();
        Ok(Some(Person { entry, groups }))
    }

    async fn owners(&self, address: &Address) -> Result<Holders, Failure> {
        Ok([self.entry(address.local())].into())
    }
}
