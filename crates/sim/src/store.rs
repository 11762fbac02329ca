//! The one allowed model of a store: rows with versions, and atomic conditional change sets.
//!
//! It keeps what Dataverse promises and nothing more: a change set happens all or not at all, every
//! write raises the row's version, times are whole seconds of the store's own clock.

use std::collections::BTreeMap;

use shraga_core::ids::{Etag, UserId};
use shraga_core::row::{ChangeSet, Column, Condition, Table, Value, Write};
use shraga_core::time::Timestamp;
use uuid::Uuid;

/// A row as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) owner: UserId,
    pub(crate) version: u64,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    pub(crate) cells: BTreeMap<Column, Value>,
}

impl Row {
    pub(crate) fn etag(&self) -> Etag {
        Etag::new(format!("W/\"{}\"", self.version))
    }

    pub(crate) fn get(&self, column: Column) -> &Value {
        self.cells.get(&column).unwrap_or(&Value::Null)
    }

    pub(crate) fn text(&self, column: Column) -> Option<&str> {
        match self.get(column) {
            Value::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    pub(crate) fn int(&self, column: Column) -> Option<i64> {
        match self.get(column) {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn time(&self, column: Column) -> Option<Timestamp> {
        match self.get(column) {
            Value::Time(at) => Some(*at),
            _ => None,
        }
    }
}

/// Why a change set did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A condition failed: 412.
    Stale,
    /// The row is gone: 404.
    Missing,
}

/// The store.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    rows: BTreeMap<(Table, Uuid), Row>,
    version: u64,
    pub(crate) now: Timestamp,
    /// Whether `If-Match` is heeded; only a deliberate break turns it off.
    pub(crate) heeds_versions: bool,
}

impl Store {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            rows: BTreeMap::new(),
            version: 0,
            now,
            heeds_versions: true,
        }
    }

    /// All rows of a table, in the order of their identities.
    pub(crate) fn rows(&self, table: Table) -> impl Iterator<Item = (Uuid, &Row)> {
        let range = (table, Uuid::nil())..=(table, Uuid::max());
        self.rows.range(range).map(|((_, id), row)| (*id, row))
    }

    pub(crate) fn get(&self, table: Table, id: Uuid) -> Option<&Row> {
        self.rows.get(&(table, id))
    }

    pub(crate) fn delete(&mut self, table: Table, id: Uuid) -> bool {
        self.rows.remove(&(table, id)).is_some()
    }

    /// Applies a change set on behalf of `who`, all or nothing; answers the new versions.
    pub(crate) fn apply(&mut self, who: UserId, set: &ChangeSet) -> Result<Vec<Etag>, Refused> {
        let mut written = BTreeMap::new();
        let mut etags = Vec::with_capacity(set.writes.len());
        for write in &set.writes {
            let key = (write.table, write.id);
            let before = written.get(&key).or_else(|| self.rows.get(&key));
            self.check(write, before)?;
            let row = self.written(who, write, before);
            self.version += 1;
            etags.push(row.etag());
            written.insert(key, row);
        }
        self.rows.extend(written);
        Ok(etags)
    }

    fn check(&self, write: &Write, before: Option<&Row>) -> Result<(), Refused> {
        match (&write.condition, before) {
            (Condition::Absent, None) => Ok(()),
            (Condition::Absent, Some(_)) => Err(Refused::Stale),
            (Condition::Version(_), None) => Err(Refused::Missing),
            (Condition::Version(etag), Some(row)) => {
                let fits = *etag == row.etag() || !self.heeds_versions;
                fits.then_some(()).ok_or(Refused::Stale)
            }
        }
    }

    fn written(&self, who: UserId, write: &Write, before: Option<&Row>) -> Row {
        let second = Timestamp::from_secs(self.now.as_secs());
        let mut row = before.cloned().unwrap_or(Row {
            owner: write.owner.unwrap_or(who),
            version: 0,
            created: second,
            modified: second,
            cells: BTreeMap::new(),
        });
        row.version = self.version + 1;
        row.modified = second;
        row.cells.extend(write.cells.iter().cloned());
        row
    }
}
