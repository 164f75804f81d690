//! What a message claims: its login, its envelope, and the header fields that say who speaks.
//!
//! Nothing here is believed; [`crate::policy`] says what is.

use std::fmt;

use crate::address::Address;
use crate::mailbox::{self, FieldError, MAX_FIELD, Mailbox};
use crate::mime;

/// The most recipients of a message where anything depends on them: ten times as many as Postfix takes in one by default
/// (`smtpd_recipient_limit`).
pub const MAX_RECIPIENTS: usize = 10_000;

/// The header fields that a decision needs, collected as they arrive; every instance is counted.
#[derive(Clone, Debug, Default)]
pub struct Header {
    from: Field,
    sender: Field,
    resent_from: Field,
    content_type: Field,
    transfer_encoding: Field,
}

/// One field: its first instance, and how many there are.
#[derive(Clone, Debug, Default)]
struct Field {
    count: usize,
    /// One octet more than may be read is kept, so that too long stays too long.
    first: Vec<u8>,
}

impl Header {
    /// Takes a field as the milter protocol gives it; fields that no rule asks for are let go at once.
    pub fn add(&mut self, name: &[u8], body: &[u8]) {
        if let Some(field) = self.field(name) {
            field.add(body);
        }
    }

    fn field(&mut self, name: &[u8]) -> Option<&mut Field> {
        // RFC 5322 section 4.5: obsolete fields have white space before the colon, and readers honour them.
        let name = name.trim_ascii_end();
        let fields = [
            (&b"From"[..], &mut self.from),
            (b"Sender", &mut self.sender),
            (b"Resent-From", &mut self.resent_from),
            (b"Content-Type", &mut self.content_type),
            (b"Content-Transfer-Encoding", &mut self.transfer_encoding),
        ];
        fields.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, field)| field)
    }

    /// What the header says of the body (RFC 2045).
    pub fn mime(&self) -> mime::Fields {
        let fields = [&self.content_type, &self.transfer_encoding];
        mime::Fields {
            content_type: self.content_type.value(),
            transfer_encoding: self.transfer_encoding.value(),
            repeated: fields.iter().any(|field| field.count > 1 || field.first.len() > MAX_FIELD),
        }
    }
}

impl Field {
    fn add(&mut self, body: &[u8]) {
        self.count += 1;
        if self.count == 1 {
            self.first = body.get(..=MAX_FIELD).unwrap_or(body).to_vec();
        }
    }

    fn value(&self) -> Option<Vec<u8>> {
        (self.count > 0).then(|| self.first.clone())
    }
}

/// Whether a body of this type can hold a calendar (RFC 6047 section 2.4): it is one, or it has parts. Readers find a type
/// behind comments and odd spacing too, and which of several fields they go by is theirs to choose.
fn may_hold_calendar(content_type: &Field) -> bool {
    let text = content_type.first.to_ascii_lowercase();
    let names = |kind: &[u8]| text.windows(kind.len()).any(|window| window == kind);
    content_type.count > 1 || [&b"calendar"[..], b"ics", b"multipart"].iter().any(|kind| names(kind))
}

/// What a message claims.
#[derive(Clone, Debug)]
pub struct Message {
    /// The macro `{auth_authen}`: who authenticated, the only thing that the MTA vouches for.
    pub login: String,
    /// MAIL FROM.
    pub envelope: Envelope,
    /// The body of the first From as it came, with one octet more than may be read if it is too long.
    pub from: Vec<u8>,
    /// The authors that From names, or why it names none.
    pub authors: Result<Vec<Mailbox>, FromError>,
    /// What the client put into Sender.
    pub sender: SenderField,
    /// The mailboxes of the topmost Resent-From (RFC 5322 section 3.6.6); none without one.
    pub resent_from: Option<Result<Vec<Mailbox>, FieldError>>,
    /// What the header says of the body.
    pub mime: mime::Fields,
    /// Whether the body can hold a calendar.
    pub calendar_possible: bool,
}

/// Why From names no authors.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FromError {
    /// There is no From in the header block (RFC 5322 section 3.6 wants exactly one).
    #[error("there is no From field")]
    Missing,
    /// There are several.
    #[error("there are {0} From fields; there must be one")]
    Repeated(usize),
    /// It is no list of mailboxes.
    #[error("the From field {0}")]
    Malformed(#[from] FieldError),
}

/// The Sender fields of a message.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SenderField {
    /// How many there are.
    pub count: usize,
    /// The mailbox, if there is exactly one field with exactly one readable mailbox (RFC 5322 section 3.6.2).
    pub mailbox: Option<Mailbox>,
}

/// What MAIL FROM says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Envelope {
    /// The reverse-path.
    pub sender: ReversePath,
    /// The ESMTP parameters as they came (RFC 5321 section 4.1.1.11).
    pub parameters: Vec<String>,
    /// The recipients, where anything depends on them; else none are collected. Never more than one above
    /// [`MAX_RECIPIENTS`].
    pub recipients: Vec<Recipient>,
}

