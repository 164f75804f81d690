//! Which answers an invalidation leaves standing.
//!
//! What is remembered is not searched for what must go: an answer carries a [`Stamp`] that was read before its load
//! began, and whoever finds it compares. So an answer that was under way when the invalidation came, and is stored
//! afterwards, is as old as it is.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use tokio::time::Instant;

/// How often everything was invalidated, in each of the two ways.
#[derive(Debug, Default)]
pub(super) struct Epochs {
    expired: AtomicU64,
    forgotten: AtomicU64,
}

/// When a load began: by the clock, and by the epochs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    /// By the clock.
    pub(super) at: Instant,
    expired: u64,
    forgotten: u64,
}

/// What an answer is good for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// Nothing was invalidated since its load began.
    Current,
    /// Only for the time in which the directory gives none.
    Due,
    /// Nothing.
    Forgotten,
}

impl Epochs {
    /// Read before a load begins, never later: what changes while it is under way may be missing in its answer.
    pub(super) fn stamp(&self) -> Stamp {
        Stamp {
            at: Instant::now(),
            expired: self.expired.load(SeqCst),
            forgotten: self.forgotten.load(SeqCst),
        }
    }

    /// The one place that compares.
    pub(super) fn standing(&self, stamp: &Stamp) -> Standing {
        if stamp.forgotten != self.forgotten.load(SeqCst) {
            Standing::Forgotten
        } else if stamp.expired != self.expired.load(SeqCst) {
            Standing::Due
        } else {
            Standing::Current
        }
    }

    /// Everything so far is [`Standing::Due`].
    pub(super) fn expire(&self) {
        self.expired.fetch_add(1, SeqCst);
    }

    /// Everything so far is [`Standing::Forgotten`].
    pub(super) fn forget(&self) {
        self.forgotten.fetch_add(1, SeqCst);
    }
}
