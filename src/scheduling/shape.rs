//! How a message is built: as programs send invitations, or in another way.

use super::Found;
use crate::mime::{Entity, Part, Tree};

/// How a message is built.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// As programs send invitations and answers to them, what the right `schedule` allows: `text/calendar`; or
    /// `multipart/alternative` of text and such a part at its end; or either of these first in `multipart/mixed`, followed by
    /// files, among which calendars are copies of the first. All of it is read, every calendar has a METHOD that some
    /// property acts in, and every reader must read the same.
    Invitation,
    /// Any other way.
    Other,
}

/// The shape of a message whose calendars are all readable.
pub(super) fn shape(tree: &Tree, found: &[Found]) -> Shape {
    let entities: Option<Vec<_>> =
        tree.parts.iter().map(|part| part.entity.as_ref().ok().filter(|entity| entity.clear)).collect();
    let shaped = tree.clear
        && entities.is_some_and(|entities| Message { parts: &tree.parts, entities, found }.is_invitation());
    if shaped { Shape::Invitation } else { Shape::Other }
}

struct Message<'t> {
    parts: &'t [Part],
    /// Of each part.
    entities: Vec<&'t Entity>,
    found: &'t [Found],
}

impl Message<'_> {
    fn is_invitation(&self) -> bool {
        let Some(top) = self.entities.first() else { return false };
        if !self.found.iter().all(|found| found.clear) {
            return false;
        }
        if top.kind != "multipart/mixed" {
            return self.invitation(0).is_some();
        }
        let mut children = self.children(0);
        let Some(calendar) = children.next().and_then(|first| self.invitation(first)) else { return false };
        children.all(|child| self.is_file(child, calendar))
    }

    fn children(&self, of: usize) -> impl Iterator<Item = usize> {
        self.parts.iter().enumerate().filter(move |(_, part)| part.parent == Some(of)).map(|(index, _)| index)
    }

    /// The calendar of a part that is an invitation without files.
    fn invitation(&self, part: usize) -> Option<&Found> {
        let entity = self.entities.get(part)?;
        // Apple's Calendar calls it an attachment, with a name.
        if is_calendar(entity) {
            return self.found(part);
        }
        if entity.kind != "multipart/alternative" {
            return None;
        }
        let children: Vec<_> = self.children(part).collect();
        let (last, texts) = children.split_last()?;
        let is = |part: &usize, fits: fn(&Entity) -> bool| {
            self.entities.get(*part).is_some_and(|entity| fits(entity))
        };
        let is_text = |entity: &Entity| {
            entity.kind.starts_with("text/")
                && !is_calendar(entity)
                && !entity.attachment
                && !entity.taken_for_other
        };
        // RFC 2046 section 5.1.4: readers show the last that they know.
        (is(last, is_calendar) && texts.iter().all(|text| is(text, is_text))).then(|| self.found(*last))?
    }

    fn found(&self, part: usize) -> Option<&Found> {
        self.found.iter().find(|found| found.part == part)
    }

    /// Whether a part is a file beside an invitation; a calendar, only a copy of the one in it.
    fn is_file(&self, part: usize, calendar: &Found) -> bool {
        let Some(entity) = self.entities.get(part) else { return false };
        let leaf = !entity.is_multipart() && !entity.kind.starts_with("message/");
        let is_file = entity.attachment || !entity.kind.starts_with("text/");
        let is_its_own =
            self.found(part).map_or(!entity.taken_for_other, |copy| copy.normal == calendar.normal);
        leaf && is_file && is_its_own
    }
}

fn is_calendar(entity: &Entity) -> bool {
    entity.kind == "text/calendar"
}
