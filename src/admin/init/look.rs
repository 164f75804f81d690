//! What the directory says of itself: its own entry (RFC 4512 section 5.1), its schema, and how much there is of what.

use std::collections::HashSet;
use std::path::Path;

use super::guess::CLASSES;
use super::template::Settings;
use super::{InitError, Request};
use crate::admin::check::Known;
use crate::config::{Config, Source};
use crate::directory::filter::Filter;
use crate::directory::ldap::LdapDirectory;
use crate::directory::ldif;
use crate::directory::record::Record;
use crate::directory::schema::Schema;
use crate::dn::Dn;
use crate::open::{self, OpenError};
use crate::reply::printable;

/// MS-ADTS section 3.1.1.3.4.3: LDAP_CAP_ACTIVE_DIRECTORY_OID.
const ACTIVE_DIRECTORY: &str = "1.2.840.113556.1.4.800";
/// RFC 4533 section 2.2, and MS-ADTS section 3.1.1.3.4.1.9 for the same purpose.
const SYNC: &str = "1.3.6.1.4.1.4203.1.9.1.1";
const NOTIFICATION: &str = "1.2.840.113556.1.4.528";

/// What is read of the server's own entry.
const ROOT: [&str; 7] = [
    "namingContexts",
    "defaultNamingContext",
    "subschemaSubentry",
    "supportedCapabilities",
    "supportedControl",
    "vendorName",
    "vendorVersion",
];

/// More than so many are not counted.
const MOST: i32 = 1_000;

/// What a server says of itself.
pub(super) struct Seen {
    /// The trees that it has.
    pub(super) contexts: Vec<String>,
    /// Whether the first is the one that it says it is for.
    pub(super) has_default: bool,
    pub(super) is_active_directory: bool,
    /// Its schema, if it shows it.
    pub(super) known: Option<Known>,
}

impl Seen {
    /// The most likely base: what the server says, its only tree, or what ldap.conf(5) has of its trees.
    pub(super) fn proposed_base(&self, configured: Option<String>) -> Option<String> {
        match self.contexts.as_slice() {
            [first, ..] if self.has_default => Some(first.clone()),
            [only] => Some(only.clone()),
            several => {
                let configured = configured?;
                let base = Dn::parse(&configured).ok()?;
                let within =
                    |context: &String| Dn::parse(context).is_ok_and(|context| base.is_within(&context));
                several.iter().any(within).then_some(configured)
            }
        }
    }
}

/// Connects, with TLS if it is offered and something could be read on the way, and reads the server's own entry.
pub(super) async fn connect(
    settings: &mut Settings,
    request: &Request,
) -> Result<(Seen, Vec<String>), InitError> {
    let mut found = Vec::new();
    let (record, known) = reach(settings, request, &mut found).await?;
    let texts = |attribute: &str| -> Vec<String> {
        record.values(attribute).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
    };
    let default = texts("defaultNamingContext").into_iter().next();
    let has_default = default.is_some();
    let same = |a: &str, b: &str| Dn::parse(a).ok() == Dn::parse(b).ok();
    let others = texts("namingContexts");
    let others = others.into_iter().filter(|own| default.as_ref().is_none_or(|default| !same(default, own)));
    let contexts = default.iter().cloned().chain(others).collect();
    let is_active_directory = texts("supportedCapabilities").iter().any(|own| own == ACTIVE_DIRECTORY);
    found.insert(0, vendor(&texts("vendorName"), &texts("vendorVersion"), is_active_directory));
    let tells = texts("supportedControl").iter().any(|own| own == SYNC || own == NOTIFICATION);
    found.push(if tells {
        "it can tell of changes, so that a revoked right is gone at once".to_owned()
    } else {
        "it does not tell of changes (contrib/ldap/syncprov.ldif is for OpenLDAP): they count when cache.ttl has passed"
            .to_owned()
    });
    Ok((Seen { contexts, has_default, is_active_directory, known }, found))
}

/// The server's own entry, over StartTLS where others could read it on the way, if that works.
async fn reach(
    settings: &mut Settings,
    request: &Request,
    found: &mut Vec<String>,
) -> Result<(Record, Option<Known>), InitError> {
    let is_open = with_tls_where_open(settings);
    match root(settings, request).await {
        Ok(root) => {
            if is_open && settings.start_tls {
                found.push("the server offers StartTLS: it is used".to_owned());
            }
            Ok(root)
        }
        // Only what was tried of ourselves is left again.
        Err(error @ InitError::Failure(_)) if is_open && !request.start_tls => {
            // TLS is there, and it is the login that is not taken.
            if settings.bind_dn.is_some() && root(&settings.anonymous(), request).await.is_ok() {
                return Err(error);
            }
            if settings.bind_dn.is_some() && !settings.allow_plaintext {
                // A server that is away is another thing.
                root(&settings.anonymous().plain(), request).await?;
                return Err(InitError::NoTls { why: error.to_string() });
            }
            *settings = settings.plain();
            found.push(format!("StartTLS does not work ({error}): everything goes unencrypted"));
            root(settings, request).await
        }
        Err(error) => Err(error),
    }
}

