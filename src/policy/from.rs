//! The display name of From, for readers whose program hides Sender (`policy.on_behalf_display`):
//! `Anna Adams on behalf of Bea Boss`.

use super::sender::{fit_to_be_shown, name_of};
use super::{Author, By, Case};
use crate::address::Address;
use crate::display;
use crate::grant::{Entry, Relation};
use crate::mailbox::Mailbox;

/// `policy.on_behalf_display`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnBehalfDisplay {
    /// `"none"`
    None,
    /// `"name"`
    Name,
}

/// What becomes of the display names in From.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum FromChange {
    /// They stay.
    #[default]
    Keep,
    /// These names, in the order of From; none where one stays.
    Names(Vec<Option<String>>),
}

impl Case<'_> {
    /// The names for authors on behalf; those of others are theirs.
    pub(super) fn display_names(&self, authors: &[Author]) -> FromChange {
        if self.rules.on_behalf_display == OnBehalfDisplay::None {
            return FromChange::Keep;
        }
        let mailboxes = self.message.authors.iter().flatten();
        let names: Vec<_> =
            authors.iter().zip(mailboxes).map(|(own, mailbox)| self.named(own, mailbox)).collect();
        if names.iter().all(Option::is_none) { FromChange::Keep } else { FromChange::Names(names) }
    }

    /// The name of an author on behalf, unless it stands there already, from a first passage.
    fn named(&self, author: &Author, mailbox: &Mailbox) -> Option<String> {
        let By::OnBehalf(principal) = &author.by else { return None };
        let submitter = &self.facts.submitter;
        let delegate = shown_as(submitter.entry.as_deref(), submitter.primary()?)?;
        let principal = Some(principal.as_ref()).filter(|_| self.is_held_alone(&author.address));
        let name = format!("{delegate} on behalf of {}", shown_as(principal, &author.address)?);
        // What could be read as an encoded word or an address is no name; neither may become one by being put together.
        let is_name = !name.contains("=?") && !display::shows_at_sign(&name);
        (is_name && display::decode(&mailbox.phrase).trim() != name).then_some(name)
    }

    /// Whether one entry has the address: it is then known by that entry's name.
    fn is_held_alone(&self, address: &Address) -> bool {
        matches!(self.relation(address), Some(Relation::Others(others)) if others.principals.len() == 1)
    }
}

/// The directory's name, or else what stands before the `@` of the address.
fn shown_as(entry: Option<&Entry>, address: &Address) -> Option<String> {
    entry.and_then(name_of).or_else(|| fit_to_be_shown(address.local()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{OWN, Scene, address, entry};
    use super::super::{Answer, Verdict};
    use super::*;
    use crate::grant::Right;

    fn naming(change: impl FnOnce(&mut Scene)) -> Scene {
        Scene::with(|scene| {
            scene.rules.on_behalf_display = OnBehalfDisplay::Name;
            change(scene);
        })
    }

    fn names(scene: &Scene, from: &str) -> String {
        let Answer::Decided(Verdict::Accept(accepted)) = scene.answer(&format!("From: {from}"), OWN) else {
            panic!("{from}: refused");
        };
        match accepted.from {
            FromChange::Keep => "keep".to_owned(),
            FromChange::Names(names) => {
                names.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join("|")
            }
        }
    }

    #[test]
    fn only_for_authors_on_behalf() {
        for (from, expected) in [
            ("anna@example.org", "keep"),
            ("as@example.org", "keep"),
            ("behalf@example.org", "anna on behalf of behalf"),
            ("\"The Boss\" <chief+x@example.net>", "anna on behalf of behalf"),
            (
                "both@example.org, anna@example.org, as@example.org, behalf@example.org",
                "anna on behalf of both|||anna on behalf of behalf",
            ),
        ] {
            assert_eq!(names(&naming(|_| ()), from), expected, "{from}");
        }
        assert_eq!(names(&Scene::with(|_| ()), "behalf@example.org"), "keep");
    }

    #[test]
    fn what_says_so_already_stays() {
        for (from, expected) in [
            ("\"anna on behalf of behalf\" <behalf@example.org>", "keep"),
            ("anna on behalf of behalf <chief@example.org>", "keep"),
            ("=?utf-8?q?anna_on_behalf?=\n =?utf-8?q?_of_behalf?= <behalf@example.org>", "keep"),
            ("\"carl on behalf of behalf\" <behalf@example.org>", "anna on behalf of behalf"),
            ("\"anna on behalf of both\" <behalf@example.org>", "anna on behalf of behalf"),
            (
                "\"anna on behalf of behalf\" <behalf@example.org>, both@example.org",
                "|anna on behalf of both",
            ),
        ] {
            // The table's helper takes one line for one field.
            assert_eq!(names(&naming(|_| ()), &from.replace('\n', "")), expected, "{from}");
        }
    }

    #[test]
    fn entries_without_a_name_are_known_by_their_address() {
        let boss = |change: fn(&mut Entry)| {
            naming(|scene| {
                let mut boss = entry("boss", &[(Right::SendOnBehalf, "anna")]);
                boss.aliases = [address("info@example.org")].into();
                change(&mut boss);
                scene.company = vec![boss];
            })
        };
        for (change, from, expected) in [
            ((|boss| boss.name = None) as fn(&mut Entry), "info@example.org", "anna on behalf of info"),
            (
                |boss| boss.name = Some("boss@example.org".into()),
                "info@example.org",
                "anna on behalf of info",
            ),
            (|boss| boss.name = Some("=?utf-8?q?x?=".into()), "info@example.org", "keep"),
            (
                |boss| boss.name = Some("\u{202e}B\u{f6}ss\r\n".into()),
                "info@example.org",
                "anna on behalf of B\u{f6}ss",
            ),
        ] {
            assert_eq!(names(&boss(change), from), expected, "{from}");
        }
    }

    #[test]
    fn an_address_of_several_is_its_own_name() {
        let scene = naming(|scene| {
            let holder = |name| {
                let mut holder = entry(name, &[(Right::SendOnBehalf, "anna")]);
                holder.aliases = [address("info@example.org")].into();
                holder
            };
            scene.company = vec![holder("bea"), holder("carl")];
        });
        assert_eq!(names(&scene, "info@example.org"), "anna on behalf of info");
    }
}
