//! `check`: whether the program can work as it is configured, and what stands in the directory that does not work as
//! somebody may think.
//!
//! [`copies`] looks at where copies go, [`relay`] at the server that takes reports. [`server`] takes the steps on an LDAP
//! server, with [`schema`], [`indexes`] and [`watch`]; [`doubts`] looks at the entries, of a server or of a file;
//! [`postfix`] looks at Postfix's own settings; [`report`] holds what was found. Doubtful entries are warnings: the others
//! work all the same.

use std::path::Path;

use crate::config::{Config, Server, Source};
use crate::directory::filter::Filter;
use crate::directory::ldif;
use crate::directory::schema::Schema;
use crate::open;

mod copies;
mod doubts;
mod indexes;
pub(super) mod postfix;
mod relay;
mod report;
mod schema;
mod secrets;
mod server;
mod watch;

pub use report::Report;
pub(crate) use schema::Known;

use doubts::{Role, Survey};
use server::Examination;

const CONFIGURATION: &str = "configuration";
const DIRECTORY: &str = "directory";
const ENTRIES: &str = "entries";

/// Checks the configuration in a file, and what it names; also the Postfix with `main.cf` and `master.cf` in a directory,
/// if one is given.
pub async fn check(file: &Path, postfix: Option<&Path>) -> Report {
    let mut report = Report::default();
    match Config::load(file) {
        Ok(config) => {
            report.ok(CONFIGURATION, file.display().to_string());
            copies::check(&config, &mut report);
            check_directory(&config, &mut report).await;
            relay::check(&config.denied.action, &mut report).await;
            if let Some(directory) = postfix {
                postfix::check(directory, &config, &mut report);
            }
        }
        Err(error) => {
            error.to_string().lines().for_each(|line| report.error(CONFIGURATION, line, None));
            report.not_done(&[DIRECTORY]);
            if postfix.is_some() {
                report.not_done(&[postfix::POSTFIX]);
            }
        }
    }
    report
}

async fn check_directory(config: &Config, report: &mut Report) {
    match &config.directory.source {
        Source::File(file) => check_file(file, config, report),
        Source::Servers(servers) => {
            secrets::check(servers, report);
            for server in servers {
                check_server(server, config, report).await;
            }
        }
    }
}

async fn check_server(server: &Server, config: &Config, report: &mut Report) {
    match open::server(std::slice::from_ref(server), config) {
        Ok(directory) => Examination { server, directory: &directory, config, report }.examine().await,
        Err(error) => {
            report.error(DIRECTORY, error.to_string(), None);
            report.not_done(&[ENTRIES]);
        }
    }
}

fn check_file(file: &Path, config: &Config, report: &mut Report) {
    let directory = &config.directory;
    let records = match ldif::read(file, &directory.schema, directory.base_dn.as_ref()) {
        Ok(records) => records,
        Err(error) => {
            report.error(DIRECTORY, error.to_string(), None);
            return report.not_done(&[ENTRIES]);
        }
    };
    report.ok(DIRECTORY, format!("{}: {} entries", file.display(), records.len()));
    let mut survey = Survey::new(&directory.schema, &config.rules.grants);
    for record in &records {
        survey.see(record);
        for (role, filter) in roles(&directory.schema) {
            if filter.matches(record) {
                survey.mark(&record.dn, role);
            }
        }
    }
    tell(survey, report, None);
}

/// What the filters of the configuration take entries for.
fn roles(schema: &Schema) -> [(Role, &Filter); 3] {
    [
        (Role::Person, &schema.person),
        (Role::Principal, &schema.principal),
        (Role::SecurityGroup, &schema.security_group),
    ]
}

/// Tells what the entries have, and what is doubtful. `hint` may say why something is missing.
fn tell(survey: Survey<'_>, report: &mut Report, hint: Option<&str>) {
    let (people, addresses) = (survey.people(), survey.addresses());
    let text = format!("people: {people}, addresses: {addresses}, grants to others: {}", survey.granted());
    let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
    if people == 0 || addresses == 0 {
        let advice = format!("see [directory.attributes] and [directory.filters]{hint}");
        report.warning(ENTRIES, format!("{text}; nobody there can send"), &advice);
    } else {
        report.ok(ENTRIES, text);
    }
    if !survey.missing().is_empty() {
        report.note(ENTRIES, format!("no entry has a value of {}{hint}", survey.missing().join(", ")));
    }
    survey.tell(report);
}
