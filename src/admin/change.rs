//! `grant` and `revoke`: one right of one principal, for one delegate.
//!
//! Who the two are and what stands there is asked as the milter asks it; the modification is made as the caller
//! ([`caller`]), who is never the milter's account by default. Whatever would not count is refused with the reason
//! ([`check`]); what is written is what [`crate::directory::grants`] says; and what is told at the end is what the
//! directory holds then.

use serde::Serialize;

use crate::config::{Config, Source};
use crate::directory::Failure;
use crate::directory::grants::{self, Modification, Operation};
use crate::directory::ldap::{ConnectError, Modified, TlsFilesError};
use crate::directory::lookup::Resolver;
use crate::directory::schema::Dialect;
use crate::dn::Dn;
use crate::grant::Right;
use crate::open::{self, Backend, OpenError};
use crate::reply;
use crate::site::Site;

mod caller;
mod check;
mod render;
mod resolve;

use super::check::Known;
use super::roll::{Found, Roll};
use caller::Writer;
pub use caller::{Caller, CallerError};
use check::Checked;
pub use resolve::Ambiguous;

/// How often a modification is tried that others get ahead of.
const TRIES: usize = 3;

/// What is to be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    /// Give the right.
    Grant,
    /// Take it.
    Revoke,
}

/// What somebody asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is to be done.
    pub verb: Verb,
    /// The right.
    pub right: Right,
    /// Whose right it is: an address, a login or a distinguished name.
    pub principal: String,
    /// Who gets it, or loses it: the same.
    pub delegate: String,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// A name stands for several entries.
    #[error(transparent)]
    Ambiguous(#[from] Ambiguous),
    /// As whom to write is not told, or cannot be.
    #[error(transparent)]
    Caller(#[from] CallerError),
    /// The directory cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Certificates or keys cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsFilesError),
    /// The directory is a file, which is its owner's to edit.
    #[error("{0}")]
    File(String),
    /// The server knows no attribute for the right.
    #[error(
        "the server knows none of the attributes that hold {right} here, {attributes}: load the schema that has them \
         (contrib/ldap/delegation.ldif is ours), or name others in directory.attributes"
    )]
    NoAttribute {
        /// The right.
        right: &'static str,
        /// The attributes of the configuration.
        attributes: String,
    },
    /// The server does not take the caller, or is away.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The directory gave no answer.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The modification was sent, and no answer came.
    #[error("it is not known whether it was done, ask with `list`: {0}")]
    Unknown(Failure),
}

impl ChangeError {
    /// Whether it may be otherwise later (exit status 75).
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Failure(_) | Self::Unknown(_) => true,
            Self::Connect(error) => match error {
                ConnectError::Bind { .. } | ConnectError::Password { .. } => false,
                ConnectError::Reach { .. }
                | ConnectError::Tls { .. }
                | ConnectError::Garbled { .. }
                | ConnectError::Behind { .. }
                | ConnectError::Slow { .. } => true,
            },
            Self::Ambiguous(_)
            | Self::Caller(_)
            | Self::Open(_)
            | Self::Tls(_)
            | Self::File(_)
            | Self::NoAttribute { .. } => false,
        }
    }
}

/// What became of it.
#[derive(Debug, Serialize)]
pub struct Answer {
    #[serde(skip)]
    verb: Verb,
    /// Whether it is done.
    done: bool,
    right: &'static str,
    principal: String,
    delegate: String,
    /// What was added and deleted.
    added: Vec<Value>,
    deleted: Vec<Value>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Why it does not have the effect that one may expect.
    warnings: Vec<String>,
}

/// A value that was written.
#[derive(Debug, Serialize)]
struct Value {
    attribute: String,
    value: String,
}

/// Grants or revokes a right. Where it is to be written to a server, `caller` says as whom.
///
/// # Errors
///
/// What is asked for is not clear, or the directory cannot be asked or gives no answer.
pub async fn change(
    config: Config,
    request: &Request,
    caller: Option<Caller>,
) -> Result<Answer, ChangeError> {
    let site = open::command(config.clone())?;
    let roll = Roll::new(&site.lookup.directory, &config)?;
    let target = Target::new(&config, caller)?;
    let known = target.known(&site.lookup.directory).await?;
    Case { config: &config, site: &site, roll, known, request }.answer(&target).await
}

/// Where it is written.
enum Target {
    /// Into a file, by hand.
    File(String),
    /// To a server.
    Server(Box<Writer>),
}

impl Target {
    fn new(config: &Config, caller: Option<Caller>) -> Result<Self, ChangeError> {
        match &config.directory.source {
            Source::File(file) => Ok(Self::File(file.display().to_string())),
            Source::Servers(servers) => {
                let caller = caller.ok_or(CallerError::Missing)?;
                Ok(Self::Server(Box::new(Writer::new(servers, config, caller)?)))
            }
        }
    }

    /// What the server knows.
    async fn known(&self, directory: &Backend) -> Result<Option<Known>, Failure> {
        match directory {
            Backend::File(_) => Ok(None),
            Backend::Server(server) => {
                let root = server.read(&Dn::default(), &["subschemaSubentry"]).await?;
                Known::ask(server, root.as_ref()).await
            }
        }
    }
}

/// A request, and what answers its questions.
struct Case<'a> {
    config: &'a Config,
    site: &'a Site<Resolver<Backend>>,
    roll: Roll<'a>,
    known: Option<Known>,
    request: &'a Request,
}

