//! What a process can be: store, orchestrator, worker, all of them, or a verb talking to a store.
//!
//! Here settings become the configuration of the other crates; nothing here decides about tasks.

pub(crate) mod agents;
pub mod credentials;
mod crew;
mod dev_boxes;
mod download;
pub mod folder;
pub mod keep;
pub(crate) mod local;
pub mod machines;
pub mod orchestrator;
pub(crate) mod processes;
pub mod server;
pub mod session;
pub mod signals;
pub(crate) mod taking;
pub mod up;
pub(crate) mod update;
pub mod worker;
