//! Single cells of a row as text, identity, time or version; nothing where there is none, or one that
//! can't be read.

use serde_json::{Map, Value as Json};
use shraga_core::time::Timestamp;
use shraga_dataverse::rows::{self, Row};
use uuid::Uuid;

pub(super) fn version(row: &Row) -> Option<i64> {
    shraga_wire::etag::parse(row.etag()?.as_str())
}

pub(super) fn guid(row: &Row, column: &str) -> Option<Uuid> {
    Uuid::parse_str(&text(row, column)?).ok()
}

pub(super) fn time(row: &Row, column: &str) -> Option<Timestamp> {
    rows::time(&text(row, column)?)
}

pub(super) fn text(row: &Row, column: &str) -> Option<String> {
    let mut cells: Map<String, Json> = row.object().ok()?;
    text_value(cells.remove(column)?)
}

/// Text as it is, numbers and booleans printed; nothing for null.
pub(super) fn text_value(value: Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text),
        other @ (Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_)) => {
            Some(other.to_string())
        }
    }
}
