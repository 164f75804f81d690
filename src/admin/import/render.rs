//! The answer as it is printed.

use std::fmt::{self, Write};

use super::verdicts::Difference;
use super::{Amounts, Format, Import, Row};
use crate::admin::rendered;

/// How many lines of each kind people are shown; JSON has all.
const SHOWN: usize = 200;

impl Import {
    /// As JSON, or in the format that was asked for; in the other formats what is to be known stands in comments.
    pub fn render(&self, json: bool) -> String {
        rendered(self, json, |text| match self.format {
            Format::Text => self.write(text),
            Format::Ldif => self.commented(text, &self.ldif),
            Format::Accounts => self.commented(text, &self.accounts),
        })
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        writeln!(text, "login maps: {}", self.maps.join(", "))?;
        writeln!(text, "what they amount to")?;
        self.write_rows(text)?;
        self.told(text)?;
        writeln!(
            text,
            "--format ldif prints the changes for ldapmodify, --format accounts [[account]] for all of it"
        )
    }

    fn write_rows(&self, text: &mut String) -> fmt::Result {
        let done: Vec<_> = self.rows.iter().filter(|row| !row.is_done()).collect();
        done.iter().take(SHOWN).try_for_each(|row| row.write(text))?;
        more(text, done.len())?;
        let own = self.rows.len() - done.len();
        writeln!(text, "  {own} that are the login's own, or granted, already")
    }

    /// Differences and notes.
    fn told(&self, text: &mut String) -> fmt::Result {
        writeln!(text, "allowed today, and refused then: {}", self.lost.len())?;
        differences(text, &self.lost)?;
        writeln!(text, "refused today, and allowed then: {}", self.gained.len())?;
        differences(text, &self.gained)?;
        writeln!(
            text,
            "besides: login maps look at the envelope sender alone, so today anybody who logs in writes any From; then \
             From must be own or granted too"
        )?;
        self.notes.iter().try_for_each(|note| writeln!(text, "note: {note}"))
    }

    fn commented(&self, text: &mut String, body: &str) -> fmt::Result {
        let mut comments = String::new();
        writeln!(comments, "of the login maps {}", self.maps.join(", "))?;
        self.told(&mut comments)?;
        comments.lines().try_for_each(|line| writeln!(text, "# {line}"))?;
        write!(text, "\n{body}")
    }
}

impl Row {
    fn is_done(&self) -> bool {
        matches!(self.amounts_to, Amounts::Own | Amounts::Granted)
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        let what = match self.amounts_to {
            Amounts::Own => "own",
            Amounts::Granted => "granted",
            Amounts::Alias => "alias",
            Amounts::SendAs => "send-as",
            Amounts::Shared => "shared",
            Amounts::Account => "account",
            Amounts::Nothing => "nothing",
        };
        let Self { address, login, .. } = self;
        let entry = self.entry.as_ref().map(|entry| format!(" ({entry})")).unwrap_or_default();
        let note = self.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        writeln!(text, "  {what:8} {login}{entry} as <{address}>{note}")
    }
}

fn differences(text: &mut String, differences: &[Difference]) -> fmt::Result {
    for Difference { login, address, why } in differences.iter().take(SHOWN) {
        writeln!(text, "  {login} as <{address}>: {why}")?;
    }
    more(text, differences.len())
}

fn more(text: &mut String, count: usize) -> fmt::Result {
    match count.checked_sub(SHOWN) {
        Some(more) if more > 0 => writeln!(text, "  and {more} more, which --json shows"),
        Some(_) | None => Ok(()),
    }
}
