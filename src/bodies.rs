//! The bodies that are held while they arrive: all of them together stay below a limit, whatever clients send.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most that all bodies together may take, in octets: what a small server can spare, and six of the largest bodies
/// that are read by default (`scheduling.max_body`).
pub const MAX_HELD: usize = 64 << 20;

/// How many long bodies are judged at the same time. While one is, it takes three times its octets for what is decoded,
/// compared and written anew, and tens of megabytes if it names as many people as are read.
const MAX_JUDGED: usize = 8;

/// The first room of a body, in octets: one chunk of the milter protocol (65,535 octets) fits.
const FIRST_ROOM: usize = 64 << 10;

/// What all connections hold together.
#[derive(Clone, Debug, Default)]
pub struct Bodies(Arc<Total>);

#[derive(Debug)]
struct Total {
    /// In octets.
    taken: AtomicUsize,
    /// How many bodies were ever begun.
    begun: AtomicU64,
    /// A permit for each body that may be judged besides those that are.
    turns: Arc<Semaphore>,
}

impl Default for Total {
    fn default() -> Self {
        let turns = Arc::new(Semaphore::new(MAX_JUDGED));
        Self { taken: AtomicUsize::default(), begun: AtomicU64::default(), turns }
    }
}

/// The turn of one body to be judged; it ends when it is dropped.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "held until it is dropped")] Option<OwnedSemaphorePermit>);

/// One body, as far as it has arrived.
#[derive(Debug)]
pub struct Held {
    octets: Vec<u8>,
    room: Room,
}

/// A part of the limit, given back when it is dropped.
#[derive(Debug)]
pub struct Room {
    bodies: Bodies,
    taken: usize,
}

/// There is no room for more.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the bodies of messages under way take 64 MiB, which is the most that is held")]
pub struct Full;

impl Bodies {
    /// A body of which nothing has arrived.
    pub fn begin(&self) -> Held {
        self.0.begun.fetch_add(1, Relaxed);
        Held { octets: Vec::new(), room: Room { bodies: self.clone(), taken: 0 } }
    }

    /// Waits until one more body may be judged, in the order of those who ask.
    pub async fn turn(&self) -> Turn {
        // Nobody closes the semaphore: there always is a permit.
        Turn(Arc::clone(&self.0.turns).acquire_owned().await.ok())
    }

    /// How much of the limit is taken, in octets.
    pub fn held(&self) -> usize {
        self.0.taken.load(Relaxed)
    }

    /// How many were ever begun.
    pub fn count(&self) -> u64 {
        self.0.begun.load(Relaxed)
    }
}

impl Held {
    /// What has arrived.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The body, and its part of the limit, which is to be kept as long as anything made of it.
    pub fn into_parts(self) -> (Vec<u8>, Room) {
        (self.octets, self.room)
    }

    /// Adds a chunk.
    ///
    /// # Errors
    ///
    /// Together with it, all bodies would take more than [`MAX_HELD`].
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), Full> {
        let needed = self.octets.len() + chunk.len();
        if needed > self.room.taken {
            // A quarter more each time: little is wasted, and no octet is copied more than five times on the average.
            let room = needed.max(self.room.taken + self.room.taken / 4).max(FIRST_ROOM);
            self.room.grow(room).or_else(|Full| self.room.grow(needed))?;
            self.octets.reserve_exact(self.room.taken - self.octets.len());
        }
        self.octets.extend_from_slice(chunk);
        Ok(())
    }
}

impl Room {
    fn grow(&mut self, room: usize) -> Result<(), Full> {
        let more = room.saturating_sub(self.taken);
        let within = |held: usize| held.checked_add(more).filter(|held| *held <= MAX_HELD);
        self.bodies.0.taken.fetch_update(Relaxed, Relaxed, within).map_err(|_| Full)?;
        self.taken = room;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.bodies.0.taken.fetch_sub(self.taken, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn all_together_stay_below_the_limit() {
        let bodies = Bodies::default();
        let mut held: Vec<Held> = (0..7).map(|_| bodies.begin()).collect();
        let mebibyte = vec![b'a'; 1 << 20];
        let taken: usize =
            held.iter_mut().map(|body| (0..10).take_while(|_| body.push(&mebibyte) == Ok(())).count()).sum();
        assert!((50..=64).contains(&taken), "{taken}");
        let allocated: usize = held.iter().map(|body| body.octets.capacity()).sum();
        assert!(allocated <= MAX_HELD, "{allocated}");
        drop(held);
        assert_eq!(bodies.held(), 0);
    }

    #[test]
    fn few_are_judged_at_the_same_time() {
        let bodies = Bodies::default();
        let mut turns: Vec<_> = (0..MAX_JUDGED).map(|_| bodies.turn().now_or_never().unwrap()).collect();
        assert!(bodies.turn().now_or_never().is_none());
        turns.pop();
        assert!(bodies.turn().now_or_never().is_some());
    }

    #[test]
    fn a_body_is_what_came() {
        let mut held = Bodies::default().begin();
        for chunk in [&b"one\r\n"[..], b"", b"two\r\n"] {
            held.push(chunk).unwrap();
        }
        assert_eq!(held.octets(), b"one\r\ntwo\r\n");
        let (octets, room) = held.into_parts();
        assert_eq!((octets.len(), room.taken), (10, FIRST_ROOM));
    }

    #[test]
    fn the_last_octets_are_given_out_too() {
        let bodies = Bodies::default();
        let mut held = bodies.begin();
        held.push(&vec![b'a'; MAX_HELD - 1]).unwrap();
        held.push(b"a").unwrap();
        assert_eq!(held.push(b"a"), Err(Full));
        assert_eq!(bodies.begin().push(b"a"), Err(Full));
    }
}
