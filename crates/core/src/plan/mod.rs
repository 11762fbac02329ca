//! Decisions: what was observed, the policy and the store's time in, a [`Plan`] out.
//!
//! One file per loop. Every list of a [`Snapshot`] is a bounded window that may miss rows, be older
//! than the store, or overlap with another's work; a plan is safe with all of that, because each of
//! its writes carries a condition. What a decision would need and does not find is named in
//! [`Plan::needs`], to be part of the next snapshot. Nothing here retries: the next snapshot does.

use std::collections::{BTreeSet, HashMap, HashSet};

use uuid::Uuid;

use crate::candidate::Late;
use crate::ids::{BootId, Etag, EventId, MirrorId, TaskId, UserId, WorkerId};
use crate::limits;
use crate::model::{Mirror, Person, Suspicion, UserTask, Worker};
use crate::reason::Reason;
use crate::row::{ChangeSet, Column, Table, Value, Write, tasks};
use crate::status::TaskStatus;
use crate::time::{Span, Timestamp};
use budget::Budgets;
use shares::Shares;

mod accept;
pub mod assign;
pub mod budget;
mod display;
mod draft;
mod explain;
pub mod fleet;
pub mod health;
pub mod machines;
pub mod mirror;
pub(crate) mod quarantine;
pub mod repair;
mod schedule;
pub mod shares;
pub mod suspect;
pub mod sync;
mod turns;
mod view;

pub use explain::{Explained, explain};
pub use turns::Turns;
use view::View;

/// What was observed. Each row at most once per list; lists may be empty or incomplete.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The admin: who owns mirrors. Until known, tasks are found and explained, not mirrored.
    pub admin: Option<UserId>,
    /// Users' rows, in any status: pending ones without a link (to mirror); requests to cancel
    /// (status 11, or 9 without `cr_finishedon`); those with an answer to an open question; overdue
    /// Submitted ones; the rows of changed mirrors (sync); with legacy workers, those of pending
    /// mirrors.
    pub tasks: Vec<UserTask>,
    /// Rows that say they are mirrors: pending by rank per owner (assign); all Running and Canceling
    /// ones (slots); those changed lately (sync); those of `tasks`; any that were asked for.
    pub mirrors: Vec<Mirror>,
    /// Whether `mirrors` holds every Running and Canceling one. Without, nothing is assigned.
    pub active_complete: bool,
    /// Rows of other kinds that sit at a computed mirror identity, with their owners.
    pub strangers: HashMap<MirrorId, UserId>,
    /// People's rows that say they are mirrors.
    pub impostors: Vec<UserTask>,
    /// Events that were looked for by identity and are there.
    pub taken: HashSet<EventId>,
    /// Rows asked for by identity and not found: tasks deleted, links to nothing.
    pub absent: HashSet<Uuid>,
    /// Tasks whose mirrors were also looked for by `cr_mirroroftaskid`, and are all in `mirrors`.
    pub searched: HashSet<TaskId>,
    /// Values of [`sync::CARRIED`] for ended mirrors (and, with legacy workers, ended user rows),
    /// by row identity. Only non-null ones need to be there.
    pub carried: HashMap<Uuid, Vec<(Column, Value)>>,
    /// The late results of tasks, and to whom their attempts were given, where they were asked for.
    pub late: HashMap<TaskId, Late>,
    /// All workers.
    pub workers: Vec<Worker>,
    /// Whether `workers` holds every row of its table, so that a missing one is gone.
    pub workers_complete: bool,
    /// Workers whose rows are there and can't be understood: not gone, and given nothing.
    pub unread_workers: HashSet<WorkerId>,
    /// Tasks that have a mirror of the admin's which can't be understood. Which work it stands for is
    /// not known, so none is begun beside it.
    pub unread_mirrors: HashSet<TaskId>,
    /// Workers known from the state file only: no row, unknown capacity, no heartbeat.
    pub legacy: Vec<WorkerId>,
    /// People met. All disabled ones must be here; others only spare a refused create.
    pub people: Vec<Person>,
    /// Whose turn it was last.
    pub turns: Turns,
    /// Since when the store can be looked at again, if it could not be for a while: silence before that
    /// is nobody's.
    pub in_sight_since: Option<Timestamp>,
    /// Whether open tasks were seen before with mirrors of another admin's, and not seen without since.
    pub another_admin: bool,
    /// Workers as this orchestrator has been watching them. One that is missing here was not looked at
    /// before: nothing is concluded about it from time alone.
    pub watched: HashMap<WorkerId, Watched>,
}

