//! `shraga worker`: one worker process.

use std::path::PathBuf;

use clap::Args;

use super::Context;
use crate::config::Overrides;
use crate::exit::{Exit, Failure};
use crate::vitals::MetricsArgs;

/// Run a worker on this machine
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga worker --name workbench --slots 2
  DATAVERSE_URL=https://store.example:7443 shraga worker --token-file worker.token

With a worker's token, its identity, owner, pool and largest number of slots are what `shraga token \
create --role worker` recorded. With an admin's token they come from the flags. A second worker under \
the same identity exits 7.")]
pub struct Worker {
    /// The worker's name [default: the machine's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// How many tasks it runs at once [default: 1]
    #[arg(long, value_name = "N")]
    slots: Option<String>,
    /// The agent for tasks that don't name one
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Whom it serves: shared or dedicated
    #[arg(long, value_name = "POOL")]
    pool: Option<String>,
    /// Labels it carries, separated by commas
    #[arg(long, value_name = "LABELS")]
    labels: Option<String>,
    /// Work until nothing is assigned, then leave
    #[arg(long)]
    once: bool,
    /// Be the worker of the machine in this folder (started by `up`)
    #[arg(long, hide = true, value_name = "DIR", conflicts_with_all = ["once", "metrics_listen"])]
    machine: Option<PathBuf>,
    /// Bring the demo's agent (started by `up --demo`)
    #[arg(long, hide = true, requires = "machine")]
    demo: bool,
    #[command(flatten)]
    metrics: MetricsArgs,
    /// Show health and metrics on other than loopback addresses too
    #[arg(long, requires = "metrics_listen")]
    insecure: bool,
}

impl Worker {
    pub(crate) fn overrides(&self, flags: &mut Overrides) {
        let given = [
            ("worker.name", &self.name),
            ("worker.slots", &self.slots),
            ("worker.agent", &self.agent),
            ("worker.pool", &self.pool),
            ("worker.labels", &self.labels),
        ];
        for (key, value) in given {
            if let Some(value) = value {
                flags.insert(key, value.clone());
            }
        }
    }

    pub(crate) async fn run(self, mut context: Context) -> Result<Exit, Failure> {
        if self.demo {
            crate::roles::up::prepare_demo(&mut context.config)?;
        }
        if let Some(machine) = &self.machine {
            return crate::roles::worker::run_on(&context, machine).await;
        }
        crate::roles::worker::run(&context, self.once, &self.metrics, self.insecure).await
    }
}
