//! Any text as a configuration: it is one, or every mistake names a line of it, in words that fit a terminal. Comments
//! and line ends mean nothing, and a table that nobody reads is never overlooked.

use std::path::Path;

use delegation_milter::address::is_forbidden;
use delegation_milter::config::{Config, ConfigError, Fault, Problem};

/// Longer is no message that anybody reads: the key, what is wrong with the value, and all that is allowed instead.
const LONGEST: usize = 2048;

/// Checks a file, which stands where no other files are.
pub(crate) fn check(octets: &[u8]) {
    let Ok(text) = str::from_utf8(octets) else { return };
    let config = parse(text);
    if let Err(problems) = &config {
        check_problems(text, problems);
    }
    // At the very beginning, a byte order mark is none of the text.
    if !text.starts_with('\u{feff}') {
        let later = parse(&format!("# comment\n{text}"));
        assert_eq!(later.map_err(earlier), config.clone().map_err(in_order), "{text:?}");
    }
    assert!(parse(&format!("{text}\n[nonsense]\nlisten = 1\n")).is_err(), "{text:?}");
    if config.is_ok() {
        assert_eq!(parse(&format!("{text}\n# comment")), config, "{text:?}");
    }
}

/// What the text says, as text.
fn parse(text: &str) -> Result<String, Vec<Problem>> {
    match Config::parse(text, Path::new("/nonexistent/test.toml")) {
        Ok(config) => Ok(format!("{config:?}")),
        Err(ConfigError::Invalid { problems, .. }) => Err(problems),
        Err(error @ ConfigError::Unreadable { .. }) => panic!("{error}"),
    }
}

fn check_problems(text: &str, problems: &[Problem]) {
    assert!(!problems.is_empty());
    assert!(problems.is_sorted_by_key(|problem| problem.line), "{problems:?}");
    for problem in problems {
        let said = problem.to_string();
        assert!((1..=text.split('\n').count()).contains(&problem.line), "{said}");
        assert!(said.len() <= LONGEST && !said.chars().any(is_forbidden), "{said:?}");
    }
}

/// The mistakes where they were before a line stood in front of them. What the whole file lacks is told of its first
/// line.
fn earlier(mut problems: Vec<Problem>) -> Vec<Problem> {
    for problem in &mut problems {
        problem.line = 1.max(problem.line - 1);
        if let Fault::Repeated { line, .. } = &mut problem.fault {
            *line -= 1;
        }
    }
    in_order(problems)
}

fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by(|one, other| (one.line, &one.key).cmp(&(other.line, &other.key)));
    problems
}
