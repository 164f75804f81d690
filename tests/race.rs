//! No answer is older than a change that the directory has told: a thousand changes while others ask all the time, also
//! when another server takes over that has not got them yet. Against a real slapd, without a mail system between.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics has failed; clippy.toml excepts the test functions, not what they call"
)]

mod support;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use delegation_milter::address::Address;
use delegation_milter::config::Config;
use delegation_milter::directory::changes::{Changes, Name, Stamp, Standing};
use delegation_milter::directory::lookup::Lookup;
use delegation_milter::health::Health;
use delegation_milter::open::{self, Answers};
use delegation_milter::site::Site;
use ldap3::{Ldap, LdapConnAsync, Mod};
use support::TempDir;
use support::relay::{Mode, Relay};
use support::slapd::{SUFFIX, Slapd};
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// How often the directory changes, in all.
const CHANGES: u64 = 1000;

/// How long a change may take to be told.
const PATIENCE: Duration = Duration::from_secs(60);

const BEA: &str = "uid=bea,dc=example,dc=org";
const OFFICE: &str = "cn=office,dc=example,dc=org";
const LENA: &str = "uid=lena,dc=example,dc=org";

fn company() -> Slapd {
    Slapd::start(&[&Slapd::ldif("tests/fixtures/company.ldif")])
}

fn site(slapd: &Slapd, ports: &[u16]) -> Site<Answers> {
    site_below(SUFFIX, slapd, ports)
}

/// With this `directory.base_dn`.
fn site_below(base: &str, slapd: &Slapd, ports: &[u16]) -> Site<Answers> {
    let files = TempDir::new();
    let urls: Vec<_> = ports.iter().map(|port| format!("ldap://127.0.0.1:{port}")).collect();
    let text = format!(
        "[directory]\nurls = {urls:?}\nbase_dn = \"{base}\"\nbind_dn = \"cn=delegation-milter,{SUFFIX}\"\n\
         bind_password_file = \"{}\"\ntimeout = \"2s\"\n[cache]\nttl = \"10m\"\n",
        slapd.path("milter.password").display()
    );
    open::site(Config::load(&files.write("milter.toml", text)).unwrap(), None, &Health::default()).unwrap()
}

fn changes(site: &Site<Answers>) -> &Changes {
    match &site.lookup {
        Answers::Server(cache, _) => cache.changes(),
        Answers::File(_) => panic!("a file"),
    }
}

/// An administrator, who changes a server.
struct Admin(Ldap);

impl Admin {
    async fn of(slapd: &Slapd) -> Self {
        let (connection, mut ldap) = LdapConnAsync::new(&slapd.uri("ldap")).await.unwrap();
        tokio::spawn(connection.drive());
        ldap.simple_bind(&format!("cn=admin,{SUFFIX}"), "admin").await.unwrap().success().unwrap();
        Self(ldap)
    }

    /// Version `n` of bea: her name says it.
    async fn set_name(&mut self, n: u64) {
        let name = HashSet::from([n.to_string()]);
        let change = vec![Mod::Replace("displayName".to_owned(), name)];
        self.0.modify(BEA, change).await.unwrap().success().unwrap();
    }

    /// Version `n` of the office: lena is in it if that is even.
    async fn set_group(&mut self, n: u64) {
        let mut members = HashSet::from([BEA.to_owned()]);
        members.extend(n.is_multiple_of(2).then(|| LENA.to_owned()));
        let change = vec![Mod::Replace("member".to_owned(), members)];
        self.0.modify(OFFICE, change).await.unwrap().success().unwrap();
    }
}

/// What is known to have been told.
#[derive(Default)]
struct Told {
    /// At least this version of bea.
    name: AtomicU64,
    /// Versions of the office: the last that was made, and the last that was told.
    group_made: AtomicU64,
    group: AtomicU64,
    answers: AtomicU64,
    end: AtomicBool,
}

/// Asks all the time. No answer may be older than what was told before it was asked for.
async fn ask(site: Arc<Site<Answers>>, told: Arc<Told>) {
    let bea = Address::parse("bea@example.org").unwrap();
    while !told.end.load(SeqCst) {
        let oldest = told.name.load(SeqCst);
        if let Ok(owners) = site.lookup.owners(&bea).await {
            let version: u64 = owners[0].name.as_deref().unwrap().parse().unwrap();
            assert!(version >= oldest, "version {version} though {oldest} was told");
            told.answers.fetch_add(1, SeqCst);
        }
        let version = told.group.load(SeqCst);
        if let Ok(person) = site.lookup.person("lena").await {
            let is_in = person.unwrap().groups.iter().any(|found| found.dn.as_str() == OFFICE);
            // Whatever was made since may show.
            if told.group_made.load(SeqCst) == version {
                assert_eq!(is_in, version.is_multiple_of(2), "version {version} of the office");
            }
            told.answers.fetch_add(1, SeqCst);
        }
        tokio::task::yield_now().await;
    }
}

