//! Who works there, how often they write, and what the directory says of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use delegation_milter::address::Address;
use delegation_milter::directory::Failure;
use delegation_milter::directory::changes::Name;
use delegation_milter::directory::login::Login;
use delegation_milter::directory::lookup::{Holders, Lookup};
use delegation_milter::dn::Dn;
use delegation_milter::grant::{Entry, Person, Texts};
use fastrand::Rng;
use tokio::time::sleep;

pub(crate) const USERS: u64 = 2_000_000;

/// Shared mailboxes, for which people write.
const MAILBOXES: u64 = 200_000;

/// Addresses of others that people try.
const STRANGERS: u64 = 1_000_000;

/// Groups in which people are, and those in which groups are.
const TEAMS: u64 = 50_000;
const UNITS: u64 = 2_000;

/// In how many teams whoever is in any is.
const TEAMS_EACH: u64 = 5;

/// The exponent of Zipf's law: who is the n-th most active writes 1/n as much as the first.
const EXPONENT: f64 = 1.0;

/// How long the directory takes for a search.
const SEARCH: Duration = Duration::from_millis(1);

/// The searches so far.
#[derive(Default)]
pub(crate) struct Searches {
    pub(crate) logins: AtomicU64,
    pub(crate) groups: AtomicU64,
    pub(crate) addresses: AtomicU64,
}

/// The groups.
pub(crate) struct Company {
    groups: Vec<Arc<Entry>>,
}

/// Answers as the directory of the company does, and counts what it takes.
#[derive(Clone)]
pub(crate) struct Counting {
    pub(crate) company: Arc<Company>,
    pub(crate) searches: Arc<Searches>,
}

/// How often each of some users writes.
pub(crate) struct Activity {
    users: Vec<u32>,
    /// The sum of the weights up to each.
    sums: Vec<f64>,
    all: f64,
}

impl Activity {
    /// Of those users.
    pub(crate) fn new(wanted: impl Fn(u64) -> bool) -> Self {
        let (mut users, mut sums, mut sum, mut all) = (Vec::new(), Vec::new(), 0.0, 0.0);
        for user in 0..USERS {
            let weight = ((user + 1) as f64).powf(-EXPONENT);
            all += weight;
            if wanted(user) {
                sum += weight;
                users.push(user as u32);
                sums.push(sum);
            }
        }
        Self { users, sums, all }
    }

    /// How much of all is theirs.
    pub(crate) fn share(&self) -> f64 {
        self.sums.last().unwrap() / self.all
    }

    pub(crate) fn somebody(&self, rng: &mut Rng) -> u64 {
        let at = rng.f64() * self.sums.last().unwrap();
        let index = self.sums.partition_point(|sum| *sum <= at);
        self.users[index.min(self.users.len() - 1)].into()
    }
}

impl Company {
    pub(crate) fn new() -> Self {
        let groups = (0..TEAMS + UNITS).map(|number| {
            let dn = format!("cn=group{number},ou=groups,dc=example,dc=org");
            Arc::new(entry(&dn, &[], None))
        });
        Self { groups: groups.collect() }
    }

    /// The groups of a user, level by level.
    fn levels_of(&self, user: u64) -> Vec<Vec<u64>> {
        let teams = || (0..TEAMS_EACH).map(|index| scattered(user * 8 + index, TEAMS)).collect::<Vec<_>>();
        let unit = |level| vec![TEAMS + scattered(user * 8 + level, UNITS)];
        // Of 20: 4 are in no group, 10 in teams, 5 in teams and above them a unit, and one below three units.
        match scattered(user, 20) {
            0..4 => vec![],
            4..14 => vec![teams()],
            14..19 => vec![teams(), unit(5)],
            _ => vec![teams(), unit(5), unit(6), unit(7)],
        }
    }
}

impl Lookup for Counting {
    async fn person(&self, login: &str) -> Result<Option<Person>, Failure> {
        let user = login.strip_prefix("user").unwrap().parse().unwrap();
        let levels = self.company.levels_of(user);
        search(&self.searches.logins, 1).await;
        // One more than there are levels finds none.
        search(&self.searches.groups, levels.len() as u32 + 1).await;
        let groups = levels.iter().flatten().map(|number| Arc::clone(&self.company.groups[*number as usize]));
        Ok(Some(Person { entry: Arc::new(person(user)), groups: groups.collect() }))
    }

    async fn owners(&self, address: &Address) -> Result<Holders, Failure> {
        search(&self.searches.addresses, 1).await;
        let text = address.to_string();
        let (local, domain) = text.split_once('@').unwrap();
        let mailbox = local.strip_prefix("office").filter(|_| domain == "example.org");
        // Nobody is asked about a user's own address.
        Ok(mailbox.map(|number| Arc::new(shared(number.parse().unwrap()))).into_iter().collect())
    }
}

/// So many searches, one after the other.
async fn search(counter: &AtomicU64, times: u32) {
    counter.fetch_add(times.into(), Relaxed);
    sleep(SEARCH * times).await;
}

pub(crate) fn login(user: u64) -> String {
    format!("user{user}")
}

pub(crate) fn address(user: u64) -> Address {
    Address::parse(&format!("user{user}@example.org")).unwrap()
}

/// For whom a user writes.
pub(crate) fn principal(user: u64) -> Address {
    mailbox(scattered(user, MAILBOXES))
}

/// An address that nobody has.
pub(crate) fn stranger(rng: &mut Rng) -> Address {
    Address::parse(&format!("somebody{}@example.net", rng.u64(..STRANGERS))).unwrap()
}

/// Under which names a user's entry is looked up, as `watch::Register` has them.
pub(crate) fn names(user: u64) -> Vec<Name> {
    let entry = person(user);
    let addresses = entry.addresses().cloned().map(Name::Address);
    let logins = entry.logins().map(|login| Name::Login(Login::of(login)));
    addresses.chain(logins).chain([Name::Entry(entry.dn.clone())]).collect()
}

fn mailbox(number: u64) -> Address {
    Address::parse(&format!("office{number}@example.org")).unwrap()
}

fn person(user: u64) -> Entry {
    let dn = format!("uid=user{user},ou=people,dc=example,dc=org");
    entry(&dn, &[address(user)], Some(login(user)))
}

fn shared(number: u64) -> Entry {
    entry(&format!("uid=office{number},ou=shared,dc=example,dc=org"), &[mailbox(number)], None)
}

fn entry(dn: &str, mail: &[Address], login: Option<String>) -> Entry {
    Entry {
        dn: Dn::parse(dn).unwrap(),
        name: None,
        mail: mail.into(),
        aliases: Box::default(),
        is_group: false,
        logins_but_mail: login.into_iter().collect(),
        mail_logs_in: false,
        numbers: Texts::default(),
        enabled: None,
        grants: Box::default(),
        security: None,
    }
}

/// A number below `bound` that has nothing to do with this one: splitmix64.
fn scattered(number: u64, bound: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed ^ (mixed >> 31)) % bound
}
