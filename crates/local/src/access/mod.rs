//! Row security: what users and workers may see and change. Admins may do everything.
//!
//! Every read and write passes here, below every endpoint. A row outside the caller's `read`
//! condition doesn't exist for it: it is absent from lists, counts, key lookups, upserts and version
//! checks alike. Rights come from the table's definition; a definition that can't be understood
//! grants nothing. Who the caller is was settled before (tokens).

use shraga_wire::fault::{Fault, codes};
use shraga_wire::schema::{Grant, WriteRule};

use crate::ops::{Cell, Principal, Role};
use crate::query::{self, Sql};
use crate::schema::{PRIMARY_ID, Table};

/// The rights of users and workers on a table, compiled.
#[derive(Debug, Default)]
pub(crate) struct Rights {
    user: RoleRights,
    worker: RoleRights,
}

/// What one role may do.
#[derive(Debug, Default)]
struct RoleRights {
    read: Option<Sql>,
    create: Option<Rule>,
    update: Option<Rule>,
    delete: Option<Sql>,
}

/// A right to write.
#[derive(Debug)]
pub(crate) struct Rule {
    rows: Option<Sql>,
    check: Option<Sql>,
    columns: Vec<Writable>,
}

#[derive(Debug)]
struct Writable {
    column: usize,
    values: Vec<i32>,
}

impl Rights {
    /// Compiles the access rules of a table.
    ///
    /// # Errors
    /// 400 for a condition that can't be parsed or doesn't fit the table.
    pub(crate) fn compile(table: &Table) -> Result<Self, Fault> {
        Ok(Self {
            user: RoleRights::compile(table, &table.def.access.user)?,
            worker: RoleRights::compile(table, &table.def.access.worker)?,
        })
    }
}

impl RoleRights {
    fn compile(table: &Table, grant: &Grant) -> Result<Self, Fault> {
        Ok(Self {
            read: condition(table, grant.read.as_deref())?,
            create: Rule::compile(table, grant.create.as_ref())?,
            update: Rule::compile(table, grant.update.as_ref())?,
            delete: condition(table, grant.delete.as_deref())?,
        })
    }
}

impl Rule {
    fn compile(table: &Table, rule: Option<&WriteRule>) -> Result<Option<Self>, Fault> {
        let Some(rule) = rule else {
            return Ok(None);
        };
        let mut columns = Vec::with_capacity(rule.columns.len());
        for writable in &rule.columns {
            let column = table
                .column_by_logical(&writable.name)
                .ok_or_else(|| Fault::no_column(&table.def.logical, &writable.name, None))?;
            columns.push(Writable {
                column,
                values: writable.values.clone(),
            });
        }
        Ok(Some(Self {
            rows: condition(table, rule.rows.as_deref())?,
            check: condition(table, rule.check.as_deref())?,
            columns,
        }))
    }
}

fn condition(table: &Table, text: Option<&str>) -> Result<Option<Sql>, Fault> {
    text.map(|text| query::rule(table, text)).transpose()
}

/// What a caller may do with a table.
#[derive(Clone, Copy)]
pub(crate) struct Gate<'a> {
    table: &'a Table,
    /// `None` for admins, who pass.
    rights: Option<&'a RoleRights>,
}

/// A right to create or update that the caller has.
#[derive(Clone, Copy)]
pub(crate) enum Permit<'a> {
    /// Any row, any column.
    Everything,
    /// What the rule says.
    Within(&'a Rule),
}

impl<'a> Gate<'a> {
    /// The gate of `table` for `who`.
    pub(crate) fn new(table: &'a Table, who: &Principal) -> Self {
        let rights = match who.role {
            Role::Admin => None,
            Role::User => Some(&table.rights().user),
            Role::Worker => Some(&table.rights().worker),
        };
        Self { table, rights }
    }

    /// Adds ` AND` and the condition of the rows that exist for the caller.
    pub(crate) fn push_visible(&self, out: &mut Sql) {
        let Some(rights) = self.rights else {
            return;
        };
        out.text.push_str(" AND ");
        match &rights.read {
            Some(read) => out.push(read),
            None => out.text.push_str("FALSE"),
        }
    }

