//! The report as values: what `--json` prints.
//!
//! Its fields are an interface: they may become more, and keep their names and meanings. Times are RFC 3339 in UTC,
//! `hour` of the time line is the local clock's, milliseconds are numbers. Rows are sorted by their number of messages.
//! Texts are printable ASCII; what was not is escaped as `\u{…}`.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::cells::{explain, grant, printable};
use super::latency::Latency;
use super::line::Verdict;
use super::table::{Count, Table};
use super::tally::Tally;
use super::timeline::{self, Counts, Timeline, counted};
use super::{Question, Seen};

/// What the logs amount to.
#[derive(Serialize)]
pub struct Report {
    /// Whom enforcement would hit was asked.
    #[serde(skip)]
    pub(super) would_refuse_asked: bool,
    #[serde(serialize_with = "time_or_null")]
    pub(super) since: Option<Timestamp>,
    /// When the report was made.
    #[serde(serialize_with = "time")]
    pub(super) made: Timestamp,
    /// Of the first message.
    #[serde(serialize_with = "time_or_null")]
    pub(super) first: Option<Timestamp>,
    #[serde(serialize_with = "time_or_null")]
    pub(super) last: Option<Timestamp>,
    /// The zone of `hour`: its name, or its offset.
    pub(super) zone: String,
    pub(super) lines: Lines,
    pub(super) messages: u64,
    #[serde(serialize_with = "by_verdict")]
    pub(super) verdicts: Counts,
    pub(super) milliseconds: Milliseconds,
    /// Who wrote for others.
    pub(super) senders: Rows<Sender>,
    /// Who wrote as themselves.
    pub(super) own: Rows<Own>,
    pub(super) refusals: Rows<Refusal>,
    pub(super) deferrals: Rows<Deferral>,
    pub(super) would_refuse: Rows<Person>,
    pub(super) would_change: Rows<Change>,
    /// Hours without messages are left out.
    #[serde(serialize_with = "hours")]
    pub(super) timeline: Timeline,
}

/// Which lines there were.
#[derive(Serialize)]
pub(super) struct Lines {
    pub(super) read: u64,
    pub(super) messages: u64,
    /// Of the program, and not of a message.
    pub(super) others: u64,
    /// Of other programs.
    pub(super) foreign: u64,
    /// From before `since`.
    pub(super) earlier: u64,
    pub(super) damaged: u64,
    /// The first of those.
    pub(super) damages: Vec<Damaged>,
    /// Logs that were named twice, and read once.
    pub(super) again: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Damaged {
    pub(super) log: String,
    pub(super) line: u64,
    pub(super) why: String,
}

/// How long the messages took of which it is told.
#[derive(Serialize)]
pub(super) struct Milliseconds {
    pub(super) messages: u64,
    pub(super) median: Option<f64>,
    pub(super) p99: Option<f64>,
    pub(super) longest: Option<f64>,
    /// In classes that double.
    pub(super) classes: Vec<Class>,
}

/// From (inclusive) and to in milliseconds.
#[derive(Serialize)]
pub(super) struct Class {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) messages: u64,
}

/// Rows, how many messages they have in all, and how many of those are of rows that were too rare to keep.
#[derive(Serialize)]
pub(super) struct Rows<T> {
    pub(super) messages: u64,
    pub(super) rows: Vec<T>,
    pub(super) others: u64,
}

/// How often, and when.
#[derive(Serialize)]
pub(super) struct Seldom {
    pub(super) messages: u64,
    #[serde(serialize_with = "time")]
    pub(super) first: Timestamp,
    #[serde(serialize_with = "time")]
    pub(super) last: Timestamp,
}

#[derive(Serialize)]
pub(super) struct Sender {
    pub(super) login: String,
    /// The author.
    pub(super) address: String,
    pub(super) rule: String,
    /// `PRINCIPAL to DELEGATE`; empty where none is needed.
    pub(super) grant: String,
    #[serde(flatten)]
    pub(super) when: Seldom,
}

#[derive(Serialize)]
pub(super) struct Own {
    pub(super) login: String,
    pub(super) address: String,
    #[serde(flatten)]
    pub(super) when: Seldom,
}

