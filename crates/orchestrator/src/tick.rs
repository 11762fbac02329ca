//! One tick: observe for all wanted loops, let core plan, apply, settle what became of it.
//!
//! A tick holds no state of its own: what it leaves for the next is in [`Memory`], and all of that
//! may be lost.

use std::collections::HashSet;

use shraga_core::ids::{TaskId, UserId};
use shraga_core::plan::budget::Budgets;
use shraga_core::plan::{Loop, Need, Plan, Policy, Snapshot, Turns};
use shraga_core::reason::Reason as Why;
use shraga_core::row::{ChangeSet, Table};
use shraga_core::status::TaskStatus;
use shraga_core::time::Timestamp;
use shraga_dataverse::{Client, Error, OnRefusal, Stage};

use crate::batch::BatchSize;
use crate::census::Census;
use crate::config::Config;
use crate::consult::consult;
use crate::courtesy::Courtesy;
use crate::loops::{self, Scope};
use crate::memory::Memory;
use crate::observe::{
    self,
    question::{Question, Whose},
    seen::Seen,
};
use crate::probe::{self, Probe};
use crate::settle::Work;
use crate::status::{Board, Counts, Degraded, LastResult, LeaseView, Reason, StoreKind};
use crate::stopper::Stopper;
use crate::wiring::{PerLoop, Wanted};

/// Times that a tick reads more because core found something missing. Two are enough for every
/// decision there is; what is still missing is part of the next tick.
const ROUNDS_MAX: usize = 3;

/// Open mirrors of others that are looked at, before anything is begun and with every pass: one of another
/// admin's is enough. More than one, since a row that only says so may be older.
const ANOTHERS: u32 = 20;

/// What a tick did.
#[derive(Clone, Debug, Default)]
pub struct TickReport {
    /// The store's time of its first read.
    pub now: Timestamp,
    /// Change sets planned, done, and so on, of all loops together.
    pub counts: Counts,
    /// Tasks that wait, and why.
    pub waiting: Vec<(TaskId, Why)>,
    /// Things somebody should know.
    pub notes: Vec<String>,
    /// Whether another tick should follow at once: something was written, lost or left over.
    pub again: bool,
    /// When something becomes due without any row changing, by the store's clock.
    pub due: Option<Timestamp>,
    /// Whether a task that has not ended was seen.
    pub open: bool,
    /// Rows it held in memory, those known from earlier ticks included.
    pub rows: usize,
    /// Another admin whose open tasks keep this one from beginning anything, now or until a whole pass no
    /// longer met any.
    pub another_admin: Option<UserId>,
    /// What the store refused for good, with its words.
    pub refused: Vec<String>,
    /// Why some of it could not be applied.
    pub trouble: Option<String>,
    /// Whether a window was full or a full pass goes on.
    pub(crate) left_over: bool,
    pub(crate) degraded: Vec<Degraded>,
    pub(crate) lease: LeaseView,
    pub(crate) loops: PerLoop<(Counts, LastResult)>,
}

impl TickReport {
    /// Tasks that wait for another admin's to end.
    pub(crate) fn held_back(&self) -> usize {
        let waiting = self.waiting.iter();
        let held = waiting.filter(|(_, why)| *why == Why::AnotherAdmin);
        let held: HashSet<TaskId> = held.map(|(task, _)| *task).collect();
        held.len()
    }
}

/// Everything ticks are made with.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) client: Client,
    pub(crate) config: Config,
    pub(crate) store: StoreKind,
    pub(crate) admin: Option<UserId>,
    pub(crate) memory: Memory,
    pub(crate) batch: BatchSize,
    pub(crate) courtesy: Courtesy,
    pub(crate) probe: Probe,
    pub(crate) census: Census,
    pub(crate) board: Board,
    pub(crate) stopper: Stopper,
}

/// What one tick saw and what core makes of it.
pub(crate) struct Planned {
    pub(crate) seen: Seen,
    pub(crate) now: Timestamp,
    pub(crate) plans: Vec<Plan>,
    pub(crate) panics: PerLoop<Option<String>>,
}

