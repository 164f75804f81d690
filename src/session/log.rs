//! The one log line of a message: queue id, submitter, authors, verdict and why. Nothing else of the message is logged,
//! and nothing unescaped. Where a line is written its message is counted, whether or not the line is wanted.

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use tracing::{info, warn};

use super::Case;
use crate::address::Address;
use crate::bounce::report::NoReport;
use crate::grant::Mode;
use crate::judge::Trouble;
use crate::logging;
use crate::message::{Envelope, Message};
use crate::metrics::Messages;
use crate::policy::{Accepted, Author, EnvelopeChange, FromChange, Refusal, SenderChange};
use crate::reply::{Reply, printable, printable_within};

/// What every line says.
pub(super) struct Line<'a> {
    pub(super) case: &'a Case<'a>,
    pub(super) mode: Mode,
    pub(super) counts: &'a Messages,
}

/// Writes an event with the fields of every line, and more. All of them are given as strings, not as `%` values: the
/// text format then quotes them, and no value can pass for another field.
macro_rules! write_line {
    ($level:ident, $line:expr, $verdict:expr, $rule:expr, $why:expr, $($field:tt)*) => {{
        let line = $line;
        $level!(
            message = line.message($verdict, $rule, $why),
            queue_id = printable(line.case.queue_id),
            client = client(line.case.client),
            login = printable(&line.case.message.login),
            mail_from = reverse_path(&line.case.message.envelope),
            from = authors(line.case.message),
            verdict = $verdict,
            rule = $rule,
            body = line.case.body,
            $($field)*
            ms = line.milliseconds(),
        )
    }};
}

impl Line<'_> {
    /// `marks`: in how many places of the body SENT-BY is written.
    pub(super) fn accepted(&self, accepted: &Accepted, marks: usize) {
        let rule = joined(accepted.authors.iter().map(Author::rule));
        let grant = grants(&accepted.authors);
        let (sender, envelope) = (sender(&accepted.sender), envelope(&accepted.envelope));
        let (names, copies) = (names(&accepted.from), listed(&accepted.copies.to));
        let no_copies = listed(&accepted.copies.left_out).map(|where_to| format!("{where_to}: no SMTPUTF8"));
        let changes = [&sender, &envelope, &names, &copies].into_iter().any(Option::is_some);
        let verdict = match self.mode {
            Mode::Observe if changes || marks > 0 => "would change",
            Mode::Enforce | Mode::Observe => "accept",
        };
        let calendar = self.calendar(marks);
        self.count(verdict, Messages::furthest(accepted.authors.iter().map(Author::rule)));
        write_line!(
            info,
            self,
            verdict,
            &*rule,
            None,
            grant,
            sender,
            display_name = names,
            envelope,
            copies,
            no_copies,
            calendar,
        );
    }

    /// `no_report` is why there is no report on it, if one was thought of.
    pub(super) fn refused(&self, refusal: &Refusal, reply: &Reply, no_report: Option<&NoReport>) {
        let (rule, address, reply) = (refusal.rule(), address(refusal), reply.to_string());
        let (verdict, no_report) = (refused(self.mode), no_report.map(ToString::to_string));
        self.count(verdict, rule);
        write_line!(info, self, verdict, rule, Some(("reply", &reply)), address, reply, no_report,);
    }

    /// Dropped, for the submitter gets this report. The reply is the one that the client would have got.
    pub(super) fn bounced(&self, refusal: &Refusal, reply: &Reply, report: &str) {
        let (rule, address, reply) = (refusal.rule(), address(refusal), reply.to_string());
        let report = printable(report);
        self.count("bounce", rule);
        write_line!(info, self, "bounce", rule, Some(("reply", &reply)), address, reply, report,);
    }

    pub(super) fn deferred(&self, trouble: &Trouble) {
        let verdict = match self.mode {
            Mode::Enforce => "defer",
            Mode::Observe => "would defer",
        };
        let reason = trouble.to_string();
        self.count(verdict, trouble.rule());
        write_line!(warn, self, verdict, trouble.rule(), Some(("reason", &reason)), reason,);
    }

    fn count(&self, verdict: &str, rule: &str) {
        self.counts.judged(verdict, rule, self.case.took);
    }

    /// The gist of the fields, as the text format has them; none where the fields are seen without it. With the client
    /// and the rule: fail2ban sees of an entry of the journal this text alone.
    fn message(&self, verdict: &str, rule: &str, why: Option<(&str, &str)>) -> Option<String> {
        let Case { message, queue_id, .. } = self.case;
        logging::needs_message().then(|| {
            let (queue_id, login) = (printable(queue_id), printable(&message.login));
            let from = authors(message).map(|from| format!(" from={from:?}")).unwrap_or_default();
            let client =
                client(self.case.client).map(|client| format!(" client={client:?}")).unwrap_or_default();
            let why = why.map(|(name, why)| format!(" {name}={why:?}")).unwrap_or_default();
            format!(
                "queue_id={queue_id:?}{client} login={login:?}{from} verdict={verdict:?} rule={rule:?}{why}"
            )
        })
    }

    /// What became of the calendars; none if there were none that matter.
    fn calendar(&self, marks: usize) -> Option<String> {
        let places = if marks == 1 { "1 place".to_owned() } else { format!("{marks} places") };
        let marked = (marks > 0).then(|| format!("SENT-BY written in {places}"));
        let notes: Vec<_> = marked.into_iter().chain(self.case.content?.notes()).collect();
        (!notes.is_empty()).then(|| printable(&notes.join("; ")))
    }

    fn milliseconds(&self) -> f64 {
        (self.case.took.as_secs_f64() * 1e6).round() / 1e3
    }
}

