//! Table definitions compiled for serving: every column a row has, in a fixed order, by name.
//!
//! Columns 0 to 6 of every table are the system ones ([`ColumnRole`] says which), the defined ones
//! follow in definition order. An index into [`Table::columns`] names a column everywhere inside
//! this crate.

use std::collections::HashMap;
use std::sync::Arc;

use shraga_wire::schema::{ColumnKind, TableDef};

/// All tables at one moment. A change of metadata makes a new one.
#[derive(Debug, Default)]
pub struct Schema {
    tables: Vec<Arc<Table>>,
    by_set: HashMap<String, usize>,
    by_logical: HashMap<String, usize>,
}

impl Schema {
    /// Compiles `defs`. Names are assumed unique, which creation checks.
    #[must_use]
    pub fn new(defs: Vec<TableDef>) -> Self {
        let tables: Vec<_> = defs
            .into_iter()
            .map(|def| Arc::new(Table::new(def)))
            .collect();
        let by = |name: fn(&TableDef) -> &String| {
            tables
                .iter()
                .enumerate()
                .map(|(i, t)| (name(&t.def).clone(), i))
                .collect()
        };
        Self {
            by_set: by(|def| &def.set),
            by_logical: by(|def| &def.logical),
            tables,
        }
    }

    /// All tables.
    #[must_use]
    pub fn tables(&self) -> &[Arc<Table>] {
        &self.tables
    }

    /// The table served under this entity set name.
    #[must_use]
    pub fn by_set(&self, set: &str) -> Option<&Arc<Table>> {
        self.by_set.get(set).map(|&i| &self.tables[i])
    }

    /// The table with this logical name.
    #[must_use]
    pub fn by_logical(&self, logical: &str) -> Option<&Arc<Table>> {
        self.by_logical.get(logical).map(|&i| &self.tables[i])
    }
}

/// A table, ready to serve.
#[derive(Debug)]
pub struct Table {
    /// Its definition.
    pub def: TableDef,
    /// All columns: the system ones, then the defined ones.
    pub columns: Vec<Column>,
    by_wire: HashMap<String, usize>,
    by_logical: HashMap<String, usize>,
}

/// A column, ready to serve.
#[derive(Clone, Debug)]
pub struct Column {
    /// The name values are read under and filtered by: `cr_name`, `_ownerid_value`.
    pub wire: String,
    /// The logical name: `cr_name`, `ownerid`.
    pub logical: String,
    /// What it holds.
    pub kind: ColumnKind,
    /// What it is for.
    pub role: ColumnRole,
    /// Whether a create must set it.
    pub required: bool,
}

/// What a column is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnRole {
    /// The primary key.
    PrimaryId,
    /// `ownerid`: who owns the row.
    Owner,
    /// `createdon`.
    CreatedOn,
    /// `modifiedon`.
    ModifiedOn,
    /// `createdby`.
    CreatedBy,
    /// `modifiedby`.
    ModifiedBy,
    /// `versionnumber`: raised with every write, what the etag shows.
    Version,
    /// A defined column.
    Defined,
}

/// Index of the primary key column.
pub const PRIMARY_ID: usize = 0;
/// Index of the owner column.
pub const OWNER: usize = 1;
/// Index of the version column.
pub const VERSION: usize = 6;
/// Index of the first defined column.
pub const FIRST_DEFINED: usize = 7;

impl Table {
    /// Compiles a definition.
    #[must_use]
    pub fn new(def: TableDef) -> Self {
        let user = || ColumnKind::Lookup {
            target: "systemuser".to_owned(),
        };
        let system = [
            (
                def.primary_id.as_str(),
                ColumnKind::Guid,
                ColumnRole::PrimaryId,
            ),
            ("ownerid", user(), ColumnRole::Owner),
            ("createdon", ColumnKind::DateTime, ColumnRole::CreatedOn),
            ("modifiedon", ColumnKind::DateTime, ColumnRole::ModifiedOn),
            ("createdby", user(), ColumnRole::CreatedBy),
            ("modifiedby", user(), ColumnRole::ModifiedBy),
            ("versionnumber", ColumnKind::BigInt, ColumnRole::Version),
        ];
        let mut columns: Vec<Column> = system
            .into_iter()
            .map(|(logical, kind, role)| Column::new(logical, kind, role, false))
            .collect();
        columns.extend(
            def.columns
                .iter()
                .map(|c| Column::new(&c.logical, c.kind.clone(), ColumnRole::Defined, c.required)),
        );
        let by = |name: fn(&Column) -> &String| {
            columns
                .iter()
                .enumerate()
                .map(|(i, c)| (name(c).clone(), i))
                .collect()
        };
        Self {
            by_wire: by(|c| &c.wire),
            by_logical: by(|c| &c.logical),
            columns,
            def,
        }
    }

    /// The column read and filtered under this name.
    #[must_use]
    pub fn column(&self, wire: &str) -> Option<usize> {
        self.by_wire.get(wire).copied()
    }

    /// The column with this logical name.
    #[must_use]
    pub fn column_by_logical(&self, logical: &str) -> Option<usize> {
        self.by_logical.get(logical).copied()
    }
}

impl Column {
    fn new(logical: &str, kind: ColumnKind, role: ColumnRole, required: bool) -> Self {
        let wire = match kind {
            ColumnKind::Lookup { .. } => format!("_{logical}_value"),
            _ => logical.to_owned(),
        };
        Self {
            wire,
            logical: logical.to_owned(),
            kind,
            role,
            required,
        }
    }
}
