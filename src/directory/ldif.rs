//! The embedded directory: one LDIF file (RFC 2849), read at start and held in memory.
//!
//! For a trial or a small site. It answers the same questions as a server; every answer is a look-up in an index and
//! ready at once, and nothing can fail once the file is read. A file that is not what it should be is an error that
//! names the line; a value that cannot be used is left out and told by [`LdifDirectory::doubtful`].

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::address::Address;
use crate::directory::entry::{Doubt, Doubtful, MAX_NAME, Reader};
use crate::directory::filter::FilterError;
use crate::directory::login::Login;
use crate::directory::record::{Record, key};
use crate::directory::schema::{MemberName, Schema, is_binary};
use crate::directory::{Directory, Failure, Groups, alone};
use crate::dn::Dn;
use crate::grant::{Entry, Sid};
use crate::reply::{printable, printable_within};

mod reader;
pub(crate) mod writer;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LdifError {
    /// The system does not give it.
    #[error("{}: cannot be read: {error}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// It is not as RFC 2849 has it, or has something that is not read.
    #[error("{}, line {line}: {problem}", file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The number of the line, from 1; of a folded one, where it begins.
        line: usize,
        /// What is wrong.
        problem: Problem,
    },
    /// Nobody is in it.
    #[error("{}: there is no entry{}", file.display(), within(base.as_ref()))]
    NoEntries {
        /// The file.
        file: PathBuf,
        /// `directory.base_dn`
        base: Option<Dn>,
    },
    /// A filter of the configuration needs a server.
    #[error("directory.filters.{name}: {error}")]
    Filter {
        /// The key of the filter.
        name: &'static str,
        /// What is wrong.
        error: FilterError,
    },
}

fn within(base: Option<&Dn>) -> String {
    base.map(|base| format!(" in or below directory.base_dn, {base}")).unwrap_or_default()
}

/// What is wrong with a line.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Problem {
    /// A continuation of nothing.
    #[error(
        "it begins with a space, but there is no line that it could continue; an empty line has no spaces"
    )]
    Continuation,
    /// Another version.
    #[error("only version 1 of LDIF is known (RFC 2849)")]
    Version,
    /// A record without a name.
    #[error(
        "an entry begins with `dn:`, not with `{}:`; the output of ldapsearch can be read if made with -LLL",
        printable(.0)
    )]
    NoName(String),
    /// Two names in one record.
    #[error("a second `dn:` in one entry; put an empty line before it")]
    SecondName,
    /// A change record.
    #[error(
        "changes cannot be read, only entries as slapcat and `ldapsearch -LLL` write them; apply the change to \
             a server, or write the entry as it shall be"
    )]
    Change,
    /// No attribute.
    #[error(
        "there is no `:`; a line is `attribute: value`, and a value that goes on in the next line goes on there \
             after one space"
    )]
    NoColon,
    /// An attribute's name that is none.
    #[error("there is no attribute name before the `:`")]
    Attribute,
    /// Two colons without base64.
    #[error("what follows `::` is not base64 (RFC 4648, with padding)")]
    Base64,
    /// A value by reference.
    #[error("a value by URL (`:<`) is not read; write the value itself, or its base64 after `::`")]
    Url,
    /// Octets where text is needed.
    #[error(
        "the value is not text in UTF-8; save the file as UTF-8, or write the base64 of UTF-8 after `::`"
    )]
    NotText,
    /// A name that is none.
    #[error(
        "`{}` is not the name of an entry, such as uid=anna,ou=people,dc=example,dc=org (RFC 4514)",
        printable(.0)
    )]
    Name(String),
    /// A name that was there before.
    #[error(
        "{name} is already on line {first}; remove one of the two entries, or join them",
        name = printable_within(.0.as_str(), MAX_NAME),
        first = .1
    )]
    Again(Dn, usize),
}

/// A problem and its line, before the file's name is known.
struct Located {
    line: usize,
    problem: Problem,
}

/// What points at entries: their numbers, ascending, which is the order of their names.
type Index<K> = HashMap<K, Vec<usize>>;

fn point<K: Eq + Hash>(index: &mut Index<K>, key: K, number: usize) {
    let numbers = index.entry(key).or_default();
    if numbers.last() != Some(&number) {
        numbers.push(number);
    }
}

