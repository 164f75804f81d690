//! `[domain_aliases]`: domains that stand for others.

use std::borrow::Cow;
use std::collections::HashSet;

use toml::Spanned;
use toml::de::DeValue;

use super::fault::{Fault, quoted};
use super::table::Table;
use super::unique::Unique;
use super::value::DOMAIN;

/// One line of the table.
struct Line<'d> {
    written: &'d str,
    /// Both in canonical form.
    alias: String,
    domain: String,
}

/// The aliases and what each stands for, in canonical form: no alias stands for itself or for another alias.
pub(super) fn read(table: &Table<'_>) -> Vec<(String, String)> {
    let mut seen = Unique::new("each alias stands for one domain");
    let mut lines = Vec::new();
    for (key, value) in table.entries() {
        if let Some(line) = line(table, key, value) {
            seen.check(table, line.written, line.alias.clone(), line.written);
            lines.push(line);
        }
    }
    refuse_chains(table, &lines);
    lines.into_iter().map(|line| (line.alias, line.domain)).collect()
}

fn line<'d>(
    table: &Table<'_>,
    key: &'d Spanned<Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
) -> Option<Line<'d>> {
    let written = key.get_ref().as_ref();
    if value.get_ref().is_table() {
        // TOML reads `example.net = "…"` as a table `example` with a key `net`.
        let what = "a domain with dots is no key as it stands".to_owned();
        let remedy = r#"write it in quotes: "example.net" = "example.org""#;
        table.report(written, key, Fault::Contradiction { what, remedy });
        return None;
    }
    let (alias, domain) = (table.key(key, &DOMAIN), table.text(written, &DOMAIN));
    Some(Line { written, alias: alias?, domain: domain? })
}

/// Addresses are mapped once, so a second step would never be taken.
fn refuse_chains(table: &Table<'_>, lines: &[Line<'_>]) {
    let aliases: HashSet<_> =
        lines.iter().filter(|line| line.alias != line.domain).map(|line| &line.alias).collect();
    for line in lines {
        let what = if line.alias == line.domain {
            "is the alias itself"
        } else if aliases.contains(&line.domain) {
            "is an alias too"
        } else {
            continue;
        };
        let (what, remedy) =
            (format!("{} {what}", quoted(&line.domain)), "allowed are domains that are no alias");
        table.complain(line.written, Fault::Contradiction { what, remedy });
    }
}
