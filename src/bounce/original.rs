//! What a report needs of the header of the message that it is about; collected as it arrives, and bounded.

use ring::digest::{Context, SHA256};

/// The most of a header that is copied into a report, in octets. Mail programs need a few KiB; what is longer is left
/// out field by field.
pub const MAX_COPIED: usize = 64 << 10;

/// The longest line of a message, without its end (RFC 5322 section 2.1.1).
const MAX_LINE: usize = 998;

/// The longest Message-ID that is quoted, in octets.
const MAX_MESSAGE_ID: usize = 250;

/// The fields by which a message is known again when its client sends it once more. What changes on the way (Received)
/// and what relays add must not be among them. Message-ID counts besides, where it is the client's.
const IDENTITY: [&[u8]; 5] = [b"date", b"from", b"to", b"cc", b"subject"];

/// The header of a message, as far as a report on it needs it.
#[derive(Clone)]
pub struct Original {
    copied: Vec<u8>,
    is_cut: bool,
    is_automatic: bool,
    is_report: bool,
    message_id: Option<String>,
    /// Message-ID as it came, as far as it can matter.
    given_id: Vec<u8>,
    identity: Context,
}

impl Default for Original {
    fn default() -> Self {
        Self {
            copied: Vec::new(),
            is_cut: false,
            is_automatic: false,
            is_report: false,
            message_id: None,
            given_id: Vec::new(),
            identity: Context::new(&SHA256),
        }
    }
}

impl std::fmt::Debug for Original {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Original")
            .field("copied", &String::from_utf8_lossy(&self.copied))
            .finish_non_exhaustive()
    }
}

impl Original {
    /// Takes a field as the milter protocol gives it: folded with LF.
    pub fn add(&mut self, name: &[u8], body: &[u8]) {
        let name = name.trim_ascii_end();
        // What is no name (RFC 5322 section 3.6.8) would not be read as a field by anybody.
        if name.is_empty() || !name.iter().all(|octet| octet.is_ascii_graphic() && *octet != b':') {
            return;
        }
        self.copy(name, body);
        let lower = name.to_ascii_lowercase();
        match lower.as_slice() {
            b"auto-submitted" => self.is_automatic |= is_automatic(body),
            b"content-type" => self.is_report |= is_report(body),
            b"message-id" => {
                self.message_id = message_id(body);
                self.given_id = body.trim_ascii().iter().copied().take(MAX_LINE).collect();
            }
            _ => {}
        }
        if IDENTITY.contains(&lower.as_slice()) {
            add_to(&mut self.identity, &lower);
            add_to(&mut self.identity, body.trim_ascii());
        }
    }

    /// The fields with CRLF at the end of each line; whole fields from the top, at most [`MAX_COPIED`] octets.
    pub fn copied(&self) -> &[u8] {
        &self.copied
    }

    /// Whether fields are missing in the copy.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Whether a program sent it by itself (RFC 3834 section 5: `Auto-Submitted` other than `no`).
    pub fn is_automatic(&self) -> bool {
        self.is_automatic
    }

    /// Whether it says itself what became of another message.
    pub fn is_report(&self) -> bool {
        self.is_report
    }

    /// Its Message-ID without the angle brackets, if that can be quoted as it is.
    pub fn message_id(&self) -> Option<&str> {
        self.message_id.as_deref()
    }

    /// 32 hexadecimal digits that stand for this message with this envelope, whenever its client sends it: from the
    /// submitter, what is in `envelope`, and the fields of [`IDENTITY`]. `queue_id` is what Postfix calls the message: in
    /// the Message-ID that it gives to what has none, and that is another when the message comes again.
    pub fn fingerprint<'a>(&self, queue_id: &str, envelope: impl IntoIterator<Item = &'a str>) -> String {
        let mut context = self.identity.clone();
        if !contains(&self.given_id, queue_id.as_bytes()) {
            add_to(&mut context, &self.given_id);
        }
        envelope.into_iter().for_each(|text| add_to(&mut context, text.as_bytes()));
        hexadecimal(context).chars().take(32).collect()
    }

    fn copy(&mut self, name: &[u8], body: &[u8]) {
        let mut field = [name, b":"].concat();
        for (index, line) in body.split(|octet| *octet == b'\n').enumerate() {
            if index > 0 {
                field.extend_from_slice(b"\r\n");
                // Nothing but a folded line may follow: an empty one would end the header.
                if !line.starts_with(b" ") && !line.starts_with(b"\t") {
                    field.push(b' ');
                }
            } else if !line.starts_with(b" ") && !line.starts_with(b"\t") {
                field.push(b' ');
            }
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            field.extend(line.iter().map(|octet| if matches!(octet, b'\r' | 0) { b' ' } else { *octet }));
        }
        field.extend_from_slice(b"\r\n");
        if self.is_cut || self.copied.len() + field.len() > MAX_COPIED {
            self.is_cut = true;
        } else {
            self.copied.extend(field);
        }
    }
}

