//! Who may send for an address: from the grants of those who hold it to the people whom they name, down through groups.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::judge::{Judge, Opinion};
use super::{Found, Holder, MOST, Roll, Row, Step, shown};
use crate::address::Address;
use crate::admin::progress::Progress;
use crate::admin::standing::{self, Outlook};
use crate::directory::Failure;
use crate::directory::schema::MemberName;
use crate::dn::Dn;
use crate::grant::{Entry, Owners};

/// What was found.
pub(super) struct Incoming {
    pub(super) holders: Vec<Holder>,
    pub(super) senders: Vec<Row>,
    pub(super) more: usize,
}

/// Looks for everybody who may send for the address, whom these entries hold.
pub(super) async fn look(
    roll: &Roll<'_>,
    judge: &mut Judge<'_>,
    address: &Address,
    holders: &[Arc<Entry>],
    owners: &Owners,
) -> Result<Incoming, Failure> {
    let mut search = Search { roll, judge, people: HashMap::new(), groups: VecDeque::new(), more: 0 };
    let mut shown_holders = Vec::new();
    for holder in holders {
        let grants = search.grants(holder).await?;
        shown_holders.push(Holder { entry: shown(holder), grants });
        if let Some(found) = roll.at(&holder.dn).await? {
            search.meet(found);
        }
    }
    search.descend().await?;
    let senders = search.judged(address, owners).await?;
    Ok(Incoming { holders: shown_holders, senders, more: search.more })
}

struct Search<'a, 'b> {
    roll: &'a Roll<'a>,
    judge: &'a mut Judge<'b>,
    people: HashMap<Dn, Found>,
    /// The groups that were named, each with its depth.
    groups: VecDeque<(Dn, usize)>,
    more: usize,
}

impl Search<'_, '_> {
    /// What becomes of every grant of a principal, noting whom they name.
    async fn grants(&mut self, principal: &Arc<Entry>) -> Result<Vec<Step>, Failure> {
        let rules = &self.judge.site.rules.grants;
        let mut steps = Vec::new();
        for grant in &principal.grants {
            let named = self.roll.named(&grant.delegate).await?;
            let outlook = Outlook::of(grant, principal, &named, self.roll, rules).await?;
            let name = standing::name(&grant.delegate, &named);
            let (counts, reason) = (outlook.counts, outlook.reason);
            steps.push(Step { right: grant.right.name(), name, counts, reason });
            named.into_iter().for_each(|found| self.meet(found));
        }
        if let Some(right) = rules.group_members
            && let Some(group) = self.roll.at(&principal.dn).await?.filter(|found| found.is_group)
        {
            let outlook = Outlook::of_members(right, principal, rules);
            let name = "the members of this group".to_owned();
            let (counts, reason) = (outlook.counts, outlook.reason);
            steps.push(Step { right: right.name(), name, counts, reason });
            self.groups.push_back((group.entry.dn.clone(), 0));
        }
        Ok(steps)
    }

    /// Notes somebody who may have to do with it.
    fn meet(&mut self, found: Found) {
        if found.is_group {
            self.groups.push_back((found.entry.dn.clone(), 0));
        }
        if found.is_person {
            self.people.insert(found.entry.dn.clone(), found);
        }
    }

    /// Down through the groups, breadth first; a ring ends at what was seen.
    async fn descend(&mut self) -> Result<(), Failure> {
        let deepest = self.judge.site.lookup.group_depth();
        let mut seen: HashSet<Dn> = HashSet::new();
        while let Some((group, depth)) = self.groups.pop_front() {
            if !seen.insert(group.clone()) || depth >= deepest {
                continue;
            }
            for member in self.roll.members(&group).await? {
                if self.people.len() >= MOST {
                    self.more += 1;
                    continue;
                }
                for found in self.members(&member).await? {
                    if found.is_group {
                        self.groups.push_back((found.entry.dn.clone(), depth + 1));
                    }
                    if found.is_person {
                        self.people.insert(found.entry.dn.clone(), found);
                    }
                }
            }
        }
        Ok(())
    }

    async fn members(&self, member: &MemberName) -> Result<Vec<Found>, Failure> {
        match member {
            MemberName::Dn(dn) => Ok(self.roll.at(dn).await?.into_iter().collect()),
            MemberName::Login(login) => self.roll.with_login(login).await,
        }
    }

    /// What everybody may do who was found, and every `[[account]]` to which the address belongs.
    async fn judged(&mut self, address: &Address, owners: &Owners) -> Result<Vec<Row>, Failure> {
        let mut people: Vec<_> = std::mem::take(&mut self.people).into_values().collect();
        people.sort_by(|a, b| a.entry.dn.cmp(&b.entry.dn));
        let mut rows = Vec::new();
        let mut progress = Progress::of("people judged");
        for person in &people {
            progress.step();
            let opinions = self.judge.person(person, address, owners).await?;
            if opinions.is_empty() {
                rows.push(Row::new(Opinion::without_login(person), address));
            }
            rows.extend(opinions.into_iter().map(|opinion| Row::new(opinion, address)));
        }
        let site = self.judge.site;
        for account in site.accounts.iter() {
            let opinion = self.judge.login(&account.login, address, owners).await?;
            let known = opinion.entry.as_ref().is_some_and(|e| people.iter().any(|p| p.entry.dn == e.dn));
            if opinion.by.is_some() && !known {
                rows.push(Row::new(opinion, address));
            }
        }
        Ok(rows)
    }
}
