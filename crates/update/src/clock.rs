//! The process's own clock: how much of a deadline is left, and waiting a moment. Nothing else here reads one.

use std::time::Duration;

use shraga_core::time::Timestamp;
use tokio::time::Instant;

/// The end of a span that several steps share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// `span` from now.
    pub(crate) fn after(span: Duration) -> Self {
        Self(Instant::now() + span)
    }

    /// How much is left; zero when it has passed.
    pub(crate) fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// Time since something began, as a time of its own that never jumps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elapsed(Instant);

impl Elapsed {
    /// Begins now.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since then.
    pub(crate) fn now(self) -> Timestamp {
        let millis = self.0.elapsed().as_millis();
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

/// Waits a moment.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the named file that waits; what waits here has a bound of its own"
)]
pub(crate) async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}
