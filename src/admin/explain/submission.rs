//! What is judged: a message that the submitter would send.
//!
//! The header block of a file is read as Postfix 3.7 hands it to a milter, in the order in which its programs do it.
//! What Postfix rewrites for clients in `local_header_rewrite_clients` before a milter sees it is not foreseen here.

use std::iter::Peekable;

use crate::address::Address;
use crate::bounce::original::Original;
use crate::grant::Submitter;
use crate::message::{Envelope, Header, Message};

/// A message that nobody sent, with its envelope.
pub(crate) struct Submission {
    header: Header,
    /// What a report on it would need.
    original: Original,
    /// With CR LF at the ends of lines, as a milter gets it.
    body: Vec<u8>,
    /// What the client says in MAIL FROM; none: the submitter's own address.
    mail_from: Option<String>,
    /// Whether the client asks for SMTPUTF8 (RFC 6531 section 3.4).
    smtputf8: bool,
}

impl Submission {
    /// A message with `address` in From, from the submitter's own address.
    pub(crate) fn of_address(address: &Address) -> Self {
        let mut header = Header::default();
        header.add(b"From", format!("<{address}>").as_bytes());
        Self { header, original: Original::default(), body: Vec::new(), mail_from: None, smtputf8: true }
    }

    /// A message with `address` in From and as its envelope sender.
    pub(crate) fn of_address_alone(address: &Address) -> Self {
        Self { mail_from: Some(address.to_string()), ..Self::of_address(address) }
    }

    /// The message in these octets, as it would be submitted. A client asks for SMTPUTF8 where it needs it.
    pub(super) fn of_message(octets: &[u8], mail_from: Option<&str>) -> Self {
        let (mut header, mut original) = (Header::default(), Original::default());
        let mut smtputf8 = mail_from.is_some_and(|path| !path.is_ascii());
        let (fields, body) = parts(octets);
        for Field { name, body } in fields {
            smtputf8 |= !body.is_ascii();
            header.add(&name, &body);
            original.add(&name, &body);
        }
        Self { header, original, body, mail_from: mail_from.map(str::to_owned), smtputf8 }
    }

    /// What a report on it would need, and the body.
    pub(super) fn into_parts(self) -> (Original, Vec<u8>) {
        (self.original, self.body)
    }

    /// The message, from this submitter.
    pub(crate) fn message(&self, submitter: &Submitter) -> Message {
        let own = || submitter.primary().map_or_else(String::new, Address::to_string);
        let path = self.mail_from.clone().unwrap_or_else(own);
        let path = if path.starts_with('<') { path } else { format!("<{path}>") };
        let smtputf8 = self.smtputf8 || !path.is_ascii();
        let parameter = smtputf8.then_some(&b"SMTPUTF8"[..]);
        let envelope = Envelope::read([path.as_bytes()].into_iter().chain(parameter));
        Message::new(submitter.login.clone(), envelope, &self.header)
    }
}

/// A header field as a milter gets it.
#[derive(Debug, Eq, PartialEq)]
struct Field {
    name: Vec<u8>,
    /// With the white space that it begins with, folded with LF.
    body: Vec<u8>,
}

/// The fields of the header block, and the body behind it.
fn parts(message: &[u8]) -> (Vec<Field>, Vec<u8>) {
    // A file ends with the end of its last line.
    let message = message.strip_suffix(b"\n").unwrap_or(message);
    let mut lines = lines(message).skip_while(|line| is_mbox_line(line)).peekable();
    let mut fields = Vec::new();
    // smtpd(8), `smtpd.c`: before a first line that begins with white space it puts an empty line.
    if lines.peek().is_none_or(|line| !is_folded(line)) {
        fields = header(&mut lines);
    }
    // The empty line that parts the two; any other line is the body's.
    lines.next_if(|line| line.is_empty());
    (fields, lines.flat_map(|line| [&without_stray_cr(line)[..], b"\r\n"].concat()).collect())
}

/// The fields of the header block; the line that ends it is left.
fn header<'a>(lines: &mut Peekable<impl Iterator<Item = &'a [u8]>>) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    while let Some(line) = lines.peek().map(|line| without_stray_cr(line)) {
        match (fields.last_mut(), field(&line)) {
            (Some(last), _) if is_folded(&line) => {
                last.body.push(b'\n');
                last.body.extend(line);
            }
            (_, Some(field)) => fields.push(field),
            // cleanup(8), `mime_state.c`: the first line that is no field ends the block, empty or not.
            (_, None) => break,
        }
        lines.next();
    }
    // The milter protocol has strings that end at NUL.
    for field in &mut fields {
        field.body.splice(field.body.iter().position(|&octet| octet == 0).unwrap_or(field.body.len()).., []);
    }
    fields
}

/// smtpd(8), `smtp_stream.c`: LF ends a line, whatever CR stand before it.
fn lines(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    message.split(|&octet| octet == b'\n').map(|line| {
        let kept = line.iter().rposition(|&octet| octet != b'\r').map_or(0, |last| last + 1);
        line.get(..kept).unwrap_or(line)
    })
}

/// smtpd(8), `smtpd.c`: what mailboxes have between messages becomes `X-Mailbox-Line`, at the beginning only.
fn is_mbox_line(line: &[u8]) -> bool {
    let quoted = line.iter().take_while(|&&octet| octet == b'>').count();
    line.get(quoted..).is_some_and(|line| line.starts_with(b"From "))
}

