//! Sender: which one an accepted message has (RFC 5322 section 3.6.2). There is never more than one.

use super::{Author, By, Case, Refusal};
use crate::address::{self, Address};
use crate::display;
use crate::grant::{Entry, Relation};
use crate::mailbox::Mailbox;

/// The longest name that is written into Sender, in octets.
const MAX_NAME: usize = 128;

/// What becomes of the Sender fields.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SenderChange {
    /// There is none, or the one that there is stays.
    Keep,
    /// All are removed.
    Remove,
    /// This one, in the place of all that there are.
    Set(SenderMailbox),
}

/// A Sender to be written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SenderMailbox {
    /// The directory's name, fit to be shown; none if it has none.
    pub name: Option<String>,
    /// The address.
    pub address: Address,
}

impl Case<'_> {
    /// The row of the decision table that these authors are in. `redirected`: an own Resent-From lets unknown authors
    /// pass.
    pub(super) fn sender(&self, authors: &[Author], redirected: bool) -> Result<SenderChange, Refusal> {
        let foreign =
            authors.iter().find_map(|author| author.by.principal().map(|principal| (author, principal)));
        let own = self.own_sender();
        match (foreign, authors.len()) {
            (Some(_), _) if super::any_on_behalf(authors) => self.submitter_as_sender(own),
            // RFC 5322 section 3.6.2: with several authors there must be a Sender, and it must not be the delegate.
            (Some((author, principal)), 2..) => Ok(self.author_as_sender(author, principal)),
            (Some(_), _) => Ok(self.without_sender()),
            (None, _) if redirected && self.is_redirect(authors) => Ok(SenderChange::Keep),
            (None, 2..) => self.submitter_as_sender(own),
            (None, _) if own.is_some_and(|mailbox| is_honest(mailbox, self.name().as_deref())) => {
                Ok(SenderChange::Keep)
            }
            (None, _) => Ok(self.without_sender()),
        }
    }

    /// Whether the message is somebody else's, sent on as it was (RFC 5322 section 3.6.6): Sender is its author's then.
    /// Several are not: no author wrote them.
    fn is_redirect(&self, authors: &[Author]) -> bool {
        self.message.sender.count <= 1 && authors.iter().any(|author| author.by == By::Unknown)
    }

    fn without_sender(&self) -> SenderChange {
        if self.message.sender.count == 0 { SenderChange::Keep } else { SenderChange::Remove }
    }

    /// The client's Sender, if it is exactly one mailbox with an own address.
    fn own_sender(&self) -> Option<&Mailbox> {
        let mailbox = self.message.sender.mailbox.as_ref()?;
        (self.relation(&mailbox.address) == Some(Relation::Own)).then_some(mailbox)
    }

    /// The submitter's name in the directory.
    fn name(&self) -> Option<String> {
        self.facts.submitter.entry.as_deref().and_then(name_of)
    }

    /// The submitter, at the address of the client's `own` Sender if it gave one, else at the primary.
    fn submitter_as_sender(&self, own: Option<&Mailbox>) -> Result<SenderChange, Refusal> {
        let name = self.name();
        if own.is_some_and(|mailbox| is_honest(mailbox, name.as_deref())) {
            return Ok(SenderChange::Keep);
        }
        let given = own.map(|mailbox| &mailbox.address).into_iter();
        let address =
            self.writable(given.chain(self.facts.submitter.addresses()))?.ok_or(Refusal::NoAddress)?;
        Ok(SenderChange::Set(SenderMailbox { name, address: address.clone() }))
    }

    fn author_as_sender(&self, author: &Author, principal: &Entry) -> SenderChange {
        let name = name_of(principal);
        let says_so =
            |mailbox: &Mailbox| mailbox.address == author.address && is_honest(mailbox, name.as_deref());
        if self.message.sender.mailbox.as_ref().is_some_and(says_so) {
            return SenderChange::Keep;
        }
        SenderChange::Set(SenderMailbox { name, address: author.address.clone() })
    }
}

/// Whether the text beside an address is the directory's name, or none.
fn is_honest(mailbox: &Mailbox, name: Option<&str>) -> bool {
    mailbox.texts().all(|text| Some(display::decode(text).trim()) == name)
}

/// The directory's name for an entry, fit to be shown.
pub(super) fn name_of(entry: &Entry) -> Option<String> {
    fit_to_be_shown(entry.name.as_deref()?)
}

/// A name without control and direction characters, at most [`MAX_NAME`] octets; none if nothing is left, or if it
/// looks like an address.
pub(super) fn fit_to_be_shown(name: &str) -> Option<String> {
    let visible: String = name.chars().filter(|c| !address::is_forbidden(*c)).collect();
    let mut name = visible.trim();
    while name.len() > MAX_NAME {
        let (last, _) = name.char_indices().next_back()?;
        name = name.get(..last)?.trim_end();
    }
    (!name.is_empty() && !display::shows_at_sign(name)).then(|| name.to_owned())
}