/// What RCPT TO says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recipient {
    /// The forward-path as it came, without its angle brackets.
    pub path: String,
    /// The address in it, its source route stripped; none if it is no address with a domain.
    pub address: Option<Address>,
    /// The ESMTP parameters as they came (RFC 3461 section 4.1 and 4.2).
    pub parameters: Vec<String>,
}

impl Recipient {
    /// Reads the arguments of the milter's RCPT event: the path as the client wrote it, then its parameters.
    pub fn read<'a>(mut arguments: impl Iterator<Item = &'a [u8]>) -> Self {
        let path = text(arguments.next().unwrap_or_default());
        let path = without_brackets(&path).to_owned();
        let address = Address::parse(without_route(&path)).ok();
        Self { path, address, parameters: arguments.map(text).collect() }
    }
}

impl Envelope {
    /// Reads the arguments of the milter's MAIL event: the path as the client wrote it, then its parameters.
    pub fn read<'a>(mut arguments: impl Iterator<Item = &'a [u8]>) -> Self {
        let sender = ReversePath::read(arguments.next().unwrap_or_default());
        Self { sender, parameters: arguments.map(text).collect(), recipients: Vec::new() }
    }

    /// One more recipient. Too many stay too many.
    pub fn add_recipient(&mut self, recipient: Recipient) {
        if self.recipients.len() <= MAX_RECIPIENTS {
            self.recipients.push(recipient);
        }
    }

    /// Whether the client asked for internationalised mail (RFC 6531 section 3.4).
    pub fn smtputf8(&self) -> bool {
        self.parameters.iter().any(|parameter| parameter.eq_ignore_ascii_case("SMTPUTF8"))
    }
}

/// A reverse-path (RFC 5321 section 4.1.2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ReversePath {
    /// `<>`
    Null,
    /// A mailbox, its source route stripped.
    Address(Address),
    /// Anything else, as it came.
    Unusable(String),
}

impl ReversePath {
    /// Reads a path with its angle brackets, or without them, as sendmail(1) gives it.
    pub fn read(path: &[u8]) -> Self {
        let Ok(text) = std::str::from_utf8(path) else {
            return Self::Unusable(String::from_utf8_lossy(path).into_owned());
        };
        let inner = without_brackets(text);
        if inner.is_empty() {
            return Self::Null;
        }
        Address::parse(without_route(inner)).map_or_else(|_| Self::Unusable(inner.to_owned()), Self::Address)
    }
}

fn text(argument: &[u8]) -> String {
    String::from_utf8_lossy(argument).into_owned()
}

fn without_brackets(path: &str) -> &str {
    let path = path.trim();
    path.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(path)
}

/// RFC 5321 section 4.1.1.3 and appendix C: source routes are to be ignored.
fn without_route(path: &str) -> &str {
    path.strip_prefix('@').and_then(|route| route.split_once(':')).map_or(path, |(_, mailbox)| mailbox)
}

/// The path with its angle brackets; it holds whatever the client wrote.
impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Address(address) => write!(f, "<{address}>"),
            Self::Unusable(text) => write!(f, "<{text}>"),
        }
    }
}

impl Message {
    /// Reads the collected fields.
    pub fn new(login: String, envelope: Envelope, header: &Header) -> Self {
        Self {
            login,
            envelope,
            from: header.from.first.clone(),
            authors: authors(&header.from),
            sender: sender(&header.sender),
            resent_from: (header.resent_from.count > 0).then(|| mailbox::read(&header.resent_from.first)),
            mime: header.mime(),
            calendar_possible: may_hold_calendar(&header.content_type),
        }
    }

    /// The mailboxes that say who speaks: of From, then of Resent-From.
    pub fn speakers(&self) -> impl Iterator<Item = &Mailbox> {
        let resent = self.resent_from.iter().flatten().flatten();
        self.authors.iter().flatten().chain(resent)
    }

    /// The addresses that say who speaks, each once.
    pub fn speaking(&self) -> Vec<&Address> {
        once(self.speakers().map(|mailbox| &mailbox.address))
    }

    /// Every address that must be own or granted: those that speak, and the envelope sender; each once.
    pub fn addresses(&self) -> Vec<&Address> {
        let envelope = match &self.envelope.sender {
            ReversePath::Address(address) => Some(address),
            ReversePath::Null | ReversePath::Unusable(_) => None,
        };
        once(self.speaking().into_iter().chain(envelope))
    }
}

fn once<'a>(addresses: impl Iterator<Item = &'a Address>) -> Vec<&'a Address> {
    let mut each = Vec::new();
    for address in addresses {
        if !each.contains(&address) {
            each.push(address);
        }
    }
    each
}

