//! Who holds which address.

use std::sync::Arc;

use super::Entry;
use crate::address::Address;

/// The entries that hold an address, for each address that was asked for.
#[derive(Clone, Debug, Default)]
pub struct Owners(Vec<(Address, Arc<[Arc<Entry>]>)>);

impl Owners {
    /// Notes which entries the directory has for any form of `address`.
    pub fn insert(&mut self, address: Address, entries: Arc<[Arc<Entry>]>) {
        self.0.push((address, entries));
    }

    /// Adds what was asked for later.
    pub fn append(&mut self, mut later: Self) {
        self.0.append(&mut later.0);
    }

    /// Every entry that is known to own any address.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.0.iter().flat_map(|(_, entries)| entries.iter())
    }

    /// What the directory has for `address`; none if it was never asked.
    pub fn get(&self, address: &Address) -> Option<&[Arc<Entry>]> {
        self.0.iter().find(|(asked, _)| asked == address).map(|(_, entries)| entries.as_ref())
    }
}