impl Case<'_> {
    async fn answer(&self, target: &Target) -> Result<Answer, ChangeError> {
        let Request { principal, delegate, .. } = self.request;
        let mut answer = Answer::new(self.request);
        let Some(mut principal) = self.resolve(principal).await? else {
            return Ok(answer.refused(resolve::nobody(principal)));
        };
        answer.principal = shown(&principal.entry.dn);
        let found = self.resolve(delegate).await?;
        let Some(delegate) = found.or_else(|| self.gone(delegate)) else {
            return Ok(answer.refused(resolve::nobody(delegate)));
        };
        answer.delegate = shown(&delegate.entry.dn);
        for _ in 0..TRIES {
            let modifications = match self.check(&principal, &delegate).await? {
                Checked::Write(modifications) => modifications,
                Checked::Refuse(reason) => return Ok(answer.refused(reason)),
            };
            let reason = match self.write(target, &principal, &delegate, &modifications).await? {
                Modified::Done => return self.done(answer, &modifications, &principal, &delegate).await,
                Modified::Changed => match self.roll.at(&principal.entry.dn).await? {
                    Some(again) => {
                        principal = again;
                        continue;
                    }
                    None => "somebody deleted or renamed the principal's entry meanwhile".to_owned(),
                },
                Modified::NoAccess(why) => {
                    let dialect = self.config.directory.schema.dialect;
                    target.no_access(&why, &modifications, &answer.principal, dialect).await
                }
                Modified::Referred(urls) => format!(
                    "this server takes no changes, it refers to {}: give that one in directory.urls of a \
                     configuration for this command",
                    urls.join(" or ")
                ),
                Modified::Refused(why) => format!("the server refuses it: {why}"),
            };
            return Ok(answer.refused(reason));
        }
        let reason = "the server says that the values are not what it shows: is it a replica that lags?";
        Ok(answer.refused(reason.to_owned()))
    }

    async fn write(
        &self,
        target: &Target,
        principal: &Found,
        delegate: &Found,
        modifications: &[Modification],
    ) -> Result<Modified, ChangeError> {
        let writer = match target {
            Target::Server(writer) => writer.directory().await?,
            Target::File(file) => {
                return Err(ChangeError::File(render::edits(file, &principal.entry.dn, modifications)));
            }
        };
        match writer.modify(&principal.entry.dn, modifications).await {
            Ok(modified) => Ok(modified),
            // No answer came: what the entry holds now is one.
            Err(failure) => match self.roll.at(&principal.entry.dn).await {
                Ok(Some(now)) if self.is_done(&now, delegate) => Ok(Modified::Done),
                Ok(_) | Err(_) => Err(ChangeError::Unknown(failure)),
            },
        }
    }

    /// Whether the entry has what was asked for.
    fn is_done(&self, principal: &Found, delegate: &Found) -> bool {
        let Request { verb, right, .. } = self.request;
        let stored = grants::stored(&principal.record, *right, &self.config.directory.schema);
        let is_there = stored.iter().any(|stored| stored.delegate.names(&delegate.entry));
        is_there == (*verb == Verb::Grant)
    }

    /// The truth after the modification.
    async fn done(
        &self,
        mut answer: Answer,
        modifications: &[Modification],
        principal: &Found,
        delegate: &Found,
    ) -> Result<Answer, ChangeError> {
        answer.done = true;
        for Modification { operation, attribute, value } in modifications {
            let value = Value { attribute: attribute.clone(), value: render::value(value) };
            let what = format!("Send As for {}", answer.delegate);
            let entry = || Value { attribute: attribute.clone(), value: what };
            match (operation, self.request.verb) {
                (Operation::Add, _) => answer.added.push(value),
                (Operation::Delete, _) => answer.deleted.push(value),
                (Operation::Replace, Verb::Grant) => answer.added.push(entry()),
                (Operation::Replace, Verb::Revoke) => answer.deleted.push(entry()),
            }
        }
        match self.roll.at(&principal.entry.dn).await? {
            Some(now) if self.is_done(&now, delegate) => {
                answer.warnings = self.warnings(&now, delegate).await?;
            }
            Some(_) | None => answer.warnings.push(
                "the server that the milter asks does not show the change: is it a replica that lags?"
                    .to_owned(),
            ),
        }
        Ok(answer)
    }
}

impl Answer {
    fn new(request: &Request) -> Self {
        Self {
            verb: request.verb,
            done: false,
            right: request.right.name(),
            principal: reply::printable(&request.principal),
            delegate: reply::printable(&request.delegate),
            added: Vec::new(),
            deleted: Vec::new(),
            reason: None,
            warnings: Vec::new(),
        }
    }

    fn refused(self, reason: String) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// Whether it was done (exit status 0, else 1).
    pub fn is_done(&self) -> bool {
        self.done
    }
}

impl Target {
    /// That the caller may not do it, and what would let it.
    async fn no_access(
        &self,
        why: &str,
        modifications: &[Modification],
        principal: &str,
        dialect: Dialect,
    ) -> String {
        let who = match self {
            Self::File(_) => String::new(),
            Self::Server(writer) => writer.who().await,
        };
        let mut attributes: Vec<_> = modifications.iter().map(|own| own.attribute.as_str()).collect();
        attributes.dedup();
        let attributes = attributes.join(" and ");
        format!("{who} may not write {attributes} of {principal}: {why}; {}", allowed(dialect))
    }
}

/// What the access rules have to allow.
fn allowed(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Standard => {
            "in contrib/ldap/access.ldif people give send-on-behalf and schedule on their own entry, and all else is the \
             administrators'"
        }
        Dialect::ActiveDirectory => {
            "to give send-as takes the right to change permissions (WRITE_DAC) on the principal's entry, to give \
             send-on-behalf the right to write the attribute"
        }
    }
}

fn shown(dn: &Dn) -> String {
    reply::printable(dn.as_str())
}
