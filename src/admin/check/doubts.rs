//! Doubtful entries: what stands in a directory and does not work as its administrator may think.
//!
//! Entries are seen one by one; what they have in common is known once all were seen. Of an entry only its name, its
//! addresses, logins and grants are kept.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::report::{Finding, Level, Report, quoted};
use crate::directory::entry::{Doubt, Doubtful, Reader};
use crate::directory::login::Login;
use crate::directory::record::Record;
use crate::directory::schema::Schema;
use crate::dn::Dn;
use crate::grant::{Delegate, Entry, GrantRules, Right, Sid};

mod grants;
mod shared;

/// What findings are about.
const ENTRIES: &str = "entries";

/// How many of each kind are told.
const TOLD: usize = 20;

/// How many names are told of those who share something.
const NAMES: usize = 5;

/// The kinds of doubt, in the order in which they are told.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Kind {
    Login,
    Address,
    Value,
    Primary,
    AliasesOnly,
    Itself,
    Nobody,
    NoDelegate,
    OtherContext,
    Several,
    NoAddress,
    Disabled,
}

impl Kind {
    fn advice(self) -> &'static str {
        match self {
            Self::Login => {
                "all mail of this login is deferred (451); take it from all but one, or keep them apart with \
                 [[context]] and its domains"
            }
            Self::Address => {
                "a right counts only if all of them grant it; take the address from all but one, unless that is \
                 meant"
            }
            Self::Value => "it does not count; correct or remove it",
            Self::Primary => {
                "the smallest by bytes counts as the primary address; keep one value and make aliases of the \
                 others, unless that is meant"
            }
            Self::AliasesOnly => "the first of them counts as the primary address; give it one of its own",
            Self::Itself => "it grants nothing; remove it",
            Self::Nobody => "it grants nothing; remove it, or name who is meant",
            Self::NoDelegate => {
                "it grants nothing; name people or security groups: a distribution list is never a delegate"
            }
            Self::OtherContext => "it grants nothing: grants never cross contexts; remove it",
            Self::Several => "it counts for each of them; name the one who is meant by the entry's name",
            Self::NoAddress => "its messages are refused, for Sender cannot be written; give it an address",
            Self::Disabled => "it grants nothing; enable delegation there, or remove it",
        }
    }
}

/// Entry by entry, what may be doubtful.
pub(super) struct Survey<'a> {
    schema: &'a Schema,
    rules: &'a GrantRules,
    entries: Vec<Seen>,
    by_dn: HashMap<Arc<Dn>, usize>,
    by_sid: HashMap<Sid, usize>,
    /// By the values of each login attribute.
    by_login: Vec<Index>,
    by_address: Index,
    by_number: Index,
    grants: Vec<Granted>,
    /// The attributes that matter most of which no entry had a value so far.
    missing: Vec<&'a str>,
    doubts: BTreeMap<Kind, Told>,
}

/// The doubts of a kind: the first by their text, and how many there are.
#[derive(Default)]
struct Told {
    first: BTreeSet<String>,
    count: usize,
}

/// Who has a value, by the text in which it is compared.
type Index = HashMap<Box<str>, Vec<usize>>;

/// The text in which a login is compared.
fn key(login: &Login) -> Cow<'_, str> {
    match login {
        Login::Address(address) => address.key().into(),
        Login::Name(name) => (&**name).into(),
    }
}

/// An entry.
struct Seen {
    dn: Arc<Dn>,
    /// The primary address, as it is compared.
    primary: Option<Box<str>>,
    is: Roles,
}

/// What the directory's filters take an entry for.
#[derive(Clone, Copy, Debug, Default)]
struct Roles {
    person: bool,
    principal: bool,
    security_group: bool,
}

impl Roles {
    fn mark(&mut self, role: Role) {
        match role {
            Role::Person => self.person = true,
            Role::Principal => self.principal = true,
            Role::SecurityGroup => self.security_group = true,
        }
    }
}

/// What an entry can be taken for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    Person,
    Principal,
    SecurityGroup,
}

/// A grant that may work; what is known of it once its principal was seen.
struct Granted {
    principal: usize,
    right: Right,
    attribute: String,
    value: String,
    delegate: Delegate,
    /// Which scope says that delegation is not enabled, if it has to be.
    disabled: Option<&'static str>,
}

impl<'a> Survey<'a> {
    pub(super) fn new(schema: &'a Schema, rules: &'a GrantRules) -> Self {
        Self {
            schema,
            rules,
            entries: Vec::new(),
            by_dn: HashMap::new(),
            by_sid: HashMap::new(),
            by_login: vec![Index::new(); schema.login.len()],
            by_address: Index::new(),
            by_number: Index::new(),
            grants: Vec::new(),
            missing: principal_attributes(schema),
            doubts: BTreeMap::new(),
        }
    }

    /// How many entries were seen.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many of them are people.
    pub(super) fn people(&self) -> usize {
        self.entries.iter().filter(|entry| entry.is.person).count()
    }

    /// How many addresses they have.
    pub(super) fn addresses(&self) -> usize {
        self.by_address.len()
    }

    /// How many grants there are.
    pub(super) fn granted(&self) -> usize {
        self.grants.len()
    }

    /// Attributes by which people are found and grant, of which no entry has a value.
    pub(super) fn missing(&self) -> &[&'a str] {
        &self.missing
    }

