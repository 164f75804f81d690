//! `list ADDRESS`: who may send for it, and for whom it may send; through groups, and with the reason for what does not
//! count.
//!
//! There are no rules here. Whoever may be concerned is found by walking the grants and groups from the other end than
//! messages do ([`incoming`], [`outgoing`]), and then judged as a message of theirs would be ([`judge`]).

use std::sync::Arc;

use serde::Serialize;

use crate::address::{Address, AddressError};
use crate::config::Config;
use crate::directory::Failure;
use crate::gather;
use crate::grant::{Entry, Owners};
use crate::open::{self, OpenError};
use crate::reply;

mod incoming;
mod judge;
mod outgoing;
mod render;

use super::roll::{Found, Roll};
use judge::{Judge, Opinion};

/// The most people, and the most principals, that are looked at; of the others the number is told.
const MOST: usize = 200;

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The address is none.
    #[error("\"{}\" is not a mail address: {}; write it as name@domain", reply::printable(.0), .1)]
    Address(String, AddressError),
    /// The directory cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The directory gave no answer.
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl ListError {
    /// Whether it may be otherwise later (exit status 75).
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Failure(_) => true,
            Self::Address(..) | Self::Open(_) => false,
        }
    }
}

/// Who may send for an address, and for whom it may send.
#[derive(Debug, Serialize)]
pub struct Listing {
    address: String,
    holders: Vec<Holder>,
    /// Who may send for it, and whom a grant names in vain.
    senders: Vec<Row>,
    /// How many members of groups were not looked at.
    more_senders: usize,
    /// For whom the holders may send.
    sends_for: Vec<Principal>,
    /// How many principals were not looked at.
    more_principals: usize,
}

/// An entry that holds the address.
#[derive(Debug, Serialize)]
struct Holder {
    entry: String,
    grants: Vec<Step>,
}

/// An entry that grants something to a holder of the address.
#[derive(Debug, Serialize)]
struct Principal {
    entry: String,
    /// What names the holder or a group that it is in.
    grants: Vec<Step>,
    /// What comes of it, for each address of the principal.
    addresses: Vec<Row>,
}

/// A grant, and whether it counts.
#[derive(Debug, Serialize)]
struct Step {
    right: &'static str,
    name: String,
    counts: bool,
    reason: String,
}

/// What a login may do with an address.
#[derive(Debug, Serialize)]
struct Row {
    login: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<String>,
    address: String,
    /// `own`, `unknown`, `on-behalf` or `send-as`, as `explain` has it; absent if mail would be refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'static str>,
    /// The rights that count.
    rights: Vec<&'static str>,
    /// The groups from which they come.
    through: Vec<String>,
    /// Why mail would be refused, where the grants do not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Lists both directions for an address.
///
/// # Errors
///
/// The address is none, or the directory cannot be asked or gives no answer.
pub async fn list(config: Config, text: &str) -> Result<Listing, ListError> {
    let address = Address::parse(text).map_err(|error| ListError::Address(text.to_owned(), error))?;
    let site = open::command(config.clone())?;
    let roll = Roll::new(&site.lookup.directory, &config)?;
    let owners = gather::owners(&site.lookup, vec![address.clone()]).await?;
    let mut judge = Judge::new(&site);
    let holders = holders(&address, &owners, &judge);
    let incoming = incoming::look(&roll, &mut judge, &address, &holders, &owners).await?;
    let outgoing = outgoing::look(&roll, &mut judge, &holders).await?;
    Ok(Listing {
        address: printable(&address),
        holders: incoming.holders,
        senders: incoming.senders,
        more_senders: incoming.more,
        sends_for: outgoing.principals,
        more_principals: outgoing.more,
    })
}

/// The entries that hold the first form of the address that anybody holds.
fn holders(address: &Address, owners: &Owners, judge: &Judge<'_>) -> Vec<Arc<Entry>> {
    let entries = owners.get(address).unwrap_or_default();
    let having = |form: &Address| entries.iter().filter(|entry| entry.has(form)).cloned().collect::<Vec<_>>();
    let forms = judge.site.rules.addresses.candidates(address);
    forms.iter().map(having).find(|holders| !holders.is_empty()).unwrap_or_default()
}

impl Listing {
    /// Whether anybody has the address (exit status 0, else 1).
    pub fn is_known(&self) -> bool {
        !self.holders.is_empty() || self.senders.iter().any(|row| row.by == Some("own"))
    }
}

impl Row {
    fn new(opinion: Opinion, address: &Address) -> Self {
        let Opinion { login, entry, by, rights, through, reason, .. } = opinion;
        Self {
            login: reply::printable(&login),
            entry: entry.as_deref().map(shown),
            address: printable(address),
            by,
            rights: rights.names(),
            through: through.iter().map(|dn| reply::printable(dn.as_str())).collect(),
            reason,
        }
    }
}

fn shown(entry: &Entry) -> String {
    reply::printable(entry.dn.as_str())
}

fn printable(address: &Address) -> String {
    reply::printable(&address.to_string())
}