impl Engine {
    /// One tick of the wanted loops.
    ///
    /// # Errors
    /// Why it could not observe. Trouble with writing is in the report.
    pub(crate) async fn tick(&mut self, wanted: Wanted) -> Result<TickReport, Error> {
        if wanted.repair.is_some() {
            self.memory.begin_pass(self.config.full_pass, self.store);
        }
        if wanted.sync.is_some() {
            self.memory.expect_progress();
        }
        if wanted.repair == Some(Reason::Asked) {
            self.memory.everything_is_due();
        }
        if let Err(error) = self.refresh().await {
            self.memory.lose_sight();
            return Err(error);
        }
        let looks = self.memory.take_looks();
        match self.plan(wanted, &looks).await {
            Ok(planned) => {
                let report = self.carry_out(wanted, planned).await;
                self.census.refresh(&self.client, &report.counts).await;
                Ok(report)
            }
            Err(error) => {
                self.memory.lose_sight();
                looks.into_iter().for_each(|need| self.memory.look_at(need));
                if matches!(error, Error::Refused(_)) {
                    self.probe.doubt();
                }
                if is_too_much(&error) {
                    self.memory.shrink();
                }
                Err(error)
            }
        }
    }

    async fn refresh(&mut self) -> Result<(), Error> {
        let every = self.config.probe;
        self.probe.refresh(&self.client, self.store, every).await
    }

    /// Observes and plans; writes nothing and remembers nothing.
    ///
    /// # Errors
    /// Why it could not observe.
    pub(crate) async fn plan(
        &self,
        wanted: Wanted,
        looks: &HashSet<Need>,
    ) -> Result<Planned, Error> {
        let mut seen = self.blank();
        let scope = Scope {
            memory: &self.memory,
            batch: self.batch,
            legacy: &seen.snapshot.legacy.clone(),
        };
        let mut questions = loops::questions(wanted, &scope);
        questions.extend(self.anothers());
        questions.extend(observe::bring(looks.iter().copied(), &mut seen));
        let now = observe::ask(&self.client, self.whose(), &questions, &mut seen).await?;
        self.board.turn();
        seen.order_turns();
        let pairs = std::mem::take(&mut seen.pairs);
        let mut questions = observe::bring(pairs, &mut seen);
        questions.extend(loops::others(&scope, &seen));
        if !questions.is_empty() {
            observe::ask(&self.client, self.whose(), &questions, &mut seen).await?;
        }
        let (mut plans, mut panics) = self.consult(&mut seen, now);
        for _ in 0..ROUNDS_MAX {
            let needs = plans.iter().flat_map(|plan| plan.needs.iter().copied());
            let questions = observe::bring(needs, &mut seen);
            if questions.is_empty() {
                break;
            }
            observe::ask(&self.client, self.whose(), &questions, &mut seen).await?;
            (plans, panics) = self.consult(&mut seen, now);
        }
        Ok(Planned {
            seen,
            now,
            plans,
            panics,
        })
    }

    /// What would be done now, over everything a first tick looks at. Writes nothing.
    ///
    /// # Errors
    /// Why it could not observe.
    pub(crate) async fn plan_all(&mut self) -> Result<Vec<Plan>, Error> {
        self.refresh().await?;
        self.memory.want_pass();
        self.memory.begin_pass(self.config.full_pass, self.store);
        let looks = HashSet::new();
        let planned = self.plan(Wanted::all(Reason::Asked), &looks).await?;
        Ok(planned.plans)
    }

    /// Hands the courtesy lease back if it is held.
    ///
    /// # Errors
    /// Why the store could not be asked.
    pub(crate) async fn release(&self) -> Result<(), Error> {
        if !probe::has_courtesy(&self.client.absent()) {
            return Ok(());
        }
        let mut seen = self.blank();
        let now = observe::ask(&self.client, self.whose(), &[Question::Workers], &mut seen).await?;
        let lease = seen.lease.as_ref();
        if let Some(set) = lease.and_then(|row| self.courtesy.release(row, now)) {
            self.client.apply(&[set], OnRefusal::Stop).await?;
        }
        Ok(())
    }