/// The entries of a file.
#[derive(Debug, Default)]
pub struct LdifDirectory {
    /// In the order of their names.
    entries: Vec<Held>,
    by_dn: HashMap<Dn, usize>,
    /// The people, by the values of each login attribute.
    by_login: Vec<Index<Login>>,
    /// The principals.
    by_address: Index<Address>,
    /// The groups, by the names of their members.
    by_member: Index<Dn>,
    /// The groups, by the logins of their members, as [`exact`] has them.
    by_member_login: Index<String>,
    doubtful: Vec<Doubt>,
}

#[derive(Debug)]
struct Held {
    entry: Arc<Entry>,
    kind: Groups,
}

impl LdifDirectory {
    /// Reads a file. Of entries outside `base_dn` nothing is known, as with a server: a file often holds the whole
    /// suffix; but if no entry is within, the name is a mistake.
    pub fn load(file: &Path, schema: &Schema, base_dn: Option<&Dn>) -> Result<Self, LdifError> {
        Self::parse(file, &octets(file)?, schema, base_dn)
    }

    /// Reads the text of a file; `file` is its name, for errors.
    pub fn parse(file: &Path, text: &[u8], schema: &Schema, base_dn: Option<&Dn>) -> Result<Self, LdifError> {
        let records = parse(file, text, schema, base_dn)?;
        let mut directory = Self { by_login: vec![Index::new(); schema.login.len()], ..Self::default() };
        for record in &records {
            directory.insert(schema, record);
        }
        Ok(directory)
    }

    /// The values that are not used, in the order of the entries' names.
    pub fn doubtful(&self) -> &[Doubt] {
        &self.doubtful
    }

    fn insert(&mut self, schema: &Schema, record: &Record) {
        let number = self.entries.len();
        let mut reader = Reader::new(schema, record);
        let entry = reader.entry(schema.person.matches(record));
        self.by_dn.insert(entry.dn.clone(), number);
        // Only people have logins.
        if entry.logins().next().is_some() {
            self.point_at_person(schema, &mut reader, number);
        }
        if schema.principal.matches(record) {
            entry.addresses().for_each(|address| point(&mut self.by_address, address.clone(), number));
        }
        self.point_at_group(schema, &mut reader, number);
        self.doubtful.extend(reader.into_doubts());
        let kind = if schema.security_group.matches(record) { Groups::Security } else { Groups::Others };
        self.entries.push(Held { entry: Arc::new(entry), kind });
    }

    fn point_at_person<'a>(&mut self, schema: &'a Schema, reader: &mut Reader<'a>, number: usize) {
        for (index, attribute) in self.by_login.iter_mut().zip(&schema.login) {
            for (_, login) in reader.texts(std::slice::from_ref(attribute)) {
                point(index, Login::of(login), number);
            }
        }
    }

    fn point_at_group<'a>(&mut self, schema: &'a Schema, reader: &mut Reader<'a>, number: usize) {
        for member in &schema.member {
            for (attribute, value) in reader.texts(std::slice::from_ref(&member.attribute)) {
                match member.name(value) {
                    Ok(MemberName::Dn(dn)) => point(&mut self.by_member, dn, number),
                    Ok(MemberName::Login(login)) => {
                        point(&mut self.by_member_login, exact(&login), number);
                    }
                    Err(error) => reader.doubt(attribute, value, Doubtful::Member(error)),
                }
            }
        }
    }

    fn held<'a>(&'a self, numbers: impl IntoIterator<Item = &'a usize>) -> impl Iterator<Item = &'a Held> {
        numbers.into_iter().filter_map(|number| self.entries.get(*number))
    }

    fn find_login(&self, login: &str, base: Option<&Dn>) -> Result<Option<Arc<Entry>>, Failure> {
        let login = Login::of(login);
        for index in &self.by_login {
            let people = self.held(index.get(&login).into_iter().flatten()).map(|held| &held.entry);
            let people: Vec<_> = people.filter(|person| is_within(person, base)).collect();
            if let Some(person) = alone(&people, |person| &person.dn)? {
                return Ok(Some(Arc::clone(person)));
            }
        }
        Ok(None)
    }

    fn find_addresses(&self, addresses: &[Address], base: Option<&Dn>) -> Vec<Arc<Entry>> {
        let numbers = addresses.iter().filter_map(|address| self.by_address.get(address)).flatten();
        let entries = self.held(numbers.collect::<BTreeSet<_>>()).map(|held| &held.entry);
        entries.filter(|entry| is_within(entry, base)).cloned().collect()
    }

    fn find_groups(&self, members: &[Arc<Entry>], kind: Groups) -> Vec<Arc<Entry>> {
        let mut numbers = BTreeSet::new();
        for member in members {
            let logins = member.logins().filter_map(|login| self.by_member_login.get(&exact(login)));
            numbers.extend(self.by_member.get(&member.dn).into_iter().chain(logins).flatten());
        }
        self.held(numbers).filter(|held| held.kind == kind).map(|held| held.entry.clone()).collect()
    }
}

