//! The process's own clock: for how long, never what time it is.
//!
//! Decisions use the store's time. This clock measures how long a batch took and when the next timer
//! is due; it is the one place of this crate that reads it.

use std::time::Duration;

use tokio::time::Instant;

/// A moment of this process's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Instant);

impl Moment {
    /// Now.
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }

    /// How long ago this moment was.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// This moment plus `span`.
    pub(crate) fn plus(self, span: Duration) -> Self {
        Self(self.0 + span)
    }

    /// How long it is until this moment; zero when it has passed.
    pub(crate) fn until(self) -> Duration {
        self.0.saturating_duration_since(Self::now().0)
    }

    /// Whether it has passed.
    pub(crate) fn passed(self) -> bool {
        self.until().is_zero()
    }
}
