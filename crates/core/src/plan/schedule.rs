//! Who gets which worker: one deterministic allocation over waiting mirrors and new tasks.
//!
//! People take turns: whoever used least lately, by her weight, goes first ([`super::shares`]), within a
//! person the earlier rank. A person's own worker comes before shared ones; of equals, the one that was
//! given something longest ago. Slots are counted from rows, and each grant takes one at once, so a plan
//! never overfills a worker by itself. Safety does not depend on any of it: a worker claims no more than
//! it can run.
//!
//! It costs a sort of what waits, a look at every worker for each grant, and one for each way in which a
//! task can't be given (person, agent, labels): slots only get fewer, so what failed once fails again.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::Need;
use super::budget::{self, Purse, Standing};
use super::mirror::{self, Filed};
use super::shares::{Count, Holdings};
use super::turns::Turns;
use super::view::View;
use crate::ids::{MirrorId, TaskId, UserId, WorkerId};
use crate::ledger::Allowance;
use crate::model::{Mirror, UserTask, Wants, Worker};
use crate::reason::Reason;
use crate::status::{Pool, TaskStatus, WorkPhase};
use crate::time::{Span, Timestamp};

/// A worker given to a task.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant<'a> {
    pub(super) worker: WorkerId,
    pub(super) name: Option<&'a str>,
    pub(super) legacy: bool,
    /// What the attempt may spend.
    pub(super) allowance: Allowance,
}

/// A task that gets nothing now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    pub(super) task: TaskId,
    pub(super) reason: Reason,
    /// When this alone may be over.
    pub(super) until: Option<Timestamp>,
    /// How much of the limit that keeps it waiting is used.
    pub(super) count: Option<Count>,
    /// Where the day's budget stands that keeps it waiting.
    pub(super) standing: Option<Standing>,
}

impl Wait {
    const fn on(task: TaskId, reason: Reason) -> Self {
        Self {
            task,
            reason,
            until: None,
            count: None,
            standing: None,
        }
    }
}

/// The allocation, by mirror.
#[derive(Debug, Default)]
pub(super) struct Schedule<'a> {
    /// Mirrors in the order in which they had their turn, each with what came of it.
    pub(super) turns: Vec<(MirrorId, Result<Grant<'a>, Wait>)>,
    /// Whether a slot is left that none of them can use.
    pub(super) spare: bool,
    /// Rows without which nothing can be said of a budget.
    pub(super) needs: Vec<Need>,
}

/// A task that wants a worker.
struct Applicant<'a> {
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
    let turns = Turns::seen(view.snapshot, view.now);
    let mut holdings = Holdings::new(view, &turns);
    let mut workers = Workers::new(view, turns);
    let mut lines = Lines::new(applicants(view), &holdings);
    let mut purse = Purse::new(view);
    let mut schedule = Schedule::default();
    while let Some(applicant) = lines.next() {
        let (user, key) = (applicant.user, applicant.wants.key.as_deref());
        let capped = || {
            let (reason, count) = holdings.refuses(user, key)?;
            let wait = Wait::on(applicant.task, reason);
            let count = Some(count);
            Some(Wait { count, ..wait })
        };
        let outcome = match applicant.gate.or_else(capped) {
            Some(wait) => Err(wait),
            None => afford(view, &mut purse, &applicant).and_then(|allowance| {
                let grant = workers.choose(&applicant)?;
                Ok(Grant { allowance, ..grant })
            }),
        };
        if outcome.is_ok() {
            holdings.give(user, key);
            purse.take(user);
        }
        schedule.turns.push((applicant.mirror, outcome));
        lines.enter(user, &holdings);
    }
    schedule.spare = common_gate(view, None).is_none() && workers.spare();
    schedule.needs = purse.needs;
    schedule
}

