//! An LDAP server (RFC 4511) as a directory.
//!
//! Questions become searches over one connection, which `keeper` keeps for whoever asks `link` for it, `connect` opens and
//! `tls` secures; `search` asks, and `answer` reads what comes back. Over another one, which `listen` keeps, `follow` is told of changes:
//! `sync` as RFC 4533 has it, `notify` as Active Directory does; and `floor` sees that no server is asked that has not what another told. A search names the attributes that we read and never those of members; its
//! filter is built as a [`Filter`], so that no value can become part of it; and what it finds counts only if it also
//! matches by our own comparison, but for groups: theirs are the members that the server says they have. Anything but
//! success is a failure, never an absence.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ldap3::Scope;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::address::Address;
use crate::config::Server;
use crate::directory::changes::Changes;
use crate::directory::entry::Reader;
use crate::directory::filter::Filter;
use crate::directory::login::Login;
use crate::directory::record::{Record, key};
use crate::directory::schema::{
    AddressForm, AddressValue, GrantForm, MemberForm, OBJECT_SID, Schema, any_of,
};
use crate::directory::{Directory, Failure, Groups, alone};
use crate::dn::{Dn, fold};
use crate::grant::{Entry, Sid};
use crate::health::Health;
use crate::metrics::Metrics;

mod answer;
mod connect;
mod dialect;
mod floor;
mod follow;
mod keeper;
mod link;
mod listen;
mod notify;
mod pauses;
mod root;
mod search;
mod survey;
mod sync;
mod tls;
mod write;

pub use connect::{ConnectError, Step};
pub use survey::{End, Telling, Wanted};
pub use tls::TlsFilesError;
pub use write::Modified;

use connect::Connector;
use floor::Floor;
use follow::Follower;
use keeper::Kept;
use link::Link;
use search::{ANY, NO_ATTRIBUTES, NO_SUCH_OBJECT, shown};

/// The most searches that wait for their answers. OpenLDAP ends a connection without a login that has more than 100
/// (slapd-config(5), `olcConnMaxPending`), and stops reading from one on which its answers are not read.
const IN_FLIGHT: usize = 50;

/// Servers with the same entries, their schema and the connection to one of them.
pub struct LdapDirectory {
    server: String,
    schema: Arc<Schema>,
    base: Dn,
    timeout: Duration,
    /// How long a server may be silent: with others to turn to, half of the time limit is left for them.
    patience: Duration,
    /// How many there are. One search is tried on a connection more.
    servers: usize,
    /// What searches ask for.
    attributes: Vec<String>,
    /// What searches for the groups of a submitter ask for: security descriptors have kilobytes, and what the groups
    /// themselves grant is another question.
    of_groups: Vec<String>,
    link: Link,
    /// Who may ask.
    turns: Semaphore,
    metrics: Arc<Metrics>,
}

/// Where a search looks.
#[derive(Clone, Copy)]
struct Place<'a> {
    base: &'a Dn,
    scope: Scope,
}

impl LdapDirectory {
    /// Begins to connect to the first of the `servers` that can be used; all have one time limit. That they are away is no
    /// error: they are tried again until one is there. With `watch`, it is asked to tell of changes, and `changes` are told;
    /// they are also told when another server takes over. Whether one answers, `health` is told.
    ///
    /// # Errors
    ///
    /// Certificates or keys cannot be used.
    pub fn open(
        servers: &[Server],
        schema: Schema,
        base: Dn,
        changes: Arc<Changes>,
        watch: bool,
        health: &Health,
    ) -> Result<Self, TlsFilesError> {
        let connectors = servers.iter().cloned().map(Connector::new).collect::<Result<Vec<_>, _>>()?;
        let timeout = servers.first().map_or(Duration::ZERO, |server| server.timeout);
        let patience = if servers.len() > 1 { timeout / 2 } else { timeout };
        let (schema, floor) = (Arc::new(schema), Arc::new(Floor::new(base.clone())));
        let names: Vec<_> = servers.iter().map(Server::to_string).collect();
        let server = names.join(" or ");
        let reporter = health.servers(&server, watch);
        let follower =
            || Follower::new(changes.clone(), schema.clone(), floor.clone(), base.clone(), reporter.clone());
        let follower = watch.then(follower);
        Ok(Self {
            server,
            attributes: asked_for(&schema, |_| true),
            of_groups: asked_for(&schema, |attribute| GrantForm::of(attribute) != GrantForm::Descriptor),
            schema,
            base,
            timeout,
            patience,
            servers: servers.len(),
            link: Link::open(Kept { servers: connectors, patience, changes, follower, floor, reporter }),
            turns: Semaphore::new(IN_FLIGHT),
            metrics: Arc::clone(health.metrics()),
        })
    }

