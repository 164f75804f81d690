//! Tables of scheduling messages and what becomes of them, through a real Postfix.
//!
//! A row is `login | author | calendar | encoding | message | outcome | SENT-BY`:
//!
//! - the author in From, `NAME@example.org` in short; `, MAIL FROM name` if that is not the login's;
//! - a file of `tests/fixtures/scheduling/calendars`, in which PRINCIPAL stands for the author; perhaps `of NAME`, which it
//!   then stands for, and `as METHOD`, which is put in place of its METHOD (`none`: there is none any more);
//! - how every part is encoded that the message does not say itself: what Content-Transfer-Encoding says, `none` for no
//!   such field, with `/N` octets in a line. Behind it, what is special about the calendar's octets: `lf` and `cr`, its
//!   lines end in one of them alone; `cut`, the last one does not end; `bom`, it begins with a byte order mark;
//!   `utf-16`; `broken`, the end of the encoded octets is missing;
//! - a file of `tests/fixtures/scheduling/messages`;
//! - `as sent`: not a byte of message or envelope changed; `on behalf`: Sender is the delegate; `send-as`: no Sender, and
//!   the envelope sender is the principal; or a reply: refused with these words, to their end unless they end in `…`;
//! - every SENT-BY in what was delivered, as [`marks`] writes them.

use super::calendars::{fault_of, marks};
use super::decisions::without_sender;
use super::mail_system::{MailSystem, Outcome};
use super::message::Delivery;
use super::milter::{Setup, fixture};
use super::parts::{encoded, unfolded};
use super::text::escape;

/// Starts a milter with the people of these tables.
pub(crate) fn setup(mail: &MailSystem, knobs: &str) -> Setup {
    Setup::unix(&mail.milter_socket(), "scheduling/directory.ldif").knobs(knobs)
}

/// Sends every message of the table past a milter, and tells what is not as it says.
pub(crate) fn check(mail: &MailSystem, knobs: &str, table: &str) {
    let rows: Vec<_> = table.lines().map(str::trim).filter(|line| !line.is_empty()).map(Row::parse).collect();
    assert!(!rows.is_empty());
    let _milter = setup(mail, knobs).start();
    let wrong: Vec<_> = rows.iter().filter_map(|row| row.differs(mail)).collect();
    let (count, all) = (wrong.len(), rows.len());
    assert!(wrong.is_empty(), "{count} of {all} are wrong, with\n{knobs}\n{}", wrong.join("\n"));
}

/// A message, and what must become of it.
pub(crate) struct Row<'a> {
    text: &'a str,
    login: &'a str,
    principal: String,
    mail_from: String,
    pub(crate) message: Vec<u8>,
    outcome: &'a str,
    marks: &'a str,
}

impl<'a> Row<'a> {
    pub(crate) fn parse(text: &'a str) -> Self {
        let cells: Vec<_> = text.split(" | ").map(str::trim).collect();
        let (login, author, calendar, encoding, message, outcome, marks) = match cells[..] {
            [login, author, calendar, encoding, message, outcome, marks] => {
                (login, author, calendar, encoding, message, outcome, marks)
            }
            [login, author, calendar, encoding, message, outcome] if outcome.starts_with('5') => {
                (login, author, calendar, encoding, message, outcome, "")
            }
            _ => panic!("seven cells, or six: {text}"),
        };
        let (author, mail_from) = author.split_once(", MAIL FROM ").unwrap_or((author, login));
        let principal = format!("{author}@example.org");
        let calendar = Source::new(calendar, author, login);
        let message = compose(message, &calendar, encoding, &principal);
        let mail_from = format!("<{mail_from}@example.org>");
        Self { text, login, principal, mail_from, message, outcome, marks }
    }

    /// Sends it.
    pub(crate) fn send(&self, mail: &MailSystem) -> Outcome {
        mail.message(self.login, &self.mail_from, &self.message)
    }

    /// What is not as the row says.
    fn differs(&self, mail: &MailSystem) -> Option<String> {
        let outcome = self.send(mail);
        let fault = match &outcome.delivered {
            None => (!self.is_refused_so(&outcome.reply)).then_some(outcome.reply),
            Some(delivered) => self.fault_of(delivered),
        };
        fault.map(|fault| format!("{}\n    {fault}", self.text))
    }

    fn is_refused_so(&self, reply: &str) -> bool {
        match self.outcome.strip_suffix('…') {
            Some(beginning) => reply.starts_with(beginning),
            None => reply == self.outcome,
        }
    }

    /// What is not as it must be in what was delivered.
    pub(crate) fn fault_of(&self, delivered: &Delivery) -> Option<String> {
        let (envelope, senders) = match self.outcome {
            "as sent" => (self.mail_from.clone(), None),
            "on behalf" => (self.mail_from.clone(), Some(vec!["\"Carl Clausen\" <carl@example.org>"])),
            "send-as" => (format!("<{}>", self.principal), Some(vec![])),
            _ => return Some("it was delivered".to_owned()),
        };
        if delivered.envelope_sender() != envelope {
            return Some(format!("envelope: {}", delivered.mail));
        }
        let found = delivered.message();
        match senders {
            None if found != self.message => return Some(format!("changed: {}", escape(&found))),
            Some(senders) if delivered.field("Sender") != senders => {
                return Some(format!("Sender: {:?}", delivered.field("Sender")));
            }
            None | Some(_) => {}
        }
        fault_of(&without_sender(&self.message), &without_sender(&found)).or_else(|| {
            let marks = marks(&found);
            (marks != self.marks).then(|| format!("SENT-BY: {marks}"))
        })
    }
}

