//! Who may do what for whom: entries, grants, identities, and what becomes of each grant.
//!
//! Plain values, filled from the directory. [`Facts`] is all that a decision knows of the world; [`Entry::primary`]
//! and [`relation`] are the rules of the specification's sections "Who may send" and "The directory".

use std::fmt;
use std::sync::Arc;

use crate::address::{Address, AddressRules, Pattern};
use crate::dn::Dn;

/// A right that a principal's entry can grant.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Right {
    /// Recipients see the principal and nothing of the delegate; an administrator's to give.
    SendAs,
    /// Recipients see both; the principal's own to give.
    SendOnBehalf,
    /// Scheduling mail only, shown as on behalf; the principal's own to give.
    Schedule,
}

impl Right {
    /// The name by which administrators call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SendAs => "send-as",
            Self::SendOnBehalf => "send-on-behalf",
            Self::Schedule => "schedule",
        }
    }

    /// Whether it counts only where delegation is enabled.
    fn needs_enabled(self) -> bool {
        match self {
            Self::SendAs => false,
            Self::SendOnBehalf | Self::Schedule => true,
        }
    }
}

/// A delegate, in whichever form the grant's value names it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Delegate {
    /// The entry with this name.
    Dn(Dn),
    /// The person or security group with this primary address.
    Address(Address),
    /// The person with this login.
    Login(String),
}

impl Delegate {
    /// Reads a grant's value by its form: a distinguished name, a mail address, or else a login.
    pub fn parse(value: &str) -> Self {
        let value = value.trim();
        match (Dn::parse(value), Address::parse(value)) {
            (Ok(dn), _) if dn.depth() > 0 => Self::Dn(dn),
            (_, Ok(address)) => Self::Address(address),
            (_, Err(_)) => Self::Login(value.to_owned()),
        }
    }

    /// Whether `entry` is the one named.
    pub fn names(&self, entry: &Entry) -> bool {
        match self {
            Self::Dn(dn) => *dn == entry.dn,
            Self::Address(address) => entry.primary() == Some(address),
            Self::Login(login) => entry.logins.iter().any(|own| own.eq_ignore_ascii_case(login)),
        }
    }
}

impl fmt::Display for Delegate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dn(dn) => write!(f, "{dn}"),
            Self::Address(address) => write!(f, "<{address}>"),
            Self::Login(login) => f.write_str(login),
        }
    }
}

/// One value of one of the principal's grant attributes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grant {
    /// What it allows.
    pub right: Right,
    /// Whom it names.
    pub delegate: Delegate,
}

/// An entry of the directory, as far as we read it: a person, a shared mailbox or a group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Its name.
    pub dn: Dn,
    /// `displayName`, else `cn`; as the directory has it.
    pub name: Option<String>,
    /// The values of the address attributes, the primary first.
    pub mail: Vec<Address>,
    /// The values of the alias attributes.
    pub aliases: Vec<Address>,
    /// The values of the login attributes, if it is a person; nothing else logs in, or is a member by its login.
    pub logins: Vec<String>,
    /// `delegationEnabled`, where it says something.
    pub enabled: Option<bool>,
    /// What it grants to others.
    pub grants: Vec<Grant>,
}

impl Entry {
    /// The primary address; an entry that has aliases alone is known by the first of them.
    pub fn primary(&self) -> Option<&Address> {
        self.addresses().next()
    }

    /// Every address that it owns, the primary first.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> + Clone {
        self.mail.iter().chain(&self.aliases)
    }

    /// Whether the address, as it stands, is one of its own. LDAP's matching is looser than ours; this is what counts.
    pub fn has(&self, address: &Address) -> bool {
        self.addresses().any(|own| own == address)
    }
}

/// A login that the configuration defines, besides or instead of an entry: a scanner, a ticket system.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// The login, as it arrives in `{auth_authen}`.
    pub login: String,
    /// Addresses that count as its own.
    pub may_send: Vec<Pattern>,
    /// Addresses that it may use as envelope sender besides.
    pub envelope: Vec<Pattern>,
    /// Whether its messages are only watched; without it, `policy.mode` says.
    pub mode: Option<Mode>,
}

impl Account {
    /// Whether the address, as it stands, is its own.
    fn owns(&self, address: &Address) -> bool {
        self.may_send.iter().any(|pattern| pattern.matches(address))
    }

    /// The addresses that it may send from, as far as they are named.
    fn addresses(&self) -> impl Iterator<Item = &Address> + Clone {
        self.may_send.iter().filter_map(|pattern| match pattern {
            Pattern::Address(address) => Some(address),
            Pattern::Any | Pattern::Domain(_) => None,
        })
    }
}

