//! Rows of the tasks table: what people filed, and its mirrors.

use serde::Deserialize;
use shraga_core::ids::{Attempt, MirrorId, TaskId, UserId};
use shraga_core::model::{Claims, Mirror, Shown, UserTask};
use shraga_core::status::TaskStatus;
use uuid::Uuid;

use super::field::{self, Kind, Of};
use super::{Row, RowError, input, ledger};

const TASKS: Of = Of("tasks");

/// The columns of either kind of row, as plain JSON types.
#[derive(Default, Deserialize)]
#[serde(default)]
struct TaskJson {
    #[serde(rename = "@odata.etag")]
    etag: Option<String>,
    #[serde(rename = "cr_shraga_taskid")]
    id: Option<Uuid>,
    #[serde(rename = "_ownerid_value")]
    owner: Option<Uuid>,
    createdon: Option<String>,
    modifiedon: Option<String>,
    cr_name: Option<String>,
    cr_prompt: Option<String>,
    cr_input: Option<String>,
    cr_status: Option<i64>,
    cr_statusmessage: Option<String>,
    cr_mirrortaskid: Option<String>,
    cr_mirroroftaskid: Option<String>,
    cr_assignedworkerid: Option<String>,
    cr_workerstatus: Option<String>,
    cr_lease: Option<String>,
    cr_attempt: Option<i64>,
    cr_losses: Option<i64>,
    cr_usage: Option<String>,
    cr_priority: Option<i64>,
    cr_rank: Option<String>,
    cr_reason: Option<String>,
    cr_eventhead: Option<String>,
    cr_answer: Option<String>,
    cr_retryof: Option<String>,
    cr_userid: Option<String>,
    cr_notbefore: Option<String>,
    cr_startedon: Option<String>,
    cr_finishedon: Option<String>,
    crb3b_useremail: Option<String>,
    crb3b_devbox: Option<String>,
}

const FIELDS: [(&str, Kind); 30] = [
    ("@odata.etag", Kind::Text),
    ("cr_shraga_taskid", Kind::Text),
    ("_ownerid_value", Kind::Text),
    ("createdon", Kind::Text),
    ("modifiedon", Kind::Text),
    ("cr_name", Kind::Text),
    ("cr_prompt", Kind::Text),
    ("cr_input", Kind::Text),
    ("cr_status", Kind::Int),
    ("cr_statusmessage", Kind::Text),
    ("cr_mirrortaskid", Kind::Text),
    ("cr_mirroroftaskid", Kind::Text),
    ("cr_assignedworkerid", Kind::Text),
    ("cr_workerstatus", Kind::Text),
    ("cr_lease", Kind::Text),
    ("cr_attempt", Kind::Int),
    ("cr_losses", Kind::Int),
    ("cr_usage", Kind::Text),
    ("cr_priority", Kind::Int),
    ("cr_rank", Kind::Text),
    ("cr_reason", Kind::Text),
    ("cr_eventhead", Kind::Text),
    ("cr_answer", Kind::Text),
    ("cr_retryof", Kind::Text),
    ("cr_userid", Kind::Text),
    ("cr_notbefore", Kind::Text),
    ("cr_startedon", Kind::Text),
    ("cr_finishedon", Kind::Text),
    ("crb3b_useremail", Kind::Text),
    ("crb3b_devbox", Kind::Text),
];

