//! The path to a verdict: every group and every grant that counted, and every one that did not, with the reason.

use std::sync::Arc;

use super::{Known, Principal, Step, shown};
use crate::directory::lookup::Resolver;
use crate::directory::{Directory, Failure, Groups};
use crate::dn::Dn;
use crate::grant::{self, Delegate, Entry, Grant, Relation, Scope, Sid, Standing, Submitter};
use crate::reply;
use crate::site::Site;

pub(super) struct Explainer<'a, D> {
    site: &'a Site<Resolver<D>>,
    submitter: &'a Submitter,
    /// For each of its groups the one through which it is in it.
    through: &'a [Option<usize>],
    /// The distribution lists that the submitter, or a security group that it is in, is a member of.
    lists: Vec<Arc<Entry>>,
}

impl<'a, D: Directory> Explainer<'a, D> {
    pub(super) async fn new(
        site: &'a Site<Resolver<D>>,
        submitter: &'a Submitter,
        through: &'a [Option<usize>],
    ) -> Result<Self, Failure> {
        let lists = Vec::new();
        let explainer = Self { site, submitter, through, lists };
        let lists = explainer.groups_above(Groups::Others).await?;
        Ok(Self { lists, ..explainer })
    }

    pub(super) fn known(&self) -> Known {
        let mut addresses: Vec<String> = Vec::new();
        for address in self.submitter.addresses().map(|address| reply::printable(&address.to_string())) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Known {
            entry: self.submitter.entry.as_deref().map(shown),
            account: self.submitter.account.is_some(),
            addresses,
        }
    }

    /// The groups of the submitter: those that count, then those that do not.
    pub(super) async fn groups(&self) -> Result<Vec<Step>, Failure> {
        let mut groups = self.security_groups().await?;
        let never = "a distribution list is never a delegate, nor leads to one";
        groups.extend(self.lists.iter().map(|list| Step::group(list, false, never.to_owned())));
        Ok(groups)
    }

    /// What the entries that hold an address grant; nothing for an address that is own or unknown.
    pub(super) async fn principals(&self, relation: Option<&Relation>) -> Result<Vec<Principal>, Failure> {
        let Some(Relation::Others(others)) = relation else { return Ok(Vec::new()) };
        let mut principals = Vec::new();
        for principal in &others.principals {
            let grants = self.grants(principal).await?;
            principals.push(Principal { entry: shown(principal), grants });
        }
        Ok(principals)
    }

    /// The security groups that the submitter is in, each with the path to it, and those of other contexts.
    async fn security_groups(&self) -> Result<Vec<Step>, Failure> {
        let Some(entry) = &self.submitter.entry else { return Ok(Vec::new()) };
        let mut steps = Vec::new();
        let groups = &self.submitter.groups;
        for (group, through) in groups.iter().zip(self.through) {
            let reason = match through.and_then(|index| groups.get(index)) {
                Some(step) => format!("through {}", shown(step)),
                None => "directly".to_owned(),
            };
            steps.push(Step::group(group, true, reason));
        }
        for group in self.groups_above(Groups::Security).await? {
            if !groups.iter().any(|known| known.dn == group.dn) && group.dn != entry.dn {
                let within = self.site.rules.grants.share_context(&entry.dn, &group.dn);
                let reason =
                    if within { "it is deeper than group_depth" } else { "it is in another context" };
                steps.push(Step::group(&group, false, reason.to_owned()));
            }
        }
        Ok(steps)
    }

    async fn groups_above(&self, kind: Groups) -> Result<Vec<Arc<Entry>>, Failure> {
        let mut found: Vec<Arc<Entry>> = Vec::new();
        let identities = self.submitter.entry.iter().chain(self.submitter.groups.iter());
        for identity in identities {
            for group in self.site.lookup.directory.groups_of(std::slice::from_ref(identity), kind).await? {
                if !found.iter().any(|known| known.dn == group.dn) {
                    found.push(group);
                }
            }
        }
        Ok(found)
    }

