//! A list as text for people, and as JSON.

use std::fmt::{self, Write};

use super::{Listing, Principal, Row, Step};
use crate::admin::rendered;

impl Listing {
    /// The answer as it is printed.
    pub fn render(&self, json: bool) -> String {
        rendered(self, json, |text| self.write(text))
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        if self.holders.is_empty() {
            writeln!(text, "<{}> is nobody's: no entry has it", self.address)?;
        }
        for holder in &self.holders {
            writeln!(text, "<{}> is held by {}, which grants", self.address, holder.entry)?;
            write_steps(text, &holder.grants)?;
        }
        writeln!(text, "who may send for it")?;
        write_rows(text, &self.senders, Row::who)?;
        write_more(text, self.more_senders, "more members of these groups, which were not looked at")?;
        if !self.holders.is_empty() {
            writeln!(text, "for whom it may send")?;
            self.write_principals(text)?;
        }
        Ok(())
    }

    fn write_principals(&self, text: &mut String) -> fmt::Result {
        if self.sends_for.is_empty() {
            writeln!(text, "  nobody else")?;
        }
        for principal in &self.sends_for {
            principal.write(text)?;
        }
        write_more(text, self.more_principals, "more principals, which were not looked at")
    }
}

impl Principal {
    fn write(&self, text: &mut String) -> fmt::Result {
        writeln!(text, "  {}, which grants", self.entry)?;
        write_steps(text, &self.grants)?;
        write_rows(text, &self.addresses, |row| format!("<{}>", row.address))
    }
}

impl Row {
    fn who(&self) -> String {
        self.entry.clone().unwrap_or_else(|| "a login without an entry".to_owned())
    }

    /// What may be done.
    fn what(&self) -> String {
        match self.by {
            Some(by) => by.to_owned(),
            None if self.rights.is_empty() => "none".to_owned(),
            None => self.rights.join(" and "),
        }
    }

    fn why(&self) -> String {
        let through = self.through.join(" and ");
        match &self.reason {
            Some(reason) => format!(": {reason}"),
            None if through.is_empty() => String::new(),
            None => format!(", through {through}"),
        }
    }
}

/// One line for those of which the same is to be said: the logins of one entry.
fn write_rows(text: &mut String, rows: &[Row], name: impl Fn(&Row) -> String) -> fmt::Result {
    if rows.is_empty() {
        return writeln!(text, "  nobody");
    }
    let mut lines: Vec<(String, String, Vec<&str>)> = Vec::new();
    for row in rows {
        let (name, rest) = (name(row), row.why());
        let line = format!("  {:9} {name}", row.what());
        match lines.iter_mut().find(|(known, why, _)| *known == line && *why == rest) {
            Some((_, _, logins)) => logins.push(&row.login),
            None => lines.push((line, rest, vec![&row.login])),
        }
    }
    for (line, rest, mut logins) in lines {
        logins.retain(|login| !login.is_empty());
        let logins = if logins.is_empty() { String::new() } else { format!(" ({})", logins.join(", ")) };
        writeln!(text, "{line}{logins}{rest}")?;
    }
    Ok(())
}

fn write_steps(text: &mut String, steps: &[Step]) -> fmt::Result {
    if steps.is_empty() {
        writeln!(text, "  nothing")?;
    }
    for step in steps {
        let counts = if step.counts { "counts" } else { "does not" };
        writeln!(text, "  {counts:9} {} to {}: {}", step.right, step.name, step.reason)?;
    }
    Ok(())
}

fn write_more(text: &mut String, more: usize, what: &str) -> fmt::Result {
    if more == 0 { Ok(()) } else { writeln!(text, "  and {more} {what}") }
}
