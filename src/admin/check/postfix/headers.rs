//! What Postfix does to the header and the lines of a message, before and after we see them.

use super::settings::{Service, Values, words};
use super::{Case, Found};

/// SMTP smuggling: what one server takes for the end of a message, another does not. The parameter came with 3.9,
/// 3.8.4, 3.7.9, 3.6.13 and 3.5.23; "yes" is known to all of them.
pub(super) fn bare_newline(service: &Service) -> Option<Found> {
    let name = "smtpd_forbid_bare_newline";
    if !service.values.knows(name) {
        let text = format!(
            "this Postfix does not know {name}: strangers can smuggle in mail that passed another server's checks"
        );
        return Some(Found::warning(text, "update it: 3.5.23, 3.6.13, 3.7.9, 3.8.4 and 3.9.0 know it"));
    }
    (service.values.get(name).eq_ignore_ascii_case("no")).then(|| {
        let text = format!("{name} = no: strangers can smuggle in mail that passed another server's checks");
        Found::warning(text, service.line(name, "yes"))
    })
}

/// Postfix ends a header at a NUL, in what it delivers too; no honest message has one.
pub(super) fn reject_characters(case: &Case<'_>, service: &Service) -> Option<Found> {
    let name = "message_reject_characters";
    let cleanup = case.settings.cleanup_of(service);
    let set = cleanup.get(name);
    let has_nul = ["\\0", "\\00", "\\000"].iter().any(|nul| {
        set.match_indices(nul).any(|(at, _)| {
            // "\012" is a line feed.
            let digits = set.get(at + 1..).unwrap_or_default();
            digits.chars().take(3).take_while(char::is_ascii_digit).all(|c| c == '0')
        })
    });
    let options = service.values.list("receive_override_options");
    if has_nul && options.contains(&"no_header_body_checks") {
        let text = format!("receive_override_options has no_header_body_checks, which switches {name} off");
        return Some(Found::warning(text, "take it out, or give the service a cleanup service of its own"));
    }
    (!has_nul).then(|| {
        let text =
            format!("{name} does not have \\0: Postfix cuts a header off at a NUL, and programs may read on");
        Found::warning(text, super::settings::main_line(name, "\\0"))
    })
}

/// "(Authenticated sender: anna)" in Received.
pub(super) fn authenticated_header(service: &Service) -> Option<Found> {
    let name = "smtpd_sasl_authenticated_header";
    service.values.is_yes(name).then(|| {
        let text = format!("{name} = yes: Received tells recipients the login, of send-as too");
        Found::warning(text, service.line(name, "no"))
    })
}

/// Postfix then mends addresses before we see them, and delivers them so.
pub(super) fn rewriting(service: &Service) -> Option<Found> {
    let name = "local_header_rewrite_clients";
    let clients = service.values.list(name);
    clients.contains(&"permit_sasl_authenticated").then(|| {
        Found::note(format!(
            "{name} has permit_sasl_authenticated: Postfix mends addresses in headers, and adds a From where there is none, \
             before this program judges them"
        ))
    })
}

/// What recipients are to see of a delegate.
const SENDER: &str = "Sender: Anna Adams <anna@example.org>";

/// Tables that take `Sender` out of messages, after we put it in.
pub(super) fn taken_away(case: &Case<'_>) -> Vec<Found> {
    let mut all = Vec::new();
    let cleanups = case.settings.running("cleanup").map(|cleanup| &cleanup.values);
    for values in cleanups {
        add(&mut all, case, values, "milter_header_checks");
        // They come before milters, but what a filter gives back passes them again.
        if case.settings.has_filters() {
            add(&mut all, case, values, "header_checks");
        }
    }
    for command in ["smtp", "lmtp"] {
        for service in case.settings.running(command) {
            add(&mut all, case, &service.values, &format!("{command}_header_checks"));
        }
    }
    all
}

fn add(all: &mut Vec<Found>, case: &Case<'_>, values: &Values, name: &str) {
    for table in words(values.get(name)) {
        let found = taken_by(case, name, table);
        all.extend(found.filter(|found| !all.contains(found)));
    }
}

fn taken_by(case: &Case<'_>, name: &str, table: &str) -> Option<Found> {
    match case.world.lookup(table, SENDER) {
        Ok(Some(result)) => {
            let action = result.split_ascii_whitespace().next().unwrap_or_default().to_ascii_uppercase();
            let harmless = ["DUNNO", "INFO", "WARN", "PREPEND", "FILTER", "OK"];
            (!harmless.contains(&action.as_str())).then(|| {
                let text = format!(
                    "{name}: {table} says {action} to Sender: recipients do not see who sent it for whom"
                );
                Found::warning(text, "leave Sender alone in that table")
            })
        }
        Ok(None) => None,
        Err(error) => {
            Some(Found::note(format!("{name}: whether {table} takes Sender away is not known: {error}")))
        }
    }
}