/// What one orchestrator saw of a worker's row, look after look. It begins anew with each process of
/// the orchestrator, and whenever it could not look for a while, whatever the reason: what it did not
/// see it does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The worker's process.
    pub boot: Option<BootId>,
    /// Store time of the first look at that process.
    pub boot_since: Timestamp,
    /// Its beat counter.
    pub beat: i64,
    /// Store time of the first look at that beat.
    pub beat_since: Timestamp,
    /// The question that the worker has not answered.
    pub asked: Option<Suspicion>,
    /// Store time of the first look that saw it.
    pub asked_since: Timestamp,
    /// Looks that saw it, one after the other.
    pub looks: u32,
}

impl Watched {
    /// What is seen of `worker` at `now`, after what was seen of it `before`.
    #[must_use]
    pub fn go_on(before: Option<Self>, worker: &Worker, now: Timestamp) -> Self {
        let asked = worker.asked();
        let same_boot = before.filter(|before| before.boot == worker.boot);
        let same_beat = before.filter(|before| before.beat == worker.beat);
        let same_question = before.filter(|before| before.asked == asked);
        Self {
            boot: worker.boot,
            boot_since: same_boot.map_or(now, |before| before.boot_since),
            beat: worker.beat,
            beat_since: same_beat.map_or(now, |before| before.beat_since),
            asked,
            asked_since: same_question.map_or(now, |before| before.asked_since),
            looks: same_question
                .map_or(0, |before| before.looks)
                .saturating_add(1),
        }
    }
}

/// What the operator decided. Every span is of the store's time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether this orchestrator assigns; false while another holds the courtesy lease.
    pub assigns: bool,
    /// Whether tasks may go to shared workers when their owner has none of her own free.
    pub shared: bool,
    /// How people share the workers.
    pub shares: Shares,
    /// What people may spend.
    pub budget: Budgets,
    /// Whether to look for mirrors made by others before making one (needed where the original ran,
    /// or people can write the link).
    pub adopts: bool,
    /// Whether there is an events table.
    pub events: bool,
    /// Whether the store lets nobody but a worker write into that worker's streams.
    pub guarded_streams: bool,
    /// Whether the store makes several writes all or not at all. Without, a mirror is made, then
    /// linked, then adopted, and only then assigned.
    pub change_sets: bool,
    /// Whether rows can be made under identities chosen here. Without, `adopts` must be set: nothing
    /// but a search tells whether a task has a mirror.
    pub own_ids: bool,
    /// How long an assignment may stay unclaimed.
    pub claim_timeout: Span,
    /// How long a worker may be silent before it is asked whether it lives, and given nothing more.
    pub silence: Span,
    /// How long a worker that was asked may stay silent before it is given up. Also how long a claimed
    /// task stays with a process that is gone, in case another takes it up.
    pub confirm: Span,
    /// Whether the store has the columns to ask workers. Without, none is given up.
    pub asks: bool,
    /// Attempts that may be lost or ask for a retry before the task fails.
    pub max_losses: u32,
    /// Wait after the first such attempt; doubles with each, up to `backoff_max`.
    pub backoff: Span,
    /// The longest wait between attempts.
    pub backoff_max: Span,
    /// Least time between two progress writes to a person's row; ends are written at once.
    pub progress_interval: Span,
    /// How long a task waits before its reason is written into its row.
    pub explain_after: Span,
    /// How long a new task may wait for a full pool before it is mirrored without an assignment.
    pub mirror_patience: Span,
    /// How long a Submitted task may stay unreleased without a reason.
    pub submitted_deadline: Span,
    /// How long a legacy worker may take to end what it was asked to end; a dead one never does.
    pub legacy_cancel: Span,
    /// Columns of the tasks table that the store does not have: null in every row, never written.
    pub absent: BTreeSet<Column>,
    /// E-mail of the admin, for messages that say whom to ask.
    pub admin_email: Option<String>,
}

/// The loops, in the order in which one tick applies their plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loop {
    /// Links, duplicates, leftovers.
    Repair,
    /// Attempts that ended without a result.
    Health,
    /// Mirror and person's row brought together; requests to cancel; answers.
    Sync,
    /// New tasks get their mirror, and a worker when one is free.
    Mirror,
    /// Waiting tasks get a worker.
    Assign,
}

