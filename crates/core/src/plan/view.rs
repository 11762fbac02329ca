//! A snapshot with its indexes: which mirror is a task's, who is who.
//!
//! A mirror counts only if the admin owns its row and its person is the owner of the task (null:
//! not set yet, as the original left it). Of several that count, the one the person's row links
//! wins, else one that was started, else the oldest; the rest are duplicates. One that ended as a
//! duplicate stays one, wherever the link points. The link itself proves nothing.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use super::mirror::{self, Filed};
use super::schedule::{self, Schedule};
use super::{Policy, Snapshot};
use crate::ids::{MirrorId, TaskId, UserId, WorkerId};
use crate::model::{Mirror, UserTask, Worker};
use crate::reason::Reason;
use crate::row::{Column, tasks};
use crate::status::TaskStatus;
use crate::time::Timestamp;

/// A snapshot, ready to decide on.
pub(super) struct View<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) policy: &'a Policy,
    pub(super) now: Timestamp,
    pub(super) duplicates: Vec<&'a Mirror>,
    tasks: HashMap<TaskId, &'a UserTask>,
    mirrors: HashMap<TaskId, &'a Mirror>,
    by_id: HashMap<MirrorId, &'a Mirror>,
    workers: HashMap<WorkerId, &'a Worker>,
    legacy: HashSet<WorkerId>,
    met: HashMap<UserId, bool>,
    stands_back: OnceCell<bool>,
    filed: OnceCell<Vec<(&'a UserTask, Filed)>>,
    schedule: OnceCell<Schedule<'a>>,
}

