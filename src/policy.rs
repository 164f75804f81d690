//! The decision: may this login send this message, and what must change so that readers see who wrote it?
//!
//! [`decide`] is a function of plain values: what the message claims, what the directory knows, and what the
//! administrator chose. Its order: the login must be known; every author must be own or granted; the envelope sender
//! and Resent-From too; display text must not show what the submitter may not use. Then it says which Sender and
//! which envelope sender the message gets. Nothing that the client wrote in Sender is ever a reason to accept.

use std::collections::HashMap;
use std::sync::Arc;

use crate::address::{Address, AddressRules};
use crate::calendar::SentBy;
use crate::grant::{Entry, Facts, GrantRules, Others, Relation, relation};
use crate::mailbox::FieldError;
use crate::message::{FromError, MAX_RECIPIENTS, Message};

mod copies;
mod envelope;
mod from;
mod rule;
mod scheduling;
mod sender;
mod shown;

pub use copies::{Copies, CopyForm, CopyFormError, CopyRules};
pub use envelope::EnvelopeChange;
pub use from::{FromChange, OnBehalfDisplay};
pub use rule::Granted;
pub use scheduling::{Body, Question, Reading, SchedulingRules, acting_addresses};
pub use sender::{SenderChange, SenderMailbox};
pub use shown::shown_addresses;

/// What the configuration lets the administrator choose: `[policy]`, `[envelope]`, `[delegation]`, `[[context]]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rules {
    /// `policy.recipient_delimiter` and `[domain_aliases]`.
    pub addresses: AddressRules,
    /// `[delegation]`, `[[context]]`, `policy.group_members`.
    pub grants: GrantRules,
    /// Which of the two rights wins where a principal gives both.
    pub prefer: Prefer,
    /// `policy.unknown_author`: what becomes of authors that nobody has.
    pub unknown_author: Choice,
    /// `policy.unknown_submitter`: what becomes of logins that nobody has.
    pub unknown_submitter: Choice,
    /// `policy.redirect`: whether an own Resent-From lets unknown authors pass.
    pub redirect: Choice,
    /// `policy.display_name_address`: what becomes of display text with somebody else's address.
    pub display_name_address: Choice,
    /// `policy.local_domains`, in canonical form.
    pub local_domains: Vec<String>,
    /// `policy.on_behalf_display`: whether From shows who wrote for whom.
    pub on_behalf_display: OnBehalfDisplay,
    /// `[envelope]`
    pub envelope: EnvelopeRules,
    /// `[sent_copy]`; none without an address.
    pub sent_copy: Option<CopyRules>,
    /// `[scheduling]`
    pub scheduling: SchedulingRules,
}

/// Accept or refuse.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Choice {
    /// `"accept"`
    Accept,
    /// `"refuse"`
    Refuse,
}

/// `policy.prefer`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Prefer {
    /// `"send-on-behalf"`
    SendOnBehalf,
    /// `"send-as"`
    SendAs,
}

/// `[envelope]`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EnvelopeRules {
    /// `envelope.check`: whether the envelope sender must be own or granted.
    pub check: bool,
    /// `envelope.on_behalf`: whose address the envelope gets.
    pub on_behalf: Return,
    /// `envelope.send_as`: `keep` or `principal`.
    pub send_as: Return,
}

/// Whose address a delegated message gets as its envelope sender, to which bounces return.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Return {
    /// The one that the client gave.
    Keep,
    /// The submitter's primary.
    Delegate,
    /// The principal's primary.
    Principal,
}

/// The most Sender fields that are taken out of a message. Postfix reads the header from its start for each (8 s of work
/// for 16,000 of them), and nobody but an attacker writes more than two.
const MAX_SENDERS: usize = 32;

/// The answer of [`decide`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// The verdict, final.
    Decided(Verdict),
    /// It depends on the body, or has something to change in it.
    NeedsBody(Question),
}

/// May the message pass?
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It may, changed as told.
    Accept(Box<Accepted>),
    /// It may not.
    Refuse(Refusal),
}

