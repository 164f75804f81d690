//! One connection from the MTA and its message: remembers what arrives, gathers the facts, has them decided, and says
//! what is to be done.
//!
//! The milter protocol stays in [`crate::callbacks`]; here a message begins, its header ends, and an [`Outcome`]
//! comes back. This is the one place that knows of `mode = "observe"`, and the one that writes the message's log line.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::actions::{self, Modification};
use crate::address::canonical_domain;
use crate::bodies::{Held, Turn};
use crate::bounce::original::Original;
use crate::directory::lookup::Lookup;
use crate::grant::{Facts, Mode};
use crate::judge::{Content, Judged, Trouble, unwinding};
use crate::message::{Envelope, Header, Message, Recipient};
use crate::metrics::Metrics;
use crate::policy::{Choice, Verdict};
use crate::reply;
use crate::site::Site;
use crate::transactions::{Open, Transactions};

mod bounce;
mod case;
mod log;
mod outcome;

pub use outcome::{End, Next, Outcome, Steps};

use bounce::{Bounce, Waiting};
use case::{Case, Conclusion, carried_out};

/// Bodies from this length on, in octets, are judged beside the tasks that serve other messages: that takes
/// milliseconds, and up to half a second.
const LONG: usize = 256 << 10;

/// A connection.
pub struct Session<L> {
    site: watch::Receiver<Arc<Site<L>>>,
    transactions: Transactions,
    steps: Steps,
    /// What the MTA calls itself.
    mta: Option<String>,
    /// Who talks to the MTA.
    client: Option<IpAddr>,
    transaction: Option<Transaction<L>>,
}

/// A message on its way in. It keeps the configuration with which it began.
struct Transaction<L> {
    site: Arc<Site<L>>,
    login: String,
    envelope: Envelope,
    header: Header,
    /// What a report would need, where there may be one.
    original: Option<Original>,
    mta: Option<String>,
    client: Option<IpAddr>,
    steps: Steps,
    stage: Stage,
    open: Open,
}

/// How far a message has come.
enum Stage {
    /// Nothing is decided: what it claims still arrives.
    Header,
    /// The body arrives, on which the verdict depends.
    Body(Box<Pending>),
    /// It is accepted, with these modifications at its end.
    Due(Vec<Modification>),
    /// It is refused, and a report on it is due at its end.
    Bounce(Box<Waiting>),
}

/// A message that waits for its body.
struct Pending {
    message: Message,
    facts: Facts,
    /// None once it is too long.
    body: Option<Held>,
    /// How long it took so far.
    took: Duration,
}

