//! Whether everybody else is kept from the addresses of copies (`contrib/dovecot/README.md`).

use super::settings::Service;
use super::{Case, Found};

const README: &str = "see contrib/dovecot/README.md; write, in main.cf: smtpd_recipient_restrictions = \
                      $sent_copy_fence, and what is there now";

/// Looks at each service to which somebody may send, where there are copies at all.
pub(super) fn look(case: &Case<'_>) -> Vec<Found> {
    if case.ours.copies.is_none() {
        return Vec::new();
    }
    let services = case.settings.running("smtpd").filter(|service| !case.settings.is_given_back_to(service));
    let open: Vec<_> =
        services.filter_map(|service| hole(case, service).map(|hole| (service.label(), hole))).collect();
    if open.is_empty() {
        return vec![Found::ok("nobody else can send to the addresses of copies (sent_copy.address)")];
    }
    let found = |(label, hole)| {
        Found::warning(format!("{label}: anybody can write to the addresses of copies: {hole}"), README)
    };
    open.into_iter().map(found).collect()
}

/// Why a service lets people write to the addresses of copies; none if it does not.
fn hole(case: &Case<'_>, service: &Service) -> Option<String> {
    let list = service.values.restrictions("smtpd_recipient_restrictions");
    let [first, table, ..] = list.as_slice() else {
        return Some("smtpd_recipient_restrictions is empty".to_owned());
    };
    if *first != "check_recipient_access" {
        return Some(format!("smtpd_recipient_restrictions begins with {first}"));
    }
    let addresses = domains(case, service);
    let mut addresses = addresses.iter().filter_map(|domain| case.ours.copy_address(domain));
    addresses.find_map(|address| passes(case, table, &address))
}

/// Why a table lets an address pass. What cannot be asked is taken for what README.md says it is.
fn passes(case: &Case<'_>, table: &str, address: &str) -> Option<String> {
    let result = case.world.lookup(table, address).ok()?.unwrap_or_default();
    let refused = result.starts_with(['4', '5']) || result.to_ascii_uppercase().starts_with("REJECT");
    (!refused).then(|| format!("{table} does not refuse {address}"))
}

/// The domains of which Postfix or we know that their mail is stored here, where they stand in the settings themselves.
fn domains(case: &Case<'_>, service: &Service) -> Vec<String> {
    let mut domains = case.ours.local_domains.clone();
    for name in ["virtual_mailbox_domains", "mydestination"] {
        let words = service.values.list(name);
        let plain = words.iter().filter(|word| !word.contains([':', '/', '!']) && word.contains('.'));
        domains.extend(plain.map(|word| (*word).to_owned()));
    }
    domains
}
