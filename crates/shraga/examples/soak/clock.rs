//! The one place of the soak that reads a clock: the wall's, which the agents' records have too.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment, in seconds since 1970.
pub(crate) type Moment = f64;

/// Now.
#[expect(
    clippy::disallowed_methods,
    reason = "records of several processes are compared"
)]
pub(crate) fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

/// Waits; the soak is about time going by.
#[expect(clippy::disallowed_methods, reason = "a soak lets time go by")]
pub(crate) async fn pause(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds.max(0.0))).await;
}

/// Waits until `done`, looking a few times a second; tells whether it came to be in time.
pub(crate) async fn until(seconds: f64, mut done: impl FnMut() -> bool) -> bool {
    let deadline = now() + seconds;
    while !done() {
        if now() > deadline {
            return false;
        }
        pause(0.1).await;
    }
    true
}

/// `03:15` since `begun`.
pub(crate) fn since(begun: Moment, at: Moment) -> String {
    let tenths = ((at - begun) * 10.0).round();
    format!(
        "{:02}:{:04.1}",
        (tenths / 600.0).floor(),
        tenths % 600.0 / 10.0
    )
}
