//! A directory as it will be: what it answers, with some entries changed and some new.

use std::collections::HashMap;
use std::sync::Arc;

use crate::address::Address;
use crate::directory::login::Login;
use crate::directory::{Directory, Failure, Groups};
use crate::dn::Dn;
use crate::grant::{Entry, Sid};

/// A directory with changes.
pub(super) struct Overlay<D> {
    inner: D,
    changed: HashMap<Dn, Arc<Entry>>,
}

impl<D: Directory> Overlay<D> {
    /// These entries are as they are here, or new.
    pub(super) fn new(inner: D, changed: impl IntoIterator<Item = Arc<Entry>>) -> Self {
        Self { inner, changed: changed.into_iter().map(|entry| (entry.dn.clone(), entry)).collect() }
    }

    fn now(&self, entry: Arc<Entry>) -> Arc<Entry> {
        self.changed.get(&entry.dn).cloned().unwrap_or(entry)
    }

    /// The changed entries in a subtree.
    fn within(&self, base: Option<&Dn>) -> impl Iterator<Item = &Arc<Entry>> {
        self.changed.values().filter(move |entry| base.is_none_or(|base| entry.dn.is_within(base)))
    }
}

impl<D: Directory> Directory for Overlay<D> {
    async fn by_login(&self, login: &str, base: Option<&Dn>) -> Result<Option<Arc<Entry>>, Failure> {
        if let Some(entry) = self.inner.by_login(login, base).await? {
            return Ok(Some(self.now(entry)));
        }
        // A new address may be a login, too.
        let login = Login::of(login);
        let has = |entry: &&Arc<Entry>| entry.logins().any(|own| Login::of(own) == login);
        let found: Vec<_> = self.within(base).filter(has).collect();
        match found.as_slice() {
            [] => Ok(None),
            [entry] => Ok(Some(Arc::clone(entry))),
            several => Err(Failure::AmbiguousLogin(several.iter().map(|entry| entry.dn.clone()).collect())),
        }
    }

    async fn by_address(&self, addresses: &[Address], base: Option<&Dn>) -> Result<Vec<Arc<Entry>>, Failure> {
        let found = self.inner.by_address(addresses, base).await?;
        let mut found: Vec<_> = found.into_iter().map(|entry| self.now(entry)).collect();
        for entry in self.within(base).filter(|entry| addresses.iter().any(|address| entry.has(address))) {
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