/// Whether others could read what is said on the way; then StartTLS is tried.
fn with_tls_where_open(settings: &mut Settings) -> bool {
    let servers = match settings.anonymous().config(Path::new("/")).map(|config| config.directory.source) {
        Ok(Source::Servers(servers)) => servers,
        Ok(Source::File(_)) | Err(_) => return false,
    };
    let is_open = servers.iter().any(|server| server.transport.is_open());
    settings.start_tls |= is_open;
    is_open
}

async fn root(settings: &Settings, request: &Request) -> Result<(Record, Option<Known>), InitError> {
    let directory = server(&settings.config(&request.output)?)?;
    let Some(directory) = directory else { return Err(InitError::NoContext) };
    let root = directory.read(&Dn::default(), &ROOT).await?;
    let known = Known::ask(&directory, root.as_ref()).await?;
    Ok((root.ok_or(InitError::NoContext)?, known))
}

fn vendor(name: &[String], version: &[String], is_active_directory: bool) -> String {
    let kind = if is_active_directory { "Active Directory, or Samba" } else { "an LDAP server" };
    match (name.first(), version.first()) {
        (Some(name), Some(version)) => printable(&format!("{kind}: {name} {version}")),
        (Some(name), None) => printable(&format!("{kind}: {name}")),
        (None, _) => kind.to_owned(),
    }
}

fn server(config: &Config) -> Result<Option<LdapDirectory>, InitError> {
    match &config.directory.source {
        Source::Servers(servers) => Ok(Some(open::server(servers, config).map_err(OpenError::from)?)),
        Source::File(_) => Ok(None),
    }
}

/// The classes of products that entries have.
pub(super) async fn used(
    settings: &Settings,
    request: &Request,
    seen: &Seen,
) -> Result<HashSet<&'static str>, InitError> {
    let mut used = HashSet::new();
    let Some(directory) = server(&settings.config(&request.output)?)? else { return Ok(used) };
    if seen.is_active_directory {
        return Ok(used);
    }
    for (_, class) in CLASSES {
        if directory.count(&Filter::equal("objectClass", class), 1).await? > 0 {
            used.insert(class);
        }
    }
    Ok(used)
}

/// How many there are.
pub(super) async fn counts(settings: &Settings, request: &Request) -> Result<Vec<String>, InitError> {
    let config = settings.config(&request.output)?;
    let Some(directory) = server(&config)? else { return Ok(Vec::new()) };
    let schema = &config.directory.schema;
    let mut counts = Vec::new();
    for filter in [&schema.person, &schema.security_group, &with_address(schema)] {
        counts.push(directory.count(filter, MOST).await?);
    }
    Ok(told(&counts))
}

fn with_address(schema: &Schema) -> Filter {
    Filter::or(schema.address.iter().chain(&schema.alias).map(|attribute| Filter::present(attribute)))
}

fn told(counts: &[usize]) -> Vec<String> {
    let shown = |at: usize| match counts.get(at) {
        Some(count) if usize::try_from(MOST).is_ok_and(|most| *count >= most) => format!("{MOST} or more"),
        Some(count) => count.to_string(),
        None => "no".to_owned(),
    };
    let counts_told = format!(
        "it shows {} people, {} security groups, {} entries with an address",
        shown(0),
        shown(1),
        shown(2)
    );
    let mut told = vec![counts_told];
    if counts.first() == Some(&0) || counts.last() == Some(&0) {
        told.push(
            "nobody there could send: is the base right, and may this account read entries? See --base-dn, --bind-dn and \
             contrib/ldap/account.ldif"
                .to_owned(),
        );
    }
    told
}

/// The entries of a file.
pub(super) fn records(file: &Path, config: &Config) -> Result<Vec<Record>, InitError> {
    Ok(ldif::read(file, &config.directory.schema, config.directory.base_dn.as_ref())?)
}

/// How many there are in a file.
pub(super) fn counts_of_records(file: &Path, records: &[Record], config: &Config) -> Vec<String> {
    let schema = &config.directory.schema;
    let count = |filter: &Filter| records.iter().filter(|record| filter.matches(record)).count();
    let counts = [&schema.person, &schema.security_group, &with_address(schema)].map(count);
    let mut found =
        vec![format!("a file with {} entries: {}", records.len(), printable(&file.display().to_string()))];
    found.extend(told(&counts));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_what_is_most_likely() {
        for (contexts, has_default, configured, expected) in [
            (&["dc=org"][..], false, None, Some("dc=org")),
            (&["dc=org", "cn=config"], true, None, Some("dc=org")),
            (&["dc=org", "dc=com"], false, None, None),
            (&["dc=org", "dc=com"], false, Some("dc=example,dc=com"), Some("dc=example,dc=com")),
            (&["dc=org", "dc=com"], false, Some("dc=net"), None),
            (&["dc=org"], false, Some("dc=example,dc=org"), Some("dc=org")),
            (&[], false, None, None),
        ] {
            let contexts: Vec<_> = contexts.iter().map(|&context| context.to_owned()).collect();
            let seen = Seen { contexts, has_default, is_active_directory: false, known: None };
            let base = seen.proposed_base(configured.map(str::to_owned));
            assert_eq!(base.as_deref(), expected, "{:?} {configured:?}", seen.contexts);
        }
    }
}
