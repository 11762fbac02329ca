//! Machines, decided on from outside: a store of rows, a provider that makes, loses and breaks machines,
//! two orchestrators that look, plan, write and ask, and stop in between.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail loudly"
)]

mod cell;
mod limits;
mod orchestrator;
mod promises;
mod provider;
mod silence;
mod stories;
mod upkeep;
mod world;
