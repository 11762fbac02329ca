//! The one client of the Dataverse Web API: Microsoft's, or the embedded store's.
//!
//! It turns core's change sets and questions into requests, and rows into core's types. It waits,
//! paces and retries so that its callers do not have to; it decides nothing and knows no SQL. Names of
//! tables and columns are the default ones everywhere outside it: renames happen here.

pub mod absent;
pub mod auth;
pub mod client;
pub mod error;
pub mod names;
pub mod options;
pub mod rows;
mod send;
pub mod transport;

pub use absent::Absent;
pub use client::batch::{
    Answers, Applied, Exchange, OnRefusal, Outcome, Read, Refusal, RefusalKind, Rest,
};
pub use client::capabilities::{Capabilities, Missing};
pub use client::embedded::{Changed, Changes, Role, StoreInfo, StoreWorker, Token, TokenRequest};
pub use client::metadata::Served;
pub use client::{Client, Written};
pub use error::{Error, Stage};
pub use names::Names;
pub use options::{Options, Pacing};
pub use rows::{Row, RowError, Rows};
pub use send::breaker::{BreakerState, Outage};
pub use send::traffic::Traffic;
