//! `explain LOGIN ADDRESS`: the verdict, and the path to it.
//!
//! It asks the same directory and calls the same [`crate::policy::decide`] as the milter does for a message from LOGIN
//! with ADDRESS in From and the null sender; then it names every group and every grant that counted, and every one
//! that did not, with the reason.

use std::sync::Arc;

use serde::Serialize;

use crate::address::{Address, AddressError};
use crate::config::Config;
use crate::directory::lookup::Resolver;
use crate::directory::{Directory, Failure, Groups};
use crate::dn::Dn;
use crate::gather;
use crate::grant::{self, Delegate, Entry, Facts, Grant, Relation, Scope, Standing, Submitter};
use crate::message::{Envelope, Header, Message};
use crate::open::{self, OpenError};
use crate::policy::{Accepted, EnvelopeChange, SenderChange, Verdict};
use crate::reply;
use crate::session::Trouble;
use crate::site::Site;

mod render;

/// Why there is no explanation.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The address is none.
    #[error("\"{0}\" is not a mail address: {1}; write it as name@domain")]
    Address(String, AddressError),
    /// The directory.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The directory gave no answer, or the verdict needs more than an address.
    #[error("{0}")]
    Trouble(String),
}

impl ExplainError {
    /// Whether asking again later may help (exit status 75).
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Trouble(_) => true,
            Self::Address(..) | Self::Open(_) => false,
        }
    }
}

impl From<Trouble> for ExplainError {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble.to_string())
    }
}

impl From<Failure> for ExplainError {
    fn from(failure: Failure) -> Self {
        Self::Trouble(failure.to_string())
    }
}

/// A verdict and the path to it.
#[derive(Debug, Serialize)]
pub struct Explanation {
    login: String,
    address: String,
    allowed: bool,
    /// `own`, `unknown`, `on-behalf` or `send-as`; absent if refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'static str>,
    /// The Sender that the message gets; absent if it gets none.
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<String>,
    /// The envelope sender that a message from the submitter's own address gets, where it is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    envelope: Option<String>,
    /// What the client is told; absent if allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<String>,
    submitter: Known,
    groups: Vec<Step>,
    principals: Vec<Principal>,
}

/// Who the login is.
#[derive(Debug, Serialize)]
struct Known {
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<String>,
    account: bool,
    addresses: Vec<String>,
}

/// An entry that holds the address, and what it grants.
#[derive(Debug, Serialize)]
struct Principal {
    entry: String,
    grants: Vec<Step>,
}

/// A group or a grant, and whether it counted.
#[derive(Debug, Serialize)]
struct Step {
    /// The right; absent for a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    right: Option<&'static str>,
    /// The group, or whom the grant names.
    name: String,
    counts: bool,
    reason: String,
}

/// Explains the verdict on mail from `login` as `address`.
pub async fn explain(config: Config, login: &str, address: &str) -> Result<Explanation, ExplainError> {
    let site = open::command(config)?;
    let parsed =
        Address::parse(address).map_err(|error| ExplainError::Address(reply::printable(address), error))?;
    // One by one, so that the path to each group is known.
    let submitter = gather::submitter(&site, login, site.lookup.person_asking(login, 1).await?);
    let verdict = site.judge(&sample(&submitter, &parsed)).await?;
    Explainer { site: &site, submitter }.explain(parsed, &verdict).await
}

/// A message as the submitter's program would send it: `address` in From, the own address in MAIL FROM.
fn sample(submitter: &Submitter, address: &Address) -> Message {
    let own = submitter.primary().map_or_else(String::new, Address::to_string);
    let path = format!("<{own}>");
    let envelope = Envelope::read([path.as_bytes(), b"SMTPUTF8"].into_iter());
    let mut header = Header::default();
    header.add(b"From", format!("<{address}>").as_bytes());
    Message::new(submitter.login.clone(), envelope, &header)
}

struct Explainer<'a, D> {
    site: &'a Site<Resolver<D>>,
    submitter: Submitter,
}

