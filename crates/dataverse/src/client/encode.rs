//! Rows, conditions and questions as this organisation spells them.

use std::io::Write as _;

use shraga_core::ids::UserId;
use shraga_core::row::{Column, Condition, Table, Value};
use shraga_core::time::Timestamp;
use shraga_wire::query::Query;
use uuid::Uuid;

use crate::error::Error;
use crate::names::Names;

/// Where the Web API lives.
pub(super) const API: &str = "/api/data/v9.2/";

/// That a write names a row and, if it is an update, sets something. A row may be made of defaults alone.
///
/// # Errors
/// [`Error::EmptyWrite`], before anything is sent.
pub(super) fn says_something(
    table: Table,
    id: Uuid,
    condition: &Condition,
    cells: &[(Column, Value)],
) -> Result<(), Error> {
    let is_update = *condition != Condition::Absent;
    let lacks = match (id.is_nil(), is_update && cells.is_empty()) {
        (true, _) => "names no row",
        (false, true) => "sets nothing",
        (false, false) => return Ok(()),
    };
    Err(Error::EmptyWrite {
        table: table.name(),
        lacks,
    })
}

/// The path of a table.
pub(super) fn table_path(names: &Names, table: Table) -> String {
    format!("{API}{}", names.set(table))
}

/// The path of a row.
pub(super) fn row_path(names: &Names, table: Table, id: Uuid) -> String {
    format!("{API}{}({id})", names.set(table))
}

/// The path of a question: a table and its query.
pub(super) fn question_path(names: &Names, table: Table, query: &Query) -> String {
    let options = if names.are_default() {
        query.to_query_string()
    } else {
        renamed(names, table, query).to_query_string()
    };
    let mut path = table_path(names, table);
    if !options.is_empty() {
        path.push('?');
        path.push_str(&options);
    }
    path
}

/// The same question with this organisation's column names.
fn renamed(names: &Names, table: Table, query: &Query) -> Query {
    let rename = |column: &str| names.actual(table, column).to_owned();
    let mut query = query.clone();
    for column in &mut query.select {
        *column = rename(column);
    }
    for key in &mut query.order_by {
        key.column = rename(&key.column);
    }
    if let Some(filter) = &mut query.filter {
        filter.rename_columns(&rename);
    }
    query
}

/// A question for some columns of a row or of all rows.
pub(super) fn selecting(columns: &[impl AsRef<str>]) -> Query {
    Query {
        select: columns.iter().map(|c| c.as_ref().to_owned()).collect(),
        ..Query::default()
    }
}

/// The header that a condition is.
pub(super) fn condition(condition: &Condition) -> (&'static str, &str) {
    match condition {
        Condition::Absent => ("If-None-Match", "*"),
        Condition::Version(etag) => ("If-Match", etag.as_str()),
    }
}

/// Writes the body that sets these cells.
pub(super) fn cells(
    out: &mut Vec<u8>,
    names: &Names,
    owner: Option<UserId>,
    cells: &[(Column, Value)],
) {
    out.push(b'{');
    if let Some(owner) = owner {
        put(
            out,
            format_args!("\"ownerid@odata.bind\":\"/systemusers({owner})\""),
        );
    }
    for (i, (column, cell)) in cells.iter().enumerate() {
        if i > 0 || owner.is_some() {
            out.push(b',');
        }
        put(out, format_args!("\"{}\":", names.column(column.name())));
        value(out, cell);
    }
    out.push(b'}');
}

fn value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Text(text) => text_value(out, text),
        Value::Int(number) => put(out, format_args!("{number}")),
        Value::Bool(flag) => put(out, format_args!("{flag}")),
        Value::Time(at) => {
            let at = Timestamp::from_secs(at.as_secs());
            put(out, format_args!("\"{at}\""));
        }
    }
}

fn text_value(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("text is always JSON, and a Vec takes everything");
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a Vec takes everything");
}
