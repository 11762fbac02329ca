//! The writes: the fleet's row, and permissions in workers' rows.

use crate::fleet::{Allowed, Fleet, Stage, row_id};
use crate::ids::Etag;
use crate::model::Worker;
use crate::row::{Column, Table, Value, Write, workers};
use crate::status::{Pool, WorkerKind, WorkerState};

/// What the fleet's row is called.
const NAME: &str = "fleet";

/// The write of the fleet's row: under the version that was looked at, or where there was none.
#[must_use]
pub fn save(version: Option<&Etag>, fleet: &Fleet) -> Write {
    let id = row_id().get();
    let mut cells: Vec<(Column, Value)> = vec![(workers::UPDATE_STATE, fleet.to_json().into())];
    let Some(version) = version else {
        cells.extend([
            (workers::NAME, NAME.into()),
            (workers::KIND, WorkerKind::Orchestrator.as_str().into()),
            (workers::STATE, WorkerState::Ready.as_str().into()),
            (workers::POOL, Pool::Shared.as_str().into()),
            (workers::SLOTS, 0_i64.into()),
        ]);
        return Write::create(Table::Workers, id, cells);
    };
    Write::update(Table::Workers, id, version, cells)
}

/// The write that lets a worker take what is rolled out, or keep it, if it runs what is open to all by now.
pub(super) fn allow(worker: &Worker, fleet: &Fleet) -> Write {
    let allowed = fleet.rollout.as_ref().map(|rollout| {
        let runs = worker.member.release.as_ref() == Some(&rollout.release);
        let allowed = Allowed {
            release: rollout.release.clone(),
            open: runs && matches!(rollout.stage, Stage::Open(_)),
        };
        allowed.to_string()
    });
    let cells = vec![(workers::ALLOWED, allowed.into())];
    Write::update(Table::Workers, worker.id.get(), &worker.etag, cells)
}

/// The write that lets it take nothing.
pub(super) fn withdraw(worker: &Worker) -> Write {
    let cells = vec![(workers::ALLOWED, Value::Null)];
    Write::update(Table::Workers, worker.id.get(), &worker.etag, cells)
}
