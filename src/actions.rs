//! What is done to an accepted message: the plan of modifications, complete before the first is sent.
//!
//! The order is the one in which they must be applied. Fields are deleted from the highest index down: a milter's
//! indexes count what is left (Postfix, `MILTER_README`), and ascending order leaves some behind.

use mail_builder::headers::{Header, address::Address as Writer};

use crate::mailbox;
use crate::message::Message;
use crate::policy::{Accepted, EnvelopeChange, FromChange, SenderChange, SenderMailbox};

mod from;

pub use from::FROM;

/// The field that is written and deleted.
pub const SENDER: &str = "Sender";

/// One modification, as the milter protocol knows them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Modification {
    /// Deletes the `index`th Sender, counted from 1.
    DeleteSender(usize),
    /// Writes the body of the first Sender anew.
    ChangeSender(FieldBody),
    /// Adds a Sender at the end of the header.
    AddSender(FieldBody),
    /// Writes the body of the first From anew.
    ChangeFrom(FieldBody),
    /// Replaces the envelope sender.
    ChangeEnvelope {
        /// The reverse-path with its angle brackets.
        path: String,
        /// Those of the client's ESMTP parameters that would be lost otherwise.
        parameters: String,
    },
    /// Replaces the body.
    ReplaceBody(Vec<u8>),
    /// Adds an envelope recipient.
    AddRecipient {
        /// The forward-path with its angle brackets.
        path: String,
        /// Its ESMTP parameters.
        parameters: String,
    },
}

/// The body of a header field, without leading space, folded with LF and white space as milters fold. It cannot end
/// the field early: it holds no other control character.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FieldBody(String);

