//! One search over a connection, whole; and what a connection is asked before it is anybody's: entries by their names,
//! of the server's own tree too.

use std::io;

use ldap3::adapters::Adapter;
use ldap3::asn1::{PL, StructureTag};
use ldap3::{Ldap, LdapError, LdapResult, Scope, SearchOptions, parse_refs};

use super::answer;
use super::search::{ANY, SUCCESS};
use crate::directory::record::Record;
use crate::dn::Dn;

/// The most entries that one search may find: more than anybody is in groups. A server is asked for no more (RFC 4511
/// section 4.5.1.4) and says so; one that sends more all the same is not listened to any longer.
pub(super) const MAX_ENTRIES: i32 = 10_000;

/// The most memory, in octets, that what one search finds may take.
pub(super) const MAX_MEMORY: usize = 32 << 20;

/// The entries that a search finds, and its result with all references. Panics where ldap3 does.
///
/// `Ldap::search` would keep the number of each search for as long as the connection lasts, for it never tells the task
/// behind it that a search with adapters is over.
pub(super) async fn search(
    ldap: &mut Ldap,
    base: &str,
    scope: Scope,
    filter: &str,
    attributes: Vec<String>,
) -> Result<(Vec<StructureTag>, LdapResult), LdapError> {
    let none: Vec<Box<dyn Adapter<'_, String, Vec<String>>>> = Vec::new();
    ldap.with_search_options(SearchOptions::new().sizelimit(MAX_ENTRIES));
    let mut stream = ldap.streaming_search_with(none, base, scope, filter, attributes).await?;
    let (mut entries, mut references) = (Vec::new(), Vec::new());
    let (mut messages, mut memory) = (0, 0);
    while let Some(message) = stream.next().await? {
        messages += 1;
        memory += weight(&message.0);
        if messages > MAX_ENTRIES || memory > MAX_MEMORY {
            return Err(LdapError::from(io::Error::other(too_much())));
        }
        if message.is_ref() {
            references.extend(parse_refs(message.0));
        } else if !message.is_intermediate() {
            entries.push(message.0);
        }
    }
    let mut result = stream.finish().await;
    result.refs.append(&mut references);
    Ok((entries, result))
}

fn too_much() -> String {
    format!("an answer of more than {MAX_ENTRIES} entries or {} MiB, which is not read", MAX_MEMORY >> 20)
}

/// How much memory an element takes, in octets. It nests no deeper than `contrib/lber` lets it.
fn weight(element: &StructureTag) -> usize {
    let content = match &element.payload {
        PL::P(octets) => octets.len(),
        PL::C(elements) => elements.iter().map(weight).sum(),
    };
    size_of::<StructureTag>() + content
}

/// The entry of this name with one attribute; the default name is the server's own entry (RFC 4512 section 5.1).
pub(super) async fn read(name: &Dn, attribute: &str, ldap: &mut Ldap) -> Result<Option<Record>, LdapError> {
    let attributes = vec![attribute.to_owned()];
    let (entries, result) = search(ldap, name.as_str(), Scope::Base, ANY, attributes).await?;
    let found = entries.into_iter().find_map(answer::read).map(|answer| answer.record);
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
