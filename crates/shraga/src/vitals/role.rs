//! What one role shows: the orchestrator, or a worker.

use std::time::Duration;

use shraga_dataverse::{BreakerState, Client, Traffic};
use shraga_orchestrator as orchestrator;
use shraga_web::Check;
use shraga_worker as worker;
use tokio::sync::watch;
use tokio::time::Instant;

/// Periods that a driver may stand still before it counts as stuck: one it may miss because the
/// machine is busy, two because the store is slow. Fewer would restart a busy process, more leaves a
/// stuck one alone for minutes.
const PERIODS: u32 = 4;

/// Longest time that a request waits for its turn while the service asks for less.
const PACED: Duration = Duration::from_secs(600);

/// Beats that may be missed before a worker is not ready: the store would soon take it for dead.
const BEATS: u32 = 3;

/// One role of this process.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    /// The orchestrator, and the client it uses.
    Orchestrator(watch::Receiver<orchestrator::Status>, Client),
    /// A worker, and the client it uses.
    Worker(watch::Receiver<worker::Status>, Client),
}

impl Role {
    /// What its client has sent.
    pub(super) fn traffic(&self) -> Traffic {
        match self {
            Self::Orchestrator(_, client) | Self::Worker(_, client) => client.traffic(),
        }
    }

    /// Whether its driver gets on; one that has not turned yet began `since`.
    pub(super) fn turns(&self, since: Instant, request_timeout: Duration) -> Check {
        let (age, period, stopped) = match self {
            Self::Orchestrator(status, _) => {
                let status = status.borrow();
                let age = status.turned.map(orchestrator::Moment::elapsed);
                let stopped = status.phase == orchestrator::Phase::Stopped;
                (age, longest_period(&status), stopped)
            }
            Self::Worker(status, _) => {
                let status = status.borrow();
                (status.turned.map(worker::Mark::elapsed), status.beat, false)
            }
        };
        let slowed = slowed(&self.traffic());
        let most =
            stuck_after(period, request_timeout) + if slowed { PACED } else { Duration::ZERO };
        if stopped {
            return Check::new("driver", true, "has ended");
        }
        verdict("driver", age.unwrap_or_else(|| since.elapsed()), most)
    }

    /// Whether it can do its work now.
    pub(super) fn readiness(&self, request_timeout: Duration) -> Vec<Check> {
        match self {
            Self::Orchestrator(status, _) => orchestrator_ready(&status.borrow(), request_timeout),
            Self::Worker(status, _) => worker_ready(&status.borrow(), request_timeout),
        }
    }

    /// What an orchestrator says at a heartbeat.
    pub(super) fn orchestrator(&self) -> Option<OrchestratorNow> {
        match self {
            Self::Orchestrator(status, _) => Some(OrchestratorNow::of(&status.borrow())),
            Self::Worker(..) => None,
        }
    }

    /// What a worker says at a heartbeat.
    pub(super) fn worker(&self) -> Option<WorkerNow> {
        match self {
            Self::Orchestrator(..) => None,
            Self::Worker(status, _) => Some(WorkerNow::of(&status.borrow())),
        }
    }

    /// How the service is spared, if it is.
    pub(super) fn slowed(&self) -> Option<String> {
        let traffic = self.traffic();
        let outage = match &traffic.breaker {
            BreakerState::Closed => None,
            BreakerState::Open(outage) | BreakerState::Probing(outage) => Some(outage),
        };
        if let Some(outage) = outage {
            let (failures, next) = (outage.failures, outage.next_probe.as_secs());
            return Some(format!(
                "breaker open after {failures} failures, next try in {next} s"
            ));
        }
        if !traffic.held_for.is_zero() {
            let held = traffic.held_for.as_secs();
            return Some(format!("the service asked for a pause, {held} s left"));
        }
        let percent = traffic.rate_percent.filter(|percent| *percent < 100)?;
        Some(format!("slowed to {percent} % of the full rate"))
    }
}

/// An orchestrator at a heartbeat.
#[derive(Clone, Debug)]
pub(super) struct OrchestratorNow {
    pub(super) words: String,
    pub(super) open: Option<u64>,
    pub(super) able: Option<u64>,
    pub(super) workers: Option<u64>,
    pub(super) waiting: Option<String>,
    pub(super) last: String,
    pub(super) age_s: Option<u64>,
    pub(super) took_ms: u64,
}

