//! What a login may do with an address: the verdict on a message, by the same functions as the milter's and `explain`'s.

use std::collections::HashMap;
use std::sync::Arc;

use super::Found;
use crate::address::Address;
use crate::admin::explain::Submission;
use crate::directory::Failure;
use crate::directory::login::Login;
use crate::directory::lookup::Resolver;
use crate::dn::Dn;
use crate::gather;
use crate::grant::{self, Entry, Facts, Owners, Person, Relation, Rights, Standing, Submitter};
use crate::open::Backend;
use crate::policy::{self, Answer, Body, Reading, Verdict};
use crate::reply;
use crate::site::Site;

/// Judges, and remembers the groups of those whom it has judged.
pub(super) struct Judge<'a> {
    pub(super) site: &'a Site<Resolver<Backend>>,
    groups: HashMap<Dn, Arc<[Arc<Entry>]>>,
}

/// What a login may do with an address.
pub(super) struct Opinion {
    pub(super) login: String,
    pub(super) entry: Option<Arc<Entry>>,
    /// `own`, `unknown`, `on-behalf` or `send-as`; none if the message would be refused.
    pub(super) by: Option<&'static str>,
    /// The rights that count.
    pub(super) rights: Rights,
    /// The groups from which they come.
    pub(super) through: Vec<Dn>,
    /// Why the message would be refused, where the grants do not tell.
    pub(super) reason: Option<String>,
    is_ambiguous: bool,
}

impl<'a> Judge<'a> {
    pub(super) fn new(site: &'a Site<Resolver<Backend>>) -> Self {
        Self { site, groups: HashMap::new() }
    }

    /// What each login of a person may do with the address. A login that leads to somebody else is that one's.
    pub(super) async fn person(
        &mut self,
        person: &Found,
        address: &Address,
        owners: &Owners,
    ) -> Result<Vec<Opinion>, Failure> {
        let mut opinions = Vec::new();
        for login in person.entry.logins() {
            // Logins are compared without regard to case.
            if opinions.iter().any(|known: &Opinion| Login::of(&known.login) == Login::of(login)) {
                continue;
            }
            let mut opinion = self.login(login, address, owners).await?;
            if opinion.is_ambiguous {
                opinion.entry = Some(person.entry.clone());
            }
            if opinion.entry.as_ref().is_none_or(|entry| entry.dn == person.entry.dn) {
                opinions.push(opinion);
            }
        }
        Ok(opinions)
    }

    /// What a login may do with the address, whose owners are known.
    pub(super) async fn login(
        &mut self,
        login: &str,
        address: &Address,
        owners: &Owners,
    ) -> Result<Opinion, Failure> {
        let entry = match self.site.lookup.entry(login).await {
            Ok(entry) => entry,
            Err(Failure::AmbiguousLogin(names)) => {
                let why = format!("all mail of this login is deferred: {}", Failure::AmbiguousLogin(names));
                return Ok(Opinion { is_ambiguous: true, ..Opinion::refused(login, None, why) });
            }
            Err(failure @ (Failure::Unavailable(_) | Failure::BadAnswer(_))) => return Err(failure),
        };
        let person = match entry {
            Some(entry) => Some(Person { groups: self.groups(&entry).await?, entry }),
            None => None,
        };
        let submitter = gather::submitter(self.site, login, person);
        Ok(self.decide(submitter, address, owners))
    }

    /// The security groups that an entry is in.
    pub(super) async fn groups(&mut self, entry: &Arc<Entry>) -> Result<Arc<[Arc<Entry>]>, Failure> {
        if let Some(groups) = self.groups.get(&entry.dn) {
            return Ok(groups.clone());
        }
        let groups = self.site.lookup.groups(entry).await?;
        self.groups.insert(entry.dn.clone(), groups.clone());
        Ok(groups)
    }

    fn decide(&self, submitter: Submitter, address: &Address, owners: &Owners) -> Opinion {
        let rules = &self.site.rules;
        let message = Submission::of_address(address).message(&submitter);
        let facts = Facts { submitter, owners: owners.clone() };
        let answer = match policy::decide(&message, &facts, rules, &Body::Unread) {
            // What depends on the body counts for scheduling mail alone.
            Answer::NeedsBody(_) => policy::decide(&message, &facts, rules, &Body::Read(Reading::default())),
            decided @ Answer::Decided(_) => decided,
        };
        let (by, reason) = match answer {
            Answer::Decided(Verdict::Accept(accepted)) => {
                (accepted.authors.first().map(|a| a.by.name()), None)
            }
            Answer::Decided(Verdict::Refuse(refusal)) => {
                (None, Some(reply::refusal(&refusal, &self.site.contact).to_string()))
            }
            Answer::NeedsBody(_) => (None, Some("it depends on the message".to_owned())),
        };
        let relation = grant::relation(address, &facts, &rules.addresses, &rules.grants);
        let (rights, through) = self.rights(relation.as_ref(), &facts.submitter);
        let reason = reason.and_then(|reply| self.why(reply, rights, relation.as_ref(), &facts.submitter));
        let Submitter { login, entry, .. } = facts.submitter;
        Opinion { login, entry, by, rights, through, reason, is_ambiguous: false }
    }

    /// Why a message is refused with this reply, where the grants do not tell.
    fn why(
        &self,
        reply: String,
        rights: Rights,
        relation: Option<&Relation>,
        submitter: &Submitter,
    ) -> Option<String> {
        if rights.send_as || rights.send_on_behalf {
            return Some(reply);
        }
        let Some(Relation::Others(others)) = relation else { return Some(reply) };
        let rules = &self.site.rules.grants;
        let mut given = others.principals.iter().map(|own| grant::rights_for(own, submitter, rules));
        (others.principals.len() > 1 && given.any(|given| given != Rights::default()))
            .then(|| "a right counts only if all entries that have the address grant it".to_owned())
    }

    /// The rights in a relation, and the groups from which they come.
    fn rights(&self, relation: Option<&Relation>, submitter: &Submitter) -> (Rights, Vec<Dn>) {
        let Some(Relation::Others(others)) = relation else { return (Rights::default(), Vec::new()) };
        let rules = &self.site.rules.grants;
        let mut through: Vec<Dn> = Vec::new();
        let mut add = |dn: &Dn| {
            let is_own = submitter.entry.as_ref().is_some_and(|entry| entry.dn == *dn);
            if !is_own && !through.contains(dn) {
                through.push(dn.clone());
            }
        };
        for principal in &others.principals {
            for grant in &principal.grants {
                if let Standing::Counts(identity) = grant::standing(grant, principal, submitter, rules) {
                    add(&identity);
                }
            }
            if grant::member_right(principal, submitter, rules).is_some() {
                add(&principal.dn);
            }
        }
        (others.rights, through)
    }
}

impl Opinion {
    fn refused(login: &str, entry: Option<Arc<Entry>>, why: String) -> Self {
        let (rights, through) = (Rights::default(), Vec::new());
        let login = login.to_owned();
        Self { login, entry, by: None, rights, through, reason: Some(why), is_ambiguous: false }
    }

    /// About somebody whom no login leads to.
    pub(super) fn without_login(person: &Found) -> Self {
        Self::refused(
            "",
            Some(person.entry.clone()),
            "no login leads to it: nobody sends mail as it".to_owned(),
        )
    }
}