    /// What becomes of every grant of a principal.
    async fn grants(&self, principal: &Entry) -> Result<Vec<Step>, Failure> {
        let rules = &self.site.rules.grants;
        let mut steps = Vec::new();
        for grant in &principal.grants {
            let standing = grant::standing(grant, principal, self.submitter, rules);
            let (counts, reason) = match standing {
                Standing::Counts(identity) => (true, self.counts_for(&identity)),
                Standing::SelfGrant => (false, "it names the principal itself".to_owned()),
                Standing::NotSubmitter => (false, self.not_submitter(grant).await?),
                Standing::OtherContext => (false, "it is in another context than the principal".to_owned()),
                Standing::Denied(sid) => {
                    (false, format!("denied by an access control entry for {}", self.named(&sid).await?))
                }
                Standing::Unidentified(dn) => (false, unidentified(&dn)),
                Standing::Disabled(scope) => (false, format!("delegation is not enabled: {}", says(scope))),
            };
            let name = self.delegate(&grant.delegate).await?;
            steps.push(Step { right: Some(grant.right.name()), name, counts, reason });
        }
        if let Some(right) = rules.group_members
            && grant::is_member(principal, self.submitter, rules)
        {
            let counts = grant::member_right(principal, self.submitter, rules).is_some();
            let reason = if counts { "policy.group_members" } else { "delegation is not enabled" };
            let name = "the members of this group".to_owned();
            steps.push(Step { right: Some(right.name()), name, counts, reason: reason.to_owned() });
        }
        Ok(steps)
    }

    /// A delegate as a grant names it; a security identifier with the name of its entry.
    async fn delegate(&self, delegate: &Delegate) -> Result<String, Failure> {
        match delegate {
            Delegate::Dn(_) | Delegate::Address(_) | Delegate::Login(_) | Delegate::Number(_) => {
                Ok(reply::printable(&delegate.to_string()))
            }
            Delegate::Trustee(trustee) => self.named(&trustee.sid).await,
        }
    }

    async fn named(&self, sid: &Sid) -> Result<String, Failure> {
        let entry = self.site.lookup.directory.by_sid(sid).await?;
        Ok(entry.map_or_else(|| sid.to_string(), |entry| format!("{} ({sid})", shown(&entry))))
    }

    fn counts_for(&self, identity: &Dn) -> String {
        let own = self.submitter.entry.as_ref().is_some_and(|entry| entry.dn == *identity);
        if own { "it names the submitter".to_owned() } else { "the submitter is in this group".to_owned() }
    }

    async fn not_submitter(&self, grant: &Grant) -> Result<String, Failure> {
        if self.lists.iter().any(|list| grant.delegate.names(list)) {
            return Ok("it names a distribution list, which is never a delegate".to_owned());
        }
        let exists = match &grant.delegate {
            Delegate::Dn(dn) => self.site.lookup.directory.by_dn(dn).await?.is_some(),
            Delegate::Address(address) => {
                !self.site.lookup.directory.by_address(std::slice::from_ref(address), None).await?.is_empty()
            }
            Delegate::Login(login) => self.site.lookup.directory.by_login(login, None).await?.is_some(),
            // Nobody is looked up by number.
            Delegate::Number(_) => true,
            Delegate::Trustee(trustee) if trustee.sid.is_everybody() => {
                return Ok("it names everybody, who is never a delegate".to_owned());
            }
            Delegate::Trustee(trustee) => self.site.lookup.directory.by_sid(&trustee.sid).await?.is_some(),
        };
        let reason = if exists {
            "it names neither the submitter nor a security group that the submitter is in"
        } else {
            "it names nothing that is in the directory"
        };
        Ok(reason.to_owned())
    }
}

/// That an entry does not show who it is to access control.
pub(crate) fn unidentified(dn: &Dn) -> String {
    format!(
        "objectSid and primaryGroupID of {} are not shown, by which it could be denied; let the milter's account \
         read them",
        reply::printable(dn.as_str())
    )
}

/// Which scope said that delegation is not enabled, and where to change it.
pub(crate) fn says(scope: Scope) -> &'static str {
    match scope {
        Scope::Principal => "the principal's own entry says so (delegationEnabled)",
        Scope::Context => "its [[context]] says so (enabled)",
        Scope::Server => "the server says so ([delegation] enabled)",
    }
}
