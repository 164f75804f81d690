//! Colours for answers at a terminal: the first word of a line, where it says how something stands.

use std::env;
use std::ffi::OsStr;
use std::io::{self, IsTerminal};

const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";

/// Words that begin a line, and their colours (ECMA-48 section 8.3.117, SGR).
const WORDS: [(&str, &str); 14] = [
    ("ok", GREEN),
    ("allowed:", GREEN),
    ("granted:", GREEN),
    ("revoked:", GREEN),
    ("written", GREEN),
    ("warning", YELLOW),
    ("warning:", YELLOW),
    ("account", YELLOW),
    ("error", RED),
    ("refused:", RED),
    ("nothing", RED),
    ("note", CYAN),
    ("note:", CYAN),
    ("found", CYAN),
];

/// Whether standard output shows colours: it is a terminal that can, and nobody minds (no-color.org).
pub fn is_wanted() -> bool {
    wanted(io::stdout().is_terminal(), env::var_os("NO_COLOR").as_deref(), env::var_os("TERM").as_deref())
}

fn wanted(is_terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    is_terminal && no_color.is_none_or(OsStr::is_empty) && term.is_none_or(|term| term != "dumb")
}

/// The text with colours. Text from elsewhere is escaped in it already, so that no other sequence is there.
pub fn painted(text: &str) -> String {
    let lines = text.split_inclusive('\n').map(|line| {
        let word = line.split_ascii_whitespace().next().unwrap_or_default();
        match (WORDS.iter().find(|(own, _)| *own == word), line.split_once(word)) {
            (Some((_, colour)), Some((before, after))) => {
                format!("{before}\x1b[{colour}m{word}\x1b[0m{after}")
            }
            _ => line.to_owned(),
        }
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_for_terminals_alone() {
        for (is_terminal, no_color, term, expected) in [
            (true, None, Some("xterm"), true),
            (true, None, None, true),
            (true, Some(""), Some("xterm"), true),
            (true, Some("1"), Some("xterm"), false),
            (true, None, Some("dumb"), false),
            (false, None, Some("xterm"), false),
        ] {
            let is_wanted = wanted(is_terminal, no_color.map(OsStr::new), term.map(OsStr::new));
            assert_eq!(is_wanted, expected, "{is_terminal} {no_color:?} {term:?}");
        }
    }

    #[test]
    fn first_words_and_nothing_else() {
        for (text, expected) in [
            ("ok       a: b\nerror    c: ok", "\x1b[32mok\x1b[0m       a: b\n\x1b[31merror\x1b[0m    c: ok"),
            ("  warning   x\n", "  \x1b[33mwarning\x1b[0m   x\n"),
            ("nothing to see\n\n", "\x1b[31mnothing\x1b[0m to see\n\n"),
            ("okay\nx ok", "okay\nx ok"),
            ("", ""),
        ] {
            assert_eq!(painted(text), expected);
        }
    }
}