impl<L: Lookup + 'static> Session<L> {
    /// A connection that uses whatever configuration holds when a message begins.
    /// `steps` is what the MTA was asked to send.
    pub fn new(site: watch::Receiver<Arc<Site<L>>>, transactions: Transactions, steps: Steps) -> Self {
        Self { site, transactions, steps, mta: None, client: None, transaction: None }
    }

    /// What the MTA calls itself, and who talks to it: the macros `j` and `{client_addr}`. What is no host name or IP
    /// address, such as `unknown`, is forgotten.
    pub fn between(&mut self, mta: Option<&str>, client: Option<&str>) {
        self.mta = mta.and_then(|name| canonical_domain(name).ok());
        self.client = client.and_then(client_address);
    }

    /// MAIL FROM. `login` is the macro `{auth_authen}`. Whatever an earlier message left behind is gone.
    pub fn mail(&mut self, login: Option<String>, envelope: Envelope) -> Outcome {
        self.transaction = None;
        let site = self.site.borrow().clone();
        let Some(login) = login else {
            return match site.unauthenticated {
                Choice::Accept => {
                    site.metrics.messages.without_login.one();
                    Outcome::Accept
                }
                Choice::Refuse => {
                    let reply = reply::unauthenticated();
                    let counts = &site.metrics.messages;
                    log::unauthenticated(&envelope, self.client, &reply, site.mode, counts);
                    carried_out(Conclusion::without_change(Outcome::Refuse(reply)), site.mode).outcome
                }
            };
        };
        let Some(open) = self.transactions.open() else { return Outcome::Refuse(reply::ending()) };
        // While the client sends its recipients and its message.
        site.lookup.expect(&login);
        let (header, steps, stage) = (Header::default(), self.steps, Stage::Header);
        let may_bounce = site.bounces.is_some() && site.mode_for(&login) == Mode::Enforce;
        let (original, mta, client) = (may_bounce.then(Original::default), self.mta.clone(), self.client);
        self.transaction =
            Some(Transaction { site, login, envelope, header, original, mta, client, steps, stage, open });
        Outcome::Continue
    }

    /// RCPT TO.
    pub fn recipient(&mut self, recipient: Recipient) {
        if let Some(transaction) = &mut self.transaction {
            transaction.envelope.add_recipient(recipient);
        }
    }

    /// A header field.
    pub fn header(&mut self, name: &[u8], body: &[u8]) {
        if let Some(transaction) = &mut self.transaction {
            transaction.header.add(name, body);
            if let Some(original) = &mut transaction.original {
                original.add(name, body);
            }
        }
    }

    /// The end of the header: everything that a decision needs is known, but for what the body holds. Where it is not
    /// told of, what follows shows it. `queue_id` is the macro `i`.
    pub async fn end_of_header(&mut self, queue_id: &str) -> Outcome {
        let Some(transaction) = &mut self.transaction else {
            // The MTA sent no MAIL, or went on after we had accepted: nothing is known of the message.
            return Outcome::Refuse(reply::temporary());
        };
        let Stage::Header = transaction.stage else { return Outcome::Continue };
        let outcome = transaction.end_of_header(queue_id).await;
        if outcome != Outcome::Continue {
            self.transaction = None;
        }
        outcome
    }

    /// A piece of the body. `queue_id` is the macro `i`.
    pub async fn body(&mut self, chunk: &[u8], queue_id: &str) -> Next {
        if self.transaction.is_none() {
            return Next::Skip;
        }
        let outcome = self.end_of_header(queue_id).await;
        let (Outcome::Continue, Some(transaction)) = (&outcome, &mut self.transaction) else {
            return Next::End(outcome);
        };
        let next = transaction.body(chunk, queue_id);
        if matches!(next, Next::End(_)) {
            self.transaction = None;
        }
        next
    }

    /// The end of the message: what is to be done with it. `queue_id` is the macro `i`.
    pub async fn end_of_message(&mut self, queue_id: &str) -> End {
        let outcome = self.end_of_header(queue_id).await;
        match (outcome, self.transaction.take()) {
            (Outcome::Continue, Some(transaction)) => transaction.end(queue_id).await,
            (outcome, _) => End::without_change(outcome),
        }
    }

    /// What is counted.
    pub(crate) fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.site.borrow().metrics)
    }

    /// The message is given up.
    pub fn abort(&mut self) {
        self.transaction = None;
    }
}

