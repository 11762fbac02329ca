//! `shraga up --demo`: a handful of small real tasks, filed, watched and judged.
//!
//! The work is true: commits in a scratch git repository under the data folder, counted lines, a
//! search for primes. One task fails once and is retried, one is canceled half way. At the end every
//! task must have ended as it should, and the commits must really be there.

pub mod agent;
mod git;
mod live;
mod outcome;
mod scenario;

use std::path::Path;

use shraga_core::ids::TaskId;
use shraga_core::status::TaskStatus;
use tokio_util::sync::CancellationToken;

use crate::cli::cancel;
use crate::cli::submit::file;
use crate::display::Output;
use crate::exit::{Exit, Failure};
use crate::roles::session::Session;
use crate::tasks::events::newest;
use crate::tasks::watch::Watch;
use crate::tasks::{TaskView, WorkerNames, get};

use live::Live;
use outcome::Verdict;
use scenario::Piece;

/// The name of the demo's agent.
pub const AGENT: &str = "demo";

/// How many of the newest events a look reads for the display.
const EVENTS_SEEN: u32 = 100;

/// A filed task of the demo.
#[derive(Clone, Debug)]
struct Filed {
    piece: Piece,
    id: TaskId,
    view: Option<TaskView>,
    said: String,
    spoke_in: u32,
    asked_to_cancel: bool,
}

/// Files the tasks, watches them to their ends, prints what became of them.
///
/// # Errors
/// The scratch repository can't be made, or the store can't be used.
pub async fn run(
    session: &Session,
    data: &Path,
    output: Output,
    stop: &CancellationToken,
) -> Result<Exit, Failure> {
    let repository = git::scratch_repository(&data.join("demo")).await?;
    output.talk(format_args!(
        "Filing {} tasks; their work is in {}",
        scenario::pieces().len(),
        repository.display()
    ));
    let mut watch = Watch::start(session.client.clone(), session.is_embedded()).await?;
    let mut filed = Vec::new();
    for piece in scenario::pieces() {
        let id = file(session, &piece.draft(&repository)).await?;
        filed.push(Filed {
            piece,
            id,
            view: None,
            said: String::new(),
            spoke_in: 0,
            asked_to_cancel: false,
        });
    }
    let mut live = Live::start(output, &filed);
    loop {
        look(session, &mut filed).await?;
        watch.answered();
        live.show(&filed);
        if filed.iter().all(Filed::has_ended) || stop.is_cancelled() {
            break;
        }
        cancel_what_should_be(session, &mut filed).await?;
        watch.next(stop).await?;
    }
    live.finish();
    let verdicts = outcome::judge(&repository, &filed).await;
    let workers = WorkerNames::read(&session.client).await?;
    outcome::print(output, &filed, &verdicts, &workers)?;
    let good = verdicts.iter().all(Verdict::is_good);
    Ok(if good { Exit::Done } else { Exit::Failed })
}

/// Reads every task that hasn't ended, and what agents said lately.
async fn look(session: &Session, filed: &mut [Filed]) -> Result<(), Failure> {
    for task in filed.iter_mut().filter(|task| !task.has_ended()) {
        task.view = get(&session.client, task.id).await?;
    }
    let told = newest(&session.client, EVENTS_SEEN).await?;
    for task in filed.iter_mut() {
        let said = told
            .iter()
            .filter(|told| told.task == task.id && told.is_agents());
        for told in said {
            // Progress comes to a person's row in steps; that her agent speaks shows at once.
            task.spoke_in = task.spoke_in.max(told.event.attempt.0);
            if let Some(line) = told.text.lines().last() {
                line.clone_into(&mut task.said);
            }
        }
    }
    Ok(())
}

/// Cancels the task that is to be canceled, once its agent has begun to speak.
async fn cancel_what_should_be(session: &Session, filed: &mut [Filed]) -> Result<(), Failure> {
    for task in filed {
        let ready = task.piece.expected == TaskStatus::Canceled
            && !task.asked_to_cancel
            && !task.said.is_empty();
        if let Some(view) = task.view.clone().filter(|_| ready) {
            cancel::request(session, view).await?;
            task.asked_to_cancel = true;
        }
    }
    Ok(())
}

impl Filed {
    fn has_ended(&self) -> bool {
        self.view
            .as_ref()
            .is_some_and(|view| view.status.is_terminal())
    }
}
