//! Has the server tell of changes, and tells the [`Changes`]: by RFC 4533 (refreshAndPersist), or, with Active Directory,
//! by notifications ([`notify`](super::notify)).
//!
//! By RFC 4533 two searches stay open. One, over all entries, tells what we read of each that changes, but no members: a
//! [`Register`] says what follows. The other, over what has any member, tells that such an entry changed and nothing of
//! it: members are read by nobody, so who is in which groups is then not known any more.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use ldap3::LdapResult;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

use super::answer;
use super::connect::unless_it_panics;
use super::floor::Floor;
use super::link::Connection;
use super::search::{ANY, NO_ATTRIBUTES, UNREADABLE};
use super::sync::{Interrupted, State, Sync, Told};
use crate::directory::changes::Changes;
use crate::directory::filter::Filter;
use crate::directory::record::Record;
use crate::directory::schema::{Dialect, Schema};
use crate::directory::watch::{Effect, HAS_SUBORDINATES, Id, Register};
use crate::dn::Dn;
use crate::health::Reporter;

/// How long after the server refused it is asked again.
const AGAIN: Duration = Duration::from_secs(60);

/// Servers adapt the values that name an entry which went or was renamed, and tell nobody (slapo-refint(5), which begins
/// with it afterwards): how long after it was told that these are asked for anew.
const ADAPTED: [Duration; 3] = [Duration::from_millis(250), Duration::from_secs(1), Duration::from_secs(5)];

/// RFC 4511 appendix A.2.
const SIZE_LIMIT: u32 = 4;

/// Whoever is told of changes.
pub(super) struct Follower {
    pub(super) changes: Arc<Changes>,
    pub(super) base: Dn,
    pub(super) register: Register,
    dialect: Dialect,
    /// What has any member; none: there are no attributes for members.
    groups: Option<String>,
    /// From where to go on; none: from the beginning.
    cookie: Option<Vec<u8>>,
    floor: Arc<Floor>,
    reporter: Reporter,
    /// When everything is to be asked for anew: see [`ADAPTED`].
    adapted: VecDeque<Instant>,
    /// What the server's last refusal was.
    refusal: Option<String>,
}

/// Why following came to an end.
pub(super) enum End {
    /// With the connection.
    Lost,
    /// What is known is of no use any more.
    StartOver,
    /// The server does not want to.
    Refused(String),
}

/// Following as it goes.
struct Progress {
    begun: Instant,
    /// Whether it goes on from a cookie: what it brings then are changes.
    resumed: bool,
    entries_told: bool,
    groups_told: bool,
    /// Whether it has brought any change.
    changed: bool,
}

impl Follower {
    pub(super) fn new(
        changes: Arc<Changes>,
        schema: Arc<Schema>,
        floor: Arc<Floor>,
        base: Dn,
        reporter: Reporter,
    ) -> Self {
        let members: Vec<_> = schema.member.iter().map(|member| Filter::present(&member.attribute)).collect();
        let groups = (!members.is_empty()).then(|| Filter::Or(members).to_string());
        let dialect = schema.dialect;
        let register = Register::new(schema);
        let adapted = VecDeque::new();
        let (cookie, refusal) = (None, None);
        Self { changes, base, register, dialect, groups, cookie, floor, reporter, adapted, refusal }
    }

    /// The next connection is to a server that knows nothing of what was told before.
    pub(super) fn start_over(&mut self) {
        self.register.clear();
        self.cookie = None;
    }

    /// Follows the changes as long as the connection lasts.
    pub(super) async fn follow(&mut self, connection: &Connection) {
        loop {
            let told = async {
                match self.dialect {
                    Dialect::Standard => self.synchronized(connection).await,
                    Dialect::ActiveDirectory => self.notified(connection).await,
                }
            };
            // Whatever a server says, the task that keeps the connection goes on.
            let end = unless_it_panics(told).await.unwrap_or_else(End::Refused);
            self.untold();
            match end {
                End::Lost => return,
                End::StartOver => self.start_over(),
                End::Refused(why) => {
                    self.start_over();
                    self.refused(&connection.server, why);
                    sleep(AGAIN).await;
                }
            }
        }
    }

