//! JSON and key values as cells, checked against what their column may hold.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use shraga_wire::fault::{Code, Fault};
use shraga_wire::schema::{ChoiceOption, ColumnKind};
use uuid::Uuid;

use crate::http::path::{self, KeyValue};
use crate::ops::Cell;
use crate::schema::{Column, Table};

/// Dataverse's code for a number beyond its column's bounds.
const VALUE_OUT_OF_RANGE: Code = Code(0x8004_4330);
/// Dataverse's code for a character that no text may hold.
const INVALID_CHARACTER: Code = Code(0x8004_0278);

/// A JSON value that a cell can be made of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Real(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// An object or array.
    Nested,
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(number).map_or(Scalar::Real(f64::INFINITY), Scalar::Int))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Real(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nested)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nested)
    }
}

/// The cell that `value` makes in `column`.
///
/// # Errors
/// 400 with Dataverse's code for a wrong type, too long a text, a number out of range, an unknown
/// option.
pub(crate) fn cell(table: &Table, column: &Column, value: Scalar<'_>) -> Result<Cell, Fault> {
    let wrong = |value: &Scalar<'_>| Err(wrong_type(table, column, value));
    match (&column.kind, value) {
        (_, Scalar::Null) => Ok(Cell::Null),
        (ColumnKind::Text { max } | ColumnKind::Memo { max }, Scalar::Text(text)) => {
            text_cell(table, column, text, *max)
        }
        (ColumnKind::Integer { min, max }, Scalar::Int(number)) => {
            if (i64::from(*min)..=i64::from(*max)).contains(&number) {
                Ok(Cell::Int(number))
            } else {
                let accepted = format!("{min} to {max}");
                Err(out_of_range(table, column, number, &accepted))
            }
        }
        (ColumnKind::Choice { options }, Scalar::Int(number)) => {
            choice_cell(table, column, options, number)
        }
        (ColumnKind::BigInt, Scalar::Int(number)) => Ok(Cell::Int(number)),
        (ColumnKind::Boolean { .. }, Scalar::Bool(flag)) => Ok(Cell::Int(i64::from(flag))),
        (ColumnKind::Decimal { precision }, value) => {
            decimal_cell(table, column, &value, *precision)
        }
        (ColumnKind::Double, value) => finite(table, column, &value).map(Cell::Real),
        (ColumnKind::DateTime, Scalar::Text(text)) => match seconds(&text) {
            Some(at) => Ok(Cell::Int(at)),
            None => wrong(&Scalar::Text(text)),
        },
        (ColumnKind::Guid, Scalar::Text(text)) => match Uuid::parse_str(text.trim()) {
            Ok(id) => Ok(Cell::Id(id)),
            Err(_) => wrong(&Scalar::Text(text)),
        },
        (ColumnKind::Lookup { .. }, _) => Err(use_bind(table, column)),
        (
            ColumnKind::Text { .. }
            | ColumnKind::Memo { .. }
            | ColumnKind::Integer { .. }
            | ColumnKind::BigInt
            | ColumnKind::Boolean { .. }
            | ColumnKind::DateTime
            | ColumnKind::Choice { .. }
            | ColumnKind::Guid,
            value,
        ) => wrong(&value),
    }
}

fn text_cell(table: &Table, column: &Column, text: Cow<'_, str>, max: u32) -> Result<Cell, Fault> {
    // A text has at most as many UTF-16 units as bytes, so most need no counting.
    if text.len() > max as usize {
        let units = text.encode_utf16().count();
        if units > max as usize {
            return Err(Fault::too_long(
                &table.def.logical,
                &column.logical,
                units,
                max,
            ));
        }
    }
    if text.contains('\0') {
        return Err(Fault::new(
            400,
            INVALID_CHARACTER,
            format!(
                "Invalid character in field '{}': hexadecimal value 0x00.",
                column.logical
            ),
        ));
    }
    Ok(Cell::Text(text.into_owned()))
}

fn choice_cell(
    table: &Table,
    column: &Column,
    options: &[ChoiceOption],
    number: i64,
) -> Result<Cell, Fault> {
    if options
        .iter()
        .any(|option| i64::from(option.value) == number)
    {
        return Ok(Cell::Int(number));
    }
    let accepted: Vec<_> = options.iter().map(|o| o.value.to_string()).collect();
    Err(Fault::choice_out_of_range(
        &table.def.logical,
        &column.logical,
        number,
        &accepted.join(","),
    ))
}

fn decimal_cell(
    table: &Table,
    column: &Column,
    value: &Scalar<'_>,
    precision: u8,
) -> Result<Cell, Fault> {
    /// Dataverse's bounds of decimals.
    const BOUND: f64 = 100_000_000_000.0;
    let number = finite(table, column, value)?;
    if number.abs() > BOUND {
        return Err(out_of_range(
            table,
            column,
            number,
            "-100000000000 to 100000000000",
        ));
    }
    let scale = 10_f64.powi(i32::from(precision));
    Ok(Cell::Real((number * scale).round() / scale))
}

