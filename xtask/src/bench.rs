//! Measures the release build: life cycles per second, latency, idle cost, requests per task.
//!
//! The measuring itself is the binary's hidden verb `bench`; this builds it, runs it several
//! times, interleaved, and reports medians, so that one noisy run decides nothing.

use anyhow::{Result, bail};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Runs of each measurement
    #[arg(long, default_value_t = 3)]
    runs: u32,
}

/// Builds, runs, reports.
pub(crate) fn run(args: &Args) -> Result<()> {
    bail!(
        "the binary has no bench verb yet ({} runs asked for)",
        args.runs
    )
}
