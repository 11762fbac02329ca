//! The one list of checks: the same at home and in CI.
//!
//! Every step runs, also after one failed, and the end says how many passed. Nothing is skipped
//! unless asked for by name, and then the end says that too. Besides the Rust toolchain and `cc`
//! nothing needs to be there: what else a step needs it installs below `target`, and says so.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::clock::{Stopwatch, humane};
use crate::run::{cargo, run as run_command};
use crate::{generate, interop, layers, soak, tidy, tree};

/// How to run the checks.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these steps, by name
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
}

/// A check: its name, what it shows, how it is done.
struct Step {
    name: &'static str,
    shows: &'static str,
    check: fn() -> Result<()>,
}

/// All of them, cheap ones first.
const STEPS: [Step; 9] = [
    Step {
        name: "fmt",
        shows: "rustfmt has nothing to change",
        check: fmt,
    },
    Step {
        name: "tidy",
        shows: "sizes, openings, SQL, words, links",
        check: tidy::run,
    },
    Step {
        name: "layers",
        shows: "crates keep to their arrows",
        check: layers::run,
    },
    Step {
        name: "clippy",
        shows: "no warning on any target",
        check: clippy,
    },
    Step {
        name: "docs",
        shows: "rustdoc without a warning",
        check: docs,
    },
    Step {
        name: "tests",
        shows: "units, properties, scenarios, stories",
        check: tests,
    },
    Step {
        name: "generated",
        shows: "generated files are up to date",
        check: generate::check,
    },
    Step {
        name: "interop",
        shows: "others' clients against the store",
        check: interop_all,
    },
    Step {
        name: "soak",
        shows: "a minute of real processes under torment",
        check: soak::minute,
    },
];

/// What became of a step.
struct Outcome {
    name: &'static str,
    took: String,
    failure: Option<String>,
}

/// Runs the steps and prints the summary.
pub(crate) fn run(args: &Args) -> Result<()> {
    known(&args.only)?;
    let whole = Stopwatch::start();
    let before = tree::marks(&tree::root())?;
    let chosen = |step: &&Step| args.only.is_empty() || args.only.iter().any(|n| n == step.name);
    let mut outcomes: Vec<Outcome> = STEPS.iter().filter(chosen).map(perform).collect();
    outcomes.push(work_tree_unchanged(&before)?);
    summary(&outcomes, whole)
}

fn known(names: &[String]) -> Result<()> {
    for name in names {
        if !STEPS.iter().any(|step| step.name == name) {
            let all: Vec<_> = STEPS.iter().map(|step| step.name).collect();
            bail!("no step is called {name}; there are {}", all.join(", "));
        }
    }
    Ok(())
}

fn perform(step: &Step) -> Outcome {
    println!("\n==== {}: {}", step.name, step.shows);
    let watch = Stopwatch::start();
    let failure = (step.check)().err().map(|error| format!("{error:#}"));
    let took = humane(watch.elapsed());
    match &failure {
        None => println!("==== {}: ok in {took}", step.name),
        Some(error) => println!("==== {}: FAILED after {took}: {error}", step.name),
    }
    Outcome {
        name: step.name,
        took,
        failure,
    }
}

fn summary(outcomes: &[Outcome], whole: Stopwatch) -> Result<()> {
    println!("\n==== summary");
    for outcome in outcomes {
        let verdict = outcome.failure.as_deref().unwrap_or("ok");
        println!("{:<10} {:>12}  {verdict}", outcome.name, outcome.took);
    }
    let passed = outcomes
        .iter()
        .filter(|outcome| outcome.failure.is_none())
        .count();
    // One more than the list: the work tree itself.
    let all = STEPS.len() + 1;
    let skipped = all - outcomes.len();
    let took = humane(whole.elapsed());
    println!("{passed} of {all} checks passed, {skipped} not asked for, in {took}");
    if passed < outcomes.len() {
        bail!("{} checks failed", outcomes.len() - passed);
    }
    Ok(())
}

/// Checks leave nothing behind and rewrite nothing: snapshots, lock files and fixtures included.
fn work_tree_unchanged(before: &BTreeMap<String, u64>) -> Result<Outcome> {
    let watch = Stopwatch::start();
    let after = tree::marks(&tree::root())?;
    let paths = before
        .keys()
        .chain(after.keys().filter(|path| !before.contains_key(*path)));
    let changed: Vec<&str> = paths
        .filter(|p| before.get(*p) != after.get(*p))
        .map(String::as_str)
        .collect();
    let failure =
        (!changed.is_empty()).then(|| format!("the checks changed {}", changed.join(", ")));
    Ok(Outcome {
        name: "work tree",
        took: humane(watch.elapsed()),
        failure,
    })
}

fn fmt() -> Result<()> {
    run_command(&mut cargo(&["fmt", "--all", "--", "--check"]))
}

fn clippy() -> Result<()> {
    let scope = [
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    run_command(&mut cargo(&scope))
}

fn docs() -> Result<()> {
    let scope = [
        "doc",
        "--locked",
        "--workspace",
        "--no-deps",
        "--document-private-items",
    ];
    run_command(cargo(&scope).env("RUSTDOCFLAGS", "-D warnings"))
}

fn tests() -> Result<()> {
    // A snapshot that differs fails; it is never rewritten here.
    run_command(
        cargo(&["test", "--locked", "--workspace", "--no-fail-fast"]).env("INSTA_UPDATE", "no"),
    )
}

fn interop_all() -> Result<()> {
    interop::run(&interop::Args::default())
}
