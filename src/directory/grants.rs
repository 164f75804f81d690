//! What must be modified in an entry so that a grant is there, or is not: from the values that are stored, in the form
//! that the attribute has, to exactly the values that are added and deleted. Nothing is asked or sent here.

use std::str::from_utf8;

use crate::directory::descriptor::edit::{self, EditError};
use crate::directory::descriptor::{Effect, Permission, SEND_AS, permissions};
use crate::directory::record::Record;
use crate::directory::schema::{Deputy, DeputyError, GrantForm, Schema};
use crate::grant::{Delegate, Entry, Right, Trustee};

/// The class that allows our attributes on any entry (`contrib/ldap/delegation.schema`).
pub(crate) const OUR_CLASS: &str = "delegationPrincipal";

/// The attributes that it allows.
const OURS: [&str; 3] = ["delegationSendAs", "delegationSendOnBehalf", "delegationSchedule"];

/// Whether an attribute is one of our schema's, which holds names of entries and nothing else.
pub fn is_ours(attribute: &str) -> bool {
    OURS.iter().any(|own| own.eq_ignore_ascii_case(attribute))
}

/// The classes of an entry (RFC 4512 section 3.3).
const CLASS: &str = "objectClass";

/// One part of a modification (RFC 4511 section 4.6).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Modification {
    /// What is done.
    pub operation: Operation,
    /// The attribute.
    pub attribute: String,
    /// The value.
    pub value: Vec<u8>,
}

/// What is done with a value.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Operation {
    /// It is added to those that are there.
    Add,
    /// It is deleted, and the others stay.
    Delete,
    /// It takes the place of all that are there: a security descriptor, of which there is one. Servers give no way to
    /// say which one is meant to be replaced, so it is read just before.
    Replace,
}

/// A stored value that gives a right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stored {
    /// The attribute, as the configuration names it.
    pub attribute: String,
    /// The value, octet for octet.
    pub value: Vec<u8>,
    /// Whom it names.
    pub delegate: Delegate,
}

/// Why a grant cannot be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unwritable {
    /// The attribute holds numbers.
    #[error("the attribute names people by their number (uidNumber), and it has none")]
    NoNumber,
    /// The attribute holds deputies.
    #[error("the attribute cannot name it: {0}")]
    Deputy(#[from] DeputyError),
    /// The attribute holds a security descriptor.
    #[error("the attribute names delegates by their objectSid, and it shows none")]
    NoSid,
    /// The principal shows no security descriptor.
    #[error("the principal shows no security descriptor: the milter's account may not read it")]
    NoDescriptor,
    /// The security descriptor cannot be changed.
    #[error("the security descriptor: {0}")]
    Descriptor(#[from] EditError),
    /// No value of the attribute gives this right.
    #[error("values of the attribute cannot give this right")]
    Right,
}

/// The stored values that give the right, to whomever.
pub fn stored(record: &Record, right: Right, schema: &Schema) -> Vec<Stored> {
    let mut found = Vec::new();
    for attribute in schema.granting(right) {
        let form = schema.grant_form(attribute);
        for value in record.values(attribute) {
            let found_one =
                |delegate| Stored { attribute: attribute.clone(), value: value.to_vec(), delegate };
            if form == GrantForm::Descriptor {
                found.extend(trustees(value).map(Delegate::Trustee).map(found_one));
                continue;
            }
            let text = from_utf8(value).unwrap_or_default();
            // A value that cannot be read grants nothing, and is not ours to take away.
            if let Ok(Some(delegate)) = form.read(right, text.trim()) {
                found.push(found_one(delegate));
            }
        }
    }
    found
}

/// Whom a security descriptor gives Send As by its name, and by no entry above: what is written and taken here.
fn trustees(descriptor: &[u8]) -> impl Iterator<Item = Trustee> {
    let said = permissions(descriptor, &SEND_AS).unwrap_or_default().into_iter();
    let given = said.filter(|own| own.effect == Effect::Allow && own.specific && !own.inherited);
    given.map(|Permission { sid, inherited, .. }| Trustee { sid, inherited })
}

/// Where a right is to be written.
#[derive(Clone, Copy, Debug)]
pub struct Slot<'a> {
    /// The principal's entry as it is.
    pub record: &'a Record,
    /// The right.
    pub right: Right,
    /// The attribute.
    pub attribute: &'a str,
    /// The form of its values.
    pub form: GrantForm,
}

