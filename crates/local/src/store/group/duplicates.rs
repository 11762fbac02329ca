//! Telling which identity or alternate key a refused row collides with.
//!
//! Only admins are told apart: to everybody else a collision with an identity, a key, a visible and
//! a hidden row looks the same, lest the answer tell of rows hidden from the caller.

use shraga_wire::fault::Fault;
use uuid::Uuid;

use super::Group;
use crate::ops::{Cell, Key, Principal, Role, WriteOp};
use crate::query::Sql;
use crate::schema::Table;
use crate::sql::{self, bind, rows};
use crate::store::failure::Failure;

impl Group<'_> {
    /// What a failed insert means to its caller.
    pub(super) fn insert_failure(
        &self,
        who: &Principal,
        op: &WriteOp,
        id: Uuid,
        cells: &[(usize, Cell)],
        error: rusqlite::Error,
    ) -> Failure {
        if sql::failure(&error) != sql::Failure::Unique {
            return error.into();
        }
        let mut query = Sql::default();
        rows::select(&mut query, &op.table, &[]);
        let taken = query
            .push_key(&op.table, &Key::Id(id))
            .map_err(Failure::from)
            .and_then(|()| self.yields_a_row(who, &query));
        match taken {
            Ok(true) => Fault::duplicate_record().into(),
            Ok(false) => self.update_failure(who, op, id, cells, error),
            Err(failure) => failure,
        }
    }

    /// Finds out which alternate key a write contradicts. Who isn't an admin isn't told, lest the
    /// answer depend on rows hidden from it.
    pub(super) fn update_failure(
        &self,
        who: &Principal,
        op: &WriteOp,
        id: Uuid,
        cells: &[(usize, Cell)],
        error: rusqlite::Error,
    ) -> Failure {
        if sql::failure(&error) != sql::Failure::Unique {
            return error.into();
        }
        if who.role != Role::Admin {
            return Fault::duplicate_record().into();
        }
        match self.contradicted_key(who, &op.table, id, cells) {
            Ok(key) => Fault::duplicate_key(&key).into(),
            Err(failure) => failure,
        }
    }

    fn contradicted_key(
        &self,
        who: &Principal,
        table: &Table,
        id: Uuid,
        cells: &[(usize, Cell)],
    ) -> Result<String, Failure> {
        let current = self.key_cells(table, id)?;
        for (i, (key, columns)) in table.def.keys.iter().zip(table.keys()).enumerate() {
            let values = columns.iter().map(|column| {
                let written = cells.iter().find(|(c, _)| c == column);
                let kept = || current.iter().find(|(c, _)| c == column);
                written
                    .or_else(kept)
                    .map_or(Cell::Null, |(_, cell)| cell.clone())
            });
            let mut query = Sql::default();
            rows::select(&mut query, table, &[]);
            query.push_key(table, &Key::Alternate(i, values.collect()))?;
            if self.yields_a_row(who, &query)? {
                return Ok(key.logical.clone());
            }
        }
        Ok("of the table".to_owned())
    }

    /// The cells of all key columns of a row, as stored.
    fn key_cells(&self, table: &Table, id: Uuid) -> Result<Vec<(usize, Cell)>, Failure> {
        let columns: Vec<usize> = table.keys().iter().flatten().copied().collect();
        let mut query = Sql::default();
        rows::select(&mut query, table, &columns);
        query.push_key(table, &Key::Id(id))?;
        let mut statement = self.conn.prepare_cached(&query.text)?;
        bind(&mut statement, [&Cell::Id(id)])?;
        let mut found = statement.raw_query();
        let mut cells = Vec::with_capacity(columns.len());
        if let Some(row) = found.next()? {
            for (i, &column) in columns.iter().enumerate() {
                cells.push((column, sql::cell(row.get_ref(2 + i)?)));
            }
        }
        Ok(cells)
    }

    /// The refusal to create a row whose alternate key exists already.
    pub(super) fn duplicate_of(&self, who: &Principal, op: &WriteOp) -> Fault {
        match (&op.key, who.role) {
            (Key::Alternate(key, _), Role::Admin) => {
                Fault::duplicate_key(&op.table.def.keys[*key].logical)
            }
            _ => Fault::duplicate_record(),
        }
    }
}
