//! Adds up the lines of messages. Every line counts: whoever tries again gets a queue id of its own, and the MTA uses
//! short ones again. A message that two milters judge counts twice where the logs of both are given.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::latency::Latency;
use super::line::{Fields, Message, Verdict};
use super::table::Table;
use super::timeline::{Counts, Timeline, add};

/// The sums over all lines.
pub(super) struct Tally {
    pub(super) verdicts: Counts,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
    pub(super) latency: Latency,
    pub(super) timeline: Timeline,
    /// Login and address, of people who write as themselves.
    pub(super) own: Table,
    /// Login, address, rule and grant, of those who write as others.
    pub(super) senders: Table,
    /// Login, address, rule, verdict; the client.
    pub(super) refusals: Table,
    /// Rule, verdict; the reason.
    pub(super) deferrals: Table,
    /// Login, address, rule; the reply.
    pub(super) would_refuse: Table,
    /// Login, address, and what enforcement would change.
    pub(super) would_change: Table,
}

impl Tally {
    pub(super) fn new(zone: TimeZone) -> Self {
        Self {
            verdicts: Counts::default(),
            first: None,
            last: None,
            latency: Latency::default(),
            timeline: Timeline::new(zone),
            own: Table::default(),
            senders: Table::default(),
            refusals: Table::default(),
            deferrals: Table::default(),
            would_refuse: Table::default(),
            would_change: Table::default(),
        }
    }

    pub(super) fn add(&mut self, message: &Message<'_>) {
        let Message { at, verdict, fields } = message;
        add(&mut self.verdicts, *verdict, 1);
        self.first = self.first.map_or(Some(*at), |first| Some(first.min(*at)));
        self.last = self.last.max(Some(*at));
        self.timeline.add(*at, *verdict);
        if let Some(ms) = fields.ms {
            self.latency.add(ms);
        }
        let (login, rule, why) = (text(&fields.login), text(&fields.rule), text(&fields.reply));
        match verdict {
            Verdict::Accept => self.accepted(*at, fields),
            Verdict::WouldChange => {
                self.accepted(*at, fields);
                self.would_change.add(*at, &[login, text(&fields.from), &changes(fields)], "");
            }
            Verdict::Refuse | Verdict::Bounce => {
                let key = [login, address(fields), rule, verdict.name()];
                self.refusals.add(*at, &key, text(&fields.client));
            }
            Verdict::WouldRefuse => self.would_refuse.add(*at, &[login, address(fields), rule], why),
            Verdict::Defer | Verdict::WouldDefer => {
                self.deferrals.add(*at, &[rule, verdict.name()], text(&fields.reason));
            }
        }
    }

    fn accepted(&mut self, at: Timestamp, fields: &Fields<'_>) {
        let login = text(&fields.login);
        for author in authors(fields) {
            match (author.rule, author.grant) {
                ("own", "") => self.own.add(at, &[login, author.address], ""),
                (rule, grant) => self.senders.add(at, &[login, author.address, rule, grant], ""),
            }
        }
    }
}

fn text<'a>(value: &'a Option<Cow<'_, str>>) -> &'a str {
    value.as_deref().unwrap_or_default()
}

/// The address that was refused; where it was not an address that was, those in From.
fn address<'a>(fields: &'a Fields<'_>) -> &'a str {
    fields.address.as_deref().or(fields.from.as_deref()).unwrap_or_default()
}

/// What would have been changed, in the words of the header.
fn changes(fields: &Fields<'_>) -> String {
    let changes = [
        (&fields.sender, "Sender"),
        (&fields.envelope, "MAIL FROM"),
        (&fields.display_name, "the name in From"),
        (&fields.copies, "a copy"),
        (&fields.calendar, "the calendar"),
    ];
    let made = changes.iter().filter(|(value, _)| value.is_some()).map(|(_, name)| *name);
    made.collect::<Vec<_>>().join(", ")
}

/// One of the authors of a message.
#[derive(Debug, Eq, PartialEq)]
struct Author<'a> {
    address: &'a str,
    rule: &'a str,
    /// Empty where none is needed.
    grant: &'a str,
}

/// Each author with its rule and grant. Where they cannot be told apart (a list of many is cut off in the log, an entry's
/// name may hold what stands between two), all of them are one.
fn authors<'a>(fields: &'a Fields<'_>) -> Vec<Author<'a>> {
    let (address, rule, grant) = (text(&fields.from), text(&fields.rule), text(&fields.grant));
    let together = || vec![Author { address, rule, grant }];
    if !rule.contains(", ") {
        return together();
    }
    let (addresses, rules) = (outside_quotes(address), rule.split(", ").collect::<Vec<_>>());
    let grants: Vec<_> = grant.split("; ").filter(|grant| !grant.is_empty()).collect();
    let granted = rules.iter().filter(|rule| is_granted(rule)).count();
    if addresses.len() != rules.len() || grants.len() != granted {
        return together();
    }
    let mut grants = grants.into_iter();
    let author = |(address, rule)| {
        let grant = if is_granted(rule) { grants.next().unwrap_or_default() } else { "" };
        Author { address, rule, grant }
    };
    addresses.into_iter().zip(rules).map(author).collect()
}

/// Whether a path of a grant is told for it.
fn is_granted(rule: &str) -> bool {
    matches!(rule, "on-behalf" | "schedule" | "send-as")
}

/// Parts a list at its commas; not at one in a quoted local part (RFC 5321 section 4.1.2).
fn outside_quotes(list: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = list.split(move |c| {
        let (was_escaped, was_quoted) = (escaped, quoted);
        escaped = quoted && c == '\\' && !was_escaped;
        quoted ^= c == '"' && !was_escaped;
        c == ',' && !was_quoted
    });
    parts.map(str::trim_start).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authors_are_told_apart_where_they_can_be() {
        for (from, rule, grant, expected) in [
            ("a@x", "own", "", &[("a@x", "own", "")][..]),
            ("\"a, b\"@x", "own", "", &[("\"a, b\"@x", "own", "")]),
            ("a@x", "on-behalf", "cn=A to cn=B; C", &[("a@x", "on-behalf", "cn=A to cn=B; C")]),
            (
                "a@x, \"b, \\\", c\"@x, d@x",
                "own, send-as, on-behalf",
                "B to G; D to A",
                &[
                    ("a@x", "own", ""),
                    ("\"b, \\\", c\"@x", "send-as", "B to G"),
                    ("d@x", "on-behalf", "D to A"),
                ],
            ),
            ("a@x, b@...", "own, own, own", "", &[("a@x, b@...", "own, own, own", "")]),
            ("a@x, b@x", "send-as, own", "A; x to B", &[("a@x, b@x", "send-as, own", "A; x to B")]),
            ("", "own", "", &[("", "own", "")]),
        ] {
            let value = |text: &'static str| Some(Cow::Borrowed(text));
            let fields =
                Fields { from: value(from), rule: value(rule), grant: value(grant), ..Fields::default() };
            let found: Vec<_> = authors(&fields).iter().map(|a| (a.address, a.rule, a.grant)).collect();
            assert_eq!(found, expected, "{from}");
        }
    }
}
