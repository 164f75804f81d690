//! What it means that the directory tells of a change: from what a server says of its entries to what must be forgotten
//! of the answers made of them.
//!
//! A [`Register`] knows of every entry its name and a digest of what we read of it, never the values. So a change of what
//! nobody reads costs nothing; an entry that changed invalidates what came from it and what it now answers to; and a
//! name that went or moved invalidates everything, for other entries may name it and servers adapt those silently.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;

use crate::directory::changes::Name;
use crate::directory::entry::Reader;
use crate::directory::login::Login;
use crate::directory::record::{Record, key};
use crate::directory::schema::Schema;
use crate::dn::Dn;

/// What a server calls an entry for ever: `entryUUID` (RFC 4530) or `objectGUID`.
pub type Id = [u8; 16];

/// Whether anything is below an entry (RFC 3673, X.501 section 14.4): told of one that is new, it was moved to where it
/// is, and what is below it came with it untold.
pub const HAS_SUBORDINATES: &str = "hasSubordinates";

/// What follows from what was told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Nothing: what we read is as it was.
    Nothing,
    /// An entry changed that answers to these names.
    Changed(Vec<Name>),
    /// Any answer may be wrong.
    Everything,
    /// The same, and the names of entries below it moved with it: the register must be filled anew.
    Moved,
}

/// All entries of a directory, as far as changes must be told from repetitions.
pub struct Register {
    schema: Arc<Schema>,
    /// What is watched of each entry.
    attributes: Vec<String>,
    known: HashMap<Id, Known>,
    /// How many entries are directly below a name.
    below: HashMap<u64, u32>,
    hasher: RandomState,
    /// Which time it is filled or brought up to date.
    round: u32,
}

/// The digest of values that nobody has seen.
const UNKNOWN: u64 = 0;

#[derive(Clone, Copy)]
struct Known {
    name: u64,
    /// A digest of the values.
    content: u64,
    /// The name above it.
    above: u64,
    round: u32,
    /// Whether anything is looked up by which it could be found.
    answers: bool,
}

impl Register {
    /// Nothing is known yet.
    pub fn new(schema: Arc<Schema>) -> Self {
        let attributes = watched(&schema);
        let (known, below) = (HashMap::new(), HashMap::new());
        Self { schema, attributes, known, below, hasher: RandomState::new(), round: 0 }
    }

    /// What must be told of each entry: all that we read of it but members, and what the filters look at.
    pub fn attributes(&self) -> &[String] {
        &self.attributes
    }

    /// How many entries are known.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Forgets all, to be filled anew.
    pub fn clear(&mut self) {
        self.known = HashMap::new();
        self.below = HashMap::new();
    }

    /// From now on it is noted what is confirmed, for [`Self::prune`].
    pub fn begin(&mut self) {
        self.round = self.round.wrapping_add(1);
    }

    /// The entries are as they were. One that nobody has told of came with the one above it, or is shown only now.
    pub fn confirm(&mut self, ids: &[Id]) -> Effect {
        let mut effect = Effect::Nothing;
        for id in ids {
            match self.known.get_mut(id) {
                Some(known) => known.round = self.round,
                None => effect = Effect::Moved,
            }
        }
        effect
    }

    /// The entry is there, with this name and values that nobody knows; if it is known, it is known better.
    pub fn name(&mut self, id: Id, dn: &Dn) {
        if !self.known.contains_key(&id) {
            let named = self.named(dn);
            self.insert(id, named);
        }
    }

    /// Whether the entry is known.
    pub fn knows(&self, id: &Id) -> bool {
        self.known.contains_key(id)
    }

    /// The entry is there, with this name and these values of [`Self::attributes`].
    pub fn note(&mut self, id: Id, record: &Record) -> Effect {
        let now = self.known_of(record);
        let effect = match self.known.get(&id) {
            None if record.values(HAS_SUBORDINATES).any(|value| value == b"TRUE") => Effect::Moved,
            None if now.answers => Effect::Changed(self.names(record)),
            None => Effect::Nothing,
            Some(before) if before.name != now.name => self.gone(before),
            Some(before) if before.content != now.content => Effect::Changed(self.names(record)),
            Some(_) => Effect::Nothing,
        };
        self.insert(id, now);
        effect
    }

