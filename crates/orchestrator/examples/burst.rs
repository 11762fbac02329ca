//! A burst of tasks through store, orchestrator and played workers in one process, timed.
//!
//! `cargo run --release -p shraga-orchestrator --example burst -- [TASKS] [WORKERS] [SLOTS]`

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement prints what it measured"
)]

use std::time::Instant;

use shraga_orchestrator::{Config, Orchestrator};
use shraga_testkit::faults::Faults;
use shraga_testkit::stage::Stage;
use tokio_util::sync::CancellationToken;

/// Tasks filed in one request.
const FILED_AT_ONCE: usize = 500;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut given = std::env::args().skip(1).map(|arg| arg.parse::<usize>());
    let tasks = given.next().transpose()?.unwrap_or(20_000);
    let workers = given.next().transpose()?.unwrap_or(2);
    let slots = u32::try_from(given.next().transpose()?.unwrap_or(500))?;
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let mut crew = Vec::new();
    for n in 0..workers {
        let worker = stage.shared_worker(&format!("w{n}"), slots).await;
        crew.push(tokio::spawn(async move { worker.works_on().await }));
    }
    let token = CancellationToken::new();
    let client = stage.admin_client(&Faults::new());
    let orchestrator = Orchestrator::new(client, Config::new("burst"), token.clone());
    let mut status = orchestrator.status();
    let running = tokio::spawn(orchestrator.run());
    status.wait_for(|status| status.ticks > 0).await?;
    let begun = Instant::now();
    for _ in 0..tasks / FILED_AT_ONCE {
        ann.files_many(FILED_AT_ONCE).await;
    }
    let filed = begun.elapsed();
    let goal = u64::try_from(tasks)?;
    let synced = |status: &shraga_orchestrator::Status| {
        let sync = status.loops.iter().find(|each| each.name == "sync");
        sync.is_some_and(|sync| sync.counts.done >= goal)
    };
    status.wait_for(synced).await?;
    let took = begun.elapsed();
    let rate = tasks as f64 / took.as_secs_f64();
    println!("{tasks} tasks filed in {filed:?}, all synced after {took:?}: {rate:.0} a second");
    let status = status.borrow().clone();
    println!(
        "{} ticks, batches of {}",
        status.ticks, status.batch_operations
    );
    for each in &status.loops {
        println!("{}: {:?}", each.name, each.counts);
    }
    token.cancel();
    running.await??;
    crew.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(())
}
