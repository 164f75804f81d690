//! Security descriptors as Active Directory stores them in `nTSecurityDescriptor`: who holds a control access right.
//!
//! [`permissions`] reads what the discretionary access control list (DACL) says of one right, [`edit`] changes it. The
//! layout is that of MS-DTYP section 2.4.6 (self-relative), integers are little-endian. The octets are somebody else's:
//! every length is checked, and what is not understood as a whole says nothing at all.
//!
//! Reading follows MS-ADTS section 5.1.3.3.4 with two differences, both on the safe side: a descriptor without a DACL
//! allows nobody, where MS-ADTS allows everybody; and the order of the entries is the canonical one (MS-ADTS section
//! 6.1.3), whatever the order in which they are stored.

use crate::grant::Sid;

pub mod edit;

/// Identifies a control access right; as it stands in access control entries (MS-DTYP section 2.3.4.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Guid(pub [u8; 16]);

/// Exchange's right Send As, `ab721a54-1e2f-11d0-9819-00aa0040529b` (MS-ADTS section 5.1.3.2.1).
pub const SEND_AS: Guid =
    Guid([0x54, 0x1a, 0x72, 0xab, 0x2f, 0x1e, 0xd0, 0x11, 0x98, 0x19, 0x00, 0xaa, 0x00, 0x40, 0x52, 0x9b]);

/// `RIGHT_DS_CONTROL_ACCESS` (MS-ADTS section 5.1.3.2).
const CONTROL_ACCESS: u32 = 0x0000_0100;
/// `GENERIC_ALL`, which stands for all rights (MS-ADTS section 5.1.3.2); servers replace it when they store it.
const GENERIC_ALL: u32 = 0x1000_0000;

/// Bits of the descriptor's control field (MS-DTYP section 2.4.6).
const DACL_PRESENT: u16 = 0x0004;
const SELF_RELATIVE: u16 = 0x8000;

/// The octets of a list's header (MS-DTYP section 2.4.5).
const ACL_HEAD: usize = 8;

/// Flags of an entry (MS-DTYP section 2.4.4.1).
const INHERIT_ONLY: u8 = 0x08;
const INHERITED: u8 = 0x10;

/// Flags of an object entry (MS-DTYP section 2.4.4.3).
const HAS_TYPE: u32 = 1;
const HAS_INHERITED_TYPE: u32 = 2;

/// What an access control entry says of a right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Permission {
    /// Whether it gives or takes the right.
    pub effect: Effect,
    /// Whether it comes from an entry above. What an entry says itself goes first.
    pub inherited: bool,
    /// Whether it is about this right alone. Those that are about all of them (full control) are on every entry.
    pub specific: bool,
    /// Whom it is about.
    pub sid: Sid,
}

/// Whether an access control entry gives or takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// It gives.
    Allow,
    /// It takes.
    Deny,
}

/// Why octets are no security descriptor that we understand.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DescriptorError {
    /// It ends too early, or an offset or a length points beyond its end.
    #[error("it is cut off")]
    Truncated,
    /// A revision, a size or a flag that no descriptor has.
    #[error("it is not a self-relative security descriptor (MS-DTYP section 2.4.6)")]
    Malformed,
    /// An access control entry that might deny, for all we know.
    #[error("it has an access control entry of the unknown type {0}")]
    UnknownType(u8),
}

/// What the descriptor says of a right: what denies before what allows, what the entry says itself before what it
/// inherits. Nothing where it has no DACL.
pub fn permissions(octets: &[u8], right: &Guid) -> Result<Vec<Permission>, DescriptorError> {
    let Some(dacl) = Descriptor::read(octets)?.dacl else { return Ok(Vec::new()) };
    let permissions = dacl.aces.iter().map(|ace| ace.permission(right));
    let mut permissions: Vec<_> = permissions.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    permissions.sort_by_key(|permission| (permission.inherited, permission.effect == Effect::Allow));
    Ok(permissions)
}

/// The parts of a descriptor, each as its octets.
struct Descriptor<'a> {
    /// The revision and the octet behind it.
    head: [u8; 2],
    control: u16,
    owner: Option<&'a [u8]>,
    group: Option<&'a [u8]>,
    sacl: Option<&'a [u8]>,
    dacl: Option<Dacl<'a>>,
}

/// A discretionary access control list (MS-DTYP section 2.4.5).
struct Dacl<'a> {
    aces: Vec<Ace<'a>>,
}

/// An access control entry (MS-DTYP section 2.4.4).
#[derive(Clone, Copy)]
struct Ace<'a> {
    kind: u8,
    flags: u8,
    /// All of it, with its header.
    octets: &'a [u8],
    /// What follows the header.
    body: Octets<'a>,
}

impl<'a> Descriptor<'a> {
    fn read(octets: &'a [u8]) -> Result<Self, DescriptorError> {
        let mut head = Octets(octets);
        let [revision, zero] = head.take()?;
        let control = u16::from_le_bytes(head.take()?);
        if revision != 1 || control & SELF_RELATIVE == 0 {
            return Err(DescriptorError::Malformed);
        }
        let mut part = || head.offset()?.map(|offset| Octets(octets).from(offset)).transpose();
        let (owner, group, sacl, dacl) = (part()?, part()?, part()?, part()?);
        Ok(Self {
            head: [revision, zero],
            control,
            owner: owner.map(Octets::sid).transpose()?,
            group: group.map(Octets::sid).transpose()?,
            sacl: sacl.map(Octets::acl).transpose()?,
            // MS-DTYP section 2.4.6: without the bit there is none, and with it none is one that allows everything.
            dacl: dacl.filter(|_| control & DACL_PRESENT != 0).map(Dacl::read).transpose()?,
        })
    }
}

