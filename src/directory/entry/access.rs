//! What a record says by access control: who it is, whom it allows Send As and whom it denies it.

use super::{Doubtful, Reader};
use crate::directory::descriptor::{Effect, Permission, SEND_AS, permissions};
use crate::directory::schema::{GrantForm, OBJECT_SID, PRIMARY_GROUP};
use crate::grant::{Delegate, Grant, Right, Security, Sid, Trustee};

/// The access control of an entry.
#[derive(Default)]
pub(super) struct Access {
    pub(super) grants: Vec<Grant>,
    pub(super) security: Option<Box<Security>>,
}

impl<'a> Reader<'a> {
    /// The access control of the entry; nothing where the schema has none. An entry that does not show who it is
    /// grants nothing by it: it could not tell a grant to itself.
    pub(super) fn access(&mut self) -> Access {
        let schema = self.schema;
        if !schema.has_descriptors() {
            return Access::default();
        }
        let Some(sid) = self.sid() else { return Access::default() };
        let primary_group = self.primary_group(&sid);
        let lists = [
            (Right::SendAs, &schema.send_as),
            (Right::SendOnBehalf, &schema.send_on_behalf),
            (Right::Schedule, &schema.schedule),
        ];
        let (mut grants, mut denied) = (Vec::new(), Vec::new());
        for (right, attributes) in lists {
            for (_, Permission { effect, inherited, sid, .. }) in self.permissions(attributes) {
                let trustee = Trustee { sid, inherited };
                match effect {
                    Effect::Allow => grants.push(Grant { right, delegate: Delegate::Trustee(trustee) }),
                    Effect::Deny => denied.push(trustee),
                }
            }
        }
        let security = Security { sid, primary_group, denied: denied.into() };
        Access { grants, security: Some(Box::new(security)) }
    }

    /// What security descriptors in the attributes say of Send As, each with its attribute. What they say of the entry
    /// itself (Self) or of the system is nothing to others, and left out: it stands on every entry.
    pub(crate) fn permissions(&mut self, attributes: &'a [String]) -> Vec<(&'a str, Permission)> {
        let record = self.record;
        let is_descriptor = |attribute: &&String| GrantForm::of(attribute) == GrantForm::Descriptor;
        let mut said = Vec::new();
        for attribute in attributes.iter().filter(is_descriptor) {
            for value in record.values(attribute) {
                match permissions(value, &SEND_AS) {
                    Ok(found) => said.extend(found.into_iter().map(|own| (attribute.as_str(), own))),
                    Err(error) => self.doubt_octets(attribute, value, error.into()),
                }
            }
        }
        said.retain(|(_, permission)| !permission.sid.is_self() && !permission.sid.is_system());
        said
    }

    fn sid(&mut self) -> Option<Sid> {
        let value = self.record.values(OBJECT_SID).next()?;
        match Sid::from_octets(value) {
            Ok(sid) => Some(sid),
            Err(error) => {
                self.doubt_octets(OBJECT_SID, value, error.into());
                None
            }
        }
    }

    fn primary_group(&mut self, sid: &Sid) -> Option<Sid> {
        let value = self.record.values(PRIMARY_GROUP).next()?;
        let text = String::from_utf8_lossy(value);
        let group = text.trim().parse().ok().and_then(|rid| sid.in_same_domain(rid));
        if group.is_none() {
            self.doubt(PRIMARY_GROUP, &text, Doubtful::Group);
        }
        group
    }

    /// Notes a value that is no text, by its size.
    fn doubt_octets(&mut self, attribute: &str, value: &[u8], reason: Doubtful) {
        self.doubt(attribute, &format!("{} octets", value.len()), reason);
    }
}
