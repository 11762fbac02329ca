//! Mirrors that have not ended, as far as machines are concerned: read far more often than they change,
//! and so with few columns.

use serde::Deserialize;
use shraga_core::plan::machines::Open;
use shraga_core::status::TaskStatus;

use super::field::{Kind, Of};
use super::{Row, RowError};

const TASKS: Of = Of("tasks");

#[derive(Default, Deserialize)]
#[serde(default)]
struct OpenJson {
    createdon: Option<String>,
    cr_status: Option<i64>,
    cr_userid: Option<String>,
    cr_assignedworkerid: Option<String>,
    cr_notbefore: Option<String>,
    cr_reason: Option<String>,
}

/// A mirror that has not ended (read with [`super::select::OPEN`]).
///
/// # Errors
/// Names the field that cannot be understood.
pub fn open(row: &Row) -> Result<Open, RowError> {
    let fields = [
        ("createdon", Kind::Text),
        ("cr_status", Kind::Int),
        ("cr_userid", Kind::Text),
        ("cr_assignedworkerid", Kind::Text),
        ("cr_notbefore", Kind::Text),
        ("cr_reason", Kind::Text),
    ];
    let json: OpenJson = TASKS.read(row, &fields)?;
    let code = TASKS.required("cr_status", json.cr_status)?;
    let created = TASKS.time_some("createdon", json.createdon.as_ref())?;
    Ok(Open {
        user: TASKS.parse_some("cr_userid", json.cr_userid.as_ref())?,
        created: TASKS.required("createdon", created)?,
        status: TaskStatus::try_from(code).map_err(|_| TASKS.bad("cr_status", code))?,
        worker: TASKS.parse_some("cr_assignedworkerid", json.cr_assignedworkerid.as_ref())?,
        not_before: TASKS.time_some("cr_notbefore", json.cr_notbefore.as_ref())?,
        // A reason of another version's is none that is known to keep a worker from helping.
        reason: json.cr_reason.and_then(|code| code.parse().ok()),
    })
}