    /// Before the first tick begins anything, and at each pass: is somebody else at work here?
    fn anothers(&self) -> Option<Question> {
        let due = self.admin.is_some() && !self.memory.anothers_read;
        due.then_some(Question::Anothers(ANOTHERS))
    }

    fn whose(&self) -> Whose {
        Whose {
            admin: self.admin,
            impostors: self.store == StoreKind::Dataverse,
        }
    }

    fn blank(&self) -> Seen {
        let snapshot = Snapshot {
            admin: self.admin,
            legacy: self.config.legacy_workers.borrow().clone(),
            turns: self.memory.turns.clone(),
            ..Snapshot::default()
        };
        Seen::new(snapshot, self.memory.known.clone())
    }

    fn consult(&self, seen: &mut Seen, now: Timestamp) -> (Vec<Plan>, PerLoop<Option<String>>) {
        seen.complete_people(&self.memory.people);
        seen.snapshot.in_sight_since = self.memory.in_sight_since(now);
        let (workers, gap) = (&seen.snapshot.workers, self.config.longest_gap());
        seen.snapshot.watched = self.memory.watch(workers, now, gap);
        seen.snapshot.another_admin = self.memory.another_admin().is_some();
        let view = self.courtesy.view(seen.lease.as_ref(), now);
        let configured = &self.config.policy;
        let absent = self.client.absent();
        let store = self.client.capabilities();
        let policy = Policy {
            assigns: configured.assigns && !matches!(view, LeaseView::Other(_)),
            adopts: self.memory.adopts || !store.own_ids,
            asks: configured.asks && probe::can_ask(&absent),
            events: configured.events && probe::has_events(&absent),
            budget: Budgets {
                accounts: store.own_ids && probe::has_accounts(&absent),
                ..configured.budget.clone()
            },
            guarded_streams: self.store == StoreKind::Embedded,
            change_sets: store.change_sets,
            own_ids: store.own_ids,
            absent: absent.columns_of(Table::Tasks).collect(),
            ..configured.clone()
        };
        consult(&seen.snapshot, &policy, now)
    }

    async fn carry_out(&mut self, wanted: Wanted, planned: Planned) -> TickReport {
        let Planned {
            mut seen,
            now,
            plans,
            panics,
        } = planned;
        let mut report = TickReport {
            now,
            lease: self.courtesy.view(seen.lease.as_ref(), now),
            notes: std::mem::take(&mut seen.notes),
            degraded: std::mem::take(&mut seen.degraded),
            open: seen.open(),
            rows: seen.rows(),
            left_over: seen.reach.is_cut_short(),
            ..TickReport::default()
        };
        report.degraded.extend_from_slice(self.probe.lacks());
        let store = self.client.capabilities();
        report
            .degraded
            .extend(store.missing().map(Degraded::of_store));
        for (shown, (wanted, panic)) in report.loops.as_mut().zip(wanted.zip(panics)).into_array() {
            shown.0.activations = u64::from(wanted.is_some());
            if let Some(panic) = panic {
                shown.0.panics = 1;
                shown.1 = LastResult::Panicked(panic);
            }
        }
        let begins = self.memory.others_due();
        let spare = plans.iter().any(|plan| plan.spare);
        self.memory.walk.go_on(&seen.reach, spare, begins);
        if let Some(admin) = plans.iter().find_map(|plan| another_admin(plan, &seen)) {
            self.memory.saw_another_admin(admin);
        }
        self.remember(&seen, now);
        report.another_admin = self.memory.another_admin();
        self.census.saw(&seen.snapshot);
        self.leave_for_later(&seen, &plans);
        let work = self.take_on(plans, &seen, &mut report);
        self.apply(work, &seen, &mut report).await;
        // What was planned for a store that can do more is planned again for this one.
        report.left_over |= self.client.capabilities() != store;
        for (counts, _) in report.loops.as_ref().into_array() {
            report.counts.add(*counts);
        }
        if wanted.assign.is_some() {
            self.census.wait(&report.waiting);
        }
        let moved = report.counts.done + report.counts.stale + report.counts.unknown > 0;
        let walks = seen.reach.waiting.is_some() && self.memory.walk.page().is_some();
        report.again = report.trouble.is_none() && (report.left_over || moved || walks);
        report
    }

