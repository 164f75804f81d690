//! `[directory]`: where the entries are, and which attributes say what.

use std::path::{Path, PathBuf};

use super::fault::{Fault, quoted};
use super::files::readable;
use super::server::{Keys, Reader, Server};
use super::table::{Table, one_of};
use super::url::Location;
use super::value::{ATTRIBUTE, DN, EVALUABLE_FILTER, FILTER, NAME, REALM, URL};
use crate::directory::schema::{Member, PRESETS, Schema};
use crate::dn::Dn;

/// `[directory]`
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DirectoryConfig {
    /// `directory.urls`
    pub source: Source,
    /// `directory.base_dn`: what is outside does not count; none means all entries, of a file alone.
    pub base_dn: Option<Dn>,
    /// `directory.preset` with `[directory.attributes]` and `[directory.filters]`.
    pub schema: Schema,
    /// `directory.group_depth`: how many levels of groups count; 0 for none.
    pub group_depth: usize,
    /// `directory.allow_plaintext`: whether a password may go to another host without TLS.
    pub allow_plaintext: bool,
    /// `directory.realms`: what is stripped from a login, without the `@`, as written.
    pub realms: Vec<String>,
}

/// Where the directory is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// One LDIF file (RFC 2849); it was there and readable when the configuration was read.
    File(PathBuf),
    /// LDAP servers with the same entries, in the order in which they are tried; at least one.
    Servers(Vec<Server>),
}

/// The preset without which none is named.
const DEFAULT_PRESET: &str = "delegation";

/// What `directory.urls` may be, in words that follow "allowed".
const ONE_SOURCE: &str = r#"is one file, ["file:directory.ldif"], or servers in the order in which they are tried, ["ldap://127.0.0.1:389"]"#;

/// Groups in groups in groups end somewhere.
const GROUP_DEPTH: usize = 16;

/// None: there is no such directory, which was noted. Relative paths start at `start`.
pub(super) fn read(table: &Table<'_>, start: &Path) -> Option<DirectoryConfig> {
    let keys = Keys::read(table);
    let source = source(table, &keys, start);
    let base_dn = table.text("base_dn", &DN);
    let schema = schema(table, matches!(source, Some(Source::File(_))));
    let group_depth = table.number("group_depth", 0..=100).unwrap_or(GROUP_DEPTH);
    let realms = table.list("realms", &REALM).unwrap_or_default();
    let (source, schema, allow_plaintext) = (source?, schema?, keys.allow_plaintext);
    Some(DirectoryConfig { source, base_dn, schema, group_depth, allow_plaintext, realms })
}

/// What `directory.urls` names, if it can be read.
fn source(table: &Table<'_>, keys: &Keys, start: &Path) -> Option<Source> {
    if !table.has("urls") {
        table.complain("urls", Fault::Missing { allowed: ONE_SOURCE.to_owned() });
    }
    match named(table.whole_list("urls", &URL)?) {
        Ok(Named::File(path)) => {
            keys.refuse(table);
            let file = readable(start.join(path)).map_err(|fault| table.complain("urls", fault));
            file.ok().map(Source::File)
        }
        Ok(Named::Servers(hosts)) => Reader { table, keys, start }.servers(hosts).map(Source::Servers),
        Err(fault) => {
            table.complain("urls", fault);
            None
        }
    }
}

/// What a list of locations amounts to.
enum Named {
    File(String),
    Servers(Vec<Location>),
}

fn named(mut locations: Vec<Location>) -> Result<Named, Fault> {
    let is_file = |location: &Location| matches!(location, Location::File(_));
    let twice =
        locations.iter().enumerate().any(|(i, one)| locations.iter().skip(i + 1).any(|two| one == two));
    let (found, because) = match locations.as_mut_slice() {
        [] => ("an empty list".to_owned(), None),
        [Location::File(path)] => return Ok(Named::File(std::mem::take(path))),
        several if several.iter().any(is_file) => {
            (format!("a list of {}", several.len()), Some("a file is alone".to_owned()))
        }
        _ if twice => ("a server that is there twice".to_owned(), Some("each is tried once".to_owned())),
        _ => return Ok(Named::Servers(locations)),
    };
    Err(Fault::NotAllowed { found, because, allowed: ONE_SOURCE.to_owned() })
}

/// The preset with what overrides it. Filters for a file must be such that we can evaluate them.
fn schema(table: &Table<'_>, for_file: bool) -> Option<Schema> {
    // A preset that is wrong was noted; the default then stands in, so that the overrides are read all the same.
    let mut schema = preset(table).or_else(|| Schema::preset(DEFAULT_PRESET))?;
    override_attributes(&mut schema, &table.table("attributes"));
    let filters = table.table("filters");
    let kind = if for_file { &EVALUABLE_FILTER } else { &FILTER };
    override_with(&mut schema.person, filters.text("person", kind));
    override_with(&mut schema.principal, filters.text("principal", kind));
    override_with(&mut schema.security_group, filters.text("security_group", kind));
    Some(schema)
}

fn preset(table: &Table<'_>) -> Option<Schema> {
    let name = match table.text("preset", &NAME) {
        None if table.has("preset") => return None,
        name => name.unwrap_or_else(|| DEFAULT_PRESET.to_owned()),
    };
    let schema = Schema::preset(&name);
    if schema.is_none() {
        table.complain("preset", no_preset(&name));
    }
    schema
}

fn no_preset(name: &str) -> Fault {
    Fault::NotAllowed { found: quoted(name), because: None, allowed: one_of(PRESETS.iter().copied()) }
}

fn override_attributes(schema: &mut Schema, table: &Table<'_>) {
    let names = |key| table.list(key, &ATTRIBUTE);
    override_with(&mut schema.login, some(table, "login"));
    override_with(&mut schema.address, some(table, "address"));
    override_with(&mut schema.alias, names("alias"));
    override_with(&mut schema.display_name, names("display_name"));
    override_with(&mut schema.send_as, names("send_as"));
    override_with(&mut schema.send_on_behalf, names("send_on_behalf"));
    override_with(&mut schema.schedule, names("schedule"));
    override_with(&mut schema.enabled, names("enabled"));
    let members = names("member").map(|names| names.iter().map(|name| Member::of(name)).collect());
    override_with(&mut schema.member, members);
}

/// The attributes of a list without which nobody would be found.
fn some(table: &Table<'_>, key: &str) -> Option<Vec<String>> {
    let names = table.list(key, &ATTRIBUTE)?;
    if names.is_empty() {
        let allowed = "are lists, in square brackets, of at least one name of an attribute".to_owned();
        table.complain(key, Fault::NotAllowed { found: "an empty list".to_owned(), because: None, allowed });
    }
    Some(names)
}

fn override_with<T>(value: &mut T, own: Option<T>) {
    if let Some(own) = own {
        *value = own;
    }
}
