//! Rows of the wire, and what they mean to core.
//!
//! A [`Row`] keeps the JSON text it came as; the functions here read it into core's types, once, and
//! name table, field and value when it cannot be understood. Columns carry their default names.

use bytes::Bytes;
use shraga_core::ids::Etag;
use shraga_core::model;
use shraga_core::time::Timestamp;

pub mod select;

/// A row as the store sent it, with default column names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    json: Bytes,
}

/// Rows that answer one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// The store's time when it answered.
    pub now: Timestamp,
    /// The rows.
    pub rows: Vec<Row>,
    /// The number of all matching rows, when `$count` asked for it.
    pub count: Option<u64>,
    /// Where the next page is, when there is one.
    pub next_link: Option<String>,
}

/// A row that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("row of {table}: `{field}` is {value}")]
pub struct RowError {
    /// The table.
    pub table: &'static str,
    /// The column, or what is wrong with the row as a whole.
    pub field: String,
    /// What stood there, or what the parser said.
    pub value: String,
}

impl Row {
    /// The row as a JSON object.
    ///
    /// # Errors
    /// When it is none.
    pub fn object(&self) -> Result<serde_json::Map<String, serde_json::Value>, RowError> {
        serde_json::from_slice(&self.json).map_err(|error| RowError {
            table: "any table",
            field: "row".to_owned(),
            value: error.to_string(),
        })
    }

    /// Its version, when the store sent one.
    #[must_use]
    pub fn etag(&self) -> Option<Etag> {
        let object = self.object().ok()?;
        Some(Etag::new(object.get("@odata.etag")?.as_str()?))
    }
}

/// A person's own row of the tasks table (read with [`select::USER_TASK`]).
///
/// # Errors
/// Names the field that cannot be understood.
pub fn user_task(row: &Row) -> Result<model::UserTask, RowError> {
    Err(not_yet(row))
}

/// A mirror (read with [`select::MIRROR`]).
///
/// # Errors
/// Names the field that cannot be understood.
pub fn mirror(row: &Row) -> Result<model::Mirror, RowError> {
    Err(not_yet(row))
}

/// A worker's row (read with [`select::WORKER`]).
///
/// # Errors
/// Names the field that cannot be understood.
pub fn worker(row: &Row) -> Result<model::Worker, RowError> {
    Err(not_yet(row))
}

/// An event (read with [`select::EVENT`]).
///
/// # Errors
/// Names the field that cannot be understood.
pub fn event(row: &Row) -> Result<Event, RowError> {
    Err(not_yet(row))
}

fn not_yet(row: &Row) -> RowError {
    RowError {
        table: "any table",
        field: "row".to_owned(),
        value: format!("{} bytes", row.json.len()),
    }
}

/// An event, as `logs` shows it and the audit checks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its identity.
    pub id: shraga_core::ids::EventId,
    /// What it tells; the word itself when it is none we know.
    pub kind: Result<shraga_core::status::EventKind, String>,
    /// A line of what happened.
    pub name: String,
    /// Canonical JSON: the bytes the hash covers.
    pub content: String,
    /// The user task it is about.
    pub task: String,
    /// The attempt it is about.
    pub attempt: shraga_core::ids::Attempt,
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