/// Waits until it was told since then that an entry with this address changed; without one, that groups did. That
/// everything may have changed, as when a watch begins, is not enough.
async fn wait_until_told(changes: &Changes, stamp: Stamp, address: Option<&str>) {
    let names = || {
        let address = address.map(|address| Name::Address(Address::parse(address).unwrap()));
        Vec::from_iter(address)
    };
    let told = async {
        while changes.standing(stamp.last(), names, address.is_none()) != Standing::Forgotten {
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
    };
    timeout(PATIENCE, told).await.expect("the change is told");
}

async fn change(admin: &mut Admin, changes: &Changes, told: &Told, n: u64) {
    let stamp = changes.stamp();
    admin.set_name(n).await;
    wait_until_told(changes, stamp, Some("bea@example.org")).await;
    told.name.store(n, SeqCst);
    let stamp = changes.stamp();
    told.group_made.store(n, SeqCst);
    admin.set_group(n).await;
    wait_until_told(changes, stamp, None).await;
    told.group.store(n, SeqCst);
}

/// Waits until what changes is told, also of groups, and bea is at version `n`.
async fn wait_until_watched(site: &Site<Answers>, admin: &mut Admin, n: u64) {
    let [bea, lena] = ["bea@example.org", "lena@example.org"].map(|text| Address::parse(text).unwrap());
    let of_lena =
        async || site.lookup.owners(&lena).await.map(|owners| owners[0].name.as_deref().map(str::to_owned));
    let told = async {
        for number in 0.. {
            // What was remembered before, and is another name now, was told.
            let before = of_lena().await;
            let name = format!("Lena {n} {number}");
            let change = vec![Mod::Replace("displayName".to_owned(), HashSet::from([name.clone()]))];
            admin.0.modify(LENA, change).await.unwrap().success().unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
            if before.is_ok() && of_lena().await.is_ok_and(|shown| shown == Some(name)) {
                break;
            }
        }
        admin.set_name(n).await;
        let shown = async || {
            site.lookup.owners(&bea).await.map(|owners| owners[0].name.as_deref().map(str::to_owned))
        };
        while shown().await.ok().flatten() != Some(n.to_string()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, told).await.expect("changes are told");
}

#[test]
fn a_thousand_changes_under_load() {
    let slapd = company();
    Runtime::new().unwrap().block_on(async {
        let site = Arc::new(site(&slapd, &[slapd.port("ldap")]));
        let (mut admin, told) = (Admin::of(&slapd).await, Arc::new(Told::default()));
        admin.set_group(0).await;
        wait_until_watched(&site, &mut admin, 0).await;
        let askers: Vec<_> =
            (0..4).map(|_| tokio::spawn(ask(Arc::clone(&site), Arc::clone(&told)))).collect();
        for n in 1..=CHANGES / 2 {
            change(&mut admin, changes(&site), &told, n).await;
        }
        told.end.store(true, SeqCst);
        for asker in askers {
            asker.await.unwrap();
        }
        assert!(told.answers.load(SeqCst) > CHANGES, "{} answers", told.answers.load(SeqCst));
    });
}

/// Waits until a condition holds.
async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let holds = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, holds).await.unwrap_or_else(|_| panic!("waited in vain: {what}"));
}

#[test]
fn a_replica_that_lags_takes_over() {
    let (first, second) = (company(), company());
    let relay = Relay::to(first.port("ldap"));
    Runtime::new().unwrap().block_on(async {
        let site = Arc::new(site(&first, &[relay.port(), second.port("ldap")]));
        let told = Arc::new(Told::default());
        let (mut admin, mut replica) = (Admin::of(&first).await, Admin::of(&second).await);
        for server in [&mut replica, &mut admin] {
            server.set_name(0).await;
            server.set_group(0).await;
        }
        wait_until_watched(&site, &mut admin, 0).await;
        let askers: Vec<_> =
            (0..4).map(|_| tokio::spawn(ask(Arc::clone(&site), Arc::clone(&told)))).collect();
        for round in 1..=3 {
            for n in (round - 1) * 51 + 1..round * 51 {
                change(&mut admin, changes(&site), &told, n).await;
            }
            let n = round * 51 - 1;
            relay.set(Mode::Close);
            it_waits_for_the_replica(&site, &second).await;
            replica.set_name(n).await;
            replica.set_group(n).await;
            let bea = Address::parse("bea@example.org").unwrap();
            until("the replica is asked", async || site.lookup.owners(&bea).await.is_ok()).await;
            relay.set(Mode::Forward);
            told.group_made.store(n + 1, SeqCst);
            for server in [&mut replica, &mut admin] {
                server.set_group(n + 1).await;
            }
            replica.set_name(n + 1).await;
            wait_until_watched(&site, &mut admin, n + 1).await;
            told.group.store(n + 1, SeqCst);
        }
        told.end.store(true, SeqCst);
        for asker in askers {
            asker.await.unwrap();
        }
    });
}

