//! `shraga answer`: answering the question that an agent asks, so that its task goes on.

use clap::Args;
use shraga_core::ids::{Etag, TaskId};
use shraga_core::limits;
use shraga_core::model::Answer as Told;
use shraga_core::row::{Condition, Table, tasks};
use shraga_core::status::TaskStatus;
use shraga_dataverse::{Error, rows};

use super::{Context, stdin};
use crate::display::clean::one_line;
use crate::exit::{Exit, Failure};
use crate::roles::session::{Caller, Session};
use crate::tasks::{self as views, TaskView, find};

/// How often an answer is tried anew when the row changed under it. A row changes a few times in its
/// life; more collisions than this mean that something else is wrong.
const TRIES: u32 = 10;

/// Answer the question that a task waits with
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga answer 0193f0a1 \"port 80, and no TLS\"
  shraga answer 0193f0a1 - < answer.txt
  shraga answer 0193f0a1 yes --question q2

`shraga list` shows what waits for you, `shraga why ID` the question. The task goes on in the same session, on \
any worker. A task that asks nothing stays as it is (exit code 7).")]
pub struct Answer {
    /// The task, or the start of its identity
    id: String,
    /// The answer; - reads it from standard input
    text: String,
    /// Answer only if this is the question it asks now, such as q2
    #[arg(long, value_name = "QUESTION")]
    question: Option<String>,
}

impl Answer {
    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        let text = self.text()?;
        let session = Session::open(&context.config, Caller::Person).await?;
        let task = find(&session, &self.id).await?;
        let task = give(&session, task, &text, self.question.as_deref()).await?;
        if context.output.json {
            context.output.object(&views::json(&task))?;
        } else {
            context
                .output
                .line(format_args!("{} goes on with your answer", task.id))?;
        }
        Ok(Exit::Done)
    }

    fn text(&self) -> Result<String, Failure> {
        let text = match self.text.as_str() {
            "-" => stdin::read(limits::ANSWER_UNITS)?,
            text => text.to_owned(),
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(Failure::new(Exit::Usage, "the answer is empty")
                .hint("to end the task instead: shraga cancel ID"));
        }
        let (length, limit) = (text.encode_utf16().count(), limits::ANSWER_UNITS);
        match length > limit {
            true => Err(Failure::new(
                Exit::Usage,
                format!("the answer has {length} characters, at most {limit} fit"),
            )),
            false => Ok(text.to_owned()),
        }
    }
}

/// Writes the answer into the person's row, from which sync takes it.
async fn give(
    session: &Session,
    task: TaskView,
    text: &str,
    wanted: Option<&str>,
) -> Result<TaskView, Failure> {
    let id = task.id;
    for _ in 0..TRIES {
        let (task, etag, open) = look(session, id).await?;
        check(&task, wanted, open.as_ref())?;
        let Some(open) = open else {
            return Err(not_shown(id));
        };
        match open.text.as_deref() {
            // Given before, perhaps by this same command whose answer was lost.
            Some(given) if given == text => return Ok(task),
            Some(_) => {
                return Err(conflict(format!("task {id} was answered already")));
            }
            None => {}
        }
        let answer = Told {
            text: Some(text.to_owned()),
            ..open
        };
        let cells = [(tasks::ANSWER, answer.to_json().into())];
        let condition = Condition::Version(etag);
        let patched = session
            .client
            .patch(Table::Tasks, id.get(), &condition, &cells)
            .await;
        match patched {
            Ok(_) => return Ok(task),
            Err(Error::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::new(Exit::TryAgain, "the task's row keeps changing").hint("try again"))
}

/// The task as it is now, its version and its question.
async fn look(session: &Session, id: TaskId) -> Result<(TaskView, Etag, Option<Told>), Failure> {
    let gone = || Failure::new(Exit::NotFound, format!("task {id} is gone"));
    let answer = tasks::ANSWER.name();
    let mut columns = views::COLUMNS.to_vec();
    columns.push(answer);
    let row = session.client.get(Table::Tasks, id.get(), &columns).await?;
    let row = row.ok_or_else(gone)?;
    let key = session.client.names().primary_id(Table::Tasks);
    let task = TaskView::read(&row, key).map_err(Error::from)?;
    let object = row.object().map_err(Error::from)?;
    let open = rows::answer(object.get(answer).and_then(serde_json::Value::as_str));
    let etag = task
        .etag
        .clone()
        .ok_or_else(|| Failure::new(Exit::Failed, "the store sent no version of the row"))?;
    Ok((task, etag, open))
}

/// Whether the task waits with a question, and with the one that is meant.
fn check(task: &TaskView, wanted: Option<&str>, open: Option<&Told>) -> Result<(), Failure> {
    let id = task.id;
    if task.status.is_terminal() {
        return Err(conflict(format!(
            "task {id} has ended already: {}",
            task.status
        )));
    }
    if task.status != TaskStatus::WaitingForInput {
        return Err(conflict(format!("task {id} asks nothing: {}", task.status)));
    }
    match (wanted, open) {
        (Some(wanted), Some(open)) if open.question != wanted => Err(conflict(format!(
            "task {id} asks another question now: {} ({})",
            one_line(open.asked.as_deref().unwrap_or_default()),
            one_line(&open.question)
        ))),
        _ => Ok(()),
    }
}

fn conflict(message: String) -> Failure {
    Failure::new(Exit::Conflict, message)
}

/// Sync shows question and status together; a row where only the status is there was written to by
/// somebody else, and is mended within a moment.
fn not_shown(id: TaskId) -> Failure {
    Failure::new(
        Exit::TryAgain,
        format!("the question of task {id} is not in its row yet"),
    )
    .hint("try again in a moment; an orchestrator must be running")
}
