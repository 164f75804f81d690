//! The wiring: from a configuration to whoever answers its questions. The only place that names the adapters.

use std::sync::Arc;

use tracing::warn;

use crate::address::Address;
use crate::config::{Config, Source};
use crate::directory::ldif::{LdifDirectory, LdifError};
use crate::directory::lookup::{Holders, Lookup, LookupRules, Resolver};
use crate::directory::{Directory, Failure, Groups};
use crate::dn::Dn;
use crate::grant::{Entry, Person};
use crate::site::Site;

/// Why there is nobody to ask.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory's file.
    #[error(transparent)]
    Ldif(#[from] LdifError),
    /// A server.
    #[error("{0}: servers are not in this version yet")]
    Server(String),
}

/// The directory that a configuration names.
#[derive(Debug)]
pub enum Backend {
    /// A file.
    File(LdifDirectory),
}

/// Who answers messages.
#[derive(Debug)]
pub enum Answers {
    /// A file, which is in memory as it is.
    File(Resolver<LdifDirectory>),
}

/// The site of a configuration, for serving messages.
///
/// # Errors
///
/// The directory's file, or what is needed to speak to its server, cannot be used. A server that is away is no error.
pub fn site(config: Config) -> Result<Site<Answers>, OpenError> {
    let rules = lookup_rules(&config);
    let answers = match backend(&config)? {
        Backend::File(directory) => Answers::File(Resolver::new(directory, rules)),
    };
    Ok(Site::new(config, answers))
}

/// The same for a command, which asks each question once: nothing is remembered.
///
/// # Errors
///
/// As of [`site`].
pub fn command(config: Config) -> Result<Site<Resolver<Backend>>, OpenError> {
    let resolver = Resolver::new(backend(&config)?, lookup_rules(&config));
    Ok(Site::new(config, resolver))
}

fn backend(config: &Config) -> Result<Backend, OpenError> {
    let directory = &config.directory;
    match &directory.source {
        Source::File(file) => {
            let found = LdifDirectory::load(file, &directory.schema, directory.base_dn.as_ref())?;
            found.doubtful().iter().for_each(|doubt| warn!("{doubt}"));
            Ok(Backend::File(found))
        }
        Source::Server(server) => Err(OpenError::Server(server.to_string())),
    }
}

fn lookup_rules(config: &Config) -> LookupRules {
    LookupRules {
        realms: config.directory.realms.clone(),
        group_depth: config.directory.group_depth,
        addresses: config.rules.addresses.clone(),
        grants: config.rules.grants.clone(),
    }
}

impl Lookup for Answers {
    async fn person(&self, login: &str) -> Result<Option<Person>, Failure> {
        match self {
            Self::File(resolver) => resolver.person(login).await,
        }
    }

    async fn owners(&self, address: &Address) -> Result<Holders, Failure> {
        match self {
            Self::File(resolver) => resolver.owners(address).await,
        }
    }
}

impl Directory for Backend {
    async fn by_login(&self, login: &str, base: Option<&Dn>) -> Result<Option<Arc<Entry>>, Failure> {
        match self {
            Self::File(directory) => directory.by_login(login, base).await,
        }
    }

    async fn by_address(&self, addresses: &[Address], base: Option<&Dn>) -> Result<Vec<Arc<Entry>>, Failure> {
        match self {
            Self::File(directory) => directory.by_address(addresses, base).await,
        }
    }

    async fn groups_of(&self, members: &[Arc<Entry>], kind: Groups) -> Result<Vec<Arc<Entry>>, Failure> {
        match self {
            Self::File(directory) => directory.groups_of(members, kind).await,
        }
    }

    async fn by_dn(&self, dn: &Dn) -> Result<Option<Arc<Entry>>, Failure> {
        match self {
            Self::File(directory) => directory.by_dn(dn).await,
        }
    }
}
