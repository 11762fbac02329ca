//! The embedded store: a faithful subset of the Dataverse Web API on SQLite.
//!
//! It serves tables described by data and knows no behaviour: nothing in this crate can tell a task
//! from any other row. What it does not support faults by name; it never answers wrongly.

mod access;
pub mod clock;
mod fold;
pub mod http;
pub mod ops;
mod query;
pub mod schema;
pub mod serve;
mod sql;
pub mod store;
