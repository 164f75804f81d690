//! Scheduling mail (iTIP, RFC 5546; in mail, RFC 6047): when the right `schedule` counts, whom a calendar may name as
//! its actor, and whose properties get SENT-BY.

use std::collections::{HashMap, HashSet};

use super::{Author, By, Case, Refusal, Rules, SenderChange};
use crate::address::Address;
use crate::calendar::{Actor, Component, Method, Party, SentBy};
use crate::grant::{Entry, Facts, Others, Relation, relation};

/// The most addresses of calendars that are looked up for one message; each may cost a question. What an invitation
/// names beyond them counts as not allowed.
const MAX_ACTORS: usize = 32;

/// `[scheduling]`, as far as it decides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SchedulingRules {
    /// `scheduling.enabled`: whether bodies are read for calendars, and the right `schedule` counts.
    pub enabled: bool,
    /// `scheduling.check_own`: whether the actors of calendars are checked in every message.
    pub check_own: bool,
}

/// What is known of the body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Body {
    /// Nothing yet.
    Unread,
    /// It is longer than `scheduling.max_body`, and stays unread.
    TooLong,
    /// What it holds of calendars.
    Read(Reading),
}

/// What a body holds of calendars.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reading {
    /// Whether the message is built as programs send invitations, and all of it could be read.
    pub is_invitation: bool,
    /// The components of all calendars with a METHOD.
    pub components: Vec<Component>,
    /// Why a calendar could not be read, if one could not.
    pub unread: Option<String>,
}

/// What must be known of the body before the decision can be made or carried out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    /// Addresses for which the submitter may send scheduling mail only: is it that, and do they act in it?
    pub only_scheduling: Vec<Address>,
    /// Whether a calendar in it must be marked SENT-BY.
    pub mark: bool,
}

/// The addresses in calendars of which the owners must be known besides: those that may be an author's principal by
/// another form of the address, and with `scheduling.check_own` the actors.
pub fn acting_addresses(facts: &Facts, rules: &Rules, body: &Body) -> Vec<Address> {
    let Body::Read(reading) = body else { return Vec::new() };
    let check_own = rules.scheduling.check_own;
    let is_known = |address: &Address| facts.submitter.owns(address) || facts.owners.get(address).is_some();
    let may_matter = |address: &Address| check_own || is_form_of_owner(address, facts, rules);
    each_once(parties(reading).flat_map(|party| named(party, check_own)))
        .filter(|address| !is_known(address) && may_matter(address))
        .take(MAX_ACTORS)
        .cloned()
        .collect()
}

/// A calendar may say the same of the same people thousands of times.
fn each_once<'a>(addresses: impl Iterator<Item = &'a Address>) -> impl Iterator<Item = &'a Address> {
    let mut seen = HashSet::new();
    addresses.filter(move |address| seen.insert(*address))
}

/// What the submitter is to those whom the calendars name, as far as anything is known of them: found out once for each
/// address.
pub(super) fn relations<'a>(body: &'a Body, facts: &Facts, rules: &Rules) -> HashMap<&'a Address, Relation> {
    let Body::Read(reading) = body else { return HashMap::new() };
    each_once(parties(reading).flat_map(|party| named(party, true)))
        .filter_map(|address| Some((address, relation(address, facts, &rules.addresses, &rules.grants)?)))
        .collect()
}

/// The calendar address of a property, and with `delegates` those of its SENT-BY.
fn named(party: &Party, delegates: bool) -> impl Iterator<Item = &Address> {
    party.address.iter().chain(party.sent_by.iter().flatten().filter(move |_| delegates))
}

/// Whether a form of the address, but not the address as it stands, is one of somebody who is known already.
fn is_form_of_owner(address: &Address, facts: &Facts, rules: &Rules) -> bool {
    let is_owned = |form| facts.submitter.owns(form) || facts.owners.entries().any(|entry| entry.has(form));
    rules.addresses.candidates(address).iter().any(is_owned)
}

/// The properties of the actors, and the attendees that may be a principal too.
fn parties(reading: &Reading) -> impl Iterator<Item = &Party> {
    reading.components.iter().flat_map(|component| component.organizers.iter().chain(&component.attendees))
}

