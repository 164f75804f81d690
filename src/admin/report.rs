//! `report LOG…`: who sent for whom, what was refused and put off, and how long it took; or whom enforcement would hit.
//!
//! It reads the lines that the program writes, in each of the formats of `log.format`, and as syslogd(8) and
//! journalctl(1) pass them on; which it is shows by each line ([`mod@line`]). What it keeps grows with the number of
//! different rows, up to a bound, not with that of the lines ([`table`]).

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

mod answer;
mod cells;
mod json;
mod latency;
pub mod line;
mod page;
mod render;
mod since;
mod source;
mod table;
mod tally;
mod text;
mod timeline;

use line::{Damage, Line};
use source::{Lines, Sources};
use tally::Tally;

pub use answer::Report;

/// The most damaged lines that are named; the others are counted.
const MOST_DAMAGED: usize = 20;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// `--since` is no time.
    #[error(
        "--since {0:?}: write a date (2026-11-01), a date and a time (2026-11-01T08:00, with Z or +01:00 if it is not in \
         the zone of this machine) or how long ago (90m, 24h, 7d, 2w)"
    )]
    Since(String),
    /// A log cannot be read.
    #[error("{}: cannot be read: {}", .0.display(), .1)]
    Read(PathBuf, std::io::Error),
    /// The page cannot be written.
    #[error("{}: cannot be written: {}", .0.display(), .1)]
    Write(PathBuf, std::io::Error),
    /// The page would take the place of a log.
    #[error("--html {}: this is one of the logs, which the page would replace; name another file", .0.display())]
    IsLog(PathBuf),
}

/// What is asked.
#[derive(Debug, Default)]
pub struct Question {
    /// `--since`: nothing from before.
    pub since: Option<String>,
    /// `--would-refuse`: whom enforcement would hit.
    pub would_refuse: bool,
    /// The logs, in any order; `-` for standard input.
    pub logs: Vec<PathBuf>,
    /// Where the page is to be written, if anywhere: none of the logs.
    pub page: Option<PathBuf>,
}

/// Which lines there were.
#[derive(Default)]
struct Seen {
    lines: u64,
    messages: u64,
    /// Of the program, and not of a message.
    others: u64,
    foreign: u64,
    earlier: u64,
    damaged: u64,
    /// The first of them: which log, which line, and what is wrong.
    damages: Vec<(PathBuf, u64, Damage)>,
    /// Logs that were named twice.
    again: Vec<PathBuf>,
}

/// Reads the logs.
///
/// # Errors
///
/// `--since` is no time, a log cannot be read, or the page would replace one.
pub fn report(question: &Question) -> Result<Report, ReportError> {
    if let Some(page) = question.page.as_ref().filter(|page| source::has(&question.logs, page)) {
        return Err(ReportError::IsLog(page.clone()));
    }
    let now = Zoned::now();
    let since = question.since.as_deref().map(|text| since::read(text, &now).ok_or(text)).transpose();
    let since = since.map_err(|text| ReportError::Since(text.to_owned()))?;
    let (mut tally, mut seen, mut sources) =
        (Tally::new(TimeZone::system()), Seen::default(), Sources::default());
    for path in &question.logs {
        match sources.open(path)? {
            Some(mut lines) => read(&mut lines, since, &mut tally, &mut seen)?,
            None => seen.again.push(path.clone()),
        }
    }
    Ok(Report::new(question, since, &now, tally, seen))
}

fn read(
    lines: &mut Lines,
    since: Option<Timestamp>,
    tally: &mut Tally,
    seen: &mut Seen,
) -> Result<(), ReportError> {
    let mut line = Vec::new();
    while let Some(whole) = lines.next(&mut line)? {
        seen.lines += 1;
        let text = if whole { lossy(&line) } else { Cow::Borrowed("") };
        match Line::read(&text) {
            _ if !whole => seen.damage(&lines.path, lines.number, Damage::Long),
            Line::Message(message) if since.is_some_and(|since| message.at < since) => seen.earlier += 1,
            Line::Message(message) => {
                seen.messages += 1;
                tally.add(&message);
            }
            Line::Other => seen.others += 1,
            Line::Foreign => seen.foreign += 1,
            Line::Damaged(damage) => seen.damage(&lines.path, lines.number, damage),
        }
    }
    Ok(())
}

/// The program writes ASCII alone.
fn lossy(line: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(line)
}

impl Seen {
    fn damage(&mut self, path: &Path, number: u64, damage: Damage) {
        self.damaged += 1;
        if self.damages.len() < MOST_DAMAGED {
            self.damages.push((path.to_owned(), number, damage));
        }
    }
}

/// Writes the page.
///
/// # Errors
///
/// The file cannot be written.
pub fn write_page(report: &Report, file: &Path) -> Result<(), ReportError> {
    std::fs::write(file, report.page()).map_err(|error| ReportError::Write(file.to_owned(), error))
}
