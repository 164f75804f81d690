//! Whether the server tells of changes, as `cache.watch` wants it to.

use super::report::{Finding, Level, Report};
use crate::directory::Failure;
use crate::directory::ldap::{LdapDirectory, Telling};
use crate::directory::record::Record;
use crate::directory::schema::Dialect;
use crate::dn::Dn;

/// What findings are about.
pub(super) const WATCH: &str = "watch";

/// RFC 4533 section 2.2: the control by which a server is asked for changes.
const SYNC: &[u8] = b"1.3.6.1.4.1.4203.1.9.1.1";
/// MS-ADTS section 3.1.1.3.4.1.9: the same of Active Directory.
const NOTIFICATION: &[u8] = b"1.2.840.113556.1.4.528";

/// Where the overlay goes if nobody knows better: the first database that Debian sets up.
const FIRST_DATABASE: &str = "olcDatabase={1}mdb,cn=config";

const UNTIL: &str = "changes count when cache.ttl has passed";

/// Has the server tell of changes once, as it would be asked for ever. `root` is its own entry, and `database` that of
/// its configuration, as far as they may be read.
pub(super) async fn check(
    directory: &LdapDirectory,
    dialect: Dialect,
    root: Option<&Record>,
    database: Option<&Dn>,
    report: &mut Report,
) -> Result<(), Failure> {
    let offers = |oid| root.is_some_and(|root| root.values("supportedControl").any(|control| control == oid));
    if dialect == Dialect::ActiveDirectory {
        if offers(NOTIFICATION) {
            report.ok(WATCH, "the server notifies of changes (MS-ADTS)");
        } else {
            report.warning(
                WATCH,
                format!("the server notifies of no changes: {UNTIL}"),
                "is it a domain controller?",
            );
        }
        return Ok(());
    }
    match directory.telling().await? {
        Telling::All(entries) => report.ok(WATCH, format!("the server tells of changes in {entries} entries (RFC 4533)")),
        Telling::Limited(why) => {
            let text = format!("the server does not tell of changes: {why}: {UNTIL}");
            report.warning(WATCH, text, "lift the limit for the account, as contrib/ldap/limits.ldif does");
        }
        Telling::No(why) => report.add(Finding {
            level: Level::Warning,
            about: WATCH,
            text: format!("the server does not tell of changes (RFC 4533): {why}: {UNTIL}"),
            advice: Some(
                "turn it on; for OpenLDAP the changes are below, and explained in contrib/ldap/syncprov.ldif; or set \
                 cache.watch = false"
                    .to_owned(),
            ),
            ldif: Some(additions(database, offers(SYNC))),
        }),
    }
    Ok(())
}

/// Changes (RFC 2849) that load the overlay, where it is not, and put it on the database.
fn additions(database: Option<&Dn>, is_loaded: bool) -> String {
    let database = database.map_or(FIRST_DATABASE, Dn::as_str);
    let module = if is_loaded {
        ""
    } else {
        "dn: cn=module{0},cn=config\nchangetype: modify\nadd: olcModuleLoad\nolcModuleLoad: syncprov\n\n"
    };
    format!(
        "{module}dn: olcOverlay=syncprov,{database}\nchangetype: add\nobjectClass: olcOverlayConfig\n\
         objectClass: olcSyncProvConfig\nolcOverlay: syncprov\nolcSpCheckpoint: 100 10\nolcSpSessionlog: 10000\n"
    )
}
