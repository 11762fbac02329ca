//! Who gets which worker: one deterministic allocation over waiting mirrors and new tasks.
//!
//! People take turns: whoever has least running goes first, within a person the earlier rank. A
//! person's own worker comes before shared ones; of equals, the one that was given something longest
//! ago. Slots are counted from rows, and each grant takes one at once, so a plan never overfills a
//! worker by itself. Safety does not depend on any of it: a worker claims no more than it can run.

use std::collections::HashMap;

use super::mirror::{self, Filed};
use super::turns::Turns;
use super::view::View;
use crate::ids::{MirrorId, TaskId, UserId, WorkerId};
use crate::model::{Mirror, UserTask, Wants, Worker};
use crate::reason::Reason;
use crate::status::{Pool, TaskStatus, WorkPhase};
use crate::time::Timestamp;

/// A worker given to a task.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant<'a> {
    pub(super) worker: WorkerId,
    pub(super) name: Option<&'a str>,
    pub(super) legacy: bool,
}

/// A task that gets nothing now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    pub(super) task: TaskId,
    pub(super) reason: Reason,
    /// When this alone may be over.
    pub(super) until: Option<Timestamp>,
}

/// The allocation, by mirror.
#[derive(Debug, Default)]
pub(super) struct Schedule<'a> {
    /// Mirrors in the order in which they had their turn, each with what came of it.
    pub(super) turns: Vec<(MirrorId, Result<Grant<'a>, Wait>)>,
    /// Whether a slot is left that none of them can use.
    pub(super) spare: bool,
}

/// A task that wants a worker.
struct Candidate<'a> {
    mirror: MirrorId,
    task: TaskId,
    user: Option<UserId>,
    rank: Timestamp,
    wants: &'a Wants,
    gate: Option<Wait>,
}

/// How far a worker is from taking a task; the furthest of all workers explains a wait.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    NotForPerson,
    NotReady,
    NoAgent,
    NoLabel,
    Full,
    Shared,
    Own,
}

pub(super) fn schedule<'a>(view: &View<'a>) -> Schedule<'a> {
    let mut workers = Workers::new(view);
    let mut schedule = Schedule::default();
    for candidate in in_turn(view, candidates(view)) {
        let outcome = match candidate.gate {
            Some(wait) => Err(wait),
            None => workers.choose(&candidate),
        };
        schedule.turns.push((candidate.mirror, outcome));
    }
    schedule.spare = common_gate(view, None).is_none() && workers.spare();
    schedule
}

fn candidates<'a>(view: &View<'a>) -> Vec<Candidate<'a>> {
    let waiting = view
        .mirrors()
        .filter(|mirror| mirror.status == TaskStatus::Pending)
        .map(|mirror| Candidate {
            mirror: mirror.id,
            task: mirror.task,
            user: mirror.user,
            rank: mirror.rank,
            wants: &mirror.wants,
            gate: mirror_gate(view, mirror),
        });
    let filed = view.filed().iter().filter_map(|(task, fate)| match fate {
        Filed::Create { id, .. } => Some(Candidate {
            mirror: *id,
            task: task.id,
            user: Some(task.owner),
            rank: mirror::rank(task),
            wants: &task.wants,
            gate: task_gate(view, task),
        }),
        Filed::Unknown(_) | Filed::Blocked(_) => None,
    });
    waiting.chain(filed).collect()
}