impl OrchestratorNow {
    fn of(status: &orchestrator::Status) -> Self {
        let (open, workers) = (status.census.open(), status.census.workers());
        let waiting = status.census.waiting.iter();
        let waiting: Vec<String> = waiting
            .map(|(why, count)| format!("{why}:{count}"))
            .collect();
        let waiting = (!waiting.is_empty()).then(|| waiting.join(","));
        let tasks = open.map_or_else(
            || "tasks not counted yet".to_owned(),
            |open| format!("{open} tasks open"),
        );
        let able = workers.map(|(able, all)| format!("{able} of {all} workers ready"));
        let wait = waiting.as_ref().map(|codes| format!("waiting for {codes}"));
        let machines = status.machines.iter();
        let machines =
            machines.map(|(provider, making)| making.line(*provider, status.last_tick).to_string());
        let words: Vec<String> = [Some(tasks), able, wait]
            .into_iter()
            .flatten()
            .chain(machines)
            .collect();
        Self {
            words: words.join(", "),
            open,
            able: workers.map(|(able, _)| able),
            workers: workers.map(|(_, all)| all),
            waiting,
            last: last(status),
            age_s: status.turned.map(|turned| turned.elapsed().as_secs()),
            took_ms: u64::try_from(status.took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// How the last tick went, in a word or a sentence.
fn last(status: &orchestrator::Status) -> String {
    let planned = status.loops.iter().map(|each| match each.last {
        orchestrator::LastResult::Planned(sets) => sets,
        _ => 0,
    });
    match (&status.trouble, planned.sum::<usize>()) {
        (Some(trouble), _) => trouble.clone(),
        (None, 0) => "idle".to_owned(),
        (None, sets) => format!("planned {sets}"),
    }
}

/// A worker at a heartbeat.
#[derive(Clone, Debug)]
pub(super) struct WorkerNow {
    pub(super) words: String,
    pub(super) running: u64,
    pub(super) unsent: u64,
}

impl WorkerNow {
    fn of(status: &worker::Status) -> Self {
        let (running, unsent) = (status.running.len(), status.unsent);
        let (name, state, slots) = (&status.name, status.state, status.slots);
        let waits = match unsent {
            0 => String::new(),
            _ => format!(", {unsent} reports to be sent"),
        };
        let words = format!("worker {name} is {state}, runs {running} of {slots}{waits}");
        Self {
            words,
            running: running as u64,
            unsent: unsent as u64,
        }
    }
}

/// A driver that has not got on for this long is stuck.
fn stuck_after(period: Duration, request_timeout: Duration) -> Duration {
    period * PERIODS + request_timeout
}

/// Whether requests wait because the service is, or asks to be, left alone.
fn slowed(traffic: &Traffic) -> bool {
    let closed = matches!(traffic.breaker, BreakerState::Closed);
    !closed || !traffic.held_for.is_zero() || traffic.rate_percent.is_some_and(|rate| rate < 100)
}

/// What the age of something says.
fn verdict(name: &'static str, age: Duration, most: Duration) -> Check {
    let (age_s, most_s) = (age.as_secs(), most.as_secs());
    if age <= most {
        return Check::new(name, true, format!("got on {age_s} s ago"));
    }
    let detail =
        format!("has not got on for {age_s} s, which should not take more than {most_s} s");
    Check::new(name, false, detail)
}

fn longest_period(status: &orchestrator::Status) -> Duration {
    let periods = status.loops.iter().map(|each| each.period);
    periods
        .max()
        .unwrap_or_default()
        .max(Duration::from_secs(15))
}

fn orchestrator_ready(status: &orchestrator::Status, request_timeout: Duration) -> Vec<Check> {
    let store = match &status.trouble {
        Some(trouble) => Check::new("store", false, trouble.clone()),
        None if status.store.is_none() => Check::new("store", false, "not asked yet"),
        None => Check::new("store", true, "answers"),
    };
    let identity = match status.identity {
        Some(_) => Check::new("identity", true, "known"),
        None => Check::new("identity", false, "the store has not said who we are"),
    };
    let most = stuck_after(longest_period(status), request_timeout);
    let good = status.good.map(orchestrator::Moment::elapsed);
    let tick = match good {
        None => Check::new("tick", false, "none has done all it wanted to yet"),
        Some(age) => {
            let detail = format!("the last good one ended {} s ago", age.as_secs());
            Check::new("tick", age <= most, detail)
        }
    };
    // Tables and columns that nothing works without make ticks fail; the others are named.
    let lacks: Vec<&str> = status
        .degraded
        .iter()
        .map(|each| each.missing.as_str())
        .collect();
    let schema = match (good, lacks.is_empty()) {
        (None, _) => Check::new("schema", false, "not read yet"),
        (Some(_), true) => Check::new("schema", true, "has what is needed"),
        (Some(_), false) => {
            Check::new("schema", true, format!("does without {}", lacks.join(", ")))
        }
    };
    vec![store, identity, schema, tick]
}

fn worker_ready(status: &worker::Status, request_timeout: Duration) -> Vec<Check> {
    let registered = match status.worker {
        Some(_) => Check::new("registered", true, "yes"),
        None => Check::new("registered", false, "the store does not know it yet"),
    };
    let store = match &status.trouble {
        Some(trouble) => Check::new("store", false, trouble.clone()),
        None => Check::new("store", true, "answers"),
    };
    let most = status.beat * BEATS + request_timeout;
    let beat = match status.beaten.map(worker::Mark::elapsed) {
        None => Check::new("beat", false, "none yet"),
        Some(age) => {
            let detail = format!("the store took the last {} s ago", age.as_secs());
            Check::new("beat", age <= most, detail)
        }
    };
    vec![registered, store, beat]
}