/// Whether verdicts are carried out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// They are.
    Enforce,
    /// They are logged, and every message passes unchanged.
    Observe,
}

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

/// A security group that the submitter is in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Membership {
    /// The group.
    pub group: Arc<Entry>,
    /// The group through which it is, as an index into the same list, where that is known; none for the entry's
    /// own groups.
    pub through: Option<usize>,
}

/// Who authenticated.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Submitter {
    /// The login as it arrived in `{auth_authen}`.
    pub login: String,
    /// Its entry.
    pub entry: Option<Arc<Entry>>,
    /// Its `[[account]]`.
    pub account: Option<Arc<Account>>,
    /// The security groups that it is in, directly or through security groups alone.
    pub groups: Vec<Membership>,
}

impl Submitter {
    /// Whether anything is known of the login.
    pub fn is_known(&self) -> bool {
        self.entry.is_some() || self.account.is_some()
    }

    /// Its primary address: the one that it logs in with, else the entry's, else the account's first.
    pub fn primary(&self) -> Option<&Address> {
        let login = Address::parse(&self.login).ok();
        let entry = self.entry.as_deref();
        let typed = entry.and_then(|entry| entry.mail.iter().find(|own| Some(*own) == login.as_ref()));
        typed.into_iter().chain(self.named()).next()
    }

    /// The addresses that could stand for it, the primary first.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> + Clone {
        self.primary().into_iter().chain(self.named())
    }

    /// The addresses of its entry, then those of its account.
    fn named(&self) -> impl Iterator<Item = &Address> + Clone {
        let account = self.account.iter().flat_map(|account| account.addresses());
        self.entry.iter().flat_map(|entry| entry.addresses()).chain(account)
    }

    /// Whether the address, as it stands, is one of its own.
    fn owns(&self, address: &Address) -> bool {
        self.entry.as_ref().is_some_and(|entry| entry.has(address))
            || self.account.as_ref().is_some_and(|account| account.owns(address))
    }

    /// The domains of its own addresses.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        let entry = self.entry.iter().flat_map(|entry| entry.addresses()).map(Address::domain);
        let patterns = self.account.iter().flat_map(|account| &account.may_send);
        entry.chain(patterns.filter_map(|pattern| match pattern {
            Pattern::Any => None,
            Pattern::Domain(domain) => Some(domain.as_ref()),
            Pattern::Address(address) => Some(address.domain()),
        }))
    }

    /// The entries whose grants are the submitter's: its own, and its security groups.
    pub fn identities(&self) -> impl Iterator<Item = &Entry> {
        self.entry
            .as_deref()
            .into_iter()
            .chain(self.groups.iter().map(|membership| membership.group.as_ref()))
    }
}

/// The entries that hold an address, for each address that was asked for.
#[derive(Clone, Debug, Default)]
pub struct Owners(Vec<(Address, Vec<Arc<Entry>>)>);

impl Owners {
    /// Notes which entries the directory has for any form of `address`.
    pub fn insert(&mut self, address: Address, entries: Vec<Arc<Entry>>) {
        self.0.push((address, entries));
    }

    /// What the directory has for `address`; none if it was never asked.
    pub fn get(&self, address: &Address) -> Option<&[Arc<Entry>]> {
        self.0.iter().find(|(asked, _)| asked == address).map(|(_, entries)| entries.as_slice())
    }
}

/// All that a decision knows of the world.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Who authenticated.
    pub submitter: Submitter,
    /// Who holds the addresses that the message names.
    pub owners: Owners,
}

/// What the submitter is to an address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Relation {
    /// It is one of the submitter's.
    Own,
    /// No entry has it.
    Unknown,
    /// It belongs to others, who granted these rights; perhaps none.
    Others(Others),
}

/// Somebody else's address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Others {
    /// The entries that hold it; at least one.
    pub principals: Vec<Arc<Entry>>,
    /// The rights that every one of them grants.
    pub rights: Rights,
}

/// A set of rights.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rights {
    /// [`Right::SendAs`]
    pub send_as: bool,
    /// [`Right::SendOnBehalf`]
    pub send_on_behalf: bool,
    /// [`Right::Schedule`]
    pub schedule: bool,
}

impl Rights {
    fn insert(&mut self, right: Right) {
        match right {
            Right::SendAs => self.send_as = true,
            Right::SendOnBehalf => self.send_on_behalf = true,
            Right::Schedule => self.schedule = true,
        }
    }

