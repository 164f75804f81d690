//! The facts for a decision: the questions that a message raises, asked of the directory.

use futures_util::future::{try_join, try_join_all};

use crate::address::Address;
use crate::directory::{Failure, lookup::Lookup};
use crate::grant::{Facts, Owners, Person, Submitter};
use crate::message::Message;
use crate::policy;
use crate::site::Site;

/// Everything that a decision about `message` must know. The submitter and the owners of all addresses are looked up
/// at the same time; addresses in display text follow, where there are any that matter.
pub(crate) async fn facts<L: Lookup>(site: &Site<L>, message: &Message) -> Result<Facts, Failure> {
    let asked = message.addresses().into_iter().cloned();
    let (person, known) =
        try_join(site.lookup.person(&message.login), owners(&site.lookup, asked.collect())).await?;
    let mut facts = Facts { submitter: submitter(site, &message.login, person), owners: known };
    let shown = policy::shown_addresses(message, &facts.submitter, &site.rules);
    let unknown = shown.into_iter().filter(|address| facts.owners.get(address).is_none());
    let more = owners(&site.lookup, unknown.collect()).await?;
    facts.owners.append(more);
    Ok(facts)
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
