//! Mirror and person's row brought together, each way for what each side owns.
//!
//! Mirror to person: where the task stands; when it ended, the result too. Progress is coalesced,
//! ends are told at once. Only Shraga's columns are written, always under the row's version, so a
//! deleted row is never resurrected and an edit is never written over unseen. Person to mirror: a
//! request to cancel, an answer to the open question. Any other status she writes is overwritten.
//! Works on pairs that are both in view; a mirror whose person's row is gone needs nothing.

use super::assign::is_told;
use super::draft::{Draft, person_row};
use super::view::View;
use super::{Loop, Need, Plan, Policy, Snapshot};
use crate::ids::{TaskId, WorkerId};
use crate::json::Object;
use crate::limits;
use crate::model::{Answer, Mirror, UserTask};
use crate::reason::Reason;
use crate::row::{ChangeSet, Column, Value, tasks};
use crate::status::{EventKind, TaskStatus};
use crate::time::Timestamp;

/// Columns copied as they are from an ended mirror to the person's row (or, when a legacy worker
/// ended the person's row, the other way).
pub const CARRIED: &[Column] = &[
    tasks::RESULT,
    tasks::OUTPUT,
    tasks::EXECUTION_DETAILS,
    tasks::USAGE,
    tasks::WORKING_DIR,
    tasks::SHORT_DESCRIPTION,
    tasks::SESSION_SUMMARY,
    tasks::SESSION_COST,
    tasks::SESSION_TOKENS,
    tasks::SESSION_DURATION,
];

/// Both rows of a task brought together.
#[must_use]
pub fn plan(snapshot: &Snapshot, policy: &Policy, now: Timestamp) -> Plan {
    draft(&View::new(snapshot, policy, now))
}

pub(super) fn draft(view: &View<'_>) -> Plan {
    let mut plan = Plan::new(Loop::Sync);
    for task in &view.snapshot.tasks {
        match view.mirror(task.id) {
            Some(mirror) => pair(view, mirror, task, &mut plan),
            None => alone(view, task, &mut plan),
        }
    }
    plan
}

/// A task and its mirror: what she asks for first, else what she should see.
fn pair(view: &View<'_>, mirror: &Mirror, task: &UserTask, plan: &mut Plan) {
    if mirror.status.is_terminal() {
        return tell(view, mirror, task, plan);
    }
    let taken = mirror.claimed().is_none() && view.is_taken(task);
    let legacy = taken || view.is_with_legacy(mirror, task);
    let request = view.cancel_requested(task);
    let hers = request && mirror.status == TaskStatus::Pending;
    if legacy && task.status.is_terminal() && !hers {
        // Another mirror may be the one that counts: repair links one first.
        if view.is_settled(mirror) {
            adopt_end(view, mirror, task, plan);
        }
        return;
    }
    // Of two mirrors the one that she links is to end on request, the other as a second one.
    let cancel = (request && view.is_settled(mirror))
        .then(|| cancel(view, mirror, task))
        .flatten();
    match cancel.or_else(|| answer(view, mirror, task)) {
        Some(set) => plan.sets.push(set),
        None if legacy => tell_beside_legacy(mirror, task, plan),
        None => tell(view, mirror, task, plan),
    }
}

/// While a legacy worker may have a row in hand, it is left as it is, but for the reason of a wait
/// and a status that no legacy worker gives or takes.
fn tell_beside_legacy(mirror: &Mirror, task: &UserTask, plan: &mut Plan) {
    let mut cells = Vec::new();
    let lost = match task.status {
        TaskStatus::WaitingForInput => true,
        TaskStatus::Queued => mirror.status == TaskStatus::Running,
        TaskStatus::Pending
        | TaskStatus::Running
        | TaskStatus::Completed
        | TaskStatus::Failed
        | TaskStatus::Canceled
        | TaskStatus::Submitted
        | TaskStatus::Canceling => false,
    };
    if lost {
        cells.push((tasks::STATUS, TaskStatus::Pending.into()));
        cells.extend(off_machine(task));
    }
    if task.shown.reason != mirror.shown.reason {
        cells.push((tasks::REASON, mirror.shown.reason.as_deref().into()));
    }
    if !cells.is_empty() {
        plan.sets
            .push(person_set(task, cells, "waits for a legacy worker"));
    }
}

/// Takes the name of a legacy worker's machine out of a row, so that another may take it.
pub(super) fn off_machine(task: &UserTask) -> Option<(Column, Value)> {
    let named = task.machine.is_some();
    named.then_some((tasks::DEVBOX, Value::Null))
}

