//! One search that stays open and is told what changes (RFC 4533, refreshAndPersist).

use ldap3::adapters::Adapter;
use ldap3::asn1::StructureTag;
use ldap3::controls::{
    Control, ControlType, EntryState, MakeCritical, RefreshMode, SyncInfo, SyncRequest, SyncState,
    parse_syncinfo,
};
use ldap3::{LdapError, LdapResult, ResultEntry, Scope, SearchStream};

use super::connect::unless_it_panics;
use super::link::Connection;
use super::search::{Trouble, UNREADABLE, trouble};
use crate::directory::watch::Id;
use crate::dn::Dn;

/// An open search.
pub(super) struct Sync(SearchStream<'static, String, Vec<String>>);

/// What is told of an entry (RFC 4533 section 2.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    Present,
    Add,
    Modify,
    Delete,
}

/// What a server tells.
pub(super) enum Told {
    /// Of one entry.
    Entry { id: Id, state: State, entry: StructureTag, cookie: Option<Vec<u8>> },
    /// Of several, by their numbers alone: that they are there, or are gone.
    Ids { ids: Vec<Id>, gone: bool, cookie: Option<Vec<u8>> },
    /// How far it is.
    Cookie(Vec<u8>),
    /// A phase of telling how things are is over; done: it was the last. By presence: what was not named is gone.
    Refreshed { by_presence: bool, done: bool, cookie: Option<Vec<u8>> },
    /// The search has ended.
    End(LdapResult),
}

/// Why nothing more is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Interrupted {
    /// The connection is gone.
    Lost,
    /// What came has not its form.
    Garbled(String),
}

impl Sync {
    /// Asks for all changes in what matches below `base`, from where the cookie left off.
    pub(super) async fn begin(
        connection: &Connection,
        base: &Dn,
        filter: &str,
        attributes: Vec<String>,
        cookie: Option<Vec<u8>>,
    ) -> Result<Self, Interrupted> {
        let mut ldap = connection.ldap.clone();
        let request = SyncRequest { mode: RefreshMode::RefreshAndPersist, cookie, reload_hint: false };
        // A server that does not know it would take it for a search for everything (RFC 4511 section 4.1.11).
        ldap.with_controls(request.critical());
        let none: Vec<Box<dyn Adapter<'_, String, Vec<String>>>> = Vec::new();
        let begun = unless_it_panics(ldap.streaming_search_with(
            none,
            base.as_str(),
            Scope::Subtree,
            filter,
            attributes,
        ));
        Ok(Self(begun.await.map_err(Interrupted::Garbled)?.map_err(interrupted)?))
    }

    /// What is told next; waits as long as nothing is.
    pub(super) async fn next(&mut self) -> Result<Told, Interrupted> {
        loop {
            let next = unless_it_panics(self.0.next()).await.map_err(Interrupted::Garbled)?;
            let Some(message) = next.map_err(interrupted)? else {
                let result = unless_it_panics(self.0.finish()).await.map_err(Interrupted::Garbled)?;
                return Ok(Told::End(result));
            };
            // References (RFC 4511 section 4.5.3) are to what is elsewhere.
            if !message.is_ref() {
                let read = unless_it_panics(async { read(message) }).await.map_err(Interrupted::Garbled)?;
                return read.ok_or_else(|| Interrupted::Garbled(UNREADABLE.to_owned()));
            }
        }
    }

    /// Has the server stop telling.
    pub(super) async fn end(self) {
        abandon(self.0).await;
    }
}

/// Has the server end a search (RFC 4511 section 4.11). One that is left to itself goes on being executed: OpenLDAP executes
/// only so many over one connection, and then nothing more.
pub(super) async fn abandon(mut stream: SearchStream<'static, String, Vec<String>>) {
    // A clone of the handle does not know it.
    let number = stream.ldap_handle().last_id();
    let mut ldap = stream.ldap_handle().clone();
    // If the connection is gone, so is the search.
    let _ = ldap.abandon(number).await;
    stream.finish().await;
}

fn interrupted(error: LdapError) -> Interrupted {
    match trouble(error) {
        Trouble::Broken(_) => Interrupted::Lost,
        Trouble::Unusable(why) => Interrupted::Garbled(why.to_owned()),
    }
}

/// Panics where ldap3 does.
fn read(message: ResultEntry) -> Option<Told> {
    if message.is_intermediate() {
        return read_info(parse_syncinfo(message));
    }
    let Control(_, control) =
        message.1.iter().find(|control| matches!(control.0, Some(ControlType::SyncState)))?;
    let SyncState { state, entry_uuid, cookie } = control.val.is_some().then(|| control.parse())?;
    let state = match state {
        EntryState::Present => State::Present,
        EntryState::Add => State::Add,
        EntryState::Modify => State::Modify,
        EntryState::Delete => State::Delete,
    };
    Some(Told::Entry { id: entry_uuid.try_into().ok()?, state, entry: message.0, cookie })
}

fn read_info(info: SyncInfo) -> Option<Told> {
    Some(match info {
        SyncInfo::NewCookie(cookie) => Told::Cookie(cookie),
        SyncInfo::RefreshDelete { cookie, refresh_done } => {
            Told::Refreshed { by_presence: false, done: refresh_done, cookie }
        }
        SyncInfo::RefreshPresent { cookie, refresh_done } => {
            Told::Refreshed { by_presence: true, done: refresh_done, cookie }
        }
        SyncInfo::SyncIdSet { cookie, refresh_deletes, sync_uuids } => {
            let ids = sync_uuids.into_iter().map(|id| id.try_into().ok()).collect::<Option<Vec<Id>>>()?;
            Told::Ids { ids, gone: refresh_deletes, cookie }
        }
    })
}
