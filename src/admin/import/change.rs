//! An entry that is to be changed, or made: as it will be, and what that takes.

use std::collections::HashSet;
use std::sync::Arc;

use crate::address::Address;
use crate::admin::roll::Found;
use crate::directory::entry::Reader;
use crate::directory::grants::{Modification, OUR_CLASS, Operation};
use crate::directory::record::Record;
use crate::directory::schema::Schema;
use crate::dn::Dn;
use crate::grant::{Entry, Grant, Right};

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
    // What is asked of it for each address that is planned: to read it anew each time takes too long where one entry gets
    // thousands.
    held: HashSet<Address>,
    grants: Box<[Grant]>,
    delegates: HashSet<Dn>,
    added: HashSet<(String, Vec<u8>)>,
}

impl Change {
    /// One that is there, not changed yet.
    pub(super) fn of(found: &Found) -> Self {
        Self {
            is_person: found.is_person,
            is_new: false,
            held: found.entry.addresses().cloned().collect(),
            grants: found.entry.grants.clone(),
            ..Self::made(found.record.clone())
        }
    }

    /// One that is new.
    fn made(record: Record) -> Self {
        let (modifications, comments, held, grants, delegates, added) = Default::default();
        let (is_person, is_new) = (false, true);
        Self { record, is_person, is_new, modifications, comments, held, grants, delegates, added }
    }

    /// The entry as it will be.
    pub(super) fn entry(&self, schema: &Schema) -> Arc<Entry> {
        Arc::new(Reader::new(schema, &self.record).entry(self.is_person))
    }

    /// Whether it lets the delegate send as it, once it is changed.
    pub(super) fn lets_send(&self, delegate: &Entry) -> bool {
        let names = |grant: &Grant| grant.right == Right::SendAs && grant.delegate.names(delegate);
        self.delegates.contains(&delegate.dn) || self.grants.iter().any(names)
    }

    /// Lets the delegate send as it by these modifications.
    pub(super) fn let_send(&mut self, delegate: &Entry, modifications: Vec<Modification>) {
        self.delegates.insert(delegate.dn.clone());
        self.apply(modifications);
    }

    /// One more change of it.
    fn apply(&mut self, modifications: Vec<Modification>) {
        for own in modifications {
            match own.operation {
                Operation::Add if !self.added.insert((own.attribute.clone(), own.value.clone())) => continue,
                Operation::Add => self.record.push(&own.attribute, own.value.clone()),
                Operation::Replace => {
                    self.modifications.retain(|old| old.attribute != own.attribute);
                    self.record.replace(&own.attribute, own.value.clone());
                }
                // Only deputies are written anew, and they never send as somebody.
                Operation::Delete => {}
            }
            self.modifications.push(own);
        }
    }

    /// Puts an address that it does not have yet into an attribute of ours or of another schema, with this in front; ours
    /// needs our class. Whether it did not have it.
    pub(super) fn add_alias(&mut self, attribute: &str, prefix: &str, address: &Address) -> bool {
        if !self.held.insert(address.clone()) {
            return false;
        }
        let is_ours = |class: &[u8]| class.eq_ignore_ascii_case(OUR_CLASS.as_bytes());
        let mut modifications = Vec::new();
        if attribute.eq_ignore_ascii_case(OUR_ALIAS) && !self.record.values("objectClass").any(is_ours) {
            modifications.push(added("objectClass", OUR_CLASS));
        }
        modifications.push(added(attribute, &format!("{prefix}{address}")));
        self.apply(modifications);
        true
    }

    /// A shared mailbox that is new. Its class is of core.schema (RFC 4519 section 3.11).
    pub(super) fn mailbox(dn: Dn, attribute: &str, address: &Address) -> Self {
        let mut change = Self::made(Record::new(dn));
        change.comments.push(format!("a shared mailbox for {address}, which nobody has"));
        change.held.insert(address.clone());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::import::tests::company;

    /// What is known of an entry that changes is what would be read of it.
    #[tokio::test]
    async fn known_as_it_would_be_read() {
        let (config, company) = company().await;
        let schema = &config.directory.schema;
        for found in &company {
            let mut change = Change::of(found);
            let own = found.entry.addresses().map(Address::to_string).collect::<Vec<_>>();
            let more = ["one@example.org", "ONE@example.org", "two@example.org", "one@example.org"];
            for address in own.iter().map(String::as_str).chain(more) {
                let address = Address::parse(address).unwrap();
                let is_new = !change.entry(schema).has(&address);
                assert_eq!(change.add_alias(OUR_ALIAS, "", &address), is_new, "{address}");
                assert!(change.entry(schema).has(&address), "{address}");
            }
            for Found { entry: delegate, .. } in company.iter().chain(&company) {
                let names = |grant: &Grant| grant.right == Right::SendAs && grant.delegate.names(delegate);
                assert_eq!(change.lets_send(delegate), change.entry(schema).grants.iter().any(names));
                if !change.lets_send(delegate) {
                    change.let_send(delegate, vec![added("delegationSendAs", delegate.dn.as_str())]);
                }
                assert!(change.entry(schema).grants.iter().any(names), "{}", delegate.dn);
            }
            let values = change.record.values("delegationAlias").count();
            let of_alias = change.modifications.iter().filter(|own| own.attribute == OUR_ALIAS).count();
            assert!(of_alias == 2 && values >= 2, "{of_alias} {values}");
        }
    }
}
