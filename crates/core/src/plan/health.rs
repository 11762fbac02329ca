//! Attempts that ended without a result: back to waiting, or to an end with a reason.
//!
//! Time is the store's. Every write is conditional on the mirror's version, so a claim or a result
//! that comes in at the same moment wins. Only attempts that were claimed and then lost, or that
//! asked for a retry, count towards the limit. Legacy workers have no leases and are left alone.
//!
//! Without the columns that tell attempts apart nothing is taken back: what would be is only reported.
//!
//! Whether a silent worker is dead is decided in `suspect`, and written into its row; here that is
//! only read. A worker that said good-bye, or runs as another process, gets the confirmation time to
//! take up or report what it held: an attempt that nobody does anything about is lost then.

use super::draft::Draft;
use super::suspect;
use super::view::View;
use super::{Loop, Plan, Policy, Snapshot, budget};
use crate::json::Object;
use crate::model::{Mirror, Worker};
use crate::reason::Reason;
use crate::row::{ChangeSet, tasks};
use crate::status::{EventKind, TaskStatus, WorkPhase};
use crate::time::{Span, Timestamp};

/// How long after it was filed a task may still be put off without counting. The longest limits of
/// vendors last a week, or a month that is about to end; longer hides a limit that never ends.
const PUT_OFF_MAX: Span = Span::mins(14 * 24 * 60);

/// How long a task waits that its worker put back untouched: no longer than it takes that worker to say
/// that it takes nothing more.
const RELEASED: Span = Span::secs(1);

/// Attempts that ended without a result.
#[must_use]
pub fn plan(snapshot: &Snapshot, policy: &Policy, now: Timestamp) -> Plan {
    draft(&View::new(snapshot, policy, now))
}

/// What became of an attempt.
enum Verdict {
    /// Nothing yet; look again then.
    Fine(Option<Timestamp>),
    /// Back to waiting, without counting.
    Return(Reason),
    /// Back to waiting, or failed if it was one too many.
    Loss(Reason),
    /// Nobody is left to honour the request to cancel.
    Canceled,
    /// It waits for an answer, and nobody is left to give one.
    Unanswerable,
}

pub(super) fn draft(view: &View<'_>) -> Plan {
    let mut plan = Plan::new(Loop::Health);
    let duplicates = view.duplicates.iter().copied();
    let canceling = duplicates.filter(|mirror| mirror.status == TaskStatus::Canceling);
    for mirror in view.mirrors().chain(canceling) {
        let set = match judge(view, mirror) {
            Verdict::Fine(later) => {
                later.into_iter().for_each(|at| plan.due(at));
                continue;
            }
            Verdict::Return(reason) | Verdict::Loss(reason) if !view.fences() => {
                plan.notes.push(format!(
                    "{reason}: task {} would be taken back, but the store can't tell attempts apart",
                    mirror.task.short()
                ));
                continue;
            }
            Verdict::Return(reason) => put_back(view, mirror, reason, mirror.losses),
            Verdict::Loss(reason) => count_loss(view, mirror, reason),
            Verdict::Canceled => cancel(view, mirror),
            Verdict::Unanswerable => unanswerable(view, mirror),
        };
        plan.sets.push(set);
    }
    budget::draft(view, &mut plan);
    suspect::add(view, &mut plan);
    plan
}

fn judge(view: &View<'_>, mirror: &Mirror) -> Verdict {
    match mirror.status {
        TaskStatus::Running if mirror.claimed().is_some() => match lost(view, mirror) {
            Ok(reason) => Verdict::Loss(reason),
            Err(later) => Verdict::Fine(later),
        },
        TaskStatus::Running => match unclaimed(view, mirror) {
            Ok(reason) => Verdict::Return(reason),
            Err(later) => Verdict::Fine(later),
        },
        // Sync waits for the legacy worker's answer.
        TaskStatus::Canceling if may_be_legacys(view, mirror) => Verdict::Fine(None),
        TaskStatus::Canceling if mirror.claimed().is_none() && !with_legacy(view, mirror) => {
            Verdict::Canceled
        }
        TaskStatus::Canceling => match lost(view, mirror) {
            Ok(_) => Verdict::Canceled,
            Err(later) => Verdict::Fine(later),
        },
        TaskStatus::Pending if mirror.phase == Some(WorkPhase::Failed) => {
            let reason = mirror.shown.reason.as_deref().map(str::parse);
            match reason {
                Some(Ok(Reason::Released)) => Verdict::Return(Reason::Released),
                Some(Ok(reason)) if may_be_put_off(view, mirror, reason) => Verdict::Return(reason),
                Some(Ok(Reason::WorkerRestarted)) => Verdict::Loss(Reason::WorkerRestarted),
                Some(_) | None => Verdict::Loss(Reason::Retry),
            }
        }
        TaskStatus::WaitingForInput if view.is_deleted(mirror.task) => Verdict::Unanswerable,
        TaskStatus::Pending
        | TaskStatus::Queued
        | TaskStatus::WaitingForInput
        | TaskStatus::Completed
        | TaskStatus::Failed
        | TaskStatus::Canceled
        | TaskStatus::Submitted => Verdict::Fine(None),
    }
}

