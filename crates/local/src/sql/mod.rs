//! Every SQL statement of the store, and the little that is particular to SQLite.
//!
//! One file per concern; statements open with `-- name`. Callers hold values and rows, never SQL
//! text, except for conditions, which `query/` writes in the portable subset: comparison, `IN`,
//! `IS [NOT] NULL`, `IS [NOT] DISTINCT FROM`, `IS NOT TRUE`, and the functions named here. What
//! another engine would do differently (types, collation, upserts, pragmas, limits) is in here.

pub(crate) mod ddl;
pub(crate) mod meta;
mod migrations;
pub(crate) mod rows;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, Statement, ToSql};
use shraga_wire::schema::ColumnKind;
use uuid::Uuid;

use crate::clock::monotonic_ms;
use crate::fold::{self, Place};
use crate::ops::Cell;

pub(crate) use migrations::{KNOWN, migrate, stored_version};

/// Name of the collation of text columns.
const COLLATION: &str = "FOLD";

/// Prepared statements kept per connection. Fewer means preparing again (some 20 µs each) in a
/// busy mix of column sets; each holds a few kilobytes.
const STATEMENTS: usize = 512;

/// Page cache of the writer, KiB. Smaller evicts index pages in the middle of large groups.
const WRITER_CACHE_KIB: i64 = 64 * 1024;

/// Page cache of each reader, KiB. Beyond it the operating system's cache serves.
const READER_CACHE_KIB: i64 = 8 * 1024;

/// Pages of write-ahead log after which a commit copies them into the database. Smaller copies
/// hot pages more often, larger makes the log file (4 KiB a page) and recovery longer.
const CHECKPOINT_PAGES: i64 = 8_000;

/// How long a connection waits for another's lock, milliseconds: opening while a backup reads.
const BUSY_MS: i64 = 5_000;

/// How many virtual machine steps pass between two looks at a statement's deadline.
const STEPS_PER_LOOK: i32 = 10_000;

/// Opens the writing connection, making the file when absent.
pub(crate) fn connect_writer(file: &Path) -> rusqlite::Result<Connection> {
    let conn = connect(file, WRITER_CACHE_KIB, &Deadline::default())?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    // For the journals of savepoints. Readers sort on disk what doesn't fit their cache.
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(conn)
}

/// Opens a connection that changes nothing, not even what a crash left to be finished.
pub(crate) fn connect_looking(file: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.pragma_update(None, "busy_timeout", BUSY_MS)?;
    Ok(conn)
}

/// When the statements of a connection have to end, by [`monotonic_ms`]; never by default.
#[derive(Clone, Debug)]
pub(crate) struct Deadline(Arc<AtomicU64>);

impl Default for Deadline {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }
}

impl Deadline {
    /// Statements end with an error after this moment.
    pub(crate) fn set(&self, at_ms: u64) {
        self.0.store(at_ms, Ordering::Relaxed);
    }

    /// Statements may take as long as they like.
    pub(crate) fn lift(&self) {
        self.set(u64::MAX);
    }

    fn passed(&self) -> bool {
        monotonic_ms() > self.0.load(Ordering::Relaxed)
    }
}

/// Opens a reading connection with its deadline.
pub(crate) fn connect_reader(file: &Path) -> rusqlite::Result<(Connection, Deadline)> {
    let deadline = Deadline::default();
    let mut conn = connect(file, READER_CACHE_KIB, &deadline)?;
    conn.pragma_update(None, "query_only", true)?;
    let seen = deadline.clone();
    conn.progress_handler(STEPS_PER_LOOK, Some(move || seen.passed()))?;
    Ok((conn, deadline))
}

fn connect(file: &Path, cache_kib: i64, deadline: &Deadline) -> rusqlite::Result<Connection> {
    let conn = Connection::open(file)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    // Plans never depend on bound values. Without this SQLite (with STAT4, as bundled) prepares a
    // cached statement again whenever a parameter that could matter to its plan is bound: a sixth of
    // all processor time when one task at a time goes through.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.pragma_update(None, "busy_timeout", BUSY_MS)?;
    conn.pragma_update(None, "cache_size", -cache_kib)?;
    conn.pragma_update(None, "foreign_keys", false)?;
    conn.create_collation(COLLATION, fold::compare)?;
    for (name, place) in [
        (CONTAINS, Place::Anywhere),
        (STARTS_WITH, Place::Start),
        (ENDS_WITH, Place::End),
    ] {
        add_text_function(&conn, name, place, deadline.clone())?;
    }
    Ok(conn)
}

/// Name of the function that tells whether its first argument contains its second.
pub(crate) const CONTAINS: &str = "text_contains";
/// Name of the function that tells whether its first argument starts with its second.
pub(crate) const STARTS_WITH: &str = "text_starts_with";
/// Name of the function that tells whether its first argument ends with its second.
pub(crate) const ENDS_WITH: &str = "text_ends_with";

