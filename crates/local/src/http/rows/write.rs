//! Writes of one row: create, patch (update, upsert, create-only), delete, single properties, links.

use std::sync::Arc;

use shraga_wire::etag::Tag;
use shraga_wire::fault::Fault;
use shraga_wire::query::Query;
use shraga_wire::schema::ColumnKind;
use uuid::Uuid;

use crate::http::answer::Answer;
use crate::http::base::Base;
use crate::http::call::Call;
use crate::http::path::RowPath;
use crate::http::rows::body::{self, RowBody};
use crate::http::rows::target::{self, Target};
use crate::http::rows::{Context, Planned, read};
use crate::ops::{Cell, Key, Match, Projection, WriteKind, WriteOp, Written};
use crate::schema::{ColumnRole, PRIMARY_ID, Table};

/// How the answer to a write is to look.
#[derive(Clone, Debug)]
pub(crate) struct WriteShape {
    table: Arc<Table>,
    /// The row's address as the request wrote it; otherwise it is told by primary key.
    as_written: Option<String>,
    /// `@odata.context` of the row in the answer, when one is wanted.
    representation: Option<String>,
    applied: Option<String>,
    tells: Tells,
}

/// What an answer tells of what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tells {
    /// Where the row is and its version.
    Row,
    /// Nothing.
    Nothing,
}

/// Plans a create.
///
/// # Errors
/// What is wrong with the request.
pub(crate) fn create(context: Context<'_>, call: &Call<'_>, set: &str) -> Result<Planned, Fault> {
    let table = target::table(context.schema, set)?;
    json_only(call)?;
    let body = body::read(table, call.body)?;
    check_type(table, &body)?;
    let cells = bind(context, table, body.cells, &body.binds)?;
    let key = Key::Id(body.id.unwrap_or_else(Uuid::now_v7));
    let target = Target {
        table: Arc::clone(table),
        key,
    };
    planned(context, call, target, WriteKind::Create, cells)
}

/// Plans a PATCH: what it does depends on its conditions.
///
/// # Errors
/// What is wrong with the request.
pub(crate) fn patch(
    context: Context<'_>,
    call: &Call<'_>,
    row: &RowPath<'_>,
) -> Result<Planned, Fault> {
    let target = target::row(context, row)?;
    json_only(call)?;
    let kind = patch_kind(call)?;
    let body = body::read(&target.table, call.body)?;
    let cells = patch_cells(context, &target, body)?;
    planned(context, call, target, kind, cells)
}

/// The cells of an update or upsert of `target`.
///
/// # Errors
/// 400 for a primary key that isn't the target's, or a bad link.
pub(crate) fn patch_cells(
    context: Context<'_>,
    target: &Target,
    body: RowBody,
) -> Result<Vec<(usize, Cell)>, Fault> {
    check_type(&target.table, &body)?;
    let mut cells = bind(context, &target.table, body.cells, &body.binds)?;
    match (&target.key, body.id) {
        (Key::Id(id), Some(other)) if *id != other => {
            return Err(Fault::invalid_payload(format!(
                "The primary key in the body ({other}) is not the one in the address ({id})."
            )));
        }
        // Only a create takes it; of an existing row the primary key stays.
        (Key::Alternate(..), Some(id)) => cells.push((PRIMARY_ID, Cell::Id(id))),
        (Key::Id(_) | Key::Alternate(..), _) => {}
    }
    Ok(cells)
}

fn patch_kind(call: &Call<'_>) -> Result<WriteKind, Fault> {
    match (call.head.if_match, call.head.if_none_match) {
        (Tag::Absent, Tag::Absent) => Ok(WriteKind::Upsert),
        (Tag::Absent, Tag::Any) => Ok(WriteKind::CreateOnly),
        (Tag::Absent, Tag::Version(_) | Tag::Foreign) => Err(Fault::invalid_argument(
            "If-None-Match of a PATCH can only be `*` (create only).",
        )),
        (tag, Tag::Absent) => Ok(WriteKind::Update(condition(tag))),
        (_, Tag::Any | Tag::Version(_) | Tag::Foreign) => Err(Fault::invalid_argument(
            "If-Match and If-None-Match can't both be given: a row either exists or not.",
        )),
    }
}

