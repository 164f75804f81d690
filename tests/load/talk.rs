//! Messages straight to the milter's socket, as Postfix hands them over (version 6 of the protocol), but without waiting
//! where nothing is answered; and what the milter makes of them.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::history::Pair;
use super::model::{PEOPLE, Verdict, address, login};
use crate::support::wire::{ACTIONS, STEPS, strings};

/// How long one answer may take: above `directory.timeout`, for a message asks twice.
const PATIENCE: Duration = Duration::from_secs(30);

/// Steps (libmilter's mfdef.h) that the program does without on a Unix socket: RCPT, DATA; and that headers and their end
/// are answered.
const UNASKED: u32 = 0x08 | 0x200 | 0x80 | 0x4_0000;

/// What a message is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    Text,
    /// Of 8 KiB, with parts.
    Attachment,
    Invitation,
}

/// A message of one author.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message {
    pub(crate) pair: Pair,
    pub(crate) form: Form,
    /// Whether the envelope sender is the author, not the writer.
    pub(crate) from_author: bool,
}

/// What became of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Seen {
    Verdict(Verdict),
    /// `451 4.3.0`
    Deferred,
}

/// What was changed of a message that was accepted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    /// The Sender that it has got.
    pub(crate) sender: Option<String>,
    /// The envelope sender that it has got.
    pub(crate) envelope: Option<String>,
    /// Its body, if that was replaced.
    pub(crate) body: Option<String>,
}

impl Message {
    pub(crate) fn any(pair: Pair, rng: &mut fastrand::Rng) -> Self {
        let form = match rng.u8(..20) {
            0..3 => Form::Invitation,
            3..5 => Form::Attachment,
            _ => Form::Text,
        };
        Self { pair, form, from_author: rng.u8(..5) == 0 }
    }

    pub(crate) fn login(self) -> String {
        login(self.pair.person)
    }

    pub(crate) fn author(self) -> String {
        address(self.pair.address)
    }

    pub(crate) fn envelope_sender(self) -> String {
        address(if self.from_author { self.pair.address } else { self.pair.person })
    }

    pub(crate) fn header(self) -> Vec<(&'static str, String)> {
        let kind = match self.form {
            Form::Text => "text/plain; charset=utf-8",
            Form::Attachment => "multipart/mixed; boundary=edge",
            Form::Invitation => "text/calendar; charset=utf-8; method=REQUEST",
        };
        vec![
            ("From", format!("Somebody <{}>", self.author())),
            ("To", "you@example.net".to_owned()),
            ("Subject", "A message of usual length".to_owned()),
            ("MIME-Version", "1.0".to_owned()),
            ("Content-Type", kind.to_owned()),
        ]
    }

    pub(crate) fn body(self) -> String {
        const LINE: &str = "A line of text, as people write it, and about as long as that.\r\n";
        match self.form {
            Form::Text => LINE.repeat(4),
            Form::Attachment => format!(
                "--edge\r\nContent-Type: text/plain\r\n\r\n{LINE}\r\n--edge\r\nContent-Type: application/octet-stream\r\n\r\n{}\r\n--edge--\r\n",
                LINE.repeat(124)
            ),
            Form::Invitation => format!(
                "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//load//EN\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1@example.org\r\n\
                 DTSTAMP:20261122T100000Z\r\nDTSTART:20261123T100000Z\r\nORGANIZER:mailto:{}\r\n\
                 ATTENDEE:mailto:you@example.net\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
                self.author()
            ),
        }
    }

    /// What a verdict looks like from outside.
    pub(crate) fn shown(self, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::Schedule if self.form == Form::Invitation => Verdict::OnBehalf,
            Verdict::Schedule => Verdict::Refused,
            // Nothing is to be changed: the envelope sender is the principal's already.
            Verdict::SendAs if self.from_author => Verdict::Own,
            Verdict::Own | Verdict::OnBehalf | Verdict::SendAs | Verdict::Refused => verdict,
        }
    }

    /// What it is that a message was accepted with these changes; the error says what is odd about them.
    pub(crate) fn accepted(self, changes: &Changes) -> std::result::Result<Verdict, String> {
        let Changes { sender, envelope, body } = changes;
        let own = address(self.pair.person);
        let is_marked = body.as_ref().map(|body| body.contains(&format!("SENT-BY=\"mailto:{own}\"")));
        match (sender, envelope, is_marked) {
            (None, None, None) => Ok(Verdict::Own),
            (Some(sender), None, marked) if sender.contains(&format!("<{own}>")) => match marked {
                Some(true) if self.form == Form::Invitation => Ok(Verdict::OnBehalf),
                None if self.form != Form::Invitation => Ok(Verdict::OnBehalf),
                _ => Err(format!("an invitation on behalf that is not marked as such: {changes:?}")),
            },
            (None, Some(envelope), None) if self.may_become(envelope) => Ok(Verdict::SendAs),
            _ => Err(format!("{changes:?}")),
        }
    }

    /// Whether it may be the primary address of the author.
    fn may_become(self, envelope: &str) -> bool {
        self.pair.address >= PEOPLE || envelope == format!("<{}>", self.author())
    }
}

