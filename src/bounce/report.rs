//! The report (RFC 3464 in RFC 6522's `multipart/report`; RFC 6533 where addresses are not ASCII): whether there may be
//! one, and its octets. Plain values in, plain values out.
//!
//! It goes to the submitter's own mailbox, not to the envelope sender, which may be somebody else's. Its From is
//! `MAILER-DAEMON` at the domain of that mailbox: the address that Postfix gives its own reports, and that reaches the
//! postmaster there.

use mail_builder::MessageBuilder;
use mail_builder::headers::{content_type::ContentType, date::Date, message_id::MessageId, raw::Raw};
use mail_builder::mime::MimePart;
use ring::digest::{Context, SHA256};

use super::original::{Original, has_short_lines, hexadecimal};
use super::relay::RelayError;
use crate::address::{Address, AddressRules};
use crate::grant::{Entry, Submitter};
use crate::message::{Envelope, ReversePath};
use crate::policy::{Role, Rules};

mod status;

pub use status::Listed;

/// The most recipients that a report names; Postfix takes 1000 in a message (`smtpd_recipient_limit`). A report that
/// names only some would be read as if the others had got the message.
pub const MAX_LISTED: usize = 2_000;

/// The most recipients that are named to people; the rest is in the part for programs.
const MAX_SHOWN: usize = 20;

/// Why there is no report, and the client is told instead. Its text is fit for a log.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoReport {
    /// RFC 3464 section 2: nobody reports on what has no sender.
    #[error("the envelope sender is null")]
    NullSender,
    /// RFC 3834 section 2: programs do not answer programs.
    #[error("it is automatic mail (Auto-Submitted)")]
    Automatic,
    /// Nor is there a report on a report.
    #[error("it is a report itself")]
    Report,
    /// All recipients have `NOTIFY` without `FAILURE` (RFC 3461 section 4.1), or there are none.
    #[error("no recipient wants a report")]
    Nobody,
    /// More than [`MAX_LISTED`].
    #[error("there are too many recipients to name")]
    ManyRecipients,
    /// The directory has no address for the submitter.
    #[error("the submitter has no mail address")]
    NoMailbox,
    /// A report must not leave the site.
    #[error("the submitter's mailbox <{0}> is in no local domain (policy.local_domains)")]
    NotLocal(Address),
    /// [`super::limit`]
    #[error("the submitter got {} reports within the hour", super::limit::MAX_REPORTS)]
    TooMany,
    /// The relay will not have it.
    #[error("the relay does not take it: {0}")]
    Relay(RelayError),
}

/// A refused message, and why.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// Who sent it.
    pub submitter: &'a Submitter,
    /// With its recipients.
    pub envelope: &'a Envelope,
    /// Its header.
    pub original: &'a Original,
    /// What the server calls it; empty if that is not known.
    pub queue_id: &'a str,
    /// The address that is not allowed, and where it stands.
    pub address: (Role, &'a Address),
    /// What the client would be told: code, status and text.
    pub reply: &'a str,
    /// Whom to ask; empty for nobody.
    pub contact: &'a str,
}

/// Which mailboxes are the site's own.
#[derive(Clone, Copy, Debug)]
pub struct Locality<'a> {
    /// `policy.local_domains`
    pub domains: &'a [String],
    /// `[domain_aliases]`
    pub addresses: &'a AddressRules,
}

impl<'a> Locality<'a> {
    /// As the administrator chose.
    pub fn of(rules: &'a Rules) -> Self {
        Self { domains: &rules.local_domains, addresses: &rules.addresses }
    }

    /// Whether mail to `address` stays here. Where the administrator lists no domains, the domains of the submitter's
    /// own addresses are local: what the directory or an `[[account]]` says is taken for it. A list is taken at its
    /// word: then an entry with a mailbox elsewhere gets no report.
    fn has(self, address: &Address) -> bool {
        let domain = self.addresses.mapped(address.domain());
        let named = |own: &String| own == address.domain() || own == domain;
        !address.is_literal() && (self.domains.is_empty() || self.domains.iter().any(named))
    }
}

