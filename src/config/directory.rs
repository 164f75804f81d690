//! `[directory]`: where the entries are, and which attributes say what.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::fault::{Fault, quoted, why};
use super::table::{Table, one_of};
use super::value::{ATTRIBUTE, DN, FILE, FILTER, NAME, REALM, TIMEOUT, URL};
use crate::directory::schema::{Member, PRESETS, Schema};
use crate::dn::Dn;

/// `[directory]`
#[derive(Clone, Debug)]
pub struct DirectoryConfig {
    /// `directory.urls`
    pub source: Source,
    /// `directory.base_dn`: what is outside does not count; none means all entries.
    pub base_dn: Option<Dn>,
    /// `directory.preset` with `[directory.attributes]` and `[directory.filters]`.
    pub schema: Schema,
    /// `directory.group_depth`: how many levels of groups count; 0 for none.
    pub group_depth: usize,
    /// `directory.realms`: what is stripped from a login, without the `@`, as written.
    pub realms: Vec<String>,
}

/// Where the directory is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// One LDIF file (RFC 2849); it was there and readable when the configuration was read.
    File(PathBuf),
}

/// The preset without which none is named.
const DEFAULT_PRESET: &str = "delegation";

/// Presets that the specification promises.
const PROMISED_PRESETS: [&str; 5] = [DEFAULT_PRESET, "kopano", "active-directory", "kolab", "univention"];

/// What `directory.urls` may be, in words that follow "allowed".
const ONE_FILE: &str = r#"is one file: ["file:directory.ldif"]"#;

/// Groups in groups in groups end somewhere.
const GROUP_DEPTH: usize = 16;

/// None: there is no such directory, which was noted. Relative paths start at `start`.
pub(super) fn read(table: &Table<'_>, start: &Path) -> Option<DirectoryConfig> {
    let source = source(table, start);
    let server_keys = server_keys(table);
    if source.is_some() {
        server_keys.into_iter().for_each(|key| refuse_for_file(table, key));
    }
    let base_dn = table.text("base_dn", &DN);
    let schema = schema(table);
    let group_depth = table.number("group_depth", 0..=100).unwrap_or(GROUP_DEPTH);
    let realms = table.list("realms", &REALM).unwrap_or_default();
    Some(DirectoryConfig { source: source?, base_dn, schema: schema?, group_depth, realms })
}

/// The file, if it is one alone and can be read.
fn source(table: &Table<'_>, start: &Path) -> Option<Source> {
    if !table.has("urls") {
        table.complain("urls", Fault::Missing { allowed: ONE_FILE.to_owned() });
    }
    let urls = table.list("urls", &URL)?;
    match file_of(&urls).and_then(|path| readable(start.join(path))) {
        Ok(path) => Some(Source::File(path)),
        Err(fault) => {
            table.complain("urls", fault);
            None
        }
    }
}

/// The path of the one file that the list names.
fn file_of(urls: &[String]) -> Result<&str, Fault> {
    let is_server =
        |url: &&String| ["ldap:", "ldaps:", "ldapi:"].iter().any(|scheme| url.starts_with(scheme));
    if let Some(url) = urls.iter().find(is_server) {
        return Err(Fault::NotYet {
            what: format!("{} is", quoted(url)),
            instead: r#"this version reads the directory from a file only: "file:directory.ldif""#,
        });
    }
    let found = match urls {
        [url] => match url.strip_prefix("file:") {
            Some(path) if !path.is_empty() => return Ok(path),
            Some(_) | None => quoted(url),
        },
        [] => "an empty list".to_owned(),
        [..] => format!("a list of {}", urls.len()),
    };
    Err(Fault::NotAllowed { found, because: None, allowed: ONE_FILE.to_owned() })
}

/// The path, if a file is there that this user may read.
fn readable(path: PathBuf) -> Result<PathBuf, Fault> {
    // Asked first, because opening a named pipe would wait for a writer.
    let problem = match fs::metadata(&path) {
        Ok(found) if found.is_file() => File::open(&path).err().map(|error| why(&error)),
        Ok(_) => Some("is no file".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Some("is no path".to_owned()),
        Err(error) => Some(why(&error)),
    };
    match problem {
        Some(why) => Err(Fault::File { found: quoted(&path.to_string_lossy()), why }),
        None => Ok(path),
    }
}

/// The keys that ask something of an LDAP server. `start_tls` and `allow_plaintext` that are false ask nothing.
fn server_keys<'k>(table: &Table<'_>) -> Vec<&'k str> {
    let files = ["bind_password_file", "ca_file", "client_cert_file", "client_key_file"];
    let files = files.into_iter().filter(|key| table.text(key, &FILE).is_some());
    let flags = ["start_tls", "allow_plaintext"].into_iter().filter(|key| table.flag(key) == Some(true));
    let bind = table.choice("bind", &[("simple", "bind"), ("external", "bind")]);
    let bind_dn = table.text("bind_dn", &DN).map(|_| "bind_dn");
    let timeout = table.text("timeout", &TIMEOUT).map(|_| "timeout");
    files.chain(flags).chain(bind).chain(bind_dn).chain(timeout).collect()
}

fn refuse_for_file(table: &Table<'_>, key: &str) {
    let what = "it is for LDAP servers, and directory.urls names a file; servers are".to_owned();
    table.complain(key, Fault::NotYet { what, instead: "remove it" });
}

/// The preset with what overrides it.
fn schema(table: &Table<'_>) -> Option<Schema> {
    // A preset that is wrong was noted; the default then stands in, so that the overrides are read all the same.
    let mut schema = preset(table).or_else(|| Schema::preset(DEFAULT_PRESET))?;
    override_attributes(&mut schema, &table.table("attributes"));
    let filters = table.table("filters");
    override_with(&mut schema.person, filters.text("person", &FILTER));
    override_with(&mut schema.principal, filters.text("principal", &FILTER));
    override_with(&mut schema.security_group, filters.text("security_group", &FILTER));
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
    if PROMISED_PRESETS.contains(&name) {
        let instead = r#"allowed is "delegation", whose attributes and filters can be overridden"#;
        return Fault::NotYet { what: format!("{} is", quoted(name)), instead };
    }
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