/// The line of mail without a login that is refused.
pub(super) fn unauthenticated(
    envelope: &Envelope,
    from: Option<IpAddr>,
    reply: &Reply,
    mode: Mode,
    counts: &Messages,
) {
    let (mail_from, verdict, reply) = (reverse_path(envelope), refused(mode), reply.to_string());
    counts.verdict(verdict, "unauthenticated");
    let (client, rule) = (client(from), "unauthenticated");
    let message = logging::needs_message().then(|| {
        let client = client.iter().map(|client| format!("client={client:?} ")).collect::<String>();
        format!("{client}mail_from={mail_from:?} verdict={verdict:?} rule={rule:?} reply={reply:?}")
    });
    info!(message, client, mail_from, verdict, rule, reply);
}

fn client(address: Option<IpAddr>) -> Option<String> {
    address.map(|address| address.to_string())
}

/// The address that may not be used.
fn address(refusal: &Refusal) -> Option<String> {
    refusal.address().map(|address| printable(&address))
}

/// The most octets of names of entries in a line.
const MAX_GRANTS: usize = 1600;

/// Which entry lets the submitter write for it, and whom it names; none where all is own.
fn grants(authors: &[Author]) -> Option<String> {
    let named = authors.iter().filter_map(|author| author.by.principal().zip(author.granted.as_ref()));
    let mut text = String::new();
    for (principal, granted) in named {
        let next = if text.is_empty() { "" } else { "; " };
        for part in [next, principal.dn.as_str(), " to ", granted.delegate.as_str()] {
            text.push_str(part);
        }
    }
    (!text.is_empty()).then(|| printable_within(&text, MAX_GRANTS))
}

fn refused(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "refuse",
        Mode::Observe => "would refuse",
    }
}

fn reverse_path(envelope: &Envelope) -> String {
    printable(&joined([&envelope.sender].into_iter()))
}

/// The authors; none if From names none, which the reply then says.
fn authors(message: &Message) -> Option<String> {
    let mailboxes = message.authors.as_ref().ok()?;
    Some(printable(&joined(mailboxes.iter().map(|mailbox| &mailbox.address))))
}

/// The texts with commas between them: most often one, and short.
fn joined<T: fmt::Display>(each: impl Iterator<Item = T>) -> String {
    let mut joined = String::with_capacity(64);
    for text in each {
        let comma = if joined.is_empty() { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(joined, "{comma}{text}");
    }
    joined
}

fn sender(change: &SenderChange) -> Option<String> {
    match change {
        SenderChange::Keep => None,
        SenderChange::Remove => Some("removed".to_owned()),
        SenderChange::Set(mailbox) => Some(printable(&format!("<{}>", mailbox.address))),
    }
}

/// The display names that From gets.
fn names(change: &FromChange) -> Option<String> {
    match change {
        FromChange::Keep => None,
        FromChange::Names(names) => Some(printable(&joined(names.iter().flatten()))),
    }
}

/// Addresses; none if there are none.
fn listed(addresses: &[Address]) -> Option<String> {
    let texts = addresses.iter().map(|address| format!("<{address}>"));
    (!addresses.is_empty()).then(|| printable(&joined(texts)))
}

fn envelope(change: &EnvelopeChange) -> Option<String> {
    match change {
        EnvelopeChange::Keep => None,
        EnvelopeChange::Set(address) => Some(printable(&format!("<{address}>"))),
    }
}
