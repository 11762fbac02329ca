//! Rows as the JSON objects Dataverse answers with, written straight from the database's row.
//!
//! `@odata.etag` comes first, annotations before their value, then the value under its wire name.
//! Statements select primary key and version before the columns asked for (see
//! [`crate::sql::rows::select`]).

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use shraga_wire::schema::ColumnKind;
use uuid::Uuid;

use super::format;
use crate::ops::{Cell, Projection};
use crate::schema::{Column, PRIMARY_ID, Schema, Table};
use crate::sql;

/// Where the selected columns start in a row: after primary key and version.
const FIRST_SELECTED: usize = 2;

/// Writes rows of one read.
pub(super) struct Writer<'a> {
    table: &'a Table,
    projection: &'a Projection,
    columns: Vec<usize>,
    names: Names<'a>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        conn: &'a Connection,
        schema: &'a Schema,
        table: &'a Table,
        projection: &'a Projection,
    ) -> Self {
        let columns = match &projection.columns {
            None => (0..table.columns.len()).collect(),
            Some(columns) if columns.contains(&PRIMARY_ID) => columns.clone(),
            Some(columns) => columns.iter().copied().chain([PRIMARY_ID]).collect(),
        };
        Self {
            table,
            projection,
            columns,
            names: Names {
                conn,
                schema,
                known: Vec::new(),
            },
        }
    }

    /// The columns to select after primary key and version.
    pub(super) fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Writes a row as a JSON object.
    pub(super) fn row(&mut self, row: &Row<'_>, out: &mut Vec<u8>) -> rusqlite::Result<()> {
        out.extend_from_slice(b"{\"@odata.etag\":\"W/\\\"");
        push_int(out, row.get_ref(1)?.as_i64()?);
        out.extend_from_slice(b"\\\"\"");
        for i in 0..self.columns.len() {
            let column = &self.table.columns[self.columns[i]];
            let value = row.get_ref(FIRST_SELECTED + i)?;
            self.annotate(out, column, value)?;
            push_name(out, &column.wire, "");
            push_value(out, &column.kind, value);
        }
        out.push(b'}');
        Ok(())
    }

    fn annotate(
        &mut self,
        out: &mut Vec<u8>,
        column: &Column,
        value: ValueRef<'_>,
    ) -> rusqlite::Result<()> {
        if value == ValueRef::Null {
            return Ok(());
        }
        let wanted = self.projection.annotations;
        let target = match &column.kind {
            ColumnKind::Lookup { target } => Some(target),
            _ => None,
        };
        if wanted.formatted {
            let text = match target {
                Some(target) => self.names.of(target, value)?,
                None => format::value(&column.kind, value),
            };
            if let Some(text) = text {
                push_name(
                    out,
                    &column.wire,
                    "@OData.Community.Display.V1.FormattedValue",
                );
                push_text(out, &text);
            }
        }
        if let (true, Some(target)) = (wanted.lookup, target) {
            push_name(
                out,
                &column.wire,
                "@Microsoft.Dynamics.CRM.associatednavigationproperty",
            );
            push_text(out, self.table.navigation(column));
            push_name(
                out,
                &column.wire,
                "@Microsoft.Dynamics.CRM.lookuplogicalname",
            );
            push_text(out, target);
        }
        Ok(())
    }
}

/// Names of rows that lookups refer to, asked for once per read.
struct Names<'a> {
    conn: &'a Connection,
    schema: &'a Schema,
    known: Vec<((&'a str, Uuid), Option<String>)>,
}

/// How many names of referred rows a read remembers. More makes the search among them slower than
/// asking again.
const NAMES_KEPT: usize = 64;

impl Names<'_> {
    fn of(&mut self, target: &str, value: ValueRef<'_>) -> rusqlite::Result<Option<String>> {
        let Cell::Id(id) = sql::cell(value) else {
            return Ok(None);
        };
        let known = self.known.iter().find(|(key, _)| *key == (target, id));
        if let Some((_, name)) = known {
            return Ok(name.clone());
        }
        let Some(table) = self.schema.by_logical(target) else {
            return Ok(None);
        };
        let mut text = String::new();
        sql::rows::name(&mut text, table);
        let mut statement = self.conn.prepare_cached(&text)?;
        let mut rows = statement.query([&id.as_bytes()[..]])?;
        let name: Option<String> = match rows.next()? {
            Some(row) => row.get(0)?,
            None => None,
        };
        if self.known.len() < NAMES_KEPT {
            let key = (table.def.logical.as_str(), id);
            self.known.push((key, name.clone()));
        }
        Ok(name)
    }
}

fn push_name(out: &mut Vec<u8>, wire: &str, annotation: &str) {
    // Logical names consist of letters, digits and underscores: nothing to escape.
    out.extend_from_slice(b",\"");
    out.extend_from_slice(wire.as_bytes());
    out.extend_from_slice(annotation.as_bytes());
    out.extend_from_slice(b"\":");
}

fn push_value(out: &mut Vec<u8>, kind: &ColumnKind, value: ValueRef<'_>) {
    match (value, kind) {
        (ValueRef::Null, _) => out.extend_from_slice(b"null"),
        (ValueRef::Integer(n), ColumnKind::Boolean { .. }) => {
            out.extend_from_slice(if n == 0 { b"false" } else { b"true" });
        }
        (ValueRef::Integer(n), ColumnKind::DateTime) => {
            out.push(b'"');
            format::push_time(out, n);
            out.push(b'"');
        }
        (ValueRef::Integer(n), _) => push_int(out, n),
        (ValueRef::Real(x), _) => push_json(out, &x),
        (ValueRef::Text(text), _) => push_text(out, &String::from_utf8_lossy(text)),
        (ValueRef::Blob(bytes), _) => push_id(out, bytes),
    }
}

fn push_id(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut buffer = Uuid::encode_buffer();
    let id = Uuid::from_slice(bytes).unwrap_or_default();
    let text = id.hyphenated().encode_lower(&mut buffer);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn push_int(out: &mut Vec<u8>, n: i64) {
    push_json(out, &n);
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    push_json(out, text);
}

fn push_json<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("numbers and text go into memory without fail");
}
