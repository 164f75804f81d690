//! One line of a log, as what it is: the line that the program writes for a message (src/session/log.rs), another of its
//! lines, one of another program, or one of ours that is damaged.
//!
//! Which format it has shows by the line itself: an object is JSON, ours or the journal's, everything else is text. A
//! value is taken from where the format says that a value begins and ends, and from nowhere else: what stands within
//! quotes is text from a client.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{json, text};

/// What a line is.
#[derive(Debug, PartialEq)]
pub enum Line<'a> {
    /// What became of a message.
    Message(Box<Message<'a>>),
    /// Another line of the program: that it started, say.
    Other,
    /// Of another program.
    Foreign,
    /// Ours, and not whole: why.
    Damaged(Damage),
}

/// What is wrong with a line of ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Damage {
    /// It ends within a field, or is two lines in one.
    #[error("it is cut off, or two lines ran into each other")]
    Torn,
    /// The same field twice: no line of ours is like that.
    #[error("it has a field twice")]
    Twice,
    /// There is no time in it, nor before it.
    #[error("it does not say when")]
    NoTime,
    /// A verdict of a later version, perhaps.
    #[error("its verdict is none that this version knows")]
    Verdict,
    /// Accepted or refused, and not by which rule: of an earlier version, perhaps.
    #[error("it does not say by which rule")]
    NoRule,
    /// Longer than any that the program writes.
    #[error("it is too long to be one of ours")]
    Long,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Verdict {
    /// Passed, with what had to be changed.
    Accept,
    /// Would have passed with changes, and passed without.
    WouldChange,
    /// Refused.
    Refuse,
    /// Refused, by a report to the submitter.
    Bounce,
    /// Would have been refused, and passed.
    WouldRefuse,
    /// Could not be judged, and comes again.
    Defer,
    /// Could not be judged, and passed.
    WouldDefer,
}

impl Verdict {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::Accept,
        Self::WouldChange,
        Self::Refuse,
        Self::Bounce,
        Self::WouldRefuse,
        Self::Defer,
        Self::WouldDefer,
    ];

    /// As it stands in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::WouldChange => "would change",
            Self::Refuse => "refuse",
            Self::Bounce => "bounce",
            Self::WouldRefuse => "would refuse",
            Self::Defer => "defer",
            Self::WouldDefer => "would defer",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.name() == name)
    }
}

/// The line of a message. Values are as they stand in the log.
#[derive(Debug, PartialEq)]
pub struct Message<'a> {
    /// When it was written.
    pub at: Timestamp,
    /// What became of the message.
    pub verdict: Verdict,
    /// What else it says.
    pub fields: Fields<'a>,
}

/// A value; none where the line has no such field.
pub type Value<'a> = Option<Cow<'a, str>>;

/// The fields of a message's line that are of use here.
#[derive(Debug, Default, PartialEq)]
pub struct Fields<'a> {
    /// The queue id of the MTA.
    pub queue_id: Value<'a>,
    /// Who sent.
    pub login: Value<'a>,
    /// The reverse path.
    pub mail_from: Value<'a>,
    /// The authors, with `, ` between them.
    pub from: Value<'a>,
    /// The verdict, which [`Message::verdict`] has once it is read.
    pub verdict: Value<'a>,
    /// By which rule: a word for each author, with `, ` between them, or one.
    pub rule: Value<'a>,
    /// The address that was refused.
    pub address: Value<'a>,
    /// `PRINCIPAL to DELEGATE` for each author that is not the submitter's own, with `; ` between them.
    pub grant: Value<'a>,
    /// The client's IP address.
    pub client: Value<'a>,
    /// What the client was told.
    pub reply: Value<'a>,
    /// Why it was deferred.
    pub reason: Value<'a>,
    /// What `Sender` became.
    pub sender: Value<'a>,
    /// What the envelope sender became.
    pub envelope: Value<'a>,
    /// The display names that `From` got.
    pub display_name: Value<'a>,
    /// Who gets a copy.
    pub copies: Value<'a>,
    /// What became of the calendars.
    pub calendar: Value<'a>,
    /// Milliseconds that the message took.
    pub ms: Option<f64>,
}

impl<'a> Fields<'a> {
    /// Takes a value, if it is one of those that matter.
    pub(super) fn set(&mut self, name: &str, value: Cow<'a, str>) -> Result<(), Damage> {
        if name == "ms" {
            let ms = value.parse().ok().filter(|ms: &f64| ms.is_finite() && *ms >= 0.0);
            return put(&mut self.ms, ms.ok_or(Damage::Torn)?);
        }
        match self.slot(name) {
            Some(slot) => put(slot, value),
            None => Ok(()),
        }
    }

    fn into_owned(self) -> Fields<'static> {
        let own = |value: Value<'a>| value.map(|text| Cow::Owned(text.into_owned()));
        Fields {
            queue_id: own(self.queue_id),
            login: own(self.login),
            mail_from: own(self.mail_from),
            from: own(self.from),
            verdict: own(self.verdict),
            rule: own(self.rule),
            address: own(self.address),
            grant: own(self.grant),
            client: own(self.client),
            reply: own(self.reply),
            reason: own(self.reason),
            sender: own(self.sender),
            envelope: own(self.envelope),
            display_name: own(self.display_name),
            copies: own(self.copies),
            calendar: own(self.calendar),
            ms: self.ms,
        }
    }

    fn slot(&mut self, name: &str) -> Option<&mut Value<'a>> {
        Some(match name {
            "queue_id" => &mut self.queue_id,
            "login" => &mut self.login,
            "mail_from" => &mut self.mail_from,
            "from" => &mut self.from,
            "verdict" => &mut self.verdict,
            "rule" => &mut self.rule,
            "address" => &mut self.address,
            "grant" => &mut self.grant,
            "client" => &mut self.client,
            "reply" => &mut self.reply,
            "reason" => &mut self.reason,
            "sender" => &mut self.sender,
            "envelope" => &mut self.envelope,
            "display_name" => &mut self.display_name,
            "copies" => &mut self.copies,
            "calendar" => &mut self.calendar,
            _ => return None,
        })
    }
}

fn put<T>(slot: &mut Option<T>, value: T) -> Result<(), Damage> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Damage::Twice),
    }
}

impl<'a> Line<'a> {
    /// Reads a line, without its end.
    pub fn read(line: &'a str) -> Self {
        let line = line.trim_ascii();
        if line.starts_with('{') { json::read(line) } else { text::read(line) }
    }

    /// What the fields amount to, read where a message's line is. `at` is when, if that is told.
    pub(super) fn of(fields: Fields<'a>, at: Option<Timestamp>) -> Self {
        if fields.verdict.is_none() {
            return Self::Other;
        }
        match Message::new(fields, at) {
            Ok(message) => Self::Message(Box::new(message)),
            Err(damage) => Self::Damaged(damage),
        }
    }
}

impl<'a> Message<'a> {
    fn new(fields: Fields<'a>, at: Option<Timestamp>) -> Result<Self, Damage> {
        let verdict = fields.verdict.as_deref().and_then(Verdict::parse).ok_or(Damage::Verdict)?;
        let at = at.ok_or(Damage::NoTime)?;
        if fields.rule.is_none() {
            return Err(Damage::NoRule);
        }
        Ok(Self { at, verdict, fields })
    }

    /// The same, apart from the text that it was read from.
    pub(super) fn into_owned(self) -> Message<'static> {
        Message { at: self.at, verdict: self.verdict, fields: self.fields.into_owned() }
    }
}

#[cfg(test)]
mod tests;
