//! The facts for a decision: the questions that a message raises, asked of the directory.

use std::future::ready;
use std::pin::pin;

use futures_util::future::{Either, select, try_join, try_join_all};

use crate::address::Address;
use crate::directory::{Failure, lookup::Lookup};
use crate::grant::{Facts, Owners, Person, Submitter};
use crate::message::Message;
use crate::policy;
use crate::site::Site;

/// Everything that a decision about `message` must know. About the submitter's own addresses there is nothing to ask: so
/// whoever is remembered is known first. While the submitter must be waited for, the owners of the addresses that speak
/// are looked up at the same time, unless they are likely to be own; the others follow where they matter.
pub(crate) async fn facts<L: Lookup>(site: &Site<L>, message: &Message) -> Result<Facts, Failure> {
    let person = pin!(site.lookup.person(&message.login));
    let (person, known) = match select(person, ready(())).await {
        Either::Left((person, _)) => (person?, Owners::default()),
        Either::Right((_, person)) => {
            let speaking = message.speaking().into_iter().cloned();
            let ahead = speaking.filter(|address| !is_likely_own(address, &message.login)).collect();
            try_join(person, owners(&site.lookup, ahead)).await?
        }
    };
    let mut facts = Facts { submitter: submitter(site, &message.login, person), owners: known };
    let shown = policy::shown_addresses(message, &facts.submitter, &site.rules);
    let mut unknown: Vec<Address> = Vec::new();
    for address in message.addresses().into_iter().cloned().chain(shown) {
        let asked = facts.owners.get(&address).is_some() || unknown.contains(&address);
        if !asked && !facts.submitter.owns(&address) {
            unknown.push(address);
        }
    }
    let more = owners(&site.lookup, unknown).await?;
    facts.owners.append(more);
    Ok(facts)
}

/// Whether the address has the login's name, as most people's own have. Nothing rests on it but when it is asked for.
fn is_likely_own(address: &Address, login: &str) -> bool {
    let name = login.rsplit_once('@').map_or(login, |(name, _)| name);
    address.local().eq_ignore_ascii_case(name)
}

/// A login with all that is known of it: its `[[account]]`, its entry and security groups.
pub(crate) fn submitter<L>(site: &Site<L>, login: &str, person: Option<Person>) -> Submitter {
    let (entry, groups) = match person {
        Some(Person { entry, groups }) => (Some(entry), groups),
        None => Default::default(),
    };
    Submitter { login: login.to_owned(), entry, account: site.accounts.get(login).cloned(), groups }
}

/// The owners of addresses.
pub(crate) async fn owners<L: Lookup>(lookup: &L, addresses: Vec<Address>) -> Result<Owners, Failure> {
    let look_up = async |address: Address| {
        let holders = lookup.owners(&address).await?;
        Ok((address, holders))
    };
    let mut owners = Owners::default();
    for (address, holders) in try_join_all(addresses.into_iter().map(look_up)).await? {
        owners.insert(address, holders);
    }
    Ok(owners)
}

#[cfg(test)]
mod tests;
