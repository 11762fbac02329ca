//! The only place of this crate that reads a clock.
//!
//! A [`Clock`] is handed in, so that tests move time by hand. Deadlines of statements use
//! `monotonic_ms`, which no test needs to move. New row identities are made here too, since a
//! `UUIDv7` is mostly time.

#![expect(
    clippy::disallowed_methods,
    reason = "the one file where time enters this crate"
)]

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use uuid::Uuid;

/// Tells the store's time. Clones share how far it was moved.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Where it stands; the machine's clock goes on.
    stands: Option<i64>,
    moved: Arc<AtomicI64>,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands at `seconds` since the epoch until [`Clock::advance`] moves it.
    #[must_use]
    pub fn standing(seconds: i64) -> Self {
        Self {
            stands: Some(seconds),
            moved: Arc::default(),
        }
    }

    /// Moves it, and every clone of it, by `seconds`: back when negative. For tests.
    pub fn advance(&self, seconds: i64) {
        self.moved.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Whole seconds since the epoch.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        let unmoved = self.stands.unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since.map_or(0, |since| {
                i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
            })
        });
        unmoved + self.moved.load(Ordering::SeqCst)
    }
}

/// Measures how long something takes.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Seconds since the start.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// Milliseconds since this process first asked; never goes back.
pub(crate) fn monotonic_ms() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Blocks this thread for a moment. Not for what serves requests.
pub(crate) fn wait(span: Duration) {
    std::thread::sleep(span);
}

/// A new time-ordered identity.
pub(crate) fn new_id() -> Uuid {
    Uuid::now_v7()
}
