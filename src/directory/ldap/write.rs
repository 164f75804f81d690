//! The one thing that is written: a modification of an entry (RFC 4511 section 4.6), all of it or nothing.

use std::collections::{HashMap, HashSet};

use ldap3::{LdapResult, Mod};
use tokio::time::timeout_at;

use super::LdapDirectory;
use super::answer;
use super::connect::unless_it_panics;
use super::dialect::access_list;
use super::search::{NO_SUCH_OBJECT, SUCCESS, Trouble, trouble};
use crate::directory::Failure;
use crate::directory::grants::{Modification, Operation};
use crate::dn::Dn;
use crate::reply::printable;

/// RFC 4511 appendix A.2.
const REFERRAL: u32 = 10;
const NO_SUCH_VALUE: u32 = 16;
const VALUE_EXISTS: u32 = 20;
const NO_ACCESS: u32 = 50;
const NO_CLASS: u32 = 65;

/// What became of a modification.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Modified {
    /// It is done.
    Done,
    /// What it adds is there already, or what it deletes is not: somebody else was quicker.
    Changed,
    /// The caller may not do it: what the server says.
    NoAccess(String),
    /// The server takes no changes; these do.
    Referred(Vec<String>),
    /// The server refuses it for another reason.
    Refused(String),
}

impl LdapDirectory {
    /// Modifies an entry. It is sent once: a failure says that the answer did not come, not that nothing was done.
    pub async fn modify(&self, dn: &Dn, modifications: &[Modification]) -> Result<Modified, Failure> {
        let deadline = self.deadline();
        let connection =
            timeout_at(deadline, self.link.connection(None)).await.map_err(|_| self.too_slow())??;
        let mut ldap = connection.ldap.clone();
        // What was read is the access list alone, and so is what is written.
        ldap.with_controls(access_list(self.schema.dialect));
        let asked = unless_it_panics(ldap.modify(dn.as_str(), parts(modifications)));
        let result = match timeout_at(deadline, asked).await.map_err(|_| self.too_slow())? {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => return Err(self.lost(trouble(error))),
            Err(why) => return Err(self.away(&why)),
        };
        Ok(read(&result))
    }

    fn lost(&self, trouble: Trouble) -> Failure {
        match trouble {
            Trouble::Broken(why) => self.away(&why),
            Trouble::Unusable(why) => self.bad(why),
        }
    }
}

/// The parts, in order; neighbours that do the same with one attribute are one.
fn parts(modifications: &[Modification]) -> Vec<Mod<Vec<u8>>> {
    let mut parts: Vec<(Operation, &str, HashSet<Vec<u8>>)> = Vec::new();
    let mut places: HashMap<(Operation, String), usize> = HashMap::new();
    for Modification { operation, attribute, value } in modifications {
        let place = (*operation, attribute.to_ascii_lowercase());
        let at = *places.entry(place).or_insert_with(|| {
            parts.push((*operation, attribute, HashSet::new()));
            parts.len() - 1
        });
        if let Some((.., values)) = parts.get_mut(at) {
            values.insert(value.clone());
        }
    }
    let part = |(operation, attribute, values): (Operation, &str, _)| match operation {
        Operation::Add => Mod::Add(attribute.as_bytes().to_vec(), values),
        Operation::Delete => Mod::Delete(attribute.as_bytes().to_vec(), values),
        Operation::Replace => Mod::Replace(attribute.as_bytes().to_vec(), values),
    };
    parts.into_iter().map(part).collect()
}

fn read(result: &LdapResult) -> Modified {
    match result.rc {
        SUCCESS => Modified::Done,
        NO_SUCH_VALUE | VALUE_EXISTS | NO_SUCH_OBJECT => Modified::Changed,
        NO_ACCESS => Modified::NoAccess(answer::code(result)),
        REFERRAL => Modified::Referred(result.refs.iter().map(|url| printable(url)).collect()),
        NO_CLASS => {
            let remedy = "the entry has no class that allows it; add one with the directory's own tools";
            Modified::Refused(format!("{}: {remedy}", answer::code(result)))
        }
        _ => Modified::Refused(answer::code(result)),
    }
}