#[derive(Serialize)]
pub(super) struct Refusal {
    /// Empty where nobody was logged in.
    pub(super) login: String,
    /// The address that was refused; where it was not an address that was, those in `From`.
    pub(super) address: String,
    pub(super) rule: String,
    /// `refuse` or `bounce`.
    pub(super) verdict: String,
    /// The IP address from which the last one came.
    pub(super) client: String,
    #[serde(flatten)]
    pub(super) when: Seldom,
}

#[derive(Serialize)]
pub(super) struct Deferral {
    pub(super) rule: String,
    /// `defer` or `would defer`.
    pub(super) verdict: String,
    /// Of the last one, in words.
    pub(super) reason: String,
    #[serde(flatten)]
    pub(super) when: Seldom,
}

/// A login that enforcement would hit.
#[derive(Serialize)]
pub(super) struct Person {
    pub(super) login: String,
    pub(super) messages: u64,
    pub(super) addresses: Vec<Hit>,
}

#[derive(Serialize)]
pub(super) struct Hit {
    /// As in [`Refusal::address`].
    pub(super) address: String,
    pub(super) rule: String,
    /// What the client would have been told.
    pub(super) reply: String,
    /// The command that tells why.
    pub(super) look: Option<String>,
    /// What may be done.
    pub(super) advice: &'static str,
    /// The command that does it.
    pub(super) grant: Option<String>,
    #[serde(flatten)]
    pub(super) when: Seldom,
}

#[derive(Serialize)]
pub(super) struct Change {
    pub(super) login: String,
    /// The authors.
    pub(super) address: String,
    /// What would be changed.
    pub(super) changes: String,
    #[serde(flatten)]
    pub(super) when: Seldom,
}

impl Report {
    pub(super) fn new(
        question: &Question,
        since: Option<Timestamp>,
        now: &Zoned,
        tally: Tally,
        seen: Seen,
    ) -> Self {
        let zone = now.time_zone().iana_name().map_or_else(|| now.offset().to_string(), str::to_owned);
        Self {
            would_refuse_asked: question.would_refuse,
            since,
            made: now.timestamp(),
            first: tally.first,
            last: tally.last,
            zone,
            messages: seen.messages,
            lines: seen.into(),
            verdicts: tally.verdicts,
            milliseconds: (&tally.latency).into(),
            senders: rows(&tally.senders, sender),
            own: rows(&tally.own, |[login, address], when| Own { login, address, when: when.into() }),
            refusals: rows(&tally.refusals, refusal),
            deferrals: rows(&tally.deferrals, deferral),
            would_refuse: people(&tally.would_refuse),
            would_change: rows(&tally.would_change, change),
            timeline: tally.timeline,
        }
    }

    /// Whether it is good news: nobody would be refused, if that was asked (exit status 0, else 1). Where there are no
    /// messages, nothing tells.
    pub fn is_good(&self) -> bool {
        !self.would_refuse_asked || (self.messages > 0 && self.count(Verdict::WouldRefuse) == 0)
    }

    pub(super) fn count(&self, verdict: Verdict) -> u64 {
        counted(&self.verdicts).find(|(own, _)| *own == verdict).map_or(0, |(_, count)| count)
    }

    pub(super) fn zone(&self) -> &TimeZone {
        &self.timeline.zone
    }
}

fn rows<T, const N: usize>(table: &Table, row: impl Fn([String; N], &Count) -> T) -> Rows<T> {
    let made = table.rows().into_iter().map(|(key, count)| row(cells(&key), count)).collect();
    Rows { messages: table.sum(), rows: made, others: table.others }
}

fn cells<const N: usize>(key: &[&str]) -> [String; N] {
    std::array::from_fn(|at| key.get(at).map(|part| (*part).to_owned()).unwrap_or_default())
}

fn sender([login, address, rule, grant]: [String; 4], when: &Count) -> Sender {
    Sender { login, address, rule, grant, when: when.into() }
}

fn refusal([login, address, rule, verdict]: [String; 4], when: &Count) -> Refusal {
    Refusal { login, address, rule, verdict, client: when.note.clone(), when: when.into() }
}

fn deferral([rule, verdict]: [String; 2], when: &Count) -> Deferral {
    Deferral { rule, verdict, reason: when.note.clone(), when: when.into() }
}

fn change([login, address, changes]: [String; 3], when: &Count) -> Change {
    Change { login, address, changes, when: when.into() }
}

