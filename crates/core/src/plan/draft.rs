//! A change of one task in the making: cells of its mirror, cells of the person's row, events.
//!
//! The mirror's write comes first, the person's row next; events last: they tell what has happened.
//! Events move the orchestrator's stream head in the same write, so the mirror's version serialises
//! every orchestrator. Where the mirror's write says what only the person's row can make true (that it
//! is linked, that no legacy worker took it), hers comes first.

use super::View;
use crate::audit::{About, ORCHESTRATOR, Stream};
use crate::ids::{Attempt, MirrorId, TaskId, UserId};
use crate::json::Object;
use crate::ledger::Ledger;
use crate::limits;
use crate::model::{Mirror, StreamHead, UserTask};
use crate::reason::Reason;
use crate::row::{ChangeSet, Column, Condition, Table, Value, Write, tasks};
use crate::status::{EventKind, TaskStatus};
use crate::time::{Day, Timestamp};

/// The attempt that is under way when a change begins.
struct Runs {
    ledger: Ledger,
    attempt: Attempt,
    claimed: bool,
}

/// A change of one task.
pub(super) struct Draft {
    task: TaskId,
    mirror: Write,
    person: Option<Write>,
    person_first: bool,
    before: Vec<Write>,
    runs: Option<Runs>,
    events: Vec<Write>,
    stream: Option<Stream>,
    at: Timestamp,
}

impl Draft {
    /// Makes the mirror `id` of `task`, owned by `admin`.
    pub(super) fn create(view: &View<'_>, task: &UserTask, id: MirrorId, admin: UserId) -> Self {
        let mut mirror = Write::create(Table::Tasks, id.get(), Vec::with_capacity(24));
        mirror.owner = Some(admin);
        let about = About {
            mirror: id,
            task: task.id,
            user: Some(task.owner),
            attempt: task.shown.attempt,
            stream: ORCHESTRATOR.to_owned(),
        };
        Self::new(view, task.id, mirror, about, &StreamHead::default())
    }

    /// Changes `mirror`, as it was seen.
    pub(super) fn update(view: &View<'_>, mirror: &Mirror) -> Self {
        let write = Write::update(Table::Tasks, mirror.id.get(), &mirror.etag, Vec::new());
        let about = About {
            mirror: mirror.id,
            task: mirror.task,
            user: mirror
                .user
                .or_else(|| view.task(mirror.task).map(|task| task.owner)),
            attempt: mirror.shown.attempt,
            stream: ORCHESTRATOR.to_owned(),
        };
        let mut draft = Self::new(view, mirror.task, write, about, &mirror.head);
        draft.runs = mirror.is_active().then(|| Runs {
            ledger: mirror.ledger.clone(),
            attempt: mirror.shown.attempt,
            claimed: mirror.claimed().is_some(),
        });
        draft
    }

    fn new(view: &View<'_>, task: TaskId, mirror: Write, about: About, head: &StreamHead) -> Self {
        let (stream, error) = Stream::resume(about, head, &view.snapshot.taken, view.now);
        let told = error.filter(|_| view.policy.events);
        Self {
            task,
            mirror,
            person: None,
            person_first: false,
            before: Vec::new(),
            runs: None,
            events: told.into_iter().collect(),
            stream: view.policy.events.then_some(stream),
            at: view.now,
        }
    }

    /// The person's row is written before the mirror: the mirror's write says that hers was.
    pub(super) const fn person_first(&mut self) -> &mut Self {
        self.person_first = true;
        self
    }

    /// A write that comes before all others: what it says must never be less than what is so.
    pub(super) fn first(&mut self, write: Write) -> &mut Self {
        self.before.push(write);
        self
    }

    /// An attempt that is taken back ends in the task's ledger too. One that nobody claimed used nothing.
    fn close_ledger(&mut self) {
        let Some(runs) = self.runs.take() else {
            return;
        };
        let codes = [TaskStatus::Running, TaskStatus::Canceling].map(Value::from);
        let ends = self
            .mirror
            .get(tasks::STATUS)
            .is_some_and(|it| !codes.contains(it));
        let day = Day::of(self.at);
        let closed = match runs.claimed {
            true => runs.ledger.lose(runs.attempt, day),
            false => runs.ledger.close_unused(runs.attempt),
        };
        if ends && closed != runs.ledger {
            self.set(tasks::USAGE, closed.to_json());
        }
    }

