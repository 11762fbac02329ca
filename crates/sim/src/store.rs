//! The one allowed model of a store: rows with versions, and atomic conditional change sets.
//!
//! It keeps what Dataverse promises and nothing more: a change set happens all or not at all, every
//! write raises the row's version, times are whole seconds of the store's own clock. What a process
//! reads of a row is worked out once per version, since most rows are read far more often than
//! written.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use shraga_core::ids::{Etag, UserId};
use shraga_core::model::{Mirror, UserTask};
use shraga_core::row::{ChangeSet, Column, Condition, Table, Value, Write, tasks, users};
use shraga_core::status::TaskStatus;
use shraga_core::time::Timestamp;
use uuid::Uuid;

use crate::view;

/// One version of a row.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: Uuid,
    pub(crate) owner: UserId,
    pub(crate) etag: Etag,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    /// Whether a tasks row says it is a mirror.
    pub(crate) is_mirror: bool,
    /// Where a tasks row says it stands.
    pub(crate) status: TaskStatus,
    /// In the order of the columns.
    cells: Vec<(Column, Value)>,
    task: OnceCell<UserTask>,
    mirror: OnceCell<Option<Mirror>>,
    link: OnceCell<Option<Uuid>>,
}

impl Row {
    pub(crate) fn get(&self, column: Column) -> &Value {
        let at = self.cells.binary_search_by_key(&column, |(name, _)| *name);
        at.map_or(&Value::Null, |at| &self.cells[at].1)
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

    /// As a person's task.
    pub(crate) fn task(&self) -> &UserTask {
        self.task.get_or_init(|| view::user_task(self))
    }

    /// As a mirror, if it names a task.
    pub(crate) fn mirror(&self) -> Option<&Mirror> {
        self.mirror.get_or_init(|| view::mirror(self)).as_ref()
    }

    /// What a person's row links to, if that is an identity at all.
    pub(crate) fn link(&self) -> Option<Uuid> {
        let link = || Uuid::parse_str(self.text(tasks::MIRROR_LINK)?).ok();
        *self.link.get_or_init(link)
    }

    /// Whether `after` has another value in any column but what was spent.
    pub(crate) fn differs(&self, after: &Self) -> bool {
        let rest = |row: &Self| -> Vec<(Column, Value)> {
            let cells = row.cells.iter();
            let cells = cells.filter(|(column, _)| *column != users::USAGE);
            cells.cloned().collect()
        };
        rest(self) != rest(after)
    }

    /// A mirror that counts: the admin's own.
    pub(crate) fn is_mirror_of(&self, admin: UserId) -> bool {
        self.is_mirror && self.owner == admin
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

/// A row that a change set wrote.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) table: Table,
    pub(crate) before: Option<Rc<Row>>,
    pub(crate) after: Rc<Row>,
}

/// The store.
#[derive(Debug)]
pub(crate) struct Store {
    tables: [BTreeMap<Uuid, Rc<Row>>; Table::ALL.len()],
    version: u64,
    pub(crate) now: Timestamp,
    /// Whether `If-Match` is heeded; only a deliberate break turns it off.
    pub(crate) heeds_versions: bool,
    /// Whether an update makes a row that is not there; only a deliberate break turns it on.
    pub(crate) resurrects: bool,
}

impl Store {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            tables: std::array::from_fn(|_| BTreeMap::new()),
            version: 0,
            now,
            heeds_versions: true,
            resurrects: false,
        }
    }

    /// All rows of a table, in the order of their identities.
    pub(crate) fn rows(&self, table: Table) -> impl Iterator<Item = &Rc<Row>> {
        self.tables[table as usize].values()
    }

    pub(crate) fn get(&self, table: Table, id: Uuid) -> Option<&Rc<Row>> {
        self.tables[table as usize].get(&id)
    }

    pub(crate) fn delete(&mut self, table: Table, id: Uuid) {
        self.tables[table as usize].remove(&id);
    }

    /// The time a reply carries: whole seconds.
    pub(crate) const fn date(&self) -> Timestamp {
        Timestamp::from_secs(self.now.as_secs())
    }

    /// Applies a change set on behalf of `who`, all or nothing; answers what it changed.
    pub(crate) fn apply(&mut self, who: UserId, set: &ChangeSet) -> Result<Vec<Change>, Refused> {
        let mut changes: Vec<Change> = Vec::with_capacity(set.writes.len());
        for write in &set.writes {
            let earlier = changes
                .iter()
                .rfind(|change| change.table == write.table && change.after.id == write.id);
            let before = match earlier {
                Some(change) => Some(&change.after),
                None => self.get(write.table, write.id),
            };
            self.check(write, before.map(Rc::as_ref))?;
            let before = before.cloned();
            self.version += 1;
            let after = Rc::new(self.written(who, write, before.as_deref()));
            changes.push(Change {
                table: write.table,
                before,
                after,
            });
        }
        for change in &changes {
            let row = Rc::clone(&change.after);
            self.tables[change.table as usize].insert(row.id, row);
        }
        Ok(changes)
    }

    fn check(&self, write: &Write, before: Option<&Row>) -> Result<(), Refused> {
        match (&write.condition, before) {
            (Condition::Absent, None) => Ok(()),
            (Condition::Absent, Some(_)) => Err(Refused::Stale),
            (Condition::Version(_), None) if self.resurrects => Ok(()),
            (Condition::Version(_), None) => Err(Refused::Missing),
            (Condition::Version(etag), Some(row)) => {
                let fits = *etag == row.etag || !self.heeds_versions;
                fits.then_some(()).ok_or(Refused::Stale)
            }
        }
    }

    fn written(&self, who: UserId, write: &Write, before: Option<&Row>) -> Row {
        let second = self.date();
        let mut cells = before.map_or_else(Vec::new, |row| row.cells.clone());
        for (column, value) in &write.cells {
            match cells.binary_search_by_key(column, |(name, _)| *name) {
                Ok(at) => cells[at].1.clone_from(value),
                Err(at) => cells.insert(at, (*column, value.clone())),
            }
        }
        let mut row = Row {
            id: write.id,
            owner: before.map_or(write.owner.unwrap_or(who), |row| row.owner),
            etag: Etag::new(format!("W/\"{}\"", self.version)),
            created: before.map_or(second, |row| row.created),
            modified: second,
            is_mirror: false,
            status: TaskStatus::Pending,
            cells,
            task: OnceCell::new(),
            mirror: OnceCell::new(),
            link: OnceCell::new(),
        };
        if write.table == Table::Tasks {
            row.is_mirror = *row.get(tasks::IS_MIRROR) == Value::Bool(true);
            let code = row.int(tasks::STATUS).map(TaskStatus::try_from);
            row.status = code.and_then(Result::ok).unwrap_or(TaskStatus::Pending);
        }
        row
    }
}
