//! A file that is no TOML: where, and what to do about it. Only the first place is told, for what follows is mostly
//! its consequence.

use std::ops::Range;
use std::path::Path;

use super::fault::{self, ConfigError, Fault, Problem};

/// The octet at which the text stops being TOML, and why.
pub(super) fn fault(text: &str, error: &toml::de::Error) -> (usize, Fault) {
    let span = error.span().unwrap_or(text.len()..text.len());
    let what = match (error.message(), text.get(span.clone())) {
        ("duplicate key", Some(key)) => {
            format!("{} stands here for the second time; allowed is once", fault::key(key))
        }
        (message, _) => format!("this is not TOML: {}", reason(text, &span, message)),
    };
    (span.start, Fault::Syntax(what))
}

/// The parser takes whatever lacks its quotes for a number, a date or nothing at all: better said by ourselves.
fn reason(text: &str, span: &Range<usize>, message: &str) -> String {
    let message = message.strip_suffix(", expected nothing").unwrap_or(message);
    match unquoted(text, span) {
        Some(key) => {
            let key = fault::unquoted(key);
            format!("the value of {key} is missing, or is a text that lacks its double quotes")
        }
        None => message.to_owned(),
    }
}

/// The key of the line, if the place is in its value and that is neither in quotes nor a list nor a table.
fn unquoted<'t>(text: &'t str, span: &Range<usize>) -> Option<&'t str> {
    let (before, after) = text.split_at_checked(span.start)?;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let (key, _) = before.get(start..)?.split_once('=')?;
    let end = span.start + after.find('\n').unwrap_or(after.len());
    let value = text.get(start + key.len() + 1..end)?.trim_start();
    let key = key.trim();
    (!key.is_empty() && !value.starts_with(['"', '\'', '[', '{'])).then_some(key)
}

/// The error for a file of which only the first `valid` octets are UTF-8.
pub(super) fn not_utf8(octets: &[u8], valid: usize, file: &Path) -> ConfigError {
    let line = 1 + octets.iter().take(valid).filter(|octet| **octet == b'\n').count();
    let fault = Fault::Syntax("this line is not UTF-8, as TOML is; save the file as UTF-8".to_owned());
    ConfigError::Invalid {
        file: file.to_owned(),
        problems: vec![Problem { line, key: String::new(), fault }],
    }
}
