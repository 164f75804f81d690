//! The presets: what each product calls the things that are read. One function for each, data alone.
//!
//! Names, syntaxes and forms of values are those of the products' published schemas and configurations, named at each.

use super::{Dialect, Member, Schema};
use crate::directory::filter::Filter;
use crate::policy::Prefer;

/// The names of the presets, as `directory.preset` takes them; the first is the default.
pub const PRESETS: &[&str] = &["delegation", "kopano", "active-directory", "kolab", "univention"];

/// The preset of this name, if there is one.
pub(super) fn preset(name: &str) -> Option<Schema> {
    match name {
        "delegation" => Some(delegation()),
        "kopano" => Some(kopano()),
        "active-directory" => Some(active_directory()),
        "kolab" => Some(kolab()),
        "univention" => Some(univention()),
        _ => None,
    }
}

/// Our own schema (`contrib/ldap`) over `inetOrgPerson`.
fn delegation() -> Schema {
    Schema {
        login: names(&["uid", "mail"]),
        number: Vec::new(),
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
        person: people(),
        // Whatever has an address owns it: an entry left out here would leave its address to nobody.
        principal: Filter::present("objectClass"),
        security_group: Filter::and([
            Filter::or(["groupOfNames", "groupOfUniqueNames", "posixGroup"].map(class)),
            Filter::or([
                Filter::negate(Filter::present("mail")),
                Filter::equal("delegationSecurityGroup", "TRUE"),
            ]),
        ]),
        group_classes: names(&GROUPS),
        prefer: Prefer::SendOnBehalf,
        dialect: Dialect::Standard,
    }
}

/// Groups of the standards, and lists of the common schemas: RFC 4519 section 3.5 and 3.6, RFC 2307 and its draft
/// successor, `dyngroup.schema` and `misc.schema` of OpenLDAP, and the lists of Netscape's and Sun's servers.
const GROUPS: [&str; 8] = [
    "groupOfNames",
    "groupOfUniqueNames",
    "posixGroup",
    "groupOfMembers",
    "groupOfURLs",
    "nisMailAlias",
    "rfc822MailGroup",
    "mailGroup",
];

/// Those and a product's own.
fn groups(own: &[&str]) -> Vec<String> {
    names(&[&GROUPS, own].concat())
}

/// Kopano Core on OpenLDAP: `installer/ldap/kopano.schema`, and the defaults of `ldap.cfg`. What people grant themselves
/// Kopano keeps in its own store, so that is read from our schema.
fn kopano() -> Schema {
    Schema {
        number: names(&["uidNumber"]),
        alias: names(&["kopanoAliases"]),
        send_as: names(&["kopanoSendAsPrivilege"]),
        member: ["member", "memberUid"].map(Member::of).into(),
        // A shared store does not log in (`ldap_nonactive_attribute`).
        person: Filter::and([people(), Filter::negate(Filter::equal("kopanoSharedStoreOnly", "1"))]),
        security_group: Filter::and([class("kopano-group"), Filter::equal("kopanoSecurityGroup", "1")]),
        group_classes: groups(&["kopano-group", "kopano-dynamicgroup"]),
        ..delegation()
    }
}

/// `ADS_UF_ACCOUNT_DISABLE` of `userAccountControl` (MS-ADTS section 2.2.16).
const DISABLED: u32 = 0x0000_0002;
/// `GROUP_TYPE_SECURITY_ENABLED` of `groupType` (MS-ADTS section 2.2.12).
const SECURITY_ENABLED: u32 = 0x8000_0000;

/// Active Directory (MS-ADA1 to MS-ADA3, MS-ADSC), Samba's too, with what Exchange writes into it: send-as as a right in
/// the security descriptor, send-on-behalf in `publicDelegates`. Kopano's schema for it adds `kopanoSendAsPrivilege`.
fn active_directory() -> Schema {
    Schema {
        login: names(&["sAMAccountName", "userPrincipalName", "mail"]),
        address: names(&["proxyAddresses", "mail"]),
        alias: Vec::new(),
        send_as: names(&["nTSecurityDescriptor", "kopanoSendAsPrivilege"]),
        send_on_behalf: names(&["publicDelegates"]),
        schedule: Vec::new(),
        enabled: Vec::new(),
        member: vec![Member::of("member")],
        // A computer is a user, too. Exchange's shared mailboxes are disabled: they do not log in.
        person: Filter::and([
            class("user"),
            Filter::negate(class("computer")),
            Filter::negate(Filter::has_bits("userAccountControl", DISABLED)),
        ]),
        // MS-ADTS section 3.1.1.1.5.1: what was deleted stays for a while.
        principal: Filter::negate(Filter::equal("isDeleted", "TRUE")),
        security_group: Filter::and([class("group"), Filter::has_bits("groupType", SECURITY_ENABLED)]),
        group_classes: groups(&["group", "msExchDynamicDistributionList", "kopanoDynamicGroup"]),
        prefer: Prefer::SendAs,
        dialect: Dialect::ActiveDirectory,
        ..delegation()
    }
}

