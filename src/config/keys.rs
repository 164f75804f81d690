//! Every table and key that the file may have. What is not here is reported, with what was probably meant.
//!
//! That each of them is also read is proven by a test, which gives each a value of the wrong type.

use toml::Spanned;
use toml::de::DeValue;

use super::fault::{Fault, quoted};
use super::table::{Table, not_allowed};

/// A table and the keys that it may have.
#[derive(Debug)]
pub struct Known {
    /// The table that it is in; empty at the top.
    pub parent: &'static str,
    /// Its name; empty for the top of the file.
    pub name: &'static str,
    /// How it is written.
    pub shape: Shape,
    /// Its keys, without its tables.
    pub keys: &'static [&'static str],
}

/// How a table is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// `[name]`, once.
    One,
    /// `[[name]]`, as often as needed.
    Many,
    /// `[name]` with keys of the administrator's own.
    Free,
}

const fn known(
    parent: &'static str,
    name: &'static str,
    shape: Shape,
    keys: &'static [&'static str],
) -> Known {
    Known { parent, name, shape, keys }
}

/// The tables in the order of the shipped file; the first is the top of the file.
pub static TABLES: &[Known] = &[
    known("", "", Shape::One, &["listen", "socket_group", "socket_mode", "unauthenticated"]),
    known(
        "",
        "directory",
        Shape::One,
        &[
            "urls",
            "base_dn",
            "bind_dn",
            "bind_password_file",
            "bind",
            "client_cert_file",
            "client_key_file",
            "start_tls",
            "ca_file",
            "allow_plaintext",
            "timeout",
            "preset",
            "group_depth",
            "realms",
        ],
    ),
    known(
        "directory",
        "attributes",
        Shape::One,
        &[
            "login",
            "address",
            "alias",
            "display_name",
            "send_as",
            "send_on_behalf",
            "schedule",
            "enabled",
            "member",
        ],
    ),
    known("directory", "filters", Shape::One, &["person", "principal", "security_group"]),
    known("", "cache", Shape::One, &["ttl", "negative_ttl", "stale", "capacity", "watch"]),
    known("", "delegation", Shape::One, &["enabled", "decided_by"]),
    known("", "context", Shape::Many, &["name", "base_dn", "domains", "enabled"]),
    known(
        "",
        "policy",
        Shape::One,
        &[
            "mode",
            "prefer",
            "unknown_author",
            "unknown_submitter",
            "redirect",
            "group_members",
            "display_name_address",
            "on_behalf_display",
            "recipient_delimiter",
            "local_domains",
        ],
    ),
    known("", "account", Shape::Many, &["login", "may_send", "envelope", "mode"]),
    known("", "envelope", Shape::One, &["check", "on_behalf", "send_as"]),
    known("", "denied", Shape::One, &["action", "relay", "contact"]),
    known("", "scheduling", Shape::One, &["enabled", "check_own", "max_body"]),
    known("", "sent_copy", Shape::One, &["on_behalf", "send_as", "address"]),
    known("", "domain_aliases", Shape::Free, &[]),
    known("", "log", Shape::One, &["format", "level"]),
    known("", "metrics", Shape::One, &["listen"]),
];

impl Known {
    /// The dotted name of the table, `directory.attributes`; empty for the top of the file.
    pub fn path(&self) -> String {
        if self.parent.is_empty() { self.name.to_owned() } else { format!("{}.{}", self.parent, self.name) }
    }

    /// How its head is written: `[policy]`, `[[context]]`.
    fn head(&self) -> String {
        match self.shape {
            Shape::One | Shape::Free => format!("[{}]", self.path()),
            Shape::Many => format!("[[{}]]", self.path()),
        }
    }

    /// The tables in it.
    fn tables(&self) -> impl Iterator<Item = &'static Self> {
        let path = self.path();
        TABLES.iter().filter(move |table| table.parent == path && !table.name.is_empty())
    }
}

/// Reports every key and table that nobody reads, and every table that is written as something else.
pub(super) fn check(root: &Table<'_>) {
    if let Some(top) = TABLES.first() {
        check_table(root, top);
    }
}

fn check_table(table: &Table<'_>, known: &Known) {
    if known.shape == Shape::Free {
        return;
    }
    for (key, value) in table.entries() {
        let name = key.get_ref().as_ref();
        match known.tables().find(|inner| inner.name == name) {
            Some(inner) => check_inner(table, inner, value),
            None if known.keys.contains(&name) => {}
            None => table.report(name, key, unknown(name, value.get_ref(), known)),
        }
    }
}

fn check_inner(table: &Table<'_>, inner: &Known, value: &Spanned<DeValue<'_>>) {
    let wrong = |node: &Spanned<DeValue<'_>>| {
        let allowed = format!("are keys below {}", inner.head());
        table.report(inner.name, node, not_allowed(node.get_ref(), allowed));
    };
    match (inner.shape, value.get_ref()) {
        (Shape::One | Shape::Free, DeValue::Table(_)) => check_table(&table.table(inner.name), inner),
        (Shape::Many, DeValue::Array(nodes)) => {
            nodes.iter().filter(|node| !node.get_ref().is_table()).for_each(wrong);
            table.tables(inner.name).iter().for_each(|entry| check_table(entry, inner));
        }
        (Shape::One | Shape::Free | Shape::Many, _) => wrong(value),
    }
}

/// The fault of a name that nobody reads in this table.
fn unknown(name: &str, value: &DeValue<'_>, known: &Known) -> Fault {
    let is_table = value.is_table()
        || value.as_array().is_some_and(|nodes| nodes.iter().any(|n| n.get_ref().is_table()));
    let (tables, keys): (Vec<_>, Vec<_>) =
        (known.tables().map(Known::head).collect(), known.keys.iter().map(|key| quoted(key)).collect());
    let (thing, allowed) = if is_table && !tables.is_empty() { ("table", tables) } else { ("key", keys) };
    Fault::Unknown { thing, hint: hint(name, is_table, known), allowed: allowed.join(", ") }
}

/// What was probably meant: a name of this table that is spelt much alike, else the same key of another table.
fn hint(name: &str, is_table: bool, known: &Known) -> Option<String> {
    let tables = known.tables().map(|table| (table.name, table.head()));
    let keys = known.keys.iter().map(|key| (*key, quoted(key)));
    let near = tables.chain(keys).map(|(right, shown)| (distance(name, right), shown));
    let near = near
        .filter(|(distance, _)| *distance <= name.chars().count() / 3)
        .min_by_key(|(distance, _)| *distance);
    near.map(|(_, shown)| format!("did you mean {shown}?")).or_else(|| elsewhere(name, is_table))
}

/// Where a key of this name is read; tables end where the next begins, so that a key is easily put below the wrong one.
fn elsewhere(name: &str, is_table: bool) -> Option<String> {
    if is_table {
        let table = TABLES.iter().find(|table| table.name == name)?;
        return Some(format!("did you mean {}?", table.head()));
    }
    let table = TABLES.iter().find(|table| table.keys.contains(&name))?;
    Some(match table.name {
        "" => "it belongs above the first table".to_owned(),
        _ => format!("it belongs below {}", table.head()),
    })
}

/// How far two words are apart: case, and `-` for `_`, do not count.
fn distance(a: &str, b: &str) -> usize {
    strsim::osa_distance(&folded(a), &folded(b))
}

fn folded(word: &str) -> String {
    word.to_ascii_lowercase().replace('-', "_")
}
