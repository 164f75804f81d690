//! `oxDeputyPermissionGivenTo` of Univention's connector for OX App Suite: all that one deputy may do, in one value.
//!
//! `DN |:$:| mail |:$:| calendar |:$:| on behalf`, where mail and calendar are five digits each: admin, folder, read,
//! write, delete (0 is nothing, 2 one's own objects, 4 all, 8 all and subfolders), and the last field is `1` if the
//! deputy sends on behalf. Published with the connector (univention/ox-connector): `udm/hooks.d/oxDeputyPermissionHook.py`
//! splits the fields, `univention/ox/provisioning/deputy_permissions.py` reads them. Read strictly: a value that is not
//! just so grants nothing.

use std::fmt;

use crate::dn::{Dn, DnError};
use crate::grant::Right;

/// What stands between two fields, but for white space.
const SEPARATOR: &str = "|:$:|";

/// One deputy, and what it may do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Deputy {
    /// Whom the value names.
    pub dn: Dn,
    /// In the grantor's inbox; nothing here depends on it.
    mail: Permission,
    calendar: Permission,
    on_behalf: bool,
}

/// What a deputy may do in one folder.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Permission {
    admin: u8,
    folder: u8,
    read: u8,
    write: u8,
    delete: u8,
}

/// Why a value is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DeputyError {
    /// It has more or fewer than four fields.
    #[error("it has not the four fields \"name |:$:| mail |:$:| calendar |:$:| on behalf\"")]
    Fields,
    /// The first field is no name.
    #[error("its first field: {0}")]
    Name(#[from] DnError),
    /// The second or third field is no permission.
    #[error("its fields mail and calendar must have five digits each")]
    Permission,
    /// The last field is neither set nor unset.
    #[error("its last field is neither 1 nor 0 nor empty")]
    OnBehalf,
}

impl Deputy {
    /// A deputy who may do nothing yet.
    ///
    /// # Errors
    ///
    /// The name cannot be written in such a value: it is empty, or has what stands between fields in it.
    pub fn new(dn: &Dn) -> Result<Self, DeputyError> {
        let nothing = Permission::default();
        Self::parse(&format!("{dn} {SEPARATOR} {nothing} {SEPARATOR} {nothing} {SEPARATOR} 0"))
    }

    /// Reads a value.
    pub fn parse(value: &str) -> Result<Self, DeputyError> {
        let fields: Vec<_> = value.split(SEPARATOR).map(str::trim).collect();
        let &[name, mail, calendar, on_behalf] = fields.as_slice() else { return Err(DeputyError::Fields) };
        let dn = Dn::parse(name)?;
        // The root is nobody's name.
        if dn.depth() == 0 {
            return Err(DnError.into());
        }
        let on_behalf = match on_behalf {
            "1" => true,
            "0" | "" => false,
            _ => return Err(DeputyError::OnBehalf),
        };
        let permission = |text| Permission::parse(text).ok_or(DeputyError::Permission);
        Ok(Self { dn, mail: permission(mail)?, calendar: permission(calendar)?, on_behalf })
    }

    /// Whether it has the right. Who may write in the calendar may send what concerns it.
    pub fn has(&self, right: Right) -> bool {
        match right {
            Right::SendAs => false,
            Right::SendOnBehalf => self.on_behalf,
            Right::Schedule => self.calendar.write > 0,
        }
    }

    /// The same with the right, all else as it was; none if such a value cannot grant it.
    pub fn with(self, right: Right) -> Option<Self> {
        match right {
            Right::SendAs => None,
            Right::SendOnBehalf => Some(Self { on_behalf: true, ..self }),
            Right::Schedule => Some(Self { calendar: self.calendar.writable(), ..self }),
        }
    }

    /// The same without the right, all else as it was.
    pub fn without(self, right: Right) -> Self {
        match right {
            Right::SendAs => self,
            Right::SendOnBehalf => Self { on_behalf: false, ..self },
            Right::Schedule => Self { calendar: self.calendar.readable(), ..self },
        }
    }

    /// Whether it may do nothing at all: such a value need not be kept.
    pub fn is_idle(&self) -> bool {
        let nothing = Permission::default();
        !self.on_behalf && self.mail == nothing && self.calendar == nothing
    }
}

/// The value, as the connector writes it.
impl fmt::Display for Deputy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dn, mail, calendar, on_behalf } = self;
        let on_behalf = u8::from(*on_behalf);
        write!(f, "{dn} {SEPARATOR} {mail} {SEPARATOR} {calendar} {SEPARATOR} {on_behalf}")
    }
}

impl Permission {
    fn parse(text: &str) -> Option<Self> {
        let digit = |byte: &u8| byte.is_ascii_digit().then(|| byte.wrapping_sub(b'0'));
        let digits: Option<Vec<_>> = text.as_bytes().iter().map(digit).collect();
        let &[admin, folder, read, write, delete] = digits?.as_slice() else { return None };
        Some(Self { admin, folder, read, write, delete })
    }

