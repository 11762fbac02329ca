//! What a daemon shows of itself while it runs: heartbeat, health, readiness, metrics, and what it
//! tells a service manager.
//!
//! Everything here reads what the roles publish; it never asks the store and decides nothing about
//! tasks. Whoever reads metrics learns counts, never identities.

mod address;
mod exposition;
mod meter;
mod notify;
mod pulse;
mod role;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clap::Args;
use metrics_exporter_prometheus::PrometheusHandle;
use shraga_web::{Check, Verdict};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::cli::Context;
use crate::clock;
use crate::exit::Failure;
use crate::roles::signals::Stop;

pub(crate) use meter::{around, left};
pub(crate) use notify::Manager;
pub(crate) use role::Role;

/// Where health and metrics are shown.
#[derive(Clone, Debug, Default, Args)]
pub struct MetricsArgs {
    /// Show /healthz, /readyz and /metrics here; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    pub metrics_listen: Option<String>,
}

/// Time a daemon has from its start until its roles run, beyond what its first requests may take:
/// longer means that starting hangs.
const BEGINNING: Duration = Duration::from_secs(60);

/// The same where it opens a database, which a newer version copies and brings forward first: shorter ends that in the
/// middle, again and again, longer leaves one that hangs at it alone.
const OPENING: Duration = Duration::from_secs(30 * 60);

/// What a daemon shows of itself, until dropped.
#[derive(Debug)]
pub(crate) struct Vitals {
    state: Arc<State>,
    address: Option<address::Published>,
    _stop: DropGuard,
}

/// What health, metrics and heartbeat are made from.
#[derive(Debug)]
struct State {
    name: &'static str,
    began: Instant,
    request_timeout: Duration,
    roles: OnceLock<(Instant, Vec<Role>)>,
    recorder: Option<PrometheusHandle>,
}

impl Vitals {
    /// Begins to show the daemon called `name`, before its roles run.
    ///
    /// # Errors
    /// The address can't be listened on.
    pub(crate) async fn start(
        name: &'static str,
        context: &Context,
        args: &MetricsArgs,
        insecure: bool,
        stop: &Stop,
    ) -> Result<Self, Failure> {
        let bound = match &args.metrics_listen {
            Some(listen) => Some(address::bind(listen, insecure).await?),
            None => None,
        };
        let recorder = bound.as_ref().map(|_| exposition::install()).transpose()?;
        let state = Arc::new(State {
            name,
            began: Instant::from_std(clock::started()),
            request_timeout: context.config.store.request_timeout_seconds.duration(),
            roles: OnceLock::new(),
            recorder,
        });
        let ended = CancellationToken::new();
        let address = match bound {
            Some(bound) => {
                let published = address::publish(name, &bound, context)?;
                tokio::spawn(bound.serve(state.clone(), ended.clone()));
                Some(published)
            }
            None => None,
        };
        tokio::spawn(pulse::run(
            Arc::clone(&state),
            notify::Manager::from_environment(),
            shraga_update::Kept::from(&crate::config::env::all()),
            stop.drain.clone(),
            ended.clone(),
        ));
        Ok(Self {
            state,
            address,
            _stop: ended.drop_guard(),
        })
    }

    /// Shows these from now on. What is given second is not taken.
    pub(crate) fn watch(&self, roles: Vec<Role>) {
        self.state.watch(roles);
    }
}

impl Drop for Vitals {
    fn drop(&mut self) {
        if let Some(address) = &self.address {
            address.withdraw();
        }
    }
}

impl State {
    fn watch(&self, roles: Vec<Role>) {
        self.roles.set((Instant::now(), roles)).ok();
    }

    fn roles(&self) -> &[Role] {
        self.roles.get().map_or(&[], |(_, roles)| roles)
    }

    /// Whether its roles have not begun yet, and whether they still may.
    fn beginning(&self) -> Option<Check> {
        if self.roles.get().is_some() {
            return None;
        }
        let age = self.began.elapsed();
        let (bound, what) = match holds_the_store(self.name) {
            true => (OPENING, "is not serving the store yet"),
            false => (BEGINNING, "has not met the store yet"),
        };
        let in_time = age <= bound + self.request_timeout * 2;
        let detail = format!("it began {} s ago and {what}", age.as_secs());
        Some(Check::new("start", in_time, detail))
    }
}

impl shraga_web::Vitals for State {
    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    fn health(&self) -> Verdict {
        let since = self.roles.get().map_or(self.began, |(since, _)| *since);
        let roles = self.roles().iter();
        let checks = roles.map(|role| role.turns(since, self.request_timeout));
        Verdict {
            checks: self.beginning().into_iter().chain(checks).collect(),
        }
    }

    fn readiness(&self) -> Verdict {
        let begins = self.beginning().map(|check| Check { ok: false, ..check });
        let roles = self.roles().iter();
        let checks = roles.flat_map(|role| role.readiness(self.request_timeout));
        Verdict {
            checks: begins.into_iter().chain(checks).collect(),
        }
    }

    fn metrics(&self) -> String {
        match &self.recorder {
            Some(recorder) => exposition::render(recorder, self),
            None => String::new(),
        }
    }
}

/// The folder in which a daemon tells where its metrics are.
fn folder(name: &str, context: &Context) -> PathBuf {
    match holds_the_store(name) {
        true => context.config.store.data.clone(),
        false => crate::roles::worker::data_folder(&context.config),
    }
}

/// Whether the daemon called so opens the store's folder itself.
fn holds_the_store(name: &str) -> bool {
    matches!(name, "up" | "serve")
}
