//! Copies for the principal: whoever is written for finds the message in the own Sent folder.
//!
//! A copy is one more recipient, at the principal's primary address in the form that the mail store files into Sent.

use std::sync::Arc;

use super::{Author, By, Case, shown};
use crate::address::{Address, AddressError};
use crate::grant::{Entry, Relation};

/// `[sent_copy]`
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CopyRules {
    /// `sent_copy.on_behalf`: whether authors on behalf get copies.
    pub on_behalf: bool,
    /// `sent_copy.send_as`: whether authors of send-as get copies.
    pub send_as: bool,
    /// `sent_copy.address`
    pub form: CopyForm,
}

impl CopyRules {
    fn apply_to(&self, by: &By) -> bool {
        match by {
            By::OnBehalf(_) => self.on_behalf,
            By::SendAs(_) => self.send_as,
            By::Own | By::Unknown => false,
        }
    }
}

/// The form of an address to which copies go: text, with places for the local part and the domain of the principal's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CopyForm {
    local: Vec<Piece>,
    domain: Vec<Piece>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Text(String),
    Local,
    Domain,
}

/// Why a text is no form of addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CopyFormError {
    /// It lacks `{local}`, or has a place that is not known.
    #[error("it needs \"{{local}}\", and knows \"{{domain}}\" besides")]
    Places,
    /// Once filled, it is no address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Once filled, it is the principal's own address.
    #[error("a copy would go among the mail that the principal receives; add an extension, such as +Sent")]
    NoDifference,
}

impl CopyForm {
    /// Reads the form as it stands in the configuration: `{local}+Sent@{domain}`.
    pub fn parse(text: &str) -> Result<Self, CopyFormError> {
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NoDomain)?;
        let form = Self { local: pieces(local)?, domain: pieces(domain)? };
        if !form.local.iter().chain(&form.domain).any(|piece| *piece == Piece::Local) {
            return Err(CopyFormError::Places);
        }
        // RFC 2606 section 2: a domain that no form names.
        let example = Address::from_parts("anna", "example.invalid")?;
        if form.fill(&example)? == example { Err(CopyFormError::NoDifference) } else { Ok(form) }
    }

    /// What follows the local part of the principal's address, where nothing else is put to it: an extension.
    pub fn extension(&self) -> Option<&str> {
        match (self.local.as_slice(), self.domain.as_slice()) {
            (
                [Piece::Text(before), Piece::Local, Piece::Text(behind)],
                [Piece::Text(_), Piece::Domain, Piece::Text(_)],
            ) => Some(behind.as_str()).filter(|behind| before.is_empty() && !behind.is_empty()),
            _ => None,
        }
    }

    /// Whether copies of addresses in ASCII go to addresses in ASCII.
    pub fn is_ascii(&self) -> bool {
        self.local.iter().chain(&self.domain).all(|piece| match piece {
            Piece::Text(text) => text.is_ascii(),
            Piece::Local | Piece::Domain => true,
        })
    }

    /// The address to which the copy of a principal with this address goes.
    pub fn fill(&self, address: &Address) -> Result<Address, AddressError> {
        let filled = |pieces: &[Piece]| {
            let texts = pieces.iter().map(|piece| match piece {
                Piece::Text(text) => text,
                Piece::Local => address.local(),
                Piece::Domain => address.domain(),
            });
            texts.collect::<String>()
        };
        Address::from_parts(&filled(&self.local), &filled(&self.domain))
    }
}

/// What is filled in is never read again: braces may stand in a local part.
fn pieces(text: &str) -> Result<Vec<Piece>, CopyFormError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        let (name, behind) = behind.split_once('}').ok_or(CopyFormError::Places)?;
        let place = match name {
            "local" => Piece::Local,
            "domain" => Piece::Domain,
            _ => return Err(CopyFormError::Places),
        };
        pieces.extend([Piece::Text(before.to_owned()), place]);
        rest = behind;
    }
    if rest.contains('}') {
        return Err(CopyFormError::Places);
    }
    pieces.push(Piece::Text(rest.to_owned()));
    Ok(pieces)
}