    /// The entry is there, and nothing was made of what it said before: the same as [`Self::note`] without looking for
    /// what follows, for there may be hundreds of thousands.
    pub fn fill(&mut self, id: Id, record: &Record) {
        let now = self.known_of(record);
        self.insert(id, now);
    }

    /// Whatever is told of the entry next is a change. Told after a time in which nothing was, it may have changed and be
    /// as it was again: what was loaded in between is not.
    pub fn doubt(&mut self, id: &Id) {
        if let Some(known) = self.known.get_mut(id) {
            known.content = UNKNOWN;
        }
    }

    /// The entries are not there any more.
    pub fn remove(&mut self, ids: &[Id]) -> Effect {
        let gone: Vec<_> = ids.iter().map(|id| self.take(id)).collect();
        if gone.iter().flatten().any(|known| self.has_below(known)) {
            // It was moved to where nobody looks, and what is below it with it.
            return Effect::Moved;
        }
        // What nobody looks up has at most a name that others have in their values, and means nobody there.
        let is_missed = |known: &Option<Known>| known.is_none_or(|known| known.answers);
        if gone.iter().any(is_missed) { Effect::Everything } else { Effect::Nothing }
    }

    /// What was not confirmed, or noted, since [`Self::begin`] is not there any more.
    pub fn prune(&mut self) -> Effect {
        let missing = self.known.iter().filter(|(_, known)| known.round != self.round);
        let missing: Vec<_> = missing.map(|(id, _)| *id).collect();
        self.remove(&missing)
    }

    fn insert(&mut self, id: Id, now: Known) {
        self.take(&id);
        *self.below.entry(now.above).or_default() += 1;
        self.known.insert(id, now);
    }

    fn take(&mut self, id: &Id) -> Option<Known> {
        let known = self.known.remove(id)?;
        if let Entry::Occupied(mut below) = self.below.entry(known.above) {
            *below.get_mut() -= 1;
            if *below.get() == 0 {
                below.remove();
            }
        }
        Some(known)
    }

    fn known_of(&self, record: &Record) -> Known {
        let Schema { login, address, alias, .. } = &*self.schema;
        let mut looked_up = [login, address, alias].into_iter().flatten();
        let answers = looked_up.any(|attribute| record.values(attribute).next().is_some());
        Known { content: self.content(record), answers, ..self.named(&record.dn) }
    }

    /// By which names it is looked up. Logins are noted of whatever has them: what is a person only the server's filter
    /// knows.
    fn names(&self, record: &Record) -> Vec<Name> {
        let entry = Reader::new(&self.schema, record).entry(true);
        let addresses = entry.addresses().cloned().map(Name::Address);
        let logins = entry.logins().map(|login| Name::Login(Login::of(login)));
        addresses.chain(logins).chain([Name::Entry(entry.dn.clone())]).collect()
    }

    /// Any values are others than those of an entry of which only the name is known.
    fn named(&self, dn: &Dn) -> Known {
        Known {
            name: self.hasher.hash_one(dn),
            content: UNKNOWN,
            above: dn.hashable_parent().map_or(0, |parent| self.hasher.hash_one(parent)),
            round: self.round,
            answers: true,
        }
    }

    /// A name went.
    fn gone(&self, before: &Known) -> Effect {
        if self.has_below(before) { Effect::Moved } else { Effect::Everything }
    }

    fn has_below(&self, entry: &Known) -> bool {
        self.below.contains_key(&entry.name)
    }

    /// Servers give values in no order (RFC 4511 section 4.1.7).
    fn content(&self, record: &Record) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        for attribute in &self.attributes {
            let mut values: Vec<_> = record.values(attribute).collect();
            values.sort_unstable();
            values.hash(&mut hasher);
        }
        hasher.finish()
    }
}

fn watched(schema: &Schema) -> Vec<String> {
    let members: Vec<_> = schema.member.iter().map(|member| key(&member.attribute)).collect();
    let filters = schema.filters();
    let filtered = filters.iter().flat_map(|(_, filter)| filter.attributes());
    let mut attributes: Vec<_> = schema.attributes().chain(filtered).map(key).collect();
    attributes.retain(|attribute| !members.contains(attribute));
    attributes.sort_unstable();
    attributes.dedup();
    attributes
}

#[cfg(test)]
mod tests;
