//! Which tables say who owns an address: `smtpd_sender_login_maps`, as the services have it on which people log in.

use std::path::{Path, PathBuf};

use super::postmap;
use crate::admin::check::postfix::postconf::{self, PostconfError};
use crate::admin::check::postfix::settings::{self, Service, Settings, Values};
use crate::reply;

const PARAMETER: &str = "smtpd_sender_login_maps";

/// Lists in which the tables are put to use.
const LISTS: [&str; 7] = [
    "smtpd_client_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
    "smtpd_data_restrictions",
    "smtpd_end_of_data_restrictions",
];

/// postconf(5): who logged in needs an entry in the tables.
const STRICT: [&str; 2] = ["reject_sender_login_mismatch", "reject_authenticated_sender_login_mismatch"];
/// The same, but an address that the tables do not have is anybody's.
const KNOWN: &str = "reject_known_sender_login_mismatch";

/// How deep tables may stand in tables.
const DEPTH: usize = 8;

/// Tables of which every key can be read.
const LISTED: [&str; 8] = ["hash", "btree", "texthash", "inline", "lmdb", "cdb", "dbm", "sdbm"];
/// Tables that match patterns: they are asked for whole addresses alone (`mail_addr_find` of Postfix).
const PATTERNS: [&str; 3] = ["pcre", "regexp", "cidr"];

/// Why there are no tables.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Postfix's settings cannot be read.
    #[error("{said}; {advice}")]
    Settings {
        /// What is wrong.
        said: String,
        /// What to do.
        advice: &'static str,
    },
    /// No service that takes logins has any.
    #[error(
        "smtpd_sender_login_maps of {} is empty where people log in: Postfix holds nobody to an address today, so there \
         is nothing to import; name the tables if they are elsewhere", .0.display()
    )]
    Empty(PathBuf),
    /// Several services have different ones.
    #[error("services have different smtpd_sender_login_maps, give one of them: {0}")]
    Several(String),
    /// It is no list of tables.
    #[error("\"{}\" is not a table of Postfix: write TYPE:NAME, such as hash:/etc/postfix/login_maps", reply::printable(.0))]
    NoTable(String),
}

/// The tables, and what Postfix makes of them.
pub(super) struct Source {
    /// Where `main.cf` is.
    pub(super) directory: PathBuf,
    /// In the order in which they are asked.
    pub(super) tables: Vec<Table>,
    /// The domains in which a name alone is an address: `myorigin`, `mydestination`.
    pub(super) local: Vec<String>,
    /// `recipient_delimiter`
    pub(super) delimiters: String,
    /// Whether an address that no table has is refused to those who logged in.
    pub(super) refuses_unlisted: bool,
    /// What one should know.
    pub(super) notes: Vec<String>,
}

/// A table.
pub(super) struct Table {
    /// `type:name`, as postmap(1) is asked.
    pub(super) spec: String,
    /// Whether it matches patterns alone.
    pub(super) only_patterns: bool,
    /// The tables in it of which every key can be read, itself perhaps.
    pub(super) listed: Vec<String>,
}

impl Source {
    /// Finds out what a Postfix has, or takes these tables in its place.
    pub(super) fn find(directory: &Path, map: Option<&str>) -> Result<Self, SourceError> {
        let (settings, warnings) = postconf::read(directory).map_err(|error| unreadable(&error))?;
        let mut notes: Vec<_> = warnings.iter().map(|warning| reply::printable(warning)).collect();
        let spec = match map {
            Some(map) => map.to_owned(),
            None => of_services(&settings)?,
        };
        let tables = settings::words(&spec).into_iter().map(|word| table(word, DEPTH));
        let tables = tables.collect::<Option<Vec<_>>>().ok_or_else(|| SourceError::NoTable(spec.clone()))?;
        if tables.is_empty() {
            return Err(SourceError::NoTable(spec));
        }
        let refuses_unlisted = refuses_unlisted(&settings, &mut notes);
        Ok(Self {
            tables,
            local: local(&settings.main),
            delimiters: settings.main.get("recipient_delimiter").to_owned(),
            refuses_unlisted,
            notes,
            directory: settings.directory,
        })
    }
}

fn unreadable(error: &PostconfError) -> SourceError {
    SourceError::Settings { said: error.to_string(), advice: error.advice() }
}

fn takers(settings: &Settings) -> impl Iterator<Item = &Service> {
    settings.running("smtpd").filter(|service| service.takes_logins())
}

/// What the services have on which people log in; `main.cf`, if there is none of them.
fn of_services(settings: &Settings) -> Result<String, SourceError> {
    let mut found: Vec<(&str, Vec<String>)> = Vec::new();
    for service in takers(settings) {
        let value = service.values.get(PARAMETER);
        match found.iter_mut().find(|(own, _)| *own == value) {
            Some((_, labels)) => labels.push(service.label()),
            None => found.push((value, vec![service.label()])),
        }
    }
    found.retain(|(value, _)| !value.is_empty());
    match found.as_slice() {
        [(value, _)] => Ok((*value).to_owned()),
        [] if takers(settings).next().is_none() && !settings.main.get(PARAMETER).is_empty() => {
            Ok(settings.main.get(PARAMETER).to_owned())
        }
        [] => Err(SourceError::Empty(settings.directory.clone())),
        several => {
            let shown = several.iter().map(|(value, labels)| format!("{value} ({})", labels.join(", ")));
            Err(SourceError::Several(reply::printable_within(&shown.collect::<Vec<_>>().join("; "), 1000)))
        }
    }
}