/// What the next attempt of a task may spend, or why there is nothing for it.
fn afford(
    view: &View<'_>,
    purse: &mut Purse<'_, '_>,
    applicant: &Applicant<'_>,
) -> Result<Allowance, Wait> {
    let mirror = view.row_at(applicant.mirror);
    let asked = purse.ask(mirror, applicant.user, applicant.wants);
    asked.map_err(|short| budget::wait(applicant.task, short))
}

/// Where a person stands in the order of turns: her load, then her first applicant.
type Place = (Span, Timestamp, TaskId, Option<UserId>);

/// What waits: a line of applicants for each person, and whose first is next.
struct Lines<'a> {
    /// By person, whose turn comes last first.
    waiting: HashMap<Option<UserId>, Vec<Applicant<'a>>>,
    next: BinaryHeap<Reverse<Place>>,
}

impl<'a> Lines<'a> {
    fn new(mut applicants: Vec<Applicant<'a>>, holdings: &Holdings<'_>) -> Self {
        applicants.sort_unstable_by_key(|applicant| Reverse((applicant.rank, applicant.task)));
        let mut waiting: HashMap<_, Vec<_>> = HashMap::new();
        for applicant in applicants {
            waiting.entry(applicant.user).or_default().push(applicant);
        }
        let people: Vec<Option<UserId>> = waiting.keys().copied().collect();
        let mut lines = Self {
            waiting,
            next: BinaryHeap::new(),
        };
        people
            .into_iter()
            .for_each(|user| lines.enter(user, holdings));
        lines
    }

    /// Puts the first of this person's line where her load says.
    fn enter(&mut self, user: Option<UserId>, holdings: &Holdings<'_>) {
        if let Some(first) = self.waiting.get(&user).and_then(|line| line.last()) {
            let place = (holdings.load(user), first.rank, first.task, user);
            self.next.push(Reverse(place));
        }
    }

    /// Whose turn it is.
    fn next(&mut self) -> Option<Applicant<'a>> {
        let Reverse((.., user)) = self.next.pop()?;
        self.waiting.get_mut(&user)?.pop()
    }
}

