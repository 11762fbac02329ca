//! The pure domain of Shraga: identities, rows as the domain sees them, and every decision.
//!
//! A decision is a function of what was observed, the policy and the store's time:
//! `plan(&Snapshot, &Policy, now) -> Plan`. A [`row::ChangeSet`] of a plan is so specific that
//! applying it makes no choice. There is no async, no serde, no clock, no randomness and no I/O in
//! this crate: time and new identifiers are handed in, text of the wire is parsed elsewhere.
//!
//! To read it: [`model`] (what there is), [`row`] (what a write is), [`plan`] (what the orchestrator
//! decides, a file per loop), [`worker`] (what a worker does, a state machine), [`why`] (the same
//! decisions, explained), [`audit`] (what is left behind). `tests/scenarios` shows snapshots and the
//! plans made of them.

pub mod audit;
pub mod budget;
pub mod candidate;
pub mod causes;
pub mod fleet;
pub mod ids;
mod json;
pub mod ledger;
pub mod limits;
pub mod machine;
pub mod model;
pub mod plan;
pub mod price;
pub mod reason;
pub mod repository;
pub mod row;
pub mod status;
pub mod time;
pub mod update;
pub mod usage;
pub mod why;
pub mod worker;
