//! The table of what must hold for a service that takes logins and asks us, and the rules about the asking itself.

use super::milters::{Milter, Whose, whose};
use super::settings::{Service, time};
use super::{Case, Found, doors, headers, socket};

/// One rule: what it finds of a service, whose milters are these, we being the one at that place.
pub(super) type Rule = fn(&Case<'_>, &Service, &[Milter], usize) -> Vec<Found>;

/// All rules, in the order in which their findings are told.
pub(super) const RULES: [Rule; 19] = [
    |_, _, milters, ours| one(asked(milters, ours)),
    |case, service, milters, ours| one(asked_twice(case, service, milters, ours)),
    |_, service, _, _| one(switched_off(service)),
    |_, service, _, _| one(proxy_filter(service)),
    |_, service, _, _| one(milter_maps(service)),
    |_, service, milters, ours| with(milters, ours, |milter| default_action(service, milter)),
    |_, service, milters, ours| with(milters, ours, |milter| protocol(service, milter)),
    |case, service, milters, ours| with(milters, ours, |milter| content_timeout(case, service, milter)),
    |case, service, milters, ours| with(milters, ours, |milter| socket::can_be_opened(case, service, milter)),
    |case, service, _, _| one(doors::without_login(case, service)),
    |_, service, _, _| one(doors::xclient(service)),
    |_, service, _, _| one(doors::anonymous(service)),
    |_, service, _, _| one(doors::macro_defaults(service)),
    |case, service, _, _| one(doors::sender_login_maps(case, service)),
    |_, service, _, _| one(headers::bare_newline(service)),
    |case, service, _, _| one(headers::reject_characters(case, service)),
    |_, service, _, _| one(headers::authenticated_header(service)),
    |_, service, _, _| one(headers::rewriting(service)),
    |_, service, _, _| one(unknown_milters(service)),
];

fn one(found: Option<Found>) -> Vec<Found> {
    found.into_iter().collect()
}

fn with(milters: &[Milter], ours: usize, rule: impl FnOnce(&Milter) -> Option<Found>) -> Vec<Found> {
    one(milters.get(ours).and_then(rule))
}

/// Milters that sign or rewrite, by what their sockets are called where they come from: names and customary ports.
const SIGNERS: [(&str, &str); 9] = [
    ("opendkim", "OpenDKIM"),
    (":8891", "OpenDKIM"),
    (":12301", "OpenDKIM"),
    ("rspamd", "Rspamd"),
    (":11332", "Rspamd"),
    ("dkimpy", "dkimpy-milter"),
    (":8892", "dkimpy-milter"),
    ("dkim", "a DKIM signer"),
    ("openarc", "OpenARC"),
];

/// Milters change a message one after the other: what is signed before us no longer fits.
fn asked(milters: &[Milter], ours: usize) -> Option<Found> {
    let own = milters.get(ours)?;
    let before: Vec<&str> = milters.iter().take(ours).map(|milter| milter.endpoint.as_str()).collect();
    let signer = |endpoint: &&str| SIGNERS.iter().find(|(part, _)| endpoint.contains(part));
    let order = format!("put {} first in smtpd_milters", own.endpoint);
    if let Some((_, name)) = before.iter().find_map(signer) {
        let text = format!(
            "{name} is asked before this program: it signs Sender and From as they were before this program sets them"
        );
        return Some(Found::warning(text, format!("{order}, and the signer behind it")));
    }
    if before.is_empty() {
        return Some(Found::ok(format!("asks this program first, at {}", own.endpoint)));
    }
    let names = before.join(", ");
    Some(Found::note(format!("asks {names} before this program; {order} unless the others change nothing")))
}

fn asked_twice(case: &Case<'_>, service: &Service, milters: &[Milter], ours: usize) -> Option<Found> {
    let again = milters.iter().skip(ours + 1).any(|milter| whose(milter, service, case) == Whose::Ours);
    again.then(|| {
        let text =
            "smtpd_milters names this program twice: it judges its own changes, and refuses some of them";
        Found::warning(text, "leave the second one out")
    })
}

fn switched_off(service: &Service) -> Option<Found> {
    service.values.list("receive_override_options").contains(&"no_milters").then(|| {
        let text =
            "receive_override_options has no_milters: this program is not asked, and people write as anybody";
        Found::error(text, "take no_milters out of it")
    })
}

/// MILTER_README, "Limitations": before a proxy filter, milters see SMTP commands and nothing of the message.
fn proxy_filter(service: &Service) -> Option<Found> {
    let filter = service.values.get("smtpd_proxy_filter");
    (!filter.is_empty()).then(|| {
        let text =
            format!("smtpd_proxy_filter = {filter}: milters see no message here, so nothing is judged");
        Found::error(text, "use content_filter in its place")
    })
}

fn milter_maps(service: &Service) -> Option<Found> {
    let maps = service.values.get("smtpd_milter_maps");
    (!maps.is_empty()).then(|| {
        let text =
            format!("smtpd_milter_maps = {maps}: for clients in it, it counts in place of smtpd_milters");
        let own = service.own_line("smtpd_milter_maps", "");
        Found::warning(text, format!("make sure that it names this program for all who log in, or {own}"))
    })
}

/// What becomes of mail while we are away.
fn default_action(service: &Service, milter: &Milter) -> Option<Found> {
    let action = milter.setting("default_action", service).to_ascii_lowercase();
    let line = milter.line("default_action", "tempfail", service);
    let name = format!("milter_default_action = {action}");
    Some(match action.as_str() {
        "tempfail" => Found::ok(format!("{name}: clients try again while this program is away")),
        "accept" => {
            Found::error(format!("{name}: while this program is away, people write as anybody"), line)
        }
        "quarantine" => Found::warning(
            format!(
                "{name}: what comes while this program is away waits in the hold queue, and is never judged"
            ),
            line,
        ),
        "reject" => {
            Found::warning(format!("{name}: while this program is away, mail is refused for good"), line)
        }
        _ => Found::warning(format!("{name} is nothing that this program knows"), line),
    })
}

/// From version 6 on we ask for the login by name; before, it comes only if it is in Postfix's own list.
fn protocol(service: &Service, milter: &Milter) -> Option<Found> {
    let version = milter.setting("protocol", service);
    if version.split([' ', ',']).any(|word| word == "6") {
        return None;
    }
    let line = milter.line("protocol", "6", service);
    if !service.values.get("milter_mail_macros").contains("auth_authen") {
        let text = format!(
            "milter_protocol = {version}, and milter_mail_macros does not have {{auth_authen}}: this program hears of no \
             login, and all mail passes as mail without one"
        );
        return Some(Found::error(text, line));
    }
    let text = format!(
        "milter_protocol = {version}: this program is made for version 6; what Postfix does not take before is deferred"
    );
    Some(Found::warning(text, line))
}

/// Only the end of the header and of the message wait for the directory; commands (`milter_command_timeout`) never do.
fn content_timeout(case: &Case<'_>, service: &Service, milter: &Milter) -> Option<Found> {
    let given = milter.setting("content_timeout", service);
    let longest = case.ours.longest?;
    (time(given)? <= longest).then(|| {
        let most = longest.as_secs();
        let text = format!(
            "milter_content_timeout = {given}: a slow directory may take {most}s until this program answers, and Postfix \
             gives it up before"
        );
        Found::warning(text, milter.line("content_timeout", "300s", service))
    })
}

/// A milter that Postfix cannot speak to is one that is away, for ever.
fn unknown_milters(service: &Service) -> Option<Found> {
    let milters = Milter::list(service.values.get("smtpd_milters"));
    let known =
        |milter: &&Milter| ["inet:", "unix:", "local:"].iter().any(|kind| milter.endpoint.starts_with(kind));
    let unknown = milters.iter().find(|milter| !known(milter))?;
    let text =
        format!("smtpd_milters has {}, which begins with none of inet:, unix:, local:", unknown.endpoint);
    Some(Found::error(text, "write the others as they are documented, with one of these"))
}
