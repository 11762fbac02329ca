//! Whole workers against the shipped server, in one process, through the shipped client.
//!
//! Rows are written as the orchestrator would write them; agents are real shells. Waiting is a
//! predicate on the store's rows with a deadline; nothing sleeps. Each story checks that no process
//! is left behind.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a story that fails panics"
)]

mod cancels;
mod carried;
mod crashes;
mod hand_over;
mod lesser;
mod machine;
mod phases;
mod presence;
mod races;
mod repositories;
mod stops;
mod survivors;
mod tasks;
mod world;
