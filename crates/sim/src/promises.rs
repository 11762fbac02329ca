//! The promises, as checks on the store: after every write, and when all is at rest.
//!
//! A check looks at rows only, never at what a process believes. What it cannot see in rows (which
//! agent runs where) is told by the worker that runs it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use shraga_core::ids::UserId;
use shraga_core::row::{Column, Table, events, tasks};
use shraga_core::status::TaskStatus;
use uuid::Uuid;

use crate::store::{Row, Store};
use crate::view;

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Every task ends, or says why it waits.
    NothingStuck,
    /// One user task has exactly one mirror.
    OneMirror,
    /// Exactly one attempt publishes; what is terminal never changes.
    TerminalIsFinal,
    /// Attempts rise by one, and only when the task is assigned.
    AttemptsRise,
    /// A person's edits are never overwritten, and a row she deleted stays deleted.
    HerRowIsHers,
    /// A worker runs no more than its slots, and no attempt twice at once.
    SlotsHold,
    /// No finished result is lost.
    NoResultLost,
    /// Event streams are gapless and their hashes chain.
    AuditVerifies,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NothingStuck => "every task ends or says why it waits",
            Self::OneMirror => "one task has exactly one mirror",
            Self::TerminalIsFinal => "one attempt publishes, and terminal states never change",
            Self::AttemptsRise => "attempts rise by one, only by assignment",
            Self::HerRowIsHers => "a person's edits and deletions stand",
            Self::SlotsHold => "slots hold and no attempt runs twice at once",
            Self::NoResultLost => "no finished result is lost",
            Self::AuditVerifies => "event streams are gapless and chained",
        })
    }
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub promise: Promise,
    /// At which step.
    pub step: u64,
    /// What was seen.
    pub seen: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "step {}: broken promise: {}: {}",
            self.step, self.promise, self.seen
        )
    }
}

/// Who wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    /// An orchestrator.
    Orchestrator,
    /// A worker.
    Worker,
    /// A person.
    Person,
}

/// Columns only the person writes once she has filed the row.
const HERS: [Column; 4] = [tasks::NAME, tasks::PROMPT, tasks::INPUT, tasks::PRIORITY];

/// Columns that never change once a mirror is terminal.
const FINAL: [Column; 4] = [tasks::STATUS, tasks::RESULT, tasks::OUTPUT, tasks::ATTEMPT];

type Check = Result<(), (Promise, String)>;

/// Remembers what the store has shown, to check it against what comes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judge {
    deleted: BTreeSet<Uuid>,
    /// Results of agents that ended well: each must be published or kept as a candidate.
    pub(crate) finished: Vec<String>,
}

impl Judge {
    pub(crate) fn was_deleted(&mut self, id: Uuid) {
        self.deleted.insert(id);
    }

    /// Checks one row that a write changed.
    pub(crate) fn changed(
        &self,
        author: Author,
        admin: UserId,
        table: Table,
        id: Uuid,
        before: Option<&Row>,
        after: &Row,
    ) -> Check {
        if table != Table::Tasks {
            return Ok(());
        }
        if before.is_none() && self.deleted.contains(&id) {
            return Err((Promise::HerRowIsHers, format!("deleted row {id} came back")));
        }
        let Some(before) = before else { return Ok(()) };
        if before.owner == admin && view::is_mirror(before) {
            Self::mirror_changed(author, id, before, after)
        } else {
            Self::task_changed(author, id, before, after)
        }
    }

    fn mirror_changed(author: Author, id: Uuid, before: &Row, after: &Row) -> Check {
        if view::status(before).is_terminal()
            && let Some(column) = FINAL.iter().find(|c| before.get(**c) != after.get(**c))
        {
            let (old, new) = (before.get(*column), after.get(*column));
            let seen = format!("mirror {id} had ended, yet {column:?} went from {old} to {new}");
            return Err((Promise::TerminalIsFinal, seen));
        }
        let number = |row: &Row| row.int(tasks::ATTEMPT).unwrap_or(0);
        let (old, new) = (number(before), number(after));
        let gone = view::status(before) == TaskStatus::Pending;
        let assigned = author == Author::Orchestrator && view::status(after) == TaskStatus::Running;
        let running = gone && assigned;
        if (running && new != old + 1) || (!running && new != old) {
            let seen = format!("mirror {id} went from attempt {old} to {new}");
            return Err((Promise::AttemptsRise, seen));
        }
        Ok(())
    }

