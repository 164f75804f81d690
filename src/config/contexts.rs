//! `[[context]]`: the tenants, each a subtree of its own.

use super::fault::{Fault, quoted};
use super::table::Table;
use super::unique::Unique;
use super::value::{DN, DOMAIN, NAME};
use crate::dn::Dn;
use crate::grant::Context;

/// `base_dn` is what all of them must be within. One context may lie in another; the deeper one then counts.
pub(super) fn read(root: &Table<'_>, base_dn: Option<&Dn>) -> Vec<Context> {
    let mut seen = Seen {
        names: Unique::new("each [[context]] has a name of its own"),
        bases: Unique::new("each [[context]] has a subtree of its own"),
        domains: Unique::new("each domain is in one [[context]], once"),
    };
    root.tables("context").iter().filter_map(|table| context(table, base_dn, &mut seen)).collect()
}

struct Seen {
    names: Unique<String>,
    bases: Unique<Dn>,
    domains: Unique<String>,
}

fn context(table: &Table<'_>, base_dn: Option<&Dn>, seen: &mut Seen) -> Option<Context> {
    let name = table.required("name", &NAME);
    let base = table.required("base_dn", &DN);
    let domains = table.list("domains", &DOMAIN).unwrap_or_default();
    let enabled = table.flag("enabled");
    if let Some(name) = &name {
        seen.names.check(table, "name", name.to_lowercase(), name);
    }
    if let Some(base) = &base {
        seen.bases.check(table, "base_dn", base.clone(), base.as_str());
        check_within(table, base, base_dn);
    }
    for domain in &domains {
        seen.domains.check(table, "domains", domain.clone(), domain);
    }
    Some(Context { name: name?, base: base?, domains, enabled })
}

fn check_within(table: &Table<'_>, base: &Dn, base_dn: Option<&Dn>) {
    if let Some(outer) = base_dn.filter(|outer| !base.is_within(outer)) {
        let because = Some(format!("directory.base_dn is {}", quoted(outer.as_str())));
        let allowed = "are names of entries that are directory.base_dn or below it".to_owned();
        table.complain("base_dn", Fault::NotAllowed { found: quoted(base.as_str()), because, allowed });
    }
}
