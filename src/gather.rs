//! The facts for a decision: the questions that a message raises, asked of the directory.

use std::sync::Arc;

use futures_util::future::{try_join, try_join_all};

use crate::address::Address;
use crate::directory::{Directory, Failure, MEMBERS_A_SEARCH, security_groups};
use crate::dn::Dn;
use crate::grant::{Entry, Facts, Membership, Owners, Submitter};
use crate::message::Message;
use crate::policy;
use crate::site::Site;

/// Everything that a decision about `message` must know. The submitter and the owners of all addresses are looked up
/// at the same time; addresses in display text follow, where there are any that matter.
pub(crate) async fn facts<D: Directory>(site: &Site<D>, message: &Message) -> Result<Facts, Failure> {
    let asked = message.addresses().into_iter().cloned();
    let who = submitter(site, &message.login, MEMBERS_A_SEARCH);
    let (submitter, known) = try_join(who, owners(site, asked.collect())).await?;
    let mut facts = Facts { submitter, owners: known };
    let shown = policy::shown_addresses(message, &facts.submitter, &site.rules);
    let unknown = shown.into_iter().filter(|address| facts.owners.get(address).is_none());
    let more = owners(site, unknown.collect()).await?;
    facts.owners.append(more);
    Ok(facts)
}

/// Who a login is, with its security groups. `batch` members are asked for at a time; asked one by one, the path to each
/// group is known.
pub(crate) async fn submitter<D: Directory>(
    site: &Site<D>,
    login: &str,
    batch: usize,
) -> Result<Submitter, Failure> {
    let account = site.accounts.get(login).cloned();
    let entry = person(site, login).await?;
    let groups = match &entry {
        Some(entry) => groups(site, entry, batch).await?,
        None => Vec::new(),
    };
    Ok(Submitter { login: login.to_owned(), entry, account, groups })
}

/// The entry of a login. Its realm is stripped if it is listed (`directory.realms`), and chooses the context.
async fn person<D: Directory>(site: &Site<D>, login: &str) -> Result<Option<Arc<Entry>>, Failure> {
    let realm = login.rsplit_once('@');
    let base = realm.and_then(|(_, realm)| site.rules.grants.base_for(realm));
    let name = match realm {
        Some((name, realm)) if site.realms.iter().any(|listed| listed.eq_ignore_ascii_case(realm)) => name,
        Some(_) | None => login,
    };
    if name.is_empty() {
        return Ok(None);
    }
    site.directory.by_login(name, base).await
}

/// The security groups of an entry, in its own context.
async fn groups<D: Directory>(
    site: &Site<D>,
    entry: &Arc<Entry>,
    batch: usize,
) -> Result<Vec<Membership>, Failure> {
    let admits = |group: &Dn| site.rules.grants.share_context(&entry.dn, group);
    security_groups(&site.directory, entry, site.group_depth, batch, admits).await
}

/// The owners of addresses, each looked up under all of its forms.
pub(crate) async fn owners<D: Directory>(site: &Site<D>, addresses: Vec<Address>) -> Result<Owners, Failure> {
    let look_up = async |address: Address| {
        let forms = site.rules.addresses.candidates(&address);
        let entries = if forms.is_empty() {
            Vec::new()
        } else {
            site.directory.by_address(&forms, base_of(site, &forms)).await?
        };
        Ok((address, entries))
    };
    let mut owners = Owners::default();
    for (address, entries) in try_join_all(addresses.into_iter().map(look_up)).await? {
        owners.insert(address, entries);
    }
    Ok(owners)
}

/// The subtree in which all forms of an address are looked up, if one context claims their domains.
fn base_of<'a, D>(site: &'a Site<D>, forms: &[Address]) -> Option<&'a Dn> {
    let mut bases = forms.iter().map(|form| site.rules.grants.base_for(form.domain()));
    let first = bases.next()??;
    bases.all(|base| base == Some(first)).then_some(first)
}