/// A calendar as it is to be sent.
struct Source {
    bytes: Vec<u8>,
    method: Option<String>,
}

impl Source {
    /// `NAME [of PRINCIPAL] [as METHOD]`.
    fn new(name: &str, author: &str, login: &str) -> Self {
        let (name, method) = name.split_once(" as ").map_or((name, None), |(name, m)| (name, Some(m)));
        let (name, principal) = name.split_once(" of ").unwrap_or((name, author));
        let mut bytes = fixture(&format!("scheduling/calendars/{name}.ics"));
        bytes = replace(&bytes, b"PRINCIPAL", format!("{principal}@example.org").as_bytes());
        bytes = replace(&bytes, b"DELEGATE", format!("{login}@example.org").as_bytes());
        if let Some(method) = method {
            bytes = with_method(&bytes, method);
        }
        let method = String::from_utf8_lossy(&unfolded(&bytes))
            .lines()
            .find_map(|line| line.strip_prefix("METHOD:").map(str::to_owned));
        Self { bytes, method }
    }

    /// With the field that says how it is encoded, an empty line, and the line end before what follows.
    fn part(&self, how: &str) -> Vec<u8> {
        let mut words = how.split(' ');
        let (encoding, width) = match words.next().unwrap_or_default().split_once('/') {
            Some((encoding, width)) => (encoding, width.parse().unwrap()),
            None => (how.split(' ').next().unwrap_or_default(), 76),
        };
        let mut bytes = match words.next() {
            None => replace(&self.bytes, b"\n", b"\r\n"),
            Some("lf") => self.bytes.clone(),
            Some("cut") => replace(self.bytes.trim_ascii_end(), b"\n", b"\r\n"),
            Some("cr") => replace(&self.bytes, b"\n", b"\r"),
            Some("bom") => [b"\xef\xbb\xbf", &replace(&self.bytes, b"\n", b"\r\n")[..]].concat(),
            Some("utf-16") => utf_16(&self.bytes),
            Some("broken") => self.bytes.clone(),
            Some(other) => panic!("what is {other}?"),
        };
        bytes = encoded(&bytes, encoding, width);
        if how.ends_with("broken") {
            bytes.truncate(bytes.len() / 4 * 4 - 3);
        }
        if !bytes.ends_with(b"\r\n") {
            bytes.extend_from_slice(b"\r\n");
        }
        let field = match encoding {
            "none" => String::new(),
            _ => format!("Content-Transfer-Encoding: {encoding}\r\n"),
        };
        [field.as_bytes(), b"\r\n", &bytes].concat()
    }

    /// What `charset` must say.
    fn charset(&self, how: &str) -> &'static str {
        match std::str::from_utf8(&unfolded(&self.bytes)) {
            _ if how.ends_with("utf-16") => "utf-16le",
            Ok(_) => "utf-8",
            Err(_) => "iso-8859-1",
        }
    }
}

/// Puts the calendar into a message.
fn compose(name: &str, calendar: &Source, how: &str, principal: &str) -> Vec<u8> {
    let template = String::from_utf8(fixture(&format!("scheduling/messages/{name}.eml"))).unwrap();
    let template = match &calendar.method {
        Some(method) => template.replace("{{METHOD}}", method),
        None => ["; method={{METHOD}}", ";\n\tMETHOD=\"{{METHOD}}\"", ";\n\tmethod={{METHOD}}"]
            .into_iter()
            .fold(template, |template, parameter| template.replace(parameter, "")),
    };
    let template = template.replace("{{CHARSET}}", calendar.charset(how)).replace("PRINCIPAL", principal);
    let mut message = Vec::new();
    for line in template.lines() {
        let inner = line.strip_prefix("{{").and_then(|line| line.strip_suffix("}}"));
        match inner.map(|inner| inner.split_once(' ').unwrap_or((inner, how))) {
            Some(("CALENDAR", how)) => message.extend_from_slice(&calendar.part(how)),
            Some(("PADDING", octets)) => message.extend_from_slice(&padding(octets.parse().unwrap())),
            Some((other, how)) => message.extend_from_slice(&Source::new(other, "", "").part(how)),
            None => message.extend_from_slice(format!("{line}\r\n").as_bytes()),
        }
    }
    message
}

/// Lines of text, so many octets together.
fn padding(octets: usize) -> Vec<u8> {
    let line = b"Some text that is there to make the message larger than others.\r\n";
    let mut text: Vec<_> = line.iter().copied().cycle().take(octets - 2).collect();
    text.extend_from_slice(b"\r\n");
    text
}

fn with_method(calendar: &[u8], method: &str) -> Vec<u8> {
    let lines = calendar.split_inclusive(|byte| *byte == b'\n');
    let changed = lines.map(|line| match (line.starts_with(b"METHOD:"), method) {
        (false, _) => line.to_vec(),
        (true, "none") => vec![],
        (true, method) => format!("METHOD:{method}\n").into_bytes(),
    });
    changed.collect::<Vec<_>>().concat()
}

fn utf_16(calendar: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(calendar.to_vec()).unwrap().replace('\n', "\r\n");
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn replace(bytes: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(what.len()).position(|window| window == what) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(with);
        rest = &rest[at + what.len()..];
    }
    replaced.extend_from_slice(rest);
    replaced
}
