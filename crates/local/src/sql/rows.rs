//! Statements on rows of user tables, written into a buffer that callers reuse.
//!
//! The order of question marks is part of each function's contract. Texts with the same table,
//! columns and conditions are equal, so that prepared statements are found again.

use std::fmt::Write;

use super::{push_column, push_table};
use shraga_wire::fault::{Fault, codes};

use crate::ops::{Cell, Key};
use crate::query::Sql;
use crate::schema::{FIRST_DEFINED, PRIMARY_ID, Table, VERSION};

/// Inserts a row. Parameters: the system columns in order, then those `cells` that are of defined
/// columns.
pub(crate) fn insert(out: &mut String, table: &Table, cells: &[(usize, Cell)]) {
    out.clear();
    out.push_str("-- row.insert\nINSERT INTO ");
    push_table(out, &table.def.logical);
    out.push_str(" (");
    for column in &table.columns[..FIRST_DEFINED] {
        push_column(out, &column.logical);
        out.push_str(", ");
    }
    out.truncate(out.len() - 2);
    let mut marks = FIRST_DEFINED;
    for (column, _) in cells.iter().filter(|(column, _)| *column >= FIRST_DEFINED) {
        out.push_str(", ");
        push_column(out, &table.columns[*column].logical);
        marks += 1;
    }
    out.push_str(") VALUES (?");
    for _ in 1..marks {
        out.push_str(", ?");
    }
    out.push(')');
}

/// Updates a row. Parameters: `cells`, modified on, modified by, version, primary key.
pub(crate) fn update(out: &mut String, table: &Table, cells: &[(usize, Cell)]) {
    out.clear();
    out.push_str("-- row.update\nUPDATE ");
    push_table(out, &table.def.logical);
    out.push_str(" SET ");
    for (column, _) in cells {
        push_column(out, &table.columns[*column].logical);
        out.push_str(" = ?, ");
    }
    out.push_str("\"modifiedon\" = ?, \"modifiedby\" = ?, \"versionnumber\" = ? WHERE ");
    push_column(out, &table.def.primary_id);
    out.push_str(" = ?");
}

/// Deletes a row. Parameter: its primary key.
pub(crate) fn delete(out: &mut String, table: &Table) {
    out.clear();
    out.push_str("-- row.delete\nDELETE FROM ");
    push_table(out, &table.def.logical);
    out.push_str(" WHERE ");
    push_column(out, &table.def.primary_id);
    out.push_str(" = ?");
}

/// Begins a read of a row before it is written: primary key, version, `columns`, then whether
/// `rows` holds. Where it reads is left to be added.
pub(crate) fn look(out: &mut Sql, table: &Table, columns: &[usize], rows: Option<&Sql>) {
    out.text.push_str("-- row.look\nSELECT ");
    push_column(&mut out.text, &table.def.primary_id);
    out.text.push_str(", \"versionnumber\"");
    for &column in columns {
        out.text.push_str(", ");
        push_column(&mut out.text, &table.columns[column].logical);
    }
    if let Some(rows) = rows {
        out.text.push_str(", (");
        out.push(rows);
        out.text.push_str(") IS TRUE");
    }
    push_from(out, table);
}

/// Begins a read of `columns` after primary key and version. Where it reads is left to be added.
pub(crate) fn select(out: &mut Sql, table: &Table, columns: &[usize]) {
    out.text.push_str("-- row.select\nSELECT ");
    for (i, &column) in [PRIMARY_ID, VERSION].iter().chain(columns).enumerate() {
        if i > 0 {
            out.text.push_str(", ");
        }
        push_column(&mut out.text, &table.columns[column].logical);
    }
    push_from(out, table);
}

fn push_from(out: &mut Sql, table: &Table) {
    out.text.push_str(" FROM ");
    push_table(&mut out.text, &table.def.logical);
    out.text.push_str(" WHERE ");
}

/// Begins a read that yields a row if one meets `condition`.
pub(crate) fn holds(out: &mut Sql, table: &Table, condition: &Sql) {
    out.text.push_str("-- row.holds\nSELECT 1");
    push_from(out, table);
    out.push(condition);
}

