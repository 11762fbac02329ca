//! What a running process shows over HTTP: whether it is well, whether it is ready, and its metrics.
//!
//! The three rooms are read only, carry no identities and no secrets, and know nothing of tasks:
//! what they show is handed in as [`Vitals`]. On a loopback address only requests that name this
//! machine are answered, so that no web page can read them through its visitor's browser.
//! Connections, heads and answers are bounded; a slow or greedy client holds nobody up.

mod host;
mod rooms;
mod serve;
#[cfg(test)]
mod tests;
mod verdict;

pub use rooms::Vitals;
pub use serve::{BindError, Bound};
pub use verdict::{Check, Verdict};
