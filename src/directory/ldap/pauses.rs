//! The pauses between attempts to connect, which grow while these fail.

use std::time::Duration;

use tokio::time::sleep;

/// So short that the watch is back two seconds after the server.
const FIRST: Duration = Duration::from_millis(100);
pub(super) const LONGEST: Duration = Duration::from_millis(500);

/// A connection that lasted this long was a good one.
pub(super) const LASTING: Duration = Duration::from_secs(1);

/// The next pause.
pub(super) struct Pauses(Duration);

impl Pauses {
    /// Nothing failed yet.
    pub(super) fn new() -> Self {
        Self(FIRST)
    }

    /// Whether nothing failed since the last good connection.
    pub(super) fn is_first(&self) -> bool {
        self.0 == FIRST
    }

    /// Waits; the next time for longer.
    pub(super) async fn pass(&mut self) {
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(LONGEST);
    }
}