/// What a reply means that is none to an accepted message.
pub(crate) fn refused(reply: &str) -> Option<Seen> {
    if reply.starts_with("550 5.7.1") {
        return Some(Seen::Verdict(Verdict::Refused));
    }
    reply.starts_with("451 4.3.0").then_some(Seen::Deferred)
}

/// A connection in the part of the MTA.
pub(crate) struct Talk {
    stream: UnixStream,
    read: Vec<u8>,
}

impl Talk {
    pub(crate) fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut talk = Self { stream, read: Vec::new() };
        let offer = [6u32.to_be_bytes(), ACTIONS.to_be_bytes(), STEPS.to_be_bytes()].concat();
        talk.send(&packet(b'O', &offer))?;
        let (letter, body) = talk.receive()?;
        let steps = body.get(8..12).map(|steps| u32::from_be_bytes(steps.try_into().unwrap()));
        if letter != b'O' || steps.is_none_or(|steps| steps & UNASKED != UNASKED) {
            return Err(odd(format!("the negotiation ends with {letter} {body:?}")));
        }
        Ok(talk)
    }

    /// Mail that nobody logged in to send, and what is answered to it.
    pub(crate) fn unauthenticated(&mut self) -> Result<u8> {
        let sender = "bob@example.com";
        self.send(&[mail(&["{mail_addr}", sender], sender), packet(b'A', b"")].concat())?;
        Ok(self.receive()?.0)
    }

    /// A message, and what became of it.
    pub(crate) fn write(&mut self, message: Message) -> Result<Seen> {
        let (login, sender) = (message.login(), message.envelope_sender());
        let mut sent = mail(&["{auth_authen}", &login, "{mail_addr}", &sender], &sender);
        sent.extend(packet(b'D', &[b"T", &strings(&["i", "4jX51g51BMz1V0gX"])[..]].concat()));
        for (name, value) in message.header() {
            sent.extend(packet(b'L', &strings(&[name, &format!(" {value}")])));
        }
        sent.extend(packet(b'N', b""));
        sent.extend(packet(b'B', message.body().as_bytes()));
        self.send(&sent)?;
        match self.receive()? {
            (b'c', _) => {}
            (letter, body) => {
                return Err(odd(format!("MAIL is answered {}{}", char::from(letter), text(&body))));
            }
        }
        let mut last = self.receive()?;
        let mut changes = Changes::default();
        if matches!(last.0, b'c' | b's') {
            self.send(&packet(b'E', b""))?;
            last = self.end_of_message(&mut changes)?;
        } else {
            // The rest does not come.
            self.send(&packet(b'A', b""))?;
        }
        match last {
            (b'a' | b'c', _) => message.accepted(&changes).map(Seen::Verdict).map_err(odd),
            (b'y', reply) => refused(&text(&reply)).ok_or_else(|| odd(text(&reply))),
            (letter, body) => Err(odd(format!("the last word is {} {}", char::from(letter), text(&body)))),
        }
    }

    /// What is changed, and the last word.
    fn end_of_message(&mut self, changes: &mut Changes) -> Result<(u8, Vec<u8>)> {
        loop {
            let (letter, body) = self.receive()?;
            let after = |octets: usize| text(body.get(octets..).unwrap_or_default());
            match letter {
                // An index, the name, the value.
                b'i' | b'm' if after(4).starts_with("Sender\0") => changes.sender = Some(after(11)),
                b'h' if after(0).starts_with("Sender\0") => changes.sender = Some(after(7)),
                b'e' => changes.envelope = after(0).split('\0').next().map(str::to_owned),
                b'b' => changes.body.get_or_insert_default().push_str(&after(0).replace("\r\n ", "")),
                b'p' => {}
                _ => return Ok((letter, body)),
            }
        }
    }

    fn send(&mut self, packets: &[u8]) -> Result<()> {
        self.stream.write_all(packets)
    }

    /// The next packet.
    fn receive(&mut self) -> Result<(u8, Vec<u8>)> {
        loop {
            if let Some(length) = self.read.get(..4) {
                let length: usize = u32::from_be_bytes(length.try_into().unwrap()).try_into().unwrap();
                if self.read.len() >= 4 + length {
                    let body = self.read[5..4 + length].to_vec();
                    let letter = self.read[4];
                    self.read.drain(..4 + length);
                    return Ok((letter, body));
                }
            }
            let mut more = [0; 4096];
            match self.stream.read(&mut more)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => self.read.extend_from_slice(&more[..count]),
            }
        }
    }
}

/// MAIL with its macros.
fn mail(macros: &[&str], sender: &str) -> Vec<u8> {
    let macros = packet(b'D', &[b"M", &strings(macros)[..]].concat());
    [macros, packet(b'M', &strings(&[&format!("<{sender}>")]))].concat()
}

/// Length, letter, body.
fn packet(letter: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 1).unwrap().to_be_bytes();
    [&length, &[letter][..], body].concat()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}

fn odd(what: String) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}
