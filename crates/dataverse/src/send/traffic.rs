//! What a client has sent, counted: for status, metrics and `doctor`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::breaker::BreakerState;
use crate::error::Error;

/// What a client, with all its clones, has sent since it was made, and how fast it may send more.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// Attempts that were sent, repeated ones included.
    pub sent: u64,
    /// Attempts that were answered with 429.
    pub throttled: u64,
    /// Attempts that got no answer, or a 5xx.
    pub failed: u64,
    /// The rate in percent of the full one; `None` when unpaced.
    pub rate_percent: Option<u32>,
    /// How long nothing is sent, as the service asked; zero when it did not.
    pub held_for: Duration,
    /// Whether the service is tried at all.
    pub breaker: BreakerState,
}

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Counters {
    sent: AtomicU64,
    throttled: AtomicU64,
    failed: AtomicU64,
}

impl Counters {
    /// Counts an attempt that was sent.
    pub(super) fn count<T>(&self, outcome: &Result<T, Error>) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        match outcome {
            Err(Error::Throttled { .. }) => drop(self.throttled.fetch_add(1, Ordering::Relaxed)),
            Err(error) if error.is_outage() => drop(self.failed.fetch_add(1, Ordering::Relaxed)),
            Ok(_) | Err(_) => {}
        }
    }

    pub(super) fn traffic(&self, rate: Option<(u32, Duration)>, breaker: BreakerState) -> Traffic {
        Traffic {
            sent: self.sent.load(Ordering::Relaxed),
            throttled: self.throttled.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            rate_percent: rate.map(|(percent, _)| percent),
            held_for: rate.map(|(_, held)| held).unwrap_or_default(),
            breaker,
        }
    }
}
