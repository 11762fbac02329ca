//! Measures the release build: life cycles per second, latency, idle cost, requests per task, and what the limits of
//! Dataverse are kept to with.
//!
//! The measuring itself is the binary's hidden verb `bench`, and the example `paced` for what takes simulated time and
//! a service with limits; this builds both, runs each measurement
//! several times, interleaved, each in a fresh process, and reports medians, so that one noisy run
//! decides nothing. `target/bench.json` keeps every run.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use crate::run::{cargo, command, output, run as run_command};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Runs of each measurement
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Only measurements whose name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// A measurement: its name, what measures, and its arguments.
struct Measurement {
    name: &'static str,
    by: Program,
    args: &'static [&'static str],
}

/// What measures.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Program {
    /// The hidden verb of the binary.
    Verb,
    /// The example, in simulated time.
    Paced,
}

/// All of them. Each prints one JSON object of numbers.
const MEASUREMENTS: [Measurement; 7] = [
    Measurement {
        name: "life cycles",
        by: Program::Verb,
        args: &["--tasks", "20000"],
    },
    Measurement {
        name: "latency",
        by: Program::Verb,
        args: &["--latency", "500"],
    },
    Measurement {
        name: "idle",
        by: Program::Verb,
        args: &["--idle-seconds", "20"],
    },
    Measurement {
        name: "2k open",
        by: Program::Verb,
        args: &["--tasks", "5000", "--open", "2000"],
    },
    Measurement {
        name: "20k open",
        by: Program::Verb,
        args: &["--tasks", "5000", "--open", "20000"],
    },
    Measurement {
        name: "200k open",
        by: Program::Verb,
        args: &["--tasks", "5000", "--open", "200000"],
    },
    Measurement {
        name: "limits of Dataverse",
        by: Program::Paced,
        args: &["10000"],
    },
];

/// The numbers of one run, by name.
type Numbers = BTreeMap<String, f64>;

/// Builds, runs, reports.
pub(crate) fn run(args: &Args) -> Result<()> {
    let chosen: Vec<&Measurement> = MEASUREMENTS.iter().filter(|it| wanted(args, it)).collect();
    if chosen.is_empty() || args.runs == 0 {
        bail!("nothing to measure: {}", names());
    }
    let uses = |by| chosen.iter().any(|it| it.by == by);
    if uses(Program::Verb) {
        build(&[])?;
    }
    if uses(Program::Paced) {
        build(&["--example", "paced"])?;
    }
    let release = crate::interop::target()?.join("release");
    let mut runs: BTreeMap<&str, Vec<Numbers>> = BTreeMap::new();
    for round in 1..=args.runs {
        for measurement in &chosen {
            println!(
                "bench: round {round} of {}: {}",
                args.runs, measurement.name
            );
            runs.entry(measurement.name)
                .or_default()
                .push(measure(&release, measurement)?);
        }
    }
    for measurement in &chosen {
        report(
            measurement.name,
            runs.get(measurement.name).map_or(&[], Vec::as_slice),
        );
    }
    keep(&runs)
}

fn wanted(args: &Args, measurement: &Measurement) -> bool {
    args.only
        .as_ref()
        .is_none_or(|text| measurement.name.contains(text.as_str()))
}

fn names() -> String {
    MEASUREMENTS.map(|measurement| measurement.name).join(", ")
}

fn build(what: &[&str]) -> Result<()> {
    let args = ["build", "--release", "--locked", "-p", "shraga"];
    run_command(cargo(&args).args(what))
}

/// One run in a fresh process over a fresh folder.
fn measure(release: &Path, measurement: &Measurement) -> Result<Numbers> {
    let data = tempfile::tempdir()?;
    let folder = data.path().to_string_lossy().into_owned();
    let file = |name: &str| release.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let mut process = match measurement.by {
        Program::Verb => command(file("shraga"), &["--json", "--data", &folder, "bench"]),
        Program::Paced => command(file("examples/paced"), &[]),
    };
    let printed = output(process.args(measurement.args))?;
    let value: Value = serde_json::from_str(&printed)
        .with_context(|| format!("{} printed no JSON: {printed}", measurement.name))?;
    Ok(numbers(&value))
}

/// Every number of the document, nested names joined by dots.
fn numbers(value: &Value) -> Numbers {
    let mut found = Numbers::new();
    if let Value::Object(fields) = value {
        collect(fields, "", &mut found);
    }
    found
}

fn collect(fields: &Map<String, Value>, prefix: &str, found: &mut Numbers) {
    for (name, value) in fields {
        let name = format!("{prefix}{name}");
        if let Value::Object(inner) = value {
            collect(inner, &format!("{name}."), found);
        } else if let Some(number) = value.as_f64() {
            found.insert(name, number);
        }
    }
}

fn report(name: &str, runs: &[Numbers]) {
    println!(
        "\n{name}: median of {} runs (lowest to highest)",
        runs.len()
    );
    for (field, values) in by_field(runs) {
        let (low, high) = (values.first().copied(), values.last().copied());
        let spread = low
            .zip(high)
            .map(|(l, h)| format!("({l:.2} to {h:.2})"))
            .unwrap_or_default();
        println!("  {field:<28} {:>12.2}  {spread}", median(&values));
    }
}

/// The sorted values of each field.
fn by_field(runs: &[Numbers]) -> BTreeMap<&str, Vec<f64>> {
    let mut fields: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (name, value) in runs.iter().flatten() {
        fields.entry(name).or_default().push(*value);
    }
    for values in fields.values_mut() {
        values.sort_by(f64::total_cmp);
    }
    fields
}

/// Of sorted values; of an even number, the lower middle one.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len().saturating_sub(1) / 2;
    sorted.get(middle).copied().unwrap_or(f64::NAN)
}

fn keep(runs: &BTreeMap<&str, Vec<Numbers>>) -> Result<()> {
    let path = crate::interop::target()?.join("bench.json");
    let mut document = Map::new();
    for (name, runs) in runs {
        let medians: BTreeMap<&str, f64> = by_field(runs)
            .iter()
            .map(|(field, values)| (*field, median(values)))
            .collect();
        document.insert((*name).to_owned(), json!({"median": medians, "runs": runs}));
    }
    let text = serde_json::to_string_pretty(&document)?;
    fs::write(&path, text + "\n").with_context(|| format!("writing {}", path.display()))?;
    println!("\nbench: every run is in {}", path.display());
    Ok(())
}
