//! How far a server must have come to be asked: what one server has told of changes, another may not have yet.
//!
//! OpenLDAP counts changes by server in change sequence numbers: `20261122043000.123456Z#000000#001#000000` is a time, a
//! counter, the server where the change was made, and a counter within the change. The entry at the top of a database
//! holds the last of each server in `contextCSN` (draft-chu-ldap-csn); a cookie of RFC 4533 holds them too.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ldap3::{Ldap, LdapError};

use super::connect::unless_it_panics;
use super::root;
use crate::directory::record::Record;
use crate::dn::Dn;

/// The last change of each server that was told.
pub(super) struct Floor {
    base: Dn,
    last: Mutex<BTreeMap<String, String>>,
}

/// The server where the change was made, and the number, which is comparable with others of that server as text.
type Number = (String, String);

impl Floor {
    /// No change was told yet.
    pub(super) fn new(base: Dn) -> Self {
        Self { base, last: Mutex::default() }
    }

    /// The changes up to those of this cookie were told. A cookie of another product says nothing.
    pub(super) fn raise(&self, cookie: &[u8]) {
        let mut last = self.last();
        for (server, number) in numbers_in(cookie) {
            let known = last.entry(server).or_default();
            if *known < number {
                *known = number;
            }
        }
    }

    /// Whether a server has not all changes yet that another has told. One that does not say how far it is, is taken for
    /// one that has them; one that gives no answer, is not.
    pub(super) async fn is_above(&self, ldap: &mut Ldap) -> bool {
        if self.last().is_empty() {
            return false;
        }
        let asked = unless_it_panics(self.context(ldap));
        let Ok(Ok(context)) = asked.await else { return true };
        let Some(context) = context else { return false };
        let has: BTreeMap<_, _> = context
            .values("contextCSN")
            .filter_map(|value| number(std::str::from_utf8(value).ok()?))
            .collect();
        if has.is_empty() {
            return false;
        }
        self.last().iter().any(|(server, number)| has.get(server).is_none_or(|has| has < number))
    }

    /// The entry at the top of the database.
    async fn context(&self, ldap: &mut Ldap) -> Result<Option<Record>, LdapError> {
        let top = root::context_of(&self.base, ldap).await?;
        root::read(&top, "contextCSN", ldap).await
    }

    fn last(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        // A number is whole at any time.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `rid=001,sid=001,csn=20261122043000.123456Z#000000#001#000000;…`
fn numbers_in(cookie: &[u8]) -> Vec<Number> {
    let cookie = std::str::from_utf8(cookie).unwrap_or_default();
    let numbers = cookie.split(',').filter_map(|field| field.strip_prefix("csn="));
    numbers.flat_map(|numbers| numbers.split(';')).filter_map(number).collect()
}

fn number(text: &str) -> Option<Number> {
    let mut parts = text.split('#');
    let (time, _, server) = (parts.next()?, parts.next()?, parts.next()?);
    // A time of another precision could not be compared as text.
    (time.len() == "20261122043000.123456Z".len()).then(|| (server.to_owned(), text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies() {
        let first = ("000".to_owned(), "20261122043000.123456Z#000000#000#000000".to_owned());
        let second = ("00a".to_owned(), "20261122043001.123456Z#000000#00a#000000".to_owned());
        for (cookie, numbers) in [
            ("rid=000,csn=20261122043000.123456Z#000000#000#000000", vec![first.clone()]),
            (
                "rid=000,sid=00a,csn=20261122043000.123456Z#000000#000#000000;20261122043001.123456Z#000000#00a#000000",
                vec![first, second],
            ),
            ("rid=000", vec![]),
            ("", vec![]),
            ("csn=20261122043000Z#000000#00#000000", vec![]),
            ("csn=#", vec![]),
            ("server-1:389#cn=directory manager:dc=example#12", vec![]),
        ] {
            assert_eq!(numbers_in(cookie.as_bytes()), numbers, "{cookie}");
        }
    }
}
