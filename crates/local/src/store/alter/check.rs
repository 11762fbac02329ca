//! What a definition must be like.

use std::sync::Arc;

use shraga_wire::fault::{Fault, codes};
use shraga_wire::schema::{ColumnDef, ColumnKind, KeyDef, TableDef};

use crate::schema::{FIRST_DEFINED, Schema, Table};

/// The longest logical name, in characters. Dataverse allows 128 for tables and columns alike.
const NAME_MAX: usize = 128;

/// The most columns a table may define. The engine's own limit is 2,000, system columns included.
const COLUMNS_MAX: usize = 1_000;

/// The most alternate keys a table may have, as in Dataverse.
const KEYS_MAX: usize = 10;

/// The most columns a key may have, as in Dataverse.
const KEY_COLUMNS_MAX: usize = 16;

/// Names the engine keeps for itself.
const RESERVED: [&str; 3] = ["rowid", "oid", "_rowid_"];

pub(super) fn find_table<'a>(schema: &'a Schema, logical: &str) -> Result<&'a Arc<Table>, Fault> {
    schema.by_logical(logical).ok_or_else(|| {
        let message = format!("The entity with a name = '{logical}' was not found.");
        Fault::new(404, codes::NO_ENTITY, message)
    })
}

/// The index of a defined column within its definition.
pub(super) fn find_column(table: &Table, logical: &str) -> Result<usize, Fault> {
    let position = table.def.columns.iter().position(|c| c.logical == logical);
    position.ok_or_else(|| {
        let message = match table.column_by_logical(logical) {
            Some(_) => format!("'{logical}' is a system column and can't be changed."),
            None => format!("'{}' has no attribute '{logical}'.", table.def.logical),
        };
        Fault::new(404, codes::NO_ATTRIBUTE, message)
    })
}

/// Compiles a definition, refusing one whose rules, keys or indexes name what isn't there.
pub(super) fn checked(def: TableDef) -> Result<Table, Fault> {
    let table = Table::new(def);
    match table.problem() {
        None => Ok(table),
        Some(fault) => Err(fault.clone()),
    }
}

pub(super) fn new_table(schema: &Schema, def: &TableDef) -> Result<(), Fault> {
    name(&def.logical)?;
    name(&def.primary_id)?;
    if !def
        .set
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_')
        || def.set.is_empty()
    {
        return Err(bad_name(&def.set));
    }
    if schema.by_logical(&def.logical).is_some() || schema.by_set(&def.set).is_some() {
        return Err(Fault::invalid_argument(format!(
            "A table with the name '{}' or the set name '{}' exists already.",
            def.logical, def.set
        )));
    }
    if def.columns.len() > COLUMNS_MAX {
        return Err(too_many_columns());
    }
    let bare = Table::new(TableDef {
        columns: Vec::new(),
        ..def.clone()
    });
    for (i, column) in def.columns.iter().enumerate() {
        column_name(&bare, column)?;
        if def.columns[..i].iter().any(|c| c.logical == column.logical) {
            return Err(column_exists(&column.logical));
        }
    }
    let whole = Table::new(def.clone());
    for (i, key) in def.keys.iter().enumerate() {
        key_columns(&whole, key)?;
        if def.keys[..i].iter().any(|k| k.logical == key.logical) {
            return Err(key_exists(&key.logical));
        }
    }
    Ok(())
}

pub(super) fn new_column(table: &Table, column: &ColumnDef) -> Result<(), Fault> {
    if table.def.columns.len() >= COLUMNS_MAX {
        return Err(too_many_columns());
    }
    column_name(table, column)
}

fn column_name(table: &Table, column: &ColumnDef) -> Result<(), Fault> {
    name(&column.logical)?;
    if RESERVED.contains(&column.logical.as_str()) {
        return Err(Fault::new(
            400,
            codes::INVALID_SCHEMA_NAME,
            format!("The name '{}' is reserved.", column.logical),
        ));
    }
    match table.column_by_logical(&column.logical) {
        Some(_) => Err(column_exists(&column.logical)),
        None => Ok(()),
    }
}

pub(super) fn new_key(table: &Table, key: &KeyDef) -> Result<(), Fault> {
    if table.def.keys.len() >= KEYS_MAX {
        return Err(Fault::invalid_argument(format!(
            "A table may have {KEYS_MAX} keys at most."
        )));
    }
    if table.def.keys.iter().any(|k| k.logical == key.logical) {
        return Err(key_exists(&key.logical));
    }
    key_columns(table, key)
}

fn key_columns(table: &Table, key: &KeyDef) -> Result<(), Fault> {
    name(&key.logical)?;
    if key.columns.is_empty() || key.columns.len() > KEY_COLUMNS_MAX {
        return Err(Fault::invalid_argument(format!(
            "A key has 1 to {KEY_COLUMNS_MAX} columns."
        )));
    }
    for (i, logical) in key.columns.iter().enumerate() {
        let column = table
            .column_by_logical(logical)
            .ok_or_else(|| Fault::no_column(&table.def.logical, logical, None))?;
        let repeated = key.columns[..i].contains(logical);
        if repeated || column < FIRST_DEFINED || !fits_key(&table.columns[column].kind) {
            return Err(Fault::invalid_argument(format!(
                "Column '{logical}' can't be part of key '{}'.",
                key.logical
            )));
        }
    }
    Ok(())
}

/// The kinds Dataverse allows in keys, and GUIDs.
fn fits_key(kind: &ColumnKind) -> bool {
    match kind {
        ColumnKind::Text { .. }
        | ColumnKind::Integer { .. }
        | ColumnKind::Decimal { .. }
        | ColumnKind::DateTime
        | ColumnKind::Choice { .. }
        | ColumnKind::Guid
        | ColumnKind::Lookup { .. } => true,
        ColumnKind::Memo { .. }
        | ColumnKind::BigInt
        | ColumnKind::Double
        | ColumnKind::Boolean { .. } => false,
    }
}

/// Logical names go into SQL as identifiers: nothing else may.
fn name(logical: &str) -> Result<(), Fault> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let starts = logical
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_lowercase());
    if starts && logical.bytes().all(fits) && logical.len() <= NAME_MAX {
        return Ok(());
    }
    Err(bad_name(logical))
}

fn bad_name(name: &str) -> Fault {
    Fault::new(
        400,
        codes::INVALID_SCHEMA_NAME,
        format!(
            "'{name}' is no valid name: lower-case letters, digits and underscores, a letter \
             first, {NAME_MAX} characters at most."
        ),
    )
}

fn too_many_columns() -> Fault {
    Fault::invalid_argument(format!("A table may have {COLUMNS_MAX} columns at most."))
}

fn column_exists(logical: &str) -> Fault {
    let message = format!("An attribute with the name '{logical}' exists already.");
    Fault::new(400, codes::DUPLICATE_ATTRIBUTE_SCHEMA_NAME, message)
}

fn key_exists(logical: &str) -> Fault {
    let message = format!("A key with the name '{logical}' exists already.");
    Fault::new(400, codes::ENTITY_KEY_NAME_EXISTS, message)
}
