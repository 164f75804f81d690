//! Which attributes and filters say what at a site. Presets are data (`presets`); nothing else knows of them.

use crate::directory::filter::Filter;
use crate::directory::record::Record;
use crate::dn::{Dn, DnError};
use crate::grant::{self, Delegate, Right};
use crate::policy::Prefer;

mod address;
mod deputy;
mod presets;

pub use address::{AddressForm, Value as AddressValue, any_of};
pub use deputy::{Deputy, DeputyError};
pub use presets::PRESETS;

/// What is read, where. Each list of attributes is in the order in which they count.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Schema {
    /// What people log in with.
    pub login: Vec<String>,
    /// Numbers by which grants name people (`uidNumber`, RFC 2307).
    pub number: Vec<String>,
    /// Addresses of which one is the primary.
    pub address: Vec<String>,
    /// Further addresses.
    pub alias: Vec<String>,
    /// The name that recipients see; the first attribute with a value counts.
    pub display_name: Vec<String>,
    /// Grants of send-as.
    pub send_as: Vec<String>,
    /// Grants of send-on-behalf.
    pub send_on_behalf: Vec<String>,
    /// Grants of schedule.
    pub schedule: Vec<String>,
    /// Whether delegation is enabled for a principal (RFC 4517 section 3.3.3: `TRUE` or `FALSE`).
    pub enabled: Vec<String>,
    /// The members of groups.
    pub member: Vec<Member>,
    /// Who may submit.
    pub person: Filter,
    /// What may own an address.
    pub principal: Filter,
    /// Which groups may be delegates.
    pub security_group: Filter,
    /// The object classes of groups, of distribution lists too.
    pub group_classes: Vec<String>,
    /// Which right wins where a principal gives both, unless `policy.prefer` says it.
    pub prefer: Prefer,
    /// What kind of server has it.
    pub dialect: Dialect,
}

/// A kind of server, as far as it must be spoken to in its own way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dialect {
    /// As RFC 4511 has it; changes are told as RFC 4533 has it.
    Standard,
    /// Active Directory (MS-ADTS), Samba's among them.
    ActiveDirectory,
}

/// An attribute that holds the members of a group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Member {
    /// Its name.
    pub attribute: String,
    /// What its values are.
    pub form: MemberForm,
}

/// How a group names a member.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MemberForm {
    /// By distinguished name.
    Dn,
    /// By distinguished name and an optional UID (RFC 4517 section 3.3.21). A value with a UID is no member: servers
    /// find it only for who asks with the same UID (section 4.2.31), and entries have none.
    DnWithUid,
    /// By login.
    Login,
}

/// Why a value names no member.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MemberError {
    /// It should be a distinguished name.
    #[error(transparent)]
    Name(#[from] DnError),
    /// It has a UID.
    #[error("members with a UID are not found (RFC 4517 section 4.2.31); write the name alone")]
    Uid,
}

/// A member, as a group names it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MemberName {
    /// The entry with this name.
    Dn(Dn),
    /// The person with this login.
    Login(String),
}

impl Schema {
    /// The preset of this name, if there is one.
    pub fn preset(name: &str) -> Option<Self> {
        presets::preset(name)
    }

    /// Every attribute that is read, once or more.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        let lists = [
            &self.login,
            &self.number,
            &self.address,
            &self.alias,
            &self.display_name,
            &self.send_as,
            &self.send_on_behalf,
            &self.schedule,
            &self.enabled,
        ];
        let members = self.member.iter().map(|member| &member.attribute);
        let identities = self.has_descriptors().then_some([OBJECT_SID, PRIMARY_GROUP]);
        let named = lists.into_iter().flatten().chain(members).map(String::as_str);
        named.chain(identities.into_iter().flatten()).chain([OBJECT_CLASS])
    }

    /// Whether the record is a group: it has a class of groups, or one that the filter for security groups names, in
    /// whichever sense. One that shows no class at all may be one: every entry has a class (RFC 4512 section 2.4).
    pub fn is_group(&self, record: &Record) -> bool {
        let named = self.security_group.equal_to(OBJECT_CLASS);
        let classes = || self.group_classes.iter().map(String::as_bytes).chain(named.iter().copied());
        let mut own = record.values(OBJECT_CLASS).peekable();
        own.peek().is_none() || own.any(|own| classes().any(|class| own.eq_ignore_ascii_case(class)))
    }

    /// Whether security descriptors grant anything, so that entries are known by their security identifiers.
    pub fn has_descriptors(&self) -> bool {
        let lists = [&self.send_as, &self.send_on_behalf, &self.schedule];
        lists.into_iter().flatten().any(|attribute| GrantForm::of(attribute) == GrantForm::Descriptor)
    }

    /// The attributes that grant a right.
    pub fn granting(&self, right: Right) -> &[String] {
        match right {
            Right::SendAs => &self.send_as,
            Right::SendOnBehalf => &self.send_on_behalf,
            Right::Schedule => &self.schedule,
        }
    }

    /// The form of the values of an attribute of grants.
    pub fn grant_form(&self, attribute: &str) -> GrantForm {
        match self.dialect {
            Dialect::Standard => GrantForm::of(attribute),
            Dialect::ActiveDirectory if GrantForm::of(attribute) == GrantForm::Descriptor => {
                GrantForm::Descriptor
            }
            // Kopano's attribute too (ldap.cfg(5), `ldap_sendas_attribute_type`).
            Dialect::ActiveDirectory => GrantForm::Dn,
        }
    }

    /// The filters, each with its name in the configuration.
    pub fn filters(&self) -> [(&'static str, &Filter); 3] {
        [("person", &self.person), ("principal", &self.principal), ("security_group", &self.security_group)]
    }
}

