//! What the store is asked and what it answers, beside the row operations of [`crate::ops`].

use std::path::PathBuf;

use shraga_wire::fault::Fault;
use shraga_wire::schema::{ColumnDef, KeyDef, TableDef};
use uuid::Uuid;

use crate::ops::{Delta, DeltaOp, Found, GetOp, ListOp, Page, Role, WorkerClaim};

/// Why a store didn't open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("data folder {} is in use by another process", folder.display())]
    InUse {
        /// The data folder.
        folder: PathBuf,
    },
    /// A newer release wrote it.
    #[error("database {} is from a newer version (schema {found}, this program knows {known})", file.display())]
    Newer {
        /// The database file.
        file: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest this program can read.
        known: i64,
    },
    /// The folder or its lock file couldn't be made or opened.
    #[error("data folder {} can't be used", folder.display())]
    Folder {
        /// The data folder.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error("database {} can't be opened", file.display())]
    Database {
        /// The database file.
        file: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// A table definition is wrong, given or stored.
    #[error("table definition {table} is wrong: {reason}")]
    Definition {
        /// Logical name of the table.
        table: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The form of a database, in numbers that only go up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// The form it has; `None`: there is no database yet.
    pub found: Option<i64>,
    /// The newest that this program knows. Older ones it brings forward when it opens them.
    pub known: i64,
}

/// A read.
#[derive(Clone, Debug)]
pub enum ReadOp {
    /// One row; absent or hidden: 404.
    Get(GetOp),
    /// A page of rows.
    List(ListOp),
    /// The exact number of rows that match the filter; the rest of the operation is ignored.
    Count(ListOp),
    /// What changed since a version (admins only).
    Delta(DeltaOp),
}

/// The answer to a [`ReadOp`] of the same name.
#[derive(Clone, Debug, PartialEq)]
pub enum ReadAnswer {
    /// One row.
    Found(Found),
    /// A page of rows.
    Page(Page),
    /// A number of rows.
    Count(u64),
    /// Changes.
    Delta(Delta),
}

/// What to do with the units after one that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continue {
    /// Carry them out.
    OnError,
    /// Leave them: answers end with the fault.
    StopAtFirst,
}

/// Why a unit didn't happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitFault {
    /// Index of the operation that failed.
    pub op: usize,
    /// What is wrong with it.
    pub fault: Fault,
}

/// A change of definitions. Tables and columns are meant by logical name.
#[derive(Clone, Debug)]
pub enum SchemaChange {
    /// Adds a table.
    CreateTable(TableDef),
    /// Adds several tables, all or none.
    CreateTables(Vec<TableDef>),
    /// Removes a table with its rows.
    DropTable {
        /// The table.
        table: String,
    },
    /// Replaces display names and switches on change tracking (which stays on). Columns, keys,
    /// indexes and access rules of the definition given are ignored.
    UpdateTable(TableDef),
    /// Adds a column.
    AddColumn {
        /// The table.
        table: String,
        /// The column.
        column: ColumnDef,
    },
    /// Replaces display name, requirement and limits of a column; its kind must stay.
    UpdateColumn {
        /// The table.
        table: String,
        /// The column.
        column: ColumnDef,
    },
    /// Removes a column with its values; refused while a key uses it.
    DropColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// Adds an alternate key; refused while rows contradict it.
    AddKey {
        /// The table.
        table: String,
        /// The key.
        key: KeyDef,
    },
    /// Removes an alternate key.
    DropKey {
        /// The table.
        table: String,
        /// The key.
        key: String,
    },
}

/// What changed, as far as it concerns who asked. It carries no data: it means "look again".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The version to ask from next.
    pub next: i64,
    /// The tables, each once per role that changed it.
    pub changed: Vec<Change>,
}

/// A table that changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// Its entity set name.
    pub table: String,
    /// The role of who changed it.
    pub by: Role,
}

/// What a new token is to be.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// E-mail address of its user, who is made when new; or the identity of a known one.
    pub user: String,
    /// What its bearer may do.
    pub role: Role,
    /// For workers: which worker it is; a new one when `None`.
    pub worker: Option<Uuid>,
    /// For workers: `shared` or `dedicated` (the default).
    pub pool: Option<String>,
    /// For workers: the most slots it may offer, at least 1 (the default is 1).
    pub slots: Option<i32>,
    /// For workers: comma-separated labels it may carry.
    pub labels: Option<String>,
}

/// A token's record. The secret isn't part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its identity, to revoke it by.
    pub id: Uuid,
    /// Whose it is.
    pub user: Uuid,
    /// That user's e-mail address when the token was made.
    pub email: String,
    /// What its bearer may do.
    pub role: Role,
    /// For workers: which one it is and what it may offer.
    pub worker: Option<WorkerClaim>,
    /// When it was made, seconds since the epoch.
    pub created: i64,
}

/// A new token.
#[derive(Clone)]
pub struct NewToken {
    /// The secret, `shr_` and 43 characters. Shown once, never stored.
    pub token: String,
    /// Its record.
    pub record: TokenRecord,
}
