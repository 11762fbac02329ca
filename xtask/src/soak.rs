//! The soak: real processes under torment, then judged.
//!
//! What it does and how it judges is the example `soak` of the binary's crate; this builds both and runs it. Its folder,
//! its processes and its verdict are its own affair.

use anyhow::Result;

use crate::run::{cargo, command, run as run_command};

/// How to soak.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long tasks are filed and faults made, in minutes
    #[arg(long, default_value_t = 20)]
    minutes: u64,
    /// How many tasks are filed in that time
    #[arg(long, default_value_t = 200)]
    tasks: u32,
    /// What tasks and faults are made from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only faults whose names begin with this; may be given several times
    #[arg(long, value_name = "FAULT")]
    only: Vec<String>,
    /// Keep the folder also when all is well
    #[arg(long)]
    keep: bool,
}

/// Builds what is needed and soaks it; an error unless every promise held.
pub(crate) fn run(args: &Args) -> Result<()> {
    let shraga = crate::interop::built()?;
    run_command(&mut cargo(&[
        "build",
        "--quiet",
        "--locked",
        "--workspace",
        "--example",
        "soak",
    ]))?;
    let folder = crate::interop::target()?.join("debug/examples");
    let mut soak = command(
        folder.join(format!("soak{}", std::env::consts::EXE_SUFFIX)),
        &[],
    );
    soak.arg("--shraga").arg(shraga);
    for (name, value) in [
        ("--minutes", args.minutes.to_string()),
        ("--tasks", args.tasks.to_string()),
        ("--seed", args.seed.to_string()),
    ] {
        soak.args([name, &value]);
    }
    for only in &args.only {
        soak.args(["--only", only]);
    }
    if args.keep {
        soak.arg("--keep");
    }
    run_command(&mut soak)
}

/// A minute of it, as `ci` does: every kind of process is killed, cut off or stopped, and judged. What it waits
/// for at the end is bounded by the soak.
pub(crate) fn minute() -> Result<()> {
    if !cfg!(target_os = "linux") {
        println!("     the soak reads /proc: it runs on Linux only");
        return Ok(());
    }
    run(&Args {
        minutes: 1,
        tasks: 24,
        seed: 1,
        only: Vec::new(),
        keep: false,
    })
}
