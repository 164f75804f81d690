//! What Active Directory's access control says: who an entry is by it, and whom it keeps from a right.

use super::{Entry, Sid, Submitter};

/// An entry as access control sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Security {
    /// What the entry is named by in access control entries.
    pub sid: Sid,
    /// The group that a person is in without being its member (`primaryGroupID`). Nothing is granted by it.
    pub primary_group: Option<Sid>,
    /// Whom its access control entries deny Send As.
    pub denied: Box<[Trustee]>,
}

/// Whom an access control entry is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trustee {
    /// A person, a group, or everybody.
    pub sid: Sid,
    /// Whether it comes from an entry above: what denies there does not go before what the entry itself allows.
    pub inherited: bool,
}

impl Entry {
    /// What it is named by in access control entries, where it has them.
    pub fn sid(&self) -> Option<&Sid> {
        self.security.as_deref().map(|security| &security.sid)
    }
}

impl Submitter {
    /// The entry of the submitter, or of a group of it, of which the directory does not show all by which it can be
    /// denied something.
    pub(super) fn unidentified(&self) -> Option<&Entry> {
        let person = self.entry.as_deref().filter(|entry| primary_group(entry).is_none());
        person.or_else(|| self.identities().find(|entry| entry.sid().is_none()))
    }

    /// Whether a denial to `sid` meets it. All count that anybody has by logging in; to be allowed something, only
    /// those of the entry itself and of its security groups do.
    fn is_denied_by(&self, sid: &Sid) -> bool {
        let entry = self.entry.as_deref();
        sid.is_everybody()
            || entry.and_then(primary_group) == Some(sid)
            || self.identities().any(|identity| identity.sid() == Some(sid))
    }

    /// Whom the principal denies what it allows to `allowed`, if the submitter is among them. The order is that of
    /// MS-ADTS section 6.1.3: its own entries before those that it inherits, in both what denies before what allows.
    pub(super) fn denial<'p>(&self, principal: &'p Entry, allowed: &Trustee) -> Option<&'p Sid> {
        let denied = principal.security.iter().flat_map(|security| &security.denied);
        let goes_before = |denied: &&Trustee| !denied.inherited || allowed.inherited;
        denied.filter(goes_before).map(|denied| &denied.sid).find(|sid| self.is_denied_by(sid))
    }
}

fn primary_group(entry: &Entry) -> Option<&Sid> {
    entry.security.as_ref()?.primary_group.as_ref()
}

#[cfg(test)]
mod tests;
