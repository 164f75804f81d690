//! Which attributes and filters say what at a site. Presets are data: one function each, nothing else knows of them.

use crate::directory::filter::Filter;
use crate::dn::{Dn, DnError};
use crate::policy::Prefer;

mod deputy;

pub use deputy::{Deputy, DeputyError};

/// The names of the presets, as `directory.preset` takes them; the first is the default.
pub const PRESETS: &[&str] = &["delegation"];

/// What is read, where. Each list of attributes is in the order in which they count.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Schema {
    /// What people log in with.
    pub login: Vec<String>,
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
        match name {
            "delegation" => Some(delegation()),
            _ => None,
        }
    }

    /// Every attribute that is read, once or more.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        let lists = [
            &self.login,
            &self.address,
            &self.alias,
            &self.display_name,
            &self.send_as,
            &self.send_on_behalf,
            &self.schedule,
            &self.enabled,
        ];
        let members = self.member.iter().map(|member| &member.attribute);
        lists.into_iter().flatten().chain(members).map(String::as_str)
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

/// How an attribute of grants names a delegate. Text is read by its own form ([`Delegate::parse`]) and written in this one.
///
/// [`Delegate::parse`]: crate::grant::Delegate::parse
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GrantForm {
    /// By distinguished name.
    Dn,
    /// By primary address.
    Address,
    /// By login.
    Login,
}

impl GrantForm {
    /// The form that the schema of an attribute gives it; a distinguished name where nothing is known of it.
    pub fn of(_attribute: &str) -> Self {
        Self::Dn
    }
}

/// RFC 4517 section 3.3.21: `distinguishedName [ SHARP BitString ]`, where a bit string is like `'0101'B`.
fn has_uid(value: &str) -> bool {
    let is_bits = |text: &str| text.chars().all(|c| matches!(c, '0' | '1'));
    let bits = |uid: &str| uid.strip_prefix('\'').and_then(|uid| uid.strip_suffix("'B")).is_some_and(is_bits);
    value.trim_end().rsplit_once('#').is_some_and(|(_, uid)| bits(uid))
}

/// Our own schema (`contrib/ldap`) over `inetOrgPerson`.
fn delegation() -> Schema {
    let class = |name: &str| Filter::equal("objectClass", name);
    Schema {
        login: names(&["uid", "mail"]),
        address: names(&["mail"]),
        alias: names(&[
            "delegationAlias",
            "mailAlternateAddress",
            "mailLocalAddress",
            "gosaMailAlternateAddress",
        ]),
        display_name: names(&["displayName", "cn"]),
        send_as: names(&["delegationSendAs"]),
        send_on_behalf: names(&["delegationSendOnBehalf"]),
        schedule: names(&["delegationSchedule"]),
        enabled: names(&["delegationEnabled"]),
        member: ["member", "uniqueMember", "memberUid"].map(Member::of).into(),
        // RFC 4519 section 3.12 (with `inetOrgPerson` below it), RFC 4524 section 3.1, RFC 2307.
        person: Filter::or(["person", "account", "posixAccount"].map(class)),
        // Whatever has an address owns it: an entry left out here would leave its address to nobody.
        principal: Filter::present("objectClass"),
        security_group: Filter::and([
            Filter::or(["groupOfNames", "groupOfUniqueNames", "posixGroup"].map(class)),
            Filter::or([
                Filter::negate(Filter::present("mail")),
                Filter::equal("delegationSecurityGroup", "TRUE"),
            ]),
        ]),
        prefer: Prefer::SendOnBehalf,
        dialect: Dialect::Standard,
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_by_name() {
        for name in PRESETS {
            assert!(Schema::preset(name).is_some(), "{name}");
        }
        assert_eq!(Schema::preset("exchange"), None);
    }

    #[test]
    fn every_filter_reads_back_and_works_on_a_file() {
        for schema in PRESETS.iter().filter_map(|name| Schema::preset(name)) {
            for (name, filter) in schema.filters() {
                assert_eq!(Filter::parse(&filter.to_string()).as_ref(), Ok(filter), "{name}");
                assert_eq!(filter.evaluable(), Ok(()), "{name}");
            }
        }
    }

    #[test]
    fn the_filters_of_delegation() {
        let schema = Schema::preset("delegation").unwrap();
        for (filter, text) in [
            (schema.person, "(|(objectClass=person)(objectClass=account)(objectClass=posixAccount))"),
            (schema.principal, "(objectClass=*)"),
            (
                schema.security_group,
                "(&(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))\
                   (|(!(mail=*))(delegationSecurityGroup=TRUE)))",
            ),
        ] {
            assert_eq!(filter.to_string(), text);
        }
    }

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
}