/// Whether an attempt that ended for this reason is repeated without counting. A task that has been
/// put off for longer than any known limit lasts is counted after all, so that it ends.
fn may_be_put_off(view: &View<'_>, mirror: &Mirror, reason: Reason) -> bool {
    reason.is_put_off() && view.now < mirror.created.plus(PUT_OFF_MAX)
}

fn with_legacy(view: &View<'_>, mirror: &Mirror) -> bool {
    mirror.worker().is_some_and(|worker| view.is_legacy(worker))
}

/// Whether a legacy worker that no file names may be at work on the person's row.
fn may_be_legacys(view: &View<'_>, mirror: &Mirror) -> bool {
    let taken = || {
        let task = view.task(mirror.task);
        task.is_some_and(|task| view.is_taken(task))
    };
    mirror.claimed().is_none() && (!view.fences() || taken())
}

/// Why an assignment that nobody claimed is taken back, or when it may be.
fn unclaimed(view: &View<'_>, mirror: &Mirror) -> Result<Reason, Option<Timestamp>> {
    if with_legacy(view, mirror) {
        // Without the person's row no legacy worker can take or report it.
        let deleted = view.is_deleted(mirror.task);
        return deleted.then_some(Reason::ClaimTimeout).ok_or(None);
    }
    if mirror.worker().is_some_and(|id| view.is_vanished(id)) {
        return Ok(Reason::WorkerVanished);
    }
    let deadline = view.in_sight(given(mirror)).plus(view.policy.claim_timeout);
    match mirror.worker().and_then(|id| view.worker(id)) {
        Some(worker) if worker.is_fenced() => Ok(Reason::WorkerLost),
        Some(worker) if worker.state.is_gone() => Ok(Reason::ClaimTimeout),
        Some(_) | None if deadline <= view.now => Ok(Reason::ClaimTimeout),
        Some(_) | None => Err(Some(deadline)),
    }
}

/// When an assignment was given: not before it was written. An orchestrator that was held up between
/// its observation and its write says an earlier time in the lease.
fn given(mirror: &Mirror) -> Timestamp {
    let said = mirror.lease.as_ref().map(|lease| lease.since);
    said.map_or(mirror.modified, |since| since.max(mirror.modified))
}

/// Why a claimed attempt counts as lost, or when it may.
fn lost(view: &View<'_>, mirror: &Mirror) -> Result<Reason, Option<Timestamp>> {
    let Some(id) = mirror.worker() else {
        return Err(None);
    };
    let (reason, since) = match view.worker(id) {
        None if view.is_vanished(id) => (Reason::WorkerVanished, mirror.modified),
        None => return Err(None),
        Some(worker) if worker.is_fenced() => return Ok(Reason::WorkerLost),
        Some(worker) if worker.state.is_gone() => {
            let left = worker.last_seen.unwrap_or(mirror.modified);
            (Reason::WorkerVanished, left.max(mirror.modified))
        }
        Some(worker) => match another_since(view, mirror, worker) {
            Some(since) => (Reason::WorkerRestarted, since.max(mirror.modified)),
            None => return Err(None),
        },
    };
    let deadline = view.in_sight(since).plus(view.policy.confirm);
    match deadline > view.now {
        true => Err(Some(deadline)),
        false => Ok(reason),
    }
}