    /// The right to create.
    ///
    /// # Errors
    /// 403 without it.
    pub(crate) fn create(&self) -> Result<Permit<'a>, Fault> {
        self.permit("Create", |rights| rights.create.as_ref())
    }

    /// The right to update.
    ///
    /// # Errors
    /// 403 without it.
    pub(crate) fn update(&self) -> Result<Permit<'a>, Fault> {
        self.permit("Write", |rights| rights.update.as_ref())
    }

    fn permit(
        &self,
        privilege: &str,
        rule: impl FnOnce(&'a RoleRights) -> Option<&'a Rule>,
    ) -> Result<Permit<'a>, Fault> {
        let Some(rights) = self.rights else {
            return Ok(Permit::Everything);
        };
        match rule(rights) {
            Some(rule) => Ok(Permit::Within(rule)),
            None => Err(self.denied(privilege)),
        }
    }

    /// The condition of rows the caller may delete; `None`: all.
    ///
    /// # Errors
    /// 403 if there are none.
    pub(crate) fn delete(&self) -> Result<Option<&'a Sql>, Fault> {
        let Some(rights) = self.rights else {
            return Ok(None);
        };
        match &rights.delete {
            Some(rows) => Ok(Some(rows)),
            None => Err(self.denied("Delete")),
        }
    }

    /// The refusal of what the caller's role may never do with this table, or not with this row.
    pub(crate) fn denied(&self, privilege: &str) -> Fault {
        Fault::privilege_denied(format!(
            "The caller lacks the {privilege} privilege on this record of '{}'.",
            self.table.def.logical
        ))
    }

    /// Refuses columns and values outside the permit. Anybody who may create may choose the identity.
    ///
    /// # Errors
    /// 403 naming the column.
    pub(crate) fn check_columns(
        &self,
        permit: Permit<'_>,
        cells: &[(usize, Cell)],
    ) -> Result<(), Fault> {
        let Permit::Within(rule) = permit else {
            return Ok(());
        };
        for (column, cell) in cells.iter().filter(|(c, _)| *c != PRIMARY_ID) {
            let name = &self.table.columns[*column].logical;
            let Some(writable) = rule.columns.iter().find(|w| w.column == *column) else {
                return Err(refused(format!("The caller may not set column '{name}'.")));
            };
            if !writable.allows(cell) {
                return Err(refused(format!(
                    "The caller may set column '{name}' to one of {:?} only.",
                    writable.values
                )));
            }
        }
        Ok(())
    }

    /// The refusal of a row that a `check` doesn't allow.
    pub(crate) fn unchecked(&self) -> Fault {
        refused(format!(
            "The caller may not leave a record of '{}' like this.",
            self.table.def.logical
        ))
    }
}

fn refused(message: String) -> Fault {
    Fault::new(403, codes::INVALID_ACCESS_RIGHTS, message)
}

impl<'a> Permit<'a> {
    /// The condition a row must meet before the write.
    pub(crate) fn rows(self) -> Option<&'a Sql> {
        match self {
            Self::Everything => None,
            Self::Within(rule) => rule.rows.as_ref(),
        }
    }

    /// The condition a row must meet after the write.
    pub(crate) fn check(self) -> Option<&'a Sql> {
        match self {
            Self::Everything => None,
            Self::Within(rule) => rule.check.as_ref(),
        }
    }
}

impl Writable {
    fn allows(&self, cell: &Cell) -> bool {
        self.values.is_empty()
            || match cell {
                Cell::Int(n) => self.values.iter().any(|&value| i64::from(value) == *n),
                Cell::Null | Cell::Real(_) | Cell::Text(_) | Cell::Id(_) => false,
            }
    }
}

/// Refuses everybody but admins.
///
/// # Errors
/// 403 naming what was asked for.
pub(crate) fn admins_only(who: &Principal, what: &str) -> Result<(), Fault> {
    match who.role {
        Role::Admin => Ok(()),
        Role::User | Role::Worker => Err(Fault::privilege_denied(format!(
            "Only an admin may {what}."
        ))),
    }
}
