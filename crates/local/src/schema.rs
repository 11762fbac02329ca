//! Table definitions compiled for serving: every column a row has, in a fixed order, by name.
//!
//! Columns 0 to 6 of every table are the system ones ([`ColumnRole`] says which), the defined ones
//! follow in definition order. An index into [`Table::columns`] names a column everywhere inside
//! this crate.

use std::collections::HashMap;
use std::sync::Arc;

use shraga_wire::fault::Fault;
use shraga_wire::filter::Literal;
use shraga_wire::schema::{ColumnKind, Ownership, TableDef};

use crate::access::Rights;
use crate::ops::Cell;
use crate::query;

/// All tables at one moment. A change of metadata makes a new one.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    tables: Vec<Arc<Table>>,
    by_set: HashMap<String, usize>,
    by_logical: HashMap<String, usize>,
}

impl Schema {
    /// Compiles `defs`. Names are assumed unique, which creation checks.
    #[must_use]
    pub fn new(defs: Vec<TableDef>) -> Self {
        let tables = defs.into_iter().map(|def| Arc::new(Table::new(def)));
        Self::of(tables.collect())
    }

    /// The same tables but for `table`, which replaces the one of its logical name or is added.
    pub(crate) fn with(&self, table: Table) -> Self {
        let mut tables = self.tables.clone();
        let table = Arc::new(table);
        match self.by_logical.get(&table.def.logical) {
            Some(&index) => tables[index] = table,
            None => tables.push(table),
        }
        Self::of(tables)
    }

    /// The same tables but for the one of this logical name.
    pub(crate) fn without(&self, logical: &str) -> Self {
        let others = self.tables.iter().filter(|t| t.def.logical != logical);
        Self::of(others.cloned().collect())
    }

    fn of(tables: Vec<Arc<Table>>) -> Self {
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
    keys: Vec<Vec<usize>>,
    wake: Vec<usize>,
    required: Vec<usize>,
    printed: Vec<Cell>,
    rights: Rights,
    bars: Option<String>,
    problem: Option<Fault>,
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
        let required = (0..columns.len())
            .filter(|&i| columns[i].required)
            .collect();
        let mut table = Self {
            by_wire: by(|c| &c.wire),
            by_logical: by(|c| &c.logical),
            columns,
            keys: Vec::new(),
            wake: Vec::new(),
            required,
            printed: printed(&def),
            rights: Rights::default(),
            bars: None,
            problem: None,
            def,
        };
        // A definition with a problem is refused at creation; should one get here, it grants
        // nothing to anybody but admins.
        table.problem = table.link().err();
        table
    }

    /// Resolves what the definition names.
    fn link(&mut self) -> Result<(), Fault> {
        let resolve = |names: &[String], by: &HashMap<String, usize>| {
            let missing = |name: &str| Fault::no_column(&self.def.logical, name, None);
            names
                .iter()
                .map(|name| by.get(name).copied().ok_or_else(|| missing(name)))
                .collect::<Result<Vec<_>, _>>()
        };
        let wake = resolve(&self.def.wake, &self.by_wire)?;
        let keys = self.def.keys.iter();
        let keys = keys
            .map(|key| resolve(&key.columns, &self.by_logical))
            .collect::<Result<_, _>>()?;
        for index in &self.def.indexes {
            resolve(&index.columns, &self.by_wire)?;
            if let Some(rows) = &index.rows {
                query::literal_condition(self, rows)?;
            }
        }
        resolve(
            std::slice::from_ref(&self.def.primary_name),
            &self.by_logical,
        )?;
        let rights = Rights::compile(self)?;
        let bars = self.def.access.bars.as_deref();
        let bars = bars.map(|rows| query::literal_condition(self, rows));
        self.bars = bars.transpose()?;
        (self.wake, self.keys, self.rights) = (wake, keys, rights);
        Ok(())
    }

    /// What is wrong with the definition: a name in a rule, key or index that isn't a column's.
    #[must_use]
    pub fn problem(&self) -> Option<&Fault> {
        self.problem.as_ref()
    }

    /// The columns of each alternate key.
    #[must_use]
    pub fn keys(&self) -> &[Vec<usize>] {
        &self.keys
    }

    /// Columns whose values name who is woken by a write of the row.
    pub(crate) fn wake(&self) -> &[usize] {
        &self.wake
    }

    /// Columns a row can't be without.
    #[must_use]
    pub fn required(&self) -> &[usize] {
        &self.required
    }

    /// Whether rows belong to users.
    #[must_use]
    pub fn is_user_owned(&self) -> bool {
        match self.def.ownership {
            Ownership::UserOwned => true,
            Ownership::OrganizationOwned => false,
        }
    }

    /// The navigation property of a lookup column, as `@odata.bind` and annotations name it.
    #[must_use]
    pub fn navigation<'a>(&'a self, column: &'a Column) -> &'a str {
        let defined = self
            .def
            .columns
            .iter()
            .find(|c| c.logical == column.logical);
        defined.map_or(&column.logical, |c| &c.schema)
    }

    /// What users and workers may do.
    pub(crate) fn rights(&self) -> &Rights {
        &self.rights
    }

    /// Whether `cell` is written into conditions on `column` instead of being bound, so that the
    /// planner recognises fitting partial indexes.
    pub(crate) fn prints(&self, column: usize, cell: &Cell) -> bool {
        match cell {
            Cell::Int(_) => {
                let few_values = matches!(
                    self.columns[column].kind,
                    ColumnKind::Boolean { .. } | ColumnKind::Choice { .. }
                );
                few_values || self.printed.contains(cell)
            }
            Cell::Text(_) => self.printed.contains(cell),
            Cell::Null | Cell::Real(_) | Cell::Id(_) => false,
        }
    }

    /// The condition of rows that bar the user whose identity is theirs, without parameters.
    pub(crate) fn bars(&self) -> Option<&str> {
        self.bars.as_deref()
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

/// The values that index conditions of a definition mention.
fn printed(def: &TableDef) -> Vec<Cell> {
    let conditions = def.indexes.iter().filter_map(|index| index.rows.as_deref());
    let literals = conditions.flat_map(query::mentioned);
    literals
        .filter_map(|literal| match literal {
            Literal::Int(n) => Some(Cell::Int(n)),
            Literal::Bool(b) => Some(Cell::Int(i64::from(b))),
            Literal::Text(text) => Some(Cell::Text(text)),
            Literal::Null | Literal::Decimal(_) | Literal::Guid(_) | Literal::DateTime(_) => None,
        })
        .collect()
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
