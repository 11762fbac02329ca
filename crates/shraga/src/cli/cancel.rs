//! `shraga cancel`: asking for a task to end.

use clap::Args;
use shraga_core::row::{Condition, Table, tasks};
use shraga_core::status::TaskStatus;
use shraga_dataverse::Error;

use super::Context;
use crate::exit::{Exit, Failure};
use crate::roles::session::{Caller, Session};
use crate::tasks::{self as views, TaskView, find};

/// How often a request is made anew when the row changed under it. A row changes a few times in its
/// life; more collisions than this mean that something else is wrong.
const TRIES: u32 = 10;

/// Cancel a task
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga cancel 0193f0a1
  shraga cancel 0193f0a1 --json

A task that waits is canceled at once; a running one when its worker has ended the agent. One that has \
ended stays as it is (exit code 7).")]
pub struct Cancel {
    /// The task, or the start of its identity
    id: String,
}

impl Cancel {
    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        let session = Session::open(&context.config, Caller::Person).await?;
        let task = request(&session, find(&session, &self.id).await?).await?;
        if context.output.json {
            context.output.object(&views::json(&task))?;
        } else {
            context
                .output
                .line(format_args!("{} will be canceled", task.id))?;
        }
        Ok(Exit::Done)
    }
}

/// Asks for `task` to end; its row as it is then.
pub(crate) async fn request(session: &Session, mut task: TaskView) -> Result<TaskView, Failure> {
    for _ in 0..TRIES {
        if matches!(task.status, TaskStatus::Canceled | TaskStatus::Canceling) {
            return Ok(task);
        }
        if task.status.is_terminal() {
            return Err(Failure::new(
                Exit::Conflict,
                format!("task {} has ended already: {}", task.id, task.status),
            ));
        }
        let etag = task
            .etag
            .clone()
            .ok_or_else(|| Failure::new(Exit::Failed, "the store sent no version of the row"))?;
        let cells = [(tasks::STATUS, TaskStatus::Canceled.code().into())];
        let condition = Condition::Version(etag);
        let patched = session
            .client
            .patch(Table::Tasks, task.id.get(), &condition, &cells)
            .await;
        let id = task.id;
        match patched {
            Ok(_) | Err(Error::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let done = patched.is_ok();
        task = views::get(&session.client, id)
            .await?
            .ok_or_else(|| Failure::new(Exit::NotFound, format!("task {id} is gone")))?;
        if done {
            return Ok(task);
        }
    }
    Err(Failure::new(Exit::TryAgain, "the task's row keeps changing").hint("try again"))
}
