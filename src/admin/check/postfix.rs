//! `check --postfix DIR`: whether Postfix asks this program, and whether its other settings leave the answer in force.
//!
//! [`postconf`] has Postfix say what it reads in DIR, [`settings`] holds that, service by service, and [`milters`] reads
//! lists of milters. [`services`] looks at who is asked where, and applies to each service that asks us the table of
//! [`rules`], which [`doors`], [`headers`] and [`socket`] hold; [`copies`] is for `[sent_copy]`. All of them are functions
//! of values and of a [`World`]; this file and `postconf` alone run programs. What Postfix means is in postconf(5),
//! master(5), MILTER_README, SASL_README and XCLIENT_README.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::address::{Address, AddressRules};
use crate::bounce::relay;
use crate::config::{Config, DeniedAction, Listen, Source};
use crate::policy::{Choice, CopyForm};

use super::report::{Level, Report};
use settings::{Service, Settings};

mod copies;
mod doors;
mod headers;
mod milters;
pub(in crate::admin) mod postconf;
mod rules;
mod services;
pub(in crate::admin) mod settings;
mod socket;
mod world;

#[cfg(test)]
mod tests;

/// What findings are about.
pub(super) const POSTFIX: &str = "postfix";

/// What of our own configuration Postfix's settings must agree with.
struct Ours {
    listen: Listen,
    unauthenticated: Choice,
    addresses: AddressRules,
    local_domains: Vec<String>,
    /// Whether we look at the envelope sender.
    envelope_check: bool,
    /// The longest that a verdict may take; none where a file answers.
    longest: Option<Duration>,
    /// Where copies go.
    copies: Option<CopyForm>,
}

impl Ours {
    fn new(config: &Config) -> Self {
        let timeout = match &config.directory.source {
            Source::File(_) => None,
            Source::Servers(servers) => servers.first().map(|server| server.timeout),
        };
        let report = match config.denied.action {
            DeniedAction::Reject => Duration::ZERO,
            DeniedAction::Bounce { .. } => relay::LIMIT,
        };
        let rules = &config.rules;
        Self {
            listen: config.listen.clone(),
            unauthenticated: config.unauthenticated,
            addresses: rules.addresses.clone(),
            local_domains: rules.local_domains.clone(),
            envelope_check: rules.envelope.check,
            // Failing over included, a deferral was seen to take up to three times as long as one question may.
            longest: timeout.map(|timeout| timeout * 3 + report),
            copies: rules.sent_copy.as_ref().map(|copies| copies.form.clone()),
        }
    }

    /// Where a copy of what is sent for somebody in this domain would go.
    fn copy_address(&self, domain: &str) -> Option<String> {
        let somebody = Address::from_parts("anna", domain).ok()?;
        Some(self.copies.as_ref()?.fill(&somebody).ok()?.to_string())
    }
}

/// What lies outside of the settings.
trait World {
    /// What a table (`type:name`) has for a key; none if it has nothing. The error is why it cannot be asked.
    fn lookup(&self, table: &str, key: &str) -> Result<Option<String>, String>;
    /// The same path without symbolic links, as far as it exists.
    fn real(&self, path: &Path) -> PathBuf;
    /// Who owns a file, and who may what; none if there is none. The error is why that cannot be seen.
    fn stat(&self, path: &Path) -> Result<Option<Stat>, String>;
    /// A user, with all groups.
    fn user(&self, name: &str) -> Option<User>;
    /// The number of a group.
    fn group(&self, name: &str) -> Option<u32>;
}

/// The owner and the permission bits of a file.
#[derive(Clone, Copy, Debug)]
struct Stat {
    uid: u32,
    gid: u32,
    /// Permission bits alone.
    mode: u32,
    is_socket: bool,
}

/// As whom Postfix's daemons run.
#[derive(Clone, Debug)]
struct User {
    uid: u32,
    gids: Vec<u32>,
}

/// All that is looked at.
struct Case<'a> {
    ours: &'a Ours,
    settings: &'a Settings,
    world: &'a dyn World,
}

/// One thing that was found, not yet of which services.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Found {
    level: Level,
    text: String,
    advice: Option<String>,
}

impl Found {
    fn ok(text: impl Into<String>) -> Self {
        Self { level: Level::Ok, text: text.into(), advice: None }
    }

    fn note(text: impl Into<String>) -> Self {
        Self { level: Level::Note, text: text.into(), advice: None }
    }

    fn warning(text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Warning, text: text.into(), advice: Some(advice.into()) }
    }

    fn error(text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Error, text: text.into(), advice: Some(advice.into()) }
    }
}

/// Looks at the Postfix whose `main.cf` and `master.cf` are in `directory`.
pub(super) fn check(directory: &Path, config: &Config, report: &mut Report) {
    match postconf::read(directory) {
        Ok((settings, warnings)) => {
            let world = world::Machine::new(directory);
            let ours = Ours::new(config);
            told(warnings, report);
            tell(&Case { ours: &ours, settings: &settings, world: &world }, report);
        }
        Err(error) => report.error(POSTFIX, error.to_string(), Some(error.advice())),
    }
}

/// What postconf(1) itself has to say: of misspelt names above all.
fn told(warnings: Vec<String>, report: &mut Report) {
    warnings.into_iter().for_each(|warning| report.note(POSTFIX, warning));
}

/// Tells everything that is found. What holds for several services alike is told once.
fn tell(case: &Case<'_>, report: &mut Report) {
    let mut all: Vec<(Vec<String>, Found)> = Vec::new();
    for (service, found) in services::look(case) {
        let label = service.map(Service::label);
        match all.iter_mut().find(|(labels, own)| *own == found && !labels.is_empty()) {
            Some((labels, _)) => labels.extend(label),
            None => all.push((label.into_iter().collect(), found)),
        }
    }
    for (labels, Found { level, text, advice }) in all {
        let text = if labels.is_empty() { text } else { format!("{}: {text}", labels.join(", ")) };
        match level {
            Level::Ok => report.ok(POSTFIX, text),
            Level::Note => report.note(POSTFIX, text),
            Level::Warning => report.warning(POSTFIX, text, &advice.unwrap_or_default()),
            Level::Error => report.error(POSTFIX, text, advice.as_deref()),
        }
    }
}
