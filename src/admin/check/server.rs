//! The steps of `check` on an LDAP server, in the order in which each needs those before it.

use super::doubts::Survey;
use super::indexes::{self, INDEXES};
use super::report::{Report, quoted};
use super::schema::{self, Known, SCHEMA};
use super::watch::{self, WATCH};
use crate::admin::progress::Progress;
use crate::config::{Config, Server, Transport};
use crate::directory::Failure;
use crate::directory::filter::Filter;
use crate::directory::ldap::{ConnectError, End, LdapDirectory, Step, Wanted};
use crate::directory::record::Record;
use crate::dn::Dn;

const CONNECTION: &str = "connection";
const TLS: &str = "tls";
const LOGIN: &str = "login";
const BASE: &str = "base_dn";
const PASSWORDS: &str = "passwords";
const SEARCH: &str = "search";
const ENTRIES: &str = "entries";

/// Whether what a step looked at allows the next.
type Passed = Result<bool, Failure>;

/// A server under examination.
pub(super) struct Examination<'a> {
    pub(super) server: &'a Server,
    pub(super) directory: &'a LdapDirectory,
    pub(super) config: &'a Config,
    pub(super) report: &'a mut Report,
}

impl Examination<'_> {
    /// Takes all steps that can be taken.
    pub(super) async fn examine(&mut self) {
        if !self.connection().await {
            return self.report.not_done(&[BASE, SCHEMA, INDEXES, WATCH, PASSWORDS, SEARCH, ENTRIES]);
        }
        let looked = self.look_around().await;
        if self.passed(CONNECTION, looked) != Some(true) {
            return self.report.not_done(&[PASSWORDS, SEARCH, ENTRIES]);
        }
        // No index need help with this question: on a large server it may take longer than any message would wait.
        if let Err(failure) = self.passwords().await {
            self.report.note(PASSWORDS, format!("not checked: {failure}"));
        }
        let entries = self.entries().await;
        if self.passed(SEARCH, entries) != Some(true) {
            self.report.not_done(&[ENTRIES]);
        }
    }

    /// What a step says; a failure is told.
    fn passed(&mut self, step: &'static str, passed: Passed) -> Option<bool> {
        match passed {
            Ok(passed) => return Some(passed),
            Err(failure @ Failure::Unavailable(_)) => {
                self.report.unavailable(CONNECTION, failure.to_string(), "try again when it is back");
            }
            Err(failure @ (Failure::BadAnswer(_) | Failure::AmbiguousLogin(_))) => {
                self.report.error(step, failure.to_string(), None);
            }
        }
        None
    }

    async fn connection(&mut self) -> bool {
        let Some(error) = self.directory.trouble().await else {
            self.reached();
            self.secured();
            return self.logged_in().await;
        };
        match error.step() {
            Step::Reach => self.refused(CONNECTION, &error, &[TLS, LOGIN]),
            Step::Secure => {
                self.reached();
                self.refused(TLS, &error, &[LOGIN]);
            }
            Step::Bind => {
                self.reached();
                self.secured();
                self.refused(LOGIN, &error, &[]);
            }
        }
        false
    }

    fn reached(&mut self) {
        self.report.ok(CONNECTION, format!("{} answers", self.server));
    }

    fn secured(&mut self) {
        match &self.server.transport {
            Transport::StartTls { .. } => self.report.ok(TLS, "StartTLS, and the certificate is good"),
            Transport::Ldaps { .. } => self.report.ok(TLS, "ldaps, and the certificate is good"),
            local if local.is_local() => self.report.ok(TLS, "none, and not needed on this machine"),
            Transport::Plain { .. } | Transport::Ldapi { .. } => {
                let advice = "use ldaps:// or start_tls = true";
                self.report.warning(TLS, "none: what is said can be read and changed on the way", advice);
            }
        }
    }

    async fn logged_in(&mut self) -> bool {
        let who = self.directory.who_am_i().await;
        match who {
            Ok(who) => {
                let who = who.filter(|who| !who.is_empty()).map(|who| format!("as {}", quoted(&who)));
                self.report
                    .ok(LOGIN, who.unwrap_or_else(|| "anonymous, or the server does not say".to_owned()));
                true
            }
            Err(failure) => {
                self.passed(LOGIN, Err(failure));
                false
            }
        }
    }

    fn refused(&mut self, step: &'static str, error: &ConnectError, after: &[&'static str]) {
        let text = error.to_string();
        match error {
            ConnectError::Reach { .. } => {
                self.report.unavailable(step, text, "is the server running, and is directory.urls right?");
            }
            ConnectError::Slow { .. } => {
                let advice = "is the server running, and is a firewall between?";
                self.report.unavailable(step, text, advice);
            }
            ConnectError::Behind { .. } => {
                self.report.unavailable(step, text, "see why it does not follow the other server");
            }
            ConnectError::Garbled { .. } => {
                let advice = "is the port in directory.urls one of an LDAP server, and does it need TLS?";
                self.report.unavailable(step, text, advice);
            }
            ConnectError::Tls { .. } => {
                let advice = "see directory.urls, start_tls and ca_file, and the server's certificate";
                self.report.error(step, text, Some(advice));
            }
            ConnectError::Bind { .. } => {
                let advice =
                    "see directory.bind, bind_dn and bind_password_file, and the account on the server";
                self.report.error(step, text, Some(advice));
            }
            ConnectError::Password { .. } => self.report.error(step, text, None),
        }
        self.report.not_done(after);
    }

    /// What the server says of itself; whether the entries can be looked at.
    async fn look_around(&mut self) -> Passed {
        let names = ["namingContexts", "subschemaSubentry", "supportedControl"];
        let root = self.directory.read(&Dn::default(), &names).await?;
        let base = self.base(root.as_ref()).await?;
        let database = match Known::ask(self.directory, root.as_ref()).await? {
            Some(known) => {
                schema::check(&self.config.directory.schema, &known, self.report);
                self.indexes(&known).await?
            }
            None => {
                let advice = "let the account read the subschema subentry (RFC 4512 section 4.4)";
                self.report.warning(SCHEMA, "not checked, for the server does not show its schema", advice);
                self.report.not_done(&[INDEXES]);
                None
            }
        };
        self.watch(root.as_ref(), database.as_ref(), base).await?;
        Ok(base)
    }

    fn base_dn(&self) -> Dn {
        self.config.directory.base_dn.clone().unwrap_or_default()
    }

    async fn base(&mut self, root: Option<&Record>) -> Passed {
        let base = self.base_dn();
        if self.directory.read(&base, &["1.1"]).await?.is_some() {
            self.report.ok(BASE, format!("{} is there", quoted(base.as_str())));
            return Ok(true);
        }
        let has = root.into_iter().flat_map(|root| root.values("namingContexts"));
        let has: Vec<_> = has.map(|name| quoted(&String::from_utf8_lossy(name))).collect();
        let advice = if has.is_empty() {
            "see directory.base_dn, and let the account read it".to_owned()
        } else {
            format!(
                "the server has {}; see directory.base_dn, and let the account read it",
                has.join(" and ")
            )
        };
        let text = format!("{} does not exist, or the account may not see it", quoted(base.as_str()));
        self.report.error(BASE, text, Some(&advice));
        Ok(false)
    }

    /// Tells which of the server's databases is ours, as far as its configuration may be read.
    async fn indexes(&mut self, known: &Known) -> Result<Option<Dn>, Failure> {
        let Ok(configuration) = Dn::parse(indexes::CONFIGURATION) else { return Ok(None) };
        let databases = indexes::databases();
        let databases = self.directory.below(&configuration, &databases, &indexes::ATTRIBUTES).await;
        // A server that is no slapd may answer with anything.
        let databases = match databases {
            Ok(databases) => databases,
            Err(Failure::BadAnswer(_) | Failure::AmbiguousLogin(_)) => Vec::new(),
            Err(failure @ Failure::Unavailable(_)) => return Err(failure),
        };
        let base = self.base_dn();
        indexes::check(&self.config.directory.schema, known, &base, &databases, self.report);
        Ok(indexes::database_of(&base, &databases).map(|database| database.dn.clone()))
    }

    async fn watch(
        &mut self,
        root: Option<&Record>,
        database: Option<&Dn>,
        has_base: bool,
    ) -> Result<(), Failure> {
        if !self.config.cache.watch {
            self.report.note(WATCH, "off: changes count when cache.ttl has passed");
        } else if has_base {
            let dialect = self.config.directory.schema.dialect;
            watch::check(self.directory, dialect, root, database, self.report).await?;
        } else {
            self.report.not_done(&[WATCH]);
        }
        Ok(())
    }

    /// The account is for a program on a mail server: it must not be worth stealing.
    async fn passwords(&mut self) -> Result<(), Failure> {
        let readable = self.directory.readable("userPassword", 2).await?;
        // What a person may do to the own entry, the account may do to its own.
        let own = self.directory.who_am_i().await?;
        let own = own.and_then(|who| Dn::parse(who.strip_prefix("dn:")?).ok());
        match readable.iter().find(|dn| Some(*dn) != own.as_ref()) {
            None => self.report.ok(PASSWORDS, "the account reads no password of others"),
            Some(dn) => {
                let text = format!("the account reads passwords: userPassword of {}", quoted(dn.as_str()));
                self.report.warning(PASSWORDS, text, "forbid it, as contrib/ldap/access.ldif does");
            }
        }
        Ok(())
    }

    /// Walks over all entries; whether all were seen.
    async fn entries(&mut self) -> Passed {
        let directory = &self.config.directory;
        let mut survey = Survey::new(&directory.schema, &self.config.rules.grants);
        let mut progress = Progress::of("entries read");
        let any = Filter::present("objectClass");
        let end = self.directory.every(&any, Wanted::Values, |record| {
            survey.see(&record);
            progress.step();
        });
        if let End::Limit(why) = end.await? {
            return Ok(self.limited(survey.len(), &why));
        }
        for (role, filter) in super::roles(&directory.schema) {
            if *filter == any {
                survey.mark_all(role);
                continue;
            }
            let mut found = 0;
            let end = self.directory.every(filter, Wanted::Names, |record| {
                survey.mark(&record.dn, role);
                progress.step();
                found += 1;
            });
            if let End::Limit(why) = end.await? {
                return Ok(self.limited(found, &why));
            }
        }
        self.report.ok(SEARCH, format!("{} entries, a page at a time (RFC 2696)", survey.len()));
        super::tell(survey, self.report, Some("may the account read these attributes?"));
        Ok(true)
    }

    fn limited(&mut self, count: usize, why: &str) -> bool {
        let text = format!("the server gives {count} entries and no more: {why}");
        self.report.warning(SEARCH, text, "lift the limit for the account, as contrib/ldap/limits.ldif does");
        false
    }
}
