//! The page of metrics: every name with what it means. contrib/monitoring and delegation-milter(8) use these names;
//! tests/metrics.rs compares.

use super::process;
use super::standing::Standing;
use super::text::{
    Kind::{Counter, Gauge},
    Page,
};
use crate::bodies::MAX_HELD;
use crate::config::CacheConfig;
use crate::directory::cache::Sizes;
use crate::health::{Changes, Directory, State, Time};
use crate::metrics::{Count, Metrics, Remembered, Words};
use crate::transactions::Transactions;

/// What there is to show.
pub(super) struct Figures<'a> {
    pub(super) metrics: &'a Metrics,
    pub(super) state: &'a State,
    pub(super) standing: &'a Standing,
    pub(super) remembered: Option<(Sizes, &'a CacheConfig)>,
    pub(super) transactions: &'a Transactions,
    pub(super) begun: Time,
}

impl Figures<'_> {
    /// All of it.
    pub(super) fn page(&self) -> String {
        let mut page = Page::default();
        self.program(&mut page);
        self.messages(&mut page);
        self.under_way(&mut page);
        self.directory(&mut page);
        self.ldap(&mut page);
        self.cache(&mut page);
        self.reloads(&mut page);
        process::write(&mut page, self.begun);
        page.into_text()
    }

    fn program(&self, page: &mut Page) {
        page.metric(Gauge, "delegation_milter_build_info", "Always 1; which version runs.");
        page.value(&[("version", env!("CARGO_PKG_VERSION"))], 1);
        let help = "What /healthz says: 1 for the state that it is in, 0 for the others.";
        page.metric(Gauge, "delegation_milter_health", help);
        for state in ["ok", "degraded", "down"] {
            page.value(&[("state", state)], u8::from(state == self.standing.word()));
        }
    }

    fn messages(&self, page: &mut Page) {
        let messages = &self.metrics.messages;
        let help = "Messages of people who logged in that were judged, by the verdict in the log and the rule that \
                    decided; those with \"would\" were only watched.";
        page.metric(Counter, "delegation_milter_messages_total", help);
        for (verdict, rules) in messages.verdicts() {
            for (rule, count) in rules.all() {
                page.value(&[("verdict", verdict), ("rule", rule)], count);
            }
        }
        let help = "How long it took to decide about a message, from the end of its header or body on, and to report it.";
        page.histogram("delegation_milter_decision_seconds", help, &messages.seconds);
        let help = "Mail without a login that passed unseen.";
        page.alone(Counter, "delegation_milter_without_login_total", help, messages.without_login.get());
        let help = "Reports on refused messages (denied.action = \"bounce\"): sent; refused, so that the client was told; \
                    deferred with their messages.";
        by_word(page, "delegation_milter_reports_total", help, "outcome", &messages.reports);
        let help = "Copies for Sent folders that were added to messages.";
        page.alone(Counter, "delegation_milter_copies_total", help, messages.copies.get());
        let help = "Messages that were deferred by a fault of the program or by a change that the mail server did not \
                    take; there should be none.";
        page.alone(Counter, "delegation_milter_faults_total", help, messages.faults.get());
    }

    fn under_way(&self, page: &mut Page) {
        let connections = &self.metrics.connections;
        let help = "Connections of the mail server so far.";
        page.alone(Counter, "delegation_milter_connections_total", help, connections.total.get());
        let help = "Connections of the mail server that are open.";
        page.alone(Gauge, "delegation_milter_connections_open", help, connections.open.get());
        let (messages, bodies) = self.transactions.counts();
        let help = "Messages of people who logged in that began, also those that were given up.";
        page.alone(Counter, "delegation_milter_messages_begun_total", help, messages);
        let help = "Messages that are under way.";
        page.alone(Gauge, "delegation_milter_messages_open", help, self.transactions.under_way());
        let help = "Bodies that were read.";
        page.alone(Counter, "delegation_milter_bodies_read_total", help, bodies);
        let help = "Memory that bodies of messages under way take.";
        page.alone(Gauge, "delegation_milter_bodies_held_bytes", help, self.transactions.bodies().held());
        let help = "The most that they may take; beyond, mail is deferred.";
        page.alone(Gauge, "delegation_milter_bodies_limit_bytes", help, MAX_HELD);
    }

    fn directory(&self, page: &mut Page) {
        let (up, server) = match &self.state.directory {
            Directory::File => (1, None),
            Directory::Up { server, .. } => (1, Some(server)),
            Directory::Connecting { .. } | Directory::Down { .. } => (0, None),
        };
        let help = "1 if the directory answers, 0 if it is away.";
        page.alone(Gauge, "delegation_milter_directory_up", help, up);
        let help = "Always 1; which server of the directory is asked; absent while there is none.";
        page.metric(Gauge, "delegation_milter_directory_server_info", help);
        server.iter().for_each(|server| page.value(&[("server", server)], 1));
        let (asked, told) = match self.state.changes {
            Changes::NotAsked => (0, 0),
            Changes::Waiting { .. } | Changes::Refused { .. } => (1, 0),
            Changes::Told { .. } => (1, 1),
        };
        let help = "1 if the directory is asked to tell of changes (cache.watch), else 0.";
        page.alone(Gauge, "delegation_milter_watch_asked", help, asked);
        let help = "1 if the directory tells of every change, 0 if changes count when cache.ttl has passed.";
        page.alone(Gauge, "delegation_milter_watch_up", help, told);
        let help = "Changes that the directory told, or that had to be supposed: of an entry, of the members of groups, \
                    of everything.";
        page.metric(Counter, "delegation_milter_changes_total", help);
        let changes = &self.metrics.changes;
        for (of, count) in
            [("entry", &changes.entries), ("groups", &changes.groups), ("everything", &changes.everything)]
        {
            page.value(&[("of", of)], count.get());
        }
    }

    fn ldap(&self, page: &mut Page) {
        let ldap = &self.metrics.ldap;
        let help = "LDAP searches: answered; refused with a result code; unusable, for it cannot be what was asked for; \
                    unavailable, for the server is away; timeout.";
        by_word(page, "delegation_milter_ldap_searches_total", help, "outcome", &ldap.searches);
        let help = "How long an LDAP search took, the wait for a connection included.";
        page.histogram("delegation_milter_ldap_search_seconds", help, &ldap.seconds);
        let help = "Connections to the LDAP server that were opened for searches.";
        page.alone(Counter, "delegation_milter_ldap_connections_opened_total", help, ldap.opened.get());
        let help = "Connections for searches that came to an end: ended by the server; silent, so that it was given up; \
                    returned to a server that stands before it in directory.urls.";
        by_word(page, "delegation_milter_ldap_connections_lost_total", help, "reason", &ldap.left);
        let help = "Rounds of attempts to connect in which no server could be used.";
        page.alone(Counter, "delegation_milter_ldap_connect_failures_total", help, ldap.failed.get());
    }

    fn cache(&self, page: &mut Page) {
        type Read = fn(&Remembered) -> &Count;
        let table: [(&'static str, &str, Read); 5] = [
            (
                "delegation_milter_cache_hits_total",
                "Questions that were answered from memory, absences included, by what was asked.",
                |kind| &kind.hits,
            ),
            (
                "delegation_milter_cache_misses_total",
                "Questions for which nothing fresh was remembered.",
                |kind| &kind.misses,
            ),
            (
                "delegation_milter_cache_stale_total",
                "Misses that an older answer has served, because the directory gave none.",
                |kind| &kind.stale,
            ),
            (
                "delegation_milter_cache_refreshes_total",
                "Answers that were loaded again before they expired.",
                |kind| &kind.refreshes,
            ),
            ("delegation_milter_cache_load_failures_total", "Loads that brought no answer.", |kind| {
                &kind.failures
            }),
        ];
        for (name, help, read) in table {
            page.metric(Counter, name, help);
            page.value(&[("kind", "login")], read(&self.metrics.cache.logins).get());
            page.value(&[("kind", "address")], read(&self.metrics.cache.addresses).get());
        }
        self.entries(page);
    }

    fn entries(&self, page: &mut Page) {
        let (sizes, capacity) =
            self.remembered.map_or((Sizes::default(), 0), |(s, cache)| (s, cache.capacity));
        page.metric(
            Gauge,
            "delegation_milter_cache_entries",
            "Answers that are remembered, by what was asked and found.",
        );
        for (kind, found, count) in [
            ("login", "yes", sizes.logins),
            ("login", "no", sizes.unknown_logins),
            ("address", "yes", sizes.addresses),
            ("address", "no", sizes.unknown_addresses),
        ] {
            page.value(&[("kind", kind), ("found", found)], count);
        }
        let help = "The most answers of each kind that are remembered (cache.capacity), and a tenth of it where nothing \
                    was found; 0 for a file, which is in memory as it is.";
        page.alone(Gauge, "delegation_milter_cache_capacity_entries", help, capacity);
    }

    /// By the names that Prometheus has for its own.
    fn reloads(&self, page: &mut Page) {
        let reloads = &self.metrics.reloads;
        page.metric(Counter, "delegation_milter_reloads_total", "Reloads (SIGHUP), by what became of them.");
        page.value(&[("outcome", "done")], reloads.done.get());
        page.value(&[("outcome", "failed")], reloads.failed.get());
        let last = self.state.reload.as_ref();
        let help =
            "1 if the configuration in the file is in force as far as is known, 0 if the last reload failed.";
        let well = u8::from(last.is_none_or(|reload| reload.failure.is_none()));
        page.alone(Gauge, "delegation_milter_config_last_reload_successful", help, well);
        let help = "When the last reload was, or the start, in seconds since 1970.";
        let at = last.map_or(self.begun, |reload| reload.at);
        page.alone(Gauge, "delegation_milter_config_last_reload_timestamp_seconds", help, at.unix());
    }
}

fn by_word(page: &mut Page, name: &'static str, help: &str, label: &str, words: &Words) {
    page.metric(Counter, name, help);
    words.all().for_each(|(word, count)| page.value(&[(label, word)], count));
}