impl FieldBody {
    /// Writes a mailbox: `Name <local@domain>`, the name quoted or encoded where it must be (RFC 5322 section 3.4,
    /// RFC 2047), folded to fit behind `Sender: `.
    fn mailbox(mailbox: &SenderMailbox) -> Self {
        let address = format!("<{}>", mailbox.address);
        let Some(name) = &mailbox.name else { return Self(address) };
        let Some(phrase) = phrase(name, SENDER.len() + 2) else { return Self(address) };
        let last_line = phrase.rsplit('\n').next().unwrap_or_default().len() + SENDER.len() + 2;
        let space = if last_line + address.len() < LINE { " " } else { "\n " };
        written(format!("{phrase}{space}{address}")).unwrap_or(Self(address))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The length that a line should not exceed, in octets (RFC 5322 section 2.1.1).
const LINE: usize = 78;

/// What of a name is left out where it cannot be written so that every reader reads the address alike: behind encoded
/// words it would count for those who decode first.
const MARKS: [&[char]; 3] = [&[], &['"', '\\', '<', '>'], ALL_MARKS];
const ALL_MARKS: &[char] = &['"', '\\', '<', '>', '(', ')', '[', ']'];

/// A name as a phrase: quoted or encoded where it must be, folded to begin at this column of its line.
fn phrase(name: &str, column: usize) -> Option<String> {
    // Most names: what readers make of them need not be tried.
    if is_plain(name) && column + name.len() + "\"\"".len() <= LINE {
        return Some(format!("\"{name}\""));
    }
    any_phrase(name, column)
}

/// Whether a name is words of ASCII with a space between each two.
fn is_plain(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    name.split(' ').all(|word| !word.is_empty() && word.bytes().all(is_letter))
}

fn any_phrase(name: &str, column: usize) -> Option<String> {
    let phrases = MARKS.iter().filter_map(|marks| phrase_of(name.replace(*marks, "").trim(), column));
    phrases.into_iter().find(|phrase| mailbox::read(format!("{phrase} (c) <x@x>, <y@y>").as_bytes()).is_ok())
}

fn phrase_of(name: &str, column: usize) -> Option<String> {
    let mut bytes = Vec::new();
    // The address itself is written by us: its form is what was compared.
    Writer::new_address(Some(name), "x@x").write_header(&mut bytes, column);
    let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
    let (phrase, _) = text.rsplit_once("<x@x>")?;
    // At the end of a full line it begins with a fold.
    let phrase = phrase.trim();
    // A fold inside a quoted string is legal, and ends it for some readers: rather a line over 78 octets.
    Some(if phrase.starts_with('"') { phrase.replace('\n', "") } else { phrase.to_owned() })
}

/// Whether a phrase, decoded, is a name as we write it.
fn says(decoded: &str, name: &str) -> bool {
    let words = |text: &str| text.replace(ALL_MARKS, "").split_whitespace().collect::<Vec<_>>().join(" ");
    words(decoded) == words(name)
}

/// The body, if it is one.
fn written(body: String) -> Option<FieldBody> {
    is_one_field(&body).then_some(FieldBody(body))
}

/// Whether a text is the body of one field: every line end is a fold (RFC 5322 section 2.2.3), written as LF.
fn is_one_field(body: &str) -> bool {
    mailbox::unambiguous_lines(body).is_ok_and(|lines| lines == body)
}

/// The modifications that make the message what was decided; none where nothing must change. `body` is the body that it
/// gets, if that is another.
pub fn plan(accepted: &Accepted, message: &Message, body: Option<Vec<u8>>) -> Vec<Modification> {
    let mut plan = Vec::new();
    let present = message.sender.count;
    match &accepted.sender {
        SenderChange::Keep => {}
        SenderChange::Remove => plan.extend((1..=present).rev().map(Modification::DeleteSender)),
        SenderChange::Set(mailbox) => {
            plan.extend((2..=present).rev().map(Modification::DeleteSender));
            let body = FieldBody::mailbox(mailbox);
            plan.push(match present {
                0 => Modification::AddSender(body),
                _ => Modification::ChangeSender(body),
            });
        }
    }
    if let FromChange::Names(names) = &accepted.from {
        plan.extend(from::renamed(&message.from, names).map(Modification::ChangeFrom));
    }
    if let EnvelopeChange::Set(address) = &accepted.envelope {
        let parameters = message.envelope.parameters.iter().map(String::as_str);
        let parameters =
            parameters.filter(|parameter| goes_with_sender(parameter)).collect::<Vec<_>>().join(" ");
        plan.push(Modification::ChangeEnvelope { path: format!("<{address}>"), parameters });
    }
    plan.extend(accepted.copies.to.iter().map(|address| Modification::AddRecipient {
        path: format!("<{address}>"),
        // RFC 3461 section 4.1: the submitter has not asked for the copy and need not hear of it.
        parameters: "NOTIFY=NEVER".to_owned(),
    }));
    plan.extend(body.map(Modification::ReplaceBody));
    plan
}

/// Whether a parameter of MAIL (RFC 3461 section 4.3 and 4.4) has to be given again with a new sender. All others Postfix
/// keeps by itself, and warns in its log if it is given them.
fn goes_with_sender(parameter: &str) -> bool {
    let keyword = parameter.split('=').next().unwrap_or_default();
    // RFC 5321 section 4.1.2: no space and no control character is in a parameter. An MTA that let one through would be
    // given a line end in what we write.
    let is_whole = parameter.bytes().all(|octet| matches!(octet, b'!'..=b'~'));
    is_whole && ["RET", "ENVID"].iter().any(|own| keyword.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::display;
    use crate::message::{Envelope, Header as Fields};
    use crate::policy::Copies;

    fn body(name: Option<&str>, address: &str) -> String {
        let mailbox =
            SenderMailbox { name: name.map(str::to_owned), address: Address::parse(address).unwrap() };
        FieldBody::mailbox(&mailbox).0
    }

    #[test]
    fn written() {
        for (name, address, text) in [
            (None, "anna@example.org", "<anna@example.org>"),
            (Some("Anna Adams"), "anna@example.org", "\"Anna Adams\" <anna@example.org>"),
            (Some("Adams, Anna"), "anna@example.org", "\"Adams, Anna\" <anna@example.org>"),
            (Some("A \"B\" \\ C"), "anna@example.org", "\"A \\\"B\\\" \\\\ C\" <anna@example.org>"),
            (Some("Ä\"na\""), "anna@example.org", "=?utf-8?B?w4RuYQ==?= <anna@example.org>"),
            (Some("Äna"), "\"a b\"@example.org", "=?utf-8?B?w4RuYQ==?= <\"a b\"@example.org>"),
        ] {
            assert_eq!(body(name, address), text);
        }
    }

    fn accepted(sender: SenderChange, envelope: EnvelopeChange) -> Accepted {
        let (from, copies) = (FromChange::Keep, Copies::default());
        Accepted { authors: vec![], sender, from, envelope, copies, sent_by: vec![] }
    }

    fn message(senders: usize) -> Message {
        let mut header = Fields::default();
        header.add(b"From", b"a@x.org");
        (0..senders).for_each(|_| header.add(b"Sender", b"a@x.org"));
        let arguments = [&b"<a@x.org>"[..], b"SIZE=10", b"RET=HDRS", b"SMTPUTF8", b"Envid=1", b"RETRY"];
        // None of which an MTA that checks its arguments lets through.
        let odd = [&b"RET=\r\n."[..], b"ENVID=a b", b"ENVID=\xff", b"RET=\x7f"];
        let arguments = [&arguments[..], &odd].concat();
        Message::new("a".into(), Envelope::read(arguments.into_iter()), &header)
    }

    #[test]
    fn plans() {
        use Modification::*;
        let mailbox = SenderMailbox { name: None, address: Address::parse("b@x.org").unwrap() };
        let written = || FieldBody("<b@x.org>".into());
        for (senders, change, expected) in [
            (2, SenderChange::Keep, vec![]),
            (0, SenderChange::Remove, vec![]),
            (3, SenderChange::Remove, vec![DeleteSender(3), DeleteSender(2), DeleteSender(1)]),
            (0, SenderChange::Set(mailbox.clone()), vec![AddSender(written())]),
            (1, SenderChange::Set(mailbox.clone()), vec![ChangeSender(written())]),
            (3, SenderChange::Set(mailbox), vec![DeleteSender(3), DeleteSender(2), ChangeSender(written())]),
        ] {
            let accepted = accepted(change, EnvelopeChange::Keep);
            assert_eq!(plan(&accepted, &message(senders), None), expected);
        }
    }

    #[test]
    fn the_envelope_keeps_what_belongs_to_its_reports() {
        let envelope = EnvelopeChange::Set(Address::parse("b@x.org").unwrap());
        let accepted = accepted(SenderChange::Keep, envelope);
        let expected =
            Modification::ChangeEnvelope { path: "<b@x.org>".into(), parameters: "RET=HDRS Envid=1".into() };
        assert_eq!(plan(&accepted, &message(0), None), [expected]);
    }

    #[test]
    fn copies_are_recipients_of_whom_nobody_hears() {
        let mut accepted = accepted(SenderChange::Keep, EnvelopeChange::Keep);
        accepted.copies.to = vec![Address::parse("\"b b+Sent\"@x.org").unwrap()];
        let parameters = "NOTIFY=NEVER".into();
        let expected = Modification::AddRecipient { path: "<\"b b+Sent\"@x.org>".into(), parameters };
        assert_eq!(plan(&accepted, &message(0), None), [expected]);
    }

    proptest::proptest! {
        #[test]
        fn a_plain_name_is_written_as_any_other(
            name in "[a-zA-Z0-9.-]{1,12}( [a-zA-Z0-9.-]{1,12}){0,6}|[ -~]{1,20}",
            column in 0..90usize,
        ) {
            proptest::prop_assert_eq!(phrase(&name, column), any_phrase(&name, column));
        }

        #[test]
        fn any_name_reads_back(name in "[^\\p{Cc}\u{2028}\u{2029}@]{1,42}|[ -?A-~]{60,128}") {
            reads_back(name.trim());
        }
    }

    /// The test above once found it.
    #[test]
    fn a_name_of_spaces_backslashes_and_quotes_reads_back() {
        reads_back(r#"A A a00A\0AaA aAAA0 a0  00 0a   0A Aaa AA0A 0A\"Aa0AAAAA A0   aAaA"#);
    }

    fn reads_back(name: &str) {
        if name.is_empty() || name.replace(ALL_MARKS, "").contains("=?") {
            return;
        }
        let text = body(Some(name), "anna@example.org");
        assert!(is_one_field(&text), "{text:?}");
        let read = mailbox::read(text.as_bytes()).unwrap();
        assert_eq!(read[0].address.to_string(), "anna@example.org");
        assert!(says(&display::decode(&read[0].phrase), name), "{text:?}");
    }
}
