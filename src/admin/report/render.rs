//! The report as text for people.

use std::fmt::{self, Write};

use super::answer::{Hit, Report, Rows, Seldom};
use super::cells::{milliseconds, minute, thousands};
use super::line::Verdict;
use super::table::aligned;
use super::timeline::counted;
use crate::admin::rendered;

/// The most rows of a table; the JSON and the page have them all.
const MOST: usize = 40;

impl Report {
    /// The answer as it is printed.
    pub fn render(&self, json: bool) -> String {
        rendered(self, json, |text| self.write(text))
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        self.write_totals(text)?;
        if self.would_refuse_asked {
            self.write_people(text)?;
            self.write_changes(text)?;
        } else {
            self.write_senders(text)?;
            self.write_refusals(text)?;
        }
        self.write_deferrals(text)?;
        self.write_notes(text)
    }

    fn write_totals(&self, text: &mut String) -> fmt::Result {
        let (Some(first), Some(last)) = (self.first, self.last) else {
            return writeln!(text, "no messages in {} lines", thousands(self.lines.read));
        };
        let zone = self.zone();
        writeln!(text, "from {} to {} ({})", minute(first, zone), minute(last, zone), self.zone)?;
        let kinds = counted(&self.verdicts).filter(|(_, count)| *count > 0);
        let kinds: Vec<_> =
            kinds.map(|(kind, count)| format!("{} {}", kind.name(), thousands(count))).collect();
        writeln!(text, "messages: {} ({})", thousands(self.messages), kinds.join(", "))?;
        if let (Some(median), Some(p99), Some(longest)) =
            (self.milliseconds.median, self.milliseconds.p99, self.milliseconds.longest)
        {
            let [median, p99, longest] = [median, p99, longest].map(milliseconds);
            writeln!(text, "milliseconds: median {median}, p99 {p99}, longest {longest}")?;
        }
        Ok(())
    }

    fn write_senders(&self, text: &mut String) -> fmt::Result {
        let head = ["messages", "login", "author", "rule", "first", "last", "grant"];
        self.write_table(text, "who sent for whom", &head, &self.senders, |row| {
            let [first, last] = self.span(&row.when);
            vec![cell(&row.login), cell(&row.address), row.rule.clone(), first, last, row.grant.clone()]
        })?;
        writeln!(text, "  and {} times somebody as themselves", thousands(self.own.messages))
    }

    fn write_refusals(&self, text: &mut String) -> fmt::Result {
        let head = ["messages", "login", "address", "rule", "verdict", "first", "last", "client"];
        self.write_table(text, "who was refused", &head, &self.refusals, |row| {
            let [first, last] = self.span(&row.when);
            let (login, address) = (cell(&row.login), cell(&row.address));
            vec![login, address, row.rule.clone(), row.verdict.clone(), first, last, cell(&row.client)]
        })
    }

    fn write_deferrals(&self, text: &mut String) -> fmt::Result {
        if self.deferrals.rows.is_empty() {
            return Ok(());
        }
        let head = ["messages", "rule", "verdict", "first", "last", "the last reason"];
        self.write_table(text, "what could not be judged", &head, &self.deferrals, |row| {
            let [first, last] = self.span(&row.when);
            vec![row.rule.clone(), row.verdict.clone(), first, last, row.reason.clone()]
        })
    }

    fn write_changes(&self, text: &mut String) -> fmt::Result {
        let head = ["messages", "login", "author", "first", "last", "what"];
        self.write_table(text, "what enforcement would change", &head, &self.would_change, |row| {
            let [first, last] = self.span(&row.when);
            vec![cell(&row.login), cell(&row.address), first, last, row.changes.clone()]
        })
    }

    fn write_people(&self, text: &mut String) -> fmt::Result {
        let people = &self.would_refuse;
        writeln!(text, "\nwhom enforcement would refuse")?;
        if people.rows.is_empty() {
            writeln!(text, "  nobody")?;
        }
        for person in people.rows.iter().take(MOST) {
            writeln!(text, "  {}: {}", cell(&person.login), times(person.messages))?;
            for hit in person.addresses.iter().take(MOST) {
                self.write_hit(text, hit)?;
            }
            write_more(text, "    ", person.addresses.len(), 0)?;
        }
        write_more(text, "  ", people.rows.len(), people.others)
    }

