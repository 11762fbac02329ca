//! The one file of this crate that reads clocks and waits: for displays, deadlines of verbs and
//! measurements. Decisions use the store's time.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use shraga_core::time::Timestamp;
use tokio_util::sync::CancellationToken;

/// A moment for measuring lengths of time.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the named file that reads clocks"
)]
pub fn instant() -> Instant {
    Instant::now()
}

/// This machine's idea of the time, for display and for new identifiers.
#[must_use]
pub fn wall() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// Waits for `length`, or until `stop`: whether it was the whole length.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the named file that waits"
)]
pub async fn pause(length: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(length) => true,
        () = stop.cancelled() => false,
    }
}

/// When this process began, as far as anybody asked: the first call sets it.
pub fn started() -> Instant {
    static STARTED: OnceLock<Instant> = OnceLock::new();
    *STARTED.get_or_init(instant)
}
