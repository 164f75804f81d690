//! What the client is told: one table from reason or failure to reply code, enhanced status code and text.
//!
//! Texts are ASCII, and what they quote from the message or the directory is escaped and capped ([`printable`]). The
//! same words answer for an address that exists and one that does not: nobody can probe the directory.

use crate::address::Address;
use crate::message::MAX_RECIPIENTS;
use crate::policy::{Refusal, Role};

/// The longest text quoted in a reply or a log line, in octets. A reply line has 512 (RFC 5321 section 4.5.3.1.5), and
/// holds the contact besides.
const MAX_QUOTE: usize = 160;

/// An SMTP reply (RFC 5321 section 4.2) with its enhanced status code (RFC 3463).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// The reply code.
    pub code: &'static str,
    /// The enhanced status code; its class is that of the reply code.
    pub status: &'static str,
    /// What happened and what to do, in printable ASCII.
    pub text: String,
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.code, self.status, self.text)
    }
}

/// What the submitter is told of a refusal. `contact` is whom a refused person may ask (`denied.contact`, printable
/// ASCII); empty for nobody.
pub fn refusal(refusal: &Refusal, contact: &str) -> Reply {
    let (code, status, text) = match refusal {
        Refusal::UnknownLogin(login) => (
            "550",
            "5.7.1",
            format!("the login {} may not send mail here: nothing is known of it", printable(login)),
        ),
        Refusal::From(error) => ("554", "5.6.0", error.to_string()),
        Refusal::ResentFrom(error) => ("554", "5.6.0", format!("the Resent-From field {error}")),
        Refusal::Senders(count) => {
            ("554", "5.6.0", format!("there are {count} Sender fields; there may be one"))
        }
        Refusal::NotAllowed(role, address) => ("550", "5.7.1", not_allowed(*role, address)),
        Refusal::ReversePath(text) => {
            ("553", "5.1.7", format!("<{}>: MAIL FROM must be an address with a domain", printable(text)))
        }
        // RFC 3463 section 3.6.
        Refusal::Recipients => (
            "552",
            "5.5.3",
            format!("there are more than {MAX_RECIPIENTS} recipients; send to fewer at a time"),
        ),
        Refusal::Shown(text) => ("550", "5.7.1", shows(text)),
        Refusal::Misdirecting => ("550", "5.7.1", MISDIRECTING.to_owned()),
        Refusal::NeedsSmtpUtf8(address) => {
            let address = printable(&address.to_string());
            ("550", "5.6.7", format!("<{address}> must be written into the message, which needs SMTPUTF8"))
        }
        Refusal::NoAddress => ("550", "5.7.1", NO_ADDRESS.to_owned()),
        Refusal::BodyTooLong => ("552", "5.3.4", BODY_TOO_LONG.to_owned()),
        Refusal::NotActor(address) => ("550", "5.7.1", not_actor(address)),
        Refusal::Calendar(why) => {
            ("554", "5.6.0", format!("calendars are checked here, and {}", printable(why)))
        }
    };
    // Who is not allowed may ask to be; what is malformed nobody can allow.
    let ask = status == "5.7.1" && *refusal != Refusal::Misdirecting && !contact.is_empty();
    Reply { code, status, text: if ask { format!("{text}; ask {contact}") } else { text } }
}

const MISDIRECTING: &str =
    "the display name holds characters that change the direction of text; take them out";
const NO_ADDRESS: &str = "the message needs a Sender, and the directory has no mail address for you";

const BODY_TOO_LONG: &str =
    "the message is too long to see whom its calendar is from; send the calendar without other files";

fn shows(text: &str) -> String {
    format!("the display name shows {}, an address that you may not use; take it out", printable(text))
}

fn not_actor(address: &Address) -> String {
    let address = printable(&address.to_string());
    format!("<{address}>: you may not send scheduling mail (a calendar) for this address")
}

fn not_allowed(role: Role, address: &Address) -> String {
    let place = match role {
        Role::Author => "",
        Role::Resender => " (in Resent-From)",
        Role::EnvelopeSender => " (in MAIL FROM)",
    };
    let address = printable(&address.to_string());
    format!("<{address}>: you may not send as or on behalf of this address{place}")
}

/// What the client is told when the message could not be judged: to try again. The reason is in the log.
pub fn temporary() -> Reply {
    let text = "the server cannot check at the moment who may send this message; try again later";
    Reply { code: "451", status: "4.3.0", text: text.to_owned() }
}

/// What a new message is told while the program ends (RFC 3463 section 3.4, X.3.2).
pub fn ending() -> Reply {
    let text = "the server is restarting; try again in a moment";
    Reply { code: "451", status: "4.3.2", text: text.to_owned() }
}

/// What mail without a login is told where `unauthenticated = "refuse"` (RFC 4954 section 6).
pub fn unauthenticated() -> Reply {
    Reply {
        code: "530",
        status: "5.7.0",
        text: "authentication required; log in to send mail here".to_owned(),
    }
}

/// Text from a message or a directory, fit for a reply or a log line: printable ASCII, everything else escaped as
/// `\u{…}`, capped at [`MAX_QUOTE`] octets.
pub fn printable(text: &str) -> String {
    printable_within(text, MAX_QUOTE)
}

