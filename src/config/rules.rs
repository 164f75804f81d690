//! What decides: `[policy]`, `[envelope]`, `[sent_copy]`, `[delegation]`, `[[context]]`, `[domain_aliases]`.

use super::directory::DirectoryConfig;
use super::table::Table;
use super::value::{DELIMITERS, DOMAIN};
use crate::address::AddressRules;
use crate::dn::Dn;
use crate::grant::{DecidedBy, GrantRules, Right};
use crate::policy::{Choice, EnvelopeRules, OnBehalfDisplay, Prefer, Return, Rules};

/// The values of every key that lets something pass or not.
pub(super) const CHOICES: [(&str, Choice); 2] = [("accept", Choice::Accept), ("refuse", Choice::Refuse)];

/// `policy.recipient_delimiter`, as most sites have it in Postfix.
const DELIMITER: &str = "+";

/// The values of `policy.group_members`.
const GROUP_MEMBERS: [(&str, Option<Right>); 3] =
    [("none", None), ("send-on-behalf", Some(Right::SendOnBehalf)), ("send-as", Some(Right::SendAs))];

/// The values of `delegation.decided_by`.
const DECIDED_BY: [(&str, DecidedBy); 3] =
    [("principal", DecidedBy::Principal), ("context", DecidedBy::Context), ("server", DecidedBy::Server)];

/// The values of `policy.on_behalf_display`.
const ON_BEHALF_DISPLAY: [(&str, OnBehalfDisplay); 2] =
    [("none", OnBehalfDisplay::None), ("name", OnBehalfDisplay::Name)];

/// `directory` is none if it was wrong: what depends on it is then not checked.
pub(super) fn read(root: &Table<'_>, directory: Option<&DirectoryConfig>) -> Rules {
    let policy = root.table("policy");
    let choice = |key| policy.choice(key, &CHOICES).unwrap_or(Choice::Refuse);
    let prefer =
        policy.choice("prefer", &[("send-on-behalf", Prefer::SendOnBehalf), ("send-as", Prefer::SendAs)]);
    let preset = directory.map_or(Prefer::SendOnBehalf, |directory| directory.schema.prefer);
    let on_behalf_display = policy.choice("on_behalf_display", &ON_BEHALF_DISPLAY);
    Rules {
        addresses: addresses(root, &policy),
        grants: grants(root, &policy, directory.and_then(|directory| directory.base_dn.as_ref())),
        prefer: prefer.unwrap_or(preset),
        unknown_author: choice("unknown_author"),
        unknown_submitter: choice("unknown_submitter"),
        redirect: choice("redirect"),
        display_name_address: choice("display_name_address"),
        local_domains: policy.list("local_domains", &DOMAIN).unwrap_or_default(),
        on_behalf_display: on_behalf_display.unwrap_or(OnBehalfDisplay::None),
        envelope: envelope(&root.table("envelope")),
        sent_copy: super::sent_copy::read(&root.table("sent_copy")),
        scheduling: super::scheduling::read(&root.table("scheduling")),
    }
}

fn envelope(table: &Table<'_>) -> EnvelopeRules {
    let on_behalf =
        [("keep", Return::Keep), ("delegate", Return::Delegate), ("principal", Return::Principal)];
    // Not the delegate: with send-as, recipients see nothing of it.
    let send_as = [("principal", Return::Principal), ("keep", Return::Keep)];
    EnvelopeRules {
        check: table.flag("check").unwrap_or(true),
        on_behalf: table.choice("on_behalf", &on_behalf).unwrap_or(Return::Keep),
        send_as: table.choice("send_as", &send_as).unwrap_or(Return::Principal),
    }
}

fn addresses(root: &Table<'_>, policy: &Table<'_>) -> AddressRules {
    let delimiters = policy.text("recipient_delimiter", &DELIMITERS).unwrap_or_else(|| DELIMITER.to_owned());
    let aliases = super::aliases::read(&root.table("domain_aliases"));
    AddressRules::new(&delimiters, aliases.iter().map(|(alias, domain)| (alias.as_str(), domain.as_str())))
        .unwrap_or_default()
}

fn grants(root: &Table<'_>, policy: &Table<'_>, base_dn: Option<&Dn>) -> GrantRules {
    let delegation = root.table("delegation");
    GrantRules {
        enabled: delegation.flag("enabled").unwrap_or(false),
        decided_by: delegation.choice("decided_by", &DECIDED_BY).unwrap_or(DecidedBy::Principal),
        contexts: super::contexts::read(root, base_dn),
        group_members: policy.choice("group_members", &GROUP_MEMBERS).flatten(),
    }
}