/// Since when the worker is seen to run as another process than the one that holds this attempt.
fn another_since(view: &View<'_>, mirror: &Mirror, worker: &Worker) -> Option<Timestamp> {
    let holder = mirror.claimed()?.boot;
    let watched = view.snapshot.watched.get(&worker.id)?;
    let other = worker.boot.is_some() && worker.boot != holder && watched.boot == worker.boot;
    other.then_some(watched.boot_since)
}

fn count_loss(view: &View<'_>, mirror: &Mirror, reason: Reason) -> ChangeSet {
    let losses = mirror.losses.saturating_add(1);
    if losses < view.policy.max_losses {
        return put_back(view, mirror, reason, losses);
    }
    let last = mirror.shown.message.as_deref().unwrap_or(reason.message());
    let said = format!("{losses} attempts did not end well; the last: {last}");
    let mut draft = Draft::update(view, mirror);
    tell_of_loss(view, mirror, reason, &mut draft);
    draft.set(tasks::LOSSES, i64::from(losses)).end(
        TaskStatus::Failed,
        Reason::TooManyLosses,
        &said,
    );
    draft.finish(format!(
        "fail task {}: {losses} attempts did not end well",
        mirror.task.short()
    ))
}

fn put_back(view: &View<'_>, mirror: &Mirror, reason: Reason, losses: u32) -> ChangeSet {
    let wait = match reason == Reason::Released {
        true => RELEASED,
        false => backoff(view.policy, losses),
    };
    let asked = mirror.not_before.unwrap_or_default();
    let until = view.now.plus(wait).max(asked);
    let said = match (&mirror.shown.message, reason) {
        (Some(message), reason) if reason.is_put_off() => format!("put off: {message}"),
        (Some(message), Reason::Retry) => format!("will be tried again: {message}"),
        (Some(_) | None, reason) => reason.message().to_owned(),
    };
    let content = Object::new()
        .text("reason", reason)
        .maybe("worker", mirror.worker())
        .int("losses", losses)
        .time("not_before", until);
    let mut draft = Draft::update(view, mirror);
    tell_of_loss(view, mirror, reason, &mut draft);
    draft
        .stand(TaskStatus::Pending, Some(reason), &said)
        .release()
        .set(tasks::LOSSES, i64::from(losses))
        .set(tasks::NOT_BEFORE, until)
        .event(EventKind::TaskReassigned, &said, content);
    draft.finish(format!(
        "put back task {} for {}: {reason}",
        mirror.task.short(),
        until.since(view.now)
    ))
}

/// Says in the task's story that its worker was given up, and by which question it was asked.
fn tell_of_loss(view: &View<'_>, mirror: &Mirror, reason: Reason, draft: &mut Draft) {
    let worker = mirror.worker().and_then(|id| view.worker(id));
    let Some(worker) = worker.filter(|_| reason == Reason::WorkerLost) else {
        return;
    };
    let said = format!("worker {} did not answer and was given up", worker.name);
    let boot = mirror.claimed().and_then(|lease| lease.boot);
    let content = Object::new()
        .text("worker", worker.id)
        .known("boot", boot)
        .int("beat", worker.beat)
        .known("asked", worker.asked());
    draft.event(EventKind::WorkerLost, &said, content);
}

/// How long a task waits after `losses` attempts that counted (at least one wait).
fn backoff(policy: &Policy, losses: u32) -> Span {
    let doublings = losses.saturating_sub(1).min(30);
    policy.backoff.times(1 << doublings).min(policy.backoff_max)
}

/// Going on without the answer would spend money on a guess that nobody asked for.
fn unanswerable(view: &View<'_>, mirror: &Mirror) -> ChangeSet {
    let reason = Reason::NobodyToAnswer;
    let mut draft = Draft::update(view, mirror);
    draft.end(TaskStatus::Canceled, reason, reason.message());
    draft.finish(format!("cancel task {}: {reason}", mirror.task.short()))
}

fn cancel(view: &View<'_>, mirror: &Mirror) -> ChangeSet {
    let reason = mirror
        .shown
        .reason
        .as_deref()
        .and_then(|it| it.parse().ok());
    let reason = reason.unwrap_or(Reason::CancelRequested);
    let said = "canceled; no worker was left to ask";
    let mut draft = Draft::update(view, mirror);
    draft.end(TaskStatus::Canceled, reason, said);
    draft.finish(format!(
        "cancel task {}: no worker is left to ask",
        mirror.task.short()
    ))
}
