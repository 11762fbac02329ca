//! Agents: what does a task's work. A closed set; each kind has a file of its own.
//!
//! A run starts with a [`Job`], tells [`News`] while it goes, and ends with exactly one
//! [`News::Ended`], whatever happens to the agent: a panic in here ends only its attempt.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use shraga_core::ids::{Attempt, MirrorId, TaskId};
use shraga_core::reason::Reason;
use shraga_core::worker::{Finish, Outcome};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::config::Command;

mod command;
#[cfg(test)]
mod tests;

/// What an agent says while it runs, and that it has ended.
#[derive(Debug)]
pub(crate) enum News {
    /// It printed these lines.
    Lines(MirrorId, Vec<String>),
    /// It has ended; nothing more comes of this run.
    Ended(MirrorId, RunId, Box<Finish>),
}

/// One run of an agent, so that the end of an earlier run isn't taken for a later one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunId(pub(crate) u64);

/// What an agent is to do, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) run: RunId,
    pub(crate) mirror: MirrorId,
    pub(crate) task: TaskId,
    pub(crate) name: String,
    pub(crate) attempt: Attempt,
    /// The worker's folder.
    pub(crate) root: PathBuf,
    /// The worker's environment.
    pub(crate) environment: Arc<BTreeMap<String, String>>,
    pub(crate) grace: Duration,
}

/// Why a run is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interruption {
    /// The person asked for the task to end.
    Cancel,
    /// The attempt is somebody else's now.
    LeaseLost,
    /// The worker stops.
    WorkerStops,
}

/// Interrupts one run. The first reason given stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    why: Arc<OnceLock<Interruption>>,
    stop: shraga_process::Stop,
}

impl Interrupt {
    /// Asks the run to end.
    pub(crate) fn ask(&self, why: Interruption) {
        let _ = self.why.set(why);
        self.stop.ask.cancel();
    }

    /// Ends the run without asking.
    pub(crate) fn now(&self, why: Interruption) {
        let _ = self.why.set(why);
        self.stop.now.cancel();
    }

    /// Completes once the run is asked to end, one way or the other.
    pub(crate) async fn asked(&self) -> Interruption {
        tokio::select! {
            () = self.stop.ask.cancelled() => {}
            () = self.stop.now.cancelled() => {}
        }
        self.why.get().copied().unwrap_or(Interruption::WorkerStops)
    }
}

/// Starts `command` on `job` once its prompt is there; its news go to `news`. Dropping the handle
/// kills the agent without another word.
pub(crate) fn start<P>(
    job: Job,
    prompt: P,
    command: Command,
    interrupt: Interrupt,
    news: mpsc::Sender<News>,
) -> AbortOnDropHandle<()>
where
    P: Future<Output = Result<String, Box<Finish>>> + Send + 'static,
{
    let tell = async move {
        let (mirror, run) = (job.mirror, job.run);
        let teller = news.clone();
        let work = async move {
            match prompt.await {
                Ok(prompt) => command::run(job, prompt, command, &interrupt, &teller).await,
                Err(finish) => *finish,
            }
        };
        let work = AbortOnDropHandle::new(tokio::spawn(work.in_current_span()));
        let finish = work.await.unwrap_or_else(|panic| {
            tracing::error!(error = %panic, "running an agent panicked");
            unavailable("the worker failed while running the agent; its log says more")
        });
        // A driver that is gone has no use for it.
        let _ = news.send(News::Ended(mirror, run, Box::new(finish))).await;
    };
    AbortOnDropHandle::new(tokio::spawn(tell.in_current_span()))
}

/// The end of an attempt that never ran.
pub(crate) fn unavailable(message: &str) -> Finish {
    finish(Outcome::Failed(Reason::AgentUnavailable), message)
}

/// The end of an attempt with nothing but a message.
pub(crate) fn finish(outcome: Outcome, message: &str) -> Finish {
    Finish {
        outcome,
        result: String::new(),
        message: message.to_owned(),
        transcript: String::new(),
        ran: Duration::ZERO,
        cost_micros: None,
        folder: None,
    }
}

/// What an interrupted attempt ends as, with words for the person.
pub(crate) fn interrupted(why: Interruption) -> (Outcome, &'static str) {
    match why {
        Interruption::Cancel => (Outcome::Canceled, "ended on request"),
        Interruption::LeaseLost => (
            Outcome::Canceled,
            "ended: the task was given to another attempt",
        ),
        Interruption::WorkerStops => (Outcome::Retry, "interrupted: the worker stopped"),
    }
}
