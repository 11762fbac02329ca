//! Metrics in the text format of Prometheus: what each is called, what it means, and those that are
//! read off the roles when somebody asks.
//!
//! Names carry their unit; labels are closed sets. Identities, names and texts of rows are in none.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use shraga_core::machine::Stage;
use shraga_core::reason::Reason;
use shraga_core::status::WorkerState;
use shraga_dataverse::BreakerState;

use super::State;
use super::role::Role;
use crate::exit::{Exit, Failure};

/// Requests and ticks: from in-process answers to `REQUEST_TIMEOUT` and beyond, in seconds.
const SHORT: &[f64] = &[
    0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// Waits and agents: from at once to a working day, in seconds.
const LONG: &[f64] = &[
    0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0,
];

/// Histograms of [`LONG`] spans.
const LONG_NAMES: [&str; 2] = [
    "shraga_assign_wait_seconds",
    "shraga_agent_duration_seconds",
];

/// A metric and what it means.
#[derive(Clone, Copy, Debug)]
struct Meaning {
    kind: Kind,
    name: &'static str,
    help: &'static str,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// All there are.
const MEANINGS: &[Meaning] = &[
    m(
        Kind::Gauge,
        "shraga_build_info",
        "Always 1; the version is a label.",
    ),
    m(
        Kind::Gauge,
        "shraga_start_time_seconds",
        "When the process began, in seconds since 1970.",
    ),
    m(
        Kind::Gauge,
        "shraga_ready",
        "Whether the process can do its work now, as /readyz says.",
    ),
    m(
        Kind::Gauge,
        "shraga_healthy",
        "Whether the process gets on, as /healthz says.",
    ),
    m(
        Kind::Counter,
        "shraga_requests_total",
        "Attempts at requests to the store, by kind and class of the answer.",
    ),
    m(
        Kind::Histogram,
        "shraga_request_duration_seconds",
        "Time until the head of the answer, by kind; waits for changes left out.",
    ),
    m(
        Kind::Counter,
        "shraga_throttled_total",
        "Answers with status 429.",
    ),
    m(
        Kind::Gauge,
        "shraga_request_rate_ratio",
        "Rate of requests that is allowed, of the full one.",
    ),
    m(
        Kind::Gauge,
        "shraga_held_seconds",
        "Time for which the service asked to be left alone, still to go.",
    ),
    m(
        Kind::Gauge,
        "shraga_breaker_open",
        "Whether the service failed so often that it is only tried now and then.",
    ),
    m(
        Kind::Counter,
        "shraga_ticks_total",
        "Ticks of the orchestrator, by result.",
    ),
    m(
        Kind::Histogram,
        "shraga_tick_duration_seconds",
        "Time a tick takes.",
    ),
    m(
        Kind::Gauge,
        "shraga_last_good_tick_age_seconds",
        "Time since a tick did all it wanted to.",
    ),
    m(
        Kind::Counter,
        "shraga_loop_runs_total",
        "Runs of each loop, by result.",
    ),
    m(
        Kind::Counter,
        "shraga_change_sets_total",
        "Change sets of each loop, by what became of them.",
    ),
    m(
        Kind::Histogram,
        "shraga_assign_wait_seconds",
        "Age of a task when it is given to a worker.",
    ),
    m(
        Kind::Counter,
        "shraga_events_written_total",
        "Events written by the orchestrator.",
    ),
    m(
        Kind::Gauge,
        "shraga_tasks",
        "Open tasks by status, counted at most once a minute, up to 5000 each.",
    ),
    m(
        Kind::Gauge,
        "shraga_tasks_waiting",
        "Waiting tasks that the last tick looked at, by reason.",
    ),
    m(Kind::Gauge, "shraga_workers", "Workers by state."),
    m(
        Kind::Gauge,
        "shraga_machines",
        "Machines that a provider makes for workers, by provider and stage.",
    ),
    m(
        Kind::Gauge,
        "shraga_machines_trouble",
        "Whether a provider of machines can't be looked after, 1 or 0, by provider.",
    ),
    m(
        Kind::Counter,
        "shraga_attempts_total",
        "Attempts whose agent ended, by outcome.",
    ),
    m(
        Kind::Histogram,
        "shraga_agent_duration_seconds",
        "Time agents ran.",
    ),
    m(
        Kind::Counter,
        "shraga_reports_total",
        "Reports of attempts, by what the store made of them.",
    ),
    m(Kind::Gauge, "shraga_agents_running", "Agents that run now."),
    m(
        Kind::Gauge,
        "shraga_slots",
        "Tasks the workers of this process run at once.",
    ),
    m(
        Kind::Gauge,
        "shraga_outbox_reports",
        "Reports the store hasn't taken yet.",
    ),
    m(
        Kind::Gauge,
        "shraga_last_beat_age_seconds",
        "Time since the store took a worker's beat, the oldest of this process.",
    ),
    m(
        Kind::Counter,
        "shraga_state_file_save_failures_total",
        "Failed attempts at writing the state file.",
    ),
    m(
        Kind::Gauge,
        "shraga_limit_requests_left",
        "Requests left of the service's limit, as it told last.",
    ),
    m(
        Kind::Gauge,
        "shraga_limit_execution_left_seconds",
        "Execution time left of the service's limit, as it told last.",
    ),
];

const fn m(kind: Kind, name: &'static str, help: &'static str) -> Meaning {
    Meaning { kind, name, help }
}

/// Installs the process's recorder.
///
/// # Errors
/// There is one already.
pub(super) fn install() -> Result<PrometheusHandle, Failure> {
    let failed = |error| Failure::from_error(Exit::Failed, error).context("can't record metrics");
    let mut builder = PrometheusBuilder::new()
        .set_buckets(SHORT)
        .map_err(failed)?;
    for name in LONG_NAMES {
        let name = Matcher::Full(name.to_owned());
        builder = builder.set_buckets_for_metric(name, LONG).map_err(failed)?;
    }
    let recorder = builder.install_recorder().map_err(failed)?;
    MEANINGS.iter().for_each(describe);
    // Shown from the start, so that the first failure is a change.
    metrics::counter!("shraga_throttled_total").increment(0);
    metrics::counter!("shraga_state_file_save_failures_total").increment(0);
    Ok(recorder)
}

fn describe(meaning: &Meaning) {
    let Meaning { kind, name, help } = *meaning;
    match kind {
        Kind::Counter => metrics::describe_counter!(name, help),
        Kind::Gauge => metrics::describe_gauge!(name, help),
        Kind::Histogram => metrics::describe_histogram!(name, help),
    }
}

/// All metrics as they are now.
pub(super) fn render(recorder: &PrometheusHandle, state: &State) -> String {
    read_off(state);
    recorder.render()
}

/// Sets the gauges that roles publish by themselves.
fn read_off(state: &State) {
    use shraga_web::Vitals;
    metrics::gauge!("shraga_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    let began =
        crate::clock::wall().as_millis() as f64 / 1000.0 - state.began.elapsed().as_secs_f64();
    metrics::gauge!("shraga_start_time_seconds").set(began.round());
    metrics::gauge!("shraga_ready").set(truth(state.readiness().is_ok()));
    metrics::gauge!("shraga_healthy").set(truth(state.health().is_ok()));
    let roles = state.roles();
    for role in roles {
        if let Role::Orchestrator(status, _) = role {
            orchestrator(&status.borrow());
        }
    }
    if roles.iter().any(|role| matches!(role, Role::Worker(..))) {
        workers(roles);
    }
    traffic(roles);
}

fn orchestrator(status: &shraga_orchestrator::Status) {
    if let Some(good) = status.good {
        metrics::gauge!("shraga_last_good_tick_age_seconds").set(good.elapsed().as_secs_f64());
    }
    let census = &status.census;
    if let Some(tasks) = &census.tasks {
        for (status, count) in tasks {
            metrics::gauge!("shraga_tasks", "status" => status.name()).set(*count as f64);
        }
    }
    // What is gone counts zero: a series that was shown stays.
    for reason in Reason::ALL {
        let waiting = census.waiting.get(reason.as_str()).copied();
        let count = waiting.unwrap_or_default() as f64;
        metrics::gauge!("shraga_tasks_waiting", "reason" => reason.as_str()).set(count);
    }
    if let Some(workers) = &census.workers {
        for state in WorkerState::ALL {
            let count = workers.get(state.as_str()).copied().unwrap_or_default();
            metrics::gauge!("shraga_workers", "state" => state.as_str()).set(count as f64);
        }
    }
    for (provider, making) in &status.machines {
        let provider = provider.as_str();
        for stage in Stage::ALL {
            let count = making.stages.get(stage).copied().unwrap_or_default();
            metrics::gauge!("shraga_machines", "provider" => provider, "stage" => stage.as_str())
                .set(f64::from(count));
        }
        let trouble = truth(making.trouble.is_some());
        metrics::gauge!("shraga_machines_trouble", "provider" => provider).set(trouble);
    }
}

fn workers(roles: &[Role]) {
    let (mut running, mut slots, mut unsent) = (0, 0, 0);
    let mut oldest = None;
    for role in roles {
        let Role::Worker(status, _) = role else {
            continue;
        };
        let status = status.borrow();
        running += status.running.len();
        slots += status.slots;
        unsent += status.unsent;
        oldest = oldest.max(status.beaten.map(shraga_worker::Mark::elapsed));
    }
    metrics::gauge!("shraga_agents_running").set(running as f64);
    metrics::gauge!("shraga_slots").set(slots);
    metrics::gauge!("shraga_outbox_reports").set(unsent as f64);
    if let Some(oldest) = oldest {
        metrics::gauge!("shraga_last_beat_age_seconds").set(oldest.as_secs_f64());
    }
}

/// The roles of a process share a service: the worst of what their clients see counts.
fn traffic(roles: &[Role]) {
    let all: Vec<_> = roles.iter().map(Role::traffic).collect();
    let open = all
        .iter()
        .any(|each| !matches!(each.breaker, BreakerState::Closed));
    metrics::gauge!("shraga_breaker_open").set(truth(open));
    let held = all
        .iter()
        .map(|each| each.held_for)
        .max()
        .unwrap_or_default();
    metrics::gauge!("shraga_held_seconds").set(held.as_secs_f64());
    let rate = all.iter().filter_map(|each| each.rate_percent).min();
    metrics::gauge!("shraga_request_rate_ratio").set(f64::from(rate.unwrap_or(100)) / 100.0);
}

const fn truth(so: bool) -> f64 {
    if so { 1.0 } else { 0.0 }
}