fn authors(from: &Field) -> Result<Vec<Mailbox>, FromError> {
    match from.count {
        0 => Err(FromError::Missing),
        1 => Ok(mailbox::read(&from.first)?),
        count => Err(FromError::Repeated(count)),
    }
}

fn sender(field: &Field) -> SenderField {
    let mailboxes =
        if field.count == 1 { mailbox::read(&field.first).unwrap_or_default() } else { Vec::new() };
    let mailbox = <[Mailbox; 1]>::try_from(mailboxes).ok().map(|[mailbox]| mailbox);
    SenderField { count: field.count, mailbox }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(fields: &[(&str, &str)]) -> Message {
        let mut header = Header::default();
        for (name, body) in fields {
            header.add(name.as_bytes(), body.as_bytes());
        }
        Message::new("anna".into(), Envelope::read([&b"<anna@example.org>"[..]].into_iter()), &header)
    }

    #[test]
    fn exactly_one_from() {
        assert_eq!(message(&[("To", "x")]).authors, Err(FromError::Missing));
        assert!(message(&[("FROM", " a@x.org")]).authors.is_ok());
        assert!(message(&[("From \t", " a@x.org")]).authors.is_ok());
        assert_eq!(
            message(&[("From", "a@x.org"), ("from ", "a@x.org")]).authors,
            Err(FromError::Repeated(2))
        );
        assert_eq!(message(&[("From", "")]).authors, Err(FromError::Malformed(FieldError::Empty)));
    }

    #[test]
    fn too_long_stays_too_long() {
        let long = format!("a@x.org{}", " ".repeat(20_000));
        assert_eq!(message(&[("From", &long)]).authors, Err(FromError::Malformed(FieldError::TooLong)));
    }

    #[test]
    fn a_sender_counts_only_alone() {
        for (fields, count, readable) in [
            (&[][..], 0, false),
            (&[("Sender", "a@x.org")], 1, true),
            (&[("Sender", "a@x.org, b@x.org")], 1, false),
            (&[("Sender", "a@x.org"), ("sender", "a@x.org")], 2, false),
            (&[("Sender", "boss <a@x.org> junk")], 1, false),
        ] {
            let sender = message(fields).sender;
            assert_eq!((sender.count, sender.mailbox.is_some()), (count, readable), "{fields:?}");
        }
    }

    #[test]
    fn the_first_resent_from_is_the_topmost() {
        let message = message(&[("Resent-From", "a@x.org"), ("Resent-From", "b@x.org"), ("From", "c@x.org")]);
        let names: Vec<_> = message.addresses().into_iter().map(Address::to_string).collect();
        assert_eq!(names, ["c@x.org", "a@x.org", "anna@example.org"]);
    }

    #[test]
    fn reverse_paths() {
        let address = |text| ReversePath::Address(Address::parse(text).unwrap());
        for (path, read) in [
            ("<>", ReversePath::Null),
            ("", ReversePath::Null),
            ("<anna@example.org>", address("anna@example.org")),
            ("anna@example.org", address("anna@example.org")),
            ("<@a.example,@b.example:anna@example.org>", address("anna@example.org")),
            ("<\"a b\"@example.org>", address("\"a b\"@example.org")),
            ("<ÄNNA@example.org>", address("ÄNNA@example.org")),
            ("<plain>", ReversePath::Unusable("plain".into())),
            ("<a@b@c>", ReversePath::Unusable("a@b@c".into())),
        ] {
            assert_eq!(ReversePath::read(path.as_bytes()), read, "{path}");
        }
    }

    #[test]
    fn recipients() {
        for (path, read, address) in [
            ("<bea@example.org>", "bea@example.org", Some("bea@example.org")),
            ("bea@example.org", "bea@example.org", Some("bea@example.org")),
            ("<@a.example:bea@example.org>", "@a.example:bea@example.org", Some("bea@example.org")),
            ("<postmaster>", "postmaster", None),
        ] {
            let recipient = Recipient::read([path.as_bytes(), b"NOTIFY=NEVER"].into_iter());
            assert_eq!(
                (recipient.path.as_str(), recipient.parameters.as_slice()),
                (read, &["NOTIFY=NEVER".to_owned()][..])
            );
            assert_eq!(recipient.address, address.map(|text| Address::parse(text).unwrap()), "{path}");
        }
    }

    #[test]
    fn calendars() {
        for (kind, possible) in [
            (" text/plain", false),
            (" TEXT/Calendar; method=REQUEST", true),
            ("\tmultipart/mixed; boundary=x", true),
            ("application/ics", true),
            ("(x) multipart/mixed; boundary=x", true),
        ] {
            assert_eq!(message(&[("Content-Type", kind)]).calendar_possible, possible, "{kind}");
        }
    }
}