/// The copies of a message.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Copies {
    /// Where they go, each once.
    pub to: Vec<Address>,
    /// Where they would go, but that the address is not ASCII and the client did not ask for SMTPUTF8.
    pub left_out: Vec<Address>,
}

impl Case<'_> {
    /// The copies for the principals of these authors.
    pub(super) fn copies(&self, authors: &[Author]) -> Copies {
        let mut copies = Copies::default();
        let Some(rules) = self.rules.sent_copy.as_ref() else { return copies };
        for author in authors.iter().filter(|author| rules.apply_to(&author.by)) {
            // Several entries hold the address: it was written for each of them.
            let Some(Relation::Others(others)) = self.relation(&author.address) else { continue };
            let holders = &others.principals;
            for principal in holders.iter().filter(|principal| !goes_to_group(principal, holders)) {
                self.copy_for(principal, &rules.form, &mut copies);
            }
        }
        copies
    }

    fn copy_for(&self, principal: &Entry, form: &CopyForm, copies: &mut Copies) {
        let is_local =
            |address: &&Address| shown::is_local(address.domain(), &self.facts.submitter, self.rules);
        // What is elsewhere goes to somebody else's mail store.
        if !principal.primary().is_some_and(|primary| is_local(&primary)) {
            return;
        }
        let addresses: Vec<_> =
            principal.addresses().filter(is_local).filter_map(|own| form.fill(own).ok()).collect();
        let copy = match self.writable(addresses.iter()) {
            Ok(Some(copy)) => copy,
            Ok(None) => return,
            Err(_) => {
                let left_out = addresses.into_iter().next().filter(|own| !copies.left_out.contains(own));
                return copies.left_out.extend(left_out);
            }
        };
        let recipients = self.message.envelope.recipients.iter().filter_map(|own| own.address.as_ref());
        let mut there = recipients.chain(&copies.to).chain(principal.primary());
        if !there.any(|address| self.rules.addresses.same(address, copy)) {
            copies.to.push(copy.clone());
        }
    }
}

