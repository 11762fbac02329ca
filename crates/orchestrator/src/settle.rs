//! Settling: what is written in one tick, and what becomes of each outcome.
//!
//! 412 and 404 are no answers: the rows are looked at again in the next tick. Neither is an unknown
//! outcome, nor what was not tried. A refusal for good of a new task's mirror makes the person's row
//! Failed with the reason; any other is left alone for a while, so that it can't keep those behind it
//! from their turn.

use shraga_core::ids::{EventId, MirrorId, UserId};
use shraga_core::plan::{self, Loop, Need, Plan};
use shraga_core::row::{ChangeSet, Condition, Table, Value, Write, tasks};
use shraga_core::time::{Span, Timestamp};
use shraga_dataverse::{OnRefusal, Outcome, Refusal, RefusalKind};

use crate::apply::apply;
use crate::link;
use crate::memory::Memory;
use crate::observe::seen::{BadTask, Seen};
use crate::tell;
use crate::tick::{Engine, TickReport};
use crate::trouble;

/// What one tick writes.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// Independent of each other: all are tried.
    independent: Batch,
    /// In order of turn: the first that fails ends it.
    in_turn: Batch,
}

/// Change sets, and whose each is.
#[derive(Debug, Default)]
struct Batch {
    sets: Vec<ChangeSet>,
    by: Vec<Loop>,
}

impl Batch {
    fn push(&mut self, by: Loop, set: ChangeSet) {
        self.by.push(by);
        self.sets.push(set);
    }
}

impl Work {
    /// Adds a plan.
    pub(crate) fn add(&mut self, plan: Plan) {
        let batch = match plan.by {
            Loop::Repair | Loop::Health | Loop::Sync | Loop::Mirror => &mut self.independent,
            Loop::Assign => &mut self.in_turn,
        };
        for set in plan.sets {
            batch.push(plan.by, set);
        }
    }

    /// User rows that can't be understood are refused with the reason.
    pub(crate) fn refuse_unreadable(&mut self, bad: &[BadTask], memory: &Memory, now: Timestamp) {
        let refusals = bad
            .iter()
            .map(|task| plan::refuse_unreadable(task.id, &task.etag, &task.why, now));
        for set in refusals {
            if !memory.is_refused(&set) {
                self.independent.push(Loop::Mirror, set);
            }
        }
    }

    /// Whether something in it gives a task to a worker.
    pub(crate) fn assigns(&self) -> bool {
        let batches = [&self.independent, &self.in_turn];
        let mut sets = batches.into_iter().flat_map(|batch| &batch.sets);
        sets.any(|set| set.writes.iter().any(|w| w.get(tasks::LEASE).is_some()))
    }

    /// Adds a write of the courtesy lease.
    pub(crate) fn renew(&mut self, lease: Option<ChangeSet>) {
        if let Some(set) = lease {
            self.independent.push(Loop::Assign, set);
        }
    }
}

impl Engine {
    /// Writes `work` and settles every outcome.
    pub(crate) async fn apply(&mut self, work: Work, seen: &Seen, report: &mut TickReport) {
        let refusals = self.write(work.independent, OnRefusal::Continue, seen, report);
        let refusals = refusals.await;
        self.write(work.in_turn, OnRefusal::Stop, seen, report)
            .await;
        self.write(refusals, OnRefusal::Continue, seen, report)
            .await;
    }

    /// Writes one batch and settles it; what comes back are the refusals of new tasks.
    async fn write(
        &mut self,
        batch: Batch,
        then: OnRefusal,
        seen: &Seen,
        report: &mut TickReport,
    ) -> Batch {
        let mut refusals = Batch::default();
        if batch.sets.is_empty() || report.trouble.is_some() {
            return refusals;
        }
        let mut applied = apply(
            &self.client,
            &mut self.batch,
            &batch.sets,
            then,
            &self.board,
        )
        .await;
        let links = link::finish(&self.client, &self.stopper, self.config.link, &mut applied);
        links.await;
        let each = batch.sets.iter().zip(batch.by).zip(&applied.outcomes);
        for ((set, by), outcome) in each {
            if let Some(refusal) = self.settle(by, set, outcome, seen, report) {
                refusals.push(Loop::Mirror, refusal);
            }
        }
        if let Some(error) = applied.trouble {
            report.trouble = Some(trouble::words(&error));
        }
        refusals
    }

