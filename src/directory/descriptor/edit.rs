//! Changes of a descriptor: one access control entry more, or those of one delegate less.
//!
//! All else stays octet for octet, whatever it is; the parts are laid out anew behind the header.

use super::{
    ACL_HEAD, Ace, CONTROL_ACCESS, Dacl, Descriptor, DescriptorError, Effect, Guid, HAS_TYPE, Meaning,
    Permission, permissions,
};
use crate::grant::Sid;

/// `ACCESS_ALLOWED_OBJECT_ACE_TYPE` (MS-DTYP section 2.4.4.1).
const ALLOWED_OBJECT: u8 = 0x05;

/// What lists with object entries have (MS-DTYP section 2.4.5).
const REVISION: u8 = 4;

/// The octets of a descriptor's header.
const HEAD: usize = 20;

/// The most octets of a descriptor: lists have 16 bits for their size (MS-DTYP section 2.4.5).
const MAX_SIZE: usize = 0xFFFF;

/// Why a descriptor cannot be changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EditError {
    /// It is none.
    #[error(transparent)]
    Unreadable(#[from] DescriptorError),
    /// It has no list: the first entry of a new one would take all other rights away.
    #[error("it has no access control list; write one with the directory's own tools first")]
    NoList,
    /// The list would not fit.
    #[error("it would be larger than 64 KiB; remove access control entries first")]
    TooLarge,
}

/// The descriptor with an entry that gives `right` to `sid`; none if the entry has such a one itself already. The new
/// one stands where MS-ADTS section 6.1.3 wants it: the last of those that are not inherited.
pub fn grant(octets: &[u8], sid: &Sid, right: &Guid) -> Result<Option<Vec<u8>>, EditError> {
    let descriptor = readable(octets, right)?;
    let aces = descriptor.aces()?;
    if aces.iter().any(|ace| ace.gives(sid, right)) {
        return Ok(None);
    }
    let new = allowed(sid, right)?;
    let (before, behind) = aces.split_at_checked(position(aces)).unwrap_or((aces, &[]));
    let before = before.iter().map(|ace| ace.octets);
    let behind = behind.iter().map(|ace| ace.octets);
    descriptor.with(before.chain([new.as_slice()]).chain(behind)).map(Some)
}

/// The descriptor without the entries that give `right` to `sid`; none if it has no such entry. What gives all rights,
/// is inherited, or denies stays.
pub fn revoke(octets: &[u8], sid: &Sid, right: &Guid) -> Result<Option<Vec<u8>>, EditError> {
    let descriptor = readable(octets, right)?;
    let aces = descriptor.aces()?;
    let kept: Vec<_> = aces.iter().filter(|ace| !ace.gives(sid, right)).map(|ace| ace.octets).collect();
    if kept.len() == aces.len() {
        return Ok(None);
    }
    descriptor.with(kept.into_iter()).map(Some)
}

/// The parts of a descriptor of which every entry is understood.
fn readable<'a>(octets: &'a [u8], right: &Guid) -> Result<Descriptor<'a>, EditError> {
    permissions(octets, right)?;
    Ok(Descriptor::read(octets)?)
}

impl Ace<'_> {
    /// Whether it stands on the entry itself and gives this right by its name to the delegate.
    fn gives(&self, sid: &Sid, right: &Guid) -> bool {
        let permission = self.permission(right).ok().flatten();
        let gives = |own: Permission| own.specific && !own.inherited && own.sid == *sid;
        self.kind == ALLOWED_OBJECT && permission.is_some_and(gives)
    }

    /// Whether it stands on the entry itself and denies anything.
    fn denies(&self) -> bool {
        let meaning = Meaning::of(self.kind).ok().flatten();
        meaning.is_some_and(|meaning| meaning.effect == Effect::Deny) && !self.is_inherited()
    }
}

/// Where a new entry goes: before the first that is inherited; in a list that is out of order, behind all of the
/// entry's own that deny.
fn position(aces: &[Ace<'_>]) -> usize {
    let inherited = aces.iter().position(Ace::is_inherited).unwrap_or(aces.len());
    let denies = aces.iter().rposition(Ace::denies).map_or(0, |last| last + 1);
    inherited.max(denies)
}

/// MS-DTYP section 2.4.4.3.
fn allowed(sid: &Sid, right: &Guid) -> Result<Vec<u8>, EditError> {
    let fields = [CONTROL_ACCESS.to_le_bytes(), HAS_TYPE.to_le_bytes()].concat();
    let body = [fields.as_slice(), &right.0, sid.octets()].concat();
    let size = u16::try_from(body.len() + 4).map_err(|_| EditError::TooLarge)?;
    Ok([[ALLOWED_OBJECT, 0].as_slice(), &size.to_le_bytes(), &body].concat())
}

impl<'a> Descriptor<'a> {
    fn aces(&self) -> Result<&[Ace<'a>], EditError> {
        self.dacl.as_ref().map(|Dacl { aces, .. }| aces.as_slice()).ok_or(EditError::NoList)
    }

    /// The same with other access control entries.
    fn with<'n>(&self, aces: impl Iterator<Item = &'n [u8]>) -> Result<Vec<u8>, EditError> {
        let dacl = list(aces)?;
        let parts = [self.owner, self.group, self.sacl, Some(dacl.as_slice())];
        let mut octets = [self.head.as_slice(), &self.control.to_le_bytes()].concat();
        let mut offset = HEAD;
        for part in parts {
            let at = if part.is_some() { offset } else { 0 };
            octets.extend(u32::try_from(at).map_err(|_| EditError::TooLarge)?.to_le_bytes());
            offset += part.map_or(0, <[u8]>::len);
        }
        parts.into_iter().flatten().for_each(|part| octets.extend(part));
        if octets.len() > MAX_SIZE { Err(EditError::TooLarge) } else { Ok(octets) }
    }
}

/// MS-DTYP section 2.4.5.
fn list<'a>(aces: impl Iterator<Item = &'a [u8]>) -> Result<Vec<u8>, EditError> {
    let aces: Vec<_> = aces.collect();
    let number = |number: usize| u16::try_from(number).map(u16::to_le_bytes).map_err(|_| EditError::TooLarge);
    let size = number(ACL_HEAD + aces.iter().map(|ace| ace.len()).sum::<usize>())?;
    let count = number(aces.len())?;
    let mut octets = [[REVISION, 0], size, count, [0, 0]].concat();
    aces.into_iter().for_each(|ace| octets.extend(ace));
    Ok(octets)
}
