//! The courtesy lease: which of several orchestrators assigns, so that they don't waste conditions.
//!
//! One row of the workers table, of type `Orchestrator`, at an identity all of them know. Its holder
//! renews it together with its assignments; when it has run out, anyone assigns and takes it. Safety
//! never depends on it: two that assign at once meet at the mirror's version and one of them is told
//! 412. An orchestrator with nothing to assign doesn't renew, so an idle system writes nothing.

use crate::status::LeaseView;
use shraga_core::ids::{BootId, COURTESY, WorkerId};
use shraga_core::limits;
use shraga_core::model::Worker;
use shraga_core::row::{ChangeSet, Condition, Table, Value, Write, workers};
use shraga_core::status::{Pool, WorkerKind, WorkerState};
use shraga_core::time::{Span, Timestamp};

/// The row all orchestrators of an organisation share.
pub(crate) const ROW: WorkerId = COURTESY;

/// How long a renewal counts. Longer delays the next orchestrator after a crash, shorter costs
/// writes.
const HOLD: Span = Span::secs(30);

/// Age at which the holder renews: half of what it holds for, so that one lost renewal is no loss.
const RENEW: Span = Span::secs(15);

/// This orchestrator's side of the lease.
#[derive(Clone, Debug)]
pub(crate) struct Courtesy {
    me: BootId,
    name: String,
}

impl Courtesy {
    /// The side of the orchestrator that runs as `me`.
    pub(crate) fn new(me: BootId, name: &str) -> Self {
        let name = limits::line(name, limits::NAME_UNITS);
        Self { me, name }
    }

    /// Who holds the lease at `now`, by its row.
    pub(crate) fn view(&self, row: Option<&Worker>, now: Timestamp) -> LeaseView {
        match row.filter(|row| held(row, now)) {
            None => LeaseView::Free,
            Some(row) if row.boot == Some(self.me) => LeaseView::Held,
            Some(row) => LeaseView::Other(row.name.clone()),
        }
    }

    /// The write that takes or renews the lease; `None` while it is fresh or somebody else's.
    pub(crate) fn claim(&self, row: Option<&Worker>, now: Timestamp) -> Option<ChangeSet> {
        let fresh = |row: &Worker| row.last_seen.is_some_and(|seen| now.since(seen) < RENEW);
        match self.view(row, now) {
            LeaseView::Unknown | LeaseView::Other(_) => None,
            LeaseView::Held if row.is_some_and(fresh) => None,
            LeaseView::Held | LeaseView::Free => Some(self.write(row, Value::Time(now))),
        }
    }

    /// The write that gives the lease back, if it is ours.
    pub(crate) fn release(&self, row: &Worker, now: Timestamp) -> Option<ChangeSet> {
        (self.view(Some(row), now) == LeaseView::Held).then(|| self.write(Some(row), Value::Null))
    }

    fn write(&self, row: Option<&Worker>, seen: Value) -> ChangeSet {
        let condition = row.map_or(Condition::Absent, |row| {
            Condition::Version(row.etag.clone())
        });
        let what = if seen == Value::Null {
            "released"
        } else {
            "held"
        };
        ChangeSet {
            task: None,
            why: format!("courtesy lease {what} by {}", self.name),
            writes: vec![Write {
                table: Table::Workers,
                id: ROW.get(),
                condition,
                owner: None,
                cells: vec![
                    (workers::NAME, self.name.as_str().into()),
                    (workers::KIND, WorkerKind::Orchestrator.as_str().into()),
                    (workers::STATE, WorkerState::Ready.as_str().into()),
                    (workers::POOL, Pool::Shared.as_str().into()),
                    (workers::SLOTS, 0_i64.into()),
                    (workers::BOOT, self.me.to_string().into()),
                    (workers::LAST_SEEN, seen),
                ],
            }],
        }
    }
}

fn held(row: &Worker, now: Timestamp) -> bool {
    row.last_seen.is_some_and(|seen| now.since(seen) < HOLD)
}

#[cfg(test)]
mod tests;