impl Member {
    /// The attribute with the form that its standard gives it: RFC 2307 for `memberUid`, RFC 4519 section 2.40 for
    /// `uniqueMember`, a distinguished name for all others.
    pub fn of(attribute: &str) -> Self {
        let form = match attribute.to_ascii_lowercase().as_str() {
            "memberuid" => MemberForm::Login,
            "uniquemember" => MemberForm::DnWithUid,
            _ => MemberForm::Dn,
        };
        Self { attribute: attribute.to_owned(), form }
    }

    /// Whom one of its values names.
    pub fn name(&self, value: &str) -> Result<MemberName, MemberError> {
        match self.form {
            MemberForm::DnWithUid if has_uid(value) => Err(MemberError::Uid),
            MemberForm::Dn | MemberForm::DnWithUid => Ok(MemberName::Dn(Dn::parse(value)?)),
            MemberForm::Login => Ok(MemberName::Login(value.to_owned())),
        }
    }
}

/// How an attribute of grants names a delegate: how its values are read ([`GrantForm::read`]), and how a new one is
/// written.
///
/// But for [`GrantForm::Deputy`], text is read by its own form, whatever the attribute: a name, a mail address, or else a
/// login ([`Delegate::parse`]). [`GrantForm::Number`] makes one difference to that: digits are a number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GrantForm {
    /// By distinguished name.
    Dn,
    /// People by number ([`Schema::number`]), groups by distinguished name.
    Number,
    /// By distinguished name, in one value with all that the delegate may do ([`Deputy`]). The value grants what it
    /// says, under whichever right the attribute stands: giving or taking a right changes the delegate's value.
    Deputy,
    /// By security identifier, as the right Send As in a security descriptor, which is no text.
    Descriptor,
}

impl GrantForm {
    /// The form that the product gives an attribute; a distinguished name where nothing is known of it.
    pub fn of(attribute: &str) -> Self {
        match attribute.to_ascii_lowercase().as_str() {
            // Kopano's ldap.cfg: `ldap_sendas_attribute_type = text`, and without `ldap_sendas_relation_attribute` the
            // text is that of `ldap_user_unique_attribute`, uidNumber; kopano4ucs asks for uidNumber by name.
            "kopanosendasprivilege" | "kopano4ucssendasprivilege" => Self::Number,
            "oxdeputypermissiongivento" => Self::Deputy,
            "ntsecuritydescriptor" => Self::Descriptor,
            // Kolab 3 writes names into kolabDelegate (kolab-webadmin, kolab_delegation); Kolab 2 wrote addresses.
            _ => Self::Dn,
        }
    }

    /// Whom a value gives `right`; none if it gives it to nobody.
    pub fn read(self, right: Right, value: &str) -> Result<Option<Delegate>, DeputyError> {
        match self {
            Self::Dn => Ok(Some(Delegate::parse(value))),
            Self::Number => {
                Ok(Some(grant::number(value).map_or_else(|| Delegate::parse(value), Delegate::Number)))
            }
            Self::Deputy => {
                let deputy = Deputy::parse(value)?;
                Ok(deputy.has(right).then_some(Delegate::Dn(deputy.dn)))
            }
            Self::Descriptor => Ok(None),
        }
    }
}

/// What an entry is (RFC 4512 section 3.3).
pub const OBJECT_CLASS: &str = "objectClass";

/// Who an entry is to security descriptors (MS-ADA3): its identifier, and the last part of its primary group's.
pub const OBJECT_SID: &str = "objectSid";
/// See [`OBJECT_SID`].
pub const PRIMARY_GROUP: &str = "primaryGroupID";

/// Whether the values of an attribute are octets and no text.
pub fn is_binary(attribute: &str) -> bool {
    attribute.eq_ignore_ascii_case(OBJECT_SID) || GrantForm::of(attribute) == GrantForm::Descriptor
}