/// What is to be written, and why the rest is not. Applying it makes no choice: change sets in
/// order, each all or nothing. For [`Loop::Assign`] stop at the first whose condition fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Whose plan it is.
    pub by: Loop,
    /// The writes.
    pub sets: Vec<ChangeSet>,
    /// Tasks that wait, and why.
    pub waiting: Vec<(TaskId, Reason)>,
    /// Rows the next snapshot should hold.
    pub needs: Vec<Need>,
    /// Things somebody should know.
    pub notes: Vec<String>,
    /// When something here becomes due without any row changing.
    pub due: Option<Timestamp>,
    /// Of [`Loop::Assign`]: whether a worker that takes work has a slot left that no task of the
    /// snapshot can use. Tasks that were not observed might.
    pub spare: bool,
}

/// Something a decision lacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// The user row with this identity (or its absence).
    Task(TaskId),
    /// The row at this computed mirror identity (or its absence).
    Mirror(MirrorId),
    /// Every mirror of this task, by `cr_mirroroftaskid`.
    MirrorsOf(TaskId),
    /// Whether an event sits at this identity. Asked for by whoever applies a plan, when the event a
    /// change set was to make may have been what it failed on.
    Event(EventId),
    /// The values of [`sync::CARRIED`] of this row.
    Carried(Uuid),
    /// The row of this person, with her account (or its absence).
    Person(UserId),
    /// The late results of this task, and to whom its attempts were given.
    Late(TaskId),
}

/// All loops over one snapshot, in order. No row is written by two of them: the first wins, the
/// other's set is left for the next tick.
#[must_use]
pub fn all(snapshot: &Snapshot, policy: &Policy, now: Timestamp) -> Vec<Plan> {
    let view = View::new(snapshot, policy, now);
    let mut plans = vec![
        repair::draft(&view),
        health::draft(&view),
        sync::draft(&view),
        mirror::draft(&view),
        assign::draft(&view),
    ];
    let mut written = HashSet::new();
    for plan in &mut plans {
        plan.sets.retain(|set| claim_rows(&mut written, set));
    }
    plans
}

/// Whether no row of `set` was written yet; marks them as written.
fn claim_rows(written: &mut HashSet<Uuid>, set: &ChangeSet) -> bool {
    let free = set.writes.iter().all(|write| !written.contains(&write.id));
    if free {
        written.extend(set.writes.iter().map(|write| write.id));
    }
    free
}

/// A user row whose mirror the store refuses for good (a permanent 400): it becomes Failed, with
/// the store's words.
#[must_use]
pub fn refuse(task: &UserTask, fault: &str, now: Timestamp) -> ChangeSet {
    not_taken(task.id, &task.etag, fault, "the store refuses it", now)
}

/// A user row that can't be understood: it becomes Failed, with what is wrong with it.
#[must_use]
pub fn refuse_unreadable(id: TaskId, etag: &Etag, fault: &str, now: Timestamp) -> ChangeSet {
    not_taken(id, etag, fault, "its row cannot be read", now)
}

fn not_taken(id: TaskId, etag: &Etag, fault: &str, why: &str, now: Timestamp) -> ChangeSet {
    let message = limits::line(&format!("cannot be taken: {fault}"), limits::MESSAGE_UNITS);
    let cells = vec![
        (tasks::STATUS, TaskStatus::Failed.into()),
        (tasks::REASON, Reason::Invalid.as_str().into()),
        (tasks::STATUS_MESSAGE, message.into()),
        (tasks::FINISHED, now.into()),
    ];
    ChangeSet {
        task: Some(id),
        why: format!("fail task {}: {why}", id.short()),
        writes: vec![Write::update(Table::Tasks, id.get(), etag, cells)],
    }
}

impl Plan {
    fn new(by: Loop) -> Self {
        Self {
            by,
            sets: Vec::new(),
            waiting: Vec::new(),
            needs: Vec::new(),
            notes: Vec::new(),
            due: None,
            spare: false,
        }
    }

    /// Whether nothing is to be written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    fn due(&mut self, at: Timestamp) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    fn need(&mut self, need: Need) {
        if !self.needs.contains(&need) {
            self.needs.push(need);
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            assigns: true,
            shared: true,
            shares: Shares::default(),
            budget: Budgets::default(),
            adopts: true,
            events: true,
            guarded_streams: false,
            change_sets: true,
            own_ids: true,
            claim_timeout: Span::mins(2),
            silence: Span::secs(90),
            confirm: Span::secs(210),
            asks: true,
            max_losses: 3,
            backoff: Span::secs(5),
            backoff_max: Span::mins(10),
            progress_interval: Span::secs(2),
            explain_after: Span::secs(15),
            mirror_patience: Span::secs(3),
            submitted_deadline: Span::mins(10),
            legacy_cancel: Span::mins(30),
            absent: BTreeSet::new(),
            admin_email: None,
        }
    }
}
