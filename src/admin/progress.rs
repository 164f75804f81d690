//! How far a long piece of work is, for who looks on.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Work that is shorter says nothing.
const PAUSE: Duration = Duration::from_secs(2);

/// Counts, and says so now and then on standard error if that is a terminal.
pub(super) struct Progress {
    what: &'static str,
    count: usize,
    told: Instant,
    shown: bool,
}

impl Progress {
    /// What is counted, in words that follow a number.
    pub(super) fn of(what: &'static str) -> Self {
        Self { what, count: 0, told: Instant::now(), shown: io::stderr().is_terminal() }
    }

    /// One more.
    pub(super) fn step(&mut self) {
        self.steps(1);
    }

    /// So many more.
    pub(super) fn steps(&mut self, count: usize) {
        if let Some(line) = self.told_of(count) {
            // Nobody misses it.
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    /// What is to be said of so many more, if it is time.
    fn told_of(&mut self, count: usize) -> Option<String> {
        self.count += count;
        if !self.shown || self.told.elapsed() < PAUSE {
            return None;
        }
        self.told = Instant::now();
        Some(format!("{} {} ...", self.count, self.what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_for_who_looks_on_and_waits() {
        let long_ago = Instant::now().checked_sub(PAUSE).unwrap();
        for (told, shown, expected) in [
            (long_ago, true, Some("5 entries read ...")),
            (Instant::now(), true, None),
            (long_ago, false, None),
        ] {
            let mut progress = Progress { what: "entries read", count: 2, told, shown };
            assert_eq!(progress.told_of(3).as_deref(), expected, "{shown}");
            assert_eq!(progress.told_of(1), None, "not twice");
        }
    }
}
