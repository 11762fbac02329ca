//! Literals of filters as cells of the column they are compared with.

use shraga_wire::fault::Fault;
use shraga_wire::filter::Literal;
use shraga_wire::schema::ColumnKind;
use uuid::Uuid;

use crate::ops::Cell;
use crate::schema::Table;

/// How a column keeps identities: as such, or as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Sixteen bytes.
    Id,
    /// Anything else; identities are written out.
    Plain,
}

impl Form {
    pub(super) fn of(kind: &ColumnKind) -> Self {
        match Family::of(kind) {
            Family::Id => Self::Id,
            Family::Text | Family::Number | Family::Boolean | Family::Time => Self::Plain,
        }
    }

    pub(super) fn shape(self, cell: Cell) -> Cell {
        match (self, cell) {
            (Self::Plain, Cell::Id(id)) => Cell::Text(id.to_string()),
            (_, cell) => cell,
        }
    }
}

/// Kinds of columns whose values compare with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Text,
    Number,
    Boolean,
    Time,
    Id,
}

impl Family {
    fn of(kind: &ColumnKind) -> Self {
        match kind {
            ColumnKind::Text { .. } | ColumnKind::Memo { .. } => Self::Text,
            ColumnKind::Integer { .. }
            | ColumnKind::BigInt
            | ColumnKind::Decimal { .. }
            | ColumnKind::Double
            | ColumnKind::Choice { .. } => Self::Number,
            ColumnKind::Boolean { .. } => Self::Boolean,
            ColumnKind::DateTime => Self::Time,
            ColumnKind::Guid | ColumnKind::Lookup { .. } => Self::Id,
        }
    }
}

/// The column filtered under this name.
pub(super) fn column(table: &Table, wire: &str) -> Result<usize, Fault> {
    table
        .column(wire)
        .ok_or_else(|| Fault::no_column(&table.def.logical, wire, None))
}

/// The text column filtered under this name.
pub(super) fn text_column(table: &Table, wire: &str) -> Result<usize, Fault> {
    let column = column(table, wire)?;
    if Family::of(&table.columns[column].kind) == Family::Text {
        return Ok(column);
    }
    Err(Fault::odata(format!(
        "Column '{wire}' isn't text, so contains, startswith and endswith don't apply to it."
    )))
}

/// Refuses to compare, say, a number with a text.
pub(super) fn check_comparable(table: &Table, a: usize, b: usize) -> Result<(), Fault> {
    let [a, b] = [a, b].map(|column| &table.columns[column]);
    if Family::of(&a.kind) == Family::of(&b.kind) {
        return Ok(());
    }
    Err(Fault::odata(format!(
        "Columns '{}' and '{}' are of kinds that can't be compared.",
        a.wire, b.wire
    )))
}

/// The cell that `column` would hold for this literal.
pub(super) fn cell(table: &Table, column: usize, literal: &Literal) -> Result<Cell, Fault> {
    let column = &table.columns[column];
    convert(Family::of(&column.kind), literal).ok_or_else(|| {
        Fault::odata(format!(
            "Column '{}' of '{}' can't be compared with {literal:?}.",
            column.wire, table.def.logical
        ))
    })
}

/// The cell for a value of a list: those are always texts on the wire, whatever the column holds.
pub(super) fn listed_cell(table: &Table, column: usize, literal: &Literal) -> Result<Cell, Fault> {
    let family = Family::of(&table.columns[column].kind);
    let parsed = match (literal, family) {
        (Literal::Text(text), Family::Number) => number(text),
        (Literal::Text(text), Family::Boolean) => text.parse().ok().map(Literal::Bool),
        _ => None,
    };
    cell(table, column, parsed.as_ref().unwrap_or(literal))
}

fn number(text: &str) -> Option<Literal> {
    let whole = text.parse().ok().map(Literal::Int);
    whole.or_else(|| text.parse().ok().map(Literal::Decimal))
}

fn convert(family: Family, literal: &Literal) -> Option<Cell> {
    match (literal, family) {
        (Literal::Null, _) => Some(Cell::Null),
        (Literal::Text(text), Family::Text) => Some(Cell::Text(text.clone())),
        (Literal::Text(text), Family::Time) => text.parse().ok().map(time),
        (Literal::Text(text), Family::Id) => Uuid::parse_str(text).ok().map(Cell::Id),
        (Literal::Guid(id), Family::Text) => Some(Cell::Text(id.to_string())),
        (Literal::Guid(id), Family::Id) => Some(Cell::Id(*id)),
        (Literal::Int(n), Family::Number) => Some(Cell::Int(*n)),
        (Literal::Int(n @ (0 | 1)), Family::Boolean) => Some(Cell::Int(*n)),
        (Literal::Decimal(x), Family::Number) => Some(Cell::Real(*x)),
        (Literal::Bool(b), Family::Boolean) => Some(Cell::Int(i64::from(*b))),
        (Literal::DateTime(at), Family::Time) => Some(time(*at)),
        (
            Literal::Text(_)
            | Literal::Guid(_)
            | Literal::Int(_)
            | Literal::Decimal(_)
            | Literal::Bool(_)
            | Literal::DateTime(_),
            _,
        ) => None,
    }
}

/// A point in time as a cell: whole where it is whole, with a fraction otherwise, so that both
/// compare rightly with whole seconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "seconds stay far below 2^53, where doubles are exact"
)]
fn time(at: jiff::Timestamp) -> Cell {
    match at.subsec_nanosecond() {
        0 => Cell::Int(at.as_second()),
        nanos => Cell::Real(at.as_second() as f64 + f64::from(nanos) / 1e9),
    }
}