/// Kolab 3, and Kolab 2 as far as it is the same: `kolab3.schema`. A delegate of Kolab sends on behalf, invitations
/// included.
fn kolab() -> Schema {
    Schema {
        login: names(&["uid", "mail", "alias"]),
        alias: names(&["alias"]),
        send_on_behalf: names(&["kolabDelegate"]),
        schedule: names(&["kolabDelegate"]),
        member: vec![Member::of("uniqueMember")],
        security_group: Filter::and([
            class("groupOfUniqueNames"),
            Filter::negate(class("kolabGroupOfUniqueNames")),
        ]),
        group_classes: groups(&["kolabGroupOfUniqueNames"]),
        ..delegation()
    }
}

/// Univention Corporate Server with the connector for OX App Suite or Kopano: `univention-ldap` (`mail.schema`,
/// `user.schema`), `ox-connector`, `kopano4ucs` (`kopano4ucsSendAsPrivilege` in its management, `kopanoSendAsPrivilege`
/// in its schema).
fn univention() -> Schema {
    Schema {
        login: names(&["uid", "mailPrimaryAddress"]),
        number: names(&["uidNumber"]),
        address: names(&["mailPrimaryAddress"]),
        alias: names(&["mailAlternativeAddress"]),
        send_as: names(&["kopano4ucsSendAsPrivilege", "kopanoSendAsPrivilege"]),
        send_on_behalf: names(&["oxDeputyPermissionGivenTo"]),
        schedule: names(&["oxDeputyPermissionGivenTo"]),
        member: ["uniqueMember", "memberUid"].map(Member::of).into(),
        security_group: Filter::and([
            class("univentionGroup"),
            Filter::negate(Filter::present("mailPrimaryAddress")),
        ]),
        group_classes: groups(&["univentionGroup", "univentionMailList"]),
        ..delegation()
    }
}

/// RFC 4519 section 3.12 (with `inetOrgPerson` below it), RFC 4524 section 3.1, RFC 2307.
fn people() -> Filter {
    Filter::or(["person", "account", "posixAccount"].map(class))
}

fn class(name: &str) -> Filter {
    Filter::equal("objectClass", name)
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::record::Record;
    use crate::dn::Dn;

    #[test]
    fn presets_by_name() {
        for name in PRESETS {
            assert!(preset(name).is_some(), "{name}");
        }
        assert_eq!(preset("exchange"), None);
    }

    #[test]
    fn every_filter_reads_back_and_works_on_a_file() {
        for schema in PRESETS.iter().filter_map(|name| preset(name)) {
            for (name, filter) in schema.filters() {
                assert_eq!(Filter::parse(&filter.to_string()).as_ref(), Ok(filter), "{name}");
                assert_eq!(filter.evaluable(), Ok(()), "{name}");
            }
        }
    }

    #[test]
    fn the_filters_of_delegation() {
        let schema = preset("delegation").unwrap();
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
    fn security_groups_of_the_products() {
        for (name, text) in [
            ("kopano", "(&(objectClass=kopano-group)(kopanoSecurityGroup=1))"),
            ("active-directory", "(&(objectClass=group)(groupType:1.2.840.113556.1.4.803:=2147483648))"),
            ("kolab", "(&(objectClass=groupOfUniqueNames)(!(objectClass=kolabGroupOfUniqueNames)))"),
            ("univention", "(&(objectClass=univentionGroup)(!(mailPrimaryAddress=*)))"),
        ] {
            assert_eq!(preset(name).unwrap().security_group.to_string(), text);
        }
    }

    #[test]
    fn groups_of_the_products() {
        for (name, classes, is_group) in [
            ("delegation", &["top", "inetOrgPerson", "posixAccount", "delegationPrincipal"][..], false),
            ("delegation", &["groupofnames"], true),
            ("delegation", &["top", "nisMailAlias"], true),
            ("delegation", &["organization", "delegationPrincipal"], false),
            // What a server shows of an entry whose classes we may not read.
            ("delegation", &[], true),
            ("kopano", &["posixGroup", "kopano-group"], true),
            ("kopano", &["kopano-dynamicgroup"], true),
            ("kopano", &["inetOrgPerson", "kopano-user"], false),
            ("active-directory", &["top", "group"], true),
            ("active-directory", &["top", "person", "organizationalPerson", "user"], false),
            ("active-directory", &["top", "msExchDynamicDistributionList"], true),
            ("kolab", &["kolabGroupOfUniqueNames"], true),
            ("kolab", &["kolabSharedFolder", "mailRecipient"], false),
            ("univention", &["univentionMailList"], true),
            ("univention", &["univentionGroup", "posixGroup"], true),
        ] {
            let schema = preset(name).unwrap();
            assert_eq!(schema.is_group(&of_classes(classes)), is_group, "{name} {classes:?}");
        }
    }

    #[test]
    fn a_filter_of_the_site_names_classes_of_groups() {
        let filter = "(&(objectClass=acmeTeam)(!(OBJECTCLASS=acmeList))(cn=acmePerson))";
        let schema = Schema { security_group: Filter::parse(filter).unwrap(), ..delegation() };
        for (class, is_group) in
            [("acmeteam", true), ("acmeList", true), ("acmePerson", false), ("groupOfNames", true)]
        {
            assert_eq!(schema.is_group(&of_classes(&[class])), is_group, "{class}");
        }
    }

    fn of_classes(classes: &[&str]) -> Record {
        let mut record = Record::new(Dn::parse("cn=x").unwrap());
        classes.iter().for_each(|class| record.push("objectClass", class.as_bytes().to_vec()));
        record
    }
}
