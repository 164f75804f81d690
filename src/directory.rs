//! What we ask of a directory, in our own words; absence and failure differ.
//!
//! An adapter (a file, a server) answers three questions with entries that match our own comparison of addresses
//! and logins, and nothing of its protocol passes this trait. What follows from the answers is [`crate::grant`]'s
//! and [`crate::policy`]'s to say. [`security_groups`] walks the groups, for every adapter in the same way.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;

use crate::address::Address;
use crate::dn::Dn;
use crate::grant::{Entry, Sid};
use crate::reply::printable_within;

pub mod cache;
pub mod changes;
pub mod descriptor;
pub mod entry;
pub mod filter;
pub mod grants;
mod hashes;
pub mod ldap;
pub mod ldif;
pub mod login;
pub mod lookup;
pub mod record;
pub mod schema;
pub mod watch;

/// The most members that one question names: it bounds the size of a filter.
pub const MEMBERS_A_SEARCH: usize = 200;

/// The most security groups that anybody is in, at all levels together: Windows logs nobody on who is in more than some
/// 1,000, and each is compared with each grant of an author.
pub const MAX_GROUPS: usize = 10_000;

/// Why a directory gave no answer. Never an absence: whoever meets it defers. Its text is fit for a log: printable
/// ASCII, not longer than a few lines, whatever the directory said.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// It cannot be reached, or did not answer in time.
    #[error("the directory is not available: {0}")]
    Unavailable(String),
    /// It answered with something that cannot be used.
    #[error("the directory gave an answer that cannot be used: {0}")]
    BadAnswer(String),
    /// Several entries have the login: nobody can say who it is.
    #[error("several entries have the login: {}", joined(.0))]
    AmbiguousLogin(Vec<Dn>),
}

/// The most octets of names that a message shows.
const MAX_NAMES: usize = 1600;

fn joined(names: &[Dn]) -> String {
    printable_within(&names.iter().map(Dn::as_str).collect::<Vec<_>>().join(" and "), MAX_NAMES)
}

/// Which groups are asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Groups {
    /// Those that may be delegates.
    Security,
    /// The others: distribution lists. No right comes from them; `explain` names them.
    Others,
}

/// A directory of people, shared mailboxes and groups.
pub trait Directory: Send + Sync {
    /// The person who logs in as `login`, in the subtree `base` if one is given. The login attributes are tried in
    /// order and the first with a hit wins; several entries in one are [`Failure::AmbiguousLogin`].
    fn by_login(
        &self,
        login: &str,
        base: Option<&Dn>,
    ) -> impl Future<Output = Result<Option<Arc<Entry>>, Failure>> + Send;

    /// The principals that have any of the `addresses`, in the subtree `base` if one is given; each entry once, in
    /// the order of their names.
    fn by_address(
        &self,
        addresses: &[Address],
        base: Option<&Dn>,
    ) -> impl Future<Output = Result<Vec<Arc<Entry>>, Failure>> + Send;

    /// The groups that have any of the `members` (at most [`MEMBERS_A_SEARCH`]) as a direct member; each once, in the
    /// order of their names.
    fn groups_of(
        &self,
        members: &[Arc<Entry>],
        kind: Groups,
    ) -> impl Future<Output = Result<Vec<Arc<Entry>>, Failure>> + Send;

    /// The entry with this name, whatever it is: for the administrator's commands.
    fn by_dn(&self, dn: &Dn) -> impl Future<Output = Result<Option<Arc<Entry>>, Failure>> + Send;

    /// The entry with this security identifier, whatever it is: for the administrator's commands. None where the
    /// schema has no access control.
    fn by_sid(&self, sid: &Sid) -> impl Future<Output = Result<Option<Arc<Entry>>, Failure>> + Send;
}

/// A security group that an entry is in.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The group.
    pub group: Arc<Entry>,
    /// The group through which it is, as an index into the same list, where that is known; none for the entry's
    /// own groups.
    pub through: Option<usize>,
}

/// Of those who have a login in one attribute, the only one; none if nobody has it, a failure that names all if several do.
fn alone<P>(people: &[P], dn: impl Fn(&P) -> &Dn) -> Result<Option<&P>, Failure> {
    match people {
        [] => Ok(None),
        [person] => Ok(Some(person)),
        several => Err(Failure::AmbiguousLogin(several.iter().map(|person| dn(person).clone()).collect())),
    }
}

/// The security groups that `entry` is in, directly or through security groups alone: breadth first, each once,
/// at most `depth` levels up. `admits` says which may stand on the path (those of the same context). `batch` members
/// are asked for at a time; asked one by one, each group is told with the group through which it was found.
///
/// # Errors
///
/// The directory's, and more groups than [`MAX_GROUPS`].
pub async fn security_groups<D: Directory>(
    directory: &D,
    entry: &Arc<Entry>,
    depth: usize,
    batch: usize,
    admits: impl Fn(&Dn) -> bool + Send,
) -> Result<Vec<Membership>, Failure> {
    let batch = batch.clamp(1, MEMBERS_A_SEARCH);
    let mut found: Vec<Membership> = Vec::new();
    // A ring ends here: what was seen once is not asked for again.
    let mut seen: HashSet<Dn> = HashSet::from([entry.dn.clone()]);
    let mut level = vec![(None, entry.clone())];
    for _ in 0..depth {
        let start = found.len();
        for members in level.chunks(batch) {
            let through = members.first().filter(|_| batch == 1).and_then(|(index, _)| *index);
            let members: Vec<_> = members.iter().map(|(_, member)| member.clone()).collect();
            for group in directory.groups_of(&members, Groups::Security).await? {
                if admits(&group.dn) && seen.insert(group.dn.clone()) {
                    found.push(Membership { group, through });
                }
                if found.len() > MAX_GROUPS {
                    return Err(too_many_groups(&entry.dn));
                }
            }
        }
        level = found.iter().enumerate().skip(start).map(|(i, m)| (Some(i), m.group.clone())).collect();
        if level.is_empty() {
            break;
        }
    }
    Ok(found)
}

/// Groups that are left out could be those that a right comes from, and those that end a ring.
fn too_many_groups(dn: &Dn) -> Failure {
    let name = joined(std::slice::from_ref(dn));
    Failure::BadAnswer(format!("{name} is in more than {MAX_GROUPS} security groups"))
}

#[cfg(test)]
mod tests;
