//! `shraga up`: store, orchestrator and workers in one process.

use std::str::FromStr;

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
  shraga up --workers 1..8            the same, with more workers while more tasks wait

Workers run the agents configured in shraga.toml ([agents.NAME]). Without any, tasks wait, and `shraga \
why ID` says so. With MIN..MAX each worker is a process of its own, started while tasks wait and stopped when \
it has had nothing to do for a while (`worker.idle_seconds`); with PROVISION_THRESHOLD set, a person with that \
many open tasks gets one to herself. --demo files its own tasks in a scratch repository under the data folder and brings its \
own agent.")]
pub struct Up {
    /// File a handful of small real tasks and show them live
    #[arg(long)]
    pub demo: bool,
    /// Leave when no task is open any more; with --demo, 0 only if each ended as it should
    #[arg(long)]
    pub exit_when_idle: bool,
    /// How many workers to run: a number, or MIN..MAX for as many as there is work for
    #[arg(long, value_name = "N|MIN..MAX", default_value = "2")]
    pub workers: Workers,
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

/// How many workers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workers {
    /// At least.
    pub min: u16,
    /// At most.
    pub max: u16,
}

/// The most workers of one machine: each is a process with agents of its own.
const WORKERS_MAX: u16 = 64;

impl Workers {
    /// Whether their number changes with the work there is.
    #[must_use]
    pub const fn grows(self) -> bool {
        self.min < self.max
    }
}

impl FromStr for Workers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.trim().parse::<u16>().ok();
        let range = match text.split_once("..") {
            Some((min, max)) => number(min).zip(number(max)),
            None => number(text).map(|number| (number, number)),
        };
        match range {
            Some((min, max)) if min > max => Err(format!(
                "{min} is more than {max}: the smaller number stands first"
            )),
            Some((min, max)) if max <= WORKERS_MAX => Ok(Self { min, max }),
            Some(_) => Err(format!("there are {WORKERS_MAX} workers at most")),
            None => Err("give a number, such as 2, or two, such as 1..4".to_owned()),
        }
    }
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
