//! What a connection is asked before it is anybody's: entries by their names, of the server's own tree too.

use ldap3::{Ldap, LdapError, Scope, SearchResult};

use super::answer;
use super::search::{ANY, SUCCESS};
use crate::directory::record::Record;
use crate::dn::Dn;

/// The entry of this name with one attribute; the default name is the server's own entry (RFC 4512 section 5.1).
pub(super) async fn read(name: &Dn, attribute: &str, ldap: &mut Ldap) -> Result<Option<Record>, LdapError> {
    let SearchResult(entries, result) = ldap.search(name.as_str(), Scope::Base, ANY, [attribute]).await?;
    let found = entries.into_iter().find_map(|entry| answer::read(entry.0)).map(|answer| answer.record);
    if result.rc == SUCCESS { Ok(found) } else { Err(LdapError::from(result)) }
}

/// The top of the tree that `base` is in, as the server tells it; `base` itself if it does not.
pub(super) async fn context_of(base: &Dn, ldap: &mut Ldap) -> Result<Dn, LdapError> {
    let root = read(&Dn::default(), "namingContexts", ldap).await?;
    let contexts = root.iter().flat_map(|root| root.values("namingContexts"));
    let contexts = contexts.filter_map(|name| Dn::parse(std::str::from_utf8(name).ok()?).ok());
    let above = contexts.filter(|context| base.is_within(context));
    Ok(above.max_by_key(Dn::depth).unwrap_or_else(|| base.clone()))
}
