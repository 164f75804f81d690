//! One connection from the MTA and its message: remembers what arrives, gathers the facts, has them decided, and says
//! what is to be done.
//!
//! The milter protocol stays in [`crate::callbacks`]; here a message begins, its header ends, and an [`Outcome`]
//! comes back. This is the one place that knows of `mode = "observe"`, and the one that writes the message's log line.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use tokio::sync::watch;

use crate::actions::{self, Modification};
use crate::directory::{Failure, lookup::Lookup};
use crate::gather;
use crate::grant::Mode;
use crate::message::{Envelope, Header, Message, Recipient};
use crate::policy::{self, Accepted, Answer, Body, Choice, Verdict};
use crate::reply::{self, Reply};
use crate::site::Site;
use crate::transactions::{Open, Transactions};

mod log;

/// The most that is told of a fault, in octets.
const MAX_FAULT: usize = 400;

/// Why a message could not be judged. Whatever it is, the client is told [`reply::temporary`]. Its text is fit for a log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The directory gave no answer.
    #[error(transparent)]
    Directory(#[from] Failure),
    /// The decision depends on the body, which was not read.
    #[error("the decision needs the body, and bodies are not read")]
    Body,
    /// The connection was opened before a reload, and was not asked for what the configuration now needs.
    #[error("the connection was opened under another configuration; the next one will do")]
    Reloaded,
    /// The program has a fault: a panic.
    #[error("internal error: {0}")]
    Fault(String),
}

/// What is to be done with the message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Accept it as it is; nothing more of it needs to be seen.
    Accept,
    /// Go on: what is to be done is said at the end of the message.
    Continue,
    /// Take the message and drop it.
    Discard,
    /// Refuse or defer it with this reply.
    Refuse(Reply),
}

/// What the MTA was asked to send when the connection began, besides what every decision needs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Steps {
    /// The recipients.
    pub recipients: bool,
}

/// What is to be done at the end of a message.
#[derive(Debug)]
pub struct End {
    /// With [`Outcome::Accept`], the modifications are due first.
    pub outcome: Outcome,
    /// In the order in which they must be applied; none but with [`Outcome::Accept`].
    pub modifications: Vec<Modification>,
    /// The transaction, which stays open until all is said.
    pub open: Option<Open>,
}

impl End {
    /// The message is deferred.
    pub fn deferred() -> Self {
        Self::without_change(Outcome::Refuse(reply::temporary()))
    }

    fn without_change(outcome: Outcome) -> Self {
        Self { outcome, modifications: Vec::new(), open: None }
    }
}

/// A connection.
pub struct Session<L> {
    site: watch::Receiver<Arc<Site<L>>>,
    transactions: Transactions,
    steps: Steps,
    transaction: Option<Transaction<L>>,
}

/// A message on its way in. It keeps the configuration with which it began.
struct Transaction<L> {
    site: Arc<Site<L>>,
    login: String,
    envelope: Envelope,
    header: Header,
    steps: Steps,
    stage: Stage,
    open: Open,
}

/// How far a message has come.
enum Stage {
    /// Nothing is decided: what it claims still arrives.
    Header,
    /// It is accepted, with these modifications at its end.
    Due(Vec<Modification>),
}

impl<L: Lookup> Session<L> {
    /// A connection that uses whatever configuration holds when a message begins.
    /// `steps` is what the MTA was asked to send.
    pub fn new(site: watch::Receiver<Arc<Site<L>>>, transactions: Transactions, steps: Steps) -> Self {
        Self { site, transactions, steps, transaction: None }
    }

    /// MAIL FROM. `login` is the macro `{auth_authen}`. Whatever an earlier message left behind is gone.
    pub fn mail(&mut self, login: Option<String>, envelope: Envelope) -> Outcome {
        self.transaction = None;
        let site = self.site.borrow().clone();
        let Some(login) = login else {
            return match site.unauthenticated {
                Choice::Accept => Outcome::Accept,
                Choice::Refuse => {
                    let reply = reply::unauthenticated();
                    log::unauthenticated(&envelope, &reply, site.mode);
                    carried_out(Outcome::Refuse(reply), site.mode)
                }
            };
        };
        let Some(open) = self.transactions.open() else { return Outcome::Refuse(reply::ending()) };
        let (header, steps, stage) = (Header::default(), self.steps, Stage::Header);
        self.transaction = Some(Transaction { site, login, envelope, header, steps, stage, open });
        Outcome::Continue
    }