/// RFC 2307 gives memberUid `caseExactIA5Match`, to which case matters and the number of spaces does not (RFC 4518
/// section 2.6.1).
fn exact(login: &str) -> String {
    login.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_within(entry: &Entry, base: Option<&Dn>) -> bool {
    base.is_none_or(|base| entry.dn.is_within(base))
}

impl Directory for LdifDirectory {
    async fn by_login(&self, login: &str, base: Option<&Dn>) -> Result<Option<Arc<Entry>>, Failure> {
        self.find_login(login, base)
    }

    async fn by_address(&self, addresses: &[Address], base: Option<&Dn>) -> Result<Vec<Arc<Entry>>, Failure> {
        Ok(self.find_addresses(addresses, base))
    }

    async fn groups_of(&self, members: &[Arc<Entry>], kind: Groups) -> Result<Vec<Arc<Entry>>, Failure> {
        Ok(self.find_groups(members, kind))
    }

    async fn by_dn(&self, dn: &Dn) -> Result<Option<Arc<Entry>>, Failure> {
        Ok(self.held(self.by_dn.get(dn)).next().map(|held| held.entry.clone()))
    }

    async fn by_sid(&self, sid: &Sid) -> Result<Option<Arc<Entry>>, Failure> {
        let mut entries = self.entries.iter().map(|held| &held.entry);
        Ok(entries.find(|entry| entry.sid() == Some(sid)).cloned())
    }
}

/// The records of a file as they are, for the administrator's commands; see [`LdifDirectory::load`].
pub fn read(file: &Path, schema: &Schema, base_dn: Option<&Dn>) -> Result<Vec<Record>, LdifError> {
    parse(file, &octets(file)?, schema, base_dn)
}

fn octets(file: &Path) -> Result<Vec<u8>, LdifError> {
    std::fs::read(file).map_err(|error| LdifError::Read { file: file.to_owned(), error })
}

/// The records of the text of a file; `file` is its name, for errors.
pub fn parse(
    file: &Path,
    text: &[u8],
    schema: &Schema,
    base_dn: Option<&Dn>,
) -> Result<Vec<Record>, LdifError> {
    for (name, filter) in schema.filters() {
        filter.evaluable().map_err(|error| LdifError::Filter { name, error })?;
    }
    let located = |Located { line, problem }| LdifError::Line { file: file.to_owned(), line, problem };
    let mut records = records(text, schema).map_err(located)?;
    records.retain(|record| base_dn.is_none_or(|base| record.dn.is_within(base)));
    if records.is_empty() {
        return Err(LdifError::NoEntries { file: file.to_owned(), base: base_dn.cloned() });
    }
    Ok(records)
}

/// The records of a file in the order of their names; no name twice.
fn records(text: &[u8], schema: &Schema) -> Result<Vec<Record>, Located> {
    let texts = schema.attributes().filter(|attribute| !is_binary(attribute)).map(key).collect();
    let mut lines: HashMap<Dn, usize> = HashMap::new();
    let mut records = Vec::new();
    for reader::Found { line, mut record } in reader::records(text, &texts)? {
        if let Some(first) = lines.insert(record.dn.clone(), line) {
            return Err(Located { line, problem: Problem::Again(record.dn, first) });
        }
        add_superclasses(&mut record);
        records.push(record);
    }
    records.sort_by(|a, b| a.dn.cmp(&b.dn));
    Ok(records)
}

/// RFC 4512 section 3.3: the superclasses of an entry's classes are its classes too. Servers add them; who writes a
/// file by hand leaves them out.
fn add_superclasses(record: &mut Record) {
    const CLASS: &str = "objectClass";
    // RFC 2798 section 3, RFC 4519 section 3. Of every other class, `top` is all that we know above it.
    let chain = ["inetOrgPerson", "organizationalPerson", "person", "top"];
    let is = |own: &&str, class: &[u8]| own.as_bytes().eq_ignore_ascii_case(class);
    let above = |class| chain.iter().position(|own| is(own, class)).map_or(chain.len() - 1, |at| at + 1);
    let Some(missing) = record.values(CLASS).map(above).min() else { return };
    for class in chain.iter().skip(missing) {
        record.push(CLASS, class.as_bytes().to_vec());
    }
}

#[cfg(test)]
mod tests;
