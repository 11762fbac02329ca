//! The one binary: command line, configuration, and the roles a process can take.
//!
//! Only this crate knows all others, reads files and environment for configuration, and prints.
//! It decides nothing about tasks: that is `shraga-core`'s.

pub mod bench;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod display;
pub mod doctor;
pub mod endpoint;
pub mod exit;
pub mod log;
pub mod original;
pub mod roles;
pub mod schema;
pub mod service;
pub mod state;
pub mod tasks;
pub mod vitals;

use exit::{Exit, Failure};

/// The async runtime every verb runs in.
///
/// # Errors
/// The system gives no threads.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("shraga")
        .build()
        .map_err(|error| Failure::from_error(Exit::Failed, error).context("can't start threads"))
}