/// Whether all services on which people log in refuse what the tables do not have; tells where they do otherwise.
fn refuses_unlisted(settings: &Settings, notes: &mut Vec<String>) -> bool {
    let has = |service: &Service, name: &str| {
        LISTS.iter().any(|list| service.values.restrictions(list).contains(&name))
    };
    let mut strict = true;
    for service in takers(settings) {
        let label = service.label();
        if STRICT.iter().any(|name| has(service, name)) {
            continue;
        }
        if has(service, KNOWN) {
            strict = false;
            notes.push(format!(
                "{label}: {KNOWN} lets anybody who logs in use an address that the tables do not have; then it is \
                 refused, unless it is the login's own or granted"
            ));
        } else {
            notes.push(format!(
                "{label}: no restriction puts the tables to use, and people write as anybody there today; the verdicts \
                 of today are told as if reject_authenticated_sender_login_mismatch were there"
            ));
        }
    }
    strict
}

/// postconf(5): `myorigin` may be the name of a file; `mydestination` names domains, and tables, which are not read.
fn local(main: &Values) -> Vec<String> {
    let origin = main.get("myorigin");
    let origin = match origin.strip_prefix('/') {
        Some(_) => std::fs::read_to_string(origin).unwrap_or_default().trim().to_owned(),
        None => origin.to_owned(),
    };
    let mut domains = vec![origin];
    let words = main.list("mydestination").into_iter();
    domains.extend(words.filter(|word| !word.contains([':', '/', '!'])).map(str::to_owned));
    domains.iter_mut().for_each(|domain| domain.make_ascii_lowercase());
    domains.retain(|domain| !domain.is_empty());
    domains.sort_unstable();
    domains.dedup();
    domains
}

/// DATABASE_README, proxymap(8), unionmap and pipemap of postmap(1). proxymap(8) opens for chrooted services what this
/// program may open itself.
fn table(word: &str, depth: usize) -> Option<Table> {
    let word = word.strip_prefix("proxy:").unwrap_or(word);
    let (kind, name) = word.split_once(':')?;
    if kind.is_empty() || name.is_empty() || !postmap::is_kind(kind) {
        return None;
    }
    if !matches!(kind, "unionmap" | "pipemap") {
        let listed = LISTED.contains(&kind).then(|| word.to_owned());
        let only_patterns = PATTERNS.contains(&kind);
        return Some(Table { spec: word.to_owned(), only_patterns, listed: listed.into_iter().collect() });
    }
    let inner = settings::words(settings::in_braces(name)?).into_iter();
    let inner: Vec<_> = inner.map(|word| table(word, depth.checked_sub(1)?)).collect::<Option<_>>()?;
    let specs: Vec<_> = inner.iter().map(|table| table.spec.as_str()).collect();
    // What a pipemap is asked for is what its first table is asked for.
    let asked = if kind == "pipemap" { 1 } else { inner.len() };
    Some(Table {
        spec: format!("{kind}:{{{}}}", specs.join(", ")),
        only_patterns: inner.iter().all(|table| table.only_patterns),
        listed: inner.iter().take(asked).flat_map(|table| table.listed.clone()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_what_of_them_can_be_listed() {
        for (word, expected) in [
            (
                "hash:/etc/postfix/maps",
                Some(("hash:/etc/postfix/maps", false, vec!["hash:/etc/postfix/maps"])),
            ),
            ("proxy:btree:m", Some(("btree:m", false, vec!["btree:m"]))),
            ("pcre:p", Some(("pcre:p", true, vec![]))),
            ("proxy:ldap:/etc/postfix/l.cf", Some(("ldap:/etc/postfix/l.cf", false, vec![]))),
            ("inline:{ {a@x = b} }", Some(("inline:{ {a@x = b} }", false, vec!["inline:{ {a@x = b} }"]))),
            (
                "unionmap:{proxy:hash:a, pcre:b,texthash:c}",
                Some(("unionmap:{hash:a, pcre:b, texthash:c}", false, vec!["hash:a", "texthash:c"])),
            ),
            ("pipemap:{hash:a,hash:b}", Some(("pipemap:{hash:a, hash:b}", false, vec!["hash:a"]))),
            ("unionmap:{pcre:a,regexp:b}", Some(("unionmap:{pcre:a, regexp:b}", true, vec![]))),
            ("unionmap:{unionmap:{hash:a}}", Some(("unionmap:{unionmap:{hash:a}}", false, vec!["hash:a"]))),
            ("/etc/postfix/maps", None),
            ("hash:", None),
            ("-x:y", None),
            ("unionmap:hash:a", None),
        ] {
            let read = table(word, DEPTH).map(|table| (table.spec, table.only_patterns, table.listed));
            let expected = expected.map(|(spec, patterns, listed)| {
                (spec.to_owned(), patterns, listed.into_iter().map(str::to_owned).collect())
            });
            assert_eq!(read, expected, "{word}");
        }
    }

    #[test]
    fn tables_in_tables_end() {
        let deep = format!("{}hash:a{}", "unionmap:{".repeat(1000), "}".repeat(1000));
        assert!(table(&deep, DEPTH).is_none());
    }
}
