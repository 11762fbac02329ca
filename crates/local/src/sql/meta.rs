//! Statements on the store's own tables: facts, definitions, tombstones, tokens.

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::id;
use crate::ops::{Role, WorkerClaim};

/// Name of the fact: the newest version given to a write.
pub(crate) const VERSION: &str = "version";
/// Name of the fact: identity of the organisation.
pub(crate) const ORGANIZATION: &str = "organization";
/// Name of the fact: identity of the root business unit.
pub(crate) const BUSINESS_UNIT: &str = "businessunit";
/// Name of the fact: the Unicode tables that text indexes were built with.
pub(crate) const FOLDING: &str = "folding";

/// Opens the transaction of a group.
pub(crate) fn begin(conn: &Connection) -> rusqlite::Result<()> {
    run(conn, "-- group.begin\nBEGIN IMMEDIATE")
}

/// Opens a snapshot for reading.
pub(crate) fn begin_read(conn: &Connection) -> rusqlite::Result<()> {
    run(conn, "-- snapshot.begin\nBEGIN DEFERRED")
}

/// Makes the group durable, or closes a snapshot.
pub(crate) fn commit(conn: &Connection) -> rusqlite::Result<()> {
    run(conn, "-- group.commit\nCOMMIT")
}

/// Copies the whole database, as it is now, into a file that is not there yet.
pub(crate) fn copy_into(conn: &Connection, file: &str) -> rusqlite::Result<()> {
    conn.execute("-- store.copy\nVACUUM INTO ?", [file])
        .map(drop)
}

/// Undoes the group.
pub(crate) fn rollback(conn: &Connection) -> rusqlite::Result<()> {
    run(conn, "-- group.rollback\nROLLBACK")
}

/// Marks where a unit begins.
pub(crate) fn begin_unit(conn: &Connection) -> rusqlite::Result<()> {
    run(conn, "-- unit.begin\nSAVEPOINT unit")
}

/// Keeps what a unit did.
pub(crate) fn keep_unit(conn: &Connection) -> rusqlite::Result<()> {
    run(conn, "-- unit.keep\nRELEASE unit")
}

/// Undoes what a unit did.
pub(crate) fn undo_unit(conn: &Connection) -> rusqlite::Result<()> {
    run(conn, "-- unit.undo\nROLLBACK TO unit")?;
    keep_unit(conn)
}

fn run(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.raw_execute().map(|_| ())
}

const GET_FACT: &str = "-- meta.get\nSELECT value FROM s_meta WHERE name = ?";
const SET_FACT: &str = "-- meta.set
    INSERT INTO s_meta (name, value) VALUES (?, ?)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/// The number kept under `name`.
pub(crate) fn number(conn: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    let mut statement = conn.prepare_cached(GET_FACT)?;
    statement.query_row([name], |row| row.get(0)).optional()
}

/// Keeps a number under `name`.
pub(crate) fn set_number(conn: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    let mut statement = conn.prepare_cached(SET_FACT)?;
    statement.execute(params![name, value]).map(|_| ())
}

/// The identity kept under `name`.
pub(crate) fn identity(conn: &Connection, name: &str) -> rusqlite::Result<Option<Uuid>> {
    let mut statement = conn.prepare_cached(GET_FACT)?;
    statement.query_row([name], |row| id(row, 0)).optional()
}

/// Keeps an identity under `name`.
pub(crate) fn set_identity(conn: &Connection, name: &str, value: Uuid) -> rusqlite::Result<()> {
    let mut statement = conn.prepare_cached(SET_FACT)?;
    statement
        .execute(params![name, &value.as_bytes()[..]])
        .map(|_| ())
}

/// A table's definition as stored.
pub(crate) struct StoredTable {
    /// Logical name.
    pub(crate) logical: String,
    /// JSON of the definition.
    pub(crate) definition: String,
}