    fn intersect(self, other: Self) -> Self {
        Self {
            send_as: self.send_as && other.send_as,
            send_on_behalf: self.send_on_behalf && other.send_on_behalf,
            schedule: self.schedule && other.schedule,
        }
    }
}

/// What the submitter is to `address`, or none if the facts do not say who holds it.
///
/// The forms of the address are tried in order, and the first that anybody has decides: an entry that has
/// `anna+boss@…` itself takes it from `anna@…`, whether that is an entry's or an account's.
pub fn relation(
    address: &Address,
    facts: &Facts,
    addresses: &AddressRules,
    rules: &GrantRules,
) -> Option<Relation> {
    let submitter = &facts.submitter;
    if submitter.owns(address) {
        return Some(Relation::Own);
    }
    let forms = addresses.candidates(address);
    if forms.is_empty() {
        return Some(Relation::Unknown);
    }
    let entries = facts.owners.get(address)?;
    let of_form = |form| {
        if submitter.owns(form) {
            return Some(Relation::Own);
        }
        others(form, entries, submitter, rules).map(Relation::Others)
    };
    Some(forms.iter().find_map(of_form).unwrap_or(Relation::Unknown))
}

/// Those of the `entries` that have the address as it stands, and what all of them grant; none if none has it.
fn others(
    address: &Address,
    entries: &[Arc<Entry>],
    submitter: &Submitter,
    rules: &GrantRules,
) -> Option<Others> {
    let principals: Vec<_> = entries.iter().filter(|entry| entry.has(address)).cloned().collect();
    let rights = principals.iter().map(|principal| rights_for(principal, submitter, rules));
    let rights = rights.reduce(Rights::intersect)?;
    Some(Others { principals, rights })
}

/// The rights that one principal's entry gives to the submitter.
pub fn rights_for(principal: &Entry, submitter: &Submitter, rules: &GrantRules) -> Rights {
    let mut rights = Rights::default();
    for grant in &principal.grants {
        if matches!(standing(grant, principal, submitter, rules), Standing::Counts(_)) {
            rights.insert(grant.right);
        }
    }
    if let Some(right) = member_right(principal, submitter, rules) {
        rights.insert(right);
    }
    rights
}

/// The right that the submitter has as a member of the principal, a security group (`policy.group_members`).
pub fn member_right(principal: &Entry, submitter: &Submitter, rules: &GrantRules) -> Option<Right> {
    let right = rules.group_members?;
    let enabled = !right.needs_enabled() || rules.enabled(principal).0;
    (enabled && is_member(principal, submitter, rules)).then_some(right)
}

/// Whether the principal is a security group that the submitter is in.
pub fn is_member(principal: &Entry, submitter: &Submitter, rules: &GrantRules) -> bool {
    shares_context(principal, submitter, rules)
        && submitter.groups.iter().any(|membership| membership.group.dn == principal.dn)
}

/// Whether the submitter itself, whatever groups it is in, shares the principal's context.
fn shares_context(principal: &Entry, submitter: &Submitter, rules: &GrantRules) -> bool {
    submitter.entry.as_ref().is_some_and(|entry| rules.share_context(&entry.dn, &principal.dn))
}

/// What becomes of one grant when the submitter would use it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It counts, for this identity of the submitter.
    Counts(Dn),
    /// It names the principal itself: self-grants grant nothing.
    SelfGrant,
    /// It names neither the submitter nor a security group that the submitter is in.
    NotSubmitter,
    /// The principal does not share a context with the identity that is named, or not with the submitter.
    OtherContext,
    /// Delegation is not enabled for the principal, by this scope.
    Disabled(Scope),
}

/// What becomes of one of `principal`'s grants for the submitter.
pub fn standing(grant: &Grant, principal: &Entry, submitter: &Submitter, rules: &GrantRules) -> Standing {
    if grant.delegate.names(principal) {
        return Standing::SelfGrant;
    }
    // A login or an address may name several identities: any of them will do.
    let mut named = submitter.identities().filter(|identity| grant.delegate.names(identity)).peekable();
    if named.peek().is_none() {
        return Standing::NotSubmitter;
    }
    let mut within = named.filter(|identity| rules.share_context(&principal.dn, &identity.dn));
    let Some(identity) = within.next().filter(|_| shares_context(principal, submitter, rules)) else {
        return Standing::OtherContext;
    };
    match rules.enabled(principal) {
        (false, scope) if grant.right.needs_enabled() => Standing::Disabled(scope),
        (true | false, _) => Standing::Counts(identity.dn.clone()),
    }
}

#[cfg(test)]
#[path = "grant_tests.rs"]
mod tests;
