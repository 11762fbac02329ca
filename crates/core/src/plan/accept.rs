//! Late results that their person accepts: a new task of hers names the candidate's event, and its
//! mirror becomes Completed with that result, without any worker.
//!
//! The old task stays as it is, for terminal states never change. Nothing but the event's name is taken
//! from her row; where the candidate doesn't count the new task fails and says why. Such a mirror is
//! never given to a worker.

use super::draft::Draft;
use super::view::View;
use super::{Need, Plan};
use crate::candidate::{Accepted, Filers, Refused};
use crate::ids::EventId;
use crate::json::Object;
use crate::model::{Mirror, UserTask};
use crate::reason::Reason;
use crate::row::{ChangeSet, tasks};
use crate::status::{EventKind, TaskStatus, WorkPhase};

/// What is to be done about a mirror that names a candidate.
enum Verdict<'a> {
    Accept(Accepted<'a>),
    Refuse(Refused),
    Look(Vec<Need>),
}

/// Waiting mirrors that name a candidate end with its result, or with why they can't.
pub(super) fn draft(view: &View<'_>, plan: &mut Plan) {
    if view.stands_back() {
        return;
    }
    for mirror in view.mirrors() {
        let Some(event) = mirror.wants.candidate else {
            continue;
        };
        if mirror.status != TaskStatus::Pending || !view.is_settled(mirror) {
            continue;
        }
        match judge(view, mirror, event) {
            Verdict::Accept(accepted) => plan.sets.push(accept(view, mirror, &accepted)),
            Verdict::Refuse(refused) => plan.sets.push(refuse(view, mirror, refused)),
            Verdict::Look(needs) => {
                plan.waiting.push((mirror.task, Reason::Accepting));
                needs.into_iter().for_each(|need| plan.need(need));
            }
        }
    }
}

fn judge<'a>(view: &View<'a>, mirror: &Mirror, event: EventId) -> Verdict<'a> {
    let (Some(task), Some(person)) = (view.task(mirror.task), mirror.user) else {
        // Only her row tells which task is meant, and a row that is gone asks for nothing.
        return match view.is_deleted(mirror.task) {
            true => Verdict::Refuse(Refused::NoTask),
            false => Verdict::Look(vec![Need::Task(mirror.task)]),
        };
    };
    if view.cancel_requested(task) {
        return Verdict::Look(Vec::new());
    }
    let Some(of) = named(task) else {
        return Verdict::Refuse(Refused::NoTask);
    };
    if !view.policy.events {
        return Verdict::Refuse(Refused::NoEvent);
    }
    let (searched, late) = (
        view.snapshot.searched.contains(&of),
        view.snapshot.late.get(&of),
    );
    let (true, Some(late), Some(admin)) = (searched, late, view.snapshot.admin) else {
        return Verdict::Look(vec![Need::MirrorsOf(of), Need::Late(of)]);
    };
    if view.has_unread_mirror(of) {
        return Verdict::Look(Vec::new());
    }
    let Some(old) = view.mirror(of) else {
        return Verdict::Refuse(Refused::NotHers);
    };
    let filers = Filers {
        admin,
        guarded: view.policy.guarded_streams,
        workers: &view.snapshot.workers,
    };
    match late.accept(event, old, person, filers) {
        Ok(accepted) => Verdict::Accept(accepted),
        Err(refused) => Verdict::Refuse(refused),
    }
}

/// The task whose late result is meant: another one than that which accepts it.
fn named(task: &UserTask) -> Option<crate::ids::TaskId> {
    task.retry_of.filter(|of| *of != task.id)
}

fn accept(view: &View<'_>, mirror: &Mirror, accepted: &Accepted<'_>) -> ChangeSet {
    let Accepted { candidate, worker } = accepted;
    let source = || {
        Object::new()
            .text("event", candidate.id)
            .text("hash", &candidate.hash)
            .text("task", candidate.task)
            .int("attempt", candidate.attempt.0)
            .text("worker", worker)
    };
    let output = Object::new().object("accepted", source());
    let output = match &candidate.branch {
        Some((branch, head)) => {
            let kept = Object::new().text("branch", branch).text("head", head);
            output.object("kept", kept)
        }
        None => output,
    };
    let said = format!(
        "the late result of attempt {} was accepted",
        candidate.attempt
    );
    let mut draft = Draft::update(view, mirror);
    draft
        .stand(TaskStatus::Completed, None, &said)
        .set(tasks::FINISHED, view.now)
        .set(tasks::WORK_PHASE, WorkPhase::Done.as_str())
        .set(tasks::RESULT, candidate.result.as_str())
        .set(tasks::OUTPUT, output.finish())
        .event(EventKind::TaskCompleted, &said, source());
    draft.finish(format!(
        "accept a late result of task {} for task {}",
        candidate.task.short(),
        mirror.task.short()
    ))
}

fn refuse(view: &View<'_>, mirror: &Mirror, refused: Refused) -> ChangeSet {
    let said = format!("not accepted: {refused}");
    let mut draft = Draft::update(view, mirror);
    draft.end(TaskStatus::Failed, Reason::CandidateRefused, &said);
    draft.finish(format!("fail task {}: {refused}", mirror.task.short()))
}
