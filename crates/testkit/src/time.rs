//! A store that lives in tokio's time, so that a test which pauses it moves the store along.
//!
//! Paused time jumps to the next timer whenever no task can go on. The store works on threads of its own,
//! which tokio does not see; while it does, time is held. Rows and `Date` headers tell tokio's time.

use std::sync::{Arc, Mutex, PoisonError};

use shraga_local::clock::Clock;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// When time begins: the first second of 2030, in seconds since the epoch.
const BEGINNING: i64 = 1_893_456_000;

/// Tokio's time for a store.
#[derive(Clone, Debug)]
pub(crate) struct StillTime {
    clock: Clock,
    began: Instant,
    /// Seconds that the clock was moved by so far.
    moved: Arc<Mutex<i64>>,
}

/// Holds paused time for as long as it lives.
#[derive(Debug)]
pub(crate) struct Held(
    #[expect(dead_code, reason = "its end is what ends the wait")] oneshot::Sender<()>,
);

impl StillTime {
    pub(crate) fn begin() -> Self {
        Self {
            clock: Clock::standing(BEGINNING),
            began: Instant::now(),
            moved: Arc::default(),
        }
    }

    /// The store's clock.
    pub(crate) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// Tells the store what time it is, and holds it there: paused time doesn't move while a blocking
    /// task runs.
    pub(crate) fn hold(&self) -> Held {
        self.tell();
        let (held, released) = oneshot::channel::<()>();
        tokio::task::spawn_blocking(move || released.blocking_recv());
        Held(held)
    }

    fn tell(&self) {
        let elapsed = i64::try_from(self.began.elapsed().as_secs()).unwrap_or(i64::MAX);
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        self.clock.advance(elapsed - *moved);
        *moved = elapsed;
    }
}