/// Whether text can go by SMTP as it is: lines of at most 998 octets that end with CRLF.
pub(super) fn has_short_lines(text: &[u8]) -> bool {
    text.split(|octet| *octet == b'\n').all(|line| line.len() <= MAX_LINE + 1)
}

/// The digits of the digest.
pub(super) fn hexadecimal(context: Context) -> String {
    context.finish().as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Adds a value in such a way that no two lists of values give the same.
fn add_to(context: &mut Context, value: &[u8]) {
    context.update(&(value.len() as u64).to_be_bytes());
    context.update(value);
}

/// RFC 3834 section 5: a keyword, perhaps with parameters. What cannot be read is not "no".
fn is_automatic(body: &[u8]) -> bool {
    let keyword = body.split(|octet| *octet == b';').next().unwrap_or_default();
    !keyword.trim_ascii().eq_ignore_ascii_case(b"no")
}

/// The types of reports (RFC 6522 section 3; RFC 3464, 8098 and 6533 for what stands in them). Comments and white space
/// may stand anywhere among them (RFC 2045 section 5.1), but a value only behind a `=`.
fn is_report(content_type: &[u8]) -> bool {
    let text = content_type.split(|octet| *octet == b'=').next().unwrap_or_default();
    let mut text = text.to_ascii_lowercase();
    text.retain(|octet| !octet.is_ascii_whitespace());
    let kinds = [&b"multipart/report"[..], b"delivery-status", b"disposition-notification"];
    kinds.into_iter().any(|kind| contains(&text, kind))
}

/// Whether `text` holds `part`; nothing is held by none.
fn contains(text: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && text.windows(part.len()).any(|window| window == part)
}

/// RFC 5322 section 3.6.4, without comments: what cannot be quoted as it is, is not quoted.
fn message_id(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body.trim_ascii()).ok()?;
    let id = text.strip_prefix('<')?.strip_suffix('>')?;
    let (left, right) = id.split_once('@')?;
    let fits = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|octet| octet.is_ascii_graphic() && !b"<>@()\\\",;".contains(&octet))
    };
    (id.len() <= MAX_MESSAGE_ID && fits(left) && fits(right)).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn original(fields: &[(&str, &str)]) -> Original {
        let mut original = Original::default();
        fields.iter().for_each(|(name, body)| original.add(name.as_bytes(), body.as_bytes()));
        original
    }

    fn copied(fields: &[(&str, &str)]) -> String {
        String::from_utf8(original(fields).copied).unwrap()
    }

    #[test]
    fn fields_are_copied_as_they_were() {
        assert_eq!(copied(&[("From", " a@x.org"), ("To", "b@x.org")]), "From: a@x.org\r\nTo: b@x.org\r\n");
        assert_eq!(copied(&[("Subject", " a\n\tb\n c")]), "Subject: a\r\n\tb\r\n c\r\n");
    }

    #[test]
    fn nothing_ends_the_header_early() {
        for (body, expected) in [
            (" a\n\n--boundary\n\nbody", "X: a\r\n \r\n --boundary\r\n \r\n body\r\n"),
            (" a\r\nb", "X: a\r\n b\r\n"),
            (" a\rb\r\rc", "X: a b  c\r\n"),
            ("", "X: \r\n"),
        ] {
            assert_eq!(copied(&[("X", body)]), expected, "{body:?}");
        }
        for name in ["", "a b", "a\r\nb", "ä", "a:b"] {
            assert_eq!(copied(&[(name, " y")]), "", "{name:?}");
        }
    }

    #[test]
    fn a_long_header_is_cut_between_fields() {
        let long = format!(" {}", "x".repeat(MAX_COPIED / 2));
        let original = original(&[("A", &long), ("B", &long), ("C", " short"), ("Auto-Submitted", " x")]);
        assert!(
            original.is_cut() && original.copied.starts_with(b"A: x") && original.copied.ends_with(b"x\r\n")
        );
        assert!(!original.copied.windows(2).any(|two| two == b"C:"), "nothing behind the gap");
        assert!(original.is_automatic(), "what decides is read all the same");
    }

    #[test]
    fn automatic_messages() {
        for (body, automatic) in [
            (" no", false),
            ("NO ; x=y", false),
            (" auto-generated", true),
            (" auto-replied; owner-email=\"a@x.org\"", true),
            (" nobody-knows", true),
            (" (no) no", true),
            ("", true),
        ] {
            assert_eq!(original(&[("AUTO-submitted", body)]).is_automatic(), automatic, "{body}");
        }
        let several = [("Auto-Submitted", " auto-generated"), ("Auto-Submitted", " no")];
        assert!(original(&several).is_automatic());
    }

    #[test]
    fn reports() {
        for (body, report) in [
            (" multipart/report; report-type=delivery-status", true),
            (" Multipart/Report(comment);boundary=x", true),
            (" (a) multipart/report; boundary=x", true),
            (" multipart / report; boundary=x", true),
            (" multipart/\n report; boundary=x", true),
            (" message/delivery-status", true),
            ("message/global-delivery-status", true),
            (" message/disposition-notification", true),
            (" multipart/mixed; boundary=\"multipart/report\"", false),
            (" text/plain", false),
        ] {
            assert_eq!(original(&[("Content-Type", body)]).is_report(), report, "{body}");
        }
    }

    #[test]
    fn a_message_id_is_quoted_if_it_is_one() {
        for (body, id) in [
            (" <a.b@x.org>", Some("a.b@x.org")),
            (" <a@x.org> <b@x.org>", None),
            (" a@x.org", None),
            (" <a@x\n .org>", None),
            (" <\"a b\"@x.org>", None),
            (" <ä@x.org>", None),
        ] {
            assert_eq!(original(&[("Message-ID", body)]).message_id(), id, "{body}");
        }
        assert_eq!(original(&[("Message-ID", &format!(" <{}@x.org>", "a".repeat(300)))]).message_id(), None);
    }

    #[test]
    fn the_fingerprint_changes_with_the_message_and_nothing_else() {
        let fields = [("From", " a@x.org"), ("Subject", " one"), ("Message-ID", " <1@x.org>")];
        let first = original(&fields).fingerprint("4QID", ["anna", "to@x.org"]);
        assert_eq!(first.len(), 32);
        let again = [("Received", " by y"), fields[0], fields[1], fields[2], ("X-Spam", " no")];
        assert_eq!(original(&again).fingerprint("4QID", ["anna", "to@x.org"]), first);
        for (fields, envelope) in [
            (&fields[1..], &["anna", "to@x.org"][..]),
            (&fields[..], &["bea", "to@x.org"]),
            (&fields[..], &["annato@x.org"]),
            (&fields[..], &["anna"]),
        ] {
            assert_ne!(original(fields).fingerprint("4QID", envelope.iter().copied()), first, "{envelope:?}");
        }
    }

    #[test]
    fn a_message_id_of_postfix_is_none() {
        let with = |id, queue_id| {
            original(&[("From", " a@x.org"), ("Message-ID", id)]).fingerprint(queue_id, ["anna"])
        };
        let own = " <1@x.org>";
        assert_eq!(with(" <20260101000000.4QID@mail.x.org>", "4QID"), with(" <5QID@mail.x.org>", "5QID"));
        assert_eq!(with(own, "4QID"), with(own, "5QID"));
        assert_eq!(with(own, ""), with(own, "5QID"));
        assert_ne!(with(own, "4QID"), with(" <2@x.org>", "4QID"));
        assert_ne!(with(own, ""), with(" <2@x.org>", ""));
    }

    proptest! {
        #[test]
        fn a_copy_is_always_a_header(
            fields in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..8), prop::collection::vec(any::<u8>(), 0..60)), 0..8)
        ) {
            let mut original = Original::default();
            fields.iter().for_each(|(name, body)| original.add(name, body));
            for line in original.copied().split_inclusive(|octet| *octet == b'\n') {
                prop_assert!(line.ends_with(b"\r\n"));
                let text = &line[..line.len() - 2];
                prop_assert!(!text.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)));
                let begins = text.iter().position(|octet| *octet == b':').is_some_and(|colon| colon > 0);
                prop_assert!(text.starts_with(b" ") || text.starts_with(b"\t") || begins);
            }
        }
    }
}