impl Slot<'_> {
    /// What gives the right to the delegate, a group or else a person. The value that grants is the last.
    ///
    /// # Errors
    ///
    /// The attribute cannot hold it.
    pub fn grant(&self, delegate: &Entry, is_group: bool) -> Result<Vec<Modification>, Unwritable> {
        let mut modifications = Vec::new();
        let has_class =
            self.record.values(CLASS).any(|class| class.eq_ignore_ascii_case(OUR_CLASS.as_bytes()));
        if !has_class && is_ours(self.attribute) {
            modifications.push(Modification::new(Operation::Add, CLASS, OUR_CLASS.as_bytes()));
        }
        let value = match self.form {
            GrantForm::Descriptor => {
                modifications.push(self.part(Operation::Replace, &self.descriptor(delegate)?));
                return Ok(modifications);
            }
            GrantForm::Dn => delegate.dn.to_string(),
            GrantForm::Number if is_group => delegate.dn.to_string(),
            GrantForm::Number => delegate.numbers.iter().next().ok_or(Unwritable::NoNumber)?.to_owned(),
            GrantForm::Deputy => {
                let known = self.deputies(delegate).into_iter().next();
                let (stored, deputy) = match known {
                    Some((stored, deputy)) => (Some(stored), deputy),
                    None => (None, Deputy::new(&delegate.dn)?),
                };
                modifications.extend(stored.map(|value| self.part(Operation::Delete, value)));
                deputy.with(self.right).ok_or(Unwritable::Right)?.to_string()
            }
        };
        modifications.push(self.part(Operation::Add, value.as_bytes()));
        Ok(modifications)
    }

    /// The security descriptor with Send As for the delegate.
    fn descriptor(&self, delegate: &Entry) -> Result<Vec<u8>, Unwritable> {
        let sid = delegate.sid().ok_or(Unwritable::NoSid)?;
        let stored = self.record.values(self.attribute).next().ok_or(Unwritable::NoDescriptor)?;
        Ok(edit::grant(stored, sid, &SEND_AS)?.unwrap_or_else(|| stored.to_vec()))
    }

    /// What the attribute says of the delegate, each value with what it means.
    fn deputies(&self, delegate: &Entry) -> Vec<(&[u8], Deputy)> {
        let read = |value: &[u8]| Deputy::parse(from_utf8(value).ok()?.trim()).ok();
        let values = self.record.values(self.attribute);
        let deputies = values.filter_map(|value| Some((value, read(value)?)));
        deputies.filter(|(_, deputy)| deputy.dn == delegate.dn).collect()
    }

    /// What takes the right out of one value: the value goes, and where it says more, that stays.
    fn revoke(&self, value: &[u8]) -> Vec<Modification> {
        let mut modifications = vec![self.part(Operation::Delete, value)];
        let deputy = match self.form {
            GrantForm::Deputy => from_utf8(value).ok().and_then(|text| Deputy::parse(text.trim()).ok()),
            GrantForm::Dn | GrantForm::Number | GrantForm::Descriptor => None,
        };
        if let Some(rest) = deputy.map(|deputy| deputy.without(self.right)).filter(|rest| !rest.is_idle()) {
            let rest = rest.to_string();
            let is_there = self.record.values(self.attribute).any(|own| own == rest.as_bytes());
            modifications.extend((!is_there).then(|| self.part(Operation::Add, rest.as_bytes())));
        }
        modifications
    }

    fn part(&self, operation: Operation, value: &[u8]) -> Modification {
        Modification::new(operation, self.attribute, value)
    }
}

/// What takes the right from the delegate: every value that names it goes, however it is written. Empty if none does.
pub fn revoke(record: &Record, right: Right, schema: &Schema, delegate: &Entry) -> Vec<Modification> {
    let mut found = stored(record, right, schema);
    found.retain(|stored| stored.delegate.names(delegate));
    let mut modifications = Vec::new();
    for Stored { attribute, value, delegate } in &found {
        let slot = Slot { record, right, attribute, form: schema.grant_form(attribute) };
        match delegate {
            // One descriptor holds them all.
            Delegate::Trustee(trustee) => {
                let rest = edit::revoke(value, &trustee.sid, &SEND_AS).ok().flatten();
                modifications.extend(rest.map(|rest| slot.part(Operation::Replace, &rest)));
            }
            Delegate::Dn(_) | Delegate::Address(_) | Delegate::Login(_) | Delegate::Number(_) => {
                modifications.extend(slot.revoke(value));
            }
        }
    }
    modifications.dedup();
    modifications
}

impl Modification {
    fn new(operation: Operation, attribute: &str, value: &[u8]) -> Self {
        Self { operation, attribute: attribute.to_owned(), value: value.to_vec() }
    }
}

#[cfg(test)]
mod tests;
