//! An entry that is to be changed, or made: as it will be, and what that takes.

use std::sync::Arc;

use crate::address::Address;
use crate::admin::roll::Found;
use crate::directory::entry::Reader;
use crate::directory::grants::{Modification, OUR_CLASS, Operation};
use crate::directory::record::Record;
use crate::directory::schema::Schema;
use crate::dn::Dn;
use crate::grant::Entry;

/// Our schema's attribute for addresses, which needs our class.
const OUR_ALIAS: &str = "delegationAlias";

/// An entry that changes, or is new.
pub(super) struct Change {
    /// The entry as it will be.
    pub(super) record: Record,
    is_person: bool,
    /// Whether there is none of this name yet.
    pub(super) is_new: bool,
    /// What is modified; of a new entry, what it has.
    pub(super) modifications: Vec<Modification>,
    /// Why, a line each.
    pub(super) comments: Vec<String>,
}

impl Change {
    /// One that is there, not changed yet.
    pub(super) fn of(found: &Found) -> Self {
        let (modifications, comments) = Default::default();
        Self {
            record: found.record.clone(),
            is_person: found.is_person,
            is_new: false,
            modifications,
            comments,
        }
    }

    /// The entry as it will be.
    pub(super) fn entry(&self, schema: &Schema) -> Arc<Entry> {
        Arc::new(Reader::new(schema, &self.record).entry(self.is_person))
    }

    /// One more change of it.
    pub(super) fn apply(&mut self, modifications: Vec<Modification>) {
        for own in modifications {
            match own.operation {
                Operation::Add => self.record.push(&own.attribute, own.value.clone()),
                Operation::Replace => {
                    self.modifications.retain(|old| old.attribute != own.attribute);
                    self.record.replace(&own.attribute, own.value.clone());
                }
                // Only deputies are written anew, and they never send as somebody.
                Operation::Delete => {}
            }
            if !self.modifications.contains(&own) {
                self.modifications.push(own);
            }
        }
    }

    /// Puts an address into an attribute of ours or of another schema; ours needs our class.
    pub(super) fn add_alias(&mut self, attribute: &str, value: &str) {
        let is_ours = |class: &[u8]| class.eq_ignore_ascii_case(OUR_CLASS.as_bytes());
        let mut modifications = Vec::new();
        if attribute.eq_ignore_ascii_case(OUR_ALIAS) && !self.record.values("objectClass").any(is_ours) {
            modifications.push(added("objectClass", OUR_CLASS));
        }
        modifications.push(added(attribute, value));
        self.apply(modifications);
    }

    /// A shared mailbox that is new. Its class is of core.schema (RFC 4519 section 3.11).
    pub(super) fn mailbox(dn: Dn, attribute: &str, address: &Address) -> Self {
        let (is_person, is_new, modifications) = (false, true, Vec::new());
        let comments = vec![format!("a shared mailbox for {address}, which nobody has")];
        let mut change = Self { record: Record::new(dn), is_person, is_new, modifications, comments };
        let named = address.to_string();
        change.apply(vec![
            added("objectClass", "organizationalRole"),
            added("objectClass", OUR_CLASS),
            added("cn", &named),
            added(attribute, &named),
        ]);
        change
    }
}

fn added(attribute: &str, value: &str) -> Modification {
    Modification {
        operation: Operation::Add,
        attribute: attribute.to_owned(),
        value: value.as_bytes().to_vec(),
    }
}
