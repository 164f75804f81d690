//! What only the administrator's commands ask of a server: what it says of itself, and all of its entries.

use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
use ldap3::controls::{MakeCritical, RefreshMode, SyncRequest};
use ldap3::exop::WhoAmI;
use ldap3::{Scope, SearchOptions};
use tokio::time::error::Elapsed;
use tokio::time::{timeout, timeout_at};

use super::answer::{self, Answer};
use super::connect::unless_it_panics;
use super::dialect::controls;
use super::link::Connection;
use super::search::{ANY, NO_ATTRIBUTES, NO_SUCH_OBJECT, SUCCESS, TIME_LIMIT, Trouble, UNREADABLE, trouble};
use super::{LdapDirectory, Place};
use crate::directory::Failure;
use crate::directory::filter::Filter;
use crate::directory::record::Record;
use crate::dn::Dn;

/// How many entries are asked for at a time (RFC 2696).
const PAGE: i32 = 500;

/// RFC 4511 appendix A.2: limits of the server, and what it does not let us see.
const SIZE_LIMIT: u32 = 4;
const ADMIN_LIMIT: u32 = 11;
const NO_ACCESS: u32 = 50;

/// What is read of each entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wanted {
    /// What messages need of it.
    Values,
    /// Its name.
    Names,
}

/// How a walk over all entries ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum End {
    /// All were seen.
    Complete,
    /// A limit of the server ended it: the result code and what it says.
    Limit(String),
}

/// Whether a server tells of changes (RFC 4533).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Telling {
    /// It does, of this many entries.
    All(usize),
    /// A limit of the server ends it: the result code and what it says.
    Limited(String),
    /// It does not: the same.
    No(String),
}

