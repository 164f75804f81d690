//! What becomes of a grant, in words: for `list` and `grant`, which look from the principal's side.

use std::sync::Arc;

use super::explain;
use super::roll::{Found, Roll};
use crate::directory::Failure;
use crate::grant::{self, Delegate, Entry, Grant, GrantRules, Right, Scope, Standing, Submitter};
use crate::reply;

/// Whether a grant counts for those whom it names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Outlook {
    pub(super) counts: bool,
    pub(super) reason: String,
}

impl Outlook {
    /// Of a grant, and of what it names.
    pub(super) async fn of(
        grant: &Grant,
        principal: &Entry,
        named: &[Found],
        roll: &Roll<'_>,
        rules: &GrantRules,
    ) -> Result<Self, Failure> {
        // Nobody in particular asks: what names the principal itself does so for everybody.
        if grant.delegate.names(principal) {
            return Ok(Self::from(&Standing::SelfGrant));
        }
        let able: Vec<_> = named.iter().filter(|found| found.is_person || found.is_group).collect();
        let outlooks = able.iter().map(|found| Self::from(&standing(grant, principal, found, rules)));
        // One that counts is what matters; else any will do.
        if let Some(outlook) = outlooks.max_by_key(|outlook| outlook.counts) {
            let kind = if able.iter().any(|found| found.is_group) { "a security group" } else { "a person" };
            return Ok(if outlook.counts { Self { reason: kind.to_owned(), ..outlook } } else { outlook });
        }
        let reason = match named.first() {
            None => nothing(&grant.delegate, roll).await?,
            Some(found) => no_delegate(found, roll).await?,
        };
        Ok(Self { counts: false, reason })
    }

    /// Of `policy.group_members`, for the members of a security group.
    pub(super) fn of_members(right: Right, principal: &Entry, rules: &GrantRules) -> Self {
        match rules.enabled(principal) {
            (false, scope) if right.needs_enabled() => Self::from(&Standing::Disabled(scope)),
            (true | false, _) => Self { counts: true, reason: "policy.group_members".to_owned() },
        }
    }

    fn from(standing: &Standing) -> Self {
        let (counts, reason) = says(standing);
        Self { counts, reason }
    }
}

/// What becomes of a grant for an entry that it names.
pub(super) fn standing(grant: &Grant, principal: &Entry, found: &Found, rules: &GrantRules) -> Standing {
    let mut entry = found.entry.clone();
    // A group has no primary group by which it could be denied anything.
    if !found.is_person
        && let Some(security) = Arc::make_mut(&mut entry).security.as_mut()
    {
        security.primary_group = Some(security.sid.clone());
    }
    let submitter = Submitter { entry: Some(entry), ..Submitter::default() };
    grant::standing(grant, principal, &submitter, rules)
}

/// A standing in words.
pub(super) fn says(standing: &Standing) -> (bool, String) {
    match standing {
        Standing::Counts(identity) => (true, format!("it names {}", reply::printable(identity.as_str()))),
        Standing::SelfGrant => (false, "it names the principal itself".to_owned()),
        Standing::NotSubmitter => (false, "it does not name it".to_owned()),
        Standing::OtherContext => (false, "it is in another context than the principal".to_owned()),
        Standing::Denied(sid) => (false, format!("denied by an access control entry for {sid}")),
        Standing::Unidentified(dn) => (false, explain::unidentified(dn)),
        Standing::Disabled(scope) => (false, disabled(*scope)),
    }
}

/// That delegation is not enabled, and which scope said so.
pub(super) fn disabled(scope: Scope) -> String {
    format!("delegation is not enabled: {}", explain::says(scope))
}

/// Why what is named can never be a delegate.
pub(super) async fn no_delegate(found: &Found, roll: &Roll<'_>) -> Result<String, Failure> {
    Ok(if roll.has_members(&found.entry.dn).await? {
        "it names a distribution list, which is never a delegate".to_owned()
    } else {
        "what it names is neither a person who may log in nor a security group (directory.filters)".to_owned()
    })
}

async fn nothing(delegate: &Delegate, roll: &Roll<'_>) -> Result<String, Failure> {
    if let Delegate::Trustee(trustee) = delegate
        && trustee.sid.is_everybody()
    {
        return Ok("it names everybody, who is never a delegate".to_owned());
    }
    if let Delegate::Address(address) = delegate
        && let Some(found) = roll.with_address(address).await?.first()
    {
        let name = reply::printable(found.entry.dn.as_str());
        return Ok(format!("it is not the primary address of {name}, and only that would name it"));
    }
    Ok("it names nothing that is in the directory".to_owned())
}

/// A delegate as a grant names it; a security identifier with the name of its entry.
pub(super) fn name(delegate: &Delegate, named: &[Found]) -> String {
    match (delegate, named.first()) {
        (Delegate::Trustee(trustee), Some(found)) => {
            format!("{} ({})", reply::printable(found.entry.dn.as_str()), trustee.sid)
        }
        (delegate, _) => reply::printable(&delegate.to_string()),
    }
}
