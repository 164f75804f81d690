//! Security identifiers (MS-DTYP section 2.4.2): by these, not by names, Active Directory says who may do what.

use std::fmt;

/// The most parts that follow the authority (MS-DTYP section 2.4.2.2).
const MAX_PARTS: u8 = 15;

/// The revision, the number of parts, and the authority.
const HEAD: usize = 8;

/// A security identifier, such as `S-1-5-21-1004336348-1177238915-682003330-512`.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Sid(Box<[u8]>);

/// Why octets or text are no security identifier.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("it is not a security identifier (MS-DTYP section 2.4.2)")]
pub struct SidError;

impl Sid {
    /// Reads the octets of `objectSid`, and nothing else (MS-DTYP section 2.4.2.2).
    pub fn from_octets(octets: &[u8]) -> Result<Self, SidError> {
        match Self::take(octets) {
            Some((sid, [])) => Ok(sid),
            Some(_) | None => Err(SidError),
        }
    }

    /// Reads the one with which the octets begin, and gives what follows it.
    pub fn take(octets: &[u8]) -> Option<(Self, &[u8])> {
        let (&revision, &parts) = (octets.first()?, octets.get(1)?);
        if revision != 1 || parts > MAX_PARTS {
            return None;
        }
        let (own, rest) = octets.split_at_checked(HEAD + 4 * usize::from(parts))?;
        Some((Self(own.into()), rest))
    }

    /// Reads the text form (MS-DTYP section 2.4.2.1).
    pub fn parse(text: &str) -> Result<Self, SidError> {
        let mut fields = text.strip_prefix("S-1-").ok_or(SidError)?.split('-');
        let authority = fields.next().and_then(authority).ok_or(SidError)?;
        let parts = fields.map(|field| field.parse::<u32>().map_err(|_| SidError));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        Self::new(authority, &parts).ok_or(SidError)
    }

    fn new(authority: u64, parts: &[u32]) -> Option<Self> {
        let count = u8::try_from(parts.len()).ok().filter(|count| *count <= MAX_PARTS)?;
        let [0, 0, authority @ ..] = authority.to_be_bytes() else { return None };
        let parts = parts.iter().flat_map(|part| part.to_le_bytes());
        Some(Self([1, count].into_iter().chain(authority).chain(parts).collect()))
    }

    /// As it stands in `objectSid` and in access control entries.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// The one of the same domain that ends with `rid`, as `primaryGroupID` names a group (MS-ADTS section 3.1.1.4.5.3).
    pub fn in_same_domain(&self, rid: u32) -> Option<Self> {
        let mut parts = self.parts();
        *parts.last_mut()? = rid;
        Self::new(self.authority(), &parts)
    }

    /// Whether it stands for the object itself, whatever that is: `S-1-5-10`, Principal Self.
    pub fn is_self(&self) -> bool {
        self.is(5, &[10])
    }

    /// Whether it stands for the operating system of a server: `S-1-5-18`.
    pub fn is_system(&self) -> bool {
        self.is(5, &[18])
    }

    /// Whether everybody who logs in is meant (MS-DTYP section 2.4.2.4): Everyone, Authenticated Users, This
    /// Organization, and the built-in group Users, which has the others for members.
    pub fn is_everybody(&self) -> bool {
        self.is(1, &[0]) || self.is(5, &[11]) || self.is(5, &[15]) || self.is(5, &[32, 545])
    }

    /// Whether entries of directories can have it: those of domains, and the built-in groups of a domain controller.
    pub fn is_of_an_entry(&self) -> bool {
        self.authority() == 5 && matches!(self.parts().as_slice(), [21, ..] | [32, _]) && !self.is_everybody()
    }

    fn is(&self, authority: u64, parts: &[u32]) -> bool {
        self.authority() == authority && self.parts() == parts
    }

    fn authority(&self) -> u64 {
        self.0.iter().take(HEAD).skip(2).fold(0, |sum, octet| sum << 8 | u64::from(*octet))
    }

