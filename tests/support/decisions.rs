//! Tables of messages and what becomes of them, through a real Postfix, on every directory.
//!
//! A row is a login, what follows `MAIL FROM:`, the header fields with escapes, and what becomes of it:
//!
//! - `as sent`: delivered, not a byte of message or envelope changed;
//! - `Sender: …`, `no Sender`, `envelope <…>`, joined by ` + `: delivered with just this changed;
//! - a reply: refused with these words, to the end of the line unless they end in `…`.

use super::mail_system::{MailSystem, mail_system};
use super::message::Delivery;
use super::milter::Setup;
use super::slapd::Slapd;
use super::text::{escape, unescape};

/// What stands behind the header fields of a row.
const REST: &[u8] = b"To: to@sink.example\r\nSubject: decisions\r\n\r\nHello.\r\n";

/// People and groups, as a file and on a server.
pub(crate) struct Company {
    /// In `tests/fixtures`.
    pub(crate) file: String,
    /// Has the same entries.
    pub(crate) server: Slapd,
}

impl Company {
    /// Loads a file of `tests/fixtures` into a server, too, with these options besides.
    pub(crate) fn of(file: &str, options: &[&str]) -> Self {
        let ldif = Slapd::ldif(&format!("tests/fixtures/{file}"));
        Self { file: file.to_owned(), server: Slapd::start(&[&[ldif.as_str()], options].concat()) }
    }

    /// Sends every message of the table past a milter with these lines of configuration: once with the file as its
    /// directory, once with the server.
    pub(crate) fn check(&self, knobs: &str, table: &str) {
        let mail = mail_system();
        let setup = || Setup::unix(&mail.milter_socket(), &self.file).knobs(knobs);
        for (directory, setup) in [("a file", setup()), ("a server", setup().server(&self.server))] {
            let wrong = wrong(&mail, setup, table);
            assert!(wrong.is_empty(), "on {directory}, with\n{knobs}\n{wrong}");
        }
    }
}

/// Sends every message of the table past a milter, and tells what is not as it says.
pub(crate) fn wrong(mail: &MailSystem, setup: Setup, table: &str) -> String {
    let rows: Vec<_> = table.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert!(!rows.is_empty());
    let _milter = setup.start();
    let wrong: Vec<_> = rows.iter().filter_map(|row| Row::parse(row).differs(mail)).collect();
    wrong.join("\n")
}

struct Row<'a> {
    text: &'a str,
    login: &'a str,
    mail_from: &'a str,
    message: Vec<u8>,
    outcome: &'a str,
}

impl<'a> Row<'a> {
    fn parse(text: &'a str) -> Self {
        let cells: Vec<_> = text.split(" | ").map(str::trim).collect();
        let [login, mail_from, header, outcome] = cells[..] else { panic!("four cells: {text}") };
        let message = [&unescape(header)[..], b"\r\n", REST].concat();
        Self { text, login, mail_from, message, outcome }
    }

    /// What is not as the row says.
    fn differs(&self, mail: &MailSystem) -> Option<String> {
        let outcome = mail.message(self.login, self.mail_from, &self.message);
        let fault = match &outcome.delivered {
            None => (!self.is_refused_so(&outcome.reply)).then_some(outcome.reply),
            Some(_) if self.is_refusal() => Some("it was delivered".to_owned()),
            Some(delivered) => self.fault_of(delivered),
        };
        fault.map(|fault| format!("{}\n    {fault}", self.text))
    }

    fn is_refusal(&self) -> bool {
        self.outcome.starts_with(['4', '5'])
    }

    fn is_refused_so(&self, reply: &str) -> bool {
        match self.outcome.strip_suffix('…') {
            Some(beginning) => reply.starts_with(beginning),
            None => reply == self.outcome,
        }
    }

    /// The envelope sender as delivered, and the Sender fields if they are not those that were sent.
    fn expected(&self) -> (&'a str, Option<Vec<&'a str>>) {
        let (mut envelope, mut senders) = (self.sent_envelope().0, None);
        for change in self.outcome.split(" + ") {
            match change.split_once(' ') {
                Some(("as", "sent")) => {}
                Some(("no", "Sender")) => senders = Some(vec![]),
                Some(("Sender:", body)) => senders = Some(vec![body]),
                Some(("envelope", path)) => envelope = path,
                _ => panic!("what becomes of it? {}", self.text),
            }
        }
        (envelope, senders)
    }

    /// The path and the parameters that were sent.
    fn sent_envelope(&self) -> (&'a str, Vec<&'a str>) {
        let (path, parameters) = self.mail_from.split_once(' ').unwrap_or((self.mail_from, ""));
        let mut parameters: Vec<_> = parameters.split_whitespace().collect();
        parameters.sort_unstable();
        (path, parameters)
    }

    fn fault_of(&self, delivered: &Delivery) -> Option<String> {
        let (envelope, senders) = self.expected();
        if (delivered.envelope_sender(), delivered.parameters()) != (envelope, self.sent_envelope().1) {
            return Some(format!("envelope: {}", delivered.mail));
        }
        let found = delivered.message();
        let Some(senders) = senders else {
            return (found != self.message).then(|| format!("changed: {}", escape(&found)));
        };
        if found == self.message {
            return Some("not a byte was changed: say \"as sent\"".to_owned());
        }
        if delivered.field("Sender") != senders {
            return Some(format!("Sender: {:?}", delivered.field("Sender")));
        }
        let rest_is_same = without_sender(&found) == without_sender(&self.message);
        (!rest_is_same).then(|| format!("more changed than Sender: {}", escape(&found)))
    }
}

/// The message without its Sender fields.
pub(crate) fn without_sender(message: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    let (mut in_header, mut in_sender) = (true, false);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        let folded = line.starts_with(b" ") || line.starts_with(b"\t");
        in_header &= line != b"\r\n";
        in_sender =
            in_header && if folded { in_sender } else { line.to_ascii_lowercase().starts_with(b"sender") };
        if !in_sender {
            kept.extend_from_slice(line);
        }
    }
    kept
}