impl<'a> View<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, policy: &'a Policy, now: Timestamp) -> Self {
        let people = snapshot.people.iter();
        let mut view = Self {
            snapshot,
            policy,
            now,
            duplicates: Vec::new(),
            tasks: snapshot.tasks.iter().map(|task| (task.id, task)).collect(),
            mirrors: HashMap::with_capacity(snapshot.mirrors.len()),
            by_id: snapshot.mirrors.iter().map(|row| (row.id, row)).collect(),
            workers: snapshot.workers.iter().map(|row| (row.id, row)).collect(),
            legacy: HashSet::new(),
            met: people.map(|row| (row.id, row.disabled)).collect(),
            stands_back: OnceCell::new(),
            filed: OnceCell::new(),
            schedule: OnceCell::new(),
        };
        let known_by_file_alone =
            |id: &WorkerId| !view.workers.contains_key(id) && !snapshot.unread_workers.contains(id);
        let legacy = snapshot.legacy.iter().copied();
        view.legacy = legacy.filter(known_by_file_alone).collect();
        for mirror in &snapshot.mirrors {
            view.enter(mirror);
        }
        view
    }

    fn enter(&mut self, mirror: &'a Mirror) {
        if !self.counts(mirror) {
            return;
        }
        if is_duplicate(mirror) {
            self.duplicates.push(mirror);
            return;
        }
        let Some(other) = self.mirrors.insert(mirror.task, mirror) else {
            return;
        };
        if self.precedence(other) < self.precedence(mirror) {
            self.mirrors.insert(mirror.task, other);
            self.duplicates.push(mirror);
        } else {
            self.duplicates.push(other);
        }
    }

    /// Whether this row is a mirror of the task it names.
    pub(super) fn counts(&self, mirror: &Mirror) -> bool {
        let task = self.tasks.get(&mirror.task);
        let owner = task.map_or(mirror.user, |task| Some(task.owner));
        self.snapshot.admin == Some(mirror.owner) && (mirror.user.is_none() || mirror.user == owner)
    }

    /// The mirror of this task that another admin owns, where her row links one: an orchestrator with
    /// another identity made it, and works on it or did. What she owns herself is only a claim of hers.
    pub(super) fn anothers(&self, task: &UserTask) -> Option<&'a Mirror> {
        let admin = self.snapshot.admin?;
        let link = task.mirror_link.as_deref()?.trim().parse().ok()?;
        let linked = self.row_at(link).filter(|row| row.task == task.id)?;
        (linked.owner != admin && linked.owner != task.owner).then_some(linked)
    }

    /// Whether open tasks are another admin's to see to: nothing is begun beside an orchestrator that
    /// works under another identity, since neither would know what the other one does.
    pub(super) fn stands_back(&self) -> bool {
        *self.stands_back.get_or_init(|| {
            let open = |task: &&UserTask| !task.status.is_terminal();
            let mut tasks = self.snapshot.tasks.iter().filter(open);
            self.snapshot.another_admin || tasks.any(|task| self.anothers(task).is_some())
        })
    }

    /// Smaller wins.
    fn precedence(&self, mirror: &Mirror) -> (bool, bool, bool, Timestamp, MirrorId) {
        let out = mirror.shown.reason.as_deref() == Some(Reason::Duplicate.as_str());
        let unlinked = !self.is_linked(mirror);
        let fresh = mirror.shown.attempt.0 == 0;
        (out, unlinked, fresh, mirror.created, mirror.id)
    }

    fn is_linked(&self, mirror: &Mirror) -> bool {
        let task = self.task(mirror.task);
        task.is_some_and(|task| links(task, mirror))
    }

    /// Whether it is decided which of a task's mirrors counts: her row links it, or is gone. Until
    /// then another orchestrator may be linking a different one.
    pub(super) fn is_settled(&self, mirror: &Mirror) -> bool {
        self.is_linked(mirror) || self.is_deleted(mirror.task)
    }

    /// The mirrors that count, one per task, in the order of the snapshot.
    pub(super) fn mirrors(&self) -> impl Iterator<Item = &'a Mirror> {
        let rows = self.snapshot.mirrors.iter();
        rows.filter(|row| self.mirror(row.task).is_some_and(|it| it.id == row.id))
    }

    pub(super) fn task(&self, id: TaskId) -> Option<&'a UserTask> {
        self.tasks.get(&id).copied()
    }

    /// The mirror of this task, if it is in view.
    pub(super) fn mirror(&self, task: TaskId) -> Option<&'a Mirror> {
        self.mirrors.get(&task).copied()
    }

    /// Whether this task has a mirror that can't be understood.
    pub(super) fn has_unread_mirror(&self, task: TaskId) -> bool {
        self.snapshot.unread_mirrors.contains(&task)
    }

    /// Whatever row of the mirror kind has this identity.
    pub(super) fn row_at(&self, id: MirrorId) -> Option<&'a Mirror> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn worker(&self, id: WorkerId) -> Option<&'a Worker> {
        self.workers.get(&id).copied()
    }

    pub(super) fn is_legacy(&self, worker: WorkerId) -> bool {
        self.legacy.contains(&worker)
    }

    /// Legacy workers, in the order of the state file: those without a row.
    pub(super) fn legacy(&self) -> impl Iterator<Item = WorkerId> {
        let ids = self.snapshot.legacy.iter().copied();
        ids.filter(|id| self.is_legacy(*id))
    }

    /// Whether people's Pending rows may be taken by legacy workers: some are configured, or the
    /// store can hold no assignment to another kind.
    pub(super) fn has_legacy(&self) -> bool {
        !self.legacy.is_empty() || !self.fences()
    }

    /// Whether rows of the tasks table have this column.
    pub(super) fn has(&self, column: Column) -> bool {
        !self.policy.absent.contains(&column)
    }

    /// Whether rows can tell one attempt at a task from another. Without, an assignment can't be
    /// claimed by one of our workers, nor taken back safely.
    pub(super) fn fences(&self) -> bool {
        self.has(tasks::ATTEMPT) && self.has(tasks::LEASE)
    }

    /// From when on silence counts: while the store could not be looked at, nobody could write to it
    /// either.
    pub(super) fn in_sight(&self, since: Timestamp) -> Timestamp {
        let again = self.snapshot.in_sight_since;
        again.map_or(since, |again| since.max(again))
    }

    /// Whether this worker's row is known to be gone.
    pub(super) fn is_vanished(&self, id: WorkerId) -> bool {
        let has_row = self.worker(id).is_some() || self.snapshot.unread_workers.contains(&id);
        self.snapshot.workers_complete && !self.is_legacy(id) && !has_row
    }

    /// Whether the person's row is known to be gone.
    pub(super) fn is_deleted(&self, id: TaskId) -> bool {
        self.snapshot.absent.contains(&id.get())
    }

    pub(super) fn is_disabled(&self, user: UserId) -> bool {
        self.met.get(&user).copied().unwrap_or(false)
    }

    pub(super) fn is_met(&self, user: UserId) -> bool {
        self.met.contains_key(&user)
    }

    /// New tasks and what is to be done about them; computed once.
    pub(super) fn filed(&self) -> &[(&'a UserTask, Filed)] {
        self.filed.get_or_init(|| mirror::filed(self))
    }

    /// Every mirror that takes a slot, duplicates included.
    pub(super) fn active(&self) -> impl Iterator<Item = &'a Mirror> {
        let rows = self.snapshot.mirrors.iter();
        rows.filter(|row| row.is_active() && self.counts(row))
    }

    /// Who gets which worker; computed once.
    pub(super) fn schedule(&self) -> &Schedule<'a> {
        self.schedule.get_or_init(|| schedule::schedule(self))
    }

    /// Whether the person asks for this task to end.
    pub(super) fn cancel_requested(&self, task: &UserTask) -> bool {
        matches!(task.status, TaskStatus::Canceled | TaskStatus::Canceling)
    }

    /// Whether a legacy worker has taken the person's row.
    pub(super) fn is_taken(&self, task: &UserTask) -> bool {
        // The original's workers give these alone; anything else is ours, or hers.
        let theirs = matches!(task.status, TaskStatus::Running | TaskStatus::Canceling);
        task.machine.is_some() && (theirs || task.status.is_terminal())
    }

    /// Whether a legacy worker owns the fate of this mirror: it was given to one, or one may have
    /// taken the person's row by itself.
    pub(super) fn is_with_legacy(&self, mirror: &Mirror, task: &UserTask) -> bool {
        match mirror.worker() {
            Some(worker) => self.is_legacy(worker) || !self.fences(),
            None => self.has_legacy() && !self.shows_ours(task),
        }
    }

    /// Whether a row that stands beyond Pending was brought there without a legacy worker: those name
    /// their machine.
    pub(super) fn shows_ours(&self, task: &UserTask) -> bool {
        task.machine.is_none() && task.status != TaskStatus::Pending
    }
}

/// Whether this mirror was found to be a second one before: it stays one, also when the other is not
/// in view.
fn is_duplicate(mirror: &Mirror) -> bool {
    let ends = matches!(mirror.status, TaskStatus::Canceling | TaskStatus::Canceled);
    ends && mirror.shown.reason.as_deref() == Some(Reason::Duplicate.as_str())
}

/// Whether the person's row links this mirror.
pub(super) fn links(task: &UserTask, mirror: &Mirror) -> bool {
    let link = task.mirror_link.as_deref().map(str::trim);
    link.is_some_and(|link| link.parse() == Ok(mirror.id))
}
