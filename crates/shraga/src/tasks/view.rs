//! What the verbs show of a task, read from its row.

use serde_json::{Map, Value, json};
use shraga_core::ids::UserId;
use shraga_core::ids::{Etag, TaskId};
use shraga_core::status::TaskStatus;
use shraga_core::time::Timestamp;
use shraga_dataverse::rows::time;
use shraga_dataverse::{Row, RowError};
use shraga_wire::filter::Filter;

use crate::display::time::rfc3339;

/// The columns a [`TaskView`] is read from.
pub const COLUMNS: &[&str] = &[
    "cr_name",
    "cr_status",
    "cr_statusmessage",
    "cr_reason",
    "cr_result",
    "cr_assignedworkerid",
    "cr_attempt",
    "cr_priority",
    "cr_input",
    "cr_mirrortaskid",
    "crb3b_sessioncost",
    "crb3b_useremail",
    "cr_answer",
    "cr_retryof",
    "cr_notbefore",
    "createdon",
    "cr_startedon",
    "cr_finishedon",
];

/// A person's task, as its row tells.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskView {
    /// Its identity.
    pub id: TaskId,
    /// Its version.
    pub etag: Option<Etag>,
    /// Its name.
    pub name: String,
    /// Where it stands. A request to cancel that was not granted yet reads as Canceling: the same
    /// number stands for both in a person's row, and only an end has a time (where rows can tell).
    pub status: TaskStatus,
    /// One line about that.
    pub message: Option<String>,
    /// The code of why it waits or ended.
    pub reason: Option<String>,
    /// The published result.
    pub result: Option<String>,
    /// The worker that has or had it.
    pub worker: Option<String>,
    /// Which try it is.
    pub attempt: u32,
    /// -100 to 100.
    pub priority: i64,
    /// The JSON of what it asks for.
    pub input: Option<String>,
    /// The mirror's identity, once there is one.
    pub mirror: Option<String>,
    /// What it cost, in US dollars.
    pub cost_usd: Option<f64>,
    /// Who filed it, for display.
    pub email: Option<String>,
    /// What it asks, while it waits for the answer.
    pub question: Option<String>,
    /// The task this one tries again.
    pub retry_of: Option<TaskId>,
    /// Not to begin before this.
    pub not_before: Option<Timestamp>,
    /// When it was filed.
    pub created: Timestamp,
    /// When its current attempt was claimed.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
}

impl TaskView {
    /// Reads a row of the tasks table; `primary_id` is the name of its key.
    ///
    /// # Errors
    /// A field is missing or not what it should be.
    pub fn read(row: &Row, primary_id: &str) -> Result<Self, RowError> {
        let fields = Fields(row.object()?);
        let id = fields.required(primary_id)?;
        let code = fields
            .0
            .get("cr_status")
            .and_then(Value::as_i64)
            .ok_or_else(|| fields.bad("cr_status"))?;
        let tells_its_end = fields.0.contains_key("cr_finishedon");
        let finished = fields.time("cr_finishedon")?;
        let status = match TaskStatus::try_from(code).map_err(|_| fields.bad("cr_status"))? {
            TaskStatus::Canceled if finished.is_none() && tells_its_end => TaskStatus::Canceling,
            status => status,
        };
        Ok(Self {
            id: id.parse().map_err(|_| fields.bad(primary_id))?,
            etag: row.etag(),
            name: fields.text("cr_name").unwrap_or_default(),
            status,
            message: fields.text("cr_statusmessage"),
            reason: fields.text("cr_reason"),
            result: fields.text("cr_result"),
            worker: fields.text("cr_assignedworkerid"),
            attempt: fields
                .number("cr_attempt")
                .and_then(|number| u32::try_from(number).ok())
                .unwrap_or(0),
            priority: fields.number("cr_priority").unwrap_or(0),
            input: fields.text("cr_input"),
            mirror: fields.text("cr_mirrortaskid"),
            cost_usd: fields
                .text("crb3b_sessioncost")
                .and_then(|text| dollars(&text)),
            email: fields.text("crb3b_useremail"),
            question: fields
                .text("cr_answer")
                .filter(|_| status == TaskStatus::WaitingForInput)
                .and_then(|text| asked(&text)),
            retry_of: fields.text("cr_retryof").and_then(|id| id.parse().ok()),
            not_before: fields.time("cr_notbefore")?,
            created: fields
                .time("createdon")?
                .ok_or_else(|| fields.bad("createdon"))?,
            started: fields.time("cr_startedon")?,
            finished,
        })
    }

    /// The first line of the result that says something.
    #[must_use]
    pub fn result_line(&self) -> Option<&str> {
        self.result
            .as_deref()?
            .lines()
            .map(str::trim)
            .rfind(|line| !line.is_empty())
    }

    /// A line on why it is where it is: its message, else its reason.
    #[must_use]
    pub fn note(&self) -> &str {
        let message = self.message.as_deref().filter(|text| !text.is_empty());
        message.or(self.reason.as_deref()).unwrap_or_default()
    }
}

/// The task as scripts get it.
#[must_use]
pub fn json(task: &TaskView) -> Value {
    json!({
        "id": task.id.to_string(),
        "name": task.name,
        "status": task.status.name(),
        "reason": task.reason,
        "worker": task.worker,
        "attempt": task.attempt,
        "result": task.result,
        "question": task.question,
        "retry_of": task.retry_of.map(|id| id.to_string()),
        "cost_usd": task.cost_usd,
        "created": rfc3339(task.created),
        "started": task.started.map(rfc3339),
        "finished": task.finished.map(rfc3339),
    })
}

/// Rows that are people's tasks, not mirrors, and `owner`'s if given. The words are those of the
/// index that answers it.
#[must_use]
pub fn mine(owner: Option<UserId>) -> Filter {
    let not_mirror = Filter::ne("cr_ismirror", true);
    match owner {
        Some(owner) => not_mirror.and(Filter::eq("_ownerid_value", owner.get())),
        None => not_mirror,
    }
}

/// The question in `cr_answer`.
fn asked(text: &str) -> Option<String> {
    let open: Value = serde_json::from_str(text).ok()?;
    open.get("asked")?.as_str().map(str::to_owned)
}

/// `$0.12` as a number.
fn dollars(text: &str) -> Option<f64> {
    text.trim().trim_start_matches('$').parse().ok()
}

/// The cells of a row, with errors that name them.
struct Fields(Map<String, Value>);

impl Fields {
    fn text(&self, name: &str) -> Option<String> {
        self.0
            .get(name)?
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    }

    fn required(&self, name: &str) -> Result<String, RowError> {
        self.text(name).ok_or_else(|| self.bad(name))
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.as_i64()
    }

    fn time(&self, name: &str) -> Result<Option<Timestamp>, RowError> {
        self.text(name)
            .map(|text| time(&text).ok_or_else(|| self.bad(name)))
            .transpose()
    }

    fn bad(&self, name: &str) -> RowError {
        RowError {
            table: "tasks",
            field: name.to_owned(),
            value: self
                .0
                .get(name)
                .map_or_else(|| "missing".to_owned(), Value::to_string),
        }
    }
}