impl<'a> Dacl<'a> {
    fn read(octets: Octets<'a>) -> Result<Self, DescriptorError> {
        let mut acl = Octets(octets.acl()?);
        let [_revision, _, _, _] = acl.take()?;
        let count = u16::from_le_bytes(acl.take()?);
        let [_, _] = acl.take()?;
        let aces = (0..count).map(|_| acl.ace()).collect::<Result<_, _>>()?;
        Ok(Self { aces })
    }
}

impl Ace<'_> {
    fn is_inherited(&self) -> bool {
        self.flags & INHERITED != 0
    }

    /// What it says of the right; none if nothing.
    fn permission(&self, right: &Guid) -> Result<Option<Permission>, DescriptorError> {
        let Some(Meaning { effect, is_object, is_conditional }) = Meaning::of(self.kind)? else {
            return Ok(None);
        };
        let mut body = self.body;
        let mask = u32::from_le_bytes(body.take()?);
        let object = if is_object { body.object_type()? } else { None };
        let (sid, _) = Sid::take(body.0).ok_or(DescriptorError::Truncated)?;
        let applies = self.flags & INHERIT_ONLY == 0
            && mask & (CONTROL_ACCESS | GENERIC_ALL) != 0
            && object.is_none_or(|object| object == *right)
            // Nobody here can evaluate the condition: it does not allow, and it does deny.
            && !(is_conditional && effect == Effect::Allow);
        let specific = object.is_some();
        Ok(applies.then(|| Permission { effect, inherited: self.is_inherited(), specific, sid }))
    }
}

/// What a type of access control entry is for, if it allows or denies.
struct Meaning {
    effect: Effect,
    is_object: bool,
    is_conditional: bool,
}

impl Meaning {
    /// MS-DTYP section 2.4.4.1. Those that audit and label neither allow nor deny; the reserved compound type allows.
    fn of(kind: u8) -> Result<Option<Self>, DescriptorError> {
        let (effect, is_object, is_conditional) = match kind {
            0x00 => (Effect::Allow, false, false),
            0x01 => (Effect::Deny, false, false),
            0x05 => (Effect::Allow, true, false),
            0x06 => (Effect::Deny, true, false),
            0x09 => (Effect::Allow, false, true),
            0x0A => (Effect::Deny, false, true),
            0x0B => (Effect::Allow, true, true),
            0x0C => (Effect::Deny, true, true),
            0x02..=0x04 | 0x07 | 0x08 | 0x0D..=0x15 => return Ok(None),
            unknown => return Err(DescriptorError::UnknownType(unknown)),
        };
        Ok(Some(Self { effect, is_object, is_conditional }))
    }
}

/// Octets that are read from the front.
#[derive(Clone, Copy)]
struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], DescriptorError> {
        let (own, rest) = self.0.split_first_chunk().ok_or(DescriptorError::Truncated)?;
        self.0 = rest;
        Ok(*own)
    }

    fn first(self, length: usize) -> Result<&'a [u8], DescriptorError> {
        self.0.get(..length).ok_or(DescriptorError::Truncated)
    }

    fn from(self, offset: usize) -> Result<Self, DescriptorError> {
        self.0.get(offset..).map(Octets).ok_or(DescriptorError::Truncated)
    }

    /// Where a part is; none if there is no such part.
    fn offset(&mut self) -> Result<Option<usize>, DescriptorError> {
        let offset = usize::try_from(u32::from_le_bytes(self.take()?));
        offset
            .map(|offset| Some(offset).filter(|offset| *offset != 0))
            .map_err(|_| DescriptorError::Truncated)
    }

    /// The octets of the security identifier with which these begin.
    fn sid(self) -> Result<&'a [u8], DescriptorError> {
        let (sid, _) = Sid::take(self.0).ok_or(DescriptorError::Truncated)?;
        self.first(sid.octets().len())
    }

    /// The octets of the access control list with which these begin (MS-DTYP section 2.4.5): revision 2, or 4 if it
    /// has object entries.
    fn acl(self) -> Result<&'a [u8], DescriptorError> {
        let mut head = self;
        let [revision, _] = head.take()?;
        let size = usize::from(u16::from_le_bytes(head.take()?));
        if !matches!(revision, 2 | 4) || size < ACL_HEAD {
            return Err(DescriptorError::Malformed);
        }
        self.first(size)
    }

    /// Takes an access control entry (MS-DTYP section 2.4.4.1): its size is a multiple of 4 and has the header in it.
    fn ace(&mut self) -> Result<Ace<'a>, DescriptorError> {
        let whole = *self;
        let mut head = whole;
        let [kind, flags] = head.take()?;
        let size = usize::from(u16::from_le_bytes(head.take()?));
        if size % 4 != 0 {
            return Err(DescriptorError::Malformed);
        }
        let octets = whole.first(size)?;
        let body = Octets(octets).from(4)?;
        *self = whole.from(size)?;
        Ok(Ace { kind, flags, octets, body })
    }

    /// Takes the fields of an object entry that stand between the mask and the security identifier (MS-DTYP section
    /// 2.4.4.3). The type to which it is inherited says nothing of the entry itself.
    fn object_type(&mut self) -> Result<Option<Guid>, DescriptorError> {
        let flags = u32::from_le_bytes(self.take()?);
        let own = if flags & HAS_TYPE == 0 { None } else { Some(Guid(self.take()?)) };
        if flags & HAS_INHERITED_TYPE != 0 {
            let _: [u8; 16] = self.take()?;
        }
        Ok(own)
    }
}

#[cfg(test)]
pub(crate) mod tests;