impl LdapDirectory {
    /// Has the server say once how things are, as it does when it is asked to tell of changes.
    pub async fn telling(&self) -> Result<Telling, Failure> {
        let connection = self.connected().await?;
        let mut ldap = connection.ldap.clone();
        let request = SyncRequest { mode: RefreshMode::RefreshOnly, ..SyncRequest::default() };
        ldap.with_controls(request.critical());
        let counted = unless_it_panics(async {
            let (base, none) = (self.base.as_str(), Vec::<Box<dyn Adapter<'_, &str, [&str; 1]>>>::new());
            let begun = ldap.streaming_search_with(none, base, Scope::Subtree, ANY, [NO_ATTRIBUTES]).await;
            let mut stream = begun.map_err(trouble)?;
            let mut entries = 0;
            // A large directory takes its time; as long as it goes on, it may.
            while let Some(told) =
                timeout(self.timeout, stream.next()).await.map_err(slow)?.map_err(trouble)?
            {
                entries += usize::from(!told.is_intermediate() && !told.is_ref());
            }
            Ok((entries, timeout(self.timeout, stream.finish()).await.map_err(slow)?))
        });
        let counted = counted.await.map_err(|why| self.bad(&why))?;
        let (entries, result) = counted.map_err(|trouble| self.broken(trouble))?;
        Ok(match result.rc {
            SUCCESS => Telling::All(entries),
            TIME_LIMIT | SIZE_LIMIT | ADMIN_LIMIT => Telling::Limited(answer::code(&result)),
            _ => Telling::No(answer::code(&result)),
        })
    }

    /// An entry by its name; none if it is not there, or may not be seen. The empty name is the server's own entry
    /// (RFC 4512 section 5.1).
    pub async fn read(&self, dn: &Dn, attributes: &[&str]) -> Result<Option<Record>, Failure> {
        let place = Place { base: dn, scope: Scope::Base };
        Ok(self.visible(place, ANY, attributes).await?.into_iter().next())
    }

    /// The entries in a subtree; empty if there is no such subtree, or it may not be seen.
    pub async fn below(
        &self,
        base: &Dn,
        filter: &Filter,
        attributes: &[&str],
    ) -> Result<Vec<Record>, Failure> {
        let place = Place { base, scope: Scope::Subtree };
        self.visible(place, &filter.to_string(), attributes).await
    }

    async fn visible(
        &self,
        place: Place<'_>,
        filter: &str,
        attributes: &[&str],
    ) -> Result<Vec<Record>, Failure> {
        let attributes: Vec<_> = attributes.iter().map(|&attribute| attribute.to_owned()).collect();
        let (answers, result) = self.ask(place, filter, &attributes, self.deadline()).await?;
        if matches!(result.rc, NO_SUCH_OBJECT | NO_ACCESS) {
            return Ok(Vec::new());
        }
        self.check(&result, place.base)?;
        Ok(answers.into_iter().map(|answer| answer.record).collect())
    }

    /// Who the server takes us for (RFC 4532), such as `dn:cn=delegation-milter,dc=example,dc=org`; none if it does
    /// not say.
    pub async fn who_am_i(&self) -> Result<Option<String>, Failure> {
        let connection = self.connected().await?;
        let mut ldap = connection.ldap.clone();
        let asked = unless_it_panics(async { ldap.extended(WhoAmI).await });
        let answer = timeout_at(self.deadline(), asked).await.map_err(|_| self.too_slow())?;
        let Ok(Ok(answer)) = answer else { return Ok(None) };
        let (exop, result) = (answer.0, answer.1);
        Ok(exop.val.filter(|_| result.rc == SUCCESS).and_then(|said| String::from_utf8(said).ok()))
    }

    /// Some entries of which the values of an attribute may be read; the values themselves are not asked for.
    pub async fn readable(&self, attribute: &str, most: i32) -> Result<Vec<Dn>, Failure> {
        let connection = self.connected().await?;
        let mut ldap = connection.ldap.clone();
        let options = SearchOptions::new().typesonly(true).sizelimit(most);
        let filter = Filter::present(attribute).to_string();
        let asked = unless_it_panics(async {
            let base = self.base.as_str();
            ldap.with_controls(controls(self.schema.dialect));
            ldap.with_search_options(options).search(base, Scope::Subtree, &filter, [attribute]).await
        });
        let found = timeout_at(self.deadline(), asked).await.map_err(|_| self.too_slow())?;
        let found = found.and_then(|found| found.map_err(|error| error.to_string()));
        let found = found.map_err(|why| self.away(&why))?;
        if !matches!(found.1.rc, SUCCESS | SIZE_LIMIT | NO_SUCH_OBJECT | NO_ACCESS) {
            self.check(&found.1, &self.base)?;
        }
        let readable = found.0.into_iter().filter_map(|entry| answer::read_types(entry.0));
        Ok(readable.filter(|(_, types)| *types > 0).map(|(dn, _)| dn).collect())
    }

    /// How many entries match, but no more than `most`; none that may not be seen.
    pub async fn count(&self, filter: &Filter, most: i32) -> Result<usize, Failure> {
        let connection = self.connected().await?;
        let mut ldap = connection.ldap.clone();
        let filter = filter.to_string();
        let asked = unless_it_panics(async {
            ldap.with_controls(controls(self.schema.dialect));
            let options = SearchOptions::new().sizelimit(most);
            let base = self.base.as_str();
            ldap.with_search_options(options).search(base, Scope::Subtree, &filter, [NO_ATTRIBUTES]).await
        });
        let found = timeout_at(self.deadline(), asked).await.map_err(|_| self.too_slow())?;
        let found = found.and_then(|found| found.map_err(|error| error.to_string()));
        let found = found.map_err(|why| self.away(&why))?;
        if !matches!(found.1.rc, SUCCESS | SIZE_LIMIT | NO_SUCH_OBJECT | NO_ACCESS) {
            self.check(&found.1, &self.base)?;
        }
        Ok(found.0.into_iter().filter(|entry| !entry.is_ref()).count())
    }

    /// Walks over all entries that match, a page at a time; none of them is kept here.
    pub async fn every(
        &self,
        filter: &Filter,
        wanted: Wanted,
        mut each: impl FnMut(Record),
    ) -> Result<End, Failure> {
        let attributes = match wanted {
            Wanted::Values => self.attributes.clone(),
            Wanted::Names => vec![NO_ATTRIBUTES.to_owned()],
        };
        self.see(self.within(None), filter, attributes, &mut each).await
    }

    /// The entries that match, with all values of these attributes, however many there are of either: all that are
    /// below the base, or the one with this name.
    pub async fn find(
        &self,
        at: Option<&Dn>,
        filter: &Filter,
        attributes: &[String],
    ) -> Result<Vec<Record>, Failure> {
        let place = at.map_or(self.within(None), |base| Place { base, scope: Scope::Base });
        if !place.base.is_within(&self.base) {
            return Ok(Vec::new());
        }
        let mut records = Vec::new();
        match self.see(place, filter, attributes.to_vec(), &mut |record| records.push(record)).await? {
            End::Complete => Ok(records),
            End::Limit(why) => Err(self.bad(&format!("there are more entries than it gives: {why}"))),
        }
    }

    async fn see(
        &self,
        place: Place<'_>,
        filter: &Filter,
        attributes: Vec<String>,
        each: &mut impl FnMut(Record),
    ) -> Result<End, Failure> {
        let connection = self.connected().await?;
        let filter = filter.to_string();
        let walk = self.walk(&connection, place, &filter, attributes, each);
        unless_it_panics(walk).await.unwrap_or_else(|why| Err(self.bad(&why)))
    }

    async fn walk(
        &self,
        connection: &Connection,
        place: Place<'_>,
        filter: &str,
        attributes: Vec<String>,
        each: &mut impl FnMut(Record),
    ) -> Result<End, Failure> {
        let adapters: Vec<Box<dyn Adapter<'_, String, Vec<String>>>> =
            vec![Box::new(EntriesOnly::new()), Box::new(PagedResults::new(PAGE))];
        let mut ldap = connection.ldap.clone();
        ldap.with_controls(controls(self.schema.dialect));
        let begun =
            ldap.streaming_search_with(adapters, place.base.as_str(), place.scope, filter, attributes);
        let broken = |error| self.broken(trouble(error));
        let mut stream = timeout(self.timeout, begun).await.map_err(|_| self.too_slow())?.map_err(broken)?;
        loop {
            let next = timeout(self.timeout, stream.next()).await.map_err(|_| self.too_slow())?;
            let Some(entry) = next.map_err(broken)? else { break };
            let read = answer::read(entry.0).ok_or_else(|| self.bad(UNREADABLE));
            let Answer { mut record, ranges } = read?;
            for range in ranges {
                self.complete(&mut record, range, self.deadline()).await?;
            }
            each(record);
        }
        let result = timeout(self.timeout, stream.finish()).await.map_err(|_| self.too_slow())?;
        if matches!(result.rc, TIME_LIMIT | SIZE_LIMIT | ADMIN_LIMIT) {
            return Ok(End::Limit(answer::code(&result)));
        }
        if result.rc == NO_SUCH_OBJECT && place.scope == Scope::Base {
            return Ok(End::Complete);
        }
        self.check(&result, place.base).map(|()| End::Complete)
    }

    async fn connected(&self) -> Result<Connection, Failure> {
        timeout_at(self.deadline(), self.link.connection(None)).await.map_err(|_| self.too_slow())?
    }

    fn broken(&self, trouble: Trouble) -> Failure {
        match trouble {
            Trouble::Broken(why) => self.away(&why),
            Trouble::Unusable(why) => self.bad(why),
        }
    }
}

fn slow(_: Elapsed) -> Trouble {
    Trouble::Broken("it did not go on in time".to_owned())
}
