//! How far a long walk is, for who looks on.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// A walk that is shorter says nothing.
const PAUSE: Duration = Duration::from_secs(2);

/// Counts, and says so now and then on standard error if that is a terminal.
pub(super) struct Progress {
    count: usize,
    told: Instant,
    shown: bool,
}

impl Default for Progress {
    fn default() -> Self {
        Self { count: 0, told: Instant::now(), shown: io::stderr().is_terminal() }
    }
}

impl Progress {
    /// One more.
    pub(super) fn step(&mut self) {
        self.count += 1;
        if self.shown && self.told.elapsed() >= PAUSE {
            self.told = Instant::now();
            // Nobody misses it.
            let _ = writeln!(io::stderr(), "{} entries read ...", self.count);
        }
    }
}
