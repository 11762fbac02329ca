//! Operations as values: what `http/` parses requests into and the store executes.
//!
//! Everything here is checked against the schema already (columns exist, values fit their kind);
//! what depends on rows (existence, version, uniqueness, row security) is left to the store.

use std::sync::Arc;

use shraga_wire::filter::Filter;
use shraga_wire::query::OrderBy;
use uuid::Uuid;

use crate::schema::Table;

/// Who asks, as established by a token or by the process itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The user (`systemusers` row) the caller is.
    pub user: Uuid,
    /// What the caller may do.
    pub role: Role,
    /// For workers: which one, and what its token allows.
    pub worker: Option<WorkerClaim>,
    /// Set when an admin acts for somebody: the admin. `user` is then the impersonated one and
    /// `role` the weaker of the two.
    pub on_behalf_by: Option<Uuid>,
    /// Marks the writer of a change, so that it isn't woken by its own writes.
    pub session: Option<Uuid>,
}

/// What a caller may do. Row security in full: `access/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Own rows.
    User,
    /// Rows assigned to its worker.
    Worker,
    /// The organisation.
    Admin,
}

/// What a worker's token says of it. `None` in a field: not limited by the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerClaim {
    /// Its identity.
    pub id: Uuid,
    /// `shared` or `dedicated`.
    pub pool: String,
    /// The most slots it may offer.
    pub slots: i32,
    /// Comma-separated labels it may carry.
    pub labels: String,
}

/// A cell, as stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// Whole numbers, booleans (0, 1), choices and points in time (seconds since the epoch).
    Int(i64),
    /// Decimals and doubles.
    Real(f64),
    /// Text.
    Text(String),
    /// GUIDs: primary keys, lookups, guid columns.
    Id(Uuid),
}

/// Which row is meant.
#[derive(Clone, Debug, PartialEq)]
pub enum Key {
    /// By primary key.
    Id(Uuid),
    /// By alternate key: its index in [`crate::schema::Table`]'s keys and a cell per key column.
    Alternate(usize, Vec<Cell>),
}

/// A write of one row.
#[derive(Clone, Debug)]
pub struct WriteOp {
    /// The table.
    pub table: Arc<Table>,
    /// The row. Creates without an identity in the body got a new `UUIDv7` from the caller.
    pub key: Key,
    /// What is to happen.
    pub kind: WriteKind,
    /// Columns (index into [`crate::schema::Table`]'s columns) and their new cells. The owner, when
    /// bound, is the cell of the owner column.
    pub cells: Vec<(usize, Cell)>,
    /// The columns to answer with (`Prefer: return=representation`); `None`: no body.
    pub returning: Option<Projection>,
}

/// What a write is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteKind {
    /// `POST`: the row must be new (412 0x80040237 otherwise).
    Create,
    /// `PATCH` with `If-None-Match: *`: create only (412 if it exists).
    CreateOnly,
    /// `PATCH` without condition: update, or create when absent.
    Upsert,
    /// `PATCH` with `If-Match`: update only.
    Update(Match),
    /// `DELETE`.
    Delete(Match),
}

/// The version a row must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// Any (`If-Match: *` or, for deletes, no header); the row must exist (404 otherwise).
    Any,
    /// Exactly this one (412 0x80060882 otherwise).
    Version(i64),
}

/// Writes that happen all or not at all: a single write, or a change set.
#[derive(Clone, Debug, Default)]
pub struct Unit {
    /// The writes, in order.
    pub ops: Vec<WriteOp>,
}

/// What a write did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The row's primary key.
    pub id: Uuid,
    /// Its version after the write (before it, for a delete).
    pub version: i64,
    /// Whether the row is new.
    pub created: bool,
    /// The row as a JSON object with its `@odata.etag`, when it was asked for.
    pub row: Option<Vec<u8>>,
}

/// Which columns to answer with, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Projection {
    /// Indexes of columns; `None`: all. The primary key always comes along.
    pub columns: Option<Vec<usize>>,
    /// Which annotations to add to values.
    pub annotations: Annotations,
}

/// Annotations asked for by `Prefer: odata.include-annotations`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    /// `OData.Community.Display.V1.FormattedValue`.
    pub formatted: bool,
    /// `Microsoft.Dynamics.CRM.lookuplogicalname` and `associatednavigationproperty`.
    pub lookup: bool,
}

/// A read of one row.
#[derive(Clone, Debug)]
pub struct GetOp {
    /// The table.
    pub table: Arc<Table>,
    /// The row.
    pub key: Key,
    /// What to answer with.
    pub projection: Projection,
}

/// A row that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its primary key.
    pub id: Uuid,
    /// Its version.
    pub version: i64,
    /// The JSON object, with `@odata.etag` first.
    pub row: Vec<u8>,
}

/// A read of many rows.
#[derive(Clone, Debug)]
pub struct ListOp {
    /// The table.
    pub table: Arc<Table>,
    /// What to answer with.
    pub projection: Projection,
    /// Which rows; aliases are resolved, columns checked.
    pub filter: Option<Filter>,
    /// In what order; the primary key is always added last.
    pub order_by: Vec<OrderBy>,
    /// At most this many rows in this page.
    pub limit: u32,
    /// Whether a cookie for a next page is wanted when there are more. Only then may a page of long
    /// rows end before the limit.
    pub paged: bool,
    /// Where the page starts: a cookie of an earlier page.
    pub after: Option<PageCookie>,
    /// Whether the number of all matching rows is wanted.
    pub count: bool,
}

/// The last row of a page: the cells of its order columns, then its primary key.
#[derive(Clone, Debug, PartialEq)]
pub struct PageCookie {
    /// One cell per order column.
    pub cells: Vec<Cell>,
    /// The primary key.
    pub id: Uuid,
}

/// A page of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The rows as JSON objects joined by commas, without brackets.
    pub rows: Vec<u8>,
    /// How many rows those are.
    pub len: u32,
    /// Where the next page starts.
    pub next: Option<PageCookie>,
    /// The number of all matching rows, at most 5,001 (5,000 is what the wire may say).
    pub count: Option<u64>,
}

/// A read of what changed in a table since a version (admins only).
#[derive(Clone, Debug)]
pub struct DeltaOp {
    /// The table.
    pub table: Arc<Table>,
    /// What to answer with.
    pub projection: Projection,
    /// Changes after this version.
    pub since: i64,
    /// At most this many entries.
    pub limit: u32,
}

/// Changes of a table, rows first, then deletions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delta {
    /// Changed rows as JSON objects joined by commas.
    pub rows: Vec<u8>,
    /// How many rows those are.
    pub len: u32,
    /// Primary keys of deleted rows.
    pub deleted: Vec<Uuid>,
    /// The version up to which this tells everything.
    pub version: i64,
    /// Whether more than the limit changed, so that another read from `version` is due.
    pub more: bool,
}