    /// RCPT TO.
    pub fn recipient(&mut self, recipient: Recipient) {
        if let Some(transaction) = &mut self.transaction {
            transaction.envelope.recipients.push(recipient);
        }
    }

    /// A header field.
    pub fn header(&mut self, name: &[u8], body: &[u8]) {
        if let Some(transaction) = &mut self.transaction {
            transaction.header.add(name, body);
        }
    }

    /// The end of the header: everything that a decision needs is known. `queue_id` is the macro `i`.
    pub async fn end_of_header(&mut self, queue_id: &str) -> Outcome {
        let Some(transaction) = &mut self.transaction else {
            // The MTA sent no MAIL, or went on after we had accepted: nothing is known of the message.
            return Outcome::Refuse(reply::temporary());
        };
        let outcome = transaction.conclude(queue_id).await;
        if outcome != Outcome::Continue {
            self.transaction = None;
        }
        outcome
    }

    /// The end of the message: what is to be done with it. A message that was not judged is deferred.
    /// `queue_id` is the macro `i`.
    pub async fn end_of_message(&mut self, queue_id: &str) -> End {
        let _ = queue_id;
        let Some(Transaction { stage, open, .. }) = self.transaction.take() else { return End::deferred() };
        match stage {
            Stage::Header => End::deferred(),
            Stage::Due(modifications) => End { outcome: Outcome::Accept, modifications, open: Some(open) },
        }
    }

    /// The message is given up.
    pub fn abort(&mut self) {
        self.transaction = None;
    }
}

impl<L: Lookup> Transaction<L> {
    /// Judges the message, writes its log line, and says what is to be done.
    async fn conclude(&mut self, queue_id: &str) -> Outcome {
        let start = Instant::now();
        let message = Message::new(self.login.clone(), self.envelope.clone(), &self.header);
        let judged = AssertUnwindSafe(self.judge(&message)).catch_unwind().await;
        let judged = judged.unwrap_or_else(|panic| Err(Trouble::Fault(what(&*panic))));
        let mode = self.site.mode_for(&self.login);
        let line = log::Line { queue_id, message: &message, mode, took: start.elapsed() };
        let outcome = match &judged {
            Ok(Verdict::Accept(accepted)) => self.accept(accepted, &message, &line),
            Ok(Verdict::Refuse(refusal)) => {
                let reply = reply::refusal(refusal, &self.site.contact);
                line.refused(&reply);
                Outcome::Refuse(reply)
            }
            Err(trouble) => {
                line.deferred(trouble);
                Outcome::Refuse(reply::temporary())
            }
        };
        carried_out(outcome, mode)
    }

    async fn judge(&self, message: &Message) -> Result<Verdict, Trouble> {
        if self.site.needs_recipients() && !self.steps.recipients {
            return Err(Trouble::Reloaded);
        }
        self.site.judge(message).await
    }

    fn accept(&mut self, accepted: &Accepted, message: &Message, line: &log::Line<'_>) -> Outcome {
        line.accepted(accepted);
        let modifications = actions::plan(accepted, message);
        if modifications.is_empty() {
            return Outcome::Accept;
        }
        self.stage = Stage::Due(modifications);
        Outcome::Continue
    }
}

impl<L: Lookup> Site<L> {
    /// The verdict on a message.
    pub(crate) async fn judge(&self, message: &Message) -> Result<Verdict, Trouble> {
        let facts = gather::facts(self, message).await?;
        match policy::decide(message, &facts, &self.rules, &Body::Unread) {
            Answer::Decided(verdict) => Ok(verdict),
            Answer::NeedsBody(_) => Err(Trouble::Body),
        }
    }
}

/// What becomes of an outcome: with `mode = "observe"` it is only logged, and the message passes unchanged.
fn carried_out(outcome: Outcome, mode: Mode) -> Outcome {
    match mode {
        Mode::Enforce => outcome,
        Mode::Observe => Outcome::Accept,
    }
}

/// What a panic said.
fn what(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    reply::printable_within(text.unwrap_or("no reason given"), MAX_FAULT)
}

#[cfg(test)]
mod tests;
