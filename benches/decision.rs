//! decision: what a message costs between the milter protocol and the directory: its fields are collected, the facts taken
//! from memory, the verdict reached, the modifications planned, the log line written.
//!
//! ```text
//! decision                                how long each kind takes, in microseconds a message
//! decision list                           the kinds
//! decision KIND MEMORY LOG MESSAGES       so many messages of one kind, and nothing else: contrib/bench/instructions
//! ```
//!
//! MEMORY is `cache`, which stands before every directory server, or `map`, which is nothing but a map. LOG is `none`,
//! `text` or `json`; the lines go to standard error. Every message must come out as its kind demands.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark that panics has failed"
)]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use delegation_milter::address::Address;
use delegation_milter::config::{Config, Level, Log, LogFormat};
use delegation_milter::directory::Failure;
use delegation_milter::directory::cache::{Cache, CacheSettings};
use delegation_milter::directory::ldif::LdifDirectory;
use delegation_milter::directory::lookup::{Forms, Holders, Lookup, LookupRules, Resolver};
use delegation_milter::grant::Person;
use delegation_milter::logging;
use delegation_milter::message::Envelope;
use delegation_milter::session::{Outcome, Session, Steps};
use delegation_milter::site::Site;
use delegation_milter::transactions::Transactions;

/// Little but defaults; the directory that it names is not asked.
const CONFIG: &str = "[directory]\nurls = [\"file:demo.ldif\"]\n[delegation]\nenabled = true";
const CONFIG_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/bench.toml");

/// Twelve fields, as usual. The From comes from the kind.
const FIELDS: [(&str, &str); 11] = [
    (
        "Received",
        " from client.example.org (client.example.org [192.0.2.1])\n\tby relay.example.org (Postfix) with ESMTPSA id \
         4bXyZ12345\n\tfor <you@example.net>; Sat, 21 Nov 2026 20:59:58 +0000 (UTC)",
    ),
    ("To", " You <you@example.net>"),
    ("Subject", " A message of usual length"),
    ("Date", " Sat, 21 Nov 2026 21:00:00 +0000"),
    ("Message-ID", " <20261121210000.4711@example.org>"),
    ("MIME-Version", " 1.0"),
    ("Content-Type", " text/plain; charset=utf-8; format=flowed"),
    ("Content-Transfer-Encoding", " 7bit"),
    ("User-Agent", " Mozilla Thunderbird"),
    ("Content-Language", " en-US"),
    ("X-Priority", " 3 (Normal)"),
];

/// What a message of a kind is, and how it must come out.
struct Kind {
    name: &'static str,
    from: &'static str,
    /// How many groups the submitter is in.
    groups: usize,
    /// How many grants the author of somebody else's mail has given; that to the submitter is the last.
    grants: usize,
    verdict: Verdict,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Verdict {
    Own,
    OnBehalf,
    Refused,
}

const ANNA: &str = " Anna Adams <anna@example.org>";
const BOSS: &str = " Bruno Boss <boss@example.org>";
const CARL: &str = " Carl Clausen <carl@example.org>";

const fn kind(
    name: &'static str,
    from: &'static str,
    groups: usize,
    grants: usize,
    verdict: Verdict,
) -> Kind {
    Kind { name, from, groups, grants, verdict }
}

const KINDS: [Kind; 9] = [
    kind("own,1-group", ANNA, 1, 1, Verdict::Own),
    kind("own,30-groups", ANNA, 30, 3, Verdict::Own),
    kind("own,100-groups", ANNA, 100, 50, Verdict::Own),
    kind("on-behalf,1-group,1-grant", BOSS, 1, 1, Verdict::OnBehalf),
    kind("on-behalf,30-groups,3-grants", BOSS, 30, 3, Verdict::OnBehalf),
    kind("on-behalf,100-groups,50-grants", BOSS, 100, 50, Verdict::OnBehalf),
    kind("refused,1-group,1-grant", CARL, 1, 1, Verdict::Refused),
    kind("refused,30-groups,3-grants", CARL, 30, 3, Verdict::Refused),
    kind("refused,100-groups,50-grants", CARL, 100, 50, Verdict::Refused),
];

impl Kind {
    /// The directory: the submitter and the groups, an owner who lets the submitter write and one who does not.
    fn company(&self) -> String {
        let mut ldif = String::from("dn: dc=example,dc=org\nobjectClass: domain\ndc: example\n\n");
        person(&mut ldif, "anna", "Anna Adams", &[]);
        let others = |number| (1..number).map(|other| format!("uid=somebody{other},{PEOPLE}"));
        let with_anna: Vec<_> = others(self.grants).chain([format!("uid=anna,{PEOPLE}")]).collect();
        person(&mut ldif, "boss", "Bruno Boss", &with_anna);
        person(&mut ldif, "carl", "Carl Clausen", &others(self.grants + 1).collect::<Vec<_>>());
        for group in 1..=self.groups {
            let text = "objectClass: groupOfNames\nmember: uid=anna,";
            writeln!(ldif, "dn: cn=group-{group},{GROUPS}\n{text}{PEOPLE}\ncn: group-{group}\n").unwrap();
        }
        ldif
    }

    /// What is remembered is remembered from before the first message.
    async fn send<L: Lookup + 'static>(&self, lookup: L, messages: usize) {
        let (_sites, site) = tokio::sync::watch::channel(Arc::new(Site::new(config(), lookup, None)));
        let mut session = Session::new(site, Transactions::default(), Steps::default());
        for _ in 0..messages {
            self.send_one(&mut session).await;
        }
    }

