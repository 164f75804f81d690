//! Keys whose feature is not in this version: they are checked like all others, and what asks for the feature is an
//! error that says so. What turns it off, or only shapes it, is accepted.

use super::fault::Fault;
use super::table::Table;
use super::value::{COPY_ADDRESS, HOST_PORT};

pub(super) fn check(root: &Table<'_>) {
    on_behalf_display(&root.table("policy"));
    sent_copy(&root.table("sent_copy"));
    metrics(&root.table("metrics"));
}

fn on_behalf_display(table: &Table<'_>) {
    if table.is("on_behalf_display", "name") {
        return not_yet(table, "on_behalf_display", r#""name" is"#, r#"allowed is "none""#);
    }
    table.choice("on_behalf_display", &[("none", ())]);
}

fn sent_copy(table: &Table<'_>) {
    table.flag("on_behalf");
    table.flag("send_as");
    if table.text("address", &COPY_ADDRESS).is_some() {
        not_yet(table, "address", "copies for the principal are", "remove it");
    }
}

fn metrics(table: &Table<'_>) {
    if table.text("listen", &HOST_PORT).is_some() {
        not_yet(table, "listen", "metrics are", "remove it");
    }
}

fn not_yet(table: &Table<'_>, key: &str, what: &str, instead: &'static str) {
    table.complain(key, Fault::NotYet { what: what.to_owned(), instead });
}