/// A person's own row of the tasks table (read with [`super::select::USER_TASK`]).
///
/// # Errors
/// Names the field that cannot be understood. What only she can write is never an error.
pub fn user_task(row: &Row) -> Result<UserTask, RowError> {
    let json: TaskJson = TASKS.read(row, &FIELDS)?;
    Ok(UserTask {
        shown: json.shown()?,
        status: json.status()?,
        wants: input::wants(json.cr_input.as_deref()),
        answer: input::answer(json.cr_answer.as_deref()),
        machine: json.crb3b_devbox,
        retry_of: json.cr_retryof.and_then(|text| text.parse().ok()),
        priority: TASKS.int("cr_priority", json.cr_priority, 0)?,
        not_before: TASKS.time_some("cr_notbefore", json.cr_notbefore.as_ref())?,
        created: TASKS.time("createdon", &TASKS.required("createdon", json.createdon)?)?,
        modified: TASKS.time(
            "modifiedon",
            &TASKS.required("modifiedon", json.modifiedon)?,
        )?,
        id: TaskId::new(TASKS.required("cr_shraga_taskid", json.id)?),
        owner: UserId::new(TASKS.required("_ownerid_value", json.owner)?),
        etag: field::etag(TASKS, json.etag)?,
        name: json.cr_name.unwrap_or_default(),
        prompt: json.cr_prompt.unwrap_or_default(),
        input: json.cr_input,
        mirror_link: json.cr_mirrortaskid,
        claims: Claims {
            user: json.cr_userid,
            mirror_of: json.cr_mirroroftaskid,
        },
        email: json.crb3b_useremail,
    })
}

/// A mirror (read with [`super::select::MIRROR`]).
///
/// # Errors
/// Names the field that cannot be understood.
pub fn mirror(row: &Row) -> Result<Mirror, RowError> {
    let json: TaskJson = TASKS.read(row, &FIELDS)?;
    let created = TASKS.required("createdon", json.createdon.as_ref())?;
    let created = TASKS.time("createdon", created)?;
    let rank = TASKS.time_some("cr_rank", json.cr_rank.as_ref())?;
    let task = TASKS.required("cr_mirroroftaskid", json.cr_mirroroftaskid.as_ref())?;
    Ok(Mirror {
        shown: json.shown()?,
        status: json.status()?,
        task: TASKS.parse("cr_mirroroftaskid", task)?,
        user: TASKS.parse_some("cr_userid", json.cr_userid.as_ref())?,
        wants: input::wants(json.cr_input.as_deref()),
        phase: TASKS.parse_some("cr_workerstatus", json.cr_workerstatus.as_ref())?,
        lease: input::lease(TASKS, json.cr_lease.as_ref())?,
        head: input::head(TASKS, json.cr_eventhead.as_ref())?,
        answer: input::answer(json.cr_answer.as_deref()),
        ledger: ledger::ledger(json.cr_usage.as_deref())?,
        losses: TASKS.int("cr_losses", json.cr_losses, 0)?,
        not_before: TASKS.time_some("cr_notbefore", json.cr_notbefore.as_ref())?,
        created,
        modified: TASKS.time(
            "modifiedon",
            &TASKS.required("modifiedon", json.modifiedon)?,
        )?,
        rank: rank.unwrap_or(created),
        id: MirrorId::new(TASKS.required("cr_shraga_taskid", json.id)?),
        owner: UserId::new(TASKS.required("_ownerid_value", json.owner)?),
        etag: field::etag(TASKS, json.etag)?,
        name: json.cr_name.unwrap_or_default(),
    })
}

impl TaskJson {
    fn status(&self) -> Result<TaskStatus, RowError> {
        let code = TASKS.required("cr_status", self.cr_status)?;
        TaskStatus::try_from(code).map_err(|_| TASKS.bad("cr_status", code))
    }

    fn shown(&self) -> Result<Shown, RowError> {
        Ok(Shown {
            message: self.cr_statusmessage.clone(),
            reason: self.cr_reason.clone(),
            attempt: Attempt(TASKS.int("cr_attempt", self.cr_attempt, 0)?),
            worker: TASKS.parse_some("cr_assignedworkerid", self.cr_assignedworkerid.as_ref())?,
            started: TASKS.time_some("cr_startedon", self.cr_startedon.as_ref())?,
            finished: TASKS.time_some("cr_finishedon", self.cr_finishedon.as_ref())?,
        })
    }
}
