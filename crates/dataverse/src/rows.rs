//! Rows of the wire, and what they mean to core.
//!
//! A [`Row`] keeps the JSON text it came as; the functions here read it into core's types, once, and
//! name table, field and value when it cannot be understood. Columns carry their default names.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};
use shraga_core::ids::Etag;
use shraga_core::row::Table;
use shraga_core::time::Timestamp;

use crate::names::Names;

mod event;
mod field;
mod fleet;
mod input;
mod ledger;
mod machine;
mod open;
pub mod select;
mod task;
#[cfg(test)]
mod tests;
mod worker;

pub use event::{Event, Late, event, late};
pub use field::time;
pub use fleet::fleet;
pub use input::{answer, wants};
pub use ledger::ledger;
pub use machine::note;
pub use open::open;
pub use task::{mirror, user_task};
pub use worker::{person, worker};

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
    pub(crate) const fn new(json: Bytes) -> Self {
        Self { json }
    }

    /// The row as a JSON object.
    ///
    /// # Errors
    /// When it is none.
    pub fn object(&self) -> Result<Map<String, Value>, RowError> {
        serde_json::from_slice(&self.json).map_err(|error| RowError {
            table: "any table",
            field: "row".to_owned(),
            value: error.to_string(),
        })
    }

    /// Some of its columns, as a type of the caller's that names them; `None` when they don't fit.
    /// Cheaper than [`Self::object`].
    #[must_use]
    pub fn part<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        serde_json::from_slice(&self.json).ok()
    }

    /// Its version, when the store sent one.
    #[must_use]
    pub fn etag(&self) -> Option<Etag> {
        #[derive(Deserialize)]
        struct Tagged {
            #[serde(rename = "@odata.etag")]
            etag: String,
        }
        let tagged: Tagged = serde_json::from_slice(&self.json).ok()?;
        Some(Etag::new(tagged.etag))
    }

    /// The same row with default column names.
    pub(crate) fn with_default_names(&self, names: &Names, table: Table) -> Result<Self, RowError> {
        let rename = |(name, value): (String, Value)| {
            let (column, annotation) = match name.find('@') {
                Some(at) => name.split_at(at),
                None => (name.as_str(), ""),
            };
            (
                format!("{}{annotation}", names.default_of(table, column)),
                value,
            )
        };
        let renamed: Map<String, Value> = self.object()?.into_iter().map(rename).collect();
        let json = serde_json::to_vec(&renamed).expect("a JSON object is always JSON");
        Ok(Self::new(json.into()))
    }
}

impl Rows {
    pub(crate) const fn of(now: Timestamp, rows: Vec<Row>) -> Self {
        Self {
            now,
            rows,
            count: None,
            next_link: None,
        }
    }
}

/// Comma-separated words, trimmed; empty ones are left out.
pub(crate) fn words(text: &str) -> Vec<String> {
    let words = text.split(',').map(str::trim);
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}
