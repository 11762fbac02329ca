//! One attempt, from its claim to what is reported of it.
//!
//! An attempt starts with a [`Job`], tells [`News`] while it goes, and ends with exactly one
//! [`News::Ended`], whatever happens to its agents: a panic in here ends only its attempt. What the
//! parts do: [`order`] reads what is to be done, [`run`] makes its folder and puts together what came
//! of it, [`pipeline`] goes through its phases, each of which is one run of an agent's program
//! ([`crate::agents`]); [`words`] are what agents are told, [`exchange`] what they hand back beside
//! their output. [`carry`] takes up what an earlier attempt left ([`checkpoint`], [`files`]), on the
//! [`ground`] where this one works. Nothing here writes to the
//! store: what came of it is a [`Finish`], which core's machine publishes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use shraga_core::budget::Limit;
use shraga_core::ids::{Attempt, MirrorId, TaskId, UserId};
use shraga_core::reason::Reason;
use shraga_core::usage::Spent;
use shraga_core::worker::pipeline::Summaries;
use shraga_core::worker::{Finish, Outcome};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::agents::Supervision;
use crate::config::Command;
use crate::meter::Metering;
use crate::workspace::Workspaces;

mod carry;
mod checkpoint;
mod copy;
mod exchange;
mod files;
mod footing;
mod ground;
pub(crate) mod order;
mod pipeline;
mod run;
#[cfg(test)]
mod tests;
mod words;

pub(crate) use checkpoint::CarriedSession;
pub(crate) use footing::{Door, Footing, Stand};
pub(crate) use order::Order;
pub(crate) use words::Handed;

/// What an attempt says while it goes, and that it has ended.
#[derive(Debug)]
pub(crate) enum News {
    /// Its agent printed these lines.
    Lines(MirrorId, Vec<String>),
    /// What another attempt would go on from now, if that has changed, and what this one has used.
    Checkpoint(MirrorId, Option<String>, Option<Spent>),
    /// It has ended; nothing more comes of this run.
    Ended(MirrorId, RunId, Box<Finish>),
}

/// One run of an attempt, so that the end of an earlier run isn't taken for a later one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunId(pub(crate) u64);

/// What is to be attempted, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) run: RunId,
    pub(crate) mirror: MirrorId,
    pub(crate) task: TaskId,
    pub(crate) name: String,
    pub(crate) attempt: Attempt,
    /// The name of its agent.
    pub(crate) agent_name: String,
    /// The agent that the task names, or the worker's default.
    pub(crate) agent: Command,
    /// The agent that judges work, if it is another one.
    pub(crate) verifier: Option<Command>,
    /// When work is summarised.
    pub(crate) summaries: Summaries,
    /// How often what another attempt would go on from is noted, while this one runs.
    pub(crate) checkpoint: Option<Duration>,
    /// Whose task it is.
    pub(crate) owner: Option<UserId>,
    /// How repositories are checked out.
    pub(crate) workspaces: Workspaces,
    /// The worker's folder.
    pub(crate) root: PathBuf,
    /// The worker's environment.
    pub(crate) environment: Arc<BTreeMap<String, String>>,
    pub(crate) grace: Duration,
    /// How its agent is metered.
    pub(crate) metering: Metering,
    /// How its agents are looked after.
    pub(crate) supervision: Supervision,
    /// Whether it can be left to the next process.
    pub(crate) footing: Footing,
    /// Its folder, when an earlier process of this worker began it under the same boot.
    pub(crate) resumed: Option<PathBuf>,
}

/// Why an attempt is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interruption {
    /// The person asked for the task to end.
    Cancel,
    /// The attempt is somebody else's now.
    LeaseLost,
    /// The worker stops.
    WorkerStops,
    /// The worker hands over, and nothing of the attempt could be gone on with.
    HandsOver,
    /// A limit of its budget is reached.
    Budget(Limit),
    /// Its cost is limited, and what it uses has no known price.
    Unpriced,
}