/// Rows by login, those that would be hit most often first.
fn people(table: &Table) -> Rows<Person> {
    let mut hits: Vec<(String, Hit)> = rows(table, hit).rows;
    hits.sort_by(|(login, _), (other, _)| login.cmp(other));
    let mut people: Vec<Person> = Vec::new();
    for (login, hit) in hits {
        let messages = hit.when.messages;
        match people.last_mut().filter(|person| person.login == login) {
            Some(person) => {
                person.messages += messages;
                person.addresses.push(hit);
            }
            None => people.push(Person { login, messages, addresses: vec![hit] }),
        }
    }
    people.sort_by_key(|person| std::cmp::Reverse(person.messages));
    Rows { messages: table.sum(), rows: people, others: table.others }
}

fn hit([login, address, rule]: [String; 3], when: &Count) -> (String, Hit) {
    let known = !login.is_empty() && !address.is_empty();
    let (advice, right) = advice(&rule);
    let hit = Hit {
        look: known.then(|| explain(&login, &address)),
        grant: right.filter(|_| known).map(|right| grant(right, &address, &login)),
        reply: when.note.clone(),
        when: when.into(),
        advice,
        address,
        rule,
    };
    (login, hit)
}

/// What to do about a refusal by this rule, and the right that would allow it.
fn advice(rule: &str) -> (&'static str, Option<&'static str>) {
    match rule {
        "author" | "resender" | "envelope-sender" => {
            ("grant it if it is meant to be (send-as hides who sent)", Some("send-on-behalf"))
        }
        "actor" => ("grant scheduling if it is meant to be", Some("schedule")),
        "display-name" => {
            ("the name shown in From holds an address; have it changed in the mail program", None)
        }
        "unknown-login" => {
            ("give the login an entry in the directory, or an [[account]] in the configuration", None)
        }
        "unauthenticated" => ("have the client log in, or set unauthenticated = \"accept\"", None),
        "from" | "resent-from" | "senders" | "direction" | "reverse-path" => {
            ("the message is malformed; have the program that writes it put right", None)
        }
        _ => ("the reply tells what is wrong with the message", None),
    }
}

impl From<&Count> for Seldom {
    fn from(count: &Count) -> Self {
        Self { messages: count.count, first: count.first, last: count.last }
    }
}

impl From<Seen> for Lines {
    fn from(seen: Seen) -> Self {
        let damaged = |(path, line, why): (std::path::PathBuf, u64, super::Damage)| Damaged {
            log: printable(&path.to_string_lossy()),
            line,
            why: why.to_string(),
        };
        Self {
            read: seen.lines,
            messages: seen.messages,
            others: seen.others,
            foreign: seen.foreign,
            earlier: seen.earlier,
            damaged: seen.damaged,
            damages: seen.damages.into_iter().map(damaged).collect(),
            again: seen.again.iter().map(|path| printable(&path.to_string_lossy())).collect(),
        }
    }
}

impl From<&Latency> for Milliseconds {
    fn from(latency: &Latency) -> Self {
        let class = |(from, to, messages)| Class { from, to, messages };
        Self {
            messages: latency.count,
            median: latency.quantile(0.5),
            p99: latency.quantile(0.99),
            longest: latency.longest(),
            classes: latency.doublings().into_iter().map(class).collect(),
        }
    }
}

fn time<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(at)
}

fn time_or_null<S: Serializer>(at: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => to.collect_str(at),
        None => to.serialize_none(),
    }
}

fn by_verdict<S: Serializer>(counts: &Counts, to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(None)?;
    for (verdict, count) in counted(counts) {
        map.serialize_entry(&verdict.name().replace(' ', "_"), &count)?;
    }
    map.end()
}

fn hours<S: Serializer>(timeline: &Timeline, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Hour {
        hour: String,
        #[serde(flatten, serialize_with = "by_verdict")]
        verdicts: Counts,
    }
    let hour = |(hour, verdicts)| Hour {
        hour: timeline::civil(hour).strftime("%Y-%m-%dT%H:%M").to_string(),
        verdicts,
    };
    to.collect_seq(timeline.by(1).into_iter().map(hour))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    /// What is advised to be set can be set.
    #[test]
    fn keys_in_advice_are_there() {
        let (advice, _) = advice("unauthenticated");
        let (_, key) = advice.split_once("set ").unwrap();
        let text = format!("{key}\n[directory]\nurls = [\"file:demo.ldif\"]\n");
        Config::parse(&text, Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/conf/x.toml"))).unwrap();
    }
}
