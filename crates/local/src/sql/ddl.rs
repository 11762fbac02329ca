//! The SQL tables and indexes that a table definition asks for.
//!
//! Names are logical names, which creation restricts to lower-case letters, digits and underscores,
//! behind a prefix that says what the object is: `t_` rows, `k_` key, `i_` index, `v_` versions.

use std::fmt::Write;

use rusqlite::Connection;
use sha2::{Digest, Sha256};
use shraga_wire::fault::Fault;
use shraga_wire::schema::{IndexDef, KeyDef};

use super::{push_column, push_table, sql_type};
use crate::query;
use crate::schema::{Column, Table};

/// Makes the SQL table of `table` with everything its definition asks for.
pub(crate) fn create_table(conn: &Connection, table: &Table) -> Result<(), DdlError> {
    let mut sql = "-- table.create\nCREATE TABLE ".to_owned();
    push_table(&mut sql, &table.def.logical);
    sql.push_str(" (");
    for column in &table.columns {
        push_definition(&mut sql, column);
        sql.push_str(", ");
    }
    sql.push_str("UNIQUE (");
    push_column(&mut sql, &table.def.primary_id);
    sql.push_str(")) STRICT");
    conn.execute_batch(&sql)?;
    for key in &table.def.keys {
        create_key(conn, table, key)?;
    }
    for index in &table.def.indexes {
        create_index(conn, table, index)?;
    }
    if table.def.change_tracking {
        create_version_index(conn, table)?;
    }
    Ok(())
}

fn push_definition(sql: &mut String, column: &Column) {
    push_column(sql, &column.logical);
    sql.push(' ');
    sql.push_str(sql_type(&column.kind));
}

/// Removes the SQL table of `table`, its rows and indexes.
pub(crate) fn drop_table(conn: &Connection, table: &Table) -> Result<(), DdlError> {
    let mut sql = "-- table.drop\nDROP TABLE ".to_owned();
    push_table(&mut sql, &table.def.logical);
    Ok(conn.execute_batch(&sql)?)
}

/// Adds a column, null in every row.
pub(crate) fn add_column(
    conn: &Connection,
    table: &Table,
    column: &Column,
) -> Result<(), DdlError> {
    let mut sql = "-- column.add\nALTER TABLE ".to_owned();
    push_table(&mut sql, &table.def.logical);
    sql.push_str(" ADD COLUMN ");
    push_definition(&mut sql, column);
    Ok(conn.execute_batch(&sql)?)
}

/// Removes a column that no key and no index uses.
pub(crate) fn drop_column(conn: &Connection, table: &Table, logical: &str) -> Result<(), DdlError> {
    let mut sql = "-- column.drop\nALTER TABLE ".to_owned();
    push_table(&mut sql, &table.def.logical);
    sql.push_str(" DROP COLUMN ");
    push_column(&mut sql, logical);
    Ok(conn.execute_batch(&sql)?)
}

/// Makes the index that keeps a key's values unique. Rows with a null among them don't count.
pub(crate) fn create_key(conn: &Connection, table: &Table, key: &KeyDef) -> Result<(), DdlError> {
    let mut sql = "-- key.create\nCREATE UNIQUE INDEX ".to_owned();
    push_key_name(&mut sql, table, &key.logical);
    sql.push_str(" ON ");
    push_table(&mut sql, &table.def.logical);
    let columns = key.columns.iter().map(String::as_str);
    push_columns(&mut sql, columns);
    Ok(conn.execute_batch(&sql)?)
}

/// Removes a key's index.
pub(crate) fn drop_key(conn: &Connection, table: &Table, key: &str) -> Result<(), DdlError> {
    let mut sql = "-- key.drop\nDROP INDEX ".to_owned();
    push_key_name(&mut sql, table, key);
    Ok(conn.execute_batch(&sql)?)
}

fn push_key_name(sql: &mut String, table: &Table, key: &str) {
    sql.push_str("\"k_");
    sql.push_str(&table.def.logical);
    sql.push('.');
    sql.push_str(key);
    sql.push('"');
}

/// Makes an index. The primary key comes last, unless the definition places it, since every order of
/// rows ends with it: times are whole seconds, and without it a page of the thousands of rows of one
/// second would sort them all.
pub(crate) fn create_index(
    conn: &Connection,
    table: &Table,
    index: &IndexDef,
) -> Result<(), DdlError> {
    let mut sql = "-- index.create\nCREATE INDEX ".to_owned();
    push_index_name(&mut sql, table, index);
    sql.push_str(" ON ");
    push_table(&mut sql, &table.def.logical);
    let mut columns = Vec::with_capacity(index.columns.len());
    for wire in &index.columns {
        let column = table.column(wire).ok_or_else(|| unknown(wire))?;
        columns.push(table.columns[column].logical.as_str());
    }
    let primary = table.def.primary_id.as_str();
    if !columns.contains(&primary) {
        columns.push(primary);
    }
    push_columns(&mut sql, columns.into_iter());
    if let Some(rows) = &index.rows {
        sql.push_str(" WHERE ");
        sql.push_str(&query::literal_condition(table, rows)?);
    }
    Ok(conn.execute_batch(&sql)?)
}

/// Removes an index.
pub(crate) fn drop_index(
    conn: &Connection,
    table: &Table,
    index: &IndexDef,
) -> Result<(), DdlError> {
    let mut sql = "-- index.drop\nDROP INDEX IF EXISTS ".to_owned();
    push_index_name(&mut sql, table, index);
    Ok(conn.execute_batch(&sql)?)
}

/// An index has no name of its own: the same definition is the same index.
fn push_index_name(sql: &mut String, table: &Table, index: &IndexDef) {
    let identity = format!("{:?}", (&index.columns, &index.rows));
    let hash = Sha256::digest(identity.as_bytes());
    let short = u64::from_be_bytes(std::array::from_fn(|i| hash[i]));
    sql.push_str("\"i_");
    sql.push_str(&table.def.logical);
    // Writing to a string can't fail.
    let _ = write!(sql, ".{short:016x}\"");
}

/// Makes the index that change tracking reads by.
pub(crate) fn create_version_index(conn: &Connection, table: &Table) -> Result<(), DdlError> {
    let mut sql = "-- index.versions\nCREATE UNIQUE INDEX IF NOT EXISTS \"v_".to_owned();
    sql.push_str(&table.def.logical);
    sql.push_str("\" ON ");
    push_table(&mut sql, &table.def.logical);
    push_columns(&mut sql, std::iter::once("versionnumber"));
    Ok(conn.execute_batch(&sql)?)
}

fn push_columns<'a>(sql: &mut String, columns: impl Iterator<Item = &'a str>) {
    sql.push_str(" (");
    for (i, column) in columns.enumerate() {
        if i > 0 {
            sql.push_str(", ");
        }
        push_column(sql, column);
    }
    sql.push(')');
}

/// Rebuilds every index, after the rules by which text compares changed.
pub(crate) fn rebuild_indexes(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch("-- index.rebuild\nREINDEX")
}

/// Why a definition can't be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DdlError {
    /// The definition is wrong.
    #[error("{0}")]
    Definition(#[from] Fault),
    /// The engine refused.
    #[error("the engine refused")]
    Engine(#[from] rusqlite::Error),
}

fn unknown(wire: &str) -> Fault {
    Fault::invalid_argument(format!(
        "The index names column '{wire}', which doesn't exist."
    ))
}
