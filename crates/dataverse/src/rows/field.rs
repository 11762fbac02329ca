//! Reading single fields: typed all at once, named one by one when that fails.
//!
//! A row is read into a struct of plain JSON types in one pass. When a value has the wrong JSON type,
//! a second look over the listed fields finds which one, so that the error names it.

use std::fmt::Display;
use std::str::FromStr;

use serde::Deserialize;
use serde_json::Value;
use shraga_core::ids::Etag;
use shraga_core::time::Timestamp;

use super::{Row, RowError};

/// The JSON type that a field must have, unless it is null or left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Int,
}

/// A table, for naming it in errors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Of(pub(super) &'static str);

impl Of {
    /// Reads a whole row; `fields` are looked at only to explain a failure.
    pub(super) fn read<'a, T: Deserialize<'a>>(
        self,
        row: &'a Row,
        fields: &[(&'static str, Kind)],
    ) -> Result<T, RowError> {
        serde_json::from_slice(&row.json).map_err(|error| self.explain(row, fields, &error))
    }

    fn explain(
        self,
        row: &Row,
        fields: &[(&'static str, Kind)],
        error: &serde_json::Error,
    ) -> RowError {
        let Ok(object) = row.object() else {
            return self.bad("row", error);
        };
        for (name, kind) in fields {
            let fits = match (object.get(*name), kind) {
                (None | Some(Value::Null), _) => true,
                (Some(value), Kind::Text) => value.is_string(),
                (Some(value), Kind::Int) => value.is_i64(),
            };
            if let (false, Some(value)) = (fits, object.get(*name)) {
                return self.bad(name, value);
            }
        }
        self.bad("row", error)
    }

    /// `field` holds something it must not hold.
    pub(super) fn bad(self, field: &str, value: impl Display) -> RowError {
        RowError {
            table: self.0,
            field: field.to_owned(),
            value: format!("`{value}`"),
        }
    }

    /// The value of a field that every row has.
    pub(super) fn required<T>(self, field: &'static str, value: Option<T>) -> Result<T, RowError> {
        value.ok_or_else(|| self.bad(field, "null"))
    }

    /// A field's text in its own form.
    pub(super) fn parse<T: FromStr>(self, field: &'static str, text: &str) -> Result<T, RowError> {
        text.parse().map_err(|_| self.bad(field, text))
    }

    /// The same of a field that may be null.
    pub(super) fn parse_some<T: FromStr>(
        self,
        field: &'static str,
        text: Option<&String>,
    ) -> Result<Option<T>, RowError> {
        text.map(|text| self.parse(field, text)).transpose()
    }

    /// A point in time.
    pub(super) fn time(self, field: &'static str, text: &str) -> Result<Timestamp, RowError> {
        time(text).ok_or_else(|| self.bad(field, text))
    }

    /// The same of a field that may be null.
    pub(super) fn time_some(
        self,
        field: &'static str,
        text: Option<&String>,
    ) -> Result<Option<Timestamp>, RowError> {
        text.map(|text| self.time(field, text)).transpose()
    }

    /// A whole number of a narrower type; `default` when it is null.
    pub(super) fn int<T: TryFrom<i64>>(
        self,
        field: &'static str,
        number: Option<i64>,
        default: T,
    ) -> Result<T, RowError> {
        number.map_or(Ok(default), |number| {
            T::try_from(number).map_err(|_| self.bad(field, number))
        })
    }
}

/// The version of a row, which must have one.
pub(super) fn etag(of: Of, tag: Option<String>) -> Result<Etag, RowError> {
    of.required("@odata.etag", tag).map(Etag::new)
}

/// Reads `2023-04-07T21:59:01Z`; `None` when it is no moment.
#[must_use]
pub fn time(text: &str) -> Option<Timestamp> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}
