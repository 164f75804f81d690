//! `[log]`: how much is logged, and in which form.

use super::table::Table;

/// `[log]`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Log {
    /// `log.format`
    pub format: LogFormat,
    /// `log.level`: what is less important is left out.
    pub level: Level,
}

/// `log.format`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// Lines for people, on standard error.
    Text,
    /// One JSON object a line, on standard error.
    Json,
    /// systemd's journal, with fields.
    Journald,
}

/// `log.level`, the most important first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// Somebody must act.
    Error,
    /// Something is doubtful.
    Warn,
    /// One line for each message.
    Info,
    /// What the decision was made of.
    Debug,
    /// Every step.
    Trace,
}

const FORMATS: [(&str, LogFormat); 3] =
    [("text", LogFormat::Text), ("json", LogFormat::Json), ("journald", LogFormat::Journald)];

const LEVELS: [(&str, Level); 5] = [
    ("error", Level::Error),
    ("warn", Level::Warn),
    ("info", Level::Info),
    ("debug", Level::Debug),
    ("trace", Level::Trace),
];

pub(super) fn read(table: &Table<'_>) -> Log {
    Log {
        format: table.choice("format", &FORMATS).unwrap_or(LogFormat::Text),
        level: table.choice("level", &LEVELS).unwrap_or(Level::Info),
    }
}
