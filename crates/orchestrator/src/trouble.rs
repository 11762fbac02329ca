//! Trouble with the store in words: what failed, why, and what to do about it. Each kind reads differently.
//!
//! Said in the log when it happens, and in the status until it is over. Nothing here decides what to do next.

use shraga_dataverse::Error;

/// The error's kind, its causes and what can be done, in one line.
pub(crate) fn words(error: &Error) -> String {
    let text = format!("{}: {}", error.kind(), error.explained());
    match error.advice() {
        Some(advice) => format!("{text} ({advice})"),
        None => text,
    }
}
