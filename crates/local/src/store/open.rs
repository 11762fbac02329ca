//! Opening a store: the folder's lock, the database's version, the definitions it holds.
//!
//! Everything that changes the database here happens before any thread starts, in transactions, so
//! that a crash while opening leaves a store that opens.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rusqlite::Connection;
use shraga_wire::schema::{TableDef, system_user};
use uuid::Uuid;

use super::backup::{self, Uncopied};
use super::failure::Failure;
use super::group::USERS;
use super::types::{Form, OpenError};
use super::{Inner, Queues, Shared, alter, readers, tokens, wakes, writer};
use crate::clock::{self, Clock, Stopwatch};
use crate::fold;
use crate::schema::{Schema, Table};
use crate::sql::{self, ddl, meta};

/// The database, inside the data folder.
const DATABASE: &str = "store.sqlite3";

/// The file whose lock says that a process has the folder open. It stays when the lock goes.
const LOCK: &str = "store.lock";

/// How long the lock may stay with somebody, in seconds: a program that a process was about to start when it ended holds
/// its files for an instant longer.
const LOCK_PATIENCE_S: f64 = 1.0;

/// Between two tries meanwhile.
const LOCK_STEP: Duration = Duration::from_millis(20);

/// Opens the store in `data`.
pub(super) fn open(data: &Path, defs: Vec<TableDef>, clock: Clock) -> Result<Inner, OpenError> {
    let lock = lock(data)?;
    let file = data.join(DATABASE);
    let broken = |source| OpenError::Database {
        file: file.clone(),
        source,
    };
    let conn = sql::connect_writer(&file).map_err(broken)?;
    migrate(&conn, data, &file, clock.seconds())?;
    refold(&conn).map_err(broken)?;
    let organization = identity(&conn, meta::ORGANIZATION).map_err(broken)?;
    let business_unit = identity(&conn, meta::BUSINESS_UNIT).map_err(broken)?;
    let version = meta::number(&conn, meta::VERSION)
        .map_err(broken)?
        .unwrap_or(0);
    let schema = definitions(&conn, &file, defs, version)?;
    let tokens = tokens::Tokens::load(&conn, &schema).map_err(broken)?;
    let shared = Arc::new(Shared {
        schema: ArcSwap::from_pointee(schema),
        tokens,
        board: wakes::Board::new(version),
        clock,
    });
    let (reads, mut threads) = readers::start(&file, &shared).map_err(broken)?;
    let (writes, thread) = writer::start(conn, &shared, version);
    threads.push(thread);
    Ok(Inner {
        shared,
        organization,
        business_unit,
        queues: Some(Queues { writes, reads }),
        threads,
        _lock: lock,
    })
}

fn lock(data: &Path) -> Result<File, OpenError> {
    let unusable = |source| OpenError::Folder {
        folder: data.to_owned(),
        source,
    };
    make_private(data).map_err(unusable)?;
    let mut options = OpenOptions::new();
    let options = options.create(true).truncate(false).write(true);
    let file = options.open(data.join(LOCK)).map_err(unusable)?;
    let began = Stopwatch::start();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if began.seconds() < LOCK_PATIENCE_S => {
                clock::wait(LOCK_STEP);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse {
                    folder: data.to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
    }
}

/// Makes the folder when absent, for nobody but the operating system's user where it knows users.
pub(super) fn make_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// The form of the database in `data`, if there is one, and the newest that is known. Changes nothing.
pub(super) fn form(data: &Path) -> Result<Form, OpenError> {
    let file = data.join(DATABASE);
    let known = sql::KNOWN;
    if !file.exists() {
        return Ok(Form { found: None, known });
    }
    let found = sql::connect_looking(&file).and_then(|conn| sql::stored_version(&conn));
    match found {
        Ok(found) => Ok(Form {
            found: Some(found),
            known,
        }),
        Err(source) => Err(OpenError::Database { file, source }),
    }
}

fn migrate(conn: &Connection, data: &Path, file: &Path, at: i64) -> Result<(), OpenError> {
    let broken = |source| OpenError::Database {
        file: file.to_owned(),
        source,
    };
    let found = sql::stored_version(conn).map_err(broken)?;
    if found > sql::KNOWN {
        return Err(OpenError::Newer {
            file: file.to_owned(),
            found,
            known: sql::KNOWN,
        });
    }
    if 0 < found && found < sql::KNOWN {
        let copy = backup::copy(conn, data, found, at).map_err(|why| match why {
            Uncopied::Database(source) => broken(source),
            Uncopied::Folder(source) => OpenError::Folder {
                folder: data.join(backup::FOLDER),
                source,
            },
        })?;
        let copy = copy.display();
        tracing::warn!(
            "the database is brought from form {found} to {}; as it was it is in {copy}",
            sql::KNOWN
        );
    }
    sql::migrate(conn, found).map_err(broken)
}

/// Rebuilds text indexes when this program folds case by other Unicode tables than the last one.
fn refold(conn: &Connection) -> rusqlite::Result<()> {
    let (major, minor, update) = fold::VERSION;
    let current = i64::from(major) << 16 | i64::from(minor) << 8 | i64::from(update);
    match meta::number(conn, meta::FOLDING)? {
        Some(built) if built == current => return Ok(()),
        Some(_) => ddl::rebuild_indexes(conn)?,
        None => {}
    }
    meta::set_number(conn, meta::FOLDING, current)
}

fn identity(conn: &Connection, name: &str) -> rusqlite::Result<Uuid> {
    if let Some(id) = meta::identity(conn, name)? {
        return Ok(id);
    }
    let id = clock::new_id();
    meta::set_identity(conn, name, id)?;
    Ok(id)
}

/// The stored definitions, brought up to date with those the program brings.
fn definitions(
    conn: &Connection,
    file: &Path,
    brought: Vec<TableDef>,
    version: i64,
) -> Result<Schema, OpenError> {
    let broken = |source| OpenError::Database {
        file: file.to_owned(),
        source,
    };
    meta::begin(conn).map_err(broken)?;
    let mut schema = stored(conn, file.to_owned())?;
    let own = brought.iter().all(|def| def.logical != USERS);
    let own = own.then(system_user);
    for def in own.into_iter().chain(brought) {
        let table = def.logical.clone();
        schema =
            alter::reconcile(conn, &schema, def, version).map_err(|failure| match failure {
                Failure::Broken(source) => broken(source),
                Failure::Refused(fault) => OpenError::Definition {
                    table,
                    reason: fault.message,
                },
            })?;
    }
    meta::commit(conn).map_err(broken)?;
    Ok(schema)
}

fn stored(conn: &Connection, file: PathBuf) -> Result<Schema, OpenError> {
    let tables = meta::tables(conn).map_err(|source| OpenError::Database { file, source })?;
    let mut schema = Schema::default();
    for table in tables {
        let def = serde_json::from_str(&table.definition);
        let def: TableDef = def.map_err(|error| OpenError::Definition {
            table: table.logical,
            reason: error.to_string(),
        })?;
        schema = schema.with(Table::new(def));
    }
    Ok(schema)
}
