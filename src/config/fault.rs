//! What can be wrong with a configuration file, in words for the person who wrote it.
//!
//! Every mistake gives one line, in the order of the file: `FILE:LINE: KEY: what is wrong; what is allowed`.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::reply::printable_within;

/// Why there is no configuration. Each line of its text is one mistake.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{} {why}; name another configuration file with --config FILE", file.display())]
    Unreadable {
        /// The configuration file.
        file: PathBuf,
        /// What happened, in words that follow the file's name.
        why: String,
    },
    /// The file has mistakes.
    #[error("{}", lines(file, problems))]
    Invalid {
        /// The configuration file.
        file: PathBuf,
        /// Its mistakes in the order of the file; at least one.
        problems: Vec<Problem>,
    },
}

fn lines(file: &Path, problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{}:{problem}", file.display())).collect::<Vec<_>>().join("\n")
}

/// One mistake, and where it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The line in the file, from 1.
    pub line: usize,
    /// The key with its tables, such as `policy.mode` or `context[2].base_dn`; empty where the file is no TOML.
    pub key: String,
    /// What is wrong with it.
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.line)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}", self.fault)
    }
}

/// What is wrong with a key, in words that follow its name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// The file is no TOML from here on.
    #[error("{0}")]
    Syntax(String),
    /// Nobody reads such a key; mostly a misspelt one.
    #[error("there is no such {thing}{}; allowed here are {allowed}", in_brackets(hint.as_deref()))]
    Unknown {
        /// `key` or `table`.
        thing: &'static str,
        /// What was probably meant.
        hint: Option<String>,
        /// The names that are read here.
        allowed: String,
    },
    /// Wrong type, unit or value.
    #[error("{found} is not allowed{}; allowed {allowed}", in_brackets(because.as_deref()))]
    NotAllowed {
        /// The value as it was written.
        found: String,
        /// The reason, where the form alone does not show it.
        because: Option<String>,
        /// What may stand here, with its verb: `are true, false`.
        allowed: String,
    },
    /// A key without which the rest means nothing.
    #[error("is missing; allowed {allowed}")]
    Missing {
        /// What may stand here, with its verb.
        allowed: String,
    },
    /// Two entries with a value that must be one entry's alone.
    #[error("{found} is in line {line} already; {rule}")]
    Repeated {
        /// The value as it was written.
        found: String,
        /// Where it was met first.
        line: usize,
        /// Why once is enough.
        rule: &'static str,
    },
    /// Two keys that cannot both be meant.
    #[error("{what}; {remedy}")]
    Contradiction {
        /// What contradicts what.
        what: String,
        /// How to resolve it.
        remedy: &'static str,
    },
    /// A right key or value, too early.
    #[error("{what} not in this version yet; {instead}")]
    NotYet {
        /// The value or feature, with its verb.
        what: String,
        /// What this version can do.
        instead: &'static str,
    },
    /// A file that the configuration names.
    #[error("{found} {why}; allowed {allowed}")]
    File {
        /// Its path.
        found: String,
        /// What is wrong with it.
        why: String,
        /// What it must be, with its verb.
        allowed: &'static str,
    },
}

fn in_brackets(text: Option<&str>) -> String {
    text.map(|text| format!(" ({text})")).unwrap_or_default()
}

/// Says what happened to a file, in words that follow its name.
pub(super) fn why(error: &io::Error) -> String {
    let common = [
        (io::ErrorKind::NotFound, "does not exist"),
        (io::ErrorKind::PermissionDenied, "may not be read by this user"),
        (io::ErrorKind::IsADirectory, "is a directory"),
    ];
    match common.iter().find(|(kind, _)| *kind == error.kind()) {
        Some((_, why)) => (*why).to_owned(),
        None => format!("cannot be read ({error})"),
    }
}

/// The longest part of a value that a message repeats, in characters.
const SHOWN: usize = 60;

/// A key as messages show it: bare where TOML takes it so, else quoted; never endless.
pub(super) fn key(text: &str) -> String {
    let bare = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-');
    let is_bare = !text.is_empty() && text.len() <= SHOWN && text.bytes().all(bare);
    if is_bare { text.to_owned() } else { quoted(text) }
}

/// What stands in the file without quotes, on one line, and not endless.
pub(super) fn unquoted(text: &str) -> String {
    printable_within(text, SHOWN)
}

/// A text from the file as messages show it: quoted, on one line, and not endless.
pub(super) fn quoted(text: &str) -> String {
    let mut shown = String::from('"');
    for c in text.chars().take(SHOWN) {
        match c {
            '"' | '\\' => shown.extend(['\\', c]),
            c if crate::address::is_forbidden(c) => shown.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => shown.push(c),
        }
    }
    shown.push_str(if text.chars().nth(SHOWN).is_some() { "...\"" } else { "\"" });
    shown
}
