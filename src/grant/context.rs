//! Contexts (tenants), and where delegation is enabled: `[[context]]` and `[delegation]`.

use super::{Entry, Right};
use crate::dn::Dn;

/// A tenant: a subtree of the directory that grants never leave.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Context {
    /// Its name in the configuration.
    pub name: String,
    /// The subtree.
    pub base: Dn,
    /// Realms of logins and domains of addresses that are looked up in this subtree, in canonical form.
    pub domains: Vec<String>,
    /// Whether delegation is enabled here, where it says something.
    pub enabled: Option<bool>,
}

/// Which scope has the last word on whether delegation is enabled: it and those above it are heard.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DecidedBy {
    /// The server alone.
    Server,
    /// The principal's context, else the server.
    Context,
    /// The principal, else its context, else the server.
    Principal,
}

/// What the configuration says of grants: `[delegation]`, `[[context]]`, `policy.group_members`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GrantRules {
    /// `delegation.enabled`
    pub enabled: bool,
    /// `delegation.decided_by`
    pub decided_by: DecidedBy,
    /// `[[context]]`; none means that the whole directory is one.
    pub contexts: Vec<Context>,
    /// The right that members of a security group have for the group's own address.
    pub group_members: Option<Right>,
}

/// Where an entry stands among the contexts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// No contexts are configured: all entries share one.
    Undivided,
    /// In the context with this index.
    In(usize),
    /// Contexts are configured, and it is in none.
    Outside,
}

impl GrantRules {
    /// The place of an entry: the most specific context that it is in.
    pub fn place(&self, dn: &Dn) -> Place {
        if self.contexts.is_empty() {
            return Place::Undivided;
        }
        let within = self.contexts.iter().enumerate().filter(|(_, context)| dn.is_within(&context.base));
        match within.max_by_key(|(_, context)| context.base.depth()) {
            Some((index, _)) => Place::In(index),
            None => Place::Outside,
        }
    }

    /// Whether two entries can have anything to do with each other.
    pub fn share_context(&self, a: &Dn, b: &Dn) -> bool {
        let place = self.place(a);
        place != Place::Outside && place == self.place(b)
    }

    /// The subtree in which a realm or an address domain is looked up, if one context claims it.
    pub fn base_for(&self, domain: &str) -> Option<&Dn> {
        let claims = |context: &&Context| context.domains.iter().any(|own| own.eq_ignore_ascii_case(domain));
        self.contexts.iter().find(claims).map(|context| &context.base)
    }

    /// Whether the principal's own grants (send-on-behalf, schedule) count, and which scope said so.
    pub fn enabled(&self, principal: &Entry) -> (bool, Scope) {
        let context = match self.place(&principal.dn) {
            Place::In(index) => self.contexts.get(index).and_then(|context| context.enabled),
            Place::Undivided | Place::Outside => None,
        };
        let heard = match self.decided_by {
            DecidedBy::Server => (None, None),
            DecidedBy::Context => (None, context),
            DecidedBy::Principal => (principal.enabled, context),
        };
        match heard {
            (Some(enabled), _) => (enabled, Scope::Principal),
            (None, Some(enabled)) => (enabled, Scope::Context),
            (None, None) => (self.enabled, Scope::Server),
        }
    }
}

/// A scope that says whether delegation is enabled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// `delegationEnabled` of the principal's entry.
    Principal,
    /// `enabled` of its `[[context]]`.
    Context,
    /// `delegation.enabled`.
    Server,
}