/// The version that `If-Match` asks for. A tag that this server never made matches none.
fn condition(tag: Tag) -> Match {
    match tag {
        Tag::Absent | Tag::Any => Match::Any,
        Tag::Version(version) => Match::Version(version),
        Tag::Foreign => Match::Version(i64::MIN),
    }
}

/// Plans a delete.
///
/// # Errors
/// What is wrong with the request.
pub(crate) fn delete(
    context: Context<'_>,
    call: &Call<'_>,
    row: &RowPath<'_>,
) -> Result<Planned, Fault> {
    let target = target::row(context, row)?;
    let kind = WriteKind::Delete(condition(call.head.if_match));
    Ok(quiet(target, kind, Vec::new()))
}

/// What a request says of one property or link of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part<'a> {
    /// A property by name.
    Property(&'a str),
    /// A lookup by its navigation property (`nav/$ref`).
    Link(&'a str),
}

impl Part<'_> {
    fn column(self, table: &Table) -> Result<usize, Fault> {
        match self {
            Self::Property(name) => writable(table, name),
            Self::Link(nav) => body::navigation(table, nav),
        }
    }
}

/// Plans a PUT of one property or link.
///
/// # Errors
/// What is wrong with the request.
pub(crate) fn put(
    context: Context<'_>,
    call: &Call<'_>,
    row: &RowPath<'_>,
    part: Part<'_>,
) -> Result<Planned, Fault> {
    let target = target::row(context, row)?;
    json_only(call)?;
    let column = part.column(&target.table)?;
    let cell = match part {
        Part::Property(_) => body::read_value(&target.table, column, call.body)?,
        Part::Link(_) => {
            let address = body::read_link(call.body)?;
            target::bound(context, &target.table, column, &address)?
        }
    };
    Ok(one_cell(call, target, column, cell))
}

/// Plans a DELETE of one property or link, which clears it.
///
/// # Errors
/// What is wrong with the request.
pub(crate) fn clear(
    context: Context<'_>,
    call: &Call<'_>,
    row: &RowPath<'_>,
    part: Part<'_>,
) -> Result<Planned, Fault> {
    let target = target::row(context, row)?;
    let column = part.column(&target.table)?;
    Ok(one_cell(call, target, column, Cell::Null))
}

fn one_cell(call: &Call<'_>, target: Target, column: usize, cell: Cell) -> Planned {
    let kind = WriteKind::Update(condition(call.head.if_match));
    quiet(target, kind, vec![(column, cell)])
}

fn writable(table: &Table, name: &str) -> Result<usize, Fault> {
    let index = match table.column_by_logical(name) {
        Some(index) => index,
        None => target::column(table, name)?,
    };
    let column = &table.columns[index];
    match column.role {
        ColumnRole::Defined if matches!(column.kind, ColumnKind::Lookup { .. }) => {
            Err(super::cells::use_bind(table, column))
        }
        ColumnRole::Defined => Ok(index),
        ColumnRole::PrimaryId
        | ColumnRole::Owner
        | ColumnRole::CreatedOn
        | ColumnRole::ModifiedOn
        | ColumnRole::CreatedBy
        | ColumnRole::ModifiedBy
        | ColumnRole::Version => Err(Fault::invalid_argument(format!(
            "'{name}' of '{}' can't be written as a single property.",
            table.def.logical
        ))),
    }
}

/// A body must be JSON.
///
/// # Errors
/// 415 for a body that is said to be something else.
pub(crate) fn json_only(call: &Call<'_>) -> Result<(), Fault> {
    if call.head.foreign_body {
        return Err(Fault::new(
            415,
            shraga_wire::fault::codes::INVALID_ARGUMENT,
            "The body must be application/json (file and image columns are not supported).",
        ));
    }
    Ok(())
}

