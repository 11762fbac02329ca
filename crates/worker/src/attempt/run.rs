//! The course of an attempt: its folder, its phases, what is reported of them.
//!
//! A phase is one run of an agent's program. What a phase came to is judged by the agent's own kind;
//! what the attempt comes to is put together here.

use std::path::Path;

use shraga_core::causes::chain;
use shraga_core::worker::{Finish, Outcome};
use tokio::sync::mpsc;

use super::{Interrupt, Job, News, Order, unavailable};
use crate::agents::{self, PhaseEnd, PhaseJob, PhaseOutcome};
use crate::folder::{AttemptFolder, FolderError};

/// Goes through the attempt and tells what came of it.
pub(super) async fn run(
    job: Job,
    order: Order,
    interrupt: &Interrupt,
    news: &mpsc::Sender<News>,
) -> Finish {
    let folder = match make_folder(&job, &order).await {
        Ok(folder) => folder,
        Err(finish) => return *finish,
    };
    let phase = PhaseJob {
        mirror: job.mirror,
        task: job.task,
        attempt: job.attempt,
        name: job.name.clone(),
        prompt: order.prompt,
        dir: folder.work(),
        folder: folder.clone(),
        environment: job.environment,
        grace: job.grace,
    };
    let ended = agents::run(phase, &job.agent, interrupt, news).await;
    finish(ended, folder.path())
}

async fn make_folder(job: &Job, order: &Order) -> Result<AttemptFolder, Box<Finish>> {
    let (root, task, attempt) = (job.root.clone(), job.task, job.attempt);
    let prompt = order.prompt.clone();
    let made =
        tokio::task::spawn_blocking(move || AttemptFolder::create(&root, task, attempt, &prompt));
    match made.await {
        Ok(Ok(folder)) => Ok(folder),
        Ok(Err(error @ FolderError::BegunTooOften)) => {
            Err(Box::new(Finish::said(Outcome::Retry, &error.to_string())))
        }
        Ok(Err(error)) => Err(Box::new(unavailable(&chain(&error)))),
        Err(error) => Err(Box::new(unavailable(&chain(&error)))),
    }
}

/// What the attempt came to.
fn finish(end: PhaseEnd, folder: &Path) -> Finish {
    let outcome = match end.outcome {
        PhaseOutcome::Completed => Outcome::Completed,
        PhaseOutcome::Retry => Outcome::Retry,
        PhaseOutcome::Failed(reason) => Outcome::Failed(reason),
        PhaseOutcome::Interrupted(why) => why.outcome().0,
    };
    Finish {
        outcome,
        result: end.result,
        message: end.message,
        transcript: end.transcript,
        ran: end.ran,
        usage: end.usage,
        folder: Some(folder.display().to_string()),
        ..Finish::untouched(outcome)
    }
}
