//! Whole-daemon stories: the shipped orchestrator and client against the shipped server, in process.
//!
//! Loops are stepped, workers are played, faults are armed one by one: every story runs the same way
//! every time, and waits for nothing but answers.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a story that breaks says so, in its helpers too"
)]

mod admins;
mod box_tokens;
mod cast;
mod crashes;
mod crowds;
mod dev_boxes;
mod dev_boxes_kept;
mod dev_boxes_reached;
mod fencing;
mod fleet;
mod late;
mod legacy;
mod lesser;
mod machines;
mod original;
mod people;
mod plain;
mod running;
mod strangers;
mod workers;
