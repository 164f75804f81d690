//! What whoever looks after the program sees of it, over HTTP (`metrics.listen`): `/metrics`, numbers for Prometheus, and
//! `/healthz`, whether all is well, in words.
//!
//! It has a thread of its own, which nothing that concerns mail waits for, and which answers few at a time and not often:
//! see [`server`]. What is shown is read when it is asked for.

use std::net::TcpListener;
use std::sync::Arc;

use crate::config::{CacheConfig, Listen};
use crate::directory::cache::Sizes;
use crate::health::{Health, State, Time};
use crate::listener::{ListenError, Socket};
use crate::open::Answers;
use crate::site::Current;
use crate::transactions::Transactions;

mod page;
mod process;
mod server;
mod standing;
mod text;

use server::{Answer, Asked};
use standing::Standing;

/// Everything that is shown.
struct Shown {
    health: Health,
    site: Current<Answers>,
    transactions: Transactions,
    begun: Time,
}

/// The thread that answers; dropped, it ends.
pub(crate) struct Monitor(#[expect(dead_code, reason = "held until it is dropped")] server::Server);

impl Monitor {
    /// Listens where the configuration says, if it says so, and begins to answer.
    ///
    /// # Errors
    ///
    /// The socket cannot be had, or the system has no thread left.
    pub(crate) async fn start(
        listen: Option<&Listen>,
        health: &Health,
        site: &Current<Answers>,
        transactions: &Transactions,
    ) -> Result<Option<Self>, ListenError> {
        let Some(listen) = listen else { return Ok(None) };
        let failed = |error| ListenError::System { listen: listen.to_string(), action: "serve", error };
        let listener = bound(listen).await?;
        let (health, site, transactions) = (health.clone(), site.clone(), transactions.clone());
        let shown = Arc::new(Shown { health, site, transactions, begun: Time::now() });
        let server = server::start(listener, move |asked| shown.answer(asked)).map_err(failed)?;
        Ok(Some(Self(server)))
    }
}

async fn bound(listen: &Listen) -> Result<TcpListener, ListenError> {
    let failed = |error| ListenError::System { listen: listen.to_string(), action: "serve", error };
    Socket::bind(listen).await?.tcp().map_err(failed)
}

impl Shown {
    fn answer(&self, asked: &Asked<'_>) -> Answer {
        match asked.path {
            "/metrics" => Answer::metrics(self.metrics()),
            "/healthz" => {
                let site = self.site.borrow().clone();
                let standing = standing(&self.health.now(), site.lookup.remembered());
                let text = if asked.json { standing.json() } else { standing.to_string() };
                Answer::health(!standing.is_down(), asked.json, text)
            }
            "/" => Answer::text("/metrics: numbers for Prometheus\n/healthz: whether all is well; ?json\n"),
            _ => Answer::not_found(),
        }
    }

    fn metrics(&self) -> String {
        let site = self.site.borrow().clone();
        let (state, remembered) = (self.health.now(), site.lookup.remembered());
        page::Figures {
            metrics: self.health.metrics(),
            state: &state,
            standing: &standing(&state, remembered),
            remembered,
            transactions: &self.transactions,
            begun: self.begun,
        }
        .page()
    }
}

/// Of this state, and of what is remembered while it is so.
fn standing(state: &State, remembered: Option<(Sizes, &CacheConfig)>) -> Standing {
    // Nobody is known who has nothing: an outage leaves people who sent before, and own addresses of theirs.
    let stale = remembered.filter(|(sizes, _)| sizes.logins > 0).map(|(_, cache)| cache.stale);
    Standing::of(state, stale, Time::now())
}
