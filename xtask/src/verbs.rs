//! The verbs and their arguments.

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{bench, ci, generate, interop, layers, soak, tidy};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's checks and chores")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// All checks, as a fresh clone must pass them
    Ci(ci::Args),
    /// Who may depend on whom
    Layers,
    /// Sizes, openings, SQL, manifests, words and links
    Tidy,
    /// The clients of others, unmodified, against the embedded store
    Interop(interop::Args),
    /// Writes the files that are made from the program itself
    Generate,
    /// Life cycles per second, latency, idle cost
    Bench(bench::Args),
    /// Real processes under torment: killed, cut off, stopped; then held against the promises
    Soak(soak::Args),
}

/// Does what the command line asks for.
pub(crate) fn perform() -> Result<()> {
    match Cli::parse().verb {
        Verb::Ci(args) => ci::run(&args),
        Verb::Layers => layers::run(),
        Verb::Tidy => tidy::run(),
        Verb::Interop(args) => interop::run(&args),
        Verb::Generate => generate::write(),
        Verb::Bench(args) => bench::run(&args),
        Verb::Soak(args) => soak::run(&args),
    }
}
