//! Values that one entry of the file may have, and no second.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

use super::fault::{Fault, quoted};
use super::table::Table;

/// The values met so far, with their lines.
pub(super) struct Unique<T> {
    rule: &'static str,
    lines: HashMap<T, usize>,
}

impl<T: Eq + Hash> Unique<T> {
    /// `rule` is what messages say to whoever repeats a value.
    pub(super) fn new(rule: &'static str) -> Self {
        Self { rule, lines: HashMap::new() }
    }

    /// Notes a value, and complains if it was met before.
    pub(super) fn check(&mut self, table: &Table<'_>, key: &str, value: T, written: &str) {
        match self.lines.entry(value) {
            Entry::Vacant(free) => {
                free.insert(table.line(key));
            }
            Entry::Occupied(taken) => {
                let fault = Fault::Repeated { found: quoted(written), line: *taken.get(), rule: self.rule };
                table.complain(key, fault);
            }
        }
    }
}