    fn write_hit(&self, text: &mut String, hit: &Hit) -> fmt::Result {
        let (address, last) = (cell(&hit.address), minute(hit.when.last, self.zone()));
        writeln!(text, "    {address} ({}): {}, last {last}", hit.rule, times(hit.when.messages))?;
        writeln!(text, "      why:  {}", hit.look.as_deref().unwrap_or(&hit.reply))?;
        writeln!(text, "      then: {}", hit.advice)?;
        match &hit.grant {
            Some(grant) => writeln!(text, "            {grant}"),
            None => Ok(()),
        }
    }

    fn write_table<T>(
        &self,
        text: &mut String,
        title: &str,
        head: &[&str],
        rows: &Rows<T>,
        cells: impl Fn(&T) -> Vec<String>,
    ) -> fmt::Result
    where
        T: Counted,
    {
        writeln!(text, "\n{title}")?;
        if rows.rows.is_empty() {
            return writeln!(text, "  nobody");
        }
        let row = |row: &T| [vec![row.when().messages.to_string()], cells(row)].concat();
        let shown: Vec<_> = rows.rows.iter().take(MOST).map(row).collect();
        aligned(text, head, &shown);
        write_more(text, "  ", rows.rows.len(), rows.others)
    }

    fn span(&self, when: &Seldom) -> [String; 2] {
        [when.first, when.last].map(|at| minute(at, self.zone()))
    }

    fn write_notes(&self, text: &mut String) -> fmt::Result {
        let lines = &self.lines;
        writeln!(text, "\nlines: {}", self.told_lines())?;
        for log in &lines.again {
            writeln!(text, "  {log} was named twice, and read once")?;
        }
        for damaged in &lines.damages {
            writeln!(text, "  {}, line {}: {}", damaged.log, damaged.line, damaged.why)?;
        }
        let more = lines.damaged.saturating_sub(lines.damages.len() as u64);
        if more > 0 {
            writeln!(text, "  and {} more that are damaged", thousands(more))?;
        }
        let unjudged = self.count(Verdict::WouldRefuse);
        if unjudged > 0 && !self.would_refuse_asked {
            writeln!(text, "{} would be refused: see --would-refuse", times(unjudged))?;
        }
        Ok(())
    }

    /// How many lines there were of each kind.
    pub(super) fn told_lines(&self) -> String {
        let lines = &self.lines;
        let kinds = [
            (lines.messages, "of messages"),
            (lines.others, "of other events"),
            (lines.foreign, "of other programs"),
            (lines.earlier, "from before --since"),
            (lines.damaged, "damaged"),
        ];
        let told = kinds.iter().filter(|(count, _)| *count > 0);
        let told: Vec<_> = told.map(|(count, kind)| format!("{} {kind}", thousands(*count))).collect();
        if told.is_empty() { "none".to_owned() } else { told.join(", ") }
    }
}

/// What has a number of messages.
pub(super) trait Counted {
    fn when(&self) -> &Seldom;
}

macro_rules! counted_rows {
    ($($row:ident)*) => {
        $(impl Counted for super::answer::$row {
            fn when(&self) -> &Seldom {
                &self.when
            }
        })*
    };
}

counted_rows!(Sender Own Refusal Deferral Change Hit);

/// A value, visibly if there is none.
pub(super) fn cell(value: &str) -> String {
    if value.is_empty() { "-".to_owned() } else { value.to_owned() }
}

pub(super) fn times(messages: u64) -> String {
    if messages == 1 { "1 message".to_owned() } else { format!("{} messages", thousands(messages)) }
}

fn write_more(text: &mut String, indent: &str, rows: usize, others: u64) -> fmt::Result {
    let more = rows.saturating_sub(MOST);
    if more > 0 {
        writeln!(text, "{indent}and {more} more: --json and --html have them all")?;
    }
    if others > 0 {
        writeln!(text, "{indent}and {} that are too rare to be kept apart", times(others))?;
    }
    Ok(())
}