/// All definitions, oldest table first.
pub(crate) fn tables(conn: &Connection) -> rusqlite::Result<Vec<StoredTable>> {
    let sql = "-- table.list\nSELECT logical, definition FROM s_table ORDER BY position";
    conn.prepare(sql)?
        .query_map([], |row| {
            Ok(StoredTable {
                logical: row.get(0)?,
                definition: row.get(1)?,
            })
        })?
        .collect()
}

/// Keeps the definition of a new table; deltas of it start at version `floor`.
pub(crate) fn add_table(
    conn: &Connection,
    logical: &str,
    definition: &str,
    floor: i64,
) -> rusqlite::Result<()> {
    let sql = "-- table.add
        INSERT INTO s_table (logical, position, definition, delta_floor)
        SELECT ?, coalesce(max(position), 0) + 1, ?, ? FROM s_table";
    conn.execute(sql, params![logical, definition, floor])
        .map(|_| ())
}

/// Replaces the definition of a table.
pub(crate) fn set_table(
    conn: &Connection,
    logical: &str,
    definition: &str,
) -> rusqlite::Result<()> {
    let sql = "-- table.set\nUPDATE s_table SET definition = ? WHERE logical = ?";
    conn.execute(sql, params![definition, logical]).map(|_| ())
}

/// Forgets a table and what was deleted from it.
pub(crate) fn remove_table(conn: &Connection, logical: &str) -> rusqlite::Result<()> {
    let sql = "-- table.remove\nDELETE FROM s_table WHERE logical = ?";
    conn.execute(sql, [logical])?;
    let sql = "-- tombstone.forget\nDELETE FROM s_tombstone WHERE logical = ?";
    conn.execute(sql, [logical]).map(|_| ())
}

/// The oldest version from which deletions of a table are known in full.
pub(crate) fn delta_floor(conn: &Connection, logical: &str) -> rusqlite::Result<Option<i64>> {
    let sql = "-- delta.floor\nSELECT delta_floor FROM s_table WHERE logical = ?";
    let mut statement = conn.prepare_cached(sql)?;
    statement.query_row([logical], |row| row.get(0)).optional()
}

/// Raises [`delta_floor`].
pub(crate) fn set_delta_floor(
    conn: &Connection,
    logical: &str,
    floor: i64,
) -> rusqlite::Result<()> {
    let sql = "-- delta.raise\nUPDATE s_table SET delta_floor = ? WHERE logical = ?";
    conn.execute(sql, params![floor, logical]).map(|_| ())
}

/// Keeps that a row was deleted.
pub(crate) fn add_tombstone(
    conn: &Connection,
    version: i64,
    logical: &str,
    row: Uuid,
    at: i64,
) -> rusqlite::Result<()> {
    let sql = "-- tombstone.add
        INSERT INTO s_tombstone (version, logical, id, at) VALUES (?, ?, ?, ?)";
    let mut statement = conn.prepare_cached(sql)?;
    let parameters = params![version, logical, &row.as_bytes()[..], at];
    statement.execute(parameters).map(|_| ())
}

/// Deletions from a table after version `since` and up to `until`, oldest first.
pub(crate) fn tombstones(
    conn: &Connection,
    logical: &str,
    since: i64,
    until: i64,
    limit: u32,
) -> rusqlite::Result<Vec<(i64, Uuid)>> {
    let sql = "-- tombstone.since
        SELECT version, id FROM s_tombstone
        WHERE logical = ? AND version > ? AND version <= ?
        ORDER BY version LIMIT ?";
    conn.prepare_cached(sql)?
        .query_map(params![logical, since, until, limit], |row| {
            Ok((row.get(0)?, id(row, 1)?))
        })?
        .collect()
}

