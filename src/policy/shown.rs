//! Display text: it must not show an address that the submitter may not use.

use super::{Author, Case, Choice, Refusal, Rules};
use crate::address::Address;
use crate::display::{self, Shown};
use crate::grant::Submitter;
use crate::message::Message;

/// The most addresses in display text that are looked up; nobody has more in a name, and each may cost a question.
const MAX_SHOWN: usize = 16;

/// The addresses in display text of which the owners must be known: those in a local domain.
pub fn shown_addresses(message: &Message, submitter: &Submitter, rules: &Rules) -> Vec<Address> {
    if rules.display_name_address == Choice::Accept {
        return Vec::new();
    }
    let shown = local(message, submitter, rules).into_iter().filter_map(|shown| shown.address);
    shown.take(MAX_SHOWN).collect()
}

/// What display text shows in a local domain: a domain of the submitter's own addresses, or of
/// `policy.local_domains`.
fn local(message: &Message, submitter: &Submitter, rules: &Rules) -> Vec<Shown> {
    let texts = message.speakers().flat_map(|mailbox| mailbox.texts());
    let shown = texts.flat_map(|text| display::addresses(text, &rules.addresses));
    shown.filter(|shown| is_local(&shown.domain, submitter, rules)).collect()
}

/// Whether a domain is local, or stands for one that is.
pub(super) fn is_local(domain: &str, submitter: &Submitter, rules: &Rules) -> bool {
    let mapped = |domain| rules.addresses.mapped(domain);
    let configured = rules.local_domains.iter().map(String::as_str);
    submitter.domains().chain(configured).any(|own| mapped(own) == mapped(domain))
}

impl Case<'_> {
    /// Refuses display text that misleads: `"ceo@example.org" <me@example.org>`, or text that runs backwards.
    pub(super) fn check_shown(&self, authors: &[Author]) -> Result<(), Refusal> {
        if self.message.speakers().flat_map(|mailbox| mailbox.texts()).any(display::misdirects) {
            return Err(Refusal::Misdirecting);
        }
        if self.rules.display_name_address == Choice::Accept {
            return Ok(());
        }
        let misleads =
            |shown: &Shown| !shown.address.as_ref().is_some_and(|address| self.may_show(address, authors));
        match local(self.message, &self.facts.submitter, self.rules).into_iter().find(misleads) {
            Some(shown) => Err(Refusal::Shown(shown.text)),
            None => Ok(()),
        }
    }

    fn may_show(&self, address: &Address, authors: &[Author]) -> bool {
        authors.iter().any(|author| author.address == *address) || self.may_use(address)
    }
}