    /// Sets a cell of the mirror; the last value given to a column counts.
    pub(super) fn set(&mut self, column: Column, value: impl Into<Value>) -> &mut Self {
        put(&mut self.mirror.cells, column, value.into());
        self
    }

    /// Sets status, reason and message of the mirror.
    pub(super) fn stand(
        &mut self,
        status: TaskStatus,
        reason: Option<Reason>,
        message: &str,
    ) -> &mut Self {
        let message = limits::line(message, limits::MESSAGE_UNITS);
        self.set(tasks::STATUS, status)
            .set(tasks::REASON, reason.map(Reason::as_str))
            .set(tasks::STATUS_MESSAGE, message)
    }

    /// Ends the task: status, reason, message, time, and the event that says so.
    pub(super) fn end(&mut self, status: TaskStatus, reason: Reason, message: &str) -> &mut Self {
        let at = self.at;
        let kind = match status {
            TaskStatus::Completed => EventKind::TaskCompleted,
            TaskStatus::Failed => EventKind::TaskFailed,
            TaskStatus::Canceled
            | TaskStatus::Pending
            | TaskStatus::Queued
            | TaskStatus::Running
            | TaskStatus::WaitingForInput
            | TaskStatus::Submitted
            | TaskStatus::Canceling => EventKind::TaskCanceled,
        };
        self.stand(status, Some(reason), message)
            .set(tasks::FINISHED, at)
            .event(kind, message, Object::new().text("reason", reason))
    }

    /// Takes the task away from its worker.
    pub(super) fn release(&mut self) -> &mut Self {
        self.set(tasks::ASSIGNED_WORKER, Value::Null)
            .set(tasks::WORK_PHASE, Value::Null)
            .set(tasks::LEASE, Value::Null)
            .set(tasks::STARTED, Value::Null)
    }

    /// Adds an event to the orchestrator's stream of this task.
    pub(super) fn event(&mut self, kind: EventKind, said: &str, content: Object) -> &mut Self {
        if let Some(stream) = &mut self.stream {
            let event = stream.push(kind, said, self.at, content);
            self.events.push(event);
        }
        self
    }

    /// Sets the attempt of the mirror, and of its events from now on.
    pub(super) fn attempt(&mut self, attempt: Attempt) -> &mut Self {
        if let Some(stream) = &mut self.stream {
            stream.attempt(attempt);
        }
        self.set(tasks::ATTEMPT, i64::from(attempt.0))
    }

    /// Sets a cell of the person's row, in the same change set.
    pub(super) fn tell(
        &mut self,
        task: &UserTask,
        column: Column,
        value: impl Into<Value>,
    ) -> &mut Self {
        let person = self
            .person
            .get_or_insert_with(|| person_row(task, Vec::new()));
        put(&mut person.cells, column, value.into());
        self
    }

    /// The change set.
    pub(super) fn finish(mut self, why: String) -> ChangeSet {
        self.close_ledger();
        if let (Some(stream), false) = (&self.stream, self.events.is_empty()) {
            put(
                &mut self.mirror.cells,
                tasks::EVENT_HEAD,
                stream.head().to_json().into(),
            );
        }
        if self.mirror.condition == Condition::Absent {
            self.mirror.cells.retain(|(_, value)| *value != Value::Null);
        }
        let mut writes = Vec::with_capacity(2 + self.events.len());
        let changes = !self.mirror.cells.is_empty() || self.mirror.condition == Condition::Absent;
        let first = self.person.take_if(|_| self.person_first);
        writes.append(&mut self.before);
        writes.extend(first);
        writes.extend(changes.then_some(self.mirror));
        writes.extend(self.person);
        writes.extend(self.events);
        ChangeSet {
            task: Some(self.task),
            why,
            writes,
        }
    }
}

/// A write of the person's row, as it was seen.
pub(super) fn person_row(task: &UserTask, cells: Vec<(Column, Value)>) -> Write {
    Write::update(Table::Tasks, task.id.get(), &task.etag, cells)
}

fn put(cells: &mut Vec<(Column, Value)>, column: Column, value: Value) {
    match cells.iter_mut().find(|(name, _)| *name == column) {
        Some(cell) => cell.1 = value,
        None => cells.push((column, value)),
    }
}
