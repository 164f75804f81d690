//! The change notifications of Active Directory (MS-ADTS section 3.1.1.3.4.1.9), which cannot go on where they were: what
//! was remembered before is asked for anew.
//!
//! One search stays open and gives every entry that changes, from the top of the domain: nothing less may be asked for.
//! What is outside of `directory.base_dn` is left out here. That a name went can be told only by who knows it: so all
//! names are read once, a page at a time. What is deleted is told to those who may read the container of deleted objects.

use std::pin::Pin;

use futures_util::StreamExt;
use futures_util::stream::unfold;
use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
use ldap3::controls::RawControl;
use ldap3::{Ldap, LdapError, LdapResult, ResultEntry, Scope, SearchStream};
use tokio::time::Instant;

use super::answer;
use super::connect::unless_it_panics;
use super::dialect::controls;
use super::follow::{End, Follower};
use super::link::Connection;
use super::root;
use super::search::{ANY, SUCCESS, UNREADABLE};
use super::sync::abandon;
use crate::directory::record::Record;
use crate::directory::schema::Dialect;
use crate::directory::watch::{Effect, Id};
use crate::dn::Dn;

/// MS-ADTS sections 3.1.1.3.4.1.9 and 3.1.1.3.4.1.14: tell of changes, and of what is deleted by them.
const NOTIFICATION: &str = "1.2.840.113556.1.4.528";
const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";

/// How an entry is called for ever, whether it is gone, and what groups alone have (MS-ADA1, MS-ADA3).
const ID: &str = "objectGUID";
const DELETED: &str = "isDeleted";
const GROUP: &str = "groupType";

/// How many names are read at a time (RFC 2696).
const PAGE: i32 = 1000;

type Stream = SearchStream<'static, String, Vec<String>>;

/// What a search brings, one after the other.
type Names = Pin<Box<dyn futures_util::Stream<Item = Result<Brought, End>> + Send>>;

/// An entry, or how the search ended.
type Brought = Result<ResultEntry, LdapResult>;

/// What a server told.
enum Notice {
    /// An entry is called so.
    Name { id: Id, dn: Dn },
    /// All entries were named.
    AllNames,
    /// An entry changed, or is new.
    Changed { id: Id, record: Record, is_group: bool },
    /// An entry is gone, or was never ours.
    Gone { id: Id },
    /// Of an entry that is not shown nothing was known, and nothing is now.
    Hidden,
}

/// The open searches.
struct Notifications {
    base: Dn,
    changes: Stream,
    /// The names that are still to come.
    names: Option<Names>,
}

impl Follower {
    /// Follows the notifications until they end.
    pub(super) async fn notified(&mut self, connection: &Connection) -> End {
        let begun = Instant::now();
        self.register.clear();
        let attributes = self.register.attributes();
        let mut notifications = match Notifications::begin(connection, &self.base, attributes).await {
            Ok(notifications) => notifications,
            Err(end) => return end,
        };
        // What was loaded before may have changed before anything was told.
        self.changes.expire();
        let end = loop {
            let notice = notifications.next().await;
            connection.hear();
            let all_named = notifications.names.is_none();
            if let Err(end) = notice.and_then(|notice| self.heed(notice, all_named, begun)) {
                break end;
            }
        };
        notifications.end().await;
        end
    }

    fn heed(&mut self, notice: Notice, all_named: bool, begun: Instant) -> Result<(), End> {
        let effect = match notice {
            Notice::Name { id, dn } => {
                self.register.name(id, &dn);
                Effect::Nothing
            }
            Notice::Hidden => Effect::Nothing,
            Notice::AllNames => {
                self.tells(begun, false);
                Effect::Nothing
            }
            Notice::Changed { id, record, is_group } => {
                if is_group {
                    self.changes.groups_changed();
                }
                let is_known = self.register.knows(&id);
                let effect = self.register.note(id, &record);
                // Its name may be another than before, which was to come.
                if is_known || all_named { effect } else { Effect::Everything }
            }
            Notice::Gone { id } if self.register.knows(&id) => self.register.remove(&[id]),
            Notice::Gone { .. } if all_named => Effect::Nothing,
            // Its name may have been among those that were still to come.
            Notice::Gone { .. } => Effect::Everything,
        };
        self.forget(effect)
    }
}

