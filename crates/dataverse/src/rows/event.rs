//! Rows of the events table.

use serde::Deserialize;
use shraga_core::ids::{Attempt, EventId};
use shraga_core::status::EventKind;
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