    async fn synchronized(&mut self, connection: &Connection) -> End {
        let mut progress = Progress {
            begun: Instant::now(),
            resumed: self.cookie.is_some(),
            entries_told: false,
            groups_told: self.groups.is_none(),
            changed: false,
        };
        if !progress.resumed {
            self.register.clear();
        }
        self.register.begin();
        let (mut entries, mut groups) = match self.begin(connection).await {
            Ok(begun) => begun,
            Err(interrupted) => return interrupted.into(),
        };
        let end = loop {
            let heard = tokio::select! {
                told = entries.next() => self.hear_entry(told, &mut progress),
                told = next(groups.as_mut()) => self.hear_group(told, &mut progress),
                () = at(self.adapted.front().copied()) => {
                    self.adapted.pop_front();
                    self.changes.expire();
                    continue;
                }
            };
            connection.hear();
            if let Err(end) = heard {
                break end;
            }
        };
        entries.end().await;
        if let Some(groups) = groups {
            groups.end().await;
        }
        end
    }

    /// The searches for entries and for what has members.
    async fn begin(&self, connection: &Connection) -> Result<(Sync, Option<Sync>), Interrupted> {
        let attributes = [self.register.attributes(), &[HAS_SUBORDINATES.to_owned()]].concat();
        let entries = Sync::begin(connection, &self.base, ANY, attributes, self.cookie.clone()).await?;
        let Some(filter) = &self.groups else { return Ok((entries, None)) };
        let nothing = vec![NO_ATTRIBUTES.to_owned()];
        let groups = Sync::begin(connection, &self.base, filter, nothing, None).await?;
        Ok((entries, Some(groups)))
    }

    /// What was told of an entry.
    fn hear_entry(&mut self, told: Result<Told, Interrupted>, progress: &mut Progress) -> Result<(), End> {
        let (effect, cookie) = match told? {
            Told::Entry { id, state: State::Present, cookie, .. } => (self.register.confirm(&[id]), cookie),
            Told::Entry { id, state: State::Delete, cookie, .. } => (self.register.remove(&[id]), cookie),
            Told::Entry { id, state: State::Add | State::Modify, entry, cookie } => {
                let read = answer::read(entry).ok_or_else(|| End::Refused(UNREADABLE.to_owned()))?;
                (self.hear_of(id, &read.record, progress), cookie)
            }
            Told::Ids { ids, gone: true, cookie } => (self.register.remove(&ids), cookie),
            Told::Ids { ids, gone: false, cookie } => (self.register.confirm(&ids), cookie),
            Told::Cookie(cookie) => (Effect::Nothing, Some(cookie)),
            Told::Refreshed { by_presence, done, cookie } => {
                // RFC 4533 section 3.3.1: what was not named as present is not there any more.
                let missing =
                    if by_presence && progress.resumed { self.register.prune() } else { Effect::Nothing };
                let effect = self.apply(missing, None, progress);
                // Entries come without a cookie until then.
                if progress.changed {
                    self.floor.raise(cookie.as_deref().unwrap_or_default());
                }
                self.keep(cookie, done || progress.entries_told);
                if done {
                    progress.entries_told = true;
                    self.established(progress);
                }
                return effect;
            }
            Told::End(result) => return Err(ended(&result, progress)),
        };
        let applied = self.apply(effect, cookie.as_deref(), progress);
        self.keep(cookie, progress.entries_told);
        applied
    }

    /// What follows from how an entry is now.
    fn hear_of(&mut self, id: Id, record: &Record, progress: &Progress) -> Effect {
        match (progress.entries_told, progress.resumed) {
            (true, _) => self.register.note(id, record),
            (false, true) => {
                self.register.doubt(&id);
                self.register.note(id, record)
            }
            (false, false) => {
                self.register.fill(id, record);
                Effect::Nothing
            }
        }
    }

