//! The wiring: from a configuration to whoever answers its questions. The only place that names the adapters.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use crate::address::{Address, AddressRules};
use crate::config::{CacheConfig, Config, DirectoryConfig, Server, Source};
use crate::directory::cache::{Cache, CacheSettings, Sizes};
use crate::directory::changes::Changes;
use crate::directory::ldap::{LdapDirectory, TlsFilesError};
use crate::directory::ldif::{LdifDirectory, LdifError};
use crate::directory::lookup::{Forms, Holders, Lookup, LookupRules, Resolver};
use crate::directory::{Directory, Failure, Groups};
use crate::dn::Dn;
use crate::grant::{Entry, Person, Sid};
use crate::health::Health;
use crate::site::Site;

/// The most loads ahead of expiry that are under way: they are in no hurry, and messages ask over the same connection.
const REFRESHES: usize = 16;

/// Why there is nobody to ask.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory's file.
    #[error(transparent)]
    Ldif(#[from] LdifError),
    /// Certificates or keys for the directory's server.
    #[error(transparent)]
    Tls(#[from] TlsFilesError),
}

/// The directory that a configuration names.
pub enum Backend {
    /// A file.
    File(LdifDirectory),
    /// A server.
    Server(LdapDirectory),
}

/// Who answers messages.
pub enum Answers {
    /// A file, which is in memory as it is.
    File(Box<Resolver<LdifDirectory>>),
    /// A server, whose answers are remembered, and under what.
    Server(Cache<Resolver<LdapDirectory>>, Box<Shape>),
}

/// What shapes a server's answers: under another, what is remembered means nothing.
#[derive(Debug, Eq, PartialEq)]
pub struct Shape {
    directory: DirectoryConfig,
    cache: CacheConfig,
    addresses: AddressRules,
    /// The contexts, and the domains that are looked up in each.
    subtrees: Vec<(Dn, Vec<String>)>,
}

impl Shape {
    fn of(config: &Config) -> Self {
        let contexts = config.rules.grants.contexts.iter();
        Self {
            directory: config.directory.clone(),
            cache: config.cache.clone(),
            addresses: config.rules.addresses.clone(),
            subtrees: contexts.map(|context| (context.base.clone(), context.domains.clone())).collect(),
        }
    }
}

/// The site of a configuration, for serving messages. What the site `before` it remembers is asked for anew, and serves
/// as long as the directory is away. `health` is told how the directory is.
///
/// # Errors
///
/// The directory's file, or what is needed to speak to its server, cannot be used. A server that is away is no error.
pub fn site(
    config: Config,
    before: Option<&Site<Answers>>,
    health: &Health,
) -> Result<Site<Answers>, OpenError> {
    let rules = lookup_rules(&config);
    let answers = match &config.directory.source {
        Source::File(named) => {
            let found = file(named, &config)?;
            health.file();
            Answers::File(Box::new(Resolver::new(found, rules)))
        }
        Source::Servers(named) => {
            remembering(named, rules, &config, before.map(|site| &site.lookup), health)?
        }
    };
    let site = Site::new(config, answers, before.and_then(|site| site.bounces.as_deref()));
    Ok(Site { metrics: Arc::clone(health.metrics()), ..site })
}

fn remembering(
    servers: &[Server],
    rules: LookupRules,
    config: &Config,
    before: Option<&Answers>,
    health: &Health,
) -> Result<Answers, OpenError> {
    let shape = Shape::of(config);
    let old = match before {
        Some(Answers::Server(cache, same)) if **same == shape => Some(cache),
        Some(Answers::Server(..) | Answers::File(_)) | None => None,
    };
    let metrics = health.metrics();
    let changes = || Arc::new(Changes::counting(Arc::clone(&metrics.changes)));
    let changes = old.map_or_else(changes, |cache| Arc::clone(cache.changes()));
    let forms = rules.forms.clone();
    let directory = connected(servers, config, Arc::clone(&changes), config.cache.watch, health)?;
    let resolver = Resolver::new(directory, rules);
    let cache = match old {
        Some(old) => Cache::over(resolver, old),
        None => {
            let settings = settings(servers, &config.cache);
            Cache::counting(resolver, settings, forms, changes, Arc::clone(&metrics.cache))
        }
    };
    Ok(Answers::Server(cache, Box::new(shape)))
}

fn settings(servers: &[Server], cache: &CacheConfig) -> CacheSettings {
    let CacheConfig { ttl, negative_ttl, stale, capacity, watch: _ } = *cache;
    // A login takes a search and one for each level of groups: together they may take as long as two that are slow.
    let limit = servers.first().map_or(Duration::MAX, |server| server.timeout * 2);
    CacheSettings { ttl, negative_ttl, stale, capacity, limit, refreshes: REFRESHES }
}

/// The same for a command, which asks each question once: nothing is remembered.
///
/// # Errors
///
/// As of [`site`].
pub fn command(config: Config) -> Result<Site<Resolver<Backend>>, OpenError> {
    let resolver = Resolver::new(backend(&config)?, lookup_rules(&config));
    Ok(Site::new(config, resolver, None))
}

fn backend(config: &Config) -> Result<Backend, OpenError> {
    match &config.directory.source {
        Source::File(named) => Ok(Backend::File(file(named, config)?)),
        Source::Servers(named) => Ok(Backend::Server(server(named, config)?)),
    }
}

fn file(file: &Path, config: &Config) -> Result<LdifDirectory, LdifError> {
    let directory = &config.directory;
    let found = LdifDirectory::load(file, &directory.schema, directory.base_dn.as_ref())?;
    found.doubtful().iter().for_each(|doubt| warn!("{doubt}"));
    Ok(found)
}

/// The servers themselves, for commands, which remember nothing.
///
/// # Errors
///
/// What is needed to speak to them cannot be used. That they are away is no error.
pub fn server(servers: &[Server], config: &Config) -> Result<LdapDirectory, TlsFilesError> {
    connected(servers, config, Arc::default(), false, &Health::default())
}

fn connected(
    servers: &[Server],
    config: &Config,
    changes: Arc<Changes>,
    watch: bool,
    health: &Health,
) -> Result<LdapDirectory, TlsFilesError> {
    // Without a name, all that the server has; the configuration wants one.
    let base = config.directory.base_dn.clone().unwrap_or_default();
    LdapDirectory::open(servers, config.directory.schema.clone(), base, changes, watch, health)
}

pub(crate) fn lookup_rules(config: &Config) -> LookupRules {
    LookupRules {
        forms: Forms { realms: config.directory.realms.clone(), addresses: config.rules.addresses.clone() },
        group_depth: config.directory.group_depth,
        grants: config.rules.grants.clone(),
    }
}

impl Answers {
    /// How much is remembered, and how much may be; none where nothing is.
    pub fn remembered(&self) -> Option<(Sizes, &CacheConfig)> {
        match self {
            Self::File(_) => None,
            Self::Server(cache, shape) => Some((cache.sizes(), &shape.cache)),
        }
    }
}

impl Lookup for Answers {
    async fn person(&self, login: &str) -> Result<Option<Person>, Failure> {
        match self {
            Self::File(resolver) => resolver.person(login).await,
            Self::Server(cache, _) => cache.person(login).await,
        }
    }

    async fn owners(&self, address: &Address) -> Result<Holders, Failure> {
        match self {
            Self::File(resolver) => resolver.owners(address).await,
            Self::Server(cache, _) => cache.owners(address).await,
        }
    }

    fn expect(&self, login: &str) {
        match self {
            Self::File(resolver) => resolver.expect(login),
            Self::Server(cache, _) => cache.expect(login),
        }
    }
}

impl Directory for Backend {
    async fn by_login(&self, login: &str, base: Option<&Dn>) -> Result<Option<Arc<Entry>>, Failure> {
        match self {
            Self::File(directory) => directory.by_login(login, base).await,
            Self::Server(directory) => directory.by_login(login, base).await,
        }
    }

    async fn by_address(&self, addresses: &[Address], base: Option<&Dn>) -> Result<Vec<Arc<Entry>>, Failure> {
        match self {
            Self::File(directory) => directory.by_address(addresses, base).await,
            Self::Server(directory) => directory.by_address(addresses, base).await,
        }
    }

    async fn groups_of(&self, members: &[Arc<Entry>], kind: Groups) -> Result<Vec<Arc<Entry>>, Failure> {
        match self {
            Self::File(directory) => directory.groups_of(members, kind).await,
            Self::Server(directory) => directory.groups_of(members, kind).await,
        }
    }

    async fn by_dn(&self, dn: &Dn) -> Result<Option<Arc<Entry>>, Failure> {
        match self {
            Self::File(directory) => directory.by_dn(dn).await,
            Self::Server(directory) => directory.by_dn(dn).await,
        }
    }

    async fn by_sid(&self, sid: &Sid) -> Result<Option<Arc<Entry>>, Failure> {
        match self {
            Self::File(directory) => directory.by_sid(sid).await,
            Self::Server(directory) => directory.by_sid(sid).await,
        }
    }
}
