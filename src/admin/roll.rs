//! The directory as an administrator looks at it: entries by any condition, each with what it is.
//!
//! Messages ask of a person, a principal or a group only what decides about them. Commands also ask what an entry is
//! that is none of these, who grants something to somebody, and who is in a group.

use std::collections::HashSet;
use std::sync::Arc;

use crate::address::Address;
use crate::config::{Config, Source};
use crate::directory::Failure;
use crate::directory::entry::Reader;
use crate::directory::filter::Filter;
use crate::directory::grants;
use crate::directory::ldap::LdapDirectory;
use crate::directory::ldif;
use crate::directory::login::Login;
use crate::directory::record::{Record, key};
use crate::directory::schema::{Dialect, GrantForm, MemberName, OBJECT_CLASS, OBJECT_SID, Schema, any_of};
use crate::dn::Dn;
use crate::grant::{Delegate, Entry, Right};
use crate::open::{Backend, OpenError};

/// RFC 4511 section 4.5.1.8: entries without attributes.
const NO_ATTRIBUTES: &str = "1.1";

/// The entries of a directory.
pub(super) struct Roll<'a> {
    schema: &'a Schema,
    entries: Entries<'a>,
}

enum Entries<'a> {
    File(Vec<Record>),
    Server(&'a LdapDirectory),
}

/// An entry, and what it is.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) entry: Arc<Entry>,
    pub(super) record: Record,
    /// Somebody who may log in.
    pub(super) is_person: bool,
    /// A group that may be a delegate.
    pub(super) is_group: bool,
    /// It may own an address.
    pub(super) is_principal: bool,
}

impl<'a> Roll<'a> {
    /// Of the directory that answers a command.
    pub(super) fn new(directory: &'a Backend, config: &'a Config) -> Result<Self, OpenError> {
        let schema = &config.directory.schema;
        let entries = match (directory, &config.directory.source) {
            (Backend::Server(server), _) => Entries::Server(server),
            (Backend::File(_), Source::File(file)) => {
                Entries::File(ldif::read(file, schema, config.directory.base_dn.as_ref())?)
            }
            (Backend::File(_), Source::Servers(_)) => Entries::File(Vec::new()),
        };
        Ok(Self { schema, entries })
    }

    /// The entry with this name.
    pub(super) async fn at(&self, dn: &Dn) -> Result<Option<Found>, Failure> {
        let found = self.find(Some(dn), &Filter::present(OBJECT_CLASS)).await?;
        Ok(found.into_iter().find(|found| found.entry.dn == *dn))
    }

    /// What would be there if an entry had this name and nothing else.
    pub(super) fn nothing_but(&self, dn: Dn) -> Found {
        let record = Record::new(dn);
        let entry = Arc::new(Reader::new(self.schema, &record).entry(false));
        Found { entry, record, is_person: false, is_group: false, is_principal: false }
    }

    /// The entries that have this address, as it stands.
    pub(super) async fn with_address(&self, address: &Address) -> Result<Vec<Found>, Failure> {
        let attributes = self.schema.address.iter().chain(&self.schema.alias);
        let mut found = self.find(None, &any_of(attributes, &address.spellings())).await?;
        found.retain(|found| found.entry.has(address));
        Ok(found)
    }

    /// The entries that have an address, whatever it is, and the people who log in without one: they may send as others.
    pub(super) async fn company(&self) -> Result<Vec<Found>, Failure> {
        let schema = self.schema;
        let attributes = schema.address.iter().chain(&schema.alias).chain(&schema.login);
        let filter = Filter::or(attributes.map(|attribute| Filter::present(attribute)));
        let mut found = self.find(None, &filter).await?;
        found.retain(|found| found.is_person || (found.is_principal && found.entry.primary().is_some()));
        Ok(found)
    }

    /// The people who have this login, whichever of the login attributes has it.
    pub(super) async fn with_login(&self, login: &str) -> Result<Vec<Found>, Failure> {
        let login = Login::of(login);
        let mut found = self.find(None, &any_of(self.schema.login.iter(), &login.spellings())).await?;
        let has = |found: &Found| found.entry.logins().any(|own| Login::of(own) == login);
        found.retain(|found| found.is_person && has(found));
        Ok(found)
    }

    /// Whom the value of a grant names.
    pub(super) async fn named(&self, delegate: &Delegate) -> Result<Vec<Found>, Failure> {
        let mut found = match delegate {
            Delegate::Dn(dn) => self.at(dn).await?.into_iter().collect(),
            Delegate::Address(address) => self.with_address(address).await?,
            Delegate::Login(login) => self.with_login(login).await?,
            Delegate::Number(number) => {
                let number = std::slice::from_ref(number);
                self.find(None, &any_of(self.schema.number.iter(), number)).await?
            }
            Delegate::Trustee(trustee) if trustee.sid.is_of_an_entry() => {
                self.find(None, &Filter::equal(OBJECT_SID, trustee.sid.octets())).await?
            }
            Delegate::Trustee(_) => Vec::new(),
        };
        found.retain(|found| delegate.names(&found.entry));
        Ok(found)
    }