/// `@odata.type`, when given, must be the table's.
fn check_type(table: &Table, body: &RowBody) -> Result<(), Fault> {
    let Some(given) = &body.entity_type else {
        return Ok(());
    };
    let name = given.trim_start_matches('#');
    if name.strip_prefix("Microsoft.Dynamics.CRM.") == Some(table.def.logical.as_str()) {
        return Ok(());
    }
    Err(Fault::invalid_payload(format!(
        "@odata.type '{given}' is not 'Microsoft.Dynamics.CRM.{}'.",
        table.def.logical
    )))
}

/// Adds the lookups of a body to its cells.
///
/// # Errors
/// 400 for an address that can't be the value of its column.
pub(crate) fn bind(
    context: Context<'_>,
    table: &Table,
    mut cells: Vec<(usize, Cell)>,
    binds: &[(usize, String)],
) -> Result<Vec<(usize, Cell)>, Fault> {
    for (column, address) in binds {
        cells.push((*column, target::bound(context, table, *column, address)?));
    }
    Ok(cells)
}

/// A write that answers with where the row is, or with the row itself if preferred.
fn planned(
    context: Context<'_>,
    call: &Call<'_>,
    target: Target,
    kind: WriteKind,
    cells: Vec<(usize, Cell)>,
) -> Result<Planned, Fault> {
    let prefer = &call.head.prefer;
    let mut returning: Option<Projection> = None;
    let mut representation = None;
    if !call.query.is_empty() {
        let query = Query::parse(call.query)?;
        read::only_shape(&query, "a write")?;
        if prefer.representation {
            returning = Some(read::projection(
                &target.table,
                &query,
                prefer.value_annotations(),
            )?);
            representation = Some(representation_url(context, &target.table, &query.select));
        }
    } else if prefer.representation {
        returning = Some(Projection {
            columns: None,
            annotations: prefer.value_annotations(),
        });
        representation = Some(representation_url(context, &target.table, &[]));
    }
    let by_key = matches!(target.key, Key::Alternate(..)) && !call.path.starts_with('$');
    let shape = WriteShape {
        table: Arc::clone(&target.table),
        as_written: by_key.then(|| format!("{}{}", context.base.url(), call.path)),
        applied: representation
            .as_ref()
            .and_then(|_| prefer.applied_to_row()),
        representation,
        tells: Tells::Row,
    };
    let op = WriteOp {
        table: target.table,
        key: target.key,
        kind,
        cells,
        returning,
    };
    Ok(Planned::Write(op, shape))
}

fn representation_url(context: Context<'_>, table: &Table, select: &[String]) -> String {
    format!("{}/$entity", read::row_context_url(context, table, select))
}

/// A write that answers 204 and nothing else.
fn quiet(target: Target, kind: WriteKind, cells: Vec<(usize, Cell)>) -> Planned {
    let shape = WriteShape {
        table: Arc::clone(&target.table),
        as_written: None,
        representation: None,
        applied: None,
        tells: match kind {
            WriteKind::Delete(_) => Tells::Nothing,
            WriteKind::Create
            | WriteKind::CreateOnly
            | WriteKind::Upsert
            | WriteKind::Update(_) => Tells::Row,
        },
    };
    let op = WriteOp {
        table: target.table,
        key: target.key,
        kind,
        cells,
        returning: None,
    };
    Planned::Write(op, shape)
}

impl WriteShape {
    /// The answer to the request, given what the store did.
    pub(crate) fn answer(self, base: &Base, written: Written) -> Answer {
        if self.tells == Tells::Nothing {
            return Answer::no_content();
        }
        if let (Some(context_url), Some(row)) = (&self.representation, &written.row) {
            let status = if written.created { 201 } else { 200 };
            return Answer {
                etag: Some(written.version),
                applied: self.applied,
                ..Answer::json(status, read::with_context(context_url, row))
            };
        }
        let by_id = || format!("{}{}({})", base.url(), self.table.def.set, written.id);
        Answer {
            entity_id: Some(self.as_written.unwrap_or_else(by_id)),
            created: written.created,
            etag: Some(written.version),
            ..Answer::no_content()
        }
    }
}
