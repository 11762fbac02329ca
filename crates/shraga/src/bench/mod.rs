//! The hidden verb `bench`: what `cargo xtask bench` measures with, in one process and durably.
//!
//! The shipped client talks to the shipped server without a socket; the agent does nothing. One run
//! measures one thing in a fresh data folder and prints one JSON object of numbers.

mod cycles;
mod idle;
mod latency;
mod meter;
mod world;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::Context;
use crate::exit::{Exit, Failure};

use world::World;

/// Measure (prints one JSON object)
#[derive(Debug, Args)]
pub struct Bench {
    /// Full life cycles of this many tasks
    #[arg(long, value_name = "N")]
    tasks: Option<u32>,
    /// With this many other tasks open in the store
    #[arg(long, value_name = "N", default_value_t = 0)]
    open: u32,
    /// From submit to claimed, this many times on an idle system
    #[arg(long, value_name = "N")]
    latency: Option<u32>,
    /// Processor and memory while nothing happens, over this many seconds
    #[arg(long, value_name = "N")]
    idle_seconds: Option<u32>,
    /// How many workers share the work
    #[arg(long, value_name = "N", default_value_t = 1)]
    workers: u32,
    /// How many tasks each worker runs at once
    #[arg(long, value_name = "N", default_value_t = 256)]
    slots: u32,
}

impl Bench {
    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        let world = World::start(&context.config, self.workers, self.slots).await?;
        let mut report = json!({});
        if self.open > 0 {
            merge(&mut report, cycles::leave_open(&world, self.open).await?);
        }
        if let Some(tasks) = self.tasks {
            merge(&mut report, cycles::measure(&world, tasks).await?);
        }
        if let Some(times) = self.latency {
            merge(&mut report, latency::measure(&world, times).await?);
        }
        if let Some(seconds) = self.idle_seconds {
            merge(&mut report, idle::measure(seconds).await);
        }
        world.end().await?;
        context.output.object(&report)?;
        Ok(Exit::Done)
    }
}

fn merge(report: &mut Value, part: Value) {
    if let (Some(report), Value::Object(part)) = (report.as_object_mut(), part) {
        report.extend(part);
    }
}
