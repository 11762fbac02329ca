//! `shraga supervise`: what a worker starts for each agent, and nobody else.
//!
//! It reads no configuration: its orders come over standard input, since they hold a prompt and an environment.

use std::io::Write;

use clap::Args;
use shraga_process::supervise;

use crate::exit::Exit;

/// Look after one agent (started by the worker)
#[derive(Debug, Args)]
pub struct Supervise {
    /// Say which versions of supervisors a worker of this program can go on with, as a JSON array
    #[arg(long)]
    speaks: bool,
}

impl Supervise {
    pub(crate) fn run(self) -> Exit {
        if self.speaks {
            let line = serde_json::to_string(supervise::SPEAKS).unwrap_or_default();
            return match writeln!(std::io::stdout().lock(), "{line}") {
                Ok(()) => Exit::Done,
                Err(_) => Exit::Failed,
            };
        }
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
