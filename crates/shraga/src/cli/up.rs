//! `shraga up`: store, orchestrator and workers in one process.

use clap::Args;

use super::Context;
use super::serve::ListenArgs;
use crate::config::Overrides;
use crate::exit::{Exit, Failure};
use crate::vitals::MetricsArgs;

/// Run everything on this machine: store, orchestrator and workers
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga up --demo --exit-when-idle   watch a handful of real tasks, then leave
  shraga up --workers 4               work on what `shraga submit` files

Workers run the agents configured in shraga.toml ([agents.NAME]). Without any, tasks wait, and `shraga \
why ID` says so. --demo files its own tasks in a scratch repository under the data folder and brings its \
own agent.")]
pub struct Up {
    /// File a handful of small real tasks and show them live
    #[arg(long)]
    pub demo: bool,
    /// Leave when no task is open any more; with --demo, 0 only if each ended as it should
    #[arg(long)]
    pub exit_when_idle: bool,
    /// How many workers to run
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(0..=64))]
    pub workers: u16,
    /// How many tasks each worker runs at once [default: 1]
    #[arg(long, value_name = "N")]
    pub slots: Option<String>,
    /// The agent for tasks that don't name one
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    #[command(flatten)]
    pub(crate) metrics: MetricsArgs,
}

impl Up {
    pub(crate) fn overrides(&self, flags: &mut Overrides) {
        self.listen.overrides(flags);
        let given = [("worker.slots", &self.slots), ("worker.agent", &self.agent)];
        for (key, value) in given {
            if let Some(value) = value {
                flags.insert(key, value.clone());
            }
        }
    }

    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        crate::roles::up::run(self, context).await
    }
}
