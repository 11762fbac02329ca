//! Changing definitions, inside a transaction of the writer.
//!
//! A change is checked first, then carried out on the SQL tables and on the stored definition, and
//! answered with the schema it leads to. Tables it doesn't touch stay the very same values, so that
//! requests on them go on undisturbed.

mod check;

use rusqlite::Connection;
use shraga_wire::fault::{Fault, codes};
use shraga_wire::schema::{ColumnDef, ColumnKind, KeyDef, TableDef};

use super::failure::Failure;
use super::group::USERS;
use super::types::SchemaChange;
use crate::schema::{Schema, Table};
use crate::sql::ddl::{self, DdlError};
use crate::sql::{self, meta};
use check::{checked, find_column, find_table};

impl From<DdlError> for Failure {
    fn from(error: DdlError) -> Self {
        match error {
            DdlError::Definition(fault) => Self::Refused(fault),
            DdlError::Engine(error) => error.into(),
        }
    }
}

/// Carries out a change. Deltas of new tables start at `version`.
pub(super) fn apply(
    conn: &Connection,
    schema: &Schema,
    change: SchemaChange,
    version: i64,
) -> Result<Schema, Failure> {
    let at = Alteration {
        conn,
        schema,
        version,
    };
    match change {
        SchemaChange::CreateTable(def) => at.create_table(def),
        SchemaChange::CreateTables(defs) => {
            let mut reached = schema.clone();
            for def in defs {
                let at = Alteration {
                    schema: &reached,
                    ..at
                };
                reached = at.create_table(def)?;
            }
            Ok(reached)
        }
        SchemaChange::DropTable { table } => at.drop_table(&table),
        SchemaChange::UpdateTable(def) => at.update_table(&def),
        SchemaChange::AddColumn { table, column } => at.add_column(&table, column),
        SchemaChange::UpdateColumn { table, column } => at.update_column(&table, column),
        SchemaChange::DropColumn { table, column } => at.drop_column(&table, &column),
        SchemaChange::AddKey { table, key } => at.add_key(&table, key),
        SchemaChange::DropKey { table, key } => at.drop_key(&table, &key),
    }
}

/// Brings a stored table up to a newer definition of a table that the program itself brings: adds
/// columns and keys it lacks, and takes over rules, indexes and wake columns. What an admin added
/// stays.
pub(super) fn reconcile(
    conn: &Connection,
    schema: &Schema,
    shipped: TableDef,
    version: i64,
) -> Result<Schema, Failure> {
    let at = Alteration {
        conn,
        schema,
        version,
    };
    let Some(stored) = schema.by_logical(&shipped.logical) else {
        return at.create_table(shipped);
    };
    let mut def = stored.def.clone();
    for column in &shipped.columns {
        match def.columns.iter_mut().find(|c| c.logical == column.logical) {
            None => def.columns.push(column.clone()),
            Some(own) if same_kind(&own.kind, &column.kind) => *own = column.clone(),
            Some(_) => {}
        }
    }
    for key in &shipped.keys {
        if def.keys.iter().all(|k| k.logical != key.logical) {
            def.keys.push(key.clone());
        }
    }
    def.indexes = shipped.indexes;
    def.wake = shipped.wake;
    def.access = shipped.access;
    def.change_tracking |= shipped.change_tracking;
    if def == stored.def {
        return Ok(schema.clone());
    }
    at.replace(stored, def)
}

#[derive(Clone, Copy)]
struct Alteration<'a> {
    conn: &'a Connection,
    schema: &'a Schema,
    version: i64,
}

