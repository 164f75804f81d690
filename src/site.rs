//! What one configuration amounts to at run time: the rules, the accounts and the directory that answers.

use std::sync::Arc;

use crate::bounce::{Bounces, relay::Relay};
use crate::config::{Accounts, Config, DeniedAction};
use crate::grant::Mode;
use crate::metrics::Metrics;
use crate::policy::{Choice, Return, Rules};

/// A configuration in force. A message keeps the one with which it began.
#[derive(Debug)]
pub struct Site<L> {
    /// Who answers our questions.
    pub lookup: L,
    /// What the administrator chose.
    pub rules: Rules,
    /// `[[account]]`
    pub accounts: Accounts,
    /// `policy.mode`
    pub mode: Mode,
    /// `unauthenticated`
    pub unauthenticated: Choice,
    /// `denied.contact`; empty for nobody.
    pub contact: String,
    /// `denied.action = "bounce"`
    pub bounces: Option<Arc<Bounces>>,
    /// `scheduling.max_body`, in octets.
    pub max_body: usize,
    /// What is counted; outlives a reload.
    pub metrics: Arc<Metrics>,
}

impl<L> Site<L> {
    /// The configuration with the directory that it names. `before` is what made reports until now. Nothing is counted yet.
    pub fn new(config: Config, lookup: L, before: Option<&Bounces>) -> Self {
        let bounces = match &config.denied.action {
            DeniedAction::Reject => None,
            DeniedAction::Bounce { host, port } => Some(Bounces::new(Relay::new(host, *port), before)),
        };
        Self {
            bounces: bounces.map(Arc::new),
            lookup,
            rules: config.rules,
            accounts: config.accounts,
            mode: config.mode,
            unauthenticated: config.unauthenticated,
            contact: config.denied.contact,
            max_body: config.max_body,
            metrics: Arc::default(),
        }
    }

    /// Whether any message can be changed: some login is not only watched.
    pub(crate) fn may_change(&self) -> bool {
        self.mode == Mode::Enforce || self.accounts.iter().any(|account| account.mode == Some(Mode::Enforce))
    }

    /// Whether an envelope sender can be replaced.
    pub(crate) fn may_change_envelope(&self) -> bool {
        let envelope = self.rules.envelope;
        envelope.on_behalf != Return::Keep || envelope.send_as != Return::Keep
    }

    /// Whether recipients can be added.
    pub(crate) fn may_add_recipients(&self) -> bool {
        self.rules.sent_copy.is_some()
    }

    /// Whether anything depends on the recipients of a message: no copy goes to one that is there, and a report names
    /// them.
    pub(crate) fn needs_recipients(&self) -> bool {
        self.may_add_recipients() || self.bounces.is_some()
    }

    /// Whether a body may be needed.
    pub(crate) fn needs_bodies(&self) -> bool {
        self.rules.scheduling.enabled
    }

    /// Whether the messages of a login are judged or only watched: its account says, else `policy.mode`.
    pub(crate) fn mode_for(&self, login: &str) -> Mode {
        self.accounts.get(login).and_then(|account| account.mode).unwrap_or(self.mode)
    }
}

/// The configuration in force, shared by all connections; SIGHUP puts another in its place.
pub type Current<L> = tokio::sync::watch::Receiver<Arc<Site<L>>>;
