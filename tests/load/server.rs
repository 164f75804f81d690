//! The directory server while it changes: somebody who administrates it, and somebody who stops and kills it.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use fastrand::Rng;
use ldap3::{Ldap, LdapConnAsync, LdapError, LdapResult, Mod};
use nix::sys::signal::Signal;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::history::History;
use super::model::{Change, Directory, Operation};
use crate::support::slapd::{SUFFIX, Slapd};
use crate::support::wait::wait_until;

/// How long one attempt at a change may take.
const ATTEMPT: Duration = Duration::from_secs(5);

/// RFC 4511 appendix A.2: what a repeated change that was made says.
const NO_SUCH_OBJECT: u32 = 32;
const ALREADY_EXISTS: u32 = 68;

/// Who changes entries, and goes on until a change is made, however often slapd goes meanwhile.
pub(crate) struct Administrator {
    runtime: Runtime,
    uri: String,
    ldap: Option<Ldap>,
}

impl Administrator {
    pub(crate) fn of(slapd: &Slapd) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, uri: slapd.uri("ldap"), ldap: None }
    }

    /// Changes something every `pause` until the end.
    pub(crate) fn work(
        mut self,
        directory: &mut Directory,
        history: &History,
        pause: Duration,
        end: &AtomicBool,
    ) {
        let mut rng = Rng::with_seed(7);
        let mut next = Instant::now();
        while !end.load(SeqCst) {
            for change in directory.propose(&mut rng) {
                self.make(directory, history, change);
            }
            next = (next + pause).max(Instant::now());
            while Instant::now() < next && !end.load(SeqCst) {
                std::thread::park_timeout((next - Instant::now()).min(Duration::from_millis(50)));
            }
        }
    }

    fn make(&mut self, directory: &mut Directory, history: &History, change: Change) {
        directory.apply(change);
        let operation = directory.operation(change);
        history.begin(format!("{change:?}"), directory);
        wait_until(&format!("{change:?} is made"), || self.attempt(&operation));
        history.acknowledged();
    }

    /// Whether the change is made.
    fn attempt(&mut self, operation: &Operation) -> bool {
        let (ldap, uri) = (self.ldap.take(), &self.uri);
        let attempt = async {
            let mut ldap = match ldap {
                Some(ldap) => ldap,
                None => bind(uri).await?,
            };
            let result = make(&mut ldap, operation).await?;
            Ok::<_, LdapError>((ldap, result))
        };
        // A time limit needs a runtime to be made.
        let attempted = self.runtime.block_on(async { timeout(ATTEMPT, attempt).await });
        let Ok(Ok((ldap, result))) = attempted else { return false };
        let made = match operation {
            Operation::Replace(..) => result.rc == 0,
            Operation::Add(..) => matches!(result.rc, 0 | ALREADY_EXISTS),
            Operation::Delete(..) => matches!(result.rc, 0 | NO_SUCH_OBJECT),
        };
        // 51, 52, 53: it is about to end (RFC 4511 appendix A.2).
        assert!(made || (51..=53).contains(&result.rc), "{operation:?}: {result:?}");
        self.ldap = made.then_some(ldap);
        made
    }
}

async fn bind(uri: &str) -> Result<Ldap, LdapError> {
    let (connection, mut ldap) = LdapConnAsync::new(uri).await?;
    tokio::spawn(connection.drive());
    ldap.simple_bind(&format!("cn=admin,{SUFFIX}"), "admin").await?.success()?;
    Ok(ldap)
}

async fn make(ldap: &mut Ldap, operation: &Operation) -> Result<LdapResult, LdapError> {
    let sets = |values: &[(&'static str, Vec<String>)]| -> Vec<_> {
        values
            .iter()
            .map(|(name, values)| ((*name).to_owned(), values.iter().cloned().collect::<HashSet<_>>()))
            .collect()
    };
    match operation {
        Operation::Replace(dn, values) => {
            let mods = sets(values).into_iter().map(|(name, values)| Mod::Replace(name, values));
            ldap.modify(dn, mods.collect()).await
        }
        Operation::Add(dn, values) => {
            let given = sets(values).into_iter().filter(|(_, values)| !values.is_empty());
            ldap.add(dn, given.collect()).await
        }
        Operation::Delete(dn) => ldap.delete(dn).await,
    }
}

/// One time that slapd went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Restart {
    pub(crate) killed: bool,
    /// From when it answered again to when the milter was told of changes again.
    pub(crate) back: Duration,
    /// By how much the machine was late then.
    pub(crate) delay: Duration,
}

/// Ends slapd every `pause`, by SIGTERM and by SIGKILL in turn, and starts it again after `down`.
pub(crate) fn restart(
    slapd: &Slapd,
    history: &Arc<History>,
    (pause, down): (Duration, Duration),
    end: &AtomicBool,
) -> Vec<Restart> {
    let mut restarts = Vec::new();
    let mut next = Instant::now() + pause / 2;
    while wait(next, end) {
        let killed = restarts.len() % 2 == 1;
        let begun = Instant::now();
        history.away();
        if killed {
            slapd.signal(Signal::SIGKILL);
        } else {
            slapd.stop();
        }
        wait(Instant::now() + down, &AtomicBool::new(false));
        slapd.start_again();
        let answers = Instant::now();
        wait_until("changes are told again", || {
            history.outages().last().is_some_and(|last| last.back.is_some())
        });
        let back = history.outages().last().and_then(|last| last.back).unwrap();
        let delay = history.delay(answers, back);
        restarts.push(Restart { killed, back: back.saturating_duration_since(answers), delay });
        next = (begun + pause).max(Instant::now() + down);
    }
    restarts
}

/// How often slapd was asked, by its log, which is read once.
pub(crate) struct Searches {
    log: BufReader<File>,
    line: Vec<u8>,
    count: u64,
}

impl Searches {
    pub(crate) fn at(slapd: &Slapd) -> Self {
        let log = BufReader::new(File::open(slapd.path("log")).unwrap());
        Self { log, line: Vec::new(), count: 0 }
    }

    /// The searches so far.
    pub(crate) fn count(&mut self) -> u64 {
        // What has no end yet goes on later.
        while self.log.read_until(b'\n', &mut self.line).unwrap() > 0 && self.line.ends_with(b"\n") {
            self.count += u64::from(memchr::memmem::find(&self.line, b" SRCH base=").is_some());
            self.line.clear();
        }
        self.count
    }
}

/// Waits for a time; false if the end came before.
fn wait(until: Instant, end: &AtomicBool) -> bool {
    while Instant::now() < until && !end.load(SeqCst) {
        std::thread::park_timeout((until - Instant::now()).min(Duration::from_millis(50)));
    }
    !end.load(SeqCst)
}