    fn task_changed(author: Author, id: Uuid, before: &Row, after: &Row) -> Check {
        let overwritten = |column: &&Column| before.get(**column) != after.get(**column);
        match HERS.iter().find(overwritten) {
            Some(column) if author != Author::Person => {
                let seen = format!("{column:?} of her row {id} was overwritten");
                Err((Promise::HerRowIsHers, seen))
            }
            _ => Ok(()),
        }
    }

    /// Checks what concerns many rows at once.
    pub(crate) fn whole(store: &Store, admin: UserId) -> Check {
        let mut mirrors: BTreeMap<&str, Uuid> = BTreeMap::new();
        for (id, row) in store.rows(Table::Tasks) {
            if row.owner != admin || !view::is_mirror(row) {
                continue;
            }
            let Some(task) = row.text(tasks::MIRROR_OF) else {
                continue;
            };
            if let Some(other) = mirrors.insert(task, id) {
                let seen = format!("task {task} has the mirrors {other} and {id}");
                return Err((Promise::OneMirror, seen));
            }
        }
        Ok(())
    }

    /// Checks a store at rest: faults have stopped and nothing is left to do.
    pub(crate) fn at_rest(&self, store: &Store, admin: UserId) -> Check {
        for (id, row) in store.rows(Table::Tasks) {
            if row.owner == admin && view::is_mirror(row) {
                Self::mirror_at_rest(store, id, row)?;
            }
        }
        for result in &self.finished {
            Self::result_kept(store, result)?;
        }
        streams_verify(store)
    }

    fn mirror_at_rest(store: &Store, id: Uuid, row: &Row) -> Check {
        let status = view::status(row);
        if !status.is_terminal() {
            let seen = format!("mirror {id} stays {status}");
            return Err((Promise::NothingStuck, seen));
        }
        let task = view::mirror(id, row).map(|mirror| mirror.task.get());
        let Some(theirs) = task.and_then(|task| store.get(Table::Tasks, task)) else {
            return Ok(());
        };
        if view::status(theirs) != status {
            let seen = format!("mirror {id} is {status}, her row {}", view::status(theirs));
            return Err((Promise::NothingStuck, seen));
        }
        Ok(())
    }

    fn result_kept(store: &Store, result: &str) -> Check {
        let holds = |table, column: Column| {
            let mut rows = store.rows(table);
            rows.any(|(_, row)| row.text(column).is_some_and(|text| text.contains(result)))
        };
        if holds(Table::Tasks, tasks::RESULT) || holds(Table::Events, events::CONTENT) {
            return Ok(());
        }
        Err((Promise::NoResultLost, format!("this is nowhere: {result}")))
    }
}

fn streams_verify(store: &Store) -> Check {
    let mut streams: BTreeMap<(String, String), BTreeMap<i64, &Row>> = BTreeMap::new();
    for (id, row) in store.rows(Table::Events) {
        let name = |column| row.text(column).unwrap_or_default().to_owned();
        let key = (name(events::TASK_ID), name(events::STREAM));
        let sequence = row.int(events::SEQUENCE).unwrap_or(0);
        if streams
            .entry(key)
            .or_default()
            .insert(sequence, row)
            .is_some()
        {
            let seen = format!("event {id} repeats number {sequence} of its stream");
            return Err((Promise::AuditVerifies, seen));
        }
    }
    for ((task, stream), rows) in &streams {
        let mut previous = String::new();
        for (expected, (sequence, row)) in (1..).zip(rows) {
            let content = row.text(events::CONTENT).unwrap_or_default();
            let hash = shraga_core::audit::hash(&previous, content);
            if *sequence != expected || row.text(events::HASH) != Some(hash.as_str()) {
                let seen = format!(
                    "stream {stream} of task {task} breaks at number {expected}, holds {:?}",
                    rows.keys().collect::<Vec<_>>()
                );
                return Err((Promise::AuditVerifies, seen));
            }
            previous = hash;
        }
    }
    Ok(())
}
