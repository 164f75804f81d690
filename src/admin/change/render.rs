//! The answer as text for people, and as JSON.

use std::fmt::{self, Write};

use super::{Answer, Verb};
use crate::admin::rendered;
use crate::directory::grants::{Modification, Operation};
use crate::directory::ldif::writer;
use crate::dn::Dn;
use crate::reply;

/// The longest value that is shown, in octets.
const MAX_VALUE: usize = 400;

impl Answer {
    /// The answer as it is printed.
    pub fn render(&self, json: bool) -> String {
        rendered(self, json, |text| self.write(text))
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        let Self { right, principal, delegate, .. } = self;
        let (done, preposition) = match self.verb {
            Verb::Grant => ("granted", "to"),
            Verb::Revoke => ("revoked", "from"),
        };
        let done = if self.done { done } else { "refused" };
        writeln!(text, "{done}: {right} for {principal} {preposition} {delegate}")?;
        if let Some(reason) = &self.reason {
            writeln!(text, "  reason    {reason}")?;
        }
        for (what, values) in [("added", &self.added), ("deleted", &self.deleted)] {
            for value in values {
                writeln!(text, "  {what:9} {}: {}", value.attribute, value.value)?;
            }
        }
        self.warnings.iter().try_for_each(|warning| writeln!(text, "  warning   {warning}"))
    }
}

/// A value that was written.
pub(super) fn value(octets: &[u8]) -> String {
    reply::printable_within(&String::from_utf8_lossy(octets), MAX_VALUE)
}

/// What to do in a file, which is not written here.
pub(super) fn edits(file: &str, principal: &Dn, modifications: &[Modification]) -> String {
    let dn = value(principal.as_str().as_bytes());
    let mut text = format!("the directory is a file; edit it by hand, in the entry of {dn} in {file}:");
    for Modification { operation, attribute, value: octets } in modifications {
        let what = match operation {
            Operation::Add => "add the line",
            Operation::Delete => "delete the line",
            Operation::Replace => "replace the line",
        };
        let _ = write!(text, "\n  {what}    {}", writer::line(attribute, octets));
    }
    text.push_str("\nthen reload the milter (SIGHUP)");
    text
}