impl Case<'_> {
    /// Whether the right `schedule` counts here: the message is scheduling mail in which every principal acts, or
    /// may turn out to be.
    pub(super) fn may_schedule(&self, others: &Others) -> bool {
        let granted =
            self.rules.scheduling.enabled && others.rights.schedule && self.message.calendar_possible;
        granted
            && match self.body {
                Body::Unread | Body::TooLong => true,
                Body::Read(reading) => {
                    reading.is_invitation
                        && others.principals.iter().all(|principal| self.acts_throughout(principal, reading))
                }
            }
    }

    /// Whether the principal is the actor of every calendar, and nobody else is.
    fn acts_throughout(&self, principal: &Entry, reading: &Reading) -> bool {
        let is_principal =
            |party: &Party| party.address.as_ref().is_some_and(|address| self.is_of(principal, address));
        let acts = |component: &Component| {
            let attendees = &component.attendees;
            match component.method.actor() {
                Some(Actor::Organizer) => {
                    matches!(&component.organizers[..], [organizer] if is_principal(organizer))
                }
                // RFC 5546 section 3.2.7: a counter-proposal may name those whom it would invite.
                Some(Actor::Attendee) if component.method == Method::Counter => {
                    attendees.iter().any(is_principal)
                }
                // RFC 5546 sections 3.2.3 and 3.2.6: exactly one, who answers.
                Some(Actor::Attendee) => matches!(&attendees[..], [attendee] if is_principal(attendee)),
                None => false,
            }
        };
        !reading.components.is_empty() && reading.components.iter().all(acts)
    }

    /// Whether the calendar address is the principal's.
    fn is_of(&self, principal: &Entry, address: &Address) -> bool {
        principal.has(address)
            || match self.relations.get(address) {
                Some(Relation::Others(others)) => {
                    others.principals.iter().any(|other| other.dn == principal.dn)
                }
                Some(Relation::Own | Relation::Unknown) | None => false,
            }
    }

    /// What must be known of the body: whether the right `schedule` carries, what to mark SENT-BY, and who acts.
    pub(super) fn question(&self, authors: &[Author]) -> Option<Question> {
        let SchedulingRules { enabled, check_own } = self.rules.scheduling;
        if !enabled || !self.message.calendar_possible {
            return None;
        }
        let only_scheduling: Vec<_> = self
            .message
            .addresses()
            .into_iter()
            .filter(|address| self.needs_schedule(address))
            .cloned()
            .collect();
        let mark = authors.iter().any(|author| author.by.principal().is_some());
        (mark || check_own || !only_scheduling.is_empty()).then_some(Question { only_scheduling, mark })
    }

    fn needs_schedule(&self, address: &Address) -> bool {
        match self.relation(address) {
            Some(Relation::Others(Others { rights, .. })) => {
                rights.schedule && !rights.send_as && !rights.send_on_behalf
            }
            Some(Relation::Own | Relation::Unknown) | None => false,
        }
    }

    /// Nothing that depends on the body may be left open once it is known that the body stays unread.
    pub(super) fn check_length(&self, question: Option<&Question>) -> Result<(), Refusal> {
        let depends =
            |question: &Question| self.rules.scheduling.check_own || !question.only_scheduling.is_empty();
        match self.body {
            Body::TooLong if question.is_some_and(depends) => Err(Refusal::BodyTooLong),
            Body::TooLong | Body::Unread | Body::Read(_) => Ok(()),
        }
    }

    /// With `scheduling.check_own`, nobody answers, cancels or adds for somebody who did not allow it.
    pub(super) fn check_actors(&self) -> Result<(), Refusal> {
        let Body::Read(reading) = self.body else { return Ok(()) };
        if !self.rules.scheduling.check_own {
            return Ok(());
        }
        if let Some(why) = &reading.unread {
            return Err(Refusal::Calendar(why.clone()));
        }
        let usable: HashSet<&Address> =
            self.relations.keys().copied().filter(|address| self.may_use(address)).collect();
        reading.components.iter().try_for_each(|component| self.check_component(component, &usable))
    }

    /// `usable`: the addresses in calendars that are own or granted.
    fn check_component(&self, component: &Component, usable: &HashSet<&Address>) -> Result<(), Refusal> {
        let granted = |party: &Party| party.address.as_ref().is_some_and(|address| usable.contains(address));
        let actors = match component.method.actor() {
            Some(Actor::Organizer) => &component.organizers,
            // What it proposes besides is no answer of theirs.
            Some(Actor::Attendee)
                if component.method == Method::Counter && component.attendees.iter().any(granted) =>
            {
                return Ok(());
            }
            Some(Actor::Attendee) => &component.attendees,
            None => return Ok(()),
        };
        let forbidden =
            actors.iter().find(|party| !granted(party) && self.is_forbidden(party, component.method));
        match forbidden.and_then(|party| party.address.clone()) {
            Some(address) => Err(Refusal::NotActor(address)),
            None => Ok(()),
        }
    }

    /// Whether somebody who granted nothing may not stand there as the actor.
    fn is_forbidden(&self, party: &Party, method: Method) -> bool {
        let Some(address) = &party.address else { return false };
        let sent_by_us = party.sent_by.iter().flatten().any(|delegate| self.is_own(delegate));
        // An invitation of somebody else's is one that is sent on.
        let is_forward = matches!(method, Method::Request | Method::Publish);
        sent_by_us || !is_forward && self.relations.get(address) != Some(&Relation::Unknown)
    }

    fn is_own(&self, address: &Address) -> bool {
        self.relations.get(address) == Some(&Relation::Own)
    }

    /// What becomes of SENT-BY in the calendars: for each address that is a principal's, whom it names. `sender` is what
    /// recipients see of the submitter.
    pub(super) fn sent_by(&self, authors: &[Author], sender: &SenderChange) -> Vec<(Address, SentBy)> {
        let Body::Read(reading) = self.body else { return Vec::new() };
        let change = |address: &Address| {
            let change = authors.iter().find_map(|author| self.sent_by_for(address, author, sender))?;
            Some((address.clone(), change))
        };
        each_once(parties(reading).filter_map(|party| party.address.as_ref())).filter_map(change).collect()
    }

    /// The change for properties with this address, if it is this author's principal's.
    fn sent_by_for(&self, address: &Address, author: &Author, sender: &SenderChange) -> Option<SentBy> {
        match &author.by {
            By::OnBehalf(principal) if self.is_of(principal, address) => {
                self.visible_sender(sender).map(|delegate| SentBy::Set(delegate.clone()))
            }
            // Recipients see nothing of the delegate.
            By::SendAs(principal) if self.is_of(principal, address) => Some(SentBy::Remove),
            By::OnBehalf(_) | By::SendAs(_) | By::Own | By::Unknown => None,
        }
    }

    /// The Sender that recipients see.
    fn visible_sender<'a>(&'a self, sender: &'a SenderChange) -> Option<&'a Address> {
        match sender {
            SenderChange::Set(mailbox) => Some(&mailbox.address),
            SenderChange::Keep => self.message.sender.mailbox.as_ref().map(|mailbox| &mailbox.address),
            SenderChange::Remove => None,
        }
    }
}
