//! What several entries have in common and should not: logins and addresses.

use std::collections::BTreeMap;

use super::super::report::quoted;
use super::{Kind, Seen, Survey, listed, named};
use crate::grant::Place;

impl Survey<'_> {
    /// A login of several people is nobody's. The login attributes are tried in order, and the first in which anybody
    /// has it decides.
    pub(super) fn compare_logins(&mut self) {
        let is_person = |entry: &Seen| entry.is.person;
        let mut texts = Vec::new();
        for (level, index) in self.by_login.iter().enumerate() {
            let earlier = self.by_login.get(..level).unwrap_or_default();
            for (login, holders) in index {
                let decided = earlier.iter().filter_map(|index| index.get(login)).flatten();
                if self.those(decided, is_person).is_empty() {
                    let realm = login.rsplit_once('@').map(|(_, realm)| realm);
                    let apart = self.apart(self.those(holders, is_person), realm);
                    let shared = apart.iter().filter(|people| people.len() > 1);
                    texts.extend(shared.map(|people| self.share(people, "login", login)));
                }
            }
        }
        texts.into_iter().for_each(|text| self.doubt(Kind::Login, text));
    }

    pub(super) fn compare_addresses(&mut self) {
        let mut texts = Vec::new();
        for (address, holders) in &self.by_address {
            let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
            let holders = self.within(self.those(holders, |entry| entry.is.principal), domain);
            if holders.len() > 1 {
                texts.push(self.share(&holders, "address", address));
            }
        }
        texts.into_iter().for_each(|text| self.doubt(Kind::Address, text));
    }

    /// Those who can be meant by one and the same login.
    fn apart(&self, people: Vec<usize>, realm: Option<&str>) -> Vec<Vec<usize>> {
        let claimed = realm.is_some_and(|realm| self.rules.base_for(realm).is_some());
        if claimed || people.len() < 2 {
            return vec![self.within(people, realm.unwrap_or_default())];
        }
        let mut places: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for number in &people {
            let place = self.dn(*number).map_or(Place::Outside, |dn| self.rules.place(dn));
            match place {
                Place::In(index) if self.has_domains(index) => places.entry(index).or_default().push(*number),
                // No realm tells this one from the others.
                Place::In(_) | Place::Undivided | Place::Outside => return vec![people],
            }
        }
        places.into_values().collect()
    }

    fn has_domains(&self, context: usize) -> bool {
        self.rules.contexts.get(context).is_some_and(|context| !context.domains.is_empty())
    }

    /// Those in the subtree that a domain or realm chooses; all, if it chooses none.
    fn within(&self, numbers: Vec<usize>, domain: &str) -> Vec<usize> {
        let Some(base) = self.rules.base_for(domain) else { return numbers };
        let is_within = |number: &usize| self.dn(*number).is_some_and(|dn| dn.is_within(base));
        numbers.into_iter().filter(is_within).collect()
    }

    fn share(&self, numbers: &[usize], what: &str, value: &str) -> String {
        let names = numbers.iter().filter_map(|number| self.dn(*number)).map(named).collect();
        format!("the {what} {} is that of {}", quoted(value), listed(names))
    }
}
