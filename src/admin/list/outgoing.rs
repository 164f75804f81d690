//! For whom the holders of an address may send: from them and their groups to the principals that grant them something.

use std::sync::Arc;

use super::judge::Judge;
use super::{Found, MOST, Principal, Roll, Row, Step, shown};
use crate::admin::standing;
use crate::directory::Failure;
use crate::gather;
use crate::grant::{self, Entry, Submitter};
use crate::reply;

/// What was found.
#[derive(Default)]
pub(super) struct Outgoing {
    pub(super) principals: Vec<Principal>,
    pub(super) more: usize,
}

/// Looks for everybody for whom the holders may send.
pub(super) async fn look(
    roll: &Roll<'_>,
    judge: &mut Judge<'_>,
    holders: &[Arc<Entry>],
) -> Result<Outgoing, Failure> {
    let mut outgoing = Outgoing::default();
    for holder in holders {
        let Some(found) = roll.at(&holder.dn).await? else { continue };
        if found.is_person || found.is_group {
            from(&found, roll, judge, &mut outgoing).await?;
        }
    }
    Ok(outgoing)
}

async fn from(
    holder: &Found,
    roll: &Roll<'_>,
    judge: &mut Judge<'_>,
    outgoing: &mut Outgoing,
) -> Result<(), Failure> {
    let groups = judge.groups(&holder.entry).await?;
    let submitter = Submitter { entry: Some(holder.entry.clone()), groups, ..Submitter::default() };
    let identities: Vec<_> = submitter.identities().collect();
    let mut principals = roll.granting(&identities).await?;
    for group in &identities {
        let rules = &judge.site.rules.grants;
        if rules.group_members.is_some()
            && grant::is_member(group, &submitter, rules)
            && !principals.iter().any(|found| found.entry.dn == group.dn)
        {
            principals.extend(roll.at(&group.dn).await?.filter(|found| found.is_principal));
        }
    }
    principals.retain(|principal| principal.entry.dn != holder.entry.dn);
    outgoing.more += principals.len().saturating_sub(MOST);
    for principal in principals.iter().take(MOST) {
        let grants = grants(&principal.entry, &submitter, judge);
        let addresses = addresses(holder, &principal.entry, judge).await?;
        outgoing.principals.push(Principal { entry: shown(&principal.entry), grants, addresses });
    }
    Ok(())
}

/// What becomes of the grants that name the holder or a group that it is in.
fn grants(principal: &Entry, submitter: &Submitter, judge: &Judge<'_>) -> Vec<Step> {
    let rules = &judge.site.rules.grants;
    let is_named = |grant: &&grant::Grant| submitter.identities().any(|own| grant.delegate.names(own));
    let mut steps: Vec<_> = principal
        .grants
        .iter()
        .filter(is_named)
        .map(|grant| {
            let (counts, reason) = standing::says(&grant::standing(grant, principal, submitter, rules));
            let name = reply::printable(&grant.delegate.to_string());
            Step { right: grant.right.name(), name, counts, reason }
        })
        .collect();
    if let Some(right) = rules.group_members
        && grant::is_member(principal, submitter, rules)
    {
        let outlook = standing::Outlook::of_members(right, principal, rules);
        let name = "the members of this group".to_owned();
        steps.push(Step { right: right.name(), name, counts: outlook.counts, reason: outlook.reason });
    }
    steps
}

/// What comes of it for each address of the principal.
async fn addresses(holder: &Found, principal: &Entry, judge: &mut Judge<'_>) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    if !holder.is_person {
        return Ok(rows);
    }
    for address in principal.addresses() {
        let owners = gather::owners(&judge.site.lookup, vec![address.clone()]).await?;
        let opinions = judge.person(holder, address, &owners).await?;
        rows.extend(opinions.into_iter().map(|opinion| Row::new(opinion, address)));
    }
    Ok(rows)
}