/// Whether mail to the principal's primary address goes to the members of a group: it is one, or one of the `holders` of
/// the author's address that has this address too.
fn goes_to_group(principal: &Entry, holders: &[Arc<Entry>]) -> bool {
    let has_it = |group: &Entry| principal.primary().is_some_and(|address| group.has(address));
    principal.is_group || holders.iter().any(|holder| holder.is_group && has_it(holder))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{OWN, Scene, entry};
    use super::super::{Answer, Refusal, Verdict};
    use super::*;
    use crate::grant::Right;
    use crate::message::MAX_RECIPIENTS;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn forms() {
        for (form, own, copy) in [
            ("{local}+Sent@{domain}", "bea@example.org", "bea+Sent@example.org"),
            ("{local}@sent.{domain}", "bea@example.org", "bea@sent.example.org"),
            ("{local}={domain}@sent.example.net", "bea@example.org", "bea=example.org@sent.example.net"),
            ("sent-{local}@{domain}", "\"b b\"@example.org", "\"sent-b b\"@example.org"),
            ("{local}+Sent@{domain}", "\"a@b\"@example.org", "\"a@b+Sent\"@example.org"),
            ("{local}+Sent@{domain}", "{domain}@example.org", "{domain}+Sent@example.org"),
            ("{local}@copies.example", "bea@example.org", "bea@copies.example"),
        ] {
            let filled = CopyForm::parse(form).unwrap().fill(&address(own)).unwrap();
            assert_eq!(filled.to_string(), copy, "{form}");
        }
    }

    #[test]
    fn texts_that_are_no_form() {
        use CopyFormError::{NoDifference, Places};
        for (text, error) in [
            ("archive@example.org", Places),
            ("{local}+Sent@{host}", Places),
            ("{local}+{@{domain}", Places),
            ("{local}+}@{domain}", Places),
            ("{local}@{domain}", NoDifference),
            ("{LOCAL}@{domain}", Places),
            ("{local}+Sent", CopyFormError::Address(AddressError::NoDomain)),
            ("{local}+Sent@", CopyFormError::Address(AddressError::NoDomain)),
        ] {
            assert_eq!(CopyForm::parse(text), Err(error), "{text}");
        }
    }

    /// Those at example.org who have copies of what is written for them.
    fn copying(change: impl FnOnce(&mut Scene)) -> Scene {
        Scene::with(|scene| {
            let form = CopyForm::parse("{local}+Sent@{domain}").unwrap();
            scene.rules.sent_copy = Some(CopyRules { on_behalf: true, send_as: true, form });
            change(scene);
        })
    }

    fn copies(scene: &Scene, header: &str, mail_from: &str) -> String {
        let Answer::Decided(Verdict::Accept(accepted)) = scene.answer(header, mail_from) else {
            panic!("{header}: refused");
        };
        let listed = |list: &[Address]| list.iter().map(Address::to_string).collect::<Vec<_>>().join(" ");
        let Copies { to, left_out } = &accepted.copies;
        if left_out.is_empty() { listed(to) } else { format!("{} without {}", listed(to), listed(left_out)) }
    }

    #[test]
    fn each_principal_once() {
        for (header, expected) in [
            ("From: anna@example.org", ""),
            ("From: behalf@example.org", "behalf+Sent@example.org"),
            ("From: as@example.org", "as+Sent@example.org"),
            ("From: chief+x@example.net", "behalf+Sent@example.org"),
            (
                "From: as@example.org, anna@example.org, behalf@example.org, chief@example.org",
                "as+Sent@example.org behalf+Sent@example.org",
            ),
        ] {
            assert_eq!(copies(&copying(|_| ()), header, OWN), expected, "{header}");
        }
        assert_eq!(copies(&copying(|_| ()), "From: behalf@example.org", ""), "behalf+Sent@example.org");
        assert_eq!(copies(&Scene::with(|_| ()), "From: behalf@example.org", OWN), "");
    }

    #[test]
    fn by_the_right_that_shows() {
        let only = |on_behalf, send_as| {
            copying(|scene| {
                let form = CopyForm::parse("{local}+Sent@{domain}").unwrap();
                scene.rules.sent_copy = Some(CopyRules { on_behalf, send_as, form });
            })
        };
        let from = "From: as@example.org, both@example.org";
        assert_eq!(copies(&only(true, false), from, OWN), "both+Sent@example.org");
        assert_eq!(copies(&only(false, true), from, OWN), "as+Sent@example.org");
    }

    #[test]
    fn not_where_the_message_goes_anyway() {
        for (recipients, expected) in [
            (&["<behalf@example.org>"][..], "behalf+Sent@example.org"),
            (&["<x@y.example>", "<BEHALF+sent@Example.ORG>"], ""),
            (&["<\"behalf+Sent\"@example.org>"], ""),
            (&["<@relay.example:behalf+Sent@example.org>"], ""),
            // The domain stands for the other.
            (&["<behalf+Sent@example.net>"], ""),
            (&["<behalf+Sent+x@example.org>", "<postmaster>"], "behalf+Sent@example.org"),
        ] {
            let scene = copying(|scene| scene.recipients = recipients);
            assert_eq!(copies(&scene, "From: behalf@example.org", OWN), expected, "{recipients:?}");
        }
    }

    /// A copy could go to one that was not looked at.
    #[test]
    fn not_among_more_recipients_than_are_looked_at() {
        const MANY: &[&str] = &["<x@y.example>"; MAX_RECIPIENTS * 2];
        for (count, refused) in [(MAX_RECIPIENTS, false), (MAX_RECIPIENTS + 1, true), (MANY.len(), true)] {
            let scene = copying(|scene| scene.recipients = &MANY[..count]);
            let answer = scene.answer("From: behalf@example.org", OWN);
            assert_eq!(answer == Answer::Decided(Verdict::Refuse(Refusal::Recipients)), refused, "{count}");
        }
    }

    #[test]
    fn never_for_a_group_or_into_another_domain() {
        let company = |change: fn(&mut Entry)| {
            copying(|scene| {
                let mut boss = entry("boss", &[(Right::SendAs, "anna")]);
                change(&mut boss);
                scene.company = vec![boss];
            })
        };
        for (change, header, expected) in [
            ((|_| ()) as fn(&mut Entry), "From: boss@example.org", "boss+Sent@example.org"),
            (|boss| boss.is_group = true, "From: boss@example.org", ""),
            (|boss| boss.mail = [address("boss@foreign.example")].into(), "From: boss@foreign.example", ""),
            // Whatever aliases it has.
            (
                |boss| {
                    boss.aliases = std::mem::take(&mut boss.mail);
                    boss.mail = [address("boss@foreign.example")].into();
                },
                "From: boss@example.org",
                "",
            ),
            // A shared mailbox does not log in.
            (
                |boss| boss.logins_but_mail = Default::default(),
                "From: boss@example.org",
                "boss+Sent@example.org",
            ),
        ] {
            assert_eq!(copies(&company(change), header, OWN), expected, "{header}");
        }
        let mut local = company(|boss| boss.mail = [address("boss@foreign.example")].into());
        local.rules.local_domains = vec!["foreign.example".into()];
        assert_eq!(copies(&local, "From: boss@foreign.example", OWN), "boss+Sent@foreign.example");
    }

    #[test]
    fn everybody_who_holds_the_address() {
        let scene = copying(|scene| {
            let holder = |name| {
                let mut holder = entry(name, &[(Right::SendAs, "anna")]);
                holder.aliases = [address("info@example.org")].into();
                holder
            };
            scene.company = vec![holder("bea"), holder("carl"), holder("list")];
            scene.company[2].is_group = true;
        });
        let expected = "bea+Sent@example.org carl+Sent@example.org";
        assert_eq!(copies(&scene, "From: info@example.org", OWN), expected);
    }

    /// Mail to it goes to the members of the group, and with it what stands behind the name (Postfix,
    /// `propagate_unmatched_extensions`).
    #[test]
    fn never_to_an_address_that_a_group_has_too() {
        let scene = copying(|scene| {
            let holder = |name| entry(name, &[(Right::SendAs, "anna")]);
            let mut list = holder("list");
            list.mail = [address("bea@example.org")].into();
            list.is_group = true;
            scene.company = vec![holder("bea"), list];
        });
        assert_eq!(copies(&scene, "From: bea@example.org", OWN), "");
    }

    #[test]
    fn addresses_that_are_not_ascii() {
        let scene = |aliases: &[&str], parameters| {
            copying(|scene| {
                let mut boss = entry("boss", &[(Right::SendOnBehalf, "anna")]);
                boss.mail = [address("b\u{f6}ss@example.org")].into();
                boss.aliases = aliases.iter().map(|text| address(text)).collect();
                scene.parameters = parameters;
                scene.company = vec![boss];
            })
        };
        let from = "From: b\u{f6}ss@example.org";
        for (aliases, parameters, expected) in [
            (&["boss@example.org"][..], &["SMTPUTF8"][..], "b\u{f6}ss+Sent@example.org"),
            (&["boss@foreign.example", "boss@example.org"], &[], "boss+Sent@example.org"),
            (&["boss@foreign.example"], &[], " without b\u{f6}ss+Sent@example.org"),
        ] {
            assert_eq!(copies(&scene(aliases, parameters), from, OWN), expected, "{aliases:?}");
        }
        let twice = format!("{from}, B\u{f6}ss <boss@foreign.example>");
        let without = copies(&scene(&["boss@foreign.example"], &[]), &twice, OWN);
        assert_eq!(without, " without b\u{f6}ss+Sent@example.org");
    }

    #[test]
    fn never_among_the_principal_s_own_mail() {
        let scene = copying(|scene| {
            let form = CopyForm::parse("{local}@example.org").unwrap();
            scene.rules.sent_copy = Some(CopyRules { on_behalf: true, send_as: true, form });
        });
        assert_eq!(copies(&scene, "From: behalf@example.org", OWN), "");
    }
}