/// cleanup(8), `cleanup_replace_stray_cr_lf` of postconf(5).
fn without_stray_cr(line: &[u8]) -> Vec<u8> {
    line.iter().map(|&octet| if octet == b'\r' { b' ' } else { octet }).collect()
}

fn is_folded(line: &[u8]) -> bool {
    line.first().is_some_and(|octet| matches!(octet, b' ' | b'\t'))
}

/// cleanup(8), `is_header.c`: a name of printable ASCII (RFC 5322 section 3.6.8), then a colon, with white space before
/// it as in obsolete fields (section 4.5), which it takes away.
fn field(line: &[u8]) -> Option<Field> {
    let colon = line.iter().position(|&octet| octet == b':')?;
    let (name, body) = line.split_at_checked(colon)?;
    let end = name.iter().rposition(|octet| !matches!(octet, b' ' | b'\t'))?;
    let name = name.get(..=end)?;
    let is_name = name.iter().all(u8::is_ascii_graphic);
    is_name.then(|| Field { name: name.to_vec(), body: body.get(1..).unwrap_or_default().to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_block_is_what_postfix_takes_for_it() {
        for (message, expected) in [
            ("", &[][..]),
            ("From: a@x.org", &[("From", " a@x.org")]),
            (
                "From: a@x.org\r\nTo:b@x.org\r\n\r\nFrom: c@x.org\r\n",
                &[("From", " a@x.org"), ("To", "b@x.org")],
            ),
            ("From: a@x.org\nTo: b@x.org\r\r\n\nbody", &[("From", " a@x.org"), ("To", " b@x.org")]),
            ("From:\r\n a@x.org\r\n\t(a)\r\n\r\n", &[("From", "\n a@x.org\n\t(a)")]),
            ("X: y\r\n \r\n z\r\n\r\n", &[("X", " y\n \n z")]),
            ("X: y\r\nno field\r\nFrom: a@x.org\r\n", &[("X", " y")]),
            ("X: y\r\nFr om: a@x.org\r\n", &[("X", " y")]),
            ("X: y\r\nFrom\x00: a@x.org\r\n", &[("X", " y")]),
            ("X: y\r\nFröm: a@x.org\r\n", &[("X", " y")]),
            ("X: y\r\n: a@x.org\r\n", &[("X", " y")]),
            ("X: y\r\nFrom \t: a@x.org\r\n", &[("X", " y"), ("From", " a@x.org")]),
            (" From: a@x.org\r\nFrom: b@x.org\r\n", &[]),
            ("From\r\n : a@x.org\r\nFrom: b@x.org\r\n", &[]),
            ("From anna Mon Jan  1\r\n>>From x\r\nFrom: b@x.org\r\n", &[("From", " b@x.org")]),
            ("From anna Mon Jan  1\r\n From: b@x.org\r\n", &[]),
            ("From : a@x.org\r\nX: y\r\n", &[("X", " y")]),
            ("X: y\r\nFrom x\r\nFrom: b@x.org\r\n", &[("X", " y")]),
            ("From: a@x.org\r, b@x.org\r\n", &[("From", " a@x.org , b@x.org")]),
            ("From\r: a@x.org\r\n", &[("From", " a@x.org")]),
            ("X: y\r\n\rFrom: a@x.org\r\n", &[("X", " y\n From: a@x.org")]),
            ("From: a@x.org\x00.evil\r\n (more)\r\nX: y\r\n", &[("From", " a@x.org"), ("X", " y")]),
        ] {
            let (read, _) = parts(message.as_bytes());
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, body)| Field { name: (*name).into(), body: (*body).into() })
                .collect();
            assert_eq!(read, expected, "{message:?}");
        }
    }

    #[test]
    fn the_body_is_what_stands_behind_the_header() {
        for (message, expected) in [
            ("", ""),
            ("X: y\n", ""),
            ("X: y\n\n", ""),
            ("X: y\n\none\ntwo\n", "one\r\ntwo\r\n"),
            ("X: y\r\n\r\none\r\n\r\n", "one\r\n\r\n"),
            ("X: y\nno field\n\none", "no field\r\n\r\none\r\n"),
            (" X: y\none\n", " X: y\r\none\r\n"),
            ("X: y\n\na\rb\n", "a b\r\n"),
        ] {
            let (_, body) = parts(message.as_bytes());
            assert_eq!(String::from_utf8_lossy(&body), expected, "{message:?}");
        }
    }

    #[test]
    fn the_envelope_is_as_told_or_the_submitters_own() {
        let submitter = Submitter { login: "anna".into(), ..Submitter::default() };
        for (header, mail_from, sender, smtputf8) in [
            ("From: a@x.org", None, "Null", false),
            ("From: a@x.org", Some(""), "Null", false),
            ("From: a@x.org", Some("<>"), "Null", false),
            ("From: a@x.org", Some("b@x.org"), "Address(<b@x.org>)", false),
            ("From: a@x.org", Some("<b@x.org>"), "Address(<b@x.org>)", false),
            ("From: a@x.org", Some("b"), "Unusable(\"b\")", false),
            ("From: a@x.org", Some("ö@x.org"), "Address(<ö@x.org>)", true),
            ("From: ö@x.org", Some("b@x.org"), "Address(<b@x.org>)", true),
        ] {
            let message = Submission::of_message(header.as_bytes(), mail_from).message(&submitter);
            let read = (format!("{:?}", message.envelope.sender), message.envelope.smtputf8());
            assert_eq!(read, (sender.to_owned(), smtputf8), "{header} {mail_from:?}");
        }
    }
}
