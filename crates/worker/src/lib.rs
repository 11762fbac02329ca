//! The worker: claims the tasks assigned to it, runs their agents, reports what came of them.
//!
//! What to do is decided by core's pure machine ([`shraga_core::worker`]); this crate performs it:
//! rows through the store's client, agents in process groups of their own, reports through an outbox
//! on disk. It never assigns, never judges another worker, and knows no SQL and no configuration
//! file.

mod agents;
mod capture;
mod clock;
mod config;
mod driver;
mod error;
mod folder;
mod keeper;
mod lines;
mod look;
mod outbox;
mod presence;
mod process;
mod report;
mod send;
mod sessions;
mod status;
mod wake;
mod worker;

pub use config::{
    Agent, Command, Config, DEFAULT_BEAT, DEFAULT_BUSY_LOOK, DEFAULT_DRAIN, DEFAULT_GRACE,
};
pub use error::WorkerError;
pub use process::{ProcessError, ToolError, run_tool};
pub use status::{Status, Work};
pub use worker::{Stop, Worker};
