//! `shraga retry`: filing a task that has ended once more, as a task of its own.
//!
//! The one that ended stays as it is, for terminal states never change: what is filed is a new row that
//! tells what it tries again. Only the one who filed a task does so, and a task that may still end well
//! is left alone.

use clap::Args;
use serde_json::Value as Json;
use shraga_core::ids::TaskId;
use shraga_core::row::{Column, Table, Value, tasks};
use shraga_core::status::TaskStatus;
use shraga_dataverse::Error;

use super::Context;
use super::submit::{Draft, file_and_tell, refuse_orchestrator};
use crate::clock;
use crate::exit::{Exit, Failure};
use crate::roles::session::{Caller, Session};
use crate::tasks::{TaskView, find};

/// File a task that has ended once more
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga retry 0193f0a1
  shraga retry 0193f0a1 --wait

Files a new task with the same name, prompt, priority and wishes, and prints its identity; `shraga show` names \
the one it tries again. The one that ended stays as it is. One that has not ended is not filed again (exit code 7). \
With --wait it shows progress and exits 0 when the new task completed, 1 when it failed or was canceled.")]
pub struct Retry {
    /// The task that ended, or the start of its identity
    id: String,
    /// Wait until the new one has ended
    #[arg(long)]
    wait: bool,
}

impl Retry {
    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        let session = Session::open(&context.config, Caller::Person).await?;
        let task = find(&session, &self.id).await?;
        let row = read(&session, task.id).await?;
        refuse_mirror(&task, &row)?;
        refuse_orchestrator(&session)?;
        refuse_foreign(&session, &task, &row)?;
        refuse_open(&task)?;
        if task.status == TaskStatus::Completed {
            let talk = format!("task {} has completed: it is done once more", task.id);
            context.output.talk(talk);
        }
        if !session.client.absent().has(Table::Tasks, tasks::RETRY_OF) {
            let talk =
                "this store has no cr_retryof: the new task does not tell which one it tries again";
            context.output.talk(talk);
        }
        let draft = draft(&session, &task, &row);
        file_and_tell(&context, &session, &draft, self.wait).await
    }
}

/// What the row tells beside what every verb shows.
struct Ended {
    prompt: String,
    mirror_of: Option<String>,
    is_mirror: bool,
    owner: Option<String>,
}

async fn read(session: &Session, id: TaskId) -> Result<Ended, Failure> {
    let columns = [
        tasks::PROMPT.name(),
        tasks::IS_MIRROR.name(),
        tasks::MIRROR_OF.name(),
        "_ownerid_value",
    ];
    let row = session.client.get(Table::Tasks, id.get(), &columns).await?;
    let row = row.ok_or_else(|| Failure::new(Exit::NotFound, format!("task {id} is gone")))?;
    let object = row.object().map_err(Error::from)?;
    let text = |name: &str| object.get(name).and_then(Json::as_str).map(str::to_owned);
    Ok(Ended {
        prompt: text(tasks::PROMPT.name()).unwrap_or_default(),
        mirror_of: text(tasks::MIRROR_OF.name()),
        is_mirror: object.get(tasks::IS_MIRROR.name()) == Some(&Json::Bool(true)),
        owner: text("_ownerid_value"),
    })
}

/// A mirror's copy would be nobody's task.
fn refuse_mirror(task: &TaskView, row: &Ended) -> Result<(), Failure> {
    if !row.is_mirror {
        return Ok(());
    }
    let failure = Failure::new(Exit::Usage, format!("{} is a mirror, not a task", task.id));
    let of = row.mirror_of.as_deref().and_then(|id| id.parse().ok());
    Err(match of {
        Some(of) => {
            let of: TaskId = of;
            failure.hint(format!("its task: `shraga retry {of}`"))
        }
        None => failure,
    })
}

/// What is filed runs as the one who files it.
fn refuse_foreign(session: &Session, task: &TaskView, row: &Ended) -> Result<(), Failure> {
    let owner = row.owner.as_deref().and_then(|id| id.parse().ok());
    if owner == Some(session.me) {
        return Ok(());
    }
    let message = format!("task {} is somebody else's", task.id);
    Err(Failure::new(Exit::NotFound, message).hint("only who filed a task files it again"))
}

fn refuse_open(task: &TaskView) -> Result<(), Failure> {
    if task.status.is_terminal() {
        return Ok(());
    }
    let id = task.id;
    let message = format!("task {id} has not ended: {}", task.status);
    Err(
        Failure::new(Exit::Conflict, message).hint(match task.status {
            TaskStatus::Canceling => format!("it ends soon: `shraga show {id}`"),
            _ => format!("`shraga cancel {id}` ends it; `shraga why {id}` tells what it waits for"),
        }),
    )
}

/// The same work, as a row of its own. What it asks for is copied as it is, also where it can't be
/// understood here.
fn draft(session: &Session, task: &TaskView, row: &Ended) -> Draft {
    let mut beside: Vec<(Column, Value)> = vec![(tasks::RETRY_OF, task.id.get().into())];
    if let Some(input) = &task.input {
        beside.push((tasks::INPUT, input.as_str().into()));
    }
    if let Some(at) = task.not_before.filter(|at| *at > clock::wall()) {
        beside.push((tasks::NOT_BEFORE, at.into()));
    }
    let known = session.info.as_ref().and_then(|info| info.email.as_ref());
    if let (None, Some(email)) = (known, &task.email) {
        beside.push((tasks::EMAIL, email.as_str().into()));
    }
    Draft {
        name: task.name.clone(),
        prompt: row.prompt.clone(),
        input: Json::Null,
        priority: task.priority,
        beside,
    }
}