/// A report that may be made.
#[derive(Clone, Debug)]
pub struct Draft {
    to: Address,
    /// Whose reports the limit counts.
    counted: String,
    refused: (Role, Address),
    reply: String,
    contact: String,
    envelope_id: Option<String>,
    listed: Vec<Listed>,
    fingerprint: String,
    original: Original,
}

/// A report, ready to go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// Whose mailbox it goes to.
    pub to: Address,
    /// Without angle brackets. The same whenever the client sends the same message.
    pub message_id: String,
    /// The message; every line ends with CRLF.
    pub octets: Vec<u8>,
}

/// Whether a report may be made, and all that it needs.
///
/// # Errors
///
/// Why it must not.
pub fn draft(refused: Refused<'_>, locality: Locality<'_>) -> Result<Draft, NoReport> {
    let Refused { submitter, envelope, original, address: (role, address), reply, contact, .. } = refused;
    if envelope.sender == ReversePath::Null {
        return Err(NoReport::NullSender);
    }
    if original.is_automatic() {
        return Err(NoReport::Automatic);
    }
    if original.is_report() {
        return Err(NoReport::Report);
    }
    let listed = status::listed(&envelope.recipients);
    match listed.len() {
        0 => return Err(NoReport::Nobody),
        1..=MAX_LISTED => {}
        _ => return Err(NoReport::ManyRecipients),
    }
    let to = mailbox(submitter, locality)?;
    Ok(Draft {
        counted: counted(submitter, &to).key(),
        to,
        refused: (role, address.clone()),
        reply: reply.to_owned(),
        contact: contact.to_owned(),
        envelope_id: status::envelope_id(&envelope.parameters),
        fingerprint: fingerprint(&refused),
        listed,
        original: original.clone(),
    })
}

/// The submitter's primary address. Many mail stores (Dovecot's LMTP) take no SMTPUTF8: where the primary is not ASCII,
/// a local address of the same person that is stands in for it.
fn mailbox(submitter: &Submitter, locality: Locality<'_>) -> Result<Address, NoReport> {
    let primary = submitter.primary().ok_or(NoReport::NoMailbox)?;
    if !locality.has(primary) {
        return Err(NoReport::NotLocal(primary.clone()));
    }
    let ascii = submitter.addresses().find(|address| address.is_ascii() && locality.has(address));
    Ok(ascii.unwrap_or(primary).clone())
}

/// By which address the limit knows the submitter: the same, whichever of the entry's addresses is the login.
fn counted<'a>(submitter: &'a Submitter, mailbox: &'a Address) -> &'a Address {
    submitter.entry.as_deref().and_then(Entry::primary).unwrap_or(mailbox)
}

fn fingerprint(refused: &Refused<'_>) -> String {
    let Refused { submitter, envelope, original, queue_id, .. } = *refused;
    let sender = envelope.sender.to_string();
    let recipients = envelope.recipients.iter().map(|recipient| recipient.path.as_str());
    original.fingerprint(queue_id, [submitter.login.as_str(), &sender].into_iter().chain(recipients))
}

impl Draft {
    /// Whose mailbox it goes to.
    pub fn to(&self) -> &Address {
        &self.to
    }

    /// Whose reports the limit counts: an [`Address::key`].
    pub fn counted(&self) -> &str {
        &self.counted
    }

    /// Whether anything that is named is not ASCII (RFC 6533 section 4).
    fn is_international(&self) -> bool {
        !self.to.is_ascii() || self.listed.iter().any(|listed| !listed.is_ascii())
    }