    /// The principals that grant something to any of the identities, whether or not it counts.
    pub(super) async fn granting(&self, identities: &[&Entry]) -> Result<Vec<Found>, Failure> {
        let names: Vec<_> = identities.iter().map(|identity| identity.dn.as_str().to_owned()).collect();
        let attributes =
            [Right::SendAs, Right::SendOnBehalf, Right::Schedule].map(|r| self.schema.granting(r));
        let parts =
            attributes.into_iter().flatten().map(|attribute| match self.schema.grant_form(attribute) {
                GrantForm::Dn if self.compares_names(attribute) => any_of([attribute], &names),
                // Every entry has one; what has no address is nobody's principal.
                GrantForm::Descriptor => {
                    let addresses = self.schema.address.iter().chain(&self.schema.alias);
                    Filter::or(addresses.map(|own| Filter::present(own)))
                }
                // Text can be written in too many ways to ask for each.
                GrantForm::Dn | GrantForm::Number | GrantForm::Deputy => Filter::present(attribute),
            });
        let mut found = self.find(None, &Filter::or(parts)).await?;
        let grants = |found: &Found| {
            let mut grants = found.entry.grants.iter();
            grants.any(|grant| identities.iter().any(|identity| grant.delegate.names(identity)))
        };
        found.retain(|found| found.is_principal && grants(found));
        Ok(found)
    }

    /// Whether the directory itself compares the values of an attribute as names of entries: those of others may be text,
    /// such as `kolabDelegate`, and so may all in a file.
    fn compares_names(&self, attribute: &str) -> bool {
        match self.entries {
            Entries::File(_) => false,
            Entries::Server(_) => {
                self.schema.dialect == Dialect::ActiveDirectory || grants::is_ours(attribute)
            }
        }
    }

    /// Whom a group names as its members; values that name nobody are left out.
    pub(super) async fn members(&self, group: &Dn) -> Result<Vec<MemberName>, Failure> {
        let attributes: Vec<_> = self.schema.member.iter().map(|member| member.attribute.clone()).collect();
        let records = self.records(Some(group), &Filter::present(OBJECT_CLASS), &attributes).await?;
        let Some(record) = records.iter().find(|record| record.dn == *group) else { return Ok(Vec::new()) };
        let mut reader = Reader::new(self.schema, record);
        let mut members = Vec::new();
        for member in &self.schema.member {
            let texts = reader.texts(std::slice::from_ref(&member.attribute));
            members.extend(texts.into_iter().filter_map(|(_, value)| member.name(value).ok()));
        }
        Ok(members)
    }

    /// Whether it has members, as groups have.
    pub(super) async fn has_members(&self, dn: &Dn) -> Result<bool, Failure> {
        let has = self.schema.member.iter().map(|member| Filter::present(&member.attribute));
        let found = self.records(Some(dn), &Filter::or(has), &[NO_ATTRIBUTES.to_owned()]).await?;
        Ok(found.iter().any(|record| record.dn == *dn))
    }

    /// What matches, or more: who asks compares again.
    async fn find(&self, at: Option<&Dn>, condition: &Filter) -> Result<Vec<Found>, Failure> {
        let records = self.records(at, condition, &self.attributes()).await?;
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let schema = self.schema;
        let people = self.those(at, condition, &schema.person, &records).await?;
        let groups = self.those(at, condition, &schema.security_group, &records).await?;
        let principals = self.those(at, condition, &schema.principal, &records).await?;
        let mut found: Vec<_> = records
            .into_iter()
            .map(|record| {
                let is_person = people.contains(&record.dn);
                Found {
                    entry: Arc::new(Reader::new(schema, &record).entry(is_person)),
                    is_person,
                    is_group: groups.contains(&record.dn),
                    is_principal: principals.contains(&record.dn),
                    record,
                }
            })
            .collect();
        found.sort_by(|a, b| a.entry.dn.cmp(&b.entry.dn));
        Ok(found)
    }

    /// Those of the records that a filter of the configuration matches. A server is asked, for it keeps the superclasses
    /// of an entry's classes to itself.
    async fn those(
        &self,
        at: Option<&Dn>,
        condition: &Filter,
        kind: &Filter,
        records: &[Record],
    ) -> Result<HashSet<Dn>, Failure> {
        if *kind == Filter::present(OBJECT_CLASS) {
            return Ok(records.iter().map(|record| record.dn.clone()).collect());
        }
        let both = Filter::and([kind.clone(), condition.clone()]);
        let names = [NO_ATTRIBUTES.to_owned()];
        Ok(self.records(at, &both, &names).await?.into_iter().map(|record| record.dn).collect())
    }

    async fn records(
        &self,
        at: Option<&Dn>,
        filter: &Filter,
        attributes: &[String],
    ) -> Result<Vec<Record>, Failure> {
        match &self.entries {
            Entries::Server(server) => server.find(at, filter, attributes).await,
            Entries::File(records) => {
                let is_there = |record: &&Record| at.is_none_or(|dn| record.dn == *dn);
                let matching = records.iter().filter(is_there).filter(|record| filter.matches(record));
                Ok(matching.cloned().collect())
            }
        }
    }

    /// What is read of an entry: all that messages read, but members.
    fn attributes(&self) -> Vec<String> {
        let members: HashSet<_> = self.schema.member.iter().map(|member| key(&member.attribute)).collect();
        let mut seen = HashSet::new();
        let wanted =
            self.schema.attributes().filter(|name| !members.contains(&key(name)) && seen.insert(key(name)));
        wanted.map(str::to_owned).collect()
    }
}
