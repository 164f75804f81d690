//! Whether a change may be made, and what it takes; and what one should know when it is made.

use std::sync::Arc;

use super::super::roll::Found;
use super::super::standing;
use super::{Case, ChangeError, Request, Verb};
use crate::directory::Failure;
use crate::directory::grants::{self, Modification, Slot};
use crate::directory::schema::GrantForm;
use crate::grant::{self, Delegate, Entry, Grant, Right, Standing, Submitter, Trustee};
use crate::reply;

/// What follows from looking at a request.
pub(super) enum Checked {
    /// This must be modified.
    Write(Vec<Modification>),
    /// It is refused, for this reason.
    Refuse(String),
}

impl Case<'_> {
    /// What must be modified, or why nothing will be.
    pub(super) async fn check(&self, principal: &Found, delegate: &Found) -> Result<Checked, ChangeError> {
        match self.request.verb {
            Verb::Grant => self.check_grant(principal, delegate).await,
            Verb::Revoke => self.check_revocation(principal, delegate).await,
        }
    }

    async fn check_grant(&self, principal: &Found, delegate: &Found) -> Result<Checked, ChangeError> {
        let schema = &self.config.directory.schema;
        let Request { right, .. } = self.request;
        if schema.granting(*right).is_empty() {
            let name = right.name();
            return Ok(Checked::Refuse(format!(
                "this directory has no attribute for {name} (directory.preset)"
            )));
        }
        if principal.entry.dn == delegate.entry.dn {
            return Ok(Checked::Refuse("it is the principal itself: self-grants grant nothing".to_owned()));
        }
        if !delegate.is_person && !delegate.is_group {
            return Ok(Checked::Refuse(standing::no_delegate(delegate, &self.roll).await?));
        }
        let stored = grants::stored(&principal.record, *right, schema);
        if let Some(there) = stored.iter().find(|stored| stored.delegate.names(&delegate.entry)) {
            let (attribute, value) = (&there.attribute, reply::printable(&there.delegate.to_string()));
            return Ok(Checked::Refuse(format!("it is there already, as {attribute}: {value}")));
        }
        let attribute = self.attribute()?;
        let form = schema.grant_form(attribute);
        let slot = Slot { record: &principal.record, right: *right, attribute, form };
        let modifications = match slot.grant(&delegate.entry, delegate.is_group) {
            Ok(modifications) => modifications,
            Err(unwritable) => return Ok(Checked::Refuse(unwritable.to_string())),
        };
        self.judge(principal, delegate, attribute, modifications).await
    }

    /// Whether what is added would count, and for nobody else.
    async fn judge(
        &self,
        principal: &Found,
        delegate: &Found,
        attribute: &str,
        modifications: Vec<Modification>,
    ) -> Result<Checked, ChangeError> {
        let rules = &self.site.rules.grants;
        let right = self.request.right;
        let Some(named) = self.added(delegate, attribute, &modifications) else {
            return Ok(Checked::Refuse(standing::says(&Standing::NotSubmitter).1));
        };
        let others = self.roll.named(&named).await?;
        let is_meant_too = |found: &&Found| {
            let (own, principal) = (&found.entry.dn, &principal.entry.dn);
            (found.is_person || found.is_group)
                && !(own == principal || *own == delegate.entry.dn)
                && rules.share_context(own, principal)
        };
        if let Some(other) = others.iter().find(is_meant_too) {
            let (named, other) = (named.to_string(), other.entry.dn.as_str());
            let (named, other) = (reply::printable(&named), reply::printable(other));
            return Ok(Checked::Refuse(format!(
                "{attribute} would name it as {named}, and {other} too, which would get the right: give it one of its own"
            )));
        }
        let grant = Grant { right, delegate: named };
        Ok(match standing::standing(&grant, &principal.entry, delegate, rules) {
            Standing::Counts(_) | Standing::Disabled(_) => Checked::Write(modifications),
            none @ (Standing::SelfGrant
            | Standing::NotSubmitter
            | Standing::OtherContext
            | Standing::Denied(_)
            | Standing::Unidentified(_)) => Checked::Refuse(standing::says(&none).1),
        })
    }

    /// Whom what is added names.
    fn added(&self, delegate: &Found, attribute: &str, modifications: &[Modification]) -> Option<Delegate> {
        let right = self.request.right;
        match self.config.directory.schema.grant_form(attribute) {
            GrantForm::Descriptor => {
                let sid = delegate.entry.sid()?.clone();
                Some(Delegate::Trustee(Trustee { sid, inherited: false }))
            }
            form @ (GrantForm::Dn | GrantForm::Number | GrantForm::Deputy) => {
                form.read(right, &String::from_utf8_lossy(&modifications.last()?.value)).ok().flatten()
            }
        }
    }

    /// The first attribute for the right that the server knows.
    fn attribute(&self) -> Result<&str, ChangeError> {
        let attributes = self.config.directory.schema.granting(self.request.right);
        let is_known = |attribute: &&String| {
            self.known.as_ref().is_none_or(|known| known.attribute(attribute).is_some())
        };
        attributes.iter().find(is_known).map(String::as_str).ok_or_else(|| ChangeError::NoAttribute {
            right: self.request.right.name(),
            attributes: attributes.join(", "),
        })
    }

    async fn check_revocation(&self, principal: &Found, delegate: &Found) -> Result<Checked, ChangeError> {
        let schema = &self.config.directory.schema;
        let modifications = grants::revoke(&principal.record, self.request.right, schema, &delegate.entry);
        if !modifications.is_empty() {
            return Ok(Checked::Write(modifications));
        }
        Ok(Checked::Refuse(match self.through(principal, delegate).await? {
            Some(through) => format!("it is not granted to it, but {through}"),
            None => "it is not granted to it".to_owned(),
        }))
    }

    /// Through which group the delegate has the right.
    async fn through(&self, principal: &Found, delegate: &Found) -> Result<Option<String>, Failure> {
        let rules = &self.site.rules.grants;
        let right = self.request.right;
        let groups = self.site.lookup.groups(&delegate.entry).await?;
        let submitter = Submitter { entry: Some(delegate.entry.clone()), groups, ..Submitter::default() };
        let is_given = |group: &&Arc<Entry>| {
            let grants = principal.entry.grants.iter().filter(|grant| grant.right == right);
            grants.into_iter().any(|grant| grant.delegate.names(group))
        };
        if let Some(group) = submitter.groups.iter().find(is_given) {
            let name = reply::printable(group.dn.as_str());
            return Ok(Some(format!(
                "to {name}, a group that it is in: revoke it from the group, or take it out of the group"
            )));
        }
        let is_left = |grant: &&Grant| grant.right == right && grant.delegate.names(&delegate.entry);
        if principal.entry.grants.iter().any(|grant| is_left(&grant)) {
            let what = "by an access control entry that gives all rights, or comes from above";
            return Ok(Some(format!("{what}: change it with the directory's own tools")));
        }
        let is_member = grant::member_right(&principal.entry, &submitter, rules) == Some(right);
        Ok(is_member.then(|| "it is a member of the principal (policy.group_members)".to_owned()))
    }

    /// What is not as one may expect after the change.
    pub(super) async fn warnings(&self, principal: &Found, delegate: &Found) -> Result<Vec<String>, Failure> {
        let mut warnings = self.shared();
        match self.request.verb {
            Verb::Grant => {
                self.warn_of_grant(principal, &mut warnings).await?;
                warnings.extend(self.withheld(principal, delegate).await?);
            }
            Verb::Revoke => {
                if let Some(through) = self.through(principal, delegate).await? {
                    warnings.push(format!("it still has the right: it is granted {through}"));
                }
            }
        }
        Ok(warnings)
    }

    /// Which rights the same value gives, where an attribute stands for several.
    fn shared(&self) -> Vec<String> {
        let schema = &self.config.directory.schema;
        let right = self.request.right;
        let others =
            [Right::SendAs, Right::SendOnBehalf, Right::Schedule].into_iter().filter(|own| *own != right);
        let mut shared = Vec::new();
        for other in others {
            let is_whole = |attribute: &&String| match schema.grant_form(attribute) {
                GrantForm::Deputy | GrantForm::Descriptor => false,
                GrantForm::Dn | GrantForm::Number => true,
            };
            let both = schema.granting(right).iter().filter(|own| schema.granting(other).contains(own));
            shared.extend(both.filter(is_whole).map(|attribute| match self.request.verb {
                Verb::Grant => format!("{attribute} gives {} too", other.name()),
                Verb::Revoke => format!("{attribute} gave {} too: that is gone as well", other.name()),
            }));
        }
        shared
    }

    /// What keeps a person from the right through one of its groups.
    async fn withheld(&self, principal: &Found, delegate: &Found) -> Result<Option<String>, Failure> {
        let rules = &self.site.rules.grants;
        if !delegate.is_person {
            return Ok(None);
        }
        let groups = self.site.lookup.groups(&delegate.entry).await?;
        let submitter = Submitter { entry: Some(delegate.entry.clone()), groups, ..Submitter::default() };
        let grants = principal.entry.grants.iter().filter(|grant| grant.right == self.request.right);
        let standings = grants.map(|grant| grant::standing(grant, &principal.entry, &submitter, rules));
        Ok(standings.into_iter().find_map(|standing| match standing {
            Standing::Denied(_) => Some(format!("it does not count: {}", standing::says(&standing).1)),
            Standing::Counts(_)
            | Standing::SelfGrant
            | Standing::NotSubmitter
            | Standing::OtherContext
            | Standing::Unidentified(_)
            | Standing::Disabled(_) => None,
        }))
    }

    async fn warn_of_grant(&self, principal: &Found, warnings: &mut Vec<String>) -> Result<(), Failure> {
        let entry = &principal.entry;
        let (enabled, scope) = self.site.rules.grants.enabled(entry);
        if self.request.right.needs_enabled() && !enabled {
            warnings.push(format!("it does not count yet: {}", standing::disabled(scope)));
        }
        if !principal.is_principal {
            let what = "it does not count: the principal is not one that directory.filters.principal matches";
            warnings.push(what.to_owned());
        }
        let Some(address) = entry.primary() else {
            warnings.push("it does not count: the principal has no address".to_owned());
            return Ok(());
        };
        let owners = self.roll.with_address(address).await?;
        for owner in owners.iter().filter(|owner| owner.is_principal && owner.entry.dn != entry.dn) {
            let (name, address) =
                (reply::printable(owner.entry.dn.as_str()), reply::printable(&address.to_string()));
            warnings.push(format!(
                "{name} has the address {address} too: a right counts if all who have it grant it"
            ));
        }
        Ok(())
    }
}