/// How an accepted message goes out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accepted {
    /// What the submitter is to each author, in the order of From.
    pub authors: Vec<Author>,
    /// What becomes of Sender.
    pub sender: SenderChange,
    /// What becomes of the display names in From.
    pub from: FromChange,
    /// What becomes of the envelope sender.
    pub envelope: EnvelopeChange,
    /// Copies for those who are written for.
    pub copies: Copies,
    /// What becomes of SENT-BY on the properties of these addresses in calendars.
    pub sent_by: Vec<(Address, SentBy)>,
}

/// An author of an accepted message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Author {
    /// The address as From has it.
    pub address: Address,
    /// By which right it may stand there.
    pub by: By,
    /// The grant that gives this right, where it is somebody else's.
    pub granted: Option<Granted>,
}

/// By which right an author may stand in From.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum By {
    /// It is the submitter's own.
    Own,
    /// Nobody has it, and the configuration lets it pass as if own.
    Unknown,
    /// On behalf of this principal.
    OnBehalf(Arc<Entry>),
    /// As this principal.
    SendAs(Arc<Entry>),
}

impl By {
    /// The principal, where there is one.
    pub fn principal(&self) -> Option<&Entry> {
        match self {
            Self::OnBehalf(principal) | Self::SendAs(principal) => Some(principal),
            Self::Own | Self::Unknown => None,
        }
    }
}

/// Whether some author is written for on behalf: readers must then see the submitter.
fn any_on_behalf(authors: &[Author]) -> bool {
    authors.iter().any(|author| matches!(author.by, By::OnBehalf(_)))
}

/// Why a message is refused. [`crate::reply`] says it to the submitter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The login has neither an entry nor an `[[account]]`.
    UnknownLogin(String),
    /// From is missing, repeated or malformed.
    From(FromError),
    /// Resent-From is malformed.
    ResentFrom(FieldError),
    /// There are so many Sender fields that to remove them all would take Postfix minutes.
    Senders(usize),
    /// An address of From, Resent-From or the envelope is neither own nor granted.
    NotAllowed(Role, Address),
    /// The envelope sender is no address.
    ReversePath(String),
    /// There are more recipients than are looked at.
    Recipients,
    /// Display text shows an address that the submitter may not use.
    Shown(String),
    /// Display text holds characters that change its direction.
    Misdirecting,
    /// An address that must be written is not ASCII, and the client did not ask for SMTPUTF8.
    NeedsSmtpUtf8(Address),
    /// The message needs a Sender, and the submitter has no address.
    NoAddress,
    /// The verdict depends on the body, which is longer than `scheduling.max_body`.
    BodyTooLong,
    /// The actor of a calendar is neither own nor granted (`scheduling.check_own`).
    NotActor(Address),
    /// A calendar cannot be read, and so not be checked (`scheduling.check_own`).
    Calendar(String),
}

/// Where an address stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// In From.
    Author,
    /// In Resent-From.
    Resender,
    /// In MAIL FROM.
    EnvelopeSender,
}

/// Decides about a message. `facts` must hold the owners of [`Message::addresses`] and of [`shown_addresses`]; an
/// address that nobody asked for counts as not allowed.
pub fn decide(message: &Message, facts: &Facts, rules: &Rules, body: &Body) -> Answer {
    let relations = scheduling::relations(body, facts, rules);
    let case = Case { message, facts, rules, body, relations };
    match case.examine() {
        Ok((_, Some(question))) if *body == Body::Unread => Answer::NeedsBody(question),
        Ok((accepted, _)) => Answer::Decided(Verdict::Accept(Box::new(accepted))),
        Err(refusal) => Answer::Decided(Verdict::Refuse(refusal)),
    }
}

/// One message under examination.
struct Case<'a> {
    message: &'a Message,
    facts: &'a Facts,
    rules: &'a Rules,
    body: &'a Body,
    /// What the submitter is to those whom the calendars in the body name.
    relations: HashMap<&'a Address, Relation>,
}