fn finite(table: &Table, column: &Column, value: &Scalar<'_>) -> Result<f64, Fault> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a floating-point column holds what a double can"
    )]
    let number = match value {
        Scalar::Int(number) => *number as f64,
        Scalar::Real(number) => *number,
        Scalar::Null | Scalar::Bool(_) | Scalar::Text(_) | Scalar::Nested => f64::NAN,
    };
    if number.is_finite() {
        Ok(number)
    } else {
        Err(wrong_type(table, column, value))
    }
}

/// Seconds since the epoch of a date or point in time; without an offset it is UTC.
fn seconds(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at.as_second());
    }
    let civil = text
        .parse::<DateTime>()
        .or_else(|_no_time| text.parse::<Date>().map(|date| date.at(0, 0, 0, 0)));
    let zoned = civil.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_second())
}

fn out_of_range(table: &Table, column: &Column, value: impl fmt::Display, accepted: &str) -> Fault {
    Fault::new(
        400,
        VALUE_OUT_OF_RANGE,
        format!(
            "A validation error occurred. The value {value} of '{}' on record of type '{}' is \
             outside the valid range. Accepted Values: {accepted}",
            column.logical, table.def.logical
        ),
    )
}

fn wrong_type(table: &Table, column: &Column, value: &Scalar<'_>) -> Fault {
    let shown = match value {
        Scalar::Null => "null".to_owned(),
        Scalar::Bool(flag) => flag.to_string(),
        Scalar::Int(number) => number.to_string(),
        Scalar::Real(number) => number.to_string(),
        Scalar::Text(text) => format!("'{}'", excerpt(text)),
        Scalar::Nested => {
            return Fault::invalid_payload(format!(
                "The property '{}' of '{}' holds an object or array; this store takes plain \
                 values only (deep insert is not supported).",
                column.logical, table.def.logical
            ));
        }
    };
    Fault::invalid_payload(format!(
        "Cannot convert the literal {shown} to the expected type '{}' (property '{}' of '{}').",
        edm_type(&column.kind),
        column.logical,
        table.def.logical
    ))
}

/// How much of a wrong value a message repeats. More puts private text into logs.
const EXCERPT_CHARS: usize = 40;

fn excerpt(text: &str) -> String {
    text.chars().take(EXCERPT_CHARS).collect()
}

/// The refusal of a lookup that is written as a plain value.
pub(crate) fn use_bind(table: &Table, column: &Column) -> Fault {
    Fault::invalid_payload(format!(
        "CRM do not support direct update of Entity Reference properties, Use Navigation \
         properties instead: '{}@odata.bind' on '{}'.",
        column.logical, table.def.logical
    ))
}

/// OData's name of what a column holds.
pub(crate) fn edm_type(kind: &ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Text { .. } | ColumnKind::Memo { .. } => "Edm.String",
        ColumnKind::Integer { .. } | ColumnKind::Choice { .. } => "Edm.Int32",
        ColumnKind::BigInt => "Edm.Int64",
        ColumnKind::Decimal { .. } => "Edm.Decimal",
        ColumnKind::Double => "Edm.Double",
        ColumnKind::Boolean { .. } => "Edm.Boolean",
        ColumnKind::DateTime => "Edm.DateTimeOffset",
        ColumnKind::Guid | ColumnKind::Lookup { .. } => "Edm.Guid",
    }
}

/// The cell that a key value in an address makes in `column`.
///
/// # Errors
/// 400 for a value that the column can't hold, or one in quotes where none belong.
pub(crate) fn key_cell(
    table: &Table,
    column: &Column,
    value: &KeyValue<'_>,
) -> Result<Cell, Fault> {
    let is_text = matches!(
        column.kind,
        ColumnKind::Text { .. } | ColumnKind::Memo { .. }
    );
    let is_id = matches!(column.kind, ColumnKind::Guid | ColumnKind::Lookup { .. });
    match value {
        KeyValue::Quoted(text) | KeyValue::Bare(text) if is_id => path::guid(text).map(Cell::Id),
        KeyValue::Bare(text) if text == "null" => Ok(Cell::Null),
        KeyValue::Quoted(text) if is_text => cell(table, column, Scalar::Text(text.clone())),
        KeyValue::Bare(text) if !is_text => cell(table, column, bare(text)),
        KeyValue::Quoted(text) | KeyValue::Bare(text) => Err(Fault::odata(format!(
            "The key value '{text}' does not fit '{}', which is {}{}.",
            column.logical,
            edm_type(&column.kind),
            if is_text {
                " and needs quotes"
            } else {
                " and takes no quotes"
            },
        ))),
    }
}

fn bare<'a>(text: &'a str) -> Scalar<'a> {
    match text {
        "true" => Scalar::Bool(true),
        "false" => Scalar::Bool(false),
        _ => text
            .parse()
            .map(Scalar::Int)
            .or_else(|_not_whole| text.parse().map(Scalar::Real))
            .unwrap_or(Scalar::Text(Cow::Borrowed(text))),
    }
}
