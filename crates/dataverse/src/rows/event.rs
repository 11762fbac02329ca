//! Rows of the events table.

use serde::Deserialize;
use shraga_core::candidate::{Assigned, Candidate};
use shraga_core::ids::{Attempt, EventId, TaskId, UserId, WorkerId};
use shraga_core::status::{EventKind, TaskStatus};
use shraga_core::time::Timestamp;
use uuid::Uuid;

use super::field::{Kind, Of};
use super::{Row, RowError};

const EVENTS: Of = Of("events");

/// An event, as `logs` shows it and the audit checks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its identity.
    pub id: EventId,
    /// What it tells; the word itself when it is none we know.
    pub kind: Result<EventKind, String>,
    /// A line of what happened.
    pub name: String,
    /// Canonical JSON: the bytes the hash covers.
    pub content: String,
    /// The user task it is about.
    pub task: String,
    /// The attempt it is about.
    pub attempt: Attempt,
    /// Its stream.
    pub stream: String,
    /// Its number in the stream, from 1.
    pub sequence: u32,
    /// Hash of the event before it; empty at the start.
    pub previous_hash: String,
    /// Its own hash.
    pub hash: String,
    /// When the store took it.
    pub created: Timestamp,
}

/// An event that tells of late results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Late {
    /// One that keeps a late result.
    Candidate(Candidate),
    /// One that assigns an attempt.
    Assigned(Assigned),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct EventJson {
    #[serde(rename = "cr_shraga_eventid")]
    id: Option<Uuid>,
    createdon: Option<String>,
    cr_name: Option<String>,
    cr_type: Option<String>,
    cr_content: Option<String>,
    cr_taskid: Option<String>,
    cr_attempt: Option<i64>,
    cr_stream: Option<String>,
    cr_sequence: Option<i64>,
    cr_prevhash: Option<String>,
    cr_hash: Option<String>,
}

const FIELDS: [(&str, Kind); 11] = [
    ("cr_shraga_eventid", Kind::Text),
    ("createdon", Kind::Text),
    ("cr_name", Kind::Text),
    ("cr_type", Kind::Text),
    ("cr_content", Kind::Text),
    ("cr_taskid", Kind::Text),
    ("cr_attempt", Kind::Int),
    ("cr_stream", Kind::Text),
    ("cr_sequence", Kind::Int),
    ("cr_prevhash", Kind::Text),
    ("cr_hash", Kind::Text),
];

/// An event (read with [`super::select::EVENT`]).
///
/// # Errors
/// Names the field that cannot be understood.
pub fn event(row: &Row) -> Result<Event, RowError> {
    let json: EventJson = EVENTS.read(row, &FIELDS)?;
    let kind = json.cr_type.unwrap_or_default();
    Ok(Event {
        id: EventId::new(EVENTS.required("cr_shraga_eventid", json.id)?),
        created: EVENTS.time("createdon", &EVENTS.required("createdon", json.createdon)?)?,
        kind: kind.parse().map_err(|_| kind),
        name: json.cr_name.unwrap_or_default(),
        content: json.cr_content.unwrap_or_default(),
        task: json.cr_taskid.unwrap_or_default(),
        attempt: Attempt(EVENTS.int("cr_attempt", json.cr_attempt, 0)?),
        stream: json.cr_stream.unwrap_or_default(),
        sequence: EVENTS.int("cr_sequence", json.cr_sequence, 0)?,
        previous_hash: json.cr_prevhash.unwrap_or_default(),
        hash: json.cr_hash.unwrap_or_default(),
    })
}

/// Who made a row.
#[derive(Deserialize)]
struct MadeBy {
    #[serde(rename = "_createdby_value")]
    user: Uuid,
}

/// What the content of such events holds beside what every event's does.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ContentJson {
    worker: Option<Uuid>,
    outcome: Option<String>,
    result: String,
    branch: Option<String>,
    head: Option<String>,
}

/// An event that tells of a late result (read with [`super::select::EVENT`] and [`super::select::MADE_BY`]); `None` where it is about
/// something else, or nothing can be made of what it says.
///
/// # Errors
/// Names the field that cannot be understood.
pub fn late(row: &Row) -> Result<Option<Late>, RowError> {
    let event = event(row)?;
    let made_by = row.part::<MadeBy>();
    let content: ContentJson = serde_json::from_str(&event.content).unwrap_or_default();
    let (Some(made_by), Ok(task)) = (made_by, event.task.parse::<TaskId>()) else {
        return Ok(None);
    };
    let filed_by = UserId::new(made_by.user);
    let outcome = |word: &String| TaskStatus::ALL.into_iter().find(|it| it.name() == word);
    Ok(match (event.kind, content.worker) {
        (Ok(EventKind::Candidate), _) => Some(Late::Candidate(Candidate {
            id: event.id,
            filed_by,
            task,
            attempt: event.attempt,
            outcome: content.outcome.as_ref().and_then(outcome),
            result: content.result,
            branch: content.branch.zip(content.head),
            stream: event.stream,
            sequence: event.sequence,
            previous: event.previous_hash,
            hash: event.hash,
            content: event.content,
        })),
        (Ok(EventKind::TaskAssigned), Some(worker)) => Some(Late::Assigned(Assigned {
            filed_by,
            stream: event.stream,
            attempt: event.attempt,
            worker: WorkerId::new(worker),
        })),
        (Ok(_) | Err(_), _) => None,
    })
}
