//! An LDAP server (RFC 4511) as a directory.
//!
//! Questions become searches over one connection, which `link` keeps, `connect` opens and `tls` secures; `answer` reads
//! what comes back. A search names the attributes that we read and never those of members; its filter is built as a
//! [`Filter`], so that no value can become part of it; and what it finds counts only if it also matches by our own
//! comparison. Anything but success is a failure, never an absence.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ldap3::{LdapError, LdapResult, Scope, SearchResult};
use tokio::time::{Instant, timeout_at};

use crate::address::Address;
use crate::config::Server;
use crate::directory::entry::Reader;
use crate::directory::filter::Filter;
use crate::directory::login::Login;
use crate::directory::record::{Record, key};
use crate::directory::schema::{MemberForm, Schema};
use crate::directory::{Directory, Failure, Groups};
use crate::dn::Dn;
use crate::grant::Entry;

mod answer;
mod connect;
mod link;
mod survey;
mod tls;

pub use connect::{ConnectError, Step};
pub use survey::{End, Wanted};
pub use tls::TlsFilesError;

use connect::{Connector, unless_it_panics};
use link::{Connection, Link};

/// RFC 4511 appendix A.1 and A.2.
const SUCCESS: u32 = 0;
const NO_SUCH_OBJECT: u32 = 32;

/// The most ranges of one attribute that are fetched: more than any person has values, and an end to a server's joke.
const RANGES: usize = 1000;

/// A server, its schema and the connection to it.
pub struct LdapDirectory {
    server: String,
    schema: Arc<Schema>,
    base: Dn,
    timeout: Duration,
    /// What searches ask for.
    attributes: Vec<String>,
    /// Whether the filter for people can be evaluated here too.
    tells_people: bool,
    link: Link,
}

/// Why a search failed.
enum Trouble {
    /// The connection broke: another one may do better.
    Broken(String),
    /// This will not get better by asking again.
    Final(Failure),
}

/// Where a search looks.
#[derive(Clone, Copy)]
struct Place<'a> {
    base: &'a Dn,
    scope: Scope,
}

impl LdapDirectory {
    /// Begins to connect. A server that is away is no error: it is tried again until it is there.
    ///
    /// # Errors
    ///
    /// Certificates or keys cannot be used.
    pub fn open(server: &Server, schema: Schema, base: Dn) -> Result<Self, TlsFilesError> {
        let connector = Connector::new(server.clone())?;
        let tells_people = tells_people(&schema);
        Ok(Self {
            server: server.to_string(),
            attributes: asked_for(&schema, tells_people),
            tells_people,
            schema: Arc::new(schema),
            base,
            timeout: server.timeout,
            link: Link::open(connector, server.timeout),
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

    /// The records that match, with their values complete.
    async fn search(
        &self,
        place: Place<'_>,
        filter: &Filter,
        deadline: Instant,
    ) -> Result<Vec<Record>, Failure> {
        let filter = filter.to_string();
        let (answers, result) = self.ask(place, &filter, &self.attributes, deadline).await?;
        self.check(&result)?;
        let mut records = Vec::with_capacity(answers.len());
        for answer::Answer { mut record, ranges } in answers {
            for range in ranges {
                self.complete(&mut record, range, deadline).await?;
            }
            records.push(record);
        }
        Ok(records)
    }

    /// Fetches the values that a server gives in ranges only.
    async fn complete(
        &self,
        record: &mut Record,
        first: answer::Range,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let dn = record.dn.clone();
        let place = Place { base: &dn, scope: Scope::Base };
        let mut next = Some(first);
        for _ in 0..RANGES {
            let Some(range) = next.take() else { return Ok(()) };
            let (answers, result) = self.ask(place, ANY, &[range.description()], deadline).await?;
            self.check(&result)?;
            for found in answers {
                let more = found.record.values(&range.attribute).map(<[u8]>::to_vec).collect::<Vec<_>>();
                more.into_iter().for_each(|value| record.push(&range.attribute, value));
                // A range that does not go on would be asked for again and again.
                next = found.ranges.into_iter().find(|more| more.next > range.next);
            }
        }
        Err(Failure::BadAnswer(format!("{}: the values of {dn} have no end", self.server)))
    }

    fn check(&self, result: &LdapResult) -> Result<(), Failure> {
        if result.rc != SUCCESS {
            return Err(Failure::BadAnswer(format!("{}: {}", self.server, answer::code(result))));
        }
        // RFC 4511 section 4.5.3: what they point at was not searched.
        if !result.refs.is_empty() {
            let why = "it refers to other servers, which are not asked; choose another directory.base_dn";
            return Err(Failure::BadAnswer(format!("{}: {why}", self.server)));
        }
        Ok(())
    }

    /// One search, on another connection if the first breaks under it.
    async fn ask(
        &self,
        place: Place<'_>,
        filter: &str,
        attributes: &[String],
        deadline: Instant,
    ) -> Result<(Vec<answer::Answer>, LdapResult), Failure> {
        let mut broken: Option<Connection> = None;
        let mut why = String::new();
        for _ in 0..2 {
            let connection = timeout_at(deadline, self.link.connection(broken.as_ref()));
            let connection = connection.await.map_err(|_| self.too_slow())??;
            let asked = unless_it_panics(search_over(&connection, place, filter, attributes));
            match timeout_at(deadline, asked).await {
                Ok(Ok(Ok(found))) => return Ok(found),
                Ok(Ok(Err(Trouble::Final(failure)))) => return Err(failure),
                Ok(Ok(Err(Trouble::Broken(reason))) | Err(reason)) => why = reason,
                Err(_) => {
                    connection.condemn();
                    return Err(self.too_slow());
                }
            }
            connection.condemn();
            broken = Some(connection);
        }
        Err(Failure::Unavailable(format!("{}: {why}", self.server)))
    }

    fn too_slow(&self) -> Failure {
        Failure::Unavailable(format!(
            "{} did not answer within {} s",
            self.server,
            self.timeout.as_secs_f32()
        ))
    }

    /// The entry of a record that a search for people found, or for anything else.
    fn entry(&self, record: &Record, found_as_person: bool) -> Arc<Entry> {
        let is_person = if self.tells_people { self.schema.person.matches(record) } else { found_as_person };
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
            match people.as_slice() {
                [] => {}
                [person] => return Ok(Some(Arc::new(Reader::new(&self.schema, person).entry(true)))),
                several => {
                    let names = several.iter().map(|person| person.dn.clone());
                    return Err(Failure::AmbiguousLogin(names.collect()));
                }
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
                    names.extend(members.iter().flat_map(|entry| &entry.logins).map(|login| equal(login)));
                }
            }
        }
        Filter::Or(names)
    }
}

/// `(objectClass=*)`: every entry has a class (RFC 4512 section 2.4).
const ANY: &str = "(objectClass=*)";

/// Whether the filter for people can be evaluated on what searches ask for: it needs no server, and no members.
fn tells_people(schema: &Schema) -> bool {
    let members: HashSet<_> = schema.member.iter().map(|member| key(&member.attribute)).collect();
    let is_member = |attribute: &&str| members.contains(&key(attribute));
    schema.person.evaluable().is_ok() && !schema.person.attributes().iter().any(is_member)
}

/// What searches ask for: all that we read, but members, of which there may be a hundred thousand.
fn asked_for(schema: &Schema, tells_people: bool) -> Vec<String> {
    let members: HashSet<_> = schema.member.iter().map(|member| key(&member.attribute)).collect();
    let of_people = schema.person.attributes().into_iter().filter(|_| tells_people);
    let mut seen = HashSet::new();
    let attributes = schema.attributes().filter(|attribute| !members.contains(&key(attribute)));
    attributes.chain(of_people).filter(|attribute| seen.insert(key(attribute))).map(str::to_owned).collect()
}

/// That any of the attributes has any of the values.
fn any_of<'a>(attributes: impl Iterator<Item = &'a String>, values: &[String]) -> Filter {
    Filter::or(attributes.flat_map(|attribute| values.iter().map(|value| Filter::equal(attribute, value))))
}

