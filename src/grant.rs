//! Who may do what for whom: entries, grants, identities, and what becomes of each grant.
//!
//! Plain values, filled from the directory. [`Facts`] is all that a decision knows of the world; [`Entry::primary`]
//! and [`relation`] are the rules of the specification's sections "Who may send" and "The directory".

use std::fmt;
use std::sync::Arc;

use crate::address::{Address, AddressRules};
use crate::dn::Dn;

mod context;
mod owners;
mod rights;
mod security;
mod sid;
mod submitter;
mod texts;

pub use context::{Context, DecidedBy, GrantRules, Place, Scope};
pub use owners::Owners;
pub use rights::{Delegates, Rights};
pub use security::{Security, Trustee};
pub use sid::{Sid, SidError};
pub use submitter::{Account, Mode, Person, Submitter};
pub use texts::Texts;

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
    pub fn needs_enabled(self) -> bool {
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
    /// The person with this number, as [`number`] has it.
    Number(String),
    /// The person or security group of an access control entry.
    Trustee(Trustee),
}

/// A number that stands for a person (`uidNumber`, RFC 2307 section 2.2): digits, here without zeros in front; none if
/// it is something else.
pub fn number(text: &str) -> Option<String> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| match text.trim_start_matches('0') {
        "" => "0".to_owned(),
        digits => digits.to_owned(),
    })
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
            Self::Login(login) => entry.logins().any(|own| own.eq_ignore_ascii_case(login)),
            Self::Number(number) => entry.numbers.contains(number),
            Self::Trustee(trustee) => entry.sid() == Some(&trustee.sid),
        }
    }
}

impl fmt::Display for Delegate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dn(dn) => write!(f, "{dn}"),
            Self::Address(address) => write!(f, "<{address}>"),
            Self::Login(login) => f.write_str(login),
            Self::Number(number) => write!(f, "number {number}"),
            Self::Trustee(trustee) => write!(f, "{}", trustee.sid),
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
    pub name: Option<Box<str>>,
    /// The values of the address attributes, the primary first.
    pub mail: Box<[Address]>,
    /// The values of the alias attributes, in the same order.
    pub aliases: Box<[Address]>,
    /// The values of the login attributes, if it is a person; nothing else logs in, or is a member by its login. Without
    /// those that are its `mail`, where they come last: see [`Self::logins`].
    pub logins_but_mail: Texts,
    /// Whether its `mail` follows among its logins, as mostly: most memory of a person is texts.
    pub mail_logs_in: bool,
    /// The numbers that stand for it in grants, if it is a person.
    pub numbers: Texts,
    /// Whether it is a group, which receives mail for others: a security group or a distribution list.
    pub is_group: bool,
    /// `delegationEnabled`, where it says something.
    pub enabled: Option<bool>,
    /// What it grants to others.
    pub grants: Box<[Grant]>,
    /// Its access control, where the directory has it.
    pub security: Option<Box<Security>>,
}

impl Entry {
    /// The primary address; an entry that has aliases alone is known by the first of them.
    pub fn primary(&self) -> Option<&Address> {
        self.addresses().next()
    }

    /// The values of the login attributes, if it is a person.
    pub fn logins(&self) -> impl Iterator<Item = &str> + Clone {
        let mail = self.mail.iter().filter(|_| self.mail_logs_in).map(Address::unquoted);
        self.logins_but_mail.iter().chain(mail)
    }

    /// Every address that it owns, the primary first.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> + Clone {
        self.mail.iter().chain(&self.aliases)
    }

    /// Whether it is the same to the letter, and not only to whom case and spacing mean nothing.
    pub(crate) fn is_written_as(&self, other: &Self) -> bool {
        fn texts(entry: &Entry) -> impl Iterator<Item = String> {
            let addresses = entry.addresses().map(Address::to_string);
            addresses.chain(entry.grants.iter().map(|grant| grant.delegate.to_string()))
        }
        self == other && self.dn.as_str() == other.dn.as_str() && texts(self).eq(texts(other))
    }

    /// Whether the address, as it stands, is one of its own. LDAP's matching is looser than ours; this is what counts.
    pub fn has(&self, address: &Address) -> bool {
        self.addresses().any(|own| own == address)
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
    /// To whom the first of them grants its rights.
    pub delegates: Delegates,
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
    let mut each = principals.iter().map(|principal| delegates_for(principal, submitter, rules));
    let delegates = each.next()?;
    let rights = each.map(|delegates| delegates.rights()).fold(delegates.rights(), Rights::intersect);
    Some(Others { principals, rights, delegates })
}

/// The rights that one principal's entry gives to the submitter.
pub fn rights_for(principal: &Entry, submitter: &Submitter, rules: &GrantRules) -> Rights {
    delegates_for(principal, submitter, rules).rights()
}

/// The same, with the identities that they are given to.
fn delegates_for(principal: &Entry, submitter: &Submitter, rules: &GrantRules) -> Delegates {
    let mut delegates = Delegates::default();
    let identities = submitter::Names::of(submitter, principal.grants.len());
    for grant in principal.grants.iter().filter(|grant| identities.may_have(&grant.delegate)) {
        if let Standing::Counts(identity) = standing(grant, principal, submitter, rules) {
            delegates.insert(grant.right, identity);
        }
    }
    if let Some(right) = member_right(principal, submitter, rules) {
        delegates.insert(right, principal.dn.clone());
    }
    delegates
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
        && submitter.groups.iter().any(|group| group.dn == principal.dn)
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
    /// The principal denies the same to whom this names: the submitter, a group that it is in, or everybody.
    Denied(Sid),
    /// The directory does not show by what this entry, the submitter's or a group's, could be denied the same.
    Unidentified(Dn),
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
    if let Delegate::Trustee(trustee) = &grant.delegate
        && let Some(standing) = withheld(trustee, principal, submitter)
    {
        return standing;
    }
    match rules.enabled(principal) {
        (false, scope) if grant.right.needs_enabled() => Standing::Disabled(scope),
        (true | false, _) => Standing::Counts(identity.dn.clone()),
    }
}

/// Why what an access control entry allows does not count, if it does not.
fn withheld(allowed: &Trustee, principal: &Entry, submitter: &Submitter) -> Option<Standing> {
    if let Some(entry) = submitter.unidentified() {
        return Some(Standing::Unidentified(entry.dn.clone()));
    }
    submitter.denial(principal, allowed).cloned().map(Standing::Denied)
}

#[cfg(test)]
mod tests;
