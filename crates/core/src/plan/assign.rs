//! Waiting tasks: each turn gets a worker, or the reason why not.
//!
//! Only this raises the attempt. The write is conditional on the mirror's version, so of several
//! orchestrators one wins. Reasons that last are written into the mirror now and then, so that the
//! person, who cannot see workers, has an answer too.

use super::draft::Draft;
use super::schedule::{Grant, Wait};
use super::view::View;
use super::{Loop, Plan, Policy, Snapshot, budget, sync};
use crate::ids::Attempt;
use crate::json::Object;
use crate::model::{Lease, Mirror, Shown, UserTask};
use crate::reason::Reason;
use crate::row::{ChangeSet, tasks};
use crate::status::{EventKind, TaskStatus, WorkPhase};
use crate::time::Timestamp;

/// Reasons written in one plan at most: explaining must not crowd out assigning.
const EXPLAINED_PER_PLAN: usize = 50;

/// Waiting tasks get a worker.
#[must_use]
pub fn plan(snapshot: &Snapshot, policy: &Policy, now: Timestamp) -> Plan {
    draft(&View::new(snapshot, policy, now))
}

pub(super) fn draft(view: &View<'_>) -> Plan {
    let mut plan = Plan::new(Loop::Assign);
    plan.spare = view.schedule().spare;
    view.schedule().needs.iter().for_each(|it| plan.need(*it));
    let mut explained = Vec::new();
    for (id, outcome) in &view.schedule().turns {
        let Some(mirror) = view.row_at(*id) else {
            continue;
        };
        match outcome {
            Ok(grant) => plan.sets.push(assign(view, mirror, grant)),
            Err(wait) => {
                plan.waiting.push((wait.task, wait.reason));
                wait.until.into_iter().for_each(|at| plan.due(at));
                match explain(view, mirror, wait) {
                    Explain::Nothing => {}
                    Explain::Later(at) => plan.due(at),
                    Explain::Now(set) => explained.push(set),
                }
            }
        }
    }
    explained.truncate(EXPLAINED_PER_PLAN);
    plan.sets.append(&mut explained);
    plan
}

fn assign(view: &View<'_>, mirror: &Mirror, grant: &Grant<'_>) -> ChangeSet {
    let mut draft = Draft::update(view, mirror);
    let attempt = mirror.shown.attempt.next();
    give(&mut draft, attempt, grant, view.now);
    let row = (mirror.id, Some(mirror));
    budget::reserve(&mut draft, view, row, mirror.user, attempt, grant);
    // A legacy worker takes Pending rows only, and none that names a machine.
    let told = if grant.legacy {
        TaskStatus::Pending
    } else {
        TaskStatus::Queued
    };
    let differs = |task: &&UserTask| !grant.legacy || task.status != told;
    let task = view.task(mirror.task).filter(|_| view.has_legacy());
    if let Some(task) = task.filter(differs) {
        draft.person_first().tell(task, tasks::STATUS, told);
        if let Some((column, value)) = sync::off_machine(task) {
            draft.tell(task, column, value);
        }
    }
    draft.finish(format!("{} task {}", says(grant), mirror.task.short()))
}

/// `assign to NAME`.
pub(super) fn says(grant: &Grant<'_>) -> String {
    match grant.name {
        Some(name) => format!("assign to {name}"),
        None => format!("assign to legacy worker {}", grant.worker.short()),
    }
}

/// Writes the assignment of `attempt` into a draft.
pub(super) fn give(draft: &mut Draft, attempt: Attempt, grant: &Grant<'_>, now: Timestamp) {
    let lease = Lease {
        worker: grant.worker,
        boot: None,
        attempt,
        since: now,
    };
    let reason = grant.legacy.then_some(Reason::TakenByLegacy);
    let said = format!("assigned to {}", grant.name.unwrap_or("a legacy worker"));
    let content = Object::new()
        .text("worker", grant.worker)
        .maybe("worker_name", grant.name);
    draft
        .attempt(attempt)
        .stand(TaskStatus::Running, reason, &said)
        .set(tasks::ASSIGNED_WORKER, grant.worker.get())
        .set(tasks::WORK_PHASE, WorkPhase::Assigned.as_str())
        .set(tasks::LEASE, lease.to_json())
        .event(EventKind::TaskAssigned, &said, content);
}

/// Whether a row says this reason already, in the column for codes or, without one, in words. A row
/// that can hold neither is never told.
pub(super) fn is_told(view: &View<'_>, shown: &Shown, reason: Reason) -> bool {
    if view.has(tasks::REASON) {
        shown.reason.as_deref() == Some(reason.as_str())
    } else {
        !view.has(tasks::STATUS_MESSAGE) || shown.message.as_deref() == Some(reason.message())
    }
}

/// Whether the reason of a wait is to be written down.
enum Explain {
    /// It passes, or is in the row already.
    Nothing,
    /// If it lasts until then.
    Later(Timestamp),
    /// It has lasted.
    Now(ChangeSet),
}

/// Writes a lasting reason into a mirror that has waited for a while with another one.
fn explain(view: &View<'_>, mirror: &Mirror, wait: &Wait) -> Explain {
    let lasts = wait.reason.of_waiting();
    let Some(reason) = lasts.filter(|reason| !is_told(view, &mirror.shown, *reason)) else {
        return Explain::Nothing;
    };
    let due = mirror.modified.plus(view.policy.explain_after);
    if due > view.now {
        return Explain::Later(due);
    }
    let mut draft = Draft::update(view, mirror);
    let said = budget::said(reason, wait.standing);
    draft.stand(TaskStatus::Pending, Some(reason), &said);
    Explain::Now(draft.finish(format!("task {} waits: {reason}", mirror.task.short())))
}
