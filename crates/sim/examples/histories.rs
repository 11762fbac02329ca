//! Runs as many histories as wanted: `cargo run --release -p shraga-sim --example histories -- SEED COUNT`.
//!
//! Prints what they were like, or the trace of the first one that broke a promise.

use std::process::ExitCode;

use shraga_sim::{History, Options, run};

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let (Some(Ok(first)), Some(Ok(count))) = (numbers.next(), numbers.next()) else {
        eprintln!("usage: histories SEED COUNT");
        return ExitCode::from(2);
    };
    let mut sum = History::default();
    for seed in first..first.saturating_add(count) {
        let history = run(seed, &Options::default());
        if let Some(violation) = history.violation {
            let again = run(
                seed,
                &Options {
                    trace: true,
                    ..Options::default()
                },
            );
            println!("{}\nseed {seed}: {violation}", again.trace.join("\n"));
            return ExitCode::FAILURE;
        }
        sum.steps += history.steps;
        sum.tasks += history.tasks;
        sum.writes += history.writes;
        sum.refused += history.refused;
        sum.faults += history.faults;
    }
    println!(
        "{count} histories kept every promise: {} steps, {} tasks, {} change sets, {} refused, {} faults",
        sum.steps, sum.tasks, sum.writes, sum.refused, sum.faults
    );
    ExitCode::SUCCESS
}