    async fn send_one<L: Lookup + 'static>(&self, session: &mut Session<L>) {
        let envelope = [&b"<anna@example.org>"[..], b"SIZE=4711", b"BODY=8BITMIME"];
        let begun = session.mail(Some("anna".to_owned()), Envelope::read(envelope.into_iter()));
        assert_eq!(begun, Outcome::Continue);
        let from = [("From", self.from)];
        for (name, body) in FIELDS.iter().take(1).chain(&from).chain(FIELDS.iter().skip(1)) {
            session.header(name.as_bytes(), body.as_bytes());
        }
        let outcome = session.end_of_header("4bXyZ12345").await;
        match self.verdict {
            Verdict::Own => assert_eq!(outcome, Outcome::Accept),
            Verdict::OnBehalf => {
                assert_eq!(outcome, Outcome::Continue);
                assert_eq!(session.end_of_message("4bXyZ12345").await.modifications.len(), 1);
            }
            Verdict::Refused => {
                assert!(matches!(&outcome, Outcome::Refuse(reply) if reply.code == "550"), "{outcome:?}");
            }
        }
    }
}

const PEOPLE: &str = "ou=People,dc=example,dc=org";
const GROUPS: &str = "ou=Groups,dc=example,dc=org";

fn person(ldif: &mut String, uid: &str, name: &str, grants: &[String]) {
    let classes = "objectClass: inetOrgPerson\nobjectClass: delegationPrincipal";
    writeln!(ldif, "dn: uid={uid},{PEOPLE}\n{classes}\nuid: {uid}\ncn: {name}\nsn: {name}").unwrap();
    writeln!(ldif, "mail: {uid}@example.org\ndelegationAlias: {uid}.alias@example.org").unwrap();
    grants.iter().for_each(|grant| writeln!(ldif, "delegationSendOnBehalf: {grant}").unwrap());
    ldif.push('\n');
}

fn config() -> Config {
    Config::parse(CONFIG, Path::new(CONFIG_FILE)).unwrap()
}

fn directory(company: &str) -> Resolver<LdifDirectory> {
    let config = config();
    let schema = &config.directory.schema;
    let directory =
        LdifDirectory::parse(Path::new("company.ldif"), company.as_bytes(), schema, None).unwrap();
    assert!(directory.doubtful().is_empty());
    Resolver::new(directory, LookupRules { forms: forms(), group_depth: 16, grants: config.rules.grants })
}

fn forms() -> Forms {
    let config = config();
    Forms { realms: config.directory.realms, addresses: config.rules.addresses }
}

/// As before a directory server; nothing of it expires meanwhile.
fn cache(company: &str) -> Cache<Resolver<LdifDirectory>> {
    const LONG: Duration = Duration::from_secs(24 * 60 * 60);
    let settings = CacheSettings {
        ttl: LONG,
        negative_ttl: LONG,
        stale: LONG,
        capacity: 1000,
        limit: Duration::from_secs(60),
        refreshes: 16,
    };
    Cache::new(directory(company), settings, forms(), Arc::default())
}

/// All that messages ask for.
struct Map {
    people: HashMap<String, Person>,
    owners: HashMap<Address, Holders>,
}

impl Map {
    async fn of(company: &str) -> Self {
        let directory = directory(company);
        let person = directory.person("anna").await.unwrap().expect("anna is in the directory");
        let mut owners = HashMap::new();
        for text in ["anna@example.org", "boss@example.org", "carl@example.org"] {
            let address = Address::parse(text).unwrap();
            let holders = directory.owners(&address).await.unwrap();
            owners.insert(address, holders);
        }
        Self { people: HashMap::from([("anna".to_owned(), person)]), owners }
    }
}

impl Lookup for Map {
    async fn person(&self, login: &str) -> Result<Option<Person>, Failure> {
        Ok(self.people.get(login).cloned())
    }

    async fn owners(&self, address: &Address) -> Result<Holders, Failure> {
        Ok(self.owners.get(address).cloned().unwrap_or_default())
    }
}

async fn run(kind: &Kind, memory: &str, messages: usize) {
    let company = kind.company();
    match memory {
        "cache" => kind.send(cache(&company), messages).await,
        "map" => kind.send(Map::of(&company).await, messages).await,
        _ => panic!("{memory} is no memory"),
    }
}

async fn time_all() {
    const MESSAGES: u32 = 20_000;
    for kind in &KINDS {
        let start = Instant::now();
        run(kind, "cache", MESSAGES as usize).await;
        println!("{:32} {:8.3} us", kind.name, (start.elapsed() / MESSAGES).as_secs_f64() * 1e6);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // cargo says so.
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => time_all().await,
        ["list"] => KINDS.iter().for_each(|kind| println!("{}", kind.name)),
        [name, memory, log, messages] => {
            let kind = KINDS.iter().find(|kind| kind.name == name).expect("a kind that is known");
            let format = match log {
                "none" => None,
                "text" => Some(LogFormat::Text),
                "json" => Some(LogFormat::Json),
                _ => panic!("{log} is no log"),
            };
            format
                .into_iter()
                .for_each(|format| logging::start(&Log { format, level: Level::Info }).unwrap());
            run(kind, memory, messages.parse().expect("a number of messages")).await;
        }
        _ => panic!("decision [list | KIND MEMORY LOG MESSAGES]"),
    }
}
