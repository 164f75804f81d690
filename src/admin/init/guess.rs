//! Which product a directory is, and why it looks so.

use std::collections::HashSet;

use super::look::Seen;
use crate::directory::record::Record;

/// A preset, and why.
pub(super) struct Guess {
    pub(super) preset: &'static str,
    pub(super) because: String,
}

/// The class by which each product shows, the one that can stand on top of others first: Univention has Kopano's schema,
/// and ours may be anywhere.
pub(super) const CLASSES: [(&str, &str); 4] = [
    ("univention", "univentionGroup"),
    ("kolab", "kolabInetOrgPerson"),
    ("kopano", "kopano-user"),
    ("delegation", "delegationPrincipal"),
];

/// Of a server, with those of the classes that entries have.
pub(super) fn of_server(seen: &Seen, used: &HashSet<&str>) -> Guess {
    if seen.is_active_directory {
        let because =
            "the server says that it is Active Directory (supportedCapabilities 1.2.840.113556.1.4.800)";
        return Guess { preset: "active-directory", because: because.to_owned() };
    }
    let is_known = |class: &str| seen.known.as_ref().is_some_and(|known| known.knows_class(class));
    of_classes(|class| used.contains(class), is_known)
}

/// Of the entries of a file.
pub(super) fn of_records(records: &[Record]) -> Guess {
    let has = |class: &str| {
        let is_own = |own: &[u8]| own.eq_ignore_ascii_case(class.as_bytes());
        records.iter().any(|record| record.values("objectClass").any(is_own))
    };
    // Of users with this attribute there are only Active Directory's (MS-ADA3).
    if has("user") && records.iter().any(|record| record.values("sAMAccountName").next().is_some()) {
        let because = "there are entries of class user with sAMAccountName".to_owned();
        return Guess { preset: "active-directory", because };
    }
    of_classes(has, |_| false)
}

/// What entries have says more than what the server knows.
fn of_classes(is_used: impl Fn(&str) -> bool, is_known: impl Fn(&str) -> bool) -> Guess {
    if let Some((preset, class)) = CLASSES.iter().find(|(_, class)| is_used(class)) {
        return Guess { preset, because: format!("there are entries of class {class}") };
    }
    let products = CLASSES.iter().filter(|(preset, _)| *preset != "delegation");
    match products.into_iter().find(|(_, class)| is_known(class)) {
        Some((preset, class)) if !is_known("delegationPrincipal") => Guess {
            preset,
            because: format!("the server knows the class {class}, though no entry seen has it"),
        },
        Some(_) | None => {
            let because = "no entry shows another product: people as in inetOrgPerson, and delegation-milter's own schema";
            Guess { preset: "delegation", because: because.to_owned() }
        }
    }
}

/// Whether grants of this preset are in our schema, which the server does not know.
pub(super) fn lacks_our_schema(seen: &Seen, preset: &str) -> bool {
    let needs = matches!(preset, "delegation" | "kopano");
    needs && seen.known.as_ref().is_some_and(|known| !known.knows_class("delegationPrincipal"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_entries_have_says_more_than_what_is_known() {
        for (used, known, preset) in [
            (&[][..], &[][..], "delegation"),
            (&["delegationPrincipal"], &["delegationPrincipal", "kopano-user"], "delegation"),
            (&["kopano-user", "delegationPrincipal"], &[], "kopano"),
            (&["univentionGroup", "kopano-user"], &[], "univention"),
            (&["kolabInetOrgPerson"], &[], "kolab"),
            (&[], &["kopano-user"], "kopano"),
            (&[], &["kopano-user", "delegationPrincipal"], "delegation"),
        ] {
            let guess = of_classes(|class| used.contains(&class), |class| known.contains(&class));
            assert_eq!(guess.preset, preset, "{used:?} {known:?}: {}", guess.because);
        }
    }
}
