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

/// What lets everybody who logged in pass the rest of a list.
const PERMITS: [&str; 2] = ["permit", "permit_sasl_authenticated"];
/// It makes a warning of the restriction behind it.
const WARN: &str = "warn_if_reject";

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
            None => of_services(&settings, &mut notes)?,
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

/// What the services have on which people log in; `main.cf`, if there is none of them. Tells which of them have none.
fn of_services(settings: &Settings, notes: &mut Vec<String>) -> Result<String, SourceError> {
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
        [(value, _)] => {
            notes.extend(takers(settings).filter_map(without_tables));
            Ok((*value).to_owned())
        }
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

/// What to know of a service without tables, where others have some: no address is anybody's in a table that is not there.
fn without_tables(service: &Service) -> Option<String> {
    let today = if STRICT.iter().any(|name| effect(service, name) == Effect::Refuses) {
        "every address is refused to those who log in"
    } else {
        "people write as anybody"
    };
    service.values.get(PARAMETER).is_empty().then(|| {
        format!(
            "{}: {PARAMETER} is empty, so {today} there today; the verdicts of today are those of the other services",
            service.label()
        )
    })
}

/// Whether all services on which people log in refuse what the tables do not have; tells where they do otherwise.
fn refuses_unlisted(settings: &Settings, notes: &mut Vec<String>) -> bool {
    let mut strict = true;
    for service in takers(settings) {
        let label = service.label();
        if STRICT.iter().any(|name| effect(service, name) == Effect::Refuses) {
            continue;
        }
        if effect(service, KNOWN) == Effect::Refuses {
            strict = false;
            notes.push(format!(
                "{label}: {KNOWN} lets anybody who logs in use an address that the tables do not have; then it is \
                 refused, unless it is the login's own or granted"
            ));
        } else {
            notes.push(format!(
                "{label}: {}, and people write as anybody there today; the verdicts of today are told as if \
                 reject_authenticated_sender_login_mismatch were there",
                why_anybody(service)
            ));
        }
    }
    strict
}

fn why_anybody(service: &Service) -> String {
    let effects = STRICT.iter().chain([&KNOWN]).map(|name| (*name, effect(service, name)));
    let idle = effects.filter_map(|(name, effect)| match effect {
        Effect::Nothing { list, before } => Some((name, list, before)),
        Effect::Refuses | Effect::Absent => None,
    });
    match idle.into_iter().next() {
        Some((name, list, before)) if before == WARN => {
            format!("{list} has {WARN} before {name}, so that the tables refuse nothing")
        }
        Some((name, list, before)) => {
            format!(
                "{list} has {before} before {name}, and the first that matches decides, so that the tables refuse nothing"
            )
        }
        None => "no restriction puts the tables to use".to_owned(),
    }
}

/// What a restriction does to those who logged in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Effect {
    Refuses,
    /// Nothing, because of what stands before it in this list.
    Nothing {
        list: &'static str,
        before: &'static str,
    },
    /// It is in no list.
    Absent,
}

/// What it does in all lists: what ends one of them does not end the others (SMTPD_ACCESS_README).
fn effect(service: &Service, name: &str) -> Effect {
    let mut effect = Effect::Absent;
    for list in LISTS {
        match place(&service.values.restrictions(list), name) {
            Some(None) => return Effect::Refuses,
            Some(Some(before)) if effect == Effect::Absent => effect = Effect::Nothing { list, before },
            Some(Some(_)) | None => {}
        }
    }
    effect
}

/// postconf(5), `smtpd_recipient_restrictions`: restrictions apply in order, and the first that matches wins. What stands
/// before this one so that it refuses nobody who logged in, if anything does; none if it is not there.
fn place(restrictions: &[&str], name: &str) -> Option<Option<&'static str>> {
    // Postfix compares them without regard to case.
    let named = |word: &str, names: &[&'static str]| {
        names.iter().copied().find(|name| word.eq_ignore_ascii_case(name))
    };
    let (mut permit, mut warn, mut found) = (None, None, None);
    for word in restrictions {
        if word.eq_ignore_ascii_case(name) {
            let before = permit.or(warn);
            if before.is_none() {
                return Some(None);
            }
            found = found.or(Some(before));
        }
        permit = permit.or(named(word, &PERMITS));
        warn = named(word, &[WARN]);
    }
    found
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
    fn restrictions_in_order() {
        for (list, expected) in [
            ("", None),
            ("permit_sasl_authenticated, reject", None),
            ("reject_sender_login_mismatch", Some(None)),
            ("Reject_Sender_Login_Mismatch permit_sasl_authenticated", Some(None)),
            ("permit_mynetworks, reject_sender_login_mismatch", Some(None)),
            (
                "permit_mynetworks, permit_sasl_authenticated, reject_sender_login_mismatch",
                Some(Some(PERMITS[1])),
            ),
            ("PERMIT reject_sender_login_mismatch", Some(Some(PERMITS[0]))),
            ("warn_if_reject reject_sender_login_mismatch", Some(Some(WARN))),
            ("warn_if_reject reject_unlisted_sender reject_sender_login_mismatch", Some(None)),
            ("warn_if_reject reject_sender_login_mismatch reject_sender_login_mismatch", Some(None)),
            (
                "warn_if_reject reject_sender_login_mismatch permit reject_sender_login_mismatch",
                Some(Some(WARN)),
            ),
        ] {
            assert_eq!(place(&settings::words(list), STRICT[0]), expected, "{list}");
        }
    }

    #[test]
    fn tables_in_tables_end() {
        let deep = format!("{}hash:a{}", "unionmap:{".repeat(1000), "}".repeat(1000));
        assert!(table(&deep, DEPTH).is_none());
    }
}
