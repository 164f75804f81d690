//! Keys whose feature is not in this version: they are checked like all others, and what asks for the feature is an
//! error that says so. What turns it off, or only shapes it, is accepted.

use super::fault::Fault;
use super::table::Table;
use super::value::HOST_PORT;

pub(super) fn check(root: &Table<'_>) {
    metrics(&root.table("metrics"));
}

fn metrics(table: &Table<'_>) {
    if table.text("listen", &HOST_PORT).is_some() {
        not_yet(table, "listen", "metrics are", "remove it");
    }
}

fn not_yet(table: &Table<'_>, key: &str, what: &str, instead: &'static str) {
    table.complain(key, Fault::NotYet { what: what.to_owned(), instead });
}
