//! The parts of a write that depend on nothing but the operation and the definition.

use rusqlite::types::ValueRef;
use shraga_wire::fault::Fault;
use uuid::Uuid;

use crate::clock;
use crate::ops::{Cell, Key, Match, WriteOp};
use crate::schema::{FIRST_DEFINED, OWNER, PRIMARY_ID, Table};
use crate::store::failure::Failure;

/// The values of defined columns, in order.
pub(super) fn defined(cells: &[(usize, Cell)]) -> impl Iterator<Item = &Cell> {
    let defined = cells.iter().filter(|(column, _)| *column >= FIRST_DEFINED);
    defined.map(|(_, cell)| cell)
}

/// The cells of a row created by alternate key, when they aren't just the operation's: the key's
/// values count unless the body says otherwise.
pub(super) fn with_key(table: &Table, op: &WriteOp) -> Option<Vec<(usize, Cell)>> {
    let Key::Alternate(key, values) = &op.key else {
        return None;
    };
    let mut cells = op.cells.clone();
    for (&column, value) in table.keys().get(*key)?.iter().zip(values) {
        if cells.iter().all(|(c, _)| *c != column) {
            cells.push((column, value.clone()));
        }
    }
    Some(cells)
}

/// The cells an update may set, when they aren't just the operation's: neither system columns but
/// the owner, nor the columns of the key the row was found by.
pub(super) fn settable(table: &Table, op: &WriteOp) -> Option<Vec<(usize, Cell)>> {
    let key: &[usize] = match &op.key {
        Key::Alternate(key, _) => table.keys().get(*key)?,
        Key::Id(_) => &[],
    };
    let may =
        |column: usize| (column == OWNER || column >= FIRST_DEFINED) && !key.contains(&column);
    if op.cells.iter().all(|(column, _)| may(*column)) {
        return None;
    }
    let kept = op.cells.iter().filter(|(column, _)| may(*column));
    Some(kept.cloned().collect())
}

/// The identity of a row about to be created.
pub(super) fn new_row_id(op: &WriteOp, cells: &[(usize, Cell)]) -> Uuid {
    if let Key::Id(id) = op.key {
        return id;
    }
    let given = cells.iter().find(|(column, _)| *column == PRIMARY_ID);
    given
        .and_then(|(_, cell)| identity_of(cell))
        .unwrap_or_else(clock::new_id)
}

/// Refuses a new row without a value it needs.
pub(super) fn check_required(table: &Table, cells: &[(usize, Cell)]) -> Result<(), Failure> {
    for &column in table.required() {
        let given = cells.iter().find(|(c, _)| *c == column);
        if given.is_none_or(|(_, cell)| *cell == Cell::Null) {
            return Err(required(table, column).into());
        }
    }
    Ok(())
}

/// Refuses to take a value away that rows need.
pub(super) fn check_not_cleared(table: &Table, cells: &[(usize, Cell)]) -> Result<(), Failure> {
    for (column, cell) in cells {
        if *cell == Cell::Null && table.columns[*column].required {
            return Err(required(table, *column).into());
        }
    }
    Ok(())
}

fn required(table: &Table, column: usize) -> Fault {
    Fault::invalid_argument(format!(
        "Attribute '{}' of '{}' is required and can't be null.",
        table.columns[column].logical, table.def.logical
    ))
}

/// Refuses a write meant for another version.
pub(super) fn check_version(expected: Match, version: i64) -> Result<(), Failure> {
    match expected {
        Match::Version(wanted) if wanted != version => Err(Fault::version_mismatch().into()),
        Match::Version(_) | Match::Any => Ok(()),
    }
}

/// The refusal of a write to a row that doesn't exist for the caller.
pub(super) fn absent(op: &WriteOp) -> Failure {
    let logical = &op.table.def.logical;
    match &op.key {
        Key::Id(id) => Fault::does_not_exist(logical, *id).into(),
        Key::Alternate(..) => Fault::not_found_by_key(logical).into(),
    }
}

/// The identity a cell holds, be it as text.
pub(super) fn identity_of(cell: &Cell) -> Option<Uuid> {
    match cell {
        Cell::Id(id) => Some(*id),
        Cell::Text(text) => Uuid::parse_str(text).ok(),
        Cell::Null | Cell::Int(_) | Cell::Real(_) => None,
    }
}

/// The identity a stored value holds, be it as text.
pub(super) fn identity(value: ValueRef<'_>) -> Option<Uuid> {
    match value {
        ValueRef::Blob(bytes) => Uuid::from_slice(bytes).ok(),
        ValueRef::Text(text) => Uuid::try_parse_ascii(text).ok(),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => None,
    }
}
