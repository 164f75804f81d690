//! A refused message and the report on it. The report is sent at the end of the message, so that a client that breaks
//! off before gets none.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::log::Line;
use super::{Case, Outcome, Transaction};
use crate::bounce::report::{self, Draft, Locality, NoReport, Refused};
use crate::bounce::{self, Bounces, Sent};
use crate::directory::lookup::Lookup;
use crate::gather;
use crate::grant::Mode;
use crate::judge::{Trouble, unwinding};
use crate::message::Message;
use crate::metrics::Metrics;
use crate::policy::{Refusal, Verdict};
use crate::reply::{self, Reply};

/// Whether there is a report on a message.
pub(super) enum Bounce {
    /// It is no matter for one.
    None,
    /// There must be none.
    Not(NoReport),
    /// It is to be sent.
    Due(Box<Due>),
}

/// A report that is to be sent.
pub(super) struct Due {
    bounces: Arc<Bounces>,
    draft: Draft,
    mta: Option<String>,
    /// What the client is told if there is no report after all.
    reply: Reply,
    refusal: Refusal,
    metrics: Arc<Metrics>,
}

/// A message that waits for its end and its report.
pub(super) struct Waiting {
    pub(super) due: Box<Due>,
    pub(super) message: Message,
    pub(super) client: Option<IpAddr>,
    /// How much of its body was read, in octets.
    pub(super) body: Option<usize>,
    /// The time that it took to decide.
    pub(super) took: Duration,
}

impl Bounce {
    /// Why there must be none.
    pub(super) fn none_because(&self) -> Option<&NoReport> {
        match self {
            Self::Not(why) => Some(why),
            Self::None | Self::Due(_) => None,
        }
    }
}

impl<L: Lookup> Transaction<L> {
    /// Whether there is a report on a message with this verdict; the verdict is another if that cannot be found out.
    pub(super) async fn bounce(
        &self,
        verdict: Result<Verdict, Trouble>,
        message: &Message,
        queue_id: &str,
    ) -> (Result<Verdict, Trouble>, Bounce) {
        let Ok(Verdict::Refuse(refusal)) = &verdict else { return (verdict, Bounce::None) };
        match unwinding(self.draft(refusal, message, queue_id)).await {
            Ok(bounce) => (verdict, bounce),
            Err(trouble) => (Err(trouble), Bounce::None),
        }
    }

    async fn draft(&self, refusal: &Refusal, message: &Message, queue_id: &str) -> Result<Bounce, Trouble> {
        let (Some(bounces), Some(original), Some(address)) =
            (&self.site.bounces, &self.original, bounce::concerns(refusal))
        else {
            return Ok(Bounce::None);
        };
        let person = self.site.lookup.person(&self.login).await?;
        let submitter = &gather::submitter(&self.site, &self.login, person);
        let contact = &self.site.contact;
        let reply = reply::refusal(refusal, contact);
        let (envelope, told) = (&message.envelope, &reply.to_string());
        let refused = Refused { submitter, envelope, original, queue_id, address, reply: told, contact };
        Ok(match report::draft(refused, Locality::of(&self.site.rules)) {
            Ok(draft) => {
                let (bounces, mta) = (Arc::clone(bounces), self.mta.clone());
                let (refusal, metrics) = (refusal.clone(), Arc::clone(&self.site.metrics));
                Bounce::Due(Box::new(Due { bounces, draft, mta, reply, refusal, metrics }))
            }
            Err(why) => Bounce::Not(why),
        })
    }
}

impl Waiting {
    /// Sends the report, writes the log line of the message, and says what becomes of it.
    pub(super) async fn conclude(&self, queue_id: &str) -> Outcome {
        let start = Instant::now();
        let sent = self.due.bounces.send(&self.due.draft, self.due.mta.as_deref()).await;
        let took = self.took + start.elapsed();
        let (message, client, body) = (&self.message, self.client, self.body);
        let case = Case { message, client, content: None, body, queue_id, took };
        // Of messages that are only watched, no header is kept to report on.
        let Due { refusal, reply, metrics, .. } = &*self.due;
        let counts = &metrics.messages;
        let line = Line { case: &case, mode: Mode::Enforce, counts };
        match sent {
            Sent::Taken { message_id } => {
                counts.reports.of("sent").one();
                line.bounced(refusal, reply, &message_id);
                Outcome::Discard
            }
            Sent::Not(why) => {
                counts.reports.of("refused").one();
                line.refused(refusal, reply, Some(&why));
                Outcome::Refuse(reply.clone())
            }
            Sent::Later(error) => {
                counts.reports.of("deferred").one();
                line.deferred(&Trouble::Relay(error));
                Outcome::Refuse(reply::temporary())
            }
        }
    }
}
