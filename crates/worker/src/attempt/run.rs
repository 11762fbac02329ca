//! The course of an attempt: its folder, its phases, what is reported of them.
//!
//! A phase is one run of an agent's program. What a phase came to is judged by the agent's own kind,
//! which phase follows by core's pipeline; what the attempt comes to is put together here.

use std::path::Path;

use shraga_core::causes::chain;
use shraga_core::worker::{Finish, Outcome};
use tokio::sync::mpsc;

use super::carry::Start;
use super::ground::{Ground, Made};
use super::pipeline::{Begun, Came, Course};
use super::{Interrupt, Job, News, Order, unavailable};
use crate::agents;
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
    let mut start = Start::of(&job, &order);
    if job.resumed.is_some() {
        start = start.taken_up();
    }
    let files = std::mem::take(&mut start.files);
    let made = Ground::make(&job, &order, &folder, files, interrupt).await;
    let Made { ground, lost } = match made {
        Ok(made) => made,
        Err(finish) => return *finish,
    };
    let without_files = lost.is_some();
    if let Some(why) = lost {
        start = start.without_files(&why);
    }
    let session = start.session.take();
    let session = session.and_then(|carried| agents::restore(&job, &ground.dir(), carried));
    if !start.said.is_empty() {
        let said = std::mem::take(&mut start.said);
        let _ = news.send(News::Lines(job.mirror, said)).await;
    }
    let begun = Begun {
        folder: &folder,
        ground: &ground,
        start,
        session,
        without_files,
    };
    let came = Course::new(&job, &order, begun).run(interrupt, news).await;
    let mut finish = finish(&job, came, folder.path());
    ground.close(&job, interrupt, &mut finish).await;
    finish
}

async fn make_folder(job: &Job, order: &Order) -> Result<AttemptFolder, Box<Finish>> {
    if let Some(path) = &job.resumed {
        return Ok(AttemptFolder::existing(&job.root, path.clone()));
    }
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
fn finish(job: &Job, came: Came, folder: &Path) -> Finish {
    Finish {
        outcome: came.outcome,
        result: came.progress.result.clone(),
        message: came.message,
        transcript: came.transcript,
        ran: came.progress.ran_in(job.attempt),
        usage: came.progress.usage_of(job.attempt),
        folder: Some(folder.display().to_string()),
        progress: came.progress,
        question: came.question,
        checkpoint: came.checkpoint,
        ..Finish::untouched(came.outcome)
    }
}
