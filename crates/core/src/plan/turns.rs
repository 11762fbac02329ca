//! Whose turn it is: who was given something last, in the order in which it happened.
//!
//! Rows say it to the second (a lease's `since`, a worker's `cr_lastassigned`, the newest change of
//! a mirror that names a legacy worker), and survive restarts. [`Turns`] is a memory beside them that
//! only keeps the order within one second; losing it costs nothing else. A failed assignment is
//! never remembered.

use std::collections::HashMap;

use super::Snapshot;
use crate::ids::WorkerId;
use crate::model::Mirror;
use crate::row::{ChangeSet, Table, Value, tasks};
use crate::time::Timestamp;

/// When something was given: the second, then the order within it.
pub(super) type Turn = (Timestamp, u64);

/// When each worker was last given something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    last: HashMap<WorkerId, Turn>,
    count: u64,
}

impl Turns {
    /// Remembers what `set`, which was applied at `now`, gave to whom.
    pub fn applied(&mut self, set: &ChangeSet, now: Timestamp) {
        let given = set
            .writes
            .iter()
            .filter(|write| write.table == Table::Tasks && write.get(tasks::LEASE).is_some())
            .filter_map(|write| match write.get(tasks::ASSIGNED_WORKER)? {
                Value::Text(id) => id.parse().ok(),
                Value::Null | Value::Int(_) | Value::Bool(_) | Value::Time(_) => None,
            });
        for worker in given {
            self.give(worker, now);
        }
    }

    /// What is remembered and what the rows of `snapshot` say, together.
    #[must_use]
    pub fn seen(snapshot: &Snapshot) -> Self {
        let mut turns = snapshot.turns.clone();
        for worker in &snapshot.workers {
            if let Some(at) = worker.last_assigned {
                turns.note(worker.id, at);
            }
        }
        for mirror in &snapshot.mirrors {
            turns.given(mirror);
        }
        turns
    }

    /// When `worker` was last given something; the beginning of time if never.
    pub(super) fn last(&self, worker: WorkerId) -> Turn {
        self.last.get(&worker).copied().unwrap_or_default()
    }

    /// `worker` is given something at `now`, after everything remembered so far.
    pub fn give(&mut self, worker: WorkerId, now: Timestamp) {
        self.count += 1;
        self.last.insert(worker, (now, self.count));
    }

    /// Remembers to whom `mirror` was given, and when: as its lease says, else when it last changed.
    fn given(&mut self, mirror: &Mirror) {
        match (&mirror.lease, mirror.shown.worker) {
            (Some(lease), _) => self.note(lease.worker, lease.since),
            (None, Some(worker)) => self.note(worker, mirror.modified),
            (None, None) => {}
        }
    }

    fn note(&mut self, worker: WorkerId, at: Timestamp) {
        let turn = self.last.entry(worker).or_default();
        *turn = (*turn).max((at, 0));
    }
}