    /// At least what App Suite calls an editor, `02440`, if nothing may be written yet.
    fn writable(self) -> Self {
        if self.write > 0 {
            return self;
        }
        Self { folder: self.folder.max(2), read: self.read.max(4), write: 4, ..self }
    }

    /// At most what App Suite calls a viewer, `02400`, if something may be written.
    fn readable(self) -> Self {
        if self.write == 0 {
            return self;
        }
        Self { admin: 0, folder: self.folder.min(2), read: self.read, write: 0, delete: 0 }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { admin, folder, read, write, delete } = self;
        write!(f, "{admin}{folder}{read}{write}{delete}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::grant::Right::{Schedule, SendAs, SendOnBehalf};

    const RIGHTS: [Right; 3] = [SendAs, SendOnBehalf, Schedule];

    #[test]
    fn what_a_value_grants() {
        for (value, rights) in [
            ("uid=anna,dc=org |:$:| 02400 |:$:| 02400 |:$:| 1", &[SendOnBehalf][..]),
            ("uid=anna,dc=org |:$:| 08444 |:$:| 02400 |:$:| 0", &[]),
            ("uid=anna,dc=org |:$:| 00000 |:$:| 02440 |:$:| 0", &[Schedule]),
            ("uid=anna,dc=org |:$:| 00000 |:$:| 00010 |:$:| ", &[Schedule]),
            // Servers cut the white space at the end.
            ("uid=anna,dc=org |:$:| 02400 |:$:| 02400 |:$:|", &[]),
            ("uid=anna,dc=org|:$:|08444|:$:|08444|:$:|1", &[SendOnBehalf, Schedule]),
            ("  UID=Anna, DC=org  |:$:|  02400 |:$:| 02400 |:$:| 1 ", &[SendOnBehalf]),
            // No mail from inbox and calendar: the last field alone says who sends.
            ("uid=anna,dc=org |:$:| 00000 |:$:| 00000 |:$:| 1", &[SendOnBehalf]),
        ] {
            let deputy = Deputy::parse(value).unwrap_or_else(|error| panic!("{value}: {error}"));
            assert_eq!(deputy.dn, Dn::parse("uid=anna,dc=org").unwrap());
            let has: Vec<_> = RIGHTS.into_iter().filter(|right| deputy.has(*right)).collect();
            assert_eq!(has, rights, "{value}");
        }
    }

    #[test]
    fn what_grants_nothing() {
        use DeputyError::{Fields, Name, OnBehalf, Permission};
        for (value, error) in [
            ("", Fields),
            ("uid=anna,dc=org", Fields),
            ("anna@example.org", Fields),
            ("uid=anna,dc=org |:$:| 02400 |:$:| 02440", Fields),
            ("uid=anna,dc=org |:$:| 02400 |:$:| 02440 |:$:| 1 |:$:| 1", Fields),
            ("uid=anna,dc=org |:$:| 02400 |:$:| 02440 |:$:| 0 |:$:| 1", Fields),
            ("uid=anna,dc=org |:| 02400 |:| 02440 |:| 1", Fields),
            // A name with the separator in it cannot be told from two fields.
            ("cn=a |:$:| b,dc=org |:$:| 02400 |:$:| 02440 |:$:| 1", Fields),
            ("anna |:$:| 02400 |:$:| 02440 |:$:| 1", Name(DnError)),
            (" |:$:| 02400 |:$:| 02440 |:$:| 1", Name(DnError)),
            ("uid=anna,dc=org |:$:| 0240 |:$:| 02440 |:$:| 1", Permission),
            ("uid=anna,dc=org |:$:|  |:$:| 02440 |:$:| 1", Permission),
            ("uid=anna,dc=org |:$:| 02400 |:$:| 024400 |:$:| 1", Permission),
            ("uid=anna,dc=org |:$:| 02400 |:$:| 0244x |:$:| 1", Permission),
            ("uid=anna,dc=org |:$:| 02400 |:$:| 0244\u{664} |:$:| 1", Permission),
            ("uid=anna,dc=org |:$:| 02400 |:$:| 02 440 |:$:| 1", Permission),
            ("uid=anna,dc=org |:$:| 02400 |:$:| 02440 |:$:| 11", OnBehalf),
            ("uid=anna,dc=org |:$:| 02400 |:$:| 02440 |:$:| TRUE", OnBehalf),
            ("uid=anna,dc=org |:$:| 02400 |:$:| 02440 |:$:| \u{661}", OnBehalf),
        ] {
            assert_eq!(Deputy::parse(value), Err(error), "{value}");
        }
    }

    #[test]
    fn rights_are_merged_into_one_value() {
        let anna = || Deputy::new(&Dn::parse("uid=anna,dc=org").unwrap()).unwrap();
        assert!(anna().is_idle());
        assert_eq!(Deputy::new(&Dn::default()), Err(DnError.into()));
        assert_eq!(Deputy::new(&Dn::parse("cn=a |:$:| b,dc=org").unwrap()), Err(DeputyError::Fields));
        for (deputy, value) in [
            (anna(), "uid=anna,dc=org |:$:| 00000 |:$:| 00000 |:$:| 0"),
            (anna().with(SendOnBehalf).unwrap(), "uid=anna,dc=org |:$:| 00000 |:$:| 00000 |:$:| 1"),
            (anna().with(Schedule).unwrap(), "uid=anna,dc=org |:$:| 00000 |:$:| 02440 |:$:| 0"),
            (
                anna().with(Schedule).unwrap().with(SendOnBehalf).unwrap(),
                "uid=anna,dc=org |:$:| 00000 |:$:| 02440 |:$:| 1",
            ),
            (
                anna().with(Schedule).unwrap().with(SendOnBehalf).unwrap().without(SendOnBehalf),
                "uid=anna,dc=org |:$:| 00000 |:$:| 02440 |:$:| 0",
            ),
        ] {
            assert_eq!(deputy.to_string(), value);
        }
        assert_eq!(anna().with(SendAs), None);
        for (calendar, granted, revoked) in [
            ("00000", "02440", "00000"),
            ("02400", "02440", "02400"),
            ("02440", "02440", "02400"),
            ("08444", "08444", "02400"),
            ("18488", "18488", "02400"),
            ("02420", "02420", "02400"),
        ] {
            let value = |calendar| format!("uid=anna,dc=org |:$:| 02400 |:$:| {calendar} |:$:| 1");
            let deputy = Deputy::parse(&value(calendar)).unwrap();
            assert_eq!(deputy.clone().with(Schedule).unwrap().to_string(), value(granted), "{calendar}");
            assert_eq!(deputy.without(Schedule).to_string(), value(revoked), "{calendar}");
        }
    }

    fn deputies() -> impl Strategy<Value = Deputy> {
        let value = ("uid=[a-z]{1,8}", "[0-9]{5}", "[0-9]{5}", "[01]?");
        value.prop_map(|(name, mail, calendar, on_behalf)| {
            Deputy::parse(&format!("{name},dc=org |:$:| {mail} |:$:| {calendar} |:$:| {on_behalf}")).unwrap()
        })
    }

    fn rights() -> impl Strategy<Value = Right> {
        prop_oneof![Just(SendAs), Just(SendOnBehalf), Just(Schedule)]
    }

    proptest! {
        /// Something more anywhere in a value: it is none, or says in its last field what it says.
        #[test]
        fn what_is_nearly_a_value(deputy in deputies(), at: prop::sample::Index, more in "(\\|:\\$:\\||,dc=b|[ 01x|])+") {
            let mut value = deputy.to_string();
            value.insert_str(at.index(value.len() + 1), &more);
            if let Ok(read) = Deputy::parse(&value) {
                let fields: Vec<_> = value.split(SEPARATOR).map(str::trim).collect();
                prop_assert_eq!(fields.len(), 4);
                prop_assert_eq!(read.dn.as_str(), fields[0]);
                prop_assert_eq!(read.has(SendOnBehalf), fields[3] == "1");
                prop_assert_eq!(read.has(Schedule), fields[2].as_bytes()[3] > b'0');
                prop_assert_eq!(Deputy::parse(&read.to_string()), Ok(read));
            }
        }

        #[test]
        fn written_and_read(deputy in deputies()) {
            prop_assert_eq!(Deputy::parse(&deputy.to_string()), Ok(deputy));
        }

        #[test]
        fn one_right_leaves_the_others(deputy in deputies(), right in rights()) {
            for other in RIGHTS.into_iter().filter(|other| *other != right) {
                prop_assert_eq!(deputy.clone().without(right).has(other), deputy.has(other));
                if let Some(with) = deputy.clone().with(right) {
                    prop_assert_eq!(with.has(other), deputy.has(other));
                }
            }
            prop_assert!(!deputy.clone().without(right).has(right));
            prop_assert!(deputy.clone().with(right).is_none_or(|with| with.has(right)));
            prop_assert_eq!(&deputy.clone().without(right).mail, &deputy.mail);
        }

        /// A field more or less, and it grants nothing.
        #[test]
        fn a_wrong_count_of_fields(fields in prop::collection::vec("(uid=a,dc=o|02440|1)", 0..8)) {
            let value = fields.join(" |:$:| ");
            if fields.len() != 4 {
                prop_assert_eq!(Deputy::parse(&value), Err(DeputyError::Fields));
            }
        }
    }
}
