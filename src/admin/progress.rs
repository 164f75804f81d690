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
        self.count += count;
        if self.shown && self.told.elapsed() >= PAUSE {
            self.told = Instant::now();
            // Nobody misses it.
            let _ = writeln!(io::stderr(), "{} {} ...", self.count, self.what);
        }
    }
}
