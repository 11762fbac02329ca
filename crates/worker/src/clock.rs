//! The worker's only clock: spans measured on this machine, and the store's time estimated from them.
//!
//! Decisions use the store's time. Replies carry it with whole seconds only, so [`StoreClock`] keeps
//! the best lower bound seen so far and moves it on with the machine's monotonic clock. The machine's
//! wall clock is read for one thing only: what programs of this machine said by it.

use std::time::{Duration, Instant};

use shraga_core::time::{Span, Timestamp};

/// The reply's date is cut to whole seconds; an estimate this far ahead of one was wrong.
const DATE_STEP: Span = Span::secs(2);

/// A point on the machine's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(Instant);

impl Mark {
    /// This moment.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the clock"
    )]
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }

    /// How long ago it was.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// The machine's wall clock.
#[expect(
    clippy::disallowed_methods,
    reason = "only for spans from now to a time that another program of this machine told"
)]
pub(crate) fn wall() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

/// Completes after `span`.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that waits; callers select on it"
)]
pub(crate) fn after(span: Duration) -> tokio::time::Sleep {
    tokio::time::sleep(span)
}

/// The store's time, estimated between replies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoreClock {
    base: Timestamp,
    mark: Mark,
}

impl StoreClock {
    /// Starts from the time of a first reply.
    pub(crate) fn new(store_time: Timestamp) -> Self {
        Self {
            base: store_time,
            mark: Mark::now(),
        }
    }

    /// The store's time now, in milliseconds; never more than a second behind it.
    pub(crate) fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.mark.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.base.plus(Span::millis(elapsed))
    }

    /// Takes the time of another reply in: later than thought moves the clock on; earlier than
    /// thought by more than the cut of a second means that the store's clock was set back.
    pub(crate) fn heard(&mut self, store_time: Timestamp) {
        let thought = self.now();
        let ahead = thought.since(store_time);
        if ahead < Span::ZERO || ahead > DATE_STEP {
            *self = Self::new(store_time);
        }
    }
}

/// A point on the machine's monotonic clock at which something is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due(tokio::time::Instant);

impl Due {
    /// `span` from now.
    pub(crate) fn after(span: Duration) -> Self {
        Self(tokio::time::Instant::now() + span)
    }

    /// Whether it was due already.
    pub(crate) fn is_past(self) -> bool {
        self.0 <= tokio::time::Instant::now()
    }

    /// Completes when it is due; at once when it was.
    pub(crate) fn wait(self) -> tokio::time::Sleep {
        tokio::time::sleep_until(self.0)
    }
}