    /// Keeps what the next tick can use of what this one saw.
    fn remember(&mut self, seen: &Seen, now: Timestamp) {
        self.memory.grow();
        self.memory.turns = Turns::seen(&seen.snapshot, now);
        let read = seen.turns_read.iter().map(|(_, worker)| *worker);
        self.memory.turns_read.extend(read);
        self.memory.ended_read |= seen.ended_read;
        self.memory.anothers_read |= seen.anothers_read;
        if seen.workers_read {
            self.memory.watched(seen.snapshot.watched.clone(), now);
        }
        self.memory.adopts |= !seen.snapshot.legacy.is_empty();
        self.memory.adopts |= seen.foreign_mirrors;
        self.memory.people_read |= seen.people_complete;
        if let Some(known) = seen.now_known() {
            self.memory.known = known;
        }
        seen.people.keys().for_each(|id| self.memory.met(*id));
        self.memory.advance(self.store, &seen.reach, now);
    }

    /// Remembers people's rows that are behind and were not written, since that was too soon.
    fn leave_for_later(&mut self, seen: &Seen, plans: &[Plan]) {
        let too_soon = |plan: &Plan| plan.by == Loop::Sync && plan.due.is_some();
        if !plans.iter().any(too_soon) {
            return;
        }
        let sets = plans.iter().flat_map(|plan| &plan.sets);
        let written: HashSet<TaskId> = sets.filter_map(|set| set.task).collect();
        let mirrors = seen.snapshot.mirrors.iter();
        for mirror in mirrors.filter(|mirror| !mirror.status.is_terminal()) {
            let task = seen.task(mirror.task);
            let behind = task.is_some_and(|task| {
                (task.status != mirror.status && mirror.status != TaskStatus::Pending)
                    || task.shown != mirror.shown
            });
            if behind && !written.contains(&mirror.task) {
                self.memory.look_later(mirror.task, mirror.id);
            }
        }
    }

    /// What is to be written, in order, and what is told of the rest.
    fn take_on(&self, plans: Vec<Plan>, seen: &Seen, report: &mut TickReport) -> Work {
        let mut work = Work::default();
        let absent = self.client.absent();
        for mut plan in plans {
            let waits_for = plan.due.filter(|due| *due > report.now);
            report.due = [report.due, waits_for].into_iter().flatten().min();
            report.waiting.append(&mut plan.waiting);
            report.notes.append(&mut plan.notes);
            let possible = |set: &ChangeSet| !absent.empties(set) && !self.memory.is_refused(set);
            plan.sets.retain(possible);
            let (counts, last) = report.loops.of_mut(plan.by);
            counts.planned = plan.sets.len() as u64;
            if *last == LastResult::Never && counts.activations > 0 {
                *last = match plan.sets.len() {
                    0 => LastResult::Idle,
                    sets => LastResult::Planned(sets),
                };
            }
            work.add(plan);
        }
        work.refuse_unreadable(&seen.bad, &self.memory, report.now);
        // Where rows get other identities, each claim would make another one.
        let own_ids = self.client.capabilities().own_ids;
        if work.assigns() && own_ids && probe::has_courtesy(&absent) {
            work.renew(self.courtesy.claim(seen.lease.as_ref(), report.now));
        }
        work
    }
}

/// The admin whose mirror this plan met, if it does not only go by what was met before.
fn another_admin(plan: &Plan, seen: &Seen) -> Option<UserId> {
    let waiting = plan.waiting.iter();
    let theirs = waiting.filter(|(_, why)| plan.by == Loop::Repair && *why == Why::AnotherAdmin);
    let mut theirs = theirs.map(|(task, _)| *task);
    theirs.find_map(|task| seen.other_admin_of(task))
}

/// Whether asking for less at once may help.
fn is_too_much(error: &Error) -> bool {
    matches!(
        error,
        Error::TooLarge { .. }
            | Error::Timeout {
                stage: Stage::Answer | Stage::Body,
                ..
            }
    )
}
