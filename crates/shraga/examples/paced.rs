//! What a burst of tasks, a quiet hour and an hour without the service cost at a service with Dataverse's limits.
//!
//! `cargo xtask bench` runs it; the stories are those of the tests, in simulated time. The one argument is the number
//! of tasks of the burst. Prints one JSON object of numbers.

#[path = "../tests/paced/mod.rs"]
mod paced;

use anyhow::{Context as _, Result};
use serde_json::json;
use shraga_testkit::limits::{Allowance, Limits};

/// Tasks of the burst, when no argument says how many.
const TASKS: usize = 10_000;

fn main() -> Result<()> {
    let tasks = match std::env::args().nth(1) {
        Some(text) => text.parse().context("the argument is a number of tasks")?,
        None => TASKS,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()?;
    let figures = runtime.block_on(async {
        let burst = paced::burst(tasks, paced::PACED, &Limits::new(Allowance::DATAVERSE)).await;
        let hour = paced::quiet_hour().await;
        let outage = paced::outage().await;
        json!({
            "tasks": tasks,
            "burst": {
                "requests": burst.tally.requests,
                "requests_per_task": burst.requests_per_task,
                "answered_429": burst.tally.throttled(),
                "simulated_seconds": burst.seconds,
                "most_requests_in_300s": burst.tally.most_requests,
                "most_execution_in_300s": burst.tally.most_execution.as_secs_f64(),
                "rows_held_at_most": burst.most_rows,
            },
            "quiet_hour": {
                "orchestrator": hour.orchestrator,
                "worker": hour.worker,
                "requests": hour.requests(),
            },
            "hour_without_service": { "attempts": outage.requests, "reassigned": outage.reassigned },
        })
    });
    println!("{figures}");
    Ok(())
}