    fn parts(&self) -> Vec<u32> {
        let (parts, _) = self.0.get(HEAD..).unwrap_or_default().as_chunks();
        parts.iter().map(|part| u32::from_le_bytes(*part)).collect()
    }
}

/// Decimal below 2^32, hexadecimal above (MS-DTYP section 2.4.2.1).
fn authority(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.authority() {
            small if small <= u64::from(u32::MAX) => write!(f, "S-1-{small}")?,
            large => write!(f, "S-1-0x{large:012X}")?,
        }
        self.parts().iter().try_for_each(|part| write!(f, "-{part}"))
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_and_text_are_one() {
        for (text, octets) in [
            ("S-1-1-0", &b"\x01\x01\0\0\0\0\0\x01\0\0\0\0"[..]),
            ("S-1-5-10", b"\x01\x01\0\0\0\0\0\x05\x0a\0\0\0"),
            // The examples of MS-DTYP section 2.4.2.1 and of KB 243330.
            ("S-1-5-32-544", b"\x01\x02\0\0\0\0\0\x05\x20\0\0\0\x20\x02\0\0"),
            (
                "S-1-5-21-1004336348-1177238915-682003330-512",
                b"\x01\x05\0\0\0\0\0\x05\x15\0\0\0\xdc\xf4\xdc\x3b\x83\x3d\x2b\x46\x82\x8b\xa6\x28\0\x02\0\0",
            ),
            ("S-1-0x123456789ABC", b"\x01\0\x12\x34\x56\x78\x9a\xbc"),
        ] {
            let sid = Sid::parse(text).unwrap();
            assert_eq!(sid.octets(), octets, "{text}");
            assert_eq!(Sid::from_octets(octets).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_none() {
        for octets in [
            &b""[..],
            b"\x01",
            b"\x01\x01\0\0\0\0\0\x05",
            b"\x01\x01\0\0\0\0\0\x05\x0a\0\0",
            b"\x01\x01\0\0\0\0\0\x05\x0a\0\0\0\0",
            b"\x02\x01\0\0\0\0\0\x05\x0a\0\0\0",
            &[b"\x01\x10\0\0\0\0\0\x05".as_slice(), &[0; 64]].concat(),
        ] {
            assert_eq!(Sid::from_octets(octets), Err(SidError), "{octets:?}");
        }
        for text in ["", "S-1", "S-2-5-10", "S-1-5-", "S-1-5-x", "S-1-5-4294967296", "S-1-0x1000000000000"] {
            assert_eq!(Sid::parse(text), Err(SidError), "{text}");
        }
        let long = format!("S-1-5{}", "-1".repeat(16));
        assert_eq!(Sid::parse(&long), Err(SidError));
    }

    #[test]
    fn whom_they_stand_for() {
        for (text, everybody, entry) in [
            ("S-1-1-0", true, false),
            ("S-1-5-11", true, false),
            ("S-1-5-15", true, false),
            ("S-1-5-32-545", true, false),
            ("S-1-5-32-548", false, true),
            ("S-1-5-21-1-2-3-1104", false, true),
            ("S-1-5-10", false, false),
            ("S-1-5-18", false, false),
            ("S-1-3-0", false, false),
        ] {
            let sid = Sid::parse(text).unwrap();
            assert_eq!((sid.is_everybody(), sid.is_of_an_entry()), (everybody, entry), "{text}");
            assert_eq!(sid.is_self(), text == "S-1-5-10");
        }
    }

    #[test]
    fn the_primary_group_is_of_the_same_domain() {
        let anna = Sid::parse("S-1-5-21-1-2-3-1104").unwrap();
        assert_eq!(anna.in_same_domain(513), Sid::parse("S-1-5-21-1-2-3-513").ok());
        assert_eq!(Sid::parse("S-1-5").unwrap().in_same_domain(513), None);
    }
}