/// Forgets at most `limit` deletions that happened before `before`, raising the floor of their
/// tables. Returns how many.
pub(crate) fn prune_tombstones(
    conn: &Connection,
    before: i64,
    limit: u32,
) -> rusqlite::Result<usize> {
    let sql = "-- tombstone.oldest
        SELECT version FROM s_tombstone WHERE at < ? ORDER BY version LIMIT ?";
    let versions: Vec<i64> = conn
        .prepare_cached(sql)?
        .query_map(params![before, limit], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let Some(&last) = versions.last() else {
        return Ok(0);
    };
    let sql = "-- tombstone.floor
        UPDATE s_table SET delta_floor = gone.version FROM (
            SELECT logical, max(version) AS version FROM s_tombstone
            WHERE version <= ? AND at < ? GROUP BY logical
        ) AS gone
        WHERE s_table.logical = gone.logical AND s_table.delta_floor < gone.version";
    conn.execute(sql, params![last, before])?;
    let sql = "-- tombstone.prune\nDELETE FROM s_tombstone WHERE version <= ? AND at < ?";
    conn.execute(sql, params![last, before])
}

/// A token as stored.
#[derive(Clone, Debug)]
pub(crate) struct StoredToken {
    /// Identity of the record.
    pub(crate) id: Uuid,
    /// SHA-256 of the secret.
    pub(crate) hash: [u8; 32],
    /// Whose it is.
    pub(crate) user: Uuid,
    /// That user's e-mail address when it was made.
    pub(crate) email: String,
    /// What its bearer may do.
    pub(crate) role: Role,
    /// For workers: what it may claim.
    pub(crate) worker: Option<WorkerClaim>,
    /// When it was made, seconds since the epoch.
    pub(crate) created: i64,
}

/// All tokens, oldest first.
pub(crate) fn tokens(conn: &Connection) -> rusqlite::Result<Vec<StoredToken>> {
    let sql = "-- token.list
        SELECT id, hash, user, email, role, worker, pool, slots, labels, created
        FROM s_token ORDER BY created, id";
    conn.prepare(sql)?.query_map([], token)?.collect()
}

fn token(row: &Row<'_>) -> rusqlite::Result<StoredToken> {
    let worker: Option<[u8; 16]> = row.get(5)?;
    let worker = worker
        .map(|bytes| -> rusqlite::Result<_> {
            Ok(WorkerClaim {
                id: Uuid::from_bytes(bytes),
                pool: row.get(6)?,
                slots: row.get(7)?,
                labels: row.get(8)?,
            })
        })
        .transpose()?;
    let role: String = row.get(4)?;
    Ok(StoredToken {
        id: id(row, 0)?,
        hash: row.get(1)?,
        user: id(row, 2)?,
        email: row.get(3)?,
        // A role this program doesn't know gets the least.
        role: role_named(&role).unwrap_or(Role::User),
        worker,
        created: row.get(9)?,
    })
}

/// Keeps a token.
pub(crate) fn add_token(conn: &Connection, token: &StoredToken) -> rusqlite::Result<()> {
    let sql = "-- token.add
        INSERT INTO s_token (id, hash, user, email, role, worker, pool, slots, labels, created)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let claim = token.worker.as_ref();
    let parameters = params![
        &token.id.as_bytes()[..],
        &token.hash[..],
        &token.user.as_bytes()[..],
        token.email,
        role_name(token.role),
        claim.map(|c| *c.id.as_bytes()),
        claim.map(|c| c.pool.as_str()),
        claim.map(|c| c.slots),
        claim.map(|c| c.labels.as_str()),
        token.created,
    ];
    conn.execute(sql, parameters).map(|_| ())
}

/// Forgets a token. Tells whether there was one.
pub(crate) fn remove_token(conn: &Connection, token: Uuid) -> rusqlite::Result<bool> {
    let sql = "-- token.remove\nDELETE FROM s_token WHERE id = ?";
    Ok(conn.execute(sql, [&token.as_bytes()[..]])? > 0)
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Worker => "worker",
        Role::Admin => "admin",
    }
}

fn role_named(name: &str) -> Option<Role> {
    [Role::User, Role::Worker, Role::Admin]
        .into_iter()
        .find(|&role| role_name(role) == name)
}