/// The first server is away, and the second lags: it is looked at, and not asked.
async fn it_waits_for_the_replica(site: &Site<Answers>, second: &Slapd) {
    let bea = Address::parse("bea@example.org").unwrap();
    // What is remembered is of the last version: only who forgets it has to ask.
    changes(site).forget();
    until("nobody answers", async || site.lookup.owners(&bea).await.is_err()).await;
    let looks = || second.log().matches("SRCH attr=contextCSN").count();
    let before = looks();
    until("it is looked at again and again", async || looks() > before + 2).await;
    assert!(site.lookup.owners(&bea).await.is_err());
}

/// What a server changes by itself is not told: refint(5) adapts the names of who is renamed, after it has said so.
#[test]
fn names_that_are_adapted_later_count() {
    let slapd = company();
    slapd.configure(
        "dn: cn=module{0},cn=config\nchangetype: modify\nadd: olcModuleLoad\nolcModuleLoad: refint\n\n\
         dn: olcOverlay=refint,olcDatabase={1}mdb,cn=config\nchangetype: add\nobjectClass: olcOverlayConfig\n\
         objectClass: olcRefintConfig\nolcOverlay: refint\nolcRefintAttribute: delegationSendOnBehalf member\n",
    );
    Runtime::new().unwrap().block_on(async {
        let site = site(&slapd, &[slapd.port("ldap")]);
        let mut admin = Admin::of(&slapd).await;
        let many: String = (0..4000)
            .map(|n| format!("dn: uid=n{n},{SUFFIX}\nobjectClass: inetOrgPerson\nobjectClass: delegationPrincipal\nuid: n{n}\ncn: n\nsn: n\nmail: n{n}@example.org\ndelegationSendOnBehalf: uid=n{n},{SUFFIX}\n\n"))
            .collect();
        slapd.modify(&many);
        wait_until_watched(&site, &mut admin, 0).await;
        let bea = Address::parse("bea@example.org").unwrap();
        let grants = async || format!("{:?}", site.lookup.owners(&bea).await.unwrap()[0].grants);
        for (n, (from, to)) in [("carl", "karl"), ("karl", "carl")].into_iter().cycle().take(20).enumerate() {
            assert!(grants().await.contains(&format!("uid={from},")), "{n}");
            let stamp = changes(&site).stamp();
            let (name, new) = (format!("uid={from},{SUFFIX}"), format!("uid={to}"));
            admin.0.modifydn(&name, &new, true, None).await.unwrap().success().unwrap();
            wait_until_told(changes(&site), stamp, Some("carl@example.org")).await;
            let begun = std::time::Instant::now();
            until("its new name is named", async || grants().await.contains(&format!("uid={to},"))).await;
            assert!(begun.elapsed() < Duration::from_secs(1), "after {:?}", begun.elapsed());
        }
    });
}

/// Of a subtree that is moved a server tells the top alone.
#[test]
fn who_is_moved_with_what_is_above_counts() {
    let slapd = company();
    let below = format!("ou=acme,{SUFFIX}");
    slapd.modify(&format!(
        "dn: ou=sales,{below}\nobjectClass: organizationalUnit\nou: sales\n\n\
         dn: uid=sal,ou=sales,{below}\nobjectClass: inetOrgPerson\nuid: sal\ncn: Sal\nsn: Sal\nmail: sal@acme.example\n"
    ));
    Runtime::new().unwrap().block_on(async {
        let site = site_below(&below, &slapd, &[slapd.port("ldap")]);
        let mut admin = Admin::of(&slapd).await;
        let mut n = 0;
        until("changes are told", async || {
            let stamp = changes(&site).stamp();
            n += 1;
            let change = vec![Mod::Replace("displayName".to_owned(), HashSet::from([n.to_string()]))];
            admin.0.modify(&format!("uid=sal,ou=sales,{below}"), change).await.unwrap().success().unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            !changes(&site).is_latest(&stamp)
        })
        .await;
        let sal = Address::parse("sal@acme.example").unwrap();
        let is_there = async || !site.lookup.owners(&sal).await.unwrap().is_empty();
        until("it is found", is_there).await;
        for round in 0..3 {
            for (from, to, expected) in [(&*below, SUFFIX, false), (SUFFIX, &*below, true)] {
                let name = format!("ou=sales,{from}");
                admin.0.modifydn(&name, "ou=sales", true, Some(to)).await.unwrap().success().unwrap();
                let begun = std::time::Instant::now();
                until(&format!("round {round}: {to}"), async || is_there().await == expected).await;
                assert!(
                    begun.elapsed() < Duration::from_secs(1),
                    "round {round}: {to}: {:?}",
                    begun.elapsed()
                );
            }
        }
    });
}
