//! Who passes without having proven a login of its own, and who is stopped before we are asked.

use super::settings::{Service, main_line};
use super::{Case, Found};
use crate::policy::Choice;

/// The lists of restrictions that mail passes before its data.
const LISTS: [&str; 5] = [
    "smtpd_client_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
];

/// What lets somebody without a login pass the rest of a list.
const PERMITS: [&str; 10] = [
    "permit",
    "permit_auth_destination",
    "permit_dnswl_client",
    "permit_inet_interfaces",
    "permit_mx_backup",
    "permit_mynetworks",
    "permit_naked_ip_address",
    "permit_rhswl_client",
    "permit_tls_all_clientcerts",
    "permit_tls_clientcerts",
];

/// What lets this machine and its neighbours pass, and nobody else.
const LOCAL: [&str; 2] = ["permit_inet_interfaces", "permit_mynetworks"];

/// Whether a list turns everybody away who did not log in, or everybody but some. What a table says is not known; it
/// seldom permits all.
fn turns_away(list: &[&str], but: &[&str]) -> bool {
    let rejects = |word: &str| matches!(word, "reject" | "defer");
    let ends = |word: &str| rejects(word) || (PERMITS.contains(&word) && !but.contains(&word));
    let mut before = "";
    let end = list.iter().find(|word| {
        // postconf(5): it makes a warning of the restriction behind it.
        let counts = before != "warn_if_reject" || !rejects(word);
        before = word;
        counts && ends(word)
    });
    end.is_some_and(|word| rejects(word))
}

/// The lists that nobody gets around: who sends no HELO is not asked about it (postconf(5), `smtpd_helo_required`).
fn enforced(service: &Service) -> Vec<Vec<&str>> {
    let asked =
        |name: &&&str| **name != "smtpd_helo_restrictions" || service.values.is_yes("smtpd_helo_required");
    LISTS.iter().filter(asked).map(|name| service.values.restrictions(name)).collect()
}

/// Mail without a login is not judged: whoever may send it writes as anybody.
pub(super) fn without_login(case: &Case<'_>, service: &Service) -> Option<Found> {
    if case.ours.unauthenticated == Choice::Refuse {
        return Some(Found::ok("unauthenticated = \"refuse\": nothing passes without a login"));
    }
    let lists = enforced(service);
    if lists.iter().any(|list| turns_away(list, &[])) {
        return Some(Found::ok("nothing passes without a login"));
    }
    let networks = service.values.get("mynetworks");
    let local = lists.iter().any(|list| list.contains(&"permit_mynetworks"));
    if service.is_for_the_internet() {
        let text = format!(
            "mail without a login is not judged, and hosts in mynetworks ({networks}) send it anywhere"
        );
        return local.then(|| Found::note(text));
    }
    let others = !lists.iter().any(|list| turns_away(list, &LOCAL));
    let whom = [
        local.then(|| {
            format!("permit_mynetworks: hosts in mynetworks ({networks}) write as anybody to anywhere")
        }),
        others.then(|| "whoever connects writes as anybody to people here".to_owned()),
    ];
    let whom = whom.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let line = service.own_line("smtpd_client_restrictions", "permit_sasl_authenticated,reject");
    Some(Found::warning(format!("no login is needed; {whom}"), line))
}

/// XCLIENT_README: LOGIN= is taken at its word.
pub(super) fn xclient(service: &Service) -> Option<Found> {
    let hosts = service.values.get("smtpd_authorized_xclient_hosts");
    (!hosts.is_empty()).then(|| {
        let text = format!(
            "smtpd_authorized_xclient_hosts = {hosts}: whoever connects from there may claim any login, and write as \
             anybody"
        );
        let advice = "name none but those that check passwords themselves and let nobody else connect from there";
        Found::warning(text, advice)
    })
}

/// SASL_README: without it, the mechanism ANONYMOUS counts as a login.
pub(super) fn anonymous(service: &Service) -> Option<Found> {
    let names = ["smtpd_sasl_security_options", "smtpd_sasl_tls_security_options"];
    let lacks = |name: &&str| !service.values.list(name).contains(&"noanonymous");
    let name = names.into_iter().find(|name| lacks(name))?;
    let text = format!("{name} does not have noanonymous: whoever connects may be logged in");
    Some(Found::warning(text, service.line(name, "noanonymous")))
}

/// A default takes the place of what is not there: a login, for mail without one.
pub(super) fn macro_defaults(service: &Service) -> Option<Found> {
    let defaults = service.values.get("milter_macro_defaults");
    defaults.contains("auth_authen").then(|| {
        let text = format!("milter_macro_defaults = {defaults}: mail without a login counts as that login's");
        Found::error(text, "take auth_authen out of it")
    })
}

/// They look at MAIL FROM alone, and know nothing of who may write for whom.
pub(super) fn sender_login_maps(case: &Case<'_>, service: &Service) -> Option<Found> {
    const REFUSING: [&str; 3] = [
        "reject_sender_login_mismatch",
        "reject_authenticated_sender_login_mismatch",
        "reject_known_sender_login_mismatch",
    ];
    let found = LISTS.iter().find_map(|list| {
        let restrictions = service.values.restrictions(list);
        restrictions.into_iter().find(|word| REFUSING.contains(word)).map(|word| (*list, word))
    });
    match (found, case.ours.envelope_check) {
        (Some((list, word)), checks) => {
            let text = format!(
                "{list} has {word}: a delegate whose program writes MAIL FROM:<boss@...> is refused before this program is \
                 asked"
            );
            let whole = "leave it out, for envelope.check holds MAIL FROM to what the directory grants";
            let part = "leave it out, and set envelope.check = true, which holds MAIL FROM to what the directory grants";
            Some(Found::warning(text, if checks { whole } else { part }))
        }
        (None, false) => {
            let text = "nobody looks at MAIL FROM: envelope.check = false, and no restriction compares it with the login";
            let line = main_line("smtpd_sender_restrictions", "reject_authenticated_sender_login_mismatch");
            Some(Found::warning(
                text,
                format!("set envelope.check = true; or {line}, with smtpd_sender_login_maps"),
            ))
        }
        (None, true) => None,
    }
}
