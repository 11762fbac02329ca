//! The pulse: looks at the roles once a second, tells the service manager that all is well while it
//! is, and writes one line to the log every minute.
//!
//! A process that is stuck is said so once, and once that it gets on again.

use std::sync::Arc;
use std::time::Duration;

use shraga_update::Kept;
use shraga_web::Vitals;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::State;
use super::notify::Manager;
use super::role::Role;
use crate::clock;

/// Between two looks. Longer delays READY and the watchdog, shorter costs an idle machine its sleep.
const LOOK: Duration = Duration::from_secs(1);

/// Between two heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// What the pulse remembers between two looks.
pub(super) struct Pulse {
    manager: Manager,
    ready: bool,
    stopping: bool,
    stuck: bool,
    beaten: Option<Instant>,
    /// Whom this process tells that it lives, if it is kept.
    kept: Option<Kept>,
    /// Requests sent until the last heartbeat.
    sent: u64,
    /// How often it was well, and how many heartbeats there were.
    pub(super) well: u64,
    pub(super) beats: u64,
}

/// Beats until `ended`.
pub(super) async fn run(
    state: Arc<State>,
    manager: Manager,
    kept: Option<Kept>,
    drain: CancellationToken,
    ended: CancellationToken,
) {
    let look = manager.every().map_or(LOOK, |every| every.min(LOOK));
    let mut pulse = Pulse {
        kept,
        ..Pulse::of(manager)
    };
    while clock::pause(look, &ended).await {
        pulse.look(&state, drain.is_cancelled());
    }
}

impl Pulse {
    /// A pulse that has not looked yet.
    pub(super) fn of(manager: Manager) -> Self {
        Self {
            manager,
            ready: false,
            stopping: false,
            stuck: false,
            beaten: None,
            kept: None,
            sent: 0,
            well: 0,
            beats: 0,
        }
    }

    /// Looks once.
    pub(super) fn look(&mut self, state: &State, stopping: bool) {
        if let Some(recorder) = &state.recorder {
            recorder.run_upkeep();
        }
        self.health(state);
        if stopping && !std::mem::replace(&mut self.stopping, true) {
            self.manager.stopping();
        }
        if !self.ready && !self.stopping && state.readiness().is_ok() {
            self.ready = true;
            self.manager.ready();
            self.heartbeat(state);
        }
        // A store that was never reached is told of as well.
        let since = self.beaten.unwrap_or(state.began);
        if since.elapsed() >= HEARTBEAT {
            self.heartbeat(state);
        }
    }

    fn health(&mut self, state: &State) {
        let complaint = state.health().complaint();
        let was_stuck = std::mem::replace(&mut self.stuck, complaint.is_some());
        match complaint {
            None => {
                self.well += 1;
                self.manager.well();
                self.tell_keeper(state);
                if was_stuck {
                    tracing::info!("{} gets on again", state.name);
                }
            }
            Some(complaint) if !was_stuck => {
                let why = format!("{} is stuck: {complaint}", state.name);
                self.manager.status(&why);
                tracing::error!("{why}");
            }
            Some(_) => {}
        }
    }

    /// Says that this process lives, to the keeper that started it: it ends one that is silent.
    fn tell_keeper(&self, state: &State) {
        let Some(kept) = &self.kept else {
            return;
        };
        let complaint = state.readiness().complaint();
        let pulse = shraga_update::Pulse {
            pid: std::process::id(),
            beat: self.well,
            healthy: complaint.is_none(),
            says: complaint.unwrap_or_else(|| format!("{} is well", state.name)),
        };
        if let Err(error) = kept.pulse(&pulse) {
            tracing::debug!(%error, "the keeper was not told");
        }
    }

    /// One line about everything.
    fn heartbeat(&mut self, state: &State) {
        self.beats += 1;
        let now = Instant::now();
        let roles = state.roles();
        let sent: u64 = roles.iter().map(|role| role.traffic().sent).sum();
        let requests = sent - std::mem::replace(&mut self.sent, sent);
        let seconds = self.beaten.replace(now).unwrap_or(state.began);
        let seconds = now.saturating_duration_since(seconds).as_secs();
        let orchestrator = roles.iter().find_map(Role::orchestrator);
        let told = orchestrator.as_ref();
        let workers: Vec<_> = roles.iter().filter_map(Role::worker).collect();
        let are = !workers.is_empty();
        let sum =
            |of: fn(&super::role::WorkerNow) -> u64| are.then(|| workers.iter().map(of).sum());
        let parts = told.map(|now| now.words.clone());
        let parts = parts
            .into_iter()
            .chain(workers.iter().map(|now| now.words.clone()));
        let mut words = parts.collect::<Vec<_>>().join("; ");
        let slowed: Vec<String> = roles.iter().filter_map(Role::slowed).collect();
        let backoff = slowed.first();
        if words.is_empty() {
            words = "serving".to_owned();
        }
        let complaint = state.readiness().complaint();
        let line = match &complaint {
            None => format!("{} is well: {words}", state.name),
            Some(complaint) => format!("{} is not ready ({complaint}): {words}", state.name),
        };
        self.manager.status(&line);
        let running: Option<u64> = sum(|now| now.running);
        let unsent: Option<u64> = sum(|now| now.unsent);
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            uptime_s = state.began.elapsed().as_secs(),
            tasks.open = told.and_then(|now| now.open),
            workers.ready = told.and_then(|now| now.able),
            workers.total = told.and_then(|now| now.workers),
            waiting = told.and_then(|now| now.waiting.clone()),
            tick.last = told.map(|now| now.last.clone()),
            tick.age_s = told.and_then(|now| now.age_s),
            tick.duration_ms = told.map(|now| now.took_ms),
            agents.running = running,
            reports.unsent = unsent,
            requests,
            requests.seconds = seconds,
            backoff,
            "{line}"
        );
    }
}