/// A search of long texts is a single step of the engine: it looks at the deadline by itself.
fn add_text_function(
    conn: &Connection,
    name: &str,
    place: Place,
    deadline: Deadline,
) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    conn.create_scalar_function(name, 2, flags, move |args| {
        if deadline.passed() {
            let interrupted = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_INTERRUPT);
            return Err(rusqlite::Error::SqliteFailure(interrupted, None));
        }
        let (text, pattern) = (args.get_raw(0), args.get_raw(1));
        Ok(match (text.as_str(), pattern.as_str()) {
            (Ok(text), Ok(pattern)) => Some(fold::matches(text, pattern, place)),
            _ => None,
        })
    })
}

/// The SQL type of a column's cells.
fn sql_type(kind: &ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Text { .. } | ColumnKind::Memo { .. } => "TEXT COLLATE FOLD",
        ColumnKind::Integer { .. }
        | ColumnKind::BigInt
        | ColumnKind::Boolean { .. }
        | ColumnKind::DateTime
        | ColumnKind::Choice { .. } => "INTEGER",
        ColumnKind::Decimal { .. } | ColumnKind::Double => "REAL",
        ColumnKind::Guid | ColumnKind::Lookup { .. } => "BLOB",
    }
}

/// Writes a column's name as an identifier.
pub(crate) fn push_column(out: &mut String, logical: &str) {
    out.push('"');
    out.push_str(logical);
    out.push('"');
}

/// Writes the name of the SQL table that holds a table's rows.
pub(crate) fn push_table(out: &mut String, logical: &str) {
    out.push_str("\"t_");
    out.push_str(logical);
    out.push('"');
}

/// Writes a cell as an SQL literal.
pub(crate) fn push_literal(out: &mut String, cell: &Cell) {
    use std::fmt::Write;
    // Writing to a string can't fail.
    let _ = match cell {
        Cell::Null => write!(out, "NULL"),
        Cell::Int(n) => write!(out, "{n}"),
        Cell::Real(x) => write!(out, "{x:e}"),
        Cell::Text(text) => write!(out, "'{}'", text.replace('\'', "''")),
        Cell::Id(id) => write!(out, "X'{:032X}'", id.as_u128()),
    };
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(n) => ValueRef::Integer(*n),
            Self::Real(x) => ValueRef::Real(*x),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Id(id) => ValueRef::Blob(id.as_bytes()),
        }))
    }
}

/// Binds values to a statement's question marks, in order.
pub(crate) fn bind<'c>(
    statement: &mut Statement<'_>,
    values: impl IntoIterator<Item = &'c Cell>,
) -> rusqlite::Result<()> {
    for (index, value) in (1..).zip(values) {
        statement.raw_bind_parameter::<usize, _>(index, value)?;
    }
    Ok(())
}

/// Reads a cell of any kind.
pub(crate) fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(n) => Cell::Int(n),
        ValueRef::Real(x) => Cell::Real(x),
        ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Uuid::from_slice(bytes).map_or(Cell::Null, Cell::Id),
    }
}

/// Reads an identity. Columns of this kind only ever hold 16 bytes.
pub(crate) fn id(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<Uuid> {
    let bytes = row.get_ref(index)?.as_blob()?;
    Ok(Uuid::from_slice(bytes).unwrap_or_default())
}

/// What a failed statement means to those who asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A unique index refused the row.
    Unique,
    /// A value or statement is beyond what the engine can hold.
    TooBig,
    /// The statement took longer than its deadline.
    Timeout,
    /// No space on the disk (or in the file, where it is limited).
    DiskFull,
    /// The statement doesn't fit the tables, which changed since it was made.
    Stale,
    /// Anything else: I/O, corruption, out of memory.
    Other,
}

/// Classifies an error.
pub(crate) fn failure(error: &rusqlite::Error) -> Failure {
    use rusqlite::ErrorCode;
    let rusqlite::Error::SqliteFailure(code, message) = error else {
        return match error {
            rusqlite::Error::SqlInputError { .. } => Failure::Stale,
            _ => Failure::Other,
        };
    };
    match code.code {
        ErrorCode::ConstraintViolation => Failure::Unique,
        ErrorCode::TooBig => Failure::TooBig,
        ErrorCode::OperationInterrupted => Failure::Timeout,
        ErrorCode::DiskFull => Failure::DiskFull,
        ErrorCode::Unknown if message.as_deref().is_some_and(|m| m.starts_with("no such")) => {
            Failure::Stale
        }
        _ => Failure::Other,
    }
}

#[cfg(test)]
mod tests;
