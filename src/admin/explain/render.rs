//! An explanation as text for people, and as JSON.

use std::fmt::Write;

use super::{Explanation, Known, Step};

impl Explanation {
    /// The answer as it is printed.
    pub fn render(&self, json: bool) -> String {
        if json { serde_json::to_string_pretty(self).unwrap_or_default() } else { self.text() }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text.trim_end().to_owned()
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let verdict = if self.allowed { "allowed" } else { "refused" };
        writeln!(text, "{verdict}: {} as <{}>", self.login, self.address)?;
        for (name, value) in [
            ("by", self.by),
            ("Sender", self.sender.as_deref()),
            ("envelope", self.envelope.as_deref()),
            ("reply", self.reply.as_deref()),
        ] {
            if let Some(value) = value {
                writeln!(text, "  {name:9} {value}")?;
            }
        }
        self.submitter.write(text)?;
        write_steps(text, "groups of the submitter", &self.groups)?;
        for principal in &self.principals {
            write_steps(text, &format!("held by {}, which grants", principal.entry), &principal.grants)?;
        }
        Ok(())
    }
}

impl Known {
    fn write(&self, text: &mut String) -> std::fmt::Result {
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

fn write_steps(text: &mut String, title: &str, steps: &[Step]) -> std::fmt::Result {
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