/// Orders candidates so that people take turns, counting what they have running.
fn in_turn<'a>(view: &View<'a>, mut candidates: Vec<Candidate<'a>>) -> Vec<Candidate<'a>> {
    let mut share: HashMap<Option<UserId>, usize> = HashMap::new();
    for mirror in view.active() {
        *share.entry(mirror.user).or_default() += 1;
    }
    candidates.sort_unstable_by_key(|candidate| (candidate.rank, candidate.task));
    let mut turns: Vec<(usize, Candidate<'a>)> = candidates
        .into_iter()
        .map(|candidate| {
            let share = share.entry(candidate.user).or_default();
            let turn = *share;
            *share += usize::from(candidate.gate.is_none());
            (turn, candidate)
        })
        .collect();
    turns.sort_by_key(|(turn, _)| *turn);
    turns.into_iter().map(|(_, candidate)| candidate).collect()
}

/// What keeps a waiting mirror from any worker.
fn mirror_gate(view: &View<'_>, mirror: &Mirror) -> Option<Wait> {
    let wait = |reason, until| {
        Some(Wait {
            task: mirror.task,
            reason,
            until,
        })
    };
    if mirror.phase == Some(WorkPhase::Failed) {
        return wait(Reason::Backoff, None);
    }
    let alone = view.is_deleted(mirror.task) && view.snapshot.searched.contains(&mirror.task);
    if mirror.user.is_none() && !alone {
        return wait(Reason::Unlinked, None);
    }
    if let Some(at) = mirror.not_before.filter(|at| *at > view.now) {
        let reason = match mirror.shown.reason {
            Some(_) if mirror.shown.attempt.0 > 0 => Reason::Backoff,
            Some(_) | None => Reason::NotBefore,
        };
        return wait(reason, Some(at));
    }
    let task = view.task(mirror.task);
    if task.is_some_and(|task| view.cancel_requested(task)) {
        return wait(Reason::CancelRequested, None);
    }
    let reason = common_gate(view, mirror.user).or_else(|| legacy_gate(view, mirror, task));
    reason.and_then(|reason| wait(reason, None))
}

/// What keeps a new task from any worker.
fn task_gate(view: &View<'_>, task: &UserTask) -> Option<Wait> {
    let later = task.not_before.filter(|at| *at > view.now);
    let reason = later
        .map(|_| Reason::NotBefore)
        .or_else(|| common_gate(view, Some(task.owner)))?;
    Some(Wait {
        task: task.id,
        reason,
        until: later,
    })
}

fn common_gate(view: &View<'_>, user: Option<UserId>) -> Option<Reason> {
    if user.is_some_and(|user| view.is_disabled(user)) {
        Some(Reason::UserDisabled)
    } else if !view.policy.assigns {
        Some(Reason::NotOurTurn)
    } else if !view.snapshot.active_complete {
        Some(Reason::NotSeen)
    } else {
        None
    }
}

/// While legacy workers are configured, a mirror is assigned only with the person's row in the same
/// change set: it must still be untouched.
fn legacy_gate(view: &View<'_>, mirror: &Mirror, task: Option<&UserTask>) -> Option<Reason> {
    if !view.has_legacy() {
        return None;
    }
    if task.is_some_and(|task| view.shows_ours(task) && !task.status.is_terminal()) {
        return None;
    }
    match task.map(|task| task.status) {
        Some(TaskStatus::Pending | TaskStatus::Queued | TaskStatus::Submitted) => None,
        Some(
            TaskStatus::Running
            | TaskStatus::WaitingForInput
            | TaskStatus::Completed
            | TaskStatus::Failed
            | TaskStatus::Canceled
            | TaskStatus::Canceling,
        ) => Some(Reason::TakenByLegacy),
        None if view.is_deleted(mirror.task) => None,
        None => Some(Reason::NotSeen),
    }
}

/// The workers, with what they have left.
struct Workers<'v, 'a> {
    view: &'v View<'a>,
    free: HashMap<WorkerId, u32>,
    turns: Turns,
}

impl<'v, 'a> Workers<'v, 'a> {
    fn new(view: &'v View<'a>) -> Self {
        let mut free: HashMap<WorkerId, u32> = view
            .snapshot
            .workers
            .iter()
            .map(|worker| (worker.id, worker.slots))
            .collect();
        for mirror in view.active() {
            if let Some(free) = mirror.worker().and_then(|worker| free.get_mut(&worker)) {
                *free = free.saturating_sub(1);
            }
        }
        Self {
            view,
            free,
            turns: Turns::seen(view.snapshot),
        }
    }

    fn choose(&mut self, candidate: &Candidate<'_>) -> Result<Grant<'a>, Wait> {
        let wait = |reason| Wait {
            task: candidate.task,
            reason,
            until: None,
        };
        let snapshot = self.view.snapshot;
        let fenced = self.view.fences();
        let ours = snapshot.workers.iter().filter(|_| fenced).map(|worker| {
            let grant = Grant {
                worker: worker.id,
                name: Some(&worker.name),
                legacy: false,
            };
            (self.fit(worker, candidate), grant)
        });
        // A legacy worker takes the person's row, so there must be one.
        let deleted = self.view.is_deleted(candidate.task);
        let legacy = self.view.legacy().filter(|_| !deleted).map(|worker| {
            let grant = Grant {
                worker,
                name: None,
                legacy: true,
            };
            (self.legacy_fit(candidate.wants), grant)
        });
        let best = ours.chain(legacy).max_by_key(|(fit, grant)| {
            let turn = self.turns.last(grant.worker);
            (*fit, std::cmp::Reverse((turn, grant.worker)))
        });
        let Some((fit, grant)) = best else {
            let ours = !fenced && !snapshot.workers.is_empty();
            return Err(wait(if ours {
                Reason::NotFenced
            } else {
                Reason::NoWorker
            }));
        };
        match fit {
            Fit::Own | Fit::Shared => {
                self.take(grant.worker);
                Ok(grant)
            }
            Fit::Full => Err(wait(Reason::AllFull)),
            Fit::NoLabel => Err(wait(Reason::NoLabel)),
            Fit::NoAgent => Err(wait(Reason::NoWorkerForAgent)),
            Fit::NotReady => Err(wait(Reason::NoneReady)),
            Fit::NotForPerson => Err(wait(Reason::NoWorker)),
        }
    }

    /// Whether a worker that takes work has a slot left. How many a legacy worker has is unknown, and
    /// so never used up.
    fn spare(&self) -> bool {
        let shared = self.view.policy.shared;
        let ours = self.view.snapshot.workers.iter().any(|worker| {
            worker.kind.runs_tasks()
                && (worker.pool == Pool::Dedicated || shared)
                && takes_work(self.view, worker)
                && self.free.get(&worker.id).is_some_and(|free| *free > 0)
        });
        (ours && self.view.fences()) || (shared && self.view.legacy().next().is_some())
    }

    fn take(&mut self, worker: WorkerId) {
        if let Some(free) = self.free.get_mut(&worker) {
            *free = free.saturating_sub(1);
        }
        self.turns.give(worker, self.view.now);
    }

    fn fit(&self, worker: &Worker, candidate: &Candidate<'_>) -> Fit {
        let own = worker.pool == Pool::Dedicated && candidate.user == Some(worker.owner);
        let shared = worker.pool == Pool::Shared && self.view.policy.shared;
        if !worker.kind.runs_tasks() || !(own || shared) {
            return Fit::NotForPerson;
        }
        if !takes_work(self.view, worker) {
            return Fit::NotReady;
        }
        match suits(worker, candidate.wants) {
            Some(misfit) => misfit,
            None if self.free.get(&worker.id).is_none_or(|free| *free == 0) => Fit::Full,
            None if own => Fit::Own,
            None => Fit::Shared,
        }
    }

    fn legacy_fit(&self, wants: &Wants) -> Fit {
        if !self.view.policy.shared {
            Fit::NotForPerson
        } else if wants.agent.is_some() {
            Fit::NoAgent
        } else if !wants.labels.is_empty() {
            Fit::NoLabel
        } else {
            Fit::Shared
        }
    }
}

/// Whether a worker would take something now, slots aside.
fn takes_work(view: &View<'_>, worker: &Worker) -> bool {
    let silent = worker
        .last_seen
        .is_some_and(|seen| view.now.since(seen) > view.policy.silence);
    worker.state.takes_work() && !silent
}

/// What `worker` lacks for `wants`, if anything.
fn suits(worker: &Worker, wants: &Wants) -> Option<Fit> {
    if !worker.runs(wants.agent.as_deref()) {
        Some(Fit::NoAgent)
    } else if !worker.carries(&wants.labels) {
        Some(Fit::NoLabel)
    } else {
        None
    }
}