    /// Looks at an entry; what it is taken for is said by [`Survey::mark`].
    pub(super) fn see(&mut self, record: &Record) {
        let number = self.entries.len();
        let schema = self.schema;
        self.missing.retain(|attribute| record.values(attribute).next().is_none());
        let mut reader = Reader::new(schema, record);
        let entry = reader.entry(true);
        self.see_addresses(&mut reader, &entry, number);
        for (index, attribute) in self.by_login.iter_mut().zip(&schema.login) {
            for (_, login) in reader.texts(std::slice::from_ref(attribute)) {
                point(index, &key(&Login::of(login)), number);
            }
        }
        entry.numbers.iter().for_each(|own| point(&mut self.by_number, own, number));
        self.see_grants(&mut reader, &entry, number);
        see_members(schema, &mut reader);
        self.see_doubts(reader.into_doubts());
        let dn = Arc::new(entry.dn.clone());
        self.by_dn.insert(dn.clone(), number);
        self.by_sid.extend(entry.sid().map(|sid| (sid.clone(), number)));
        let primary = entry.primary().map(|address| address.key().into());
        self.entries.push(Seen { dn, primary, is: Roles::default() });
    }

    /// Says that the directory takes an entry for this.
    pub(super) fn mark(&mut self, dn: &Dn, role: Role) {
        if let Some(entry) = self.by_dn.get(dn).and_then(|number| self.entries.get_mut(*number)) {
            entry.is.mark(role);
        }
    }

    /// Says it of all entries that were seen.
    pub(super) fn mark_all(&mut self, role: Role) {
        self.entries.iter_mut().for_each(|entry| entry.is.mark(role));
    }

    fn see_addresses(&mut self, reader: &mut Reader<'_>, entry: &Entry, number: usize) {
        for address in entry.addresses() {
            point(&mut self.by_address, &address.key(), number);
        }
        if entry.mail.is_empty() && !entry.aliases.is_empty() {
            let aliases = self.schema.alias.join(", ");
            self.doubt(Kind::AliasesOnly, format!("{} has addresses in {aliases} alone", named(&entry.dn)));
        }
        let logins = reader.login_addresses();
        if entry.mail.len() > 1 && !entry.mail.iter().any(|address| logins.contains(address)) {
            let values = entry.mail.iter().map(|address| quoted(&address.to_string()));
            let values = listed(values.collect());
            let attributes = self.schema.address.join(", ");
            self.doubt(
                Kind::Primary,
                format!("{}: {attributes} has {values}, none of them a login", named(&entry.dn)),
            );
        }
    }

    fn see_doubts(&mut self, doubts: Vec<Doubt>) {
        let mut told: Vec<Doubt> = Vec::new();
        // A value of two lists of attributes is read twice.
        for doubt in doubts {
            if !told.contains(&doubt) {
                let Doubt { dn, attribute, value, reason } = &doubt;
                let text = format!("{}: {attribute} has {}: {reason}", named(dn), quoted(value));
                self.doubt(Kind::Value, text);
                told.push(doubt);
            }
        }
    }

    fn doubt(&mut self, kind: Kind, text: String) {
        let told = self.doubts.entry(kind).or_default();
        told.count += 1;
        told.first.insert(text);
        if told.first.len() > TOLD {
            told.first.pop_last();
        }
    }

    /// Tells what is doubtful, now that all entries were seen.
    pub(super) fn tell(mut self, report: &mut Report) {
        self.compare_logins();
        self.compare_addresses();
        self.follow_grants();
        if self.doubts.is_empty() {
            report.ok(ENTRIES, "none is doubtful");
        }
        for (kind, Told { first, count }) in self.doubts {
            let advice = Some(kind.advice().to_owned());
            let more = count.checked_sub(TOLD).filter(|more| *more > 0);
            for text in first.into_iter().chain(more.map(|more| format!("{more} more of this kind"))) {
                let advice = advice.clone();
                report.add(Finding { level: Level::Warning, about: ENTRIES, text, advice, ldif: None });
            }
        }
    }

    /// Those of the entries of which it is true.
    fn those<'n>(
        &self,
        numbers: impl IntoIterator<Item = &'n usize>,
        is: impl Fn(&Seen) -> bool,
    ) -> Vec<usize> {
        let is = |number: &&usize| self.entries.get(**number).is_some_and(&is);
        numbers.into_iter().filter(is).copied().collect()
    }

    fn dn(&self, number: usize) -> Option<&Dn> {
        self.entries.get(number).map(|entry| entry.dn.as_ref())
    }
}

fn principal_attributes(schema: &Schema) -> Vec<&str> {
    let lists = [&schema.login, &schema.address, &schema.send_as, &schema.send_on_behalf];
    let mut attributes: Vec<&str> = Vec::new();
    for attribute in lists.into_iter().flatten() {
        if !attributes.contains(&attribute.as_str()) {
            attributes.push(attribute);
        }
    }
    attributes
}

/// As servers hold members to their syntax, this is for files.
fn see_members<'s>(schema: &'s Schema, reader: &mut Reader<'s>) {
    for member in &schema.member {
        for (attribute, value) in reader.texts(std::slice::from_ref(&member.attribute)) {
            if let Err(error) = member.name(value) {
                reader.doubt(attribute, value, Doubtful::Member(error));
            }
        }
    }
}

fn point(index: &mut Index, key: &str, number: usize) {
    // Most keys are new, and have one entry.
    let numbers = match index.get_mut(key) {
        Some(numbers) => numbers,
        None => index.entry(key.into()).or_insert_with(|| Vec::with_capacity(1)),
    };
    if numbers.last() != Some(&number) {
        numbers.push(number);
    }
}

fn named(dn: &Dn) -> String {
    quoted(dn.as_str())
}

/// Some of the values, and how many more there are.
fn listed(values: Vec<String>) -> String {
    let count = values.len();
    let more = (count > NAMES).then(|| format!("{} more", count - NAMES));
    values.into_iter().take(NAMES).chain(more).collect::<Vec<_>>().join(" and ")
}
