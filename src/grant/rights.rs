//! Rights together, and to whom they are given.

use super::Right;
use crate::dn::Dn;

/// A set of rights.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rights {
    /// [`Right::SendAs`]
    pub send_as: bool,
    /// [`Right::SendOnBehalf`]
    pub send_on_behalf: bool,
    /// [`Right::Schedule`]
    pub schedule: bool,
}

impl Rights {
    /// The names of those that it holds.
    pub fn names(self) -> Vec<&'static str> {
        let held = [
            (self.send_as, Right::SendAs),
            (self.send_on_behalf, Right::SendOnBehalf),
            (self.schedule, Right::Schedule),
        ];
        held.into_iter().filter(|(held, _)| *held).map(|(_, right)| right.name()).collect()
    }

    pub(super) fn intersect(self, other: Self) -> Self {
        Self {
            send_as: self.send_as && other.send_as,
            send_on_behalf: self.send_on_behalf && other.send_on_behalf,
            schedule: self.schedule && other.schedule,
        }
    }
}

/// The identities of a submitter by which it has rights of one principal: itself, a security group that it is in, or the
/// principal that it is a member of. Of several, the first.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Delegates {
    send_as: Option<Dn>,
    send_on_behalf: Option<Dn>,
    schedule: Option<Dn>,
}

impl Delegates {
    pub(super) fn insert(&mut self, right: Right, identity: Dn) {
        let place = match right {
            Right::SendAs => &mut self.send_as,
            Right::SendOnBehalf => &mut self.send_on_behalf,
            Right::Schedule => &mut self.schedule,
        };
        place.get_or_insert(identity);
    }

    /// By which it has the right, if it has it.
    pub fn of(&self, right: Right) -> Option<&Dn> {
        match right {
            Right::SendAs => self.send_as.as_ref(),
            Right::SendOnBehalf => self.send_on_behalf.as_ref(),
            Right::Schedule => self.schedule.as_ref(),
        }
    }

    /// The rights without whose they are.
    pub fn rights(&self) -> Rights {
        Rights {
            send_as: self.send_as.is_some(),
            send_on_behalf: self.send_on_behalf.is_some(),
            schedule: self.schedule.is_some(),
        }
    }
}
