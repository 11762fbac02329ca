//! `shraga orchestrate`: the orchestrator by itself, next to any store.

use clap::Args;

use super::Context;
use crate::exit::{Exit, Failure};
use crate::vitals::MetricsArgs;

/// Run the orchestrator next to a store
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga orchestrate
  shraga orchestrate --once          tick until nothing is left to do, then leave
  shraga orchestrate --dry-run       print what would be done, beside what the original would do
  shraga orchestrate --dry-run --once --json > pass.json

Needs an admin's token. Several orchestrators may run at once. With --once, exit code 5 means that the \
store was unreachable or 10 minutes were not enough, 7 that nothing was begun since open tasks are seen to by \
an orchestrator of another identity, 1 that the store refused rows for good.")]
pub struct Orchestrate {
    /// Tick until nothing is planned, then leave
    #[arg(long)]
    once: bool,
    /// Show what would be done, beside what the original would do; write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    metrics: MetricsArgs,
    /// Show health and metrics on other than loopback addresses too
    #[arg(long, requires = "metrics_listen")]
    insecure: bool,
}

impl Orchestrate {
    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        if self.dry_run {
            return super::dry_run::run(&context, self.once).await;
        }
        crate::roles::orchestrator::run(&context, self.once, &self.metrics, self.insecure).await
    }
}
