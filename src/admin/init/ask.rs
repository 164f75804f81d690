//! Questions at a terminal. Without one there are none: an error names the option that answers.

use std::io::{self, IsTerminal, Write};

use super::InitError;
use crate::reply::printable;

/// How often somebody may give an answer that is none.
const TRIES: usize = 3;

/// Who asks.
pub(super) struct Asker {
    has_terminal: bool,
}

impl Asker {
    /// At the terminal of this process, if it has one: questions go to standard error.
    pub(super) fn new() -> Self {
        Self { has_terminal: io::stdin().is_terminal() && io::stderr().is_terminal() }
    }

    /// Whether nobody can be asked.
    pub(super) fn is_nobody(&self) -> bool {
        !self.has_terminal
    }

    /// An answer; an empty one is the proposal. `choices` are shown, not enforced.
    pub(super) fn ask(
        &self,
        option: &'static str,
        question: &str,
        proposal: Option<&str>,
        choices: &[String],
    ) -> Result<String, InitError> {
        let choices: Vec<_> = choices.iter().map(|choice| printable(choice)).collect();
        if self.is_nobody() {
            return Err(InitError::NoTerminal { option, choices });
        }
        let shown = proposal.filter(|proposal| !proposal.is_empty());
        let shown = shown.map(|proposal| format!(" [{}]", printable(proposal))).unwrap_or_default();
        for _ in 0..TRIES {
            let mut terminal = io::stderr();
            if choices.len() > 1 {
                let _ = writeln!(terminal, "  ({})", choices.join(" | "));
            }
            let _ = write!(terminal, "{question}{shown}: ");
            let _ = terminal.flush();
            let mut answer = String::new();
            if io::stdin().read_line(&mut answer).unwrap_or(0) == 0 {
                return Err(InitError::NoAnswer(option));
            }
            match (answer.trim(), proposal) {
                ("", None) => {}
                ("", Some(proposal)) => return Ok(proposal.to_owned()),
                (answer, _) => return Ok(answer.to_owned()),
            }
        }
        Err(InitError::NoAnswer(option))
    }
}
