//! The indexes of an OpenLDAP server, as far as its configuration may be read (slapd-mdb(5), `index`).

use super::report::{Finding, Level, Report, quoted};
use super::schema::Known;
use crate::directory::filter::Filter;
use crate::directory::ldif::writer;
use crate::directory::record::Record;
use crate::directory::schema::Schema;
use crate::dn::Dn;

/// What findings are about.
pub(super) const INDEXES: &str = "indexes";

/// Where slapd keeps its configuration (slapd-config(5)).
pub(super) const CONFIGURATION: &str = "cn=config";
pub(super) const ATTRIBUTES: [&str; 2] = ["olcSuffix", "olcDbIndex"];

/// What is asked for there.
pub(super) fn databases() -> Filter {
    Filter::present("olcSuffix")
}

/// Which attributes are compared by the questions of messages, as far as the server knows them; each once.
fn needed<'a>(schema: &'a Schema, known: &Known) -> Vec<&'a str> {
    let members = schema.member.iter().map(|member| &member.attribute);
    let lists = schema.login.iter().chain(&schema.address).chain(&schema.alias).chain(members);
    let mut seen = Vec::new();
    let mut needed = Vec::new();
    for attribute in std::iter::once("objectClass").chain(lists.map(String::as_str)) {
        if let Some(oid) = known.attribute(attribute).filter(|oid| !seen.contains(oid)) {
            seen.push(oid);
            needed.push(attribute);
        }
    }
    needed
}

/// Compares what is needed with what the databases have.
pub(super) fn check(schema: &Schema, known: &Known, base: &Dn, databases: &[Record], report: &mut Report) {
    let needed = needed(schema, known);
    let Some(database) = database_of(base, databases) else {
        let why = if databases.is_empty() {
            "the server's configuration cannot be read".to_owned()
        } else {
            format!("no database in the server's configuration has {}", quoted(base.as_str()))
        };
        let text = format!("not checked, for {why}; needed, for equality, are {}", needed.join(", "));
        return report.note(INDEXES, text);
    };
    let indexes = Indexes::of(database, known);
    let (other, missing): (Vec<_>, Vec<_>) = needed
        .into_iter()
        .filter(|attribute| !indexes.has(known, attribute, true))
        .partition(|attribute| indexes.has(known, attribute, false));
    if missing.is_empty() && other.is_empty() {
        return report.ok(INDEXES, "all that are needed are there");
    }
    if !other.is_empty() {
        let text = format!("of {} there are indexes, but none for equality", other.join(", "));
        report.warning(INDEXES, text, "add eq to their lines of olcDbIndex");
    }
    if !missing.is_empty() {
        report.add(Finding {
            level: Level::Warning,
            about: INDEXES,
            text: format!("each question reads every entry: there is no index of {}", missing.join(", ")),
            advice: Some(
                "add them; the changes are below, and for our own schema in contrib/ldap/indexes.ldif"
                    .to_owned(),
            ),
            ldif: Some(additions(&database.dn, &missing)),
        });
    }
}

/// The database that holds an entry: the one with the longest suffix above it.
pub(super) fn database_of<'r>(base: &Dn, databases: &'r [Record]) -> Option<&'r Record> {
    let depth = |database: &&Record| {
        let suffixes = texts(database, "olcSuffix").filter_map(|suffix| Dn::parse(suffix).ok());
        suffixes.filter(|suffix| base.is_within(suffix)).map(|suffix| suffix.depth() + 1).max().unwrap_or(0)
    };
    databases.iter().filter(|database| depth(database) > 0).max_by_key(depth)
}

/// The lines of a database, each the attributes and whether equality is indexed.
struct Indexes(Vec<(String, bool)>);

impl Indexes {
    /// `olcDbIndex: ATTRIBUTE,… [TYPE,…]`; without types, those of the line `default`.
    fn of(database: &Record, known: &Known) -> Self {
        let line = |text: &str| {
            let (attributes, types) = text.split_once([' ', '\t']).unwrap_or((text, ""));
            (attributes.to_owned(), types.trim().to_owned())
        };
        let lines: Vec<_> = texts(database, "olcDbIndex").map(line).collect();
        let is_default = |(attributes, _): &&(String, String)| attributes.eq_ignore_ascii_case("default");
        let default = lines.iter().find(is_default).map(|(_, types)| types.clone()).unwrap_or_default();
        let mut indexes = Vec::new();
        for (attributes, types) in &lines {
            let types = if types.is_empty() { &default } else { types };
            let equality = types.split(',').any(|kind| kind.trim().eq_ignore_ascii_case("eq"));
            for oid in attributes.split(',').filter_map(|attribute| known.attribute(attribute.trim())) {
                indexes.push((oid.to_owned(), equality));
            }
        }
        Self(indexes)
    }

    fn has(&self, known: &Known, attribute: &str, equality: bool) -> bool {
        let oid = known.attribute(attribute);
        self.0.iter().any(|(own, equal)| Some(own.as_str()) == oid && (*equal || !equality))
    }
}

fn texts<'r>(record: &'r Record, attribute: &str) -> impl Iterator<Item = &'r str> {
    record.values(attribute).filter_map(|value| std::str::from_utf8(value).ok())
}

/// One change (RFC 2849) that adds the indexes.
fn additions(database: &Dn, attributes: &[&str]) -> String {
    let name = writer::line("dn", database.as_str().as_bytes());
    let lines = attributes.iter().map(|attribute| format!("\nolcDbIndex: {attribute} eq"));
    format!("{name}\nchangetype: modify\nadd: olcDbIndex{}\n", lines.collect::<String>())
}
