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
        let on_behalf = authors.iter().any(|author| matches!(author.by, By::OnBehalf(_)));
        match (foreign, authors.len()) {
            (Some(_), _) if on_behalf => self.submitter_as_sender(),
            // RFC 5322 section 3.6.2: with several authors there must be a Sender, and it must not be the delegate.
            (Some((author, principal)), 2..) => Ok(self.author_as_sender(author, principal)),
            (Some(_), _) => Ok(self.without_sender()),
            (None, _) if redirected && self.is_redirect(authors) => Ok(SenderChange::Keep),
            (None, _) if self.own_sender().is_some_and(|mailbox| self.is_honest(mailbox)) => {
                Ok(SenderChange::Keep)
            }
            (None, 2..) => self.submitter_as_sender(),
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

    /// Whether the text beside an own address is the directory's name, or none.
    fn is_honest(&self, mailbox: &Mailbox) -> bool {
        let name = self.facts.submitter.entry.as_deref().and_then(name_of);
        mailbox.texts().all(|text| Some(display::decode(text).trim()) == name.as_deref())
    }

    /// The submitter, at the client's own address if it gave one, else at the primary.
    fn submitter_as_sender(&self) -> Result<SenderChange, Refusal> {
        let given = self.own_sender();
        if given.is_some_and(|mailbox| self.is_honest(mailbox)) {
            return Ok(SenderChange::Keep);
        }
        let submitter = &self.facts.submitter;
        let given = given.map(|mailbox| &mailbox.address);
        let address =
            self.writable(given.into_iter().chain(submitter.addresses()))?.ok_or(Refusal::NoAddress)?;
        let name = submitter.entry.as_deref().and_then(name_of);
        Ok(SenderChange::Set(SenderMailbox { name, address: address.clone() }))
    }

    fn author_as_sender(&self, author: &Author, principal: &Entry) -> SenderChange {
        let name = name_of(principal);
        let already = self.message.sender.mailbox.as_ref().is_some_and(|mailbox| {
            mailbox.address == author.address
                && mailbox.texts().all(|text| Some(display::decode(text).trim()) == name.as_deref())
        });
        if already {
            return SenderChange::Keep;
        }
        SenderChange::Set(SenderMailbox { name, address: author.address.clone() })
    }
}

/// The directory's name for an entry, fit to be shown: without control and direction characters, at most
/// [`MAX_NAME`] octets; none if nothing is left, or if it looks like an address.
fn name_of(entry: &Entry) -> Option<String> {
    let visible: String = entry.name.as_deref()?.chars().filter(|c| !address::is_forbidden(*c)).collect();
    let mut name = visible.trim();
    while name.len() > MAX_NAME {
        let (last, _) = name.char_indices().next_back()?;
        name = name.get(..last)?.trim_end();
    }
    let shows_address = display::plain(name).contains('@') || display::decode(name).contains('@');
    (!name.is_empty() && !shows_address).then(|| name.to_owned())
}