impl Case<'_> {
    /// How the message may go out, and what must be known of its body first. What is refused whatever the body says
    /// is refused here.
    fn examine(&self) -> Result<(Accepted, Option<Question>), Refusal> {
        if !self.facts.submitter.is_known() && self.rules.unknown_submitter == Choice::Refuse {
            return Err(Refusal::UnknownLogin(self.message.login.clone()));
        }
        let redirected = self.check_resent_from()?;
        let authors = self.check_authors(redirected)?;
        self.check_counts()?;
        self.check_envelope()?;
        self.check_shown(&authors)?;
        let sender = self.sender(&authors, redirected)?;
        let envelope = self.envelope(&authors)?;
        let (from, copies) = (self.display_names(&authors), self.copies(&authors));
        let question = self.question(&authors);
        self.check_length(question.as_ref())?;
        self.check_actors()?;
        let sent_by = self.sent_by(&authors, &sender);
        Ok((Accepted { authors, sender, from, envelope, copies, sent_by }, question))
    }

    fn check_counts(&self) -> Result<(), Refusal> {
        match self.message.sender.count {
            senders if senders > MAX_SENDERS => Err(Refusal::Senders(senders)),
            _ if self.message.envelope.recipients.len() > MAX_RECIPIENTS => Err(Refusal::Recipients),
            _ => Ok(()),
        }
    }

    fn relation(&self, address: &Address) -> Option<Relation> {
        relation(address, self.facts, &self.rules.addresses, &self.rules.grants)
    }

    /// Every author must be own or granted (RFC 5322 section 3.6.2: all of them are responsible for the writing).
    fn check_authors(&self, redirected: bool) -> Result<Vec<Author>, Refusal> {
        let mailboxes = self.message.authors.as_ref().map_err(|error| Refusal::From(*error))?;
        let passes_unknown = self.rules.unknown_author == Choice::Accept || redirected;
        let mut authors = Vec::with_capacity(mailboxes.len());
        for mailbox in mailboxes {
            let by = match self.relation(&mailbox.address) {
                Some(Relation::Own) => Some((By::Own, None)),
                Some(Relation::Unknown) => passes_unknown.then_some((By::Unknown, None)),
                Some(Relation::Others(others)) => self.by_right(&others).map(|by| {
                    let granted = Granted::of(&by, &others);
                    (by, granted)
                }),
                None => None,
            };
            let (by, granted) =
                by.ok_or_else(|| Refusal::NotAllowed(Role::Author, mailbox.address.clone()))?;
            authors.push(Author { address: mailbox.address.clone(), by, granted });
        }
        Ok(authors)
    }

    /// By which right the submitter may write for these principals. Where both are given, `policy.prefer` decides.
    fn by_right(&self, others: &Others) -> Option<By> {
        let principal = others.principals.first()?.clone();
        let on_behalf = others.rights.send_on_behalf;
        match (on_behalf, others.rights.send_as, self.rules.prefer) {
            (true, false, _) | (true, true, Prefer::SendOnBehalf) => Some(By::OnBehalf(principal)),
            (false, true, _) | (true, true, Prefer::SendAs) => Some(By::SendAs(principal)),
            (false, false, _) if self.may_schedule(others) => Some(By::OnBehalf(principal)),
            (false, false, _) => None,
        }
    }

    /// Whether the submitter may use an address that stands elsewhere than in From: it is own or granted.
    fn may_use(&self, address: &Address) -> bool {
        match self.relation(address) {
            Some(Relation::Own) => true,
            Some(Relation::Others(others)) => self.by_right(&others).is_some(),
            Some(Relation::Unknown) | None => false,
        }
    }

    /// Resent-From must be own or granted, and waives nothing; whether it is own and lets unknown authors pass
    /// (`policy.redirect`).
    fn check_resent_from(&self) -> Result<bool, Refusal> {
        let Some(field) = &self.message.resent_from else { return Ok(false) };
        let mailboxes = field.as_ref().map_err(|error| Refusal::ResentFrom(*error))?;
        if let Some(mailbox) = mailboxes.iter().find(|mailbox| !self.may_use(&mailbox.address)) {
            return Err(Refusal::NotAllowed(Role::Resender, mailbox.address.clone()));
        }
        let own = mailboxes.iter().all(|mailbox| self.relation(&mailbox.address) == Some(Relation::Own));
        Ok(own && self.rules.redirect == Choice::Accept)
    }
}

#[cfg(test)]
pub(crate) mod tests;
