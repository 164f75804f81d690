//! A directory as it will be: what it answers, with some entries changed and some new.

use std::collections::HashMap;
use std::sync::Arc;

use crate::address::Address;
use crate::directory::login::Login;
use crate::directory::{Directory, Failure, Groups};
use crate::dn::Dn;
use crate::grant::{Entry, Sid};

/// A directory with changes, which are found by what is asked for: there may be one for each login.
pub(super) struct Overlay<D> {
    inner: D,
    changed: HashMap<Dn, Arc<Entry>>,
    by_login: HashMap<Login, Vec<Arc<Entry>>>,
    by_address: HashMap<Address, Vec<Arc<Entry>>>,
}

impl<D: Directory> Overlay<D> {
    /// These entries are as they are here, or new.
    pub(super) fn new(inner: D, entries: impl IntoIterator<Item = Arc<Entry>>) -> Self {
        let (changed, by_login, by_address) = Default::default();
        let mut overlay = Self { inner, changed, by_login, by_address };
        entries.into_iter().for_each(|entry| overlay.insert(entry));
        overlay
    }

    fn insert(&mut self, entry: Arc<Entry>) {
        for login in entry.logins() {
            point(self.by_login.entry(Login::of(login)).or_default(), &entry);
        }
        for address in entry.addresses() {
            point(self.by_address.entry(address.clone()).or_default(), &entry);
        }
        self.changed.insert(entry.dn.clone(), entry);
    }

    fn now(&self, entry: Arc<Entry>) -> Arc<Entry> {
        self.changed.get(&entry.dn).cloned().unwrap_or(entry)
    }
}

/// Once each: an entry may have one address twice.
fn point(entries: &mut Vec<Arc<Entry>>, entry: &Arc<Entry>) {
    if entries.last().is_none_or(|last| last.dn != entry.dn) {
        entries.push(Arc::clone(entry));
    }
}

/// Those in a subtree.
fn within<'a>(
    entries: Option<&'a Vec<Arc<Entry>>>,
    base: Option<&Dn>,
) -> impl Iterator<Item = &'a Arc<Entry>> {
    entries.into_iter().flatten().filter(move |entry| base.is_none_or(|base| entry.dn.is_within(base)))
}

impl<D: Directory> Directory for Overlay<D> {
    async fn by_login(&self, login: &str, base: Option<&Dn>) -> Result<Option<Arc<Entry>>, Failure> {
        if let Some(entry) = self.inner.by_login(login, base).await? {
            return Ok(Some(self.now(entry)));
        }
        // A new address may be a login, too.
        let found: Vec<_> = within(self.by_login.get(&Login::of(login)), base).collect();
        match found.as_slice() {
            [] => Ok(None),
            [entry] => Ok(Some(Arc::clone(entry))),
            several => Err(Failure::AmbiguousLogin(several.iter().map(|entry| entry.dn.clone()).collect())),
        }
    }

    async fn by_address(&self, addresses: &[Address], base: Option<&Dn>) -> Result<Vec<Arc<Entry>>, Failure> {
        let found = self.inner.by_address(addresses, base).await?;
        let mut found: Vec<_> = found.into_iter().map(|entry| self.now(entry)).collect();
        for entry in addresses.iter().flat_map(|address| within(self.by_address.get(address), base)) {
            if !found.iter().any(|own| own.dn == entry.dn) {
                found.push(Arc::clone(entry));
            }
        }
        found.sort_by(|a, b| a.dn.cmp(&b.dn));
        Ok(found)
    }

    async fn groups_of(&self, members: &[Arc<Entry>], kind: Groups) -> Result<Vec<Arc<Entry>>, Failure> {
        let groups = self.inner.groups_of(members, kind).await?;
        Ok(groups.into_iter().map(|group| self.now(group)).collect())
    }

    async fn by_dn(&self, dn: &Dn) -> Result<Option<Arc<Entry>>, Failure> {
        match self.changed.get(dn) {
            Some(entry) => Ok(Some(Arc::clone(entry))),
            None => self.inner.by_dn(dn).await,
        }
    }

    async fn by_sid(&self, sid: &Sid) -> Result<Option<Arc<Entry>>, Failure> {
        Ok(self.inner.by_sid(sid).await?.map(|entry| self.now(entry)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::import::tests::company;
    use crate::open;

    /// What is found is what is found by going through all changes.
    #[tokio::test]
    async fn found_as_one_by_one() {
        let (config, company) = company().await;
        let address = |text: &str| Address::parse(text).unwrap();
        let changed: Vec<_> = company
            .iter()
            .map(|found| {
                let mut entry = Entry::clone(&found.entry);
                let own = address(&format!("new{}@example.org", entry.mail.len()));
                entry.mail = entry.mail.iter().cloned().chain([own.clone(), own]).collect();
                Arc::new(entry)
            })
            .collect();
        let overlay = Overlay::new(open::command(config).unwrap().lookup.directory, changed.iter().cloned());
        let bases = ["ou=people,dc=example,dc=org", "ou=shared,dc=example,dc=org", "dc=nowhere"];
        let bases = bases.map(|base| Some(Dn::parse(base).unwrap()));
        for base in bases.iter().chain([&None]).map(Option::as_ref) {
            let is_within = |entry: &&Arc<Entry>| base.is_none_or(|base| entry.dn.is_within(base));
            let texts = ["new1@example.org", "NEW1@example.org", "new0@example.org", "anna@example.org"];
            for asked in texts.map(address) {
                let has = |entry: &&Arc<Entry>| entry.has(&asked);
                let mut expected: Vec<_> = changed.iter().filter(is_within).filter(has).cloned().collect();
                expected.sort_by(|a, b| a.dn.cmp(&b.dn));
                let both = [asked.clone(), asked.clone()];
                let mut found = overlay.by_address(&both, base).await.unwrap();
                // The file has no subtrees of its own to ask in.
                found.retain(|entry| is_within(&entry));
                assert_eq!(found, expected, "{asked} {base:?}");
                let logs_in = |entry: &&Arc<Entry>| {
                    entry.logins().any(|own| Login::of(own) == Login::of(asked.unquoted()))
                };
                let several: Vec<_> =
                    changed.iter().filter(is_within).filter(logs_in).map(|own| own.dn.clone()).collect();
                match (overlay.by_login(asked.unquoted(), base).await, several.as_slice()) {
                    (Ok(None), []) => {}
                    (Ok(Some(entry)), [dn]) => assert_eq!(entry.dn, *dn),
                    (Err(Failure::AmbiguousLogin(names)), [_, _, ..]) => assert_eq!(names, several),
                    (found, _) => panic!("{asked} {base:?}: {found:?} is not {several:?}"),
                }
            }
        }
    }
}