impl Alteration<'_> {
    fn create_table(&self, def: TableDef) -> Result<Schema, Failure> {
        check::new_table(self.schema, &def)?;
        let table = checked(def)?;
        ddl::create_table(self.conn, &table)?;
        let definition = json(&table.def)?;
        meta::add_table(self.conn, &table.def.logical, &definition, self.version)?;
        Ok(self.schema.with(table))
    }

    fn drop_table(&self, logical: &str) -> Result<Schema, Failure> {
        let table = find_table(self.schema, logical)?;
        if logical == USERS {
            return Err(refused(
                "The table of users is built in and can't be deleted.",
            ));
        }
        ddl::drop_table(self.conn, table)?;
        meta::remove_table(self.conn, logical)?;
        Ok(self.schema.without(logical))
    }

    fn update_table(&self, new: &TableDef) -> Result<Schema, Failure> {
        let table = find_table(self.schema, &new.logical)?;
        let mut def = table.def.clone();
        def.display.clone_from(&new.display);
        def.display_collection.clone_from(&new.display_collection);
        def.change_tracking |= new.change_tracking;
        self.replace(table, def)
    }

    fn add_column(&self, table: &str, column: ColumnDef) -> Result<Schema, Failure> {
        let table = find_table(self.schema, table)?;
        check::new_column(table, &column)?;
        let mut def = table.def.clone();
        def.columns.push(column);
        self.replace(table, def)
    }

    fn update_column(&self, table: &str, column: ColumnDef) -> Result<Schema, Failure> {
        let table = find_table(self.schema, table)?;
        let index = find_column(table, &column.logical)?;
        let mut def = table.def.clone();
        if !same_kind(&def.columns[index].kind, &column.kind) {
            return Err(refused(format!(
                "The kind of column '{}' can't be changed.",
                column.logical
            )));
        }
        def.columns[index] = column;
        self.replace(table, def)
    }

    fn drop_column(&self, table: &str, column: &str) -> Result<Schema, Failure> {
        let table = find_table(self.schema, table)?;
        let index = find_column(table, column)?;
        let mut def = table.def.clone();
        if def
            .keys
            .iter()
            .any(|key| key.columns.iter().any(|c| c == column))
        {
            return Err(refused(format!(
                "Column '{column}' can't be deleted while a key uses it."
            )));
        }
        def.columns.remove(index);
        self.replace(table, def)
    }

    fn add_key(&self, table: &str, key: KeyDef) -> Result<Schema, Failure> {
        let table = find_table(self.schema, table)?;
        check::new_key(table, &key)?;
        let mut def = table.def.clone();
        def.keys.push(key);
        self.replace(table, def)
    }

    fn drop_key(&self, table: &str, key: &str) -> Result<Schema, Failure> {
        let table = find_table(self.schema, table)?;
        let mut def = table.def.clone();
        let before = def.keys.len();
        def.keys.retain(|k| k.logical != key);
        if def.keys.len() == before {
            let message = format!("Table '{}' has no key '{key}'.", def.logical);
            return Err(Fault::new(404, codes::ENTITY_KEY_NOT_DEFINED, message).into());
        }
        self.replace(table, def)
    }

    /// Takes a table from its definition to `def`: what only the old one has goes, what only the new
    /// one has comes.
    fn replace(&self, old: &Table, def: TableDef) -> Result<Schema, Failure> {
        let conn = self.conn;
        let new = checked(def)?;
        for index in only_in(&old.def.indexes, &new.def.indexes) {
            ddl::drop_index(conn, old, index)?;
        }
        for key in only_in(&old.def.keys, &new.def.keys) {
            ddl::drop_key(conn, old, &key.logical)?;
        }
        for column in &old.def.columns {
            if new.column_by_logical(&column.logical).is_none() {
                ddl::drop_column(conn, old, &column.logical)?;
            }
        }
        for column in &new.columns {
            if old.column_by_logical(&column.logical).is_none() {
                ddl::add_column(conn, &new, column)?;
            }
        }
        for key in only_in(&new.def.keys, &old.def.keys) {
            create_key(conn, &new, key)?;
        }
        for index in only_in(&new.def.indexes, &old.def.indexes) {
            ddl::create_index(conn, &new, index)?;
        }
        if new.def.change_tracking && !old.def.change_tracking {
            ddl::create_version_index(conn, &new)?;
            // Deletions before now left no trace.
            meta::set_delta_floor(conn, &new.def.logical, self.version)?;
        }
        meta::set_table(conn, &new.def.logical, &json(&new.def)?)?;
        Ok(self.schema.with(new))
    }
}

fn create_key(conn: &Connection, table: &Table, key: &KeyDef) -> Result<(), Failure> {
    let made = ddl::create_key(conn, table, key);
    if let Err(DdlError::Engine(error)) = &made
        && sql::failure(error) == sql::Failure::Unique
    {
        let message = format!(
            "Key '{}' can't be added to '{}': rows share the same values. Make them unique first.",
            key.logical, table.def.logical
        );
        return Err(Fault::new(400, codes::DUPLICATE_RECORD_ENTITY_KEY, message).into());
    }
    Ok(made?)
}

fn only_in<'a, T: PartialEq>(these: &'a [T], those: &'a [T]) -> impl Iterator<Item = &'a T> {
    these.iter().filter(|item| !those.contains(item))
}

/// Whether values of one kind are stored like those of the other: they differ in limits only.
fn same_kind(a: &ColumnKind, b: &ColumnKind) -> bool {
    let text =
        |kind: &ColumnKind| matches!(kind, ColumnKind::Text { .. } | ColumnKind::Memo { .. });
    let same_target = match (a, b) {
        (ColumnKind::Lookup { target: a }, ColumnKind::Lookup { target: b }) => a == b,
        _ => true,
    };
    same_target && (std::mem::discriminant(a) == std::mem::discriminant(b) || (text(a) && text(b)))
}

fn json(def: &TableDef) -> Result<String, Fault> {
    serde_json::to_string(def)
        .map_err(|e| Fault::unexpected(format!("The definition can't be stored: {e}")))
}

fn refused(message: impl Into<String>) -> Failure {
    Failure::Refused(Fault::invalid_argument(message))
}