    /// What was told of an entry that has members.
    fn hear_group(&mut self, told: Result<Told, Interrupted>, progress: &mut Progress) -> Result<(), End> {
        match told? {
            Told::End(result) => return Err(ended(&result, progress)),
            Told::Refreshed { done: true, .. } => {
                progress.groups_told = true;
                self.established(progress);
            }
            Told::Refreshed { .. } | Told::Cookie(_) => {}
            Told::Entry { cookie, .. } | Told::Ids { cookie, .. } => {
                if progress.groups_told {
                    self.changes.groups_changed();
                    self.floor.raise(&cookie.unwrap_or_default());
                }
            }
        }
        Ok(())
    }

    /// Forgets what must be forgotten, if what was told is a change.
    fn apply(&mut self, effect: Effect, cookie: Option<&[u8]>, progress: &mut Progress) -> Result<(), End> {
        if effect == Effect::Nothing || !(progress.resumed || progress.entries_told) {
            return Ok(());
        }
        progress.changed = true;
        self.floor.raise(cookie.unwrap_or_default());
        self.forget(effect)
    }

    /// Forgets what must be forgotten.
    pub(super) fn forget(&mut self, effect: Effect) -> Result<(), End> {
        match effect {
            Effect::Nothing => Ok(()),
            Effect::Changed(names) => {
                self.changes.changed(&names);
                Ok(())
            }
            Effect::Everything => {
                self.forget_all();
                Ok(())
            }
            Effect::Moved => {
                self.forget_all();
                Err(End::StartOver)
            }
        }
    }

    fn forget_all(&mut self) {
        self.changes.forget();
        let now = Instant::now();
        self.adapted = ADAPTED.map(|after| now + after).into();
    }

    /// A cookie of the time before everything was told would leave out what was not.
    fn keep(&mut self, cookie: Option<Vec<u8>>, everything_told: bool) {
        if everything_told && cookie.is_some() {
            self.cookie = cookie;
        }
    }

    /// From now on every change is told.
    fn established(&mut self, progress: &Progress) {
        if !(progress.entries_told && progress.groups_told) {
            return;
        }
        if progress.resumed {
            // Groups are told of from the beginning each time: what changed meanwhile is not known.
            self.changes.groups_unsure();
        } else {
            // What was loaded before may have changed before anything was told.
            self.changes.expire();
        }
        self.tells(progress.begun, progress.resumed);
    }

    /// Logs that every change is told.
    pub(super) fn tells(&mut self, begun: Instant, resumed: bool) {
        self.refusal = None;
        self.reporter.told();
        let (entries, after_ms) = (self.register.len(), begun.elapsed().as_millis());
        info!(entries, after_ms, resumed, "the directory tells of changes");
    }

    /// Says that changes are not told any more.
    pub(super) fn untold(&self) {
        self.reporter.untold();
    }

    /// Says once that changes are not told, and why.
    pub(super) fn refused(&mut self, server: &str, why: String) {
        self.reporter.refused(&why);
        if self.refusal.as_ref() != Some(&why) {
            warn!(
                server,
                reason = why,
                "the directory does not tell of changes: they count when cache.ttl has passed; \"check\" says what to do"
            );
        }
        self.refusal = Some(why);
    }
}

impl From<Interrupted> for End {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::Lost => Self::Lost,
            Interrupted::Garbled(why) => Self::Refused(why),
        }
    }
}

/// What the result of a search means that should have no end.
fn ended(result: &LdapResult, progress: &Progress) -> End {
    match result.rc {
        // The cookie may be too old (RFC 4533 section 2.5), or, for a server that was restored, too new.
        _ if progress.resumed => End::StartOver,
        SIZE_LIMIT => End::Refused(format!(
            "{}; lift the limit for the account, as contrib/ldap/limits.ldif does",
            answer::code(result)
        )),
        _ => End::Refused(answer::code(result)),
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

async fn next(sync: Option<&mut Sync>) -> Result<Told, Interrupted> {
    match sync {
        Some(sync) => sync.next().await,
        None => pending().await,
    }
}
