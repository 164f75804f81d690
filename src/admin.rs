//! The administrator's edge: commands that answer questions about the rules in force.

use std::fmt;

use serde::Serialize;

pub mod change;
pub mod check;
pub mod colour;
pub mod explain;
pub mod import;
pub mod init;
pub mod list;
mod progress;
pub mod report;
mod roll;
mod standing;

/// An answer as it is printed: as JSON, or as what `write` makes of it for people.
fn rendered(answer: &impl Serialize, json: bool, write: impl FnOnce(&mut String) -> fmt::Result) -> String {
    if json {
        return serde_json::to_string_pretty(answer).unwrap_or_default();
    }
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text);
    text.trim_end().to_owned()
}