/// RFC 4517 section 3.3.21: `distinguishedName [ SHARP BitString ]`, where a bit string is like `'0101'B`.
fn has_uid(value: &str) -> bool {
    let is_bits = |text: &str| text.chars().all(|c| matches!(c, '0' | '1'));
    let bits = |uid: &str| uid.strip_prefix('\'').and_then(|uid| uid.strip_suffix("'B")).is_some_and(is_bits);
    value.trim_end().rsplit_once('#').is_some_and(|(_, uid)| bits(uid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;

    #[test]
    fn members_in_the_form_of_their_attribute() {
        let dn = |text| Ok(MemberName::Dn(Dn::parse(text).unwrap()));
        let login = |text: &str| Ok(MemberName::Login(text.to_owned()));
        for (attribute, value, name) in [
            ("member", "uid=anna,dc=org", dn("uid=anna,dc=org")),
            ("member", "anna", Err(DnError.into())),
            ("member", "uid=anna,cn=a#'01'B", dn("uid=anna,cn=a#'01'B")),
            ("uniqueMember", "uid=anna,dc=org", dn("uid=anna,dc=org")),
            ("uniquemember", "uid=anna,dc=org#'0101'B", Err(MemberError::Uid)),
            ("uniqueMember", "uid=anna,dc=org#''B", Err(MemberError::Uid)),
            ("uniqueMember", "uid=anna,cn=c#", dn("uid=anna,cn=c#")),
            ("uniqueMember", "cn=c#'02'B", dn("cn=c#'02'B")),
            ("uniqueMember", "anna", Err(DnError.into())),
            ("memberUid", "anna", login("anna")),
            ("MEMBERUID", "uid=anna,dc=org", login("uid=anna,dc=org")),
            ("roleOccupant", "uid=anna,dc=org", dn("uid=anna,dc=org")),
        ] {
            assert_eq!(Member::of(attribute).name(value), name, "{attribute}: {value}");
        }
    }

    #[test]
    fn grants_in_the_form_of_their_attribute() {
        use Right::{Schedule, SendAs, SendOnBehalf};
        let dn = |text| Ok(Some(Delegate::Dn(Dn::parse(text).unwrap())));
        let address = |text| Ok(Some(Delegate::Address(Address::parse(text).unwrap())));
        let login = |text: &str| Ok(Some(Delegate::Login(text.to_owned())));
        let number = |text: &str| Ok(Some(Delegate::Number(text.to_owned())));
        for (attribute, right, value, delegate) in [
            ("delegationSendAs", SendAs, "uid=anna,dc=org", dn("uid=anna,dc=org")),
            ("delegationSendAs", SendAs, "1001", login("1001")),
            ("kopanoSendAsPrivilege", SendAs, "1001", number("1001")),
            ("KOPANOSENDASPRIVILEGE", SendAs, " 01001 ", number("1001")),
            ("kopano4ucsSendAsPrivilege", SendAs, "0", number("0")),
            ("kopanoSendAsPrivilege", SendAs, "uid=anna,dc=org", dn("uid=anna,dc=org")),
            ("kopanoSendAsPrivilege", SendAs, "anna@example.org", address("anna@example.org")),
            ("kopanoSendAsPrivilege", SendAs, "anna", login("anna")),
            ("kopanoSendAsPrivilege", SendAs, "1001a", login("1001a")),
            ("kopanoSendAsPrivilege", SendAs, "\u{661}", login("\u{661}")),
            ("kolabDelegate", SendOnBehalf, "anna@example.org", address("anna@example.org")),
            ("kolabDelegate", Schedule, "uid=anna,dc=org", dn("uid=anna,dc=org")),
            ("oxDeputyPermissionGivenTo", SendOnBehalf, DEPUTY, dn("uid=anna,dc=org")),
            ("oxDeputyPermissionGivenTo", Schedule, DEPUTY, Ok(None)),
            ("oxDeputyPermissionGivenTo", SendAs, DEPUTY, Ok(None)),
            ("oxdeputypermissiongivento", SendOnBehalf, "uid=anna,dc=org", Err(DeputyError::Fields)),
            ("oxDeputyPermissionGivenTo", SendOnBehalf, "anna@example.org", Err(DeputyError::Fields)),
        ] {
            assert_eq!(GrantForm::of(attribute).read(right, value), delegate, "{attribute}: {value}");
        }
    }

    const DEPUTY: &str = "uid=anna,dc=org |:$:| 02400 |:$:| 02400 |:$:| 1";

    #[test]
    fn active_directory_names_by_distinguished_name_alone() {
        let mut schema = Schema::preset("kopano").unwrap();
        assert_eq!(schema.grant_form("kopanoSendAsPrivilege"), GrantForm::Number);
        schema.dialect = Dialect::ActiveDirectory;
        assert_eq!(schema.grant_form("kopanoSendAsPrivilege"), GrantForm::Dn);
    }
}