/// A task without a mirror in view: a request to cancel is granted if there is none at all, an
/// overdue release is explained.
fn alone(view: &View<'_>, task: &UserTask, plan: &mut Plan) {
    if view.has_unread_mirror(task.id) || view.anothers(task).is_some() {
        return;
    }
    if view.cancel_requested(task) && !is_answered(view, task) {
        let linked = task.mirror_link.is_some() || view.has_legacy();
        if linked && !view.snapshot.searched.contains(&task.id) {
            plan.need(Need::MirrorsOf(task.id));
        } else if task.status == TaskStatus::Canceled || !view.is_taken(task) {
            plan.sets.push(cancel_unmirrored(view, task));
        }
    }
    let explained = is_told(view, &task.shown, Reason::NotReleased);
    if task.status != TaskStatus::Submitted || explained {
        return;
    }
    let deadline = task.created.plus(view.policy.submitted_deadline);
    if deadline > view.now {
        plan.due(deadline);
    } else {
        let cells = vec![
            (tasks::REASON, Reason::NotReleased.as_str().into()),
            (tasks::STATUS_MESSAGE, Reason::NotReleased.message().into()),
        ];
        plan.sets
            .push(person_set(task, cells, "was not released in time"));
    }
}

/// Whether her request to cancel was answered: the time of its end is there. Where the store can't
/// hold that time, Canceled is all there is to say.
fn is_answered(view: &View<'_>, task: &UserTask) -> bool {
    if view.has(tasks::FINISHED) {
        task.shown.finished.is_some()
    } else {
        task.status == TaskStatus::Canceled
    }
}

fn cancel_unmirrored(view: &View<'_>, task: &UserTask) -> ChangeSet {
    let cells = vec![
        (tasks::STATUS, TaskStatus::Canceled.into()),
        (tasks::REASON, Reason::CancelRequested.as_str().into()),
        (tasks::STATUS_MESSAGE, "canceled before it was taken".into()),
        (tasks::FINISHED, view.now.into()),
    ];
    person_set(task, cells, "is Canceled before it had a mirror")
}

/// Ends a mirror that nobody works on, or asks the worker to; `None` when that was done already.
fn cancel(view: &View<'_>, mirror: &Mirror, task: &UserTask) -> Option<ChangeSet> {
    // A task that waits for an answer was let go of: its lease only tells who asked.
    let waits = mirror.status == TaskStatus::WaitingForInput;
    let with_worker = !waits && mirror.claimed().is_some() || view.is_taken(task);
    let asked = mirror.status == TaskStatus::Canceling;
    let given_up = mirror.claimed().is_none()
        && asked
        && mirror.modified.plus(view.policy.legacy_cancel) <= view.now;
    if with_worker && asked && !given_up {
        return None;
    }
    let mut draft = Draft::update(view, mirror);
    let (status, said, why) = if given_up {
        let said = "canceled; its worker did not answer";
        draft
            .end(TaskStatus::Canceled, Reason::CancelRequested, said)
            .tell(task, tasks::FINISHED, view.now);
        (
            TaskStatus::Canceled,
            said,
            "cancel without the worker's answer",
        )
    } else if with_worker {
        let said = "asked the worker to stop";
        draft.stand(TaskStatus::Canceling, Some(Reason::CancelRequested), said);
        (TaskStatus::Canceling, said, "ask the worker to stop")
    } else {
        let said = match waits {
            true => "canceled while it waited for an answer",
            false => "canceled before it was started",
        };
        draft
            .end(TaskStatus::Canceled, Reason::CancelRequested, said)
            .tell(task, tasks::FINISHED, view.now);
        (TaskStatus::Canceled, said, "cancel")
    };
    draft
        .tell(task, tasks::STATUS, status)
        .tell(task, tasks::REASON, Reason::CancelRequested.as_str())
        .tell(task, tasks::STATUS_MESSAGE, said);
    Some(draft.finish(format!("{why}: task {}, on request", task.id.short())))
}

/// Hands an answer to the open question to the mirror, which waits for a worker again.
fn answer(view: &View<'_>, mirror: &Mirror, task: &UserTask) -> Option<ChangeSet> {
    let open = mirror.answer.as_ref().filter(|it| it.text.is_none())?;
    let given = task.answer.as_ref()?;
    let asked = mirror.status == TaskStatus::WaitingForInput;
    // Blanks say nothing: an agent that goes on with them would guess.
    let text = given
        .text
        .as_deref()
        .filter(|text| !text.trim().is_empty())?;
    if !asked || given.question != open.question {
        return None;
    }
    let answered = Answer {
        text: Some(limits::head(text, limits::ANSWER_UNITS)),
        ..open.clone()
    };
    let content = Object::new()
        .text("question", &answered.question)
        .maybe("text", answered.text.as_ref());
    let mut draft = Draft::update(view, mirror);
    draft
        .stand(TaskStatus::Pending, None, "answered; waiting for a worker")
        .release()
        .set(tasks::ANSWER, answered.to_json())
        .event(EventKind::Answer, "answered", content);
    Some(draft.finish(format!("hand on the answer to task {}", task.id.short())))
}

