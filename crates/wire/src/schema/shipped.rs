//! The tables every store has: tasks, workers, events, users, and the built-in `systemuser`.
//!
//! Columns and limits are those of Dataverse tables; access rules and indexes are for the embedded
//! store only. Identities of definitions are computed from names, so every store agrees on them.

use uuid::Uuid;

use super::{ColumnDef, ColumnKind, IndexDef, Ownership, TableDef, WritableColumn};

mod events;
mod tasks;
#[cfg(test)]
mod tests;
mod users;
mod workers;

pub use users::system_user;

/// Text columns unless said otherwise, in characters.
const TEXT_MAX: u32 = 100;
/// Prompts, results and contents of events, in characters: what the original's tables allow.
const MEMO_MAX: u32 = 100_000;
/// Transcripts and JSON that a worker reports, in characters: the most Dataverse allows.
const LONG_MEMO_MAX: u32 = 1_048_576;

/// The four tables of Shraga. [`system_user`] is a fifth that every store brings itself.
#[must_use]
pub fn shipped() -> Vec<TableDef> {
    vec![
        tasks::table(),
        workers::table(),
        events::table(),
        users::table(),
    ]
}

/// A table without indexes, wake columns, change tracking or rights.
fn table(word: &str, display: &str, columns: Vec<ColumnDef>) -> TableDef {
    let logical = format!("cr_shraga_{word}");
    TableDef {
        metadata_id: metadata_id(&logical),
        set: format!("{logical}s"),
        schema: schema_name(&logical),
        display: display.to_owned(),
        display_collection: format!("{display}s"),
        primary_id: format!("{logical}id"),
        primary_name: "cr_name".to_owned(),
        ownership: Ownership::UserOwned,
        columns: columns.into_iter().map(|c| c.of(&logical)).collect(),
        keys: Vec::new(),
        indexes: Vec::new(),
        wake: Vec::new(),
        change_tracking: false,
        access: super::Access::default(),
        logical,
    }
}

impl ColumnDef {
    /// The same column with the identity it has as a part of `table`.
    fn of(mut self, table: &str) -> Self {
        self.metadata_id = metadata_id(&format!("{table}.{}", self.logical));
        self
    }
}

fn column(logical: &str, display: &str, kind: ColumnKind) -> ColumnDef {
    ColumnDef {
        metadata_id: Uuid::nil(),
        logical: logical.to_owned(),
        schema: schema_name(logical),
        display: display.to_owned(),
        kind,
        required: false,
    }
}

fn text(logical: &str, display: &str) -> ColumnDef {
    text_of(logical, display, TEXT_MAX)
}

fn text_of(logical: &str, display: &str, max: u32) -> ColumnDef {
    column(logical, display, ColumnKind::Text { max })
}

fn memo(logical: &str, display: &str, max: u32) -> ColumnDef {
    column(logical, display, ColumnKind::Memo { max })
}

fn integer(logical: &str, display: &str, min: i32, max: i32) -> ColumnDef {
    column(logical, display, ColumnKind::Integer { min, max })
}

fn time(logical: &str, display: &str) -> ColumnDef {
    column(logical, display, ColumnKind::DateTime)
}

fn index(columns: &[&str], rows: Option<&str>) -> IndexDef {
    IndexDef {
        columns: owned(columns),
        rows: rows.map(str::to_owned),
    }
}

/// Columns that may be set to anything that fits them.
fn any(names: &[&str]) -> Vec<WritableColumn> {
    names.iter().map(|name| only(name, &[])).collect()
}

/// A column that may be set to these values only; any when empty.
fn only(name: &str, values: &[i32]) -> WritableColumn {
    WritableColumn {
        name: name.to_owned(),
        values: values.to_vec(),
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// `cr_status` is `cr_Status`, `cr_shraga_task` is `cr_shraga_Task`: what stands before the last word
/// (the publisher's prefix) stays, the word is capitalised.
pub(super) fn schema_name(logical: &str) -> String {
    match logical.rsplit_once('_') {
        Some((prefix, word)) => format!("{prefix}_{}", capitalised(word)),
        None => capitalised(logical),
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// The identity of a shipped definition: 128 bits of FNV-1a over its name, as a version 8 UUID.
/// Nothing depends on it being hard to guess.
fn metadata_id(name: &str) -> Uuid {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = name.bytes().fold(OFFSET, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(PRIME)
    });
    uuid::Builder::from_custom_bytes(hash.to_be_bytes()).into_uuid()
}
