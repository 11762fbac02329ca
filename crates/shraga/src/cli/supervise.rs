//! `shraga supervise`: what a worker starts for each agent, and nobody else.
//!
//! It reads no configuration and no arguments: its orders come over standard input, since they hold
//! a prompt and an environment.

use clap::Args;
use shraga_process::supervise;

use crate::exit::Exit;

/// Look after one agent (started by the worker)
#[derive(Debug, Args)]
pub struct Supervise {}

impl Supervise {
    pub(crate) fn run(self) -> Exit {
        match supervise::serve() {
            true => Exit::Done,
            false => Exit::Failed,
        }
    }
}

/// How a worker of this program starts it. Without a way to name this program no worker can start.
pub(crate) fn launcher() -> Vec<String> {
    let program = std::env::current_exe();
    program.map_or_else(
        |_| Vec::new(),
        |program| supervise::this_program(&program, &["supervise"]),
    )
}
