//! What to do, for how long, with which seed.

use std::path::PathBuf;

use clap::Parser;

/// The arguments; `cargo xtask soak` passes them on.
#[derive(Clone, Debug, Parser)]
pub(crate) struct Args {
    /// How long tasks are filed and faults made, in minutes
    #[arg(long, default_value_t = 20)]
    pub(crate) minutes: u64,
    /// How many tasks are filed in that time
    #[arg(long, default_value_t = 200)]
    pub(crate) tasks: u32,
    /// What the faults and the tasks are made from
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Only these faults, by the start of their names; all when not given
    #[arg(long, value_name = "FAULT")]
    pub(crate) only: Vec<String>,
    /// Keep the folder also when all is well
    #[arg(long)]
    pub(crate) keep: bool,
    /// The program
    #[arg(long, value_name = "FILE")]
    pub(crate) shraga: PathBuf,
}
