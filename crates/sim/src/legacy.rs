//! The original's worker, on a person's own machine, and what the original's orchestrator left.
//!
//! It polls the person's own Pending rows that no machine has, claims one by `If-Match`, works, and
//! writes the end over whatever is there. It knows nothing of mirrors, sends no sign of life, and
//! when it starts it fails what its machine had claimed. Its writes carry the version it read a
//! moment ago, which is as unconditional as the model's writes can be.

use shraga_core::ids::{TaskId, UserId, WorkerId};
use shraga_core::row::{ChangeSet, Column, Table, Value, Write, tasks};
use shraga_core::status::{TaskStatus, WorkPhase};
use shraga_core::time::{Span, Timestamp};
use uuid::Uuid;

use crate::store::{Row, Store};

/// The longest its agent runs.
const AGENT_SECONDS: i64 = 90;

/// A machine with the original's worker.
#[derive(Debug)]
pub(crate) struct Legacy {
    pub(crate) host: String,
    pub(crate) person: UserId,
    job: Option<(Uuid, Timestamp)>,
    /// Whether it has just started and has not looked for what its machine had claimed.
    fresh: bool,
}

impl Legacy {
    pub(crate) const fn new(host: String, person: UserId) -> Self {
        Self {
            host,
            person,
            job: None,
            fresh: true,
        }
    }

    /// The machine restarts.
    pub(crate) const fn crash(&mut self) {
        self.job = None;
        self.fresh = true;
    }

    pub(crate) const fn is_idle(&self) -> bool {
        self.job.is_none() && !self.fresh
    }

    pub(crate) fn due(&self) -> Option<Timestamp> {
        self.job.map(|(_, ends)| ends)
    }

    /// What it writes next, if anything.
    pub(crate) fn act(&mut self, store: &Store, dice: &mut fastrand::Rng) -> Option<ChangeSet> {
        if let Some(orphan) = self.orphan(store).filter(|_| self.fresh) {
            return Some(end(orphan, TaskStatus::Failed, "orphaned", None));
        }
        self.fresh = false;
        let Some((id, ends)) = self.job else {
            let row = self.poll(store)?;
            let ends = store.now.plus(Span::secs(dice.i64(0..AGENT_SECONDS)));
            self.job = Some((row.id, ends));
            return Some(self.claim(row));
        };
        let Some(row) = store.get(Table::Tasks, id) else {
            self.job = None;
            return None;
        };
        if matches!(row.status, TaskStatus::Canceled | TaskStatus::Canceling) {
            self.job = None;
            return Some(end(row, TaskStatus::Canceled, "canceled", None));
        }
        if ends > store.now {
            return None;
        }
        self.job = None;
        let result = format!("result of {} for {id}", self.host);
        Some(if dice.u8(0..4) == 0 {
            end(row, TaskStatus::Failed, "it failed", None)
        } else {
            end(row, TaskStatus::Completed, "done", Some(result))
        })
    }

    /// Its claim did not come through: somebody else was faster.
    pub(crate) const fn lost_the_race(&mut self) {
        self.job = None;
    }

    fn poll<'a>(&self, store: &'a Store) -> Option<&'a Row> {
        let open = |row: &&std::rc::Rc<Row>| {
            row.owner == self.person
                && row.status == TaskStatus::Pending
                && row.text(tasks::DEVBOX).is_none()
        };
        let rows = store.rows(Table::Tasks).filter(open);
        rows.map(std::rc::Rc::as_ref).min_by_key(|row| row.created)
    }

    fn orphan<'a>(&self, store: &'a Store) -> Option<&'a Row> {
        let mine = |row: &&std::rc::Rc<Row>| {
            let here = row.text(tasks::DEVBOX) == Some(self.host.as_str());
            row.status == TaskStatus::Running && here
        };
        let mut rows = store.rows(Table::Tasks);
        rows.find(mine).map(std::rc::Rc::as_ref)
    }

    fn claim(&self, row: &Row) -> ChangeSet {
        let cells = vec![
            (tasks::STATUS, TaskStatus::Running.into()),
            (
                tasks::STATUS_MESSAGE,
                format!("Claimed by {}", self.host).into(),
            ),
            (tasks::DEVBOX, self.host.as_str().into()),
        ];
        update(row, "the original's worker claims task", cells)
    }
}

fn end(row: &Row, status: TaskStatus, said: &str, result: Option<String>) -> ChangeSet {
    let mut cells: Vec<(Column, Value)> = vec![
        (tasks::STATUS, status.into()),
        (tasks::STATUS_MESSAGE, said.into()),
    ];
    cells.extend(result.map(|result| (tasks::RESULT, result.into())));
    update(row, "the original's worker ends task", cells)
}

fn update(row: &Row, why: &str, cells: Vec<(Column, Value)>) -> ChangeSet {
    ChangeSet {
        task: Some(TaskId::new(row.id)),
        why: format!("{why} {}", TaskId::new(row.id).short()),
        writes: vec![Write::update(Table::Tasks, row.id, &row.etag, cells)],
    }
}

/// A mirror as the original's orchestrator made it: an identity of its own, nobody's name in
/// `cr_userid`, and, if it came that far, a worker.
pub(crate) fn leftover(id: Uuid, task: &Row, worker: Option<WorkerId>) -> ChangeSet {
    let status = if worker.is_some() {
        TaskStatus::Running
    } else {
        TaskStatus::Pending
    };
    let mut cells: Vec<(Column, Value)> = vec![
        (tasks::NAME, task.get(tasks::NAME).clone()),
        (tasks::PROMPT, task.get(tasks::PROMPT).clone()),
        (tasks::STATUS, status.into()),
        (tasks::IS_MIRROR, true.into()),
        (tasks::MIRROR_OF, task.id.into()),
        (tasks::TRANSCRIPT, "".into()),
        (tasks::RESULT, "".into()),
    ];
    if let Some(worker) = worker {
        cells.push((tasks::ASSIGNED_WORKER, worker.get().into()));
        cells.push((tasks::WORK_PHASE, WorkPhase::Assigned.as_str().into()));
    }
    ChangeSet {
        task: Some(TaskId::new(task.id)),
        why: format!("the original mirrors task {}", TaskId::new(task.id).short()),
        writes: vec![Write::create(Table::Tasks, id, cells)],
    }
}

/// The link the original wrote, if it came that far.
pub(crate) fn leftover_link(task: &Row, mirror: Uuid) -> ChangeSet {
    update(
        task,
        "the original links task",
        vec![(tasks::MIRROR_LINK, mirror.into())],
    )
}