    /// Why there is no connection, once the first attempt has ended; none if there is one.
    pub async fn trouble(&self) -> Option<ConnectError> {
        self.link.trouble().await
    }

    /// The time limit of a question that begins now.
    fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    fn within<'a>(&'a self, base: Option<&'a Dn>) -> Place<'a> {
        Place { base: base.unwrap_or(&self.base), scope: Scope::Subtree }
    }

    /// What matches `condition` and has any of `values` in any of `attributes`.
    async fn having(
        &self,
        attributes: &[&String],
        values: &[String],
        condition: &Filter,
        place: Place<'_>,
    ) -> Result<Vec<Record>, Failure> {
        let filter = Filter::and([condition.clone(), any_of(attributes.iter().copied(), values)]);
        let records = self.search(place, &filter, &self.attributes, self.deadline()).await?;
        let shows_why = |record: &&Record| {
            attributes.iter().any(|own| record.values(own).any(|value| could_match(own, value, values)))
        };
        match records.iter().find(|record| !shows_why(record)) {
            None => Ok(records),
            // Our own comparison would take it for somebody else, and what it has for nobody's.
            Some(hidden) => Err(self.bad(&format!(
                "{} is found, but what it is found by is not shown; may the account read {}, and are these the \
                 server's own names for them?",
                shown(&hidden.dn),
                listed(attributes)
            ))),
        }
    }

    /// The entry of a record. Whether it is a person's is for the question to say: the filter for people cannot tell
    /// it here, for servers keep the superclasses of an entry's classes to themselves.
    fn entry(&self, record: &Record, is_person: bool) -> Arc<Entry> {
        Arc::new(Reader::new(&self.schema, record).entry(is_person))
    }

    /// Of the people found, those who have the login in the first attribute in which anybody has it.
    fn logged_in(&self, records: &[Record], login: &Login) -> Result<Option<Arc<Entry>>, Failure> {
        for attribute in &self.schema.login {
            let attribute = std::slice::from_ref(attribute);
            let has = |record: &&Record| {
                Reader::new(&self.schema, record)
                    .texts(attribute)
                    .iter()
                    .any(|(_, own)| Login::of(own) == *login)
            };
            let people: Vec<_> = records.iter().filter(has).collect();
            if let Some(person) = alone(&people, |person| &person.dn)? {
                return Ok(Some(self.entry(person, true)));
            }
        }
        Ok(None)
    }

    /// That any of the `members` is a direct member.
    fn has_members(&self, members: &[Arc<Entry>]) -> Filter {
        let mut names = Vec::new();
        for member in &self.schema.member {
            let equal = |value: &str| Filter::equal(&member.attribute, value);
            match member.form {
                MemberForm::Dn | MemberForm::DnWithUid => {
                    names.extend(members.iter().map(|entry| equal(entry.dn.as_str())));
                }
                MemberForm::Login => {
                    names.extend(members.iter().flat_map(|entry| entry.logins()).map(equal));
                }
            }
        }
        Filter::Or(names)
    }
}

/// What searches ask for: all that we read and want, but members, of which there may be a hundred thousand.
fn asked_for(schema: &Schema, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let members: HashSet<_> = schema.member.iter().map(|member| key(&member.attribute)).collect();
    let mut seen = HashSet::new();
    let attributes = schema.attributes().filter(|attribute| !members.contains(&key(attribute)));
    let attributes = attributes.filter(|attribute| wanted(attribute) && seen.insert(key(attribute)));
    let attributes: Vec<_> = attributes.map(str::to_owned).collect();
    // None at all would mean every one.
    if attributes.is_empty() { vec![NO_ATTRIBUTES.to_owned()] } else { attributes }
}