/// The same with another cap, for log lines that must name more.
pub fn printable_within(text: &str, most: usize) -> String {
    if text.len() <= most && is_printable(text.as_bytes()) {
        return text.to_owned();
    }
    escaped_within(text, most)
}

fn escaped_within(text: &str, most: usize) -> String {
    let mut printable = String::new();
    for c in text.chars() {
        if printable.len() >= most {
            printable.push_str("...");
            break;
        }
        match c {
            // A backslash too: names of entries are full of them, and must come out as they can be searched for.
            ' '..='~' => printable.push(c),
            c => printable.extend(c.escape_default()),
        }
    }
    printable
}

/// Whether it is printable ASCII alone.
pub(crate) fn is_printable(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::AddressError;
    use crate::mailbox::FieldError;
    use crate::message::FromError;

    #[test]
    fn table() {
        let address = || Address::parse("boss@example.org").unwrap();
        for (why, contact, text) in [
            (
                Refusal::NotActor(address()),
                "helpdesk",
                "550 5.7.1 <boss@example.org>: you may not send scheduling mail (a calendar) for this address; ask helpdesk",
            ),
            (
                Refusal::BodyTooLong,
                "helpdesk",
                "552 5.3.4 the message is too long to see whom its calendar is from; send the calendar without other \
                 files",
            ),
            (
                Refusal::Calendar("a calendar is malformed".into()),
                "helpdesk",
                "554 5.6.0 calendars are checked here, and a calendar is malformed",
            ),
            (
                Refusal::NotAllowed(Role::Author, address()),
                "",
                "550 5.7.1 <boss@example.org>: you may not send as or on behalf of this address",
            ),
            (
                Refusal::NotAllowed(Role::EnvelopeSender, address()),
                "it@example.org",
                "550 5.7.1 <boss@example.org>: you may not send as or on behalf of this address (in MAIL FROM); \
                 ask it@example.org",
            ),
            (
                Refusal::NotAllowed(Role::Resender, address()),
                "",
                "550 5.7.1 <boss@example.org>: you may not send as or on behalf of this address (in Resent-From)",
            ),
            (
                Refusal::UnknownLogin("x\r\n".into()),
                "",
                "550 5.7.1 the login x\\r\\n may not send mail here: nothing is known of it",
            ),
            (
                Refusal::Recipients,
                "it",
                "552 5.5.3 there are more than 10000 recipients; send to fewer at a time",
            ),
            (Refusal::From(FromError::Missing), "it", "554 5.6.0 there is no From field"),
            (
                Refusal::From(FromError::Repeated(2)),
                "",
                "554 5.6.0 there are 2 From fields; there must be one",
            ),
            (
                Refusal::From(FromError::Malformed(FieldError::LeftOver)),
                "",
                "554 5.6.0 the From field holds text that is not part of an address; quote the display name",
            ),
            (Refusal::Senders(33), "it", "554 5.6.0 there are 33 Sender fields; there may be one"),
            (
                Refusal::From(FromError::Malformed(FieldError::Address(AddressError::NoDomain))),
                "",
                "554 5.6.0 the From field holds an address that cannot be used: it has no domain; \
                 quote a display name that holds a comma",
            ),
            (Refusal::ResentFrom(FieldError::Empty), "", "554 5.6.0 the Resent-From field names no mailbox"),
            (
                Refusal::ReversePath("plain".into()),
                "",
                "553 5.1.7 <plain>: MAIL FROM must be an address with a domain",
            ),
            (
                Refusal::Shown("é@example.org".into()),
                "",
                "550 5.7.1 the display name shows \\u{e9}@example.org, an address that you may not use; take it out",
            ),
            (
                Refusal::Misdirecting,
                "",
                "550 5.7.1 the display name holds characters that change the direction of text; take them out",
            ),
            (
                Refusal::NeedsSmtpUtf8(Address::parse("é@example.org").unwrap()),
                "",
                "550 5.6.7 <\\u{e9}@example.org> must be written into the message, which needs SMTPUTF8",
            ),
            (
                Refusal::NoAddress,
                "",
                "550 5.7.1 the message needs a Sender, and the directory has no mail address for you",
            ),
        ] {
            assert_eq!(refusal(&why, contact).to_string(), text);
        }
    }

    #[test]
    fn names_of_entries_can_be_searched_for() {
        for name in ["cn=Smith\\2C John,dc=org", "cn=M\\C3\\BCller"] {
            assert_eq!(printable(name), name);
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_escapes_the_reply(text in ".{0,400}") {
            let shown = printable(&text);
            proptest::prop_assert!(shown.bytes().all(|b| (b' '..=b'~').contains(&b)));
            proptest::prop_assert!(shown.len() < MAX_QUOTE + 13);
            proptest::prop_assert_eq!(printable_within(&shown, usize::MAX), shown);
        }

        #[test]
        fn text_that_needs_no_escape_is_the_same_either_way(text in "[ -~]{0,24}|.{0,24}", most in 0..24usize) {
            proptest::prop_assert_eq!(printable_within(&text, most), escaped_within(&text, most));
        }
    }
}
