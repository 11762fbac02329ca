//! Trouble with the store in words: what failed, why, and what to do about it. Each kind reads differently.
//!
//! Said in the log when it begins or changes, and in the status until it is over. The words of one trouble stay the
//! same while it lasts, so that nobody says them twice. Nothing here decides what to do next.

use shraga_dataverse::Error;

/// The error's kind, its causes and what can be done, in one line. While the service rests, those of the failure that
/// made it rest.
pub(crate) fn words(error: &Error) -> String {
    let error = error.root();
    let text = format!("{}: {}", error.kind(), error.explained());
    match error.advice() {
        Some(advice) => format!("{text} ({advice})"),
        None => text,
    }
}