impl Sql {
    /// Adds the condition that a row is the one `key` means.
    ///
    /// # Errors
    /// 400 if the table has no such key.
    pub(crate) fn push_key(&mut self, table: &Table, key: &Key) -> Result<(), Fault> {
        match key {
            Key::Id(id) => {
                push_column(&mut self.text, &table.def.primary_id);
                self.text.push_str(" = ");
                self.push_cell(Cell::Id(*id));
            }
            Key::Alternate(key, values) => {
                let columns = table.keys().get(*key).filter(|c| c.len() == values.len());
                let columns = columns.ok_or_else(|| no_key(table))?;
                for (i, (&column, value)) in columns.iter().zip(values).enumerate() {
                    if i > 0 {
                        self.text.push_str(" AND ");
                    }
                    push_column(&mut self.text, &table.columns[column].logical);
                    self.text.push_str(" = ");
                    self.push_cell(value.clone());
                }
            }
        }
        Ok(())
    }
}

fn no_key(table: &Table) -> Fault {
    let message = format!("Table '{}' has no such alternate key.", table.def.logical);
    Fault::new(400, codes::ENTITY_KEY_NOT_DEFINED, message)
}

/// Adds a limit.
pub(crate) fn push_limit(out: &mut Sql, limit: u64) {
    out.text.push_str(" LIMIT ");
    out.push_cell(Cell::Int(i64::try_from(limit).unwrap_or(i64::MAX)));
}

/// Counts the rows that meet `condition`, at most `cap` when given.
pub(crate) fn count(table: &Table, condition: &Sql, cap: Option<u64>) -> Sql {
    let mut out = Sql::default();
    let Some(cap) = cap else {
        out.text.push_str("-- row.count\nSELECT count(*)");
        push_from(&mut out, table);
        out.push(condition);
        return out;
    };
    out.text
        .push_str("-- row.count\nSELECT count(*) FROM (SELECT 1");
    push_from(&mut out, table);
    out.push(condition);
    push_limit(&mut out, cap);
    out.text.push_str(") AS matching");
    out
}

/// The value of a table's primary name column. Parameter: the primary key.
pub(crate) fn name(out: &mut String, table: &Table) {
    out.push_str("-- row.name\nSELECT ");
    push_column(out, &table.def.primary_name);
    out.push_str(" FROM ");
    push_table(out, &table.def.logical);
    out.push_str(" WHERE ");
    push_column(out, &table.def.primary_id);
    out.push_str(" = ?");
}

/// Identities of rows whose column equals a value. Parameter: the value.
pub(crate) fn ids_where(table: &Table, column: &str) -> String {
    let mut out = "-- row.ids\nSELECT ".to_owned();
    push_column(&mut out, &table.def.primary_id);
    out.push_str(" FROM ");
    push_table(&mut out, &table.def.logical);
    // Writing to a string can't fail.
    let _ = write!(out, " WHERE \"{column}\" = ?");
    out
}

/// A column of the row with an identity. Parameter: the identity.
pub(crate) fn column_of(table: &Table, column: &str) -> String {
    let mut out = "-- row.column\nSELECT ".to_owned();
    push_column(&mut out, column);
    out.push_str(" FROM ");
    push_table(&mut out, &table.def.logical);
    // Writing to a string can't fail.
    let _ = write!(out, " WHERE \"{}\" = ?", table.def.primary_id);
    out
}

/// Identities of users that rows of the table bar; `None` when its rows bar nobody.
pub(crate) fn barred(table: &Table) -> Option<String> {
    let bars = table.bars()?;
    let mut out = "-- row.barred\nSELECT ".to_owned();
    push_column(&mut out, &table.def.primary_id);
    out.push_str(" FROM ");
    push_table(&mut out, &table.def.logical);
    out.push_str(" WHERE ");
    out.push_str(bars);
    Some(out)
}

/// Adds the condition that a row changed after version `since`.
pub(crate) fn push_since(out: &mut Sql, since: i64) {
    out.text.push_str("\"versionnumber\" > ");
    out.push_cell(Cell::Int(since));
}
