//! How many tasks and workers there are, by state, and what tasks wait for: for status, heartbeat and
//! metrics. Nothing is decided by it.
//!
//! Workers and reasons are what ticks see anyway. Open tasks are more than a tick's window, so they
//! are counted by the store: one batch a minute, and none while nothing moves, so that a quiet hour
//! costs nothing. What has ended is not counted: it only grows, and counting it would cost more
//! every day.

use std::collections::BTreeMap;
use std::time::Duration;

use shraga_core::ids::TaskId;
use shraga_core::plan::Snapshot;
use shraga_core::reason::Reason;
use shraga_core::row::{Table, tasks};
use shraga_core::status::{TaskStatus, WorkerState};
use shraga_dataverse::{Client, Error, Read};
use shraga_wire::filter::{Filter, Literal};
use shraga_wire::query::Query;

use crate::clock::Moment;
use crate::observe::filter::{eq, status};
use crate::status::Counts;

/// Least time between two counts. Shorter costs requests, longer makes the heartbeat, one a minute,
/// tell old news.
const EVERY: Duration = Duration::from_secs(60);

/// States of open mirrors.
const OPEN: [TaskStatus; 4] = [
    TaskStatus::Pending,
    TaskStatus::Running,
    TaskStatus::WaitingForInput,
    TaskStatus::Canceling,
];

/// How many there are. A store counts to 5,000 and no further.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Open mirrors by status, each that a mirror can be open in; `None` until they were counted.
    pub tasks: Option<Vec<(TaskStatus, u64)>>,
    /// Workers by state, as last seen; `None` until they were.
    pub workers: Option<BTreeMap<&'static str, u64>>,
    /// Tasks that a tick saw waiting, by the code of the reason.
    pub waiting: BTreeMap<&'static str, u64>,
    due: Option<Moment>,
    stirred: bool,
}

impl Census {
    /// Open tasks, once they were counted.
    #[must_use]
    pub fn open(&self) -> Option<u64> {
        let tasks = self.tasks.as_ref()?;
        Some(tasks.iter().map(|(_, count)| count).sum())
    }

    /// Workers that take tasks or are full of them, and all that were not signed off; once seen.
    #[must_use]
    pub fn workers(&self) -> Option<(u64, u64)> {
        let workers = self.workers.as_ref()?;
        let of = |states: &[WorkerState]| -> u64 {
            let counts = states.iter().map(|state| workers.get(state.as_str()));
            counts.flatten().sum()
        };
        let able = of(&[WorkerState::Ready, WorkerState::Busy]);
        let gone = of(&[WorkerState::Offline, WorkerState::Deprovisioned]);
        Some((able, workers.values().sum::<u64>() - gone))
    }

    /// Notes the workers a tick read.
    pub(crate) fn saw(&mut self, snapshot: &Snapshot) {
        if !snapshot.workers_complete {
            return;
        }
        let mut workers = BTreeMap::new();
        for worker in &snapshot.workers {
            *workers.entry(worker.state.as_str()).or_default() += 1;
        }
        self.workers = Some(workers);
    }

    /// Notes what tasks wait for, by a tick that looked at all that could be assigned.
    pub(crate) fn wait(&mut self, waiting: &[(TaskId, Reason)]) {
        self.waiting.clear();
        for (_, reason) in waiting {
            *self.waiting.entry(reason.as_str()).or_default() += 1;
        }
    }

    /// Counts anew, when something moved and it is time.
    pub(crate) async fn refresh(&mut self, client: &Client, counts: &Counts) {
        self.stirred |= counts.done + counts.stale + counts.unknown > 0 || self.tasks.is_none();
        let early = self.due.is_some_and(|due| !due.passed());
        if early || !self.stirred {
            return;
        }
        self.due = Some(Moment::now().plus(EVERY));
        match count(client).await {
            Ok(tasks) => {
                self.tasks = Some(tasks);
                self.stirred = false;
            }
            Err(error) => {
                let kind = error.kind();
                tracing::debug!(error.kind = kind, "tasks were not counted: {error}");
            }
        }
    }
}

async fn count(client: &Client) -> Result<Vec<(TaskStatus, u64)>, Error> {
    let reads = OPEN.map(|state| Read::List {
        table: Table::Tasks,
        query: Query {
            select: vec![tasks::STATUS.name().to_owned()],
            filter: Some(Filter::And(vec![
                status(state),
                eq(tasks::IS_MIRROR, Literal::Bool(true)),
            ])),
            top: Some(1),
            count: true,
            ..Query::default()
        },
    });
    let answers = client.read_batch(&reads).await?.answers;
    let each = OPEN.into_iter().zip(answers);
    each.map(|(state, answer)| Ok((state, answer?.count.unwrap_or_default())))
        .collect()
}