/// Whether a server may have taken `own`, a value of the attribute, for one of `asked`: without regard to case and spaces. What servers make of
/// text beyond ASCII differs.
fn could_match(attribute: &str, own: &[u8], asked: &[String]) -> bool {
    let Ok(own) = std::str::from_utf8(own) else { return true };
    let Some(AddressValue { text: own, .. }) = AddressForm::of(attribute).read(own) else { return false };
    let same = |asked: &str| fold(asked) == fold(own) || Login::of(asked) == Login::of(own);
    !own.is_ascii() || asked.iter().any(|asked| !asked.is_ascii() || same(asked))
}

fn listed(attributes: &[&String]) -> String {
    attributes.iter().map(|attribute| attribute.as_str()).collect::<Vec<_>>().join(", ")
}

fn by_name(mut entries: Vec<Arc<Entry>>) -> Vec<Arc<Entry>> {
    entries.sort_by(|a, b| a.dn.cmp(&b.dn));
    entries
}

impl Directory for LdapDirectory {
    async fn by_login(&self, login: &str, base: Option<&Dn>) -> Result<Option<Arc<Entry>>, Failure> {
        let login = Login::of(login);
        let attributes: Vec<_> = self.schema.login.iter().collect();
        let records =
            self.having(&attributes, &login.spellings(), &self.schema.person, self.within(base)).await?;
        self.logged_in(&records, &login)
    }

    async fn by_address(&self, addresses: &[Address], base: Option<&Dn>) -> Result<Vec<Arc<Entry>>, Failure> {
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        let spellings: Vec<_> = addresses.iter().flat_map(Address::spellings).collect();
        let attributes: Vec<_> = self.schema.address.iter().chain(&self.schema.alias).collect();
        let records = self.having(&attributes, &spellings, &self.schema.principal, self.within(base)).await?;
        // Its logins are looked at only to see a grant to itself, which grants nothing.
        let entries = records.iter().map(|record| self.entry(record, true));
        let entries = entries.filter(|entry| addresses.iter().any(|address| entry.has(address)));
        Ok(by_name(entries.collect()))
    }

    async fn groups_of(&self, members: &[Arc<Entry>], kind: Groups) -> Result<Vec<Arc<Entry>>, Failure> {
        let deadline = self.deadline();
        let place = self.within(None);
        let has = self.has_members(members);
        if has == Filter::or([]) {
            return Ok(Vec::new());
        }
        let security = Filter::and([self.schema.security_group.clone(), has.clone()]);
        let mut groups = self.search(place, &security, &self.of_groups, deadline).await?;
        if kind == Groups::Others {
            // Not by a negation, which an attribute that the server does not know would make undefined.
            let known: HashSet<_> = groups.into_iter().map(|group| group.dn).collect();
            groups = self.search(place, &has, &self.of_groups, deadline).await?;
            groups.retain(|group| !known.contains(&group.dn));
        }
        Ok(by_name(groups.iter().map(|group| self.entry(group, false)).collect()))
    }

    async fn by_dn(&self, dn: &Dn) -> Result<Option<Arc<Entry>>, Failure> {
        if !dn.is_within(&self.base) {
            return Ok(None);
        }
        let deadline = self.deadline();
        let place = Place { base: dn, scope: Scope::Base };
        let (answers, result) = self.ask(place, ANY, &self.attributes, deadline).await?;
        if result.rc == NO_SUCH_OBJECT {
            return Ok(None);
        }
        self.check(&result, dn)?;
        let found = answers.iter().find(|answer| answer.record.dn == *dn);
        Ok(found.map(|answer| self.entry(&answer.record, false)))
    }

    async fn by_sid(&self, sid: &Sid) -> Result<Option<Arc<Entry>>, Failure> {
        let filter = Filter::equal(OBJECT_SID, sid.octets());
        let records = self.search(self.within(None), &filter, &self.attributes, self.deadline()).await?;
        let mut entries = records.iter().map(|record| self.entry(record, false));
        Ok(entries.find(|entry| entry.sid() == Some(sid)))
    }
}

#[cfg(test)]
mod tests;
