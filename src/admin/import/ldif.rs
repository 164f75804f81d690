//! A plan as change records for ldapmodify(1) (RFC 2849).

use std::fmt::Write;

use super::accounts;
use super::change::Change;
use super::plan::Plan;
use crate::directory::grants::{Modification, Operation};
use crate::directory::ldif::writer;
use crate::reply::printable_within;

/// The longest comment, in octets.
const COMMENT: usize = 400;

/// The records, each with the reasons; `[[account]]` in comments, where an entry cannot say it.
pub(super) fn write(plan: &Plan) -> String {
    let mut text = String::new();
    for (dn, change) in &plan.changes {
        if change.modifications.is_empty() {
            continue;
        }
        change.comments.iter().for_each(|why| comment(&mut text, why));
        line(&mut text, "dn", dn.as_str().as_bytes());
        let write = if change.is_new { add } else { modify };
        write(&mut text, change);
        text.push('\n');
    }
    let accounts = accounts::write(plan);
    if !accounts.is_empty() {
        text.push_str("# What no entry can say, for delegation-milter.toml:\n#\n");
        accounts.lines().for_each(|line| {
            let _ = writeln!(text, "# {line}");
        });
    }
    text
}

fn add(text: &mut String, change: &Change) {
    text.push_str("changetype: add\n");
    change.modifications.iter().for_each(|own| line(text, &own.attribute, &own.value));
}

fn modify(text: &mut String, change: &Change) {
    text.push_str("changetype: modify\n");
    let mut rest: Vec<&Modification> = change.modifications.iter().collect();
    while let Some(first) = rest.first().copied() {
        let is_same =
            |own: &&Modification| own.attribute == first.attribute && own.operation == first.operation;
        let (same, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_same);
        let what = match first.operation {
            Operation::Add => "add",
            Operation::Delete => "delete",
            Operation::Replace => "replace",
        };
        let _ = writeln!(text, "{what}: {}", first.attribute);
        same.iter().for_each(|own| line(text, &own.attribute, &own.value));
        text.push_str("-\n");
        rest = others;
    }
}

fn comment(text: &mut String, why: &str) {
    let _ = writeln!(text, "# {}", printable_within(why, COMMENT));
}

fn line(text: &mut String, attribute: &str, value: &[u8]) {
    let _ = writeln!(text, "{}", writer::line(attribute, value));
}
