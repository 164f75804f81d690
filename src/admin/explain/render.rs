//! An explanation as text for people, and as JSON.

use std::fmt::{self, Write};

use super::{Asked, Explanation, Known, Named, Principal, Step};
use crate::admin::rendered;

impl Explanation {
    /// The answer as it is printed.
    pub fn render(&self, json: bool) -> String {
        rendered(self, json, |text| self.write(text))
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        let verdict = if self.allowed { "allowed" } else { "refused" };
        let (by, sender_field, envelope) = match &self.asked {
            Asked::Address { address, by, .. } => {
                writeln!(text, "{verdict}: {} as <{address}>", self.login)?;
                (*by, None, None)
            }
            Asked::Message { mail_from, sender_field, .. } => {
                writeln!(text, "{verdict}: {} with this message from {mail_from}", self.login)?;
                (None, *sender_field, self.allowed.then_some("kept"))
            }
        };
        let changes = &self.changes;
        let [names, copies, no_copies] =
            [&changes.display_names, &changes.copies, &changes.no_copies].map(|list| listed(list));
        let no_copies = no_copies.map(|where_to| format!("{where_to}, for want of SMTPUTF8"));
        for (name, value) in [
            ("by", by),
            ("Sender", changes.sender.as_deref().or(sender_field)),
            ("From", names.as_deref()),
            ("envelope", changes.envelope.as_deref().or(envelope)),
            ("copies", copies.as_deref()),
            ("no copies", no_copies.as_deref()),
            ("reply", self.reply.as_deref()),
            ("report", self.report.as_deref()),
        ] {
            if let Some(value) = value {
                writeln!(text, "  {name:9} {value}")?;
            }
        }
        for change in &self.calendar {
            writeln!(text, "  {:9} {change}", "calendar")?;
        }
        self.submitter.write(text)?;
        write_steps(text, "groups of the submitter", &self.groups)?;
        self.asked.write(text)
    }
}

/// The values; none if there are none.
fn listed(values: &[String]) -> Option<String> {
    (!values.is_empty()).then(|| values.join(", "))
}

impl Asked {
    fn write(&self, text: &mut String) -> fmt::Result {
        match self {
            Self::Address { principals, .. } => write_principals(text, principals),
            Self::Message { addresses, .. } => addresses.iter().try_for_each(|named| named.write(text)),
        }
    }
}

impl Named {
    fn write(&self, text: &mut String) -> fmt::Result {
        let by = self.by.map(|by| format!(", written as {by}")).unwrap_or_default();
        let (places, relation) = (self.places.join(" and "), self.relation.join(" and "));
        writeln!(text, "<{}> in {places}: {relation}{by}", self.address)?;
        write_principals(text, &self.principals)
    }
}

fn write_principals(text: &mut String, principals: &[Principal]) -> fmt::Result {
    for principal in principals {
        write_steps(text, &format!("held by {}, which grants", principal.entry), &principal.grants)?;
    }
    Ok(())
}

impl Known {
    fn write(&self, text: &mut String) -> fmt::Result {
        writeln!(text, "submitter")?;
        writeln!(text, "  {:9} {}", "entry", self.entry.as_deref().unwrap_or("none"))?;
        if self.account {
            writeln!(text, "  {:9} defined in the configuration", "account")?;
        }
        if !self.addresses.is_empty() {
            writeln!(text, "  {:9} {}", "addresses", self.addresses.join(", "))?;
        }
        Ok(())
    }
}

fn write_steps(text: &mut String, title: &str, steps: &[Step]) -> fmt::Result {
    writeln!(text, "{title}")?;
    if steps.is_empty() {
        writeln!(text, "  nothing")?;
    }
    for step in steps {
        let counts = if step.counts { "counts" } else { "does not" };
        let right = step.right.map(|right| format!("{right} to ")).unwrap_or_default();
        writeln!(text, "  {counts:9} {right}{}: {}", step.name, step.reason)?;
    }
    Ok(())
}
