//! What a decision asks of the directory: the person behind a login, and the owners of an address.
//!
//! [`Lookup`] is what messages ask. [`Resolver`] answers from a [`Directory`] by the rules of the site: realms,
//! contexts, forms of addresses, nested groups. Whatever remembers answers stands in front of it and asks the same.

use std::future::Future;
use std::sync::Arc;

use crate::address::{Address, AddressRules};
use crate::directory::{Directory, Failure, MEMBERS_A_SEARCH, Membership, security_groups};
use crate::dn::Dn;
use crate::grant::{Entry, GrantRules, Person};

/// The entries that hold an address, in any of its forms.
pub type Holders = Arc<[Arc<Entry>]>;

/// The two questions that messages raise.
pub trait Lookup: Send + Sync {
    /// Who logs in as `login` (the macro `{auth_authen}`); none if nobody does.
    fn person(&self, login: &str) -> impl Future<Output = Result<Option<Person>, Failure>> + Send;

    /// The principals that hold any form of the address; empty if there is none.
    fn owners(&self, address: &Address) -> impl Future<Output = Result<Holders, Failure>> + Send;

    /// Says that [`Self::person`] will soon be asked for this login. Whoever remembers answers may begin to look it up; must
    /// return at once.
    fn expect(&self, login: &str) {
        let _ = login;
    }
}

/// Under which names logins and addresses are looked up.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Forms {
    /// `directory.realms`
    pub realms: Vec<String>,
    /// The forms of addresses: `policy.recipient_delimiter` and `[domain_aliases]`.
    pub addresses: AddressRules,
}

impl Forms {
    /// The login without its realm, if that is listed.
    pub fn login<'a>(&self, login: &'a str) -> &'a str {
        let listed = |realm: &str| self.realms.iter().any(|own| own.eq_ignore_ascii_case(realm));
        match login.rsplit_once('@') {
            Some((name, realm)) if listed(realm) => name,
            Some(_) | None => login,
        }
    }
}

/// What the configuration says of looking up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LookupRules {
    /// The names that are looked up.
    pub forms: Forms,
    /// `directory.group_depth`
    pub group_depth: usize,
    /// The subtrees: `[[context]]`.
    pub grants: GrantRules,
}

/// Looks up in a directory, each time anew.
#[derive(Debug)]
pub struct Resolver<D> {
    /// Who answers.
    pub directory: D,
    rules: LookupRules,
}

impl<D: Directory> Lookup for Resolver<D> {
    async fn person(&self, login: &str) -> Result<Option<Person>, Failure> {
        let Some(entry) = self.entry(login).await? else { return Ok(None) };
        let groups = self.groups(&entry).await?;
        Ok(Some(Person { entry, groups }))
    }

    async fn owners(&self, address: &Address) -> Result<Holders, Failure> {
        let forms = self.rules.forms.addresses.candidates(address);
        if forms.is_empty() {
            return Ok(Holders::default());
        }
        Ok(self.directory.by_address(&forms, self.base_of(&forms)).await?.into())
    }
}

impl<D: Directory> Resolver<D> {
    /// A directory under these rules.
    pub fn new(directory: D, rules: LookupRules) -> Self {
        Self { directory, rules }
    }

    /// The person behind a login, and for each of its groups the one through which it is in it, as
    /// [`Membership::through`]. The groups of each group are asked for one by one, so that this is known.
    pub async fn person_with_paths(
        &self,
        login: &str,
    ) -> Result<Option<(Person, Vec<Option<usize>>)>, Failure> {
        let Some(entry) = self.entry(login).await? else { return Ok(None) };
        let memberships = self.memberships(&entry, 1).await?;
        let through = memberships.iter().map(|membership| membership.through).collect();
        let groups = memberships.into_iter().map(|membership| membership.group).collect();
        Ok(Some((Person { entry, groups }, through)))
    }

    /// `directory.group_depth`
    pub(crate) fn group_depth(&self) -> usize {
        self.rules.group_depth
    }

    /// The security groups that an entry is in.
    pub(crate) async fn groups(&self, entry: &Arc<Entry>) -> Result<Arc<[Arc<Entry>]>, Failure> {
        let memberships = self.memberships(entry, MEMBERS_A_SEARCH).await?;
        Ok(memberships.into_iter().map(|membership| membership.group).collect())
    }

    async fn memberships(&self, entry: &Arc<Entry>, batch: usize) -> Result<Vec<Membership>, Failure> {
        let admits = |group: &Dn| self.rules.grants.share_context(&entry.dn, group);
        let depth = self.rules.group_depth;
        security_groups(&self.directory, entry, depth, batch, admits).await
    }

    /// The entry of a login. Its realm is stripped if it is listed, and chooses the context.
    pub(crate) async fn entry(&self, login: &str) -> Result<Option<Arc<Entry>>, Failure> {
        let realm = login.rsplit_once('@');
        let base = realm.and_then(|(_, realm)| self.rules.grants.base_for(realm));
        let name = self.rules.forms.login(login);
        if name.is_empty() {
            return Ok(None);
        }
        self.directory.by_login(name, base).await
    }

    /// The subtree in which all forms of an address are looked up, if one context claims their domains.
    fn base_of(&self, forms: &[Address]) -> Option<&Dn> {
        let mut bases = forms.iter().map(|form| self.rules.grants.base_for(form.domain()));
        let first = bases.next()??;
        bases.all(|base| base == Some(first)).then_some(first)
    }
}
