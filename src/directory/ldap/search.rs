//! One search: sent, answered whole, and without anything that says otherwise.

use std::pin::pin;

use ldap3::{LdapError, LdapResult, Scope};
use tokio::time::{Instant, timeout_at};

use super::answer;
use super::connect::unless_it_panics;
use super::dialect::controls;
use super::link::{Connection, Fault};
use super::root;
use super::{LdapDirectory, Place};
use crate::directory::Failure;
use crate::directory::filter::Filter;
use crate::directory::record::{Record, key};
use crate::directory::schema::Dialect;
use crate::dn::Dn;
use crate::reply::{printable, printable_within};

/// RFC 4511 appendix A.1 and A.2.
pub(super) const SUCCESS: u32 = 0;
pub(super) const NO_SUCH_OBJECT: u32 = 32;
/// What asking again later may change.
pub(super) const TIME_LIMIT: u32 = 3;
const BUSY: u32 = 51;
const UNAVAILABLE: u32 = 52;

/// `(objectClass=*)`: every entry has a class (RFC 4512 section 2.4).
pub(super) const ANY: &str = "(objectClass=*)";

/// RFC 4511 section 4.5.1.8: entries without attributes.
pub(super) const NO_ATTRIBUTES: &str = "1.1";

/// What is told of an answer that has not its form.
pub(super) const UNREADABLE: &str = "an entry that cannot be read";

/// The longest name that is shown of an entry, in octets.
const MAX_NAME: usize = 400;

/// The most ranges of one attribute that are fetched: more than any person has values, and an end to a server's joke.
const RANGES: usize = 1000;

/// Why no answer came.
enum Unanswered {
    /// Others were answered.
    Slow,
    /// Nobody was.
    Silent,
}

/// Why a search failed.
pub(super) enum Trouble {
    /// The connection broke: another one may do better.
    Broken(String),
    /// What it is will not get better by asking again.
    Unusable(&'static str),
}

impl LdapDirectory {
    /// The records that match, with the values of these attributes complete.
    pub(super) async fn search(
        &self,
        place: Place<'_>,
        filter: &Filter,
        attributes: &[String],
        deadline: Instant,
    ) -> Result<Vec<Record>, Failure> {
        let filter = filter.to_string();
        let (answers, result) = self.ask(place, &filter, attributes, deadline).await?;
        self.check(&result, place.base)?;
        let mut records = Vec::with_capacity(answers.len());
        for answer::Answer { mut record, ranges } in answers {
            if !record.dn.is_within(place.base) {
                return Err(self.bad(&format!("{} is not below {}", shown(&record.dn), shown(place.base))));
            }
            for range in ranges {
                self.complete(&mut record, range, deadline).await?;
            }
            records.push(record);
        }
        Ok(records)
    }

    /// Fetches the values that follow a range. Fewer than all would take rights away, or owners from an address.
    pub(super) async fn complete(
        &self,
        record: &mut Record,
        mut range: answer::Range,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let dn = record.dn.clone();
        let place = Place { base: &dn, scope: Scope::Base };
        let unusable = |why: &str| {
            let attribute = printable(&range.attribute);
            self.bad(&format!("the values of {attribute} of {} {why}", shown(&dn)))
        };
        let (gap, endless) = (unusable("came with a gap"), unusable("have no end"));
        let mut wanted = 0;
        for _ in 0..RANGES {
            if range.first != wanted {
                return Err(gap);
            }
            let Some(next) = range.next else { return Ok(()) };
            wanted = next;
            let (mut answers, result) =
                self.ask(place, ANY, &[answer::from_value(&range.attribute, next)], deadline).await?;
            self.check(&result, &dn)?;
            let Some(found) = answers.pop().filter(|found| answers.is_empty() && found.record.dn == dn)
            else {
                return Err(gap);
            };
            for value in found.record.values(&range.attribute) {
                record.push(&range.attribute, value.to_vec());
            }
            let mut ranges = found.ranges.into_iter();
            range = match ranges.find(|found| key(&found.attribute) == key(&range.attribute)) {
                Some(range) => range,
                None => return Err(gap),
            };
        }
        Err(endless)
    }

    pub(super) fn check(&self, result: &LdapResult, base: &Dn) -> Result<(), Failure> {
        match result.rc {
            // RFC 4511 section 4.5.3: what they point at was not searched. A domain of Active Directory always points at
            // its configuration and its zones, where nobody is.
            SUCCESS if !result.refs.is_empty() && self.schema.dialect == Dialect::Standard => {
                Err(self
                    .bad("it refers to other servers, which are not asked; choose another directory.base_dn"))
            }
            SUCCESS => Ok(()),
            NO_SUCH_OBJECT => {
                Err(self.bad(&format!("there is no {}: {}", shown(base), answer::code(result))))
            }
            TIME_LIMIT | BUSY | UNAVAILABLE => Err(self.away(&answer::code(result))),
            _ => Err(self.bad(&answer::code(result))),
        }
    }

    pub(super) fn bad(&self, why: &str) -> Failure {
        Failure::BadAnswer(format!("{}: {why}", self.server))
    }

    pub(super) fn away(&self, why: &str) -> Failure {
        Failure::Unavailable(format!("{}: {why}", self.server))
    }

