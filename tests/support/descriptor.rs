//! Security descriptors for tests, octet by octet (MS-DTYP sections 2.4.4 to 2.4.6), written without the program's help.

/// Types of access control entries (MS-DTYP section 2.4.4.1).
pub const ALLOW: u8 = 0x00;
pub const DENY: u8 = 0x01;
pub const AUDIT: u8 = 0x02;
pub const ALLOW_OBJECT: u8 = 0x05;
pub const DENY_OBJECT: u8 = 0x06;
pub const ALLOW_CALLBACK: u8 = 0x09;
pub const DENY_CALLBACK: u8 = 0x0A;
pub const ALLOW_CALLBACK_OBJECT: u8 = 0x0B;
pub const DENY_CALLBACK_OBJECT: u8 = 0x0C;

/// Flags of access control entries.
pub const INHERIT_ONLY: u8 = 0x08;
pub const INHERITED: u8 = 0x10;

/// Masks (MS-ADTS section 5.1.3.2).
pub const CONTROL_ACCESS: u32 = 0x100;
pub const FULL_CONTROL: u32 = 0x000F_01FF;
pub const GENERIC_ALL: u32 = 0x1000_0000;

/// Control access rights, as they stand in entries.
pub const SEND_AS: [u8; 16] =
    [0x54, 0x1a, 0x72, 0xab, 0x2f, 0x1e, 0xd0, 0x11, 0x98, 0x19, 0x00, 0xaa, 0x00, 0x40, 0x52, 0x9b];
pub const RECEIVE_AS: [u8; 16] =
    [0x56, 0x1a, 0x72, 0xab, 0x2f, 0x1e, 0xd0, 0x11, 0x98, 0x19, 0x00, 0xaa, 0x00, 0x40, 0x52, 0x9b];

/// The octets of a security identifier in its text form (MS-DTYP section 2.4.2).
pub fn sid(text: &str) -> Vec<u8> {
    let mut fields = text.strip_prefix("S-1-").unwrap().split('-').map(|field| field.parse::<u64>().unwrap());
    let authority = fields.next().unwrap().to_be_bytes();
    let parts: Vec<_> = fields.map(|part| u32::try_from(part).unwrap().to_le_bytes()).collect();
    [&[1, u8::try_from(parts.len()).unwrap()], &authority[2..], parts.concat().as_slice()].concat()
}

/// An access control entry; with `right` in the form of object entries, of which it needs the type.
pub fn ace(kind: u8, flags: u8, mask: u32, right: Option<[u8; 16]>, sid: &[u8]) -> Vec<u8> {
    let is_object = matches!(kind, ALLOW_OBJECT | DENY_OBJECT | ALLOW_CALLBACK_OBJECT | DENY_CALLBACK_OBJECT);
    let object = match right {
        Some(right) => [[1, 0, 0, 0].as_slice(), &right].concat(),
        None if is_object => vec![0; 4],
        None => Vec::new(),
    };
    let body = [mask.to_le_bytes().as_slice(), &object, sid].concat();
    let size = u16::try_from(body.len() + 4).unwrap();
    [[kind, flags].as_slice(), &size.to_le_bytes(), &body].concat()
}

/// An entry that allows Send As.
pub fn send_as(sid: &str) -> Vec<u8> {
    ace(ALLOW_OBJECT, 0, CONTROL_ACCESS, Some(SEND_AS), &self::sid(sid))
}

/// A list of access control entries.
pub fn acl(aces: &[Vec<u8>]) -> Vec<u8> {
    let aces_octets = aces.concat();
    let size = u16::try_from(aces_octets.len() + 8).unwrap();
    let count = u16::try_from(aces.len()).unwrap();
    [[4, 0], size.to_le_bytes(), count.to_le_bytes(), [0, 0]]
        .concat()
        .into_iter()
        .chain(aces_octets)
        .collect()
}

/// A descriptor with this list alone, as a server gives it to who asks for no more.
pub fn descriptor(aces: &[Vec<u8>]) -> Vec<u8> {
    with_parts(None, None, None, Some(&acl(aces)))
}

/// A descriptor with these parts: the owner, the group, the audit list, the access list.
pub fn with_parts(
    owner: Option<&[u8]>,
    group: Option<&[u8]>,
    sacl: Option<&[u8]>,
    dacl: Option<&[u8]>,
) -> Vec<u8> {
    let present = |part: Option<&[u8]>, bit: u16| if part.is_some() { bit } else { 0 };
    let control: u16 = 0x8000 | present(sacl, 0x10) | present(dacl, 0x04);
    let parts = [owner, group, sacl, dacl];
    let mut offset = 20;
    let mut octets = [[1, 0], control.to_le_bytes()].concat();
    for part in parts {
        octets.extend(part.map_or(0_u32, |_| offset).to_le_bytes());
        offset += u32::try_from(part.map_or(0, <[u8]>::len)).unwrap();
    }
    octets.extend(parts.into_iter().flatten().flatten());
    octets
}
