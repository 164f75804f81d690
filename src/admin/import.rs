//! `import login-maps`: what `smtpd_sender_login_maps` of Postfix allows today, as aliases and grants of the directory
//! or as `[[account]]`, and where verdicts would differ then. Nothing is changed.
//!
//! [`source`] finds the tables and [`postmap`] asks Postfix's own program for them; [`maps`] looks addresses up in the
//! order of smtpd(8). [`plan`] says what each login and address amount to, [`change`] holds what becomes of an entry,
//! [`ldif`] and [`accounts`] write it down.
//! [`overlay`] is the directory as it will be, and [`verdicts`] has messages judged there, by the milter's own rules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Serialize;

use crate::address::AddressError;
use crate::config::Config;
use crate::directory::Failure;
use crate::dn::Dn;
use crate::open::{self, OpenError};
use crate::reply;

mod accounts;
mod change;
mod ldif;
mod maps;
mod overlay;
mod plan;
mod postmap;
mod render;
mod source;
mod verdicts;

use super::roll::Roll;
use maps::LoginMaps;
use plan::Planner;
use postmap::PostmapError;
use source::{Source, SourceError};
use verdicts::Difference;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The tables, as postconf(5) writes them; none: those of `smtpd_sender_login_maps`.
    pub map: Option<String>,
    /// The directory with `main.cf` and `master.cf`.
    pub postfix: PathBuf,
    /// A file with further addresses to ask for, one a line.
    pub addresses: Option<PathBuf>,
    /// The entry below which shared mailboxes are made; none: logins that share an address get an `[[account]]` each.
    pub shared: Option<String>,
    /// What is printed.
    pub format: Format,
}

/// What is printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// What it amounts to, in words.
    Text,
    /// Change records for ldapmodify(1) (RFC 2849), and `[[account]]` in comments where an entry cannot say it.
    Ldif,
    /// `[[account]]` alone.
    Accounts,
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Postfix's settings.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A table.
    #[error(transparent)]
    Postmap(#[from] PostmapError),
    /// The file with addresses.
    #[error("{}: cannot be read: {error}", .file.display())]
    Addresses {
        /// The file.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A line in it.
    #[error("{}, line {line}: \"{}\" is not a mail address: {error}", .file.display(), reply::printable(.text))]
    Address {
        /// The file.
        file: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// What stands there.
        text: String,
        /// Why it is none.
        error: AddressError,
    },
    /// The name for shared mailboxes.
    #[error("--shared: \"{}\" is not the name of an entry, such as ou=shared,dc=example,dc=org", reply::printable(.0))]
    Shared(String),
    /// Shared mailboxes would stand where nobody looks.
    #[error("--shared: \"{}\" is not below directory.base_dn, and entries there do not count", reply::printable(.0.as_str()))]
    Outside(Dn),
    /// The directory cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The directory gave no answer.
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl ImportError {
    /// Whether it may be otherwise later (exit status 75).
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Failure(_) => true,
            Self::Source(_)
            | Self::Postmap(_)
            | Self::Addresses { .. }
            | Self::Address { .. }
            | Self::Shared(_)
            | Self::Outside(_)
            | Self::Open(_) => false,
        }
    }
}

/// What the tables amount to.
#[derive(Debug, Serialize)]
pub struct Import {
    #[serde(skip)]
    format: Format,
    /// The tables, as they were asked.
    maps: Vec<String>,
    /// What each address and login amount to.
    rows: Vec<Row>,
    /// Change records for the directory (RFC 2849).
    ldif: String,
    /// `[[account]]`, for the configuration.
    accounts: String,
    /// What is allowed today and would be refused.
    lost: Vec<Difference>,
    /// What is refused today and would be allowed.
    gained: Vec<Difference>,
    /// What one should know.
    notes: Vec<String>,
}

/// What an address and a login amount to.
#[derive(Clone, Debug, Serialize)]
struct Row {
    address: String,
    login: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<String>,
    amounts_to: Amounts,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Amounts {
    /// Nothing: it is the login's own.
    Own,
    /// Nothing: it is granted already.
    Granted,
    /// A further address of the login's entry.
    Alias,
    /// Send-as, from those who hold the address.
    SendAs,
    /// Send-as, from a shared mailbox that is made for the address.
    Shared,
    /// An `[[account]]`.
    Account,
    /// Nothing can be done.
    Nothing,
}

impl Import {
    /// Whether nobody loses anything (exit status 0, else 1).
    pub fn is_complete(&self) -> bool {
        self.lost.is_empty()
    }
}

/// Reads the tables, and works out what they amount to.
///
/// # Errors
///
/// Postfix, its tables or the directory cannot be asked.
pub async fn login_maps(config: Config, request: &Request) -> Result<Import, ImportError> {
    let base = config.directory.base_dn.as_ref();
    let shared = request.shared.as_deref().map(|text| shared(text, base)).transpose()?;
    let source = Source::find(&request.postfix, request.map.as_deref())?;
    let site = open::command(config.clone())?;
    let roll = Roll::new(&site.lookup.directory, &config)?;
    let company = roll.company().await?;
    let further = request.addresses.as_deref().map(maps::addresses).transpose()?.unwrap_or_default();
    let mut maps = LoginMaps::read(&source, &company, further)?;
    let accounts_only = request.format == Format::Accounts;
    let planner = Planner::new(&config, &site, &roll, &company, shared, accounts_only).await?;
    let plan = planner.plan(&maps).await?;
    let (rows, ldif, accounts) = (plan.rows.clone(), ldif::write(&plan), accounts::write(&plan));
    let mut notes = std::mem::take(&mut maps.notes);
    notes.extend(plan.notes.iter().cloned());
    notes.extend(delimiters(&source.delimiters, config.rules.addresses.delimiters()));
    let compared = verdicts::compare(config, plan, &maps, &company, source.refuses_unlisted).await?;
    Ok(Import {
        format: request.format,
        maps: source.tables.iter().map(|table| reply::printable(&table.spec)).collect(),
        rows,
        ldif,
        accounts,
        lost: compared.lost,
        gained: compared.gained,
        notes,
    })
}

fn shared(text: &str, base: Option<&Dn>) -> Result<Dn, ImportError> {
    let dn = Dn::parse(text).ok().filter(|dn| dn.depth() > 0);
    let dn = dn.ok_or_else(|| ImportError::Shared(text.to_owned()))?;
    if base.is_none_or(|base| dn.is_within(base)) { Ok(dn) } else { Err(ImportError::Outside(dn)) }
}

/// What to know where extensions of addresses begin with one character today, and with another then: none of them are asked
/// for.
fn delimiters(today: &str, then: &str) -> Option<String> {
    let set = |text: &str| text.chars().collect::<BTreeSet<_>>();
    (set(today) != set(then)).then(|| {
        format!(
            "recipient_delimiter of Postfix is \"{}\" and policy.recipient_delimiter is \"{}\": addresses with an \
             extension (anna+news@example.org) are not compared, and verdicts on them differ; make the two the same",
            reply::printable(today),
            reply::printable(then)
        )
    })
}

/// Logins as they are compared: without regard to ASCII case, as smtpd(8) does.
fn folded(login: &str) -> String {
    login.to_ascii_lowercase()
}

/// By login.
type ByLogin<T> = BTreeMap<String, T>;

#[cfg(test)]
mod tests;
