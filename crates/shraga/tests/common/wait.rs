//! Waiting for something that another process does: a condition with a deadline.

use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Between two looks.
const STEP: Duration = Duration::from_millis(20);

/// Waits until `is_so`, and fails the test if that never comes.
#[track_caller]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the named file that waits for other processes"
)]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < DEADLINE, "never happened: {what}");
        std::thread::sleep(STEP);
    }
}