fn applicants<'a>(view: &View<'a>) -> Vec<Applicant<'a>> {
    let waiting = view
        .mirrors()
        .filter(|mirror| mirror.status == TaskStatus::Pending)
        .map(|mirror| Applicant {
            mirror: mirror.id,
            task: mirror.task,
            user: mirror.user,
            rank: mirror.rank,
            wants: &mirror.wants,
            gate: mirror_gate(view, mirror),
        });
    let filed = view.filed().iter().filter_map(|(task, fate)| match fate {
        Filed::Create { id, .. } => Some(Applicant {
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

/// What keeps a waiting mirror from any worker.
fn mirror_gate(view: &View<'_>, mirror: &Mirror) -> Option<Wait> {
    let wait = |reason, until| {
        Some(Wait {
            until,
            ..Wait::on(mirror.task, reason)
        })
    };
    if mirror.phase == Some(WorkPhase::Failed) {
        return wait(Reason::Backoff, None);
    }
    let alone = view.is_deleted(mirror.task) && view.snapshot.searched.contains(&mirror.task);
    if mirror.user.is_none() && !alone {
        return wait(Reason::Unlinked, None);
    }
    if mirror.wants.candidate.is_some() {
        return wait(Reason::Accepting, None);
    }
    if let Some(at) = mirror.not_before.filter(|at| *at > view.now) {
        let shown = mirror.shown.reason.as_deref().map(str::parse::<Reason>);
        let reason = match shown {
            Some(Ok(reason)) if reason.is_put_off() => reason,
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
    if task.wants.candidate.is_some() {
        return Some(Wait::on(task.id, Reason::Accepting));
    }
    let later = task.not_before.filter(|at| *at > view.now);
    let reason = later
        .map(|_| Reason::NotBefore)
        .or_else(|| common_gate(view, Some(task.owner)))?;
    Some(Wait {
        until: later,
        ..Wait::on(task.id, reason)
    })
}

fn common_gate(view: &View<'_>, user: Option<UserId>) -> Option<Reason> {
    if user.is_some_and(|user| view.is_disabled(user)) {
        Some(Reason::UserDisabled)
    } else if view.stands_back() {
        Some(Reason::AnotherAdmin)
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
    /// What can't be given to anybody any more, and why.
    misfits: HashMap<Class<'a>, Reason>,
}

/// All that decides which workers would do for a task: the person, her agent, her labels, whether
/// her row is gone, and whether there is a budget to keep.
type Class<'a> = (Option<UserId>, Option<&'a str>, &'a [String], bool, bool);

impl<'v, 'a> Workers<'v, 'a> {
    fn new(view: &'v View<'a>, turns: Turns) -> Self {
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
            turns,
            misfits: HashMap::new(),
        }
    }

    fn choose(&mut self, applicant: &Applicant<'a>) -> Result<Grant<'a>, Wait> {
        let wants = applicant.wants;
        let deleted = self.view.is_deleted(applicant.task);
        let class: Class<'a> = (
            applicant.user,
            wants.agent.as_deref(),
            &wants.labels,
            deleted,
            wants.budget.is_none(),
        );
        if let Some(reason) = self.misfits.get(&class) {
            return Err(Wait::on(applicant.task, *reason));
        }
        self.best(applicant, deleted).map_err(|reason| {
            self.misfits.insert(class, reason);
            Wait::on(applicant.task, reason)
        })
    }

    fn best(&mut self, applicant: &Applicant<'a>, deleted: bool) -> Result<Grant<'a>, Reason> {
        let snapshot = self.view.snapshot;
        let fenced = self.view.fences();
        let ours = snapshot.workers.iter().filter(|_| fenced).map(|worker| {
            let grant = Grant {
                worker: worker.id,
                name: Some(&worker.name),
                legacy: false,
                allowance: Allowance::default(),
            };
            (self.fit(worker, applicant), grant)
        });
        // A legacy worker takes the person's row, so there must be one.
        let legacy = self.view.legacy().filter(|_| !deleted).map(|worker| {
            let grant = Grant {
                worker,
                name: None,
                legacy: true,
                allowance: Allowance::default(),
            };
            (self.legacy_fit(applicant.wants), grant)
        });
        let best = ours.chain(legacy).max_by_key(|(fit, grant)| {
            let turn = self.turns.last(grant.worker);
            (*fit, Reverse((turn, grant.worker)))
        });
        let Some((fit, grant)) = best else {
            let ours = !fenced && !snapshot.workers.is_empty();
            return Err(match ours {
                true => Reason::NotFenced,
                false => Reason::NoWorker,
            });
        };
        match fit {
            Fit::Own | Fit::Shared => {
                self.take(grant.worker);
                Ok(grant)
            }
            Fit::Full => Err(Reason::AllFull),
            Fit::NoLabel => Err(Reason::NoLabel),
            Fit::NoAgent => Err(Reason::NoWorkerForAgent),
            Fit::NotReady => Err(Reason::NoneReady),
            Fit::NotForPerson => Err(Reason::NoWorker),
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

    fn fit(&self, worker: &Worker, applicant: &Applicant<'_>) -> Fit {
        let own = worker.pool == Pool::Dedicated && applicant.user == Some(worker.owner);
        let shared = worker.pool == Pool::Shared && self.view.policy.shared;
        if !worker.kind.runs_tasks() || !(own || shared) {
            return Fit::NotForPerson;
        }
        if !takes_work(self.view, worker) {
            return Fit::NotReady;
        }
        match suits(worker, applicant.wants) {
            Some(misfit) => misfit,
            None if self.free.get(&worker.id).is_none_or(|free| *free == 0) => Fit::Full,
            None if own => Fit::Own,
            None => Fit::Shared,
        }
    }

    fn legacy_fit(&self, wants: &Wants) -> Fit {
        // The original's workers keep no budget.
        if !self.view.policy.shared || !wants.budget.is_none() {
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
    worker.state.takes_work() && !worker.is_cordoned() && worker.asked().is_none() && !silent
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
