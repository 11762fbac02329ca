//! Whose turn it is: which worker was given something last, and what people's ended attempts took.
//!
//! Rows say it to the second (a lease's `since`, a worker's `cr_lastassigned`, the newest change of
//! a mirror that names a legacy worker), and survive restarts. [`Turns`] is a memory beside them that
//! only keeps the order within one second, and mirrors that ended and are not in view any more; both
//! can be read again. A failed assignment is never remembered.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::Snapshot;
use super::shares::REMEMBERED;
use crate::ids::{MirrorId, UserId, WorkerId};
use crate::model::Mirror;
use crate::row::{ChangeSet, Table, Value, tasks};
use crate::time::Timestamp;

/// When something was given: the second, then the order within it.
pub(super) type Turn = (Timestamp, u64);

/// Ended attempts remembered at most. Fewer forget a busy hour's early ends, which evens out less;
/// more are copied and counted in each tick.
const ENDED_MAX: usize = 2_000;

/// When each worker was last given something, and what people's attempts of late took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    last: HashMap<WorkerId, Turn>,
    count: u64,
    /// By when they ended: whose, and since when they ran.
    ended: BTreeMap<(Timestamp, MirrorId), (Option<UserId>, Timestamp)>,
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
    pub fn seen(snapshot: &Snapshot, now: Timestamp) -> Self {
        let mut turns = snapshot.turns.clone();
        for worker in &snapshot.workers {
            if let Some(at) = worker.last_assigned {
                turns.note(worker.id, at);
            }
        }
        for mirror in &snapshot.mirrors {
            turns.given(mirror);
            if snapshot.admin == Some(mirror.owner) {
                turns.end(mirror);
            }
        }
        turns.forget(now);
        turns
    }

    /// Remembers what the last attempt of `mirror` took, if it has ended.
    pub fn end(&mut self, mirror: &Mirror) {
        let lease = mirror.lease.as_ref().map(|lease| lease.since);
        let from = lease.or(mirror.shown.started);
        let until = mirror.shown.finished;
        if let (true, Some(from), Some(until)) = (mirror.status.is_terminal(), from, until) {
            let ended = (mirror.user, from);
            self.ended.insert((until, mirror.id), ended);
        }
    }

    /// Forgets what ended too long ago to count.
    fn forget(&mut self, now: Timestamp) {
        let first = (now.minus(REMEMBERED), MirrorId::new(Uuid::nil()));
        self.ended = self.ended.split_off(&first);
        while self.ended.len() > ENDED_MAX {
            self.ended.pop_first();
        }
    }

    /// Attempts of late: whose, from when, until when.
    pub(super) fn ended(
        &self,
    ) -> impl Iterator<Item = (Option<UserId>, Timestamp, Timestamp)> + '_ {
        let ended = self.ended.iter();
        ended.map(|((until, _), (user, from))| (*user, *from, *until))
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
