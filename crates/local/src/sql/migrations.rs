//! The store's own tables, version by version.
//!
//! Append-only: a released migration never changes. Rows of user tables are not described here;
//! their tables follow from the definitions kept in `s_table` (see [`super::ddl`]).

use rusqlite::Connection;

/// Migration `i` takes a database from version `i` to `i + 1`.
const MIGRATIONS: &[&str] = &["
    -- migrate.1
    CREATE TABLE s_meta (
        name TEXT PRIMARY KEY,
        value ANY
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE s_table (
        logical TEXT PRIMARY KEY,
        position INTEGER NOT NULL UNIQUE,
        definition TEXT NOT NULL,
        delta_floor INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE s_tombstone (
        version INTEGER PRIMARY KEY,
        logical TEXT NOT NULL,
        id BLOB NOT NULL,
        at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX s_tombstone_by_table ON s_tombstone (logical, version);
    CREATE TABLE s_token (
        id BLOB PRIMARY KEY,
        hash BLOB NOT NULL UNIQUE,
        user BLOB NOT NULL,
        email TEXT NOT NULL,
        role TEXT NOT NULL,
        worker BLOB,
        pool TEXT,
        slots INTEGER,
        labels TEXT,
        created INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
"];

/// The newest version this program knows.
pub(crate) const KNOWN: i64 = MIGRATIONS.len() as i64;

/// The version of a database; 0 when new.
pub(crate) fn stored_version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings a database of version `from` to [`KNOWN`], one transaction per step.
pub(crate) fn migrate(conn: &Connection, from: i64) -> rusqlite::Result<()> {
    (from..KNOWN).try_for_each(|version| step(conn, version))
}

/// Takes a database from `version` to the next one.
fn step(conn: &Connection, version: i64) -> rusqlite::Result<()> {
    let migration = usize::try_from(version)
        .ok()
        .and_then(|v| MIGRATIONS.get(v));
    let transaction = conn.unchecked_transaction()?;
    transaction.execute_batch(migration.copied().unwrap_or_default())?;
    transaction.pragma_update(None, "user_version", version + 1)?;
    transaction.commit()
}

#[cfg(test)]
mod tests;