impl Interruption {
    /// What an attempt that it ended is reported as, with words for the person.
    pub(crate) const fn outcome(self) -> (Outcome, &'static str) {
        match self {
            Self::Cancel => (Outcome::Canceled, "ended on request"),
            Self::LeaseLost => (
                Outcome::Canceled,
                "ended: the task was given to another attempt",
            ),
            Self::WorkerStops => (Outcome::Retry, "interrupted: the worker stopped"),
            Self::HandsOver => (
                Outcome::Released,
                "put back: the worker handed over before it had begun",
            ),
            Self::Budget(limit) => (Outcome::Failed(limit.reason()), limit.reason().message()),
            Self::Unpriced => {
                let reason = Reason::PriceUnknown;
                (Outcome::Failed(reason), reason.message())
            }
        }
    }

    /// The end of an attempt that it met before any agent ran.
    pub(crate) fn finish(self) -> Finish {
        let (outcome, message) = self.outcome();
        Finish::said(outcome, message)
    }
}

/// Interrupts one attempt, in whatever phase it is. The first reason given stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    why: Arc<OnceLock<Interruption>>,
    stop: shraga_process::Stop,
}

impl Interrupt {
    /// Asks it to end.
    pub(crate) fn ask(&self, why: Interruption) {
        let _ = self.why.set(why);
        self.stop.ask.cancel();
    }

    /// Ends it without asking.
    pub(crate) fn now(&self, why: Interruption) {
        let _ = self.why.set(why);
        self.stop.now.cancel();
    }

    /// One for a single program of the attempt: it is told whatever the attempt is told, and can be
    /// ended without ending the attempt.
    pub(crate) fn of_program(&self) -> Self {
        Self {
            why: Arc::clone(&self.why),
            stop: shraga_process::Stop {
                ask: self.stop.ask.child_token(),
                now: self.stop.now.child_token(),
            },
        }
    }

    /// Asks the program to end, for no reason of the attempt's.
    pub(crate) fn end_program(&self) {
        self.stop.ask.cancel();
    }

    /// What tells a program to end.
    pub(crate) const fn stop(&self) -> &shraga_process::Stop {
        &self.stop
    }

    /// Why it is to end, if it is.
    pub(crate) fn why(&self) -> Option<Interruption> {
        let told = self.stop.ask.is_cancelled() || self.stop.now.is_cancelled();
        told.then(|| {
            let why = self.why.get().copied();
            why.unwrap_or(Interruption::WorkerStops)
        })
    }

    /// Completes once it is to end, one way or the other.
    pub(crate) async fn asked(&self) -> Interruption {
        tokio::select! {
            () = self.stop.ask.cancelled() => {}
            () = self.stop.now.cancelled() => {}
        }
        self.why().unwrap_or(Interruption::WorkerStops)
    }
}

/// Starts on `job` once its order is there; news go to `news`. Dropping the handle leaves what
/// runs to its supervisor.
pub(crate) fn start<O>(
    job: Job,
    order: O,
    interrupt: Interrupt,
    news: mpsc::Sender<News>,
) -> AbortOnDropHandle<()>
where
    O: Future<Output = Result<Order, Box<Finish>>> + Send + 'static,
{
    let tell = async move {
        let (mirror, id) = (job.mirror, job.run);
        let teller = news.clone();
        let work = async move {
            match order.await {
                Ok(order) => run::run(job, order, &interrupt, &teller).await,
                // What its agent did until now is there, though what it was to do can't be read any more.
                Err(_) if job.resumed.is_some() => {
                    run::run(job, Order::default(), &interrupt, &teller).await
                }
                Err(finish) => *finish,
            }
        };
        let work = AbortOnDropHandle::new(tokio::spawn(work.in_current_span()));
        let finish = work.await.unwrap_or_else(|panic| {
            tracing::error!(error = %panic, "an attempt panicked");
            unavailable("the worker failed while running the agent; its log says more")
        });
        // A driver that is gone has no use for it.
        let _ = news.send(News::Ended(mirror, id, Box::new(finish))).await;
    };
    AbortOnDropHandle::new(tokio::spawn(tell.in_current_span()))
}

/// The end of an attempt that never ran.
pub(crate) fn unavailable(message: &str) -> Finish {
    Finish::said(Outcome::Failed(Reason::AgentUnavailable), message)
}
