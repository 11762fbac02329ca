//! The clocks of simulated processes: what a machine believes about the store's time.
//!
//! A machine's wall clock is off by minutes, and its quartz runs a little fast or slow. Decisions use
//! the store's time as the last reply told it (in whole seconds), moved on by the machine's own
//! quartz, as the shipped worker's clock does. The wall clock is there to be ignored.

use shraga_core::time::{Span, Timestamp};

/// How far a wall clock is off at most.
const SKEW_MAX: Span = Span::mins(60);

/// How much a quartz is off at most, in parts per million; real ones stay below 100.
const DRIFT_MAX_PPM: i64 = 2_000;

/// What the store's time loses in a reply: it tells whole seconds.
const DATE_STEP: Span = Span::secs(1);

/// One machine's clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) skew: Span,
    drift_ppm: i64,
    heard: Timestamp,
    /// The true time at which it was heard.
    at: Timestamp,
}

impl Clock {
    pub(crate) fn new(now: Timestamp, dice: &mut fastrand::Rng) -> Self {
        let (skew, drift) = (SKEW_MAX.as_millis(), DRIFT_MAX_PPM);
        Self {
            skew: Span::millis(dice.i64(-skew..=skew)),
            drift_ppm: dice.i64(-drift..=drift),
            heard: now,
            at: now,
        }
    }

    /// The store's time, as this machine reckons it when it is truly `now`.
    pub(crate) const fn store_time(&self, now: Timestamp) -> Timestamp {
        let passed = now.since(self.at).as_millis();
        let drift = passed / 1_000 * self.drift_ppm / 1_000;
        self.heard.plus(Span::millis(passed + drift))
    }

    /// A reply told the store's time.
    pub(crate) fn hear(&mut self, date: Timestamp, now: Timestamp) {
        let ahead = self.store_time(now).since(date);
        if ahead < Span::ZERO || ahead > DATE_STEP {
            (self.heard, self.at) = (date, now);
        }
    }

    /// What the machine's wall clock shows.
    pub(crate) const fn wall(&self, now: Timestamp) -> Timestamp {
        now.plus(self.skew)
    }
}