impl<L: Lookup + 'static> Transaction<L> {
    /// Judges the message as far as its header tells, and says what is to be done.
    async fn end_of_header(&mut self, queue_id: &str) -> Outcome {
        let start = Instant::now();
        let message = Message::new(self.login.clone(), self.envelope.clone(), &self.header);
        let judged = unwinding(self.examine(&message)).await;
        let took = start.elapsed();
        let verdict = match judged {
            Ok(Judged::NeedsBody(facts)) => {
                let body = Some(self.open.bodies().begin());
                self.stage = Stage::Body(Box::new(Pending { message, facts, body, took }));
                return Outcome::Continue;
            }
            Ok(Judged::Verdict(verdict)) => Ok(verdict),
            Err(trouble) => Err(trouble),
        };
        let (client, (verdict, bounce)) = (self.client, self.bounce(verdict, &message, queue_id).await);
        // A report that is due has its own copy.
        self.original = None;
        if let Bounce::Due(due) = bounce {
            self.stage = Stage::Bounce(Box::new(Waiting { due, message, client, body: None, took }));
            return Outcome::Continue;
        }
        let case = Case { message: &message, client, content: None, body: None, queue_id, took };
        let Conclusion { outcome, modifications } = self.conclude(&verdict, &bounce, &case);
        if modifications.is_empty() {
            return outcome;
        }
        self.stage = Stage::Due(modifications);
        Outcome::Continue
    }

    async fn examine(&self, message: &Message) -> Result<Judged, Trouble> {
        let judged = self.site.judge(message).await?;
        let needs_body = matches!(judged, Judged::NeedsBody(_));
        let lacks_recipients = self.site.needs_recipients() && !self.steps.recipients;
        if needs_body && !self.steps.body || lacks_recipients {
            return Err(Trouble::Reloaded);
        }
        Ok(judged)
    }

    fn body(&mut self, chunk: &[u8], queue_id: &str) -> Next {
        let Stage::Body(pending) = &mut self.stage else { return Next::Skip };
        let Some(held) = &mut pending.body else { return Next::Skip };
        if held.octets().len() + chunk.len() > self.site.max_body {
            pending.body = None;
            return Next::Skip;
        }
        let Err(full) = held.push(chunk) else { return Next::More };
        let (client, took) = (self.client, pending.took);
        let Stage::Body(pending) = std::mem::replace(&mut self.stage, Stage::Header) else {
            return Next::Skip;
        };
        let case = Case { message: &pending.message, client, content: None, body: None, queue_id, took };
        Next::End(self.conclude(&Err(full.into()), &Bounce::None, &case).outcome)
    }

    async fn end(mut self, queue_id: &str) -> End {
        match std::mem::replace(&mut self.stage, Stage::Header) {
            Stage::Header => End::deferred(),
            Stage::Due(modifications) => {
                End { outcome: Outcome::Accept, modifications, open: Some(self.open), room: None }
            }
            Stage::Body(pending) => self.end_with_body(*pending, queue_id).await,
            Stage::Bounce(waiting) => {
                let outcome = waiting.conclude(queue_id).await;
                End { open: Some(self.open), ..End::without_change(outcome) }
            }
        }
    }

    /// Judges the message with all that is known of it; if its body is long, when it is its turn, and on a thread that no
    /// other message waits for.
    async fn end_with_body(self, mut pending: Pending, queue_id: &str) -> End {
        if pending.body.as_ref().is_none_or(|body| body.octets().len() < LONG) {
            return self.judge_with_body(pending, None, queue_id).await;
        }
        let start = Instant::now();
        let turn = Some(self.open.bodies().turn().await);
        pending.took += start.elapsed();
        let (runtime, queue_id) = (Handle::current(), queue_id.to_owned());
        let judging = move || runtime.block_on(self.judge_with_body(pending, turn, &queue_id));
        tokio::task::spawn_blocking(judging).await.unwrap_or_else(|error| match error.try_into_panic() {
            // Whoever called handles it as any other.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => End::deferred(),
        })
    }

    async fn judge_with_body(self, pending: Pending, turn: Option<Turn>, queue_id: &str) -> End {
        let start = Instant::now();
        let Pending { message, facts, body, took } = pending;
        let (octets, room) = body.map(Held::into_parts).unzip();
        let body = octets.as_ref().map(Vec::len);
        let content = match octets {
            Some(octets) => Content::read(message.mime.clone(), octets).await,
            None => Ok(Content::TooLong),
        };
        let (content, verdict) = match content {
            Ok(content) => {
                let verdict = unwinding(self.site.judge_with_body(&message, facts, &content)).await;
                (Some(content), verdict)
            }
            Err(trouble) => (None, Err(trouble)),
        };
        let (verdict, bounce) = self.bounce(verdict, &message, queue_id).await;
        let (client, took) = (self.client, took + start.elapsed());
        if let Bounce::Due(due) = bounce {
            // The relay may be slow, and others wait for the room and for their turn.
            drop((content, room, turn));
            let outcome = Waiting { due, message, client, body, took }.conclude(queue_id).await;
            return End { open: Some(self.open), ..End::without_change(outcome) };
        }
        let case = Case { message: &message, client, content: content.as_ref(), body, queue_id, took };
        let Conclusion { outcome, modifications } = self.conclude(&verdict, &bounce, &case);
        End { outcome, modifications, open: Some(self.open), room }
    }

    /// Writes the message's log line, and says what is to be done.
    fn conclude(&self, verdict: &Result<Verdict, Trouble>, bounce: &Bounce, case: &Case<'_>) -> Conclusion {
        let mode = self.site.mode_for(&self.login);
        let counts = &self.site.metrics.messages;
        let line = log::Line { case, mode, counts };
        let conclusion = match verdict {
            Ok(Verdict::Accept(accepted)) => {
                let splices = case.splices(&accepted.sent_by);
                line.accepted(accepted, splices.len());
                let body = case.spliced(&splices);
                Conclusion {
                    outcome: Outcome::Accept,
                    modifications: actions::plan(accepted, case.message, body),
                }
            }
            Ok(Verdict::Refuse(refusal)) => {
                let reply = reply::refusal(refusal, &self.site.contact);
                line.refused(refusal, &reply, bounce.none_because());
                Conclusion::without_change(Outcome::Refuse(reply))
            }
            Err(trouble) => {
                line.deferred(trouble);
                Conclusion::without_change(Outcome::Refuse(reply::temporary()))
            }
        };
        let conclusion = carried_out(conclusion, mode);
        counts.copies.add(conclusion.copies());
        conclusion
    }
}

/// The address in `{client_addr}`; Sendmail writes a tag before that of IPv6 (RFC 5321 section 4.1.3), Postfix does not.
fn client_address(text: &str) -> Option<IpAddr> {
    text.strip_prefix("IPv6:").unwrap_or(text).parse().ok()
}

#[cfg(test)]
mod tests;