impl<D: Directory> Explainer<'_, D> {
    async fn explain(&self, address: Address, verdict: &Verdict) -> Result<Explanation, ExplainError> {
        let owners = gather::owners(&self.site.lookup, vec![address.clone()]).await?;
        let facts = Facts { submitter: self.submitter.clone(), owners };
        let relation = grant::relation(&address, &facts, &self.site.rules.addresses, &self.site.rules.grants);
        let lists = self.lists().await?;
        let mut groups = self.security_groups().await?;
        groups.extend(lists.iter().map(|list| {
            Step::group(list, false, "a distribution list is never a delegate, nor leads to one".to_owned())
        }));
        let mut principals = Vec::new();
        if let Some(Relation::Others(others)) = &relation {
            for principal in &others.principals {
                let grants = self.grants(principal, &lists).await?;
                principals.push(Principal { entry: shown(principal), grants });
            }
        }
        let mut explanation = Explanation {
            login: reply::printable(&self.submitter.login),
            address: reply::printable(&address.to_string()),
            allowed: false,
            by: None,
            sender: None,
            envelope: None,
            reply: None,
            submitter: self.known(),
            groups,
            principals,
        };
        match verdict {
            Verdict::Accept(accepted) => explanation.allow(accepted),
            Verdict::Refuse(refusal) => {
                explanation.reply = Some(reply::refusal(refusal, &self.site.contact).to_string());
            }
        }
        Ok(explanation)
    }

    fn known(&self) -> Known {
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

    /// The security groups that the submitter is in, each with the path to it, and those of other contexts.
    async fn security_groups(&self) -> Result<Vec<Step>, Failure> {
        let Some(entry) = &self.submitter.entry else { return Ok(Vec::new()) };
        let mut steps = Vec::new();
        let memberships = &self.submitter.groups;
        for membership in memberships.iter() {
            let through = membership.through.and_then(|index| memberships.get(index));
            let reason = match through {
                Some(step) => format!("through {}", shown(&step.group)),
                None => "directly".to_owned(),
            };
            steps.push(Step::group(&membership.group, true, reason));
        }
        for group in self.groups_above(Groups::Security).await? {
            if !memberships.iter().any(|membership| membership.group.dn == group.dn) && group.dn != entry.dn {
                let within = self.site.rules.grants.share_context(&entry.dn, &group.dn);
                let reason =
                    if within { "it is deeper than group_depth" } else { "it is in another context" };
                steps.push(Step::group(&group, false, reason.to_owned()));
            }
        }
        Ok(steps)
    }

    /// The distribution lists that the submitter, or a security group that it is in, is a member of.
    async fn lists(&self) -> Result<Vec<Arc<Entry>>, Failure> {
        self.groups_above(Groups::Others).await
    }

    async fn groups_above(&self, kind: Groups) -> Result<Vec<Arc<Entry>>, Failure> {
        let mut found: Vec<Arc<Entry>> = Vec::new();
        let identities = self.submitter.entry.iter().chain(self.submitter.groups.iter().map(|m| &m.group));
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
    async fn grants(&self, principal: &Entry, lists: &[Arc<Entry>]) -> Result<Vec<Step>, Failure> {
        let rules = &self.site.rules.grants;
        let mut steps = Vec::new();
        for grant in &principal.grants {
            let standing = grant::standing(grant, principal, &self.submitter, rules);
            let (counts, reason) = match standing {
                Standing::Counts(identity) => (true, self.counts_for(&identity)),
                Standing::SelfGrant => (false, "it names the principal itself".to_owned()),
                Standing::NotSubmitter => (false, self.not_submitter(grant, lists).await?),
                Standing::OtherContext => (false, "it is in another context than the principal".to_owned()),
                Standing::Disabled(scope) => (false, format!("delegation is not enabled: {}", says(scope))),
            };
            let name = reply::printable(&grant.delegate.to_string());
            steps.push(Step { right: Some(grant.right.name()), name, counts, reason });
        }
        if let Some(right) = rules.group_members
            && grant::is_member(principal, &self.submitter, rules)
        {
            let counts = grant::member_right(principal, &self.submitter, rules).is_some();
            let reason = if counts { "policy.group_members" } else { "delegation is not enabled" };
            let name = "the members of this group".to_owned();
            steps.push(Step { right: Some(right.name()), name, counts, reason: reason.to_owned() });
        }
        Ok(steps)
    }

    fn counts_for(&self, identity: &Dn) -> String {
        let own = self.submitter.entry.as_ref().is_some_and(|entry| entry.dn == *identity);
        if own { "it names the submitter".to_owned() } else { "the submitter is in this group".to_owned() }
    }

    async fn not_submitter(&self, grant: &Grant, lists: &[Arc<Entry>]) -> Result<String, Failure> {
        if lists.iter().any(|list| grant.delegate.names(list)) {
            return Ok("it names a distribution list, which is never a delegate".to_owned());
        }
        let exists = match &grant.delegate {
            Delegate::Dn(dn) => self.site.lookup.directory.by_dn(dn).await?.is_some(),
            Delegate::Address(address) => {
                !self.site.lookup.directory.by_address(std::slice::from_ref(address), None).await?.is_empty()
            }
            Delegate::Login(login) => self.site.lookup.directory.by_login(login, None).await?.is_some(),
        };
        let reason = if exists {
            "it names neither the submitter nor a security group that the submitter is in"
        } else {
            "it names nothing that is in the directory"
        };
        Ok(reason.to_owned())
    }
}

impl Explanation {
    /// Whether the answer is yes (exit status 0).
    pub fn allowed(&self) -> bool {
        self.allowed
    }

    fn allow(&mut self, accepted: &Accepted) {
        self.allowed = true;
        self.by = accepted.authors.first().map(|author| author.by.name());
        self.sender = match &accepted.sender {
            SenderChange::Set(mailbox) => Some(reply::printable(&mailbox.address.to_string())),
            SenderChange::Keep | SenderChange::Remove => None,
        };
        self.envelope = match &accepted.envelope {
            EnvelopeChange::Set(address) => Some(reply::printable(&address.to_string())),
            EnvelopeChange::Keep => None,
        };
    }
}

impl Step {
    fn group(group: &Entry, counts: bool, reason: String) -> Self {
        Self { right: None, name: shown(group), counts, reason }
    }
}

fn shown(entry: &Entry) -> String {
    reply::printable(entry.dn.as_str())
}

/// Which scope said that delegation is not enabled, and where to change it.
fn says(scope: Scope) -> &'static str {
    match scope {
        Scope::Principal => "the principal's own entry says so (delegationEnabled)",
        Scope::Context => "its [[context]] says so (enabled)",
        Scope::Server => "the server says so ([delegation] enabled)",
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Of a configuration in `conf`: its directory is read from beside it.
    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/test.toml");

    async fn explained(directory: &str, more: &str) -> Explanation {
        let text = format!("[directory]\nurls = [\"file:demo.ldif\"]\n{directory}\n{more}");
        let config = Config::parse(&text, Path::new(FILE)).unwrap();
        explain(config, "lena", "lena@example.org").await.unwrap()
    }

    #[tokio::test]
    async fn each_group_that_does_not_count_says_why() {
        let people = "[[context]]\nname = \"people\"\nbase_dn = \"ou=people,dc=example,dc=org\"";
        for (directory, more, expected) in [
            (
                "group_depth = 1",
                "",
                &[
                    ("cn=assistants,ou=groups,dc=example,dc=org", true, "directly"),
                    ("cn=office,ou=groups,dc=example,dc=org", false, "it is deeper than group_depth"),
                ][..],
            ),
            ("", people, &[("cn=assistants,ou=groups,dc=example,dc=org", false, "it is in another context")]),
        ] {
            let explanation = explained(directory, more).await;
            let steps = explanation.groups.iter();
            let steps: Vec<_> = steps.map(|s| (s.name.as_str(), s.counts, s.reason.as_str())).collect();
            assert_eq!(steps, expected, "{directory} {more}");
        }
    }
}