impl Notifications {
    /// Asks for changes of these attributes, then for all names below `base`. When it returns, the server has taken note:
    /// what is loaded from now on is told of.
    async fn begin(connection: &Connection, base: &Dn, attributes: &[String]) -> Result<Self, End> {
        let mut ldap = connection.ldap.clone();
        let begun = unless_it_panics(begin(&mut ldap, base, attributes)).await;
        let (changes, names) = begun.map_err(End::Refused)?.map_err(ended)?;
        // A search page by page must not be left while it waits, or it takes the first page for the last: so what waits
        // for the next name goes on where it was.
        let names = unfold(names, |mut names| async move { Some((next(&mut names).await, names)) });
        Ok(Self { base: base.clone(), changes, names: Some(Box::pin(names)) })
    }

    /// What is told next; waits as long as nothing is.
    async fn next(&mut self) -> Result<Notice, End> {
        let Some(names) = &mut self.names else { return change(&self.base, next(&mut self.changes).await?) };
        tokio::select! {
            biased;
            changed = next(&mut self.changes) => change(&self.base, changed?),
            named = names.next() => {
                let told = named.map(|named| name(named?)).transpose()?.flatten();
                if told.is_none() {
                    self.names = None;
                }
                Ok(told.unwrap_or(Notice::AllNames))
            }
        }
    }

    /// Has the server stop telling.
    async fn end(self) {
        abandon(self.changes).await;
    }
}

async fn begin(ldap: &mut Ldap, base: &Dn, attributes: &[String]) -> Result<(Stream, Stream), LdapError> {
    let top = root::context_of(base, ldap).await?;
    let own = [ID, DELETED, GROUP].map(str::to_owned);
    let attributes = [attributes, &own].concat();
    let control = |oid: &str| RawControl { ctype: oid.to_owned(), crit: true, val: None };
    let none: Vec<Box<dyn Adapter<'_, String, Vec<String>>>> = Vec::new();
    let all =
        [vec![control(NOTIFICATION), control(SHOW_DELETED)], controls(Dialect::ActiveDirectory)].concat();
    ldap.with_controls(all);
    let changes = ldap.streaming_search_with(none, top.as_str(), Scope::Subtree, ANY, attributes).await?;
    // Nothing says that it was taken note of, but the answer to what was asked later.
    root::read(&Dn::default(), ID, ldap).await?;
    let pages: Vec<Box<dyn Adapter<'_, String, Vec<String>>>> =
        vec![Box::new(EntriesOnly::new()), Box::new(PagedResults::new(PAGE))];
    let id = vec![ID.to_owned()];
    ldap.with_controls(controls(Dialect::ActiveDirectory));
    let names = ldap.streaming_search_with(pages, base.as_str(), Scope::Subtree, ANY, id).await?;
    Ok((changes, names))
}

/// What a search brings next.
async fn next(stream: &mut Stream) -> Result<Brought, End> {
    loop {
        let next = unless_it_panics(stream.next()).await.map_err(End::Refused)?.map_err(ended)?;
        let Some(entry) = next else {
            return unless_it_panics(stream.finish()).await.map(Err).map_err(End::Refused);
        };
        // References (RFC 4511 section 4.5.3) are to what is elsewhere.
        if !entry.is_ref() && !entry.is_intermediate() {
            return Ok(Ok(entry));
        }
    }
}

/// What follows from a changed entry.
fn change(base: &Dn, changed: Brought) -> Result<Notice, End> {
    let entry = changed.map_err(|result| End::Refused(answer::code(&result)))?;
    let Some((id, record)) = read(entry)? else { return Ok(Notice::Hidden) };
    let is_deleted = record.values(DELETED).any(|value| value.eq_ignore_ascii_case(b"TRUE"));
    if is_deleted || !record.dn.is_within(base) {
        return Ok(Notice::Gone { id });
    }
    let is_group = record.values(GROUP).next().is_some();
    Ok(Notice::Changed { id, record, is_group })
}

/// A name; none after the last.
fn name(named: Brought) -> Result<Option<Notice>, End> {
    match named {
        Ok(entry) => {
            Ok(Some(read(entry)?.map_or(Notice::Hidden, |(id, record)| Notice::Name { id, dn: record.dn })))
        }
        Err(result) if result.rc == SUCCESS => Ok(None),
        Err(result) => Err(End::Refused(answer::code(&result))),
    }
}

/// None: the account sees that the entry is there, and nothing of it.
fn read(entry: ResultEntry) -> Result<Option<(Id, Record)>, End> {
    let record = answer::read(entry.0).ok_or_else(|| End::Refused(UNREADABLE.to_owned()))?.record;
    let id = record.values(ID).next().and_then(|id| Id::try_from(id).ok());
    Ok(id.map(|id| (id, record)))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all others say that the connection is gone")]
fn ended(error: LdapError) -> End {
    match error {
        LdapError::LdapResult { result } => End::Refused(answer::code(&result)),
        _ => End::Lost,
    }
}