    /// One search, which is counted.
    pub(super) async fn ask(
        &self,
        place: Place<'_>,
        filter: &str,
        attributes: &[String],
        deadline: Instant,
    ) -> Result<(Vec<answer::Answer>, LdapResult), Failure> {
        let begun = Instant::now();
        let asked = self.try_to_ask(place, filter, attributes, deadline).await;
        let outcome = match &asked {
            Ok((_, LdapResult { rc: SUCCESS, .. })) => "answered",
            Ok(_) => "refused",
            Err(Failure::BadAnswer(_) | Failure::AmbiguousLogin(_)) => "unusable",
            Err(Failure::Unavailable(_)) if deadline <= Instant::now() => "timeout",
            Err(Failure::Unavailable(_)) => "unavailable",
        };
        self.metrics.ldap.searches.of(outcome).one();
        self.metrics.ldap.seconds.observe(begun.elapsed());
        asked
    }

    /// On another connection if the first breaks under it or falls silent, perhaps to another server.
    async fn try_to_ask(
        &self,
        place: Place<'_>,
        filter: &str,
        attributes: &[String],
        deadline: Instant,
    ) -> Result<(Vec<answer::Answer>, LdapResult), Failure> {
        let _turn = timeout_at(deadline, self.turns.acquire()).await.map_err(|_| self.too_slow())?;
        // Those before it may have been given up just now, for the same reason.
        if deadline <= Instant::now() {
            return Err(self.too_slow());
        }
        let mut broken: Option<Connection> = None;
        let mut why = String::new();
        for _ in 0..=self.servers {
            let connection = timeout_at(deadline, self.link.connection(broken.as_ref()));
            let connection = connection.await.map_err(|_| self.too_slow())??;
            let asked = unless_it_panics(self.search_over(&connection, place, filter, attributes));
            match self.answer(&connection, asked, deadline).await {
                // RFC 4511 appendix A.2: it is shutting down, or the servers behind it are away.
                Ok(Ok(Ok((_, LdapResult { rc: UNAVAILABLE, .. })))) if self.servers > 1 => {
                    connection.give_up(Fault::Broken);
                    why = format!("{} is shutting down, or has nobody to ask", connection.server);
                }
                Ok(Ok(Ok(found))) => {
                    connection.hear();
                    return Ok(found);
                }
                Ok(Ok(Err(Trouble::Unusable(reason)))) => return Err(self.bad(reason)),
                Ok(Ok(Err(Trouble::Broken(reason))) | Err(reason)) => {
                    connection.give_up(Fault::Broken);
                    why = format!("{}: {reason}", connection.server);
                }
                Err(Unanswered::Slow) => return Err(self.too_slow()),
                Err(Unanswered::Silent) => {
                    connection.give_up(Fault::Silent);
                    why = format!("{} does not answer", connection.server);
                }
            }
            broken = Some(connection);
        }
        Err(Failure::Unavailable(why))
    }

    /// Waits for an answer until the deadline; or, where there is hope elsewhere, until nothing at all was heard of the
    /// server for too long: one search may be slow while others are answered.
    async fn answer<T>(
        &self,
        connection: &Connection,
        asked: impl Future<Output = T>,
        deadline: Instant,
    ) -> Result<T, Unanswered> {
        let begun = Instant::now();
        let mut asked = pin!(asked);
        loop {
            let patient = connection.heard().max(begun) + self.patience;
            if let Ok(answer) = timeout_at(deadline.min(patient), &mut asked).await {
                return Ok(answer);
            }
            let now = Instant::now();
            let quiet = now.saturating_duration_since(connection.heard().max(begun));
            if deadline <= now {
                // Whoever asked just before its deadline has not waited for long.
                if quiet >= self.patience / 2 {
                    connection.give_up(Fault::Silent);
                }
                return Err(Unanswered::Slow);
            }
            if quiet >= self.patience {
                return Err(Unanswered::Silent);
            }
        }
    }

    async fn search_over(
        &self,
        connection: &Connection,
        place: Place<'_>,
        filter: &str,
        attributes: &[String],
    ) -> Result<(Vec<answer::Answer>, LdapResult), Trouble> {
        let mut ldap = connection.ldap.clone();
        ldap.with_controls(controls(self.schema.dialect));
        let found =
            root::search(&mut ldap, place.base.as_str(), place.scope, filter, attributes.to_vec()).await;
        let (entries, result) = found.map_err(trouble)?;
        let read = entries.into_iter().map(answer::read).collect::<Option<Vec<_>>>();
        Ok((read.ok_or(Trouble::Unusable(UNREADABLE))?, result))
    }

    pub(super) fn too_slow(&self) -> Failure {
        Failure::Unavailable(format!(
            "{} did not answer within {} s",
            self.server,
            self.timeout.as_secs_f32()
        ))
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all others say that the connection is gone")]
pub(super) fn trouble(error: LdapError) -> Trouble {
    match error {
        LdapError::FilterParsing => Trouble::Unusable("a filter that cannot be sent"),
        LdapError::EndOfStream | LdapError::OpSend { .. } | LdapError::ResultRecv { .. } => {
            Trouble::Broken("the connection ended before the answer".to_owned())
        }
        other => Trouble::Broken(printable(&other.to_string())),
    }
}

/// A name that came from a directory, for a message.
pub(super) fn shown(dn: &Dn) -> String {
    printable_within(dn.as_str(), MAX_NAME)
}
