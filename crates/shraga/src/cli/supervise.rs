//! `shraga supervise`: what a worker starts for each agent, and nobody else.
//!
//! It reads no configuration and no arguments: its orders come over standard input, since they hold
//! a prompt and an environment.

use clap::Args;

use crate::exit::Exit;

/// Look after one agent (started by the worker)
#[derive(Debug, Args)]
pub struct Supervise {}

impl Supervise {
    pub(crate) fn run(self) -> Exit {
        match shraga_process::supervise::serve() {
            true => Exit::Done,
            false => Exit::Failed,
        }
    }
}