async fn search_over(
    connection: &Connection,
    place: Place<'_>,
    filter: &str,
    attributes: &[String],
) -> Result<(Vec<answer::Answer>, LdapResult), Trouble> {
    let mut ldap = connection.ldap.clone();
    let found = ldap.search(place.base.as_str(), place.scope, filter, attributes).await;
    let SearchResult(entries, result) = found.map_err(trouble)?;
    let read = entries.into_iter().map(|entry| answer::read(entry.0)).collect::<Option<Vec<_>>>();
    let unreadable = || Failure::BadAnswer("an entry that cannot be read".to_owned());
    Ok((read.ok_or_else(|| Trouble::Final(unreadable()))?, result))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all others say that the connection is gone")]
fn trouble(error: LdapError) -> Trouble {
    match error {
        LdapError::FilterParsing => {
            Trouble::Final(Failure::BadAnswer("a filter that cannot be sent".to_owned()))
        }
        other => Trouble::Broken(other.to_string()),
    }
}

fn by_name(mut entries: Vec<Arc<Entry>>) -> Vec<Arc<Entry>> {
    entries.sort_by(|a, b| a.dn.as_str().cmp(b.dn.as_str()));
    entries
}

impl Directory for LdapDirectory {
    async fn by_login(&self, login: &str, base: Option<&Dn>) -> Result<Option<Arc<Entry>>, Failure> {
        let login = Login::of(login);
        let has = any_of(self.schema.login.iter(), &login.spellings());
        let filter = Filter::and([self.schema.person.clone(), has]);
        let records = self.search(self.within(base), &filter, self.deadline()).await?;
        self.logged_in(&records, &login)
    }

    async fn by_address(&self, addresses: &[Address], base: Option<&Dn>) -> Result<Vec<Arc<Entry>>, Failure> {
        let spellings: Vec<_> = addresses.iter().flat_map(Address::spellings).collect();
        let has = any_of(self.schema.address.iter().chain(&self.schema.alias), &spellings);
        let filter = Filter::and([self.schema.principal.clone(), has]);
        let records = self.search(self.within(base), &filter, self.deadline()).await?;
        // Whether such an entry is a person is asked only to see a grant to itself: yes is the safe answer.
        let entries = records.iter().map(|record| self.entry(record, true));
        let entries = entries.filter(|entry| addresses.iter().any(|address| entry.has(address)));
        Ok(by_name(entries.collect()))
    }

    async fn groups_of(&self, members: &[Arc<Entry>], kind: Groups) -> Result<Vec<Arc<Entry>>, Failure> {
        let deadline = self.deadline();
        let place = self.within(None);
        let has = self.has_members(members);
        let security = Filter::and([self.schema.security_group.clone(), has.clone()]);
        let mut groups = self.search(place, &security, deadline).await?;
        if kind == Groups::Others {
            // Not by a negation, which an attribute that the server does not know would make undefined.
            let known: HashSet<_> = groups.into_iter().map(|group| group.dn).collect();
            groups = self.search(place, &has, deadline).await?;
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
        self.check(&result)?;
        Ok(answers.first().map(|answer| self.entry(&answer.record, false)))
    }
}