/// A legacy worker ended the person's row: the mirror follows.
fn adopt_end(view: &View<'_>, mirror: &Mirror, task: &UserTask, plan: &mut Plan) {
    let Some(carried) = view.snapshot.carried.get(&task.id.get()) else {
        plan.need(Need::Carried(task.id.get()));
        return;
    };
    let said = task
        .shown
        .message
        .as_deref()
        .unwrap_or("ended by a legacy worker");
    let mut draft = Draft::update(view, mirror);
    // What a task spent stands in its mirror alone: she may have written hers.
    let theirs = carried.iter();
    for (column, value) in theirs.filter(|(column, _)| *column != tasks::USAGE) {
        draft.set(*column, value.clone());
    }
    draft.end(task.status, Reason::TakenByLegacy, said);
    plan.sets.push(draft.finish(format!(
        "task {} is {}: a legacy worker ended it",
        task.id.short(),
        task.status
    )));
}

/// Shows the person where her task stands.
fn tell(view: &View<'_>, mirror: &Mirror, task: &UserTask, plan: &mut Plan) {
    let mut cells = differences(mirror, task);
    if cells.is_empty() {
        return;
    }
    if mirror.status.is_terminal() {
        if task.status != mirror.status || task.shown.finished != mirror.shown.finished {
            let Some(carried) = view.snapshot.carried.get(&mirror.id.get()) else {
                plan.need(Need::Carried(mirror.id.get()));
                return;
            };
            cells.extend(carried.iter().cloned());
        }
    } else if mirror.status != TaskStatus::WaitingForInput {
        let due = task.modified.plus(view.policy.progress_interval);
        if due > view.now {
            plan.due(due);
            return;
        }
    }
    let why = format!("is {}", shown_status(mirror));
    plan.sets.push(person_set(task, cells, &why));
}

/// The cells in which the person's row differs from what it should show.
fn differences(mirror: &Mirror, task: &UserTask) -> Vec<(Column, Value)> {
    let (is, was) = (&mirror.shown, &task.shown);
    let message = is.message.as_deref();
    let message = message.map(|text| limits::line(text, limits::MESSAGE_UNITS));
    let status = shown_status(mirror);
    let mut cells: Vec<(Column, Value)> = Vec::with_capacity(16);
    let mut put = |differs: bool, column: Column, value: Value| {
        if differs {
            cells.push((column, value));
        }
    };
    put(task.status != status, tasks::STATUS, status.into());
    put(
        was.message != message,
        tasks::STATUS_MESSAGE,
        message.into(),
    );
    put(
        was.reason != is.reason,
        tasks::REASON,
        is.reason.as_deref().into(),
    );
    put(
        was.attempt != is.attempt,
        tasks::ATTEMPT,
        i64::from(is.attempt.0).into(),
    );
    put(
        was.worker != is.worker,
        tasks::ASSIGNED_WORKER,
        is.worker.map(WorkerId::get).into(),
    );
    if let Some(open) = unseen_question(mirror, task) {
        put(true, tasks::ANSWER, open.to_json().into());
    }
    put(was.started != is.started, tasks::STARTED, is.started.into());
    put(
        was.finished != is.finished,
        tasks::FINISHED,
        is.finished.into(),
    );
    cells
}

/// The open question, if her row doesn't hold it yet. What else she may have written there answers
/// nothing that is asked.
fn unseen_question<'a>(mirror: &'a Mirror, task: &UserTask) -> Option<&'a Answer> {
    let waits = mirror.status == TaskStatus::WaitingForInput;
    let open = mirror
        .answer
        .as_ref()
        .filter(|it| waits && it.text.is_none())?;
    let hers = task.answer.as_ref().map(|it| &it.question);
    (hers != Some(&open.question)).then_some(open)
}

/// What a person sees of a mirror's status: hers is waiting in a queue, not to be found.
const fn shown_status(mirror: &Mirror) -> TaskStatus {
    match mirror.status {
        TaskStatus::Pending => TaskStatus::Queued,
        status => status,
    }
}

fn person_set(task: &UserTask, cells: Vec<(Column, Value)>, why: &str) -> ChangeSet {
    ChangeSet {
        task: Some(task.id),
        why: format!("task {} {why}", TaskId::short(task.id)),
        writes: vec![person_row(task, cells)],
    }
}