    /// The report, as of `now` (seconds since 1970). `mta` is the name of the server that was asked to send.
    pub fn compose(&self, mta: Option<&str>, now: i64) -> Report {
        let domain = self.to.domain();
        let message_id = format!("{}@{domain}", self.fingerprint);
        let parts = vec![self.text(), self.status(mta.unwrap_or(domain), now), self.header()];
        // RFC 6522 section 3
        let kind = ContentType::new("multipart/report")
            .attribute(
                "report-type",
                if self.is_international() { "global-delivery-status" } else { "delivery-status" },
            )
            .attribute("boundary", self.boundary());
        let mut message = MessageBuilder::new()
            .from(("Mail Delivery System".to_owned(), format!("MAILER-DAEMON@{domain}")))
            .header("To", Raw::new(format!("<{}>", self.to)))
            .subject("Your message was not sent")
            .date(Date::new(now))
            .message_id(message_id.clone());
        if let Some(id) = self.original.message_id() {
            // RFC 3834 section 3.1.5: so that it stands beside the message that it is about.
            message = message.in_reply_to(MessageId::new(id)).references(MessageId::new(id));
        }
        let message =
            message.header("Auto-Submitted", Raw::new("auto-replied")).body(MimePart::new(kind, parts));
        let mut octets = Vec::new();
        message.serialize(&mut octets);
        Report { to: self.to.clone(), message_id, octets }
    }

    /// What people read.
    fn text(&self) -> MimePart<'static> {
        let (role, address) = &self.refused;
        let place = match role {
            Role::Author | Role::Resender => "in the From field",
            Role::EnvelopeSender => "as the envelope sender",
        };
        let mut text = format!(
            "Your message was not sent. It has {place} the address\n\n    <{address}>\n\n\
             and you may not send as or on behalf of this address.\n"
        );
        if !self.contact.is_empty() {
            text += &format!("If you should be allowed to, ask {}.\n", self.contact);
        }
        text += "\nNone of these recipients got it:\n\n";
        for listed in self.listed.iter().take(MAX_SHOWN) {
            text += &format!("    {}\n", listed.shown());
        }
        if let Some(more @ 1..) = self.listed.len().checked_sub(MAX_SHOWN) {
            text += &format!("    and {more} more\n");
        }
        text += "\nThe server said:\n\n    ";
        text += &self.reply;
        text += "\n\nThe header of your message is attached.";
        text += if self.original.is_cut() { " It is long; its end is left out.\n" } else { "\n" };
        MimePart::new("text/plain", text.replace('\n', "\r\n"))
    }

    /// What programs read (RFC 3464 section 2.1, RFC 6533 section 4). RFC 6533 wants it in 8 bits, not encoded.
    fn status(&self, mta: &str, now: i64) -> MimePart<'static> {
        let (kind, encoding) = if self.is_international() {
            ("message/global-delivery-status", "8bit")
        } else {
            ("message/delivery-status", "7bit")
        };
        let mut text = status::message_fields(self.envelope_id.as_deref(), mta, now);
        for listed in &self.listed {
            text += "\r\n";
            text += &listed.fields(&self.reply);
        }
        MimePart::new(kind, text.into_bytes()).transfer_encoding(encoding)
    }

    /// The header of the message. As it is where it may stand so; what is UTF-8 by RFC 6533 section 6; else encoded
    /// (RFC 6522 section 4).
    fn header(&self) -> MimePart<'static> {
        let copied = self.original.copied().to_vec();
        let short = has_short_lines(&copied);
        if short && copied.is_ascii() {
            MimePart::new("text/rfc822-headers", copied).transfer_encoding("7bit")
        } else if short && std::str::from_utf8(&copied).is_ok() {
            MimePart::new("message/global-headers", copied).transfer_encoding("8bit")
        } else {
            MimePart::new("text/rfc822-headers", copied)
        }
    }

    /// RFC 2046 section 5.1.1: the boundary must not stand in any part. In the header it would be a digest of the text
    /// that holds it; elsewhere no line begins with what the client wrote, and encoded text never holds `=_`.
    fn boundary(&self) -> String {
        let copied = self.original.copied();
        let mut context = Context::new(&SHA256);
        context.update(copied);
        let digest: String = hexadecimal(context).chars().take(40).collect();
        format!("=_{digest}")
    }
}

#[cfg(test)]
pub(super) mod tests;
