//! The one place of these chores that reads a clock: durations for people, deadlines for waits.

use std::time::{Duration, Instant};

/// A started measurement.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "the chores' only clock; decides nothing"
    )]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Sleeps one polling interval of a wait that has a deadline of its own.
#[expect(
    clippy::disallowed_methods,
    reason = "waits for another process; bounded by its caller"
)]
pub(crate) fn pause(interval: Duration) {
    std::thread::sleep(interval);
}

/// `4.2 s` or `3 min 07 s`.
pub(crate) fn humane(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}
