//! The envelope sender: who may stand there, and whose address the message gets (RFC 5321 section 4.1.1.2).

use super::{Author, Case, Refusal, Return, Role};
use crate::address::Address;
use crate::message::ReversePath;

/// What becomes of the envelope sender.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EnvelopeChange {
    /// It stays as the client gave it.
    Keep,
    /// It becomes this address; the ESMTP parameters stay.
    Set(Address),
}

impl Case<'_> {
    /// The envelope sender must be null, own or granted (`envelope.check`).
    pub(super) fn check_envelope(&self) -> Result<(), Refusal> {
        if !self.rules.envelope.check {
            return Ok(());
        }
        match &self.message.envelope.sender {
            // RFC 5321 section 4.5.5: reports have none. It exempts nothing from the rules for From.
            ReversePath::Null => Ok(()),
            ReversePath::Unusable(text) => Err(Refusal::ReversePath(text.clone())),
            ReversePath::Address(address) if self.account_sends_from(address) || self.may_use(address) => {
                Ok(())
            }
            ReversePath::Address(address) => Err(Refusal::NotAllowed(Role::EnvelopeSender, address.clone())),
        }
    }

    /// Whether the account may use the address as envelope sender: the first of its forms that anybody has is the
    /// account's. List servers put the recipient into the extension (VERP).
    fn account_sends_from(&self, address: &Address) -> bool {
        let Some(account) = &self.facts.submitter.account else { return false };
        let claims = |form: &Address| account.envelope.iter().any(|pattern| pattern.matches(form));
        let holders = self.facts.owners.get(address).unwrap_or_default();
        let forms = self.rules.addresses.candidates(address);
        // A domain literal has no forms but itself.
        let mut forms = std::iter::once(address).chain(&forms);
        forms.find(|form| claims(form) || holders.iter().any(|entry| entry.has(form))).is_some_and(claims)
    }

    /// Whose address the envelope gets: `envelope.on_behalf` or `envelope.send_as`, by the right that shows.
    pub(super) fn envelope(&self, authors: &[Author]) -> Result<EnvelopeChange, Refusal> {
        let Some(principal) = authors.iter().find_map(|author| author.by.principal()) else {
            return Ok(EnvelopeChange::Keep);
        };
        let rules = self.rules.envelope;
        match if super::any_on_behalf(authors) { rules.on_behalf } else { rules.send_as } {
            Return::Keep => Ok(EnvelopeChange::Keep),
            Return::Delegate => self.towards(self.facts.submitter.addresses()),
            Return::Principal => self.towards(principal.addresses()),
        }
    }

    /// Leaves an envelope sender that is null or one of `addresses` already, else sets the first that can be written.
    fn towards<'a>(
        &self,
        addresses: impl Iterator<Item = &'a Address> + Clone,
    ) -> Result<EnvelopeChange, Refusal> {
        match &self.message.envelope.sender {
            ReversePath::Null => return Ok(EnvelopeChange::Keep),
            ReversePath::Address(current) => {
                let forms = self.rules.addresses.candidates(current);
                if addresses.clone().any(|address| forms.contains(address)) {
                    return Ok(EnvelopeChange::Keep);
                }
            }
            ReversePath::Unusable(_) => {}
        }
        self.writable(addresses)?
            .map_or(Ok(EnvelopeChange::Keep), |address| Ok(EnvelopeChange::Set(address.clone())))
    }

    /// The first address, or an ASCII one where the first is not and the client did not ask for SMTPUTF8 (RFC 6531
    /// section 3.4); none if there are no addresses.
    pub(super) fn writable<'a>(
        &self,
        addresses: impl Iterator<Item = &'a Address> + Clone,
    ) -> Result<Option<&'a Address>, Refusal> {
        let Some(first) = addresses.clone().next() else { return Ok(None) };
        if first.is_ascii() || self.message.envelope.smtputf8() {
            return Ok(Some(first));
        }
        let ascii = addresses.into_iter().find(|address| address.is_ascii());
        ascii.map(Some).ok_or_else(|| Refusal::NeedsSmtpUtf8(first.clone()))
    }
}
