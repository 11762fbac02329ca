//! What people are told while a Dev Center fails, through the shipped verbs: in each of its faults somebody else's work
//! goes on, `machines`, `doctor`, `why` and the orchestrator's status say what is wrong and since when, and when it is
//! over, it is over by itself.
//!
//! The store is on a socket, and the verbs are the real binary. Orchestrator and Dev Center are in this process, in
//! paused time, so that hours of waiting take seconds; while the binary runs, time stands still.

#![cfg(test)]

#[path = "../common/mod.rs"]
mod common;
mod faults;
mod world;