    /// Settles one outcome; what comes back is the refusal of a new task.
    fn settle(
        &mut self,
        by: Loop,
        set: &ChangeSet,
        outcome: &Outcome,
        seen: &Seen,
        report: &mut TickReport,
    ) -> Option<ChangeSet> {
        tell::settled(by, set, outcome, waited(set, seen, report.now));
        let counts = &mut report.loops.of_mut(by).0;
        match outcome {
            Outcome::Done(_) => {
                counts.done += 1;
                self.memory.turns.applied(set, report.now);
                self.meet(set);
                None
            }
            Outcome::NotTried => {
                match by {
                    // What called for it counts as seen: no window shows it again.
                    Loop::Repair | Loop::Sync => self.look_again(set),
                    // Still in the window that showed it.
                    Loop::Health | Loop::Mirror | Loop::Assign => {}
                }
                None
            }
            Outcome::Unknown | Outcome::Partly(_) => {
                counts.unknown += 1;
                self.look_again(set);
                None
            }
            Outcome::Refused(refusal) => match refusal.kind {
                RefusalKind::Stale | RefusalKind::Missing => {
                    counts.stale += 1;
                    self.meet(set);
                    self.look_again(set);
                    self.look_what_was_met(set);
                    None
                }
                RefusalKind::Unavailable => {
                    counts.unknown += 1;
                    report.trouble = Some(refusal.fault.to_string());
                    self.look_again(set);
                    None
                }
                RefusalKind::Forbidden | RefusalKind::Invalid => {
                    counts.refused += 1;
                    self.refused(by, set, refusal, seen, report)
                }
            },
        }
    }

    /// A refusal for good: left alone for a while, and told to the person if it is her new task.
    fn refused(
        &mut self,
        by: Loop,
        set: &ChangeSet,
        refusal: &Refusal,
        seen: &Seen,
        report: &mut TickReport,
    ) -> Option<ChangeSet> {
        let note = format!("{}: the store refuses it: {}", set.why, refusal.fault);
        let task = set.task.map(tracing::field::display);
        tracing::error!(task.id = task, "{note}");
        report.refused.push(note);
        self.memory.refuse(set);
        let told = by == Loop::Mirror && refusal.kind == RefusalKind::Invalid;
        let task = seen.task(set.task.filter(|_| told)?)?;
        let refusal = plan::refuse(task, &refusal.fault.message, report.now);
        (refusal.writes != set.writes).then_some(refusal)
    }

    fn look_again(&mut self, set: &ChangeSet) {
        if let Some(task) = set.task {
            self.memory.look_at_task(task);
        }
    }

    /// Something may sit at an identity where the set was to make a row.
    fn look_what_was_met(&mut self, set: &ChangeSet) {
        let made = |write: &&Write| write.condition == Condition::Absent;
        for write in set.writes.iter().filter(made) {
            match write.table {
                Table::Tasks => self.memory.look_at(Need::Mirror(MirrorId::new(write.id))),
                Table::Events => self.memory.look_at(Need::Event(EventId::new(write.id))),
                Table::Workers | Table::Users => {}
            }
        }
    }

    /// A person's row was made, or found to be there.
    fn meet(&mut self, set: &ChangeSet) {
        let people = set.writes.iter().filter(|w| w.table == Table::Users);
        people.for_each(|write| self.memory.met(UserId::new(write.id)));
    }
}

/// How long the task of `set` has existed, if the set gives it to a worker.
fn waited(set: &ChangeSet, seen: &Seen, now: Timestamp) -> Option<Span> {
    let assigned = |write: &Write| write.get(tasks::ASSIGNED_WORKER).is_some_and(is_worker);
    let id = set.task.filter(|_| set.writes.iter().any(assigned))?;
    let mirror = || seen.snapshot.mirrors.iter().find(|each| each.task == id);
    let created = seen.task(id).map(|task| task.created);
    let created = created.or_else(|| mirror().map(|mirror| mirror.created))?;
    Some(now.since(created))
}

fn is_worker(value: &Value) -> bool {
    matches!(value, Value::Text(_))
}
