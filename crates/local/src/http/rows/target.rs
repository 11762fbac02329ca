//! Which table, row or column an address means, looked up in the schema.

use std::sync::Arc;

use shraga_wire::fault::{Fault, codes};
use shraga_wire::schema::ColumnKind;

use crate::http::names;
use crate::http::path::{self, KeyText, KeyValue, Resource, RowPath};
use crate::http::rows::Context;
use crate::http::rows::cells;
use crate::ops::{Cell, Key, WriteOp};
use crate::schema::{PRIMARY_ID, Schema, Table};

/// A row of a table.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The table.
    pub(crate) table: Arc<Table>,
    /// The row.
    pub(crate) key: Key,
}

/// Rows written by earlier requests of a change set, by `Content-ID`. Nothing by default.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ContentIds<'c> {
    /// Which write (an index into `ops`) a `Content-ID` names.
    pub(crate) named: &'c [(&'c str, usize)],
    /// The writes planned so far.
    pub(crate) ops: &'c [WriteOp],
}

impl ContentIds<'_> {
    fn get(&self, id: &str) -> Result<Target, Fault> {
        let found = self.named.iter().find(|(known, _)| *known == id);
        let op = found.and_then(|(_, index)| self.ops.get(*index));
        op.map(Target::of).ok_or_else(|| {
            Fault::odata(format!(
                "Content-ID Reference: '${id}' does not exist in the batch context."
            ))
        })
    }
}

impl Target {
    fn of(op: &WriteOp) -> Self {
        Self {
            table: Arc::clone(&op.table),
            key: op.key.clone(),
        }
    }
}

/// The table served under this entity set name.
///
/// # Errors
/// 404 with the nearest known name.
pub(crate) fn table<'s>(schema: &'s Schema, set: &str) -> Result<&'s Arc<Table>, Fault> {
    schema.by_set(set).ok_or_else(|| {
        let known = schema.tables().iter().map(|table| table.def.set.as_str());
        Fault::no_such_resource(set, names::nearest(set, known))
    })
}

/// The row that `row` means.
///
/// # Errors
/// 404 for an unknown set, 400 for a key that is none of the table's.
pub(crate) fn row(context: Context<'_>, row: &RowPath<'_>) -> Result<Target, Fault> {
    match row {
        RowPath::Content(id) => context.ids.get(id),
        RowPath::Keyed(set, key) => {
            let table = table(context.schema, set)?;
            Ok(Target {
                key: table_key(table, key)?,
                table: Arc::clone(table),
            })
        }
    }
}

fn table_key(table: &Table, key: &KeyText<'_>) -> Result<Key, Fault> {
    let parts = match key {
        KeyText::Id(id) => return Ok(Key::Id(*id)),
        KeyText::Named(parts) => parts,
    };
    let columns = parts
        .iter()
        .map(|(name, _)| key_column(table, name))
        .collect::<Result<Vec<_>, _>>()?;
    if let ([PRIMARY_ID], [(_, value)]) = (columns.as_slice(), parts.as_slice()) {
        let (KeyValue::Quoted(text) | KeyValue::Bare(text)) = value;
        return path::guid(text).map(Key::Id);
    }
    let found = table.def.keys.iter().enumerate().find_map(|(index, key)| {
        let wanted: Option<Vec<_>> = key
            .columns
            .iter()
            .map(|logical| {
                let column = table.column_by_logical(logical)?;
                columns.iter().position(|given| *given == column)
            })
            .collect();
        wanted
            .filter(|wanted| wanted.len() == columns.len())
            .map(|wanted| (index, wanted))
    });
    let Some((index, order)) = found else {
        return Err(not_a_key(table));
    };
    let cells = order
        .into_iter()
        .map(|at| cells::key_cell(table, &table.columns[columns[at]], &parts[at].1))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Key::Alternate(index, cells))
}

fn key_column(table: &Table, name: &str) -> Result<usize, Fault> {
    table
        .column_by_logical(name)
        .or_else(|| table.column(name))
        .ok_or_else(|| not_a_key(table))
}

fn not_a_key(table: &Table) -> Fault {
    let keys: Vec<_> = std::iter::once(table.def.primary_id.clone())
        .chain(table.def.keys.iter().map(|key| key.columns.join(", ")))
        .map(|columns| format!("({columns})"))
        .collect();
    Fault::new(
        400,
        codes::ENTITY_KEY_NOT_DEFINED,
        format!(
            "The key in the request URI is not valid for resource 'Microsoft.Dynamics.CRM.{}'. \
             Its keys are {}.",
            table.def.logical,
            keys.join(", ")
        ),
    )
}

/// The column read under this wire name.
///
/// # Errors
/// 400 with the nearest known name.
pub(crate) fn column(table: &Table, name: &str) -> Result<usize, Fault> {
    table.column(name).ok_or_else(|| {
        let known = table.columns.iter().map(|column| column.wire.as_str());
        let by_logical = table.column_by_logical(name);
        let nearest = by_logical
            .map(|index| table.columns[index].wire.as_str())
            .or_else(|| names::nearest(name, known));
        Fault::no_column(&table.def.logical, name, nearest)
    })
}

/// The row that an address in a body refers to, as the value of a lookup column.
///
/// # Errors
/// 400 for an address that isn't one of a row of the column's target table.
pub(crate) fn bound(
    context: Context<'_>,
    from: &Table,
    column: usize,
    address: &str,
) -> Result<Cell, Fault> {
    let column = &from.columns[column];
    let ColumnKind::Lookup { target } = &column.kind else {
        return Err(Fault::odata(format!("'{}' is no lookup.", column.logical)));
    };
    let relative = context.base.relative(address)?;
    let Resource::Row(path) = path::parse(relative)? else {
        return Err(Fault::invalid_payload(format!(
            "'{address}' is not the address of a row, such as /systemusers(guid)."
        )));
    };
    let referred = row(context, &path)?;
    if referred.table.def.logical != *target {
        return Err(Fault::invalid_payload(format!(
            "'{}' of '{}' refers to rows of '{target}', not of '{}'.",
            column.logical, from.def.logical, referred.table.def.logical
        )));
    }
    match referred.key {
        Key::Id(id) => Ok(Cell::Id(id)),
        Key::Alternate(..) => Err(Fault::not_supported(
            "@odata.bind by alternate key (bind by primary key instead)",
        )),
    }
}
