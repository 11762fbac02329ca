//! What crashes, the original and people's edits leave behind: missing links, links to nothing,
//! second mirrors. Deletes no work.
//!
//! A mirror whose `cr_userid` is set was linked in the change set that set it, or adopted here after
//! her row linked it: so assign needs no look at the person's row. Which of two mirrors counts is
//! decided by her row alone, whose version lets one link win; only then the other is ended.

use std::collections::BTreeMap;

use super::draft::{Draft, person_row};
use super::view::{View, links};
use super::{Loop, Need, Plan, Policy, Snapshot, mirror, quarantine, sync};
use crate::ids::{MirrorId, TaskId};
use crate::json::Object;
use crate::model::{Mirror, UserTask};
use crate::reason::Reason;
use crate::row::{ChangeSet, Table, Value, Write, tasks};
use crate::status::{EventKind, TaskStatus};
use crate::time::Timestamp;

/// Links, duplicates, leftovers.
#[must_use]
pub fn plan(snapshot: &Snapshot, policy: &Policy, now: Timestamp) -> Plan {
    draft(&View::new(snapshot, policy, now))
}

pub(super) fn draft(view: &View<'_>) -> Plan {
    let mut plan = Plan::new(Loop::Repair);
    for mirror in view.mirrors() {
        let searched = view.snapshot.searched.contains(&mirror.task);
        match view.task(mirror.task) {
            Some(task) if links(task, mirror) && !adoptable(mirror) => {}
            // That one may be what her row links.
            Some(_) if view.has_unread_mirror(mirror.task) => {}
            None if !adoptable(mirror) => {}
            None if !view.is_deleted(mirror.task) => plan.need(Need::Task(mirror.task)),
            // Another mirror may be the one that counts.
            Some(_) | None if !searched => plan.need(Need::MirrorsOf(mirror.task)),
            Some(task) => plan.sets.push(join(view, mirror, task)),
            None => {}
        }
    }
    end_duplicates(view, &mut plan);
    quarantine::impostors(view, &mut plan);
    if view.snapshot.admin.is_some() {
        for task in &view.snapshot.tasks {
            unlink(view, task, &mut plan);
        }
    }
    plan
}

/// Whether this open mirror has no person yet: the original made it, or a store without change sets
/// got no further.
fn adoptable(mirror: &Mirror) -> bool {
    mirror.user.is_none() && !mirror.status.is_terminal()
}

/// Links the person's row to its mirror, and adopts a mirror that has no person yet.
fn join(view: &View<'_>, mirror: &Mirror, task: &UserTask) -> ChangeSet {
    let adopted = adoptable(mirror);
    let mut draft = Draft::update(view, mirror);
    if adopted {
        let content = Object::new()
            .text("mirror", mirror.id)
            .text("user", task.owner)
            .text("adopted", mirror.created);
        draft
            .set(tasks::USER_ID, task.owner.get())
            .set(tasks::RANK, mirror::rank(task))
            .set(tasks::DEVBOX, mirror::DEVBOX)
            .event(EventKind::TaskMirrored, "adopted", content);
        if mirror.worker().is_some_and(|worker| view.is_legacy(worker)) {
            draft.set(tasks::REASON, Reason::TakenByLegacy.as_str());
        }
    }
    // Adopting rests on what her row says, so it is written first, under its version, also when it
    // says so already: by now it may link another mirror, and somebody may have adopted that.
    if adopted || !links(task, mirror) {
        draft
            .person_first()
            .tell(task, tasks::MIRROR_LINK, mirror.id.get());
    }
    if let Some(link) = foreign_link(task, mirror) {
        let claim = [(tasks::MIRROR_LINK, link)];
        let said = "the row linked what is not its mirror";
        draft.event(EventKind::Error, said, quarantine::about_claims(&claim));
    }
    if task.status == TaskStatus::Pending && !view.has_legacy() {
        draft.tell(task, tasks::STATUS, TaskStatus::Queued);
    }
    let verb = if adopted { "adopt" } else { "link" };
    let task = mirror.task.short();
    draft.finish(format!("{verb} the mirror of task {task}"))
}

/// Ends the other mirrors of each task. The one that stays is written first, unchanged: whoever ends
/// that one at the same moment fails, or this does.
fn end_duplicates(view: &View<'_>, plan: &mut Plan) {
    let mut ends: BTreeMap<TaskId, ChangeSet> = BTreeMap::new();
    for duplicate in &view.duplicates {
        let stays = view.mirror(duplicate.task);
        let stays = stays.filter(|stays| view.is_settled(stays));
        let (Some(stays), Some(end)) = (stays, end_duplicate(view, duplicate)) else {
            continue;
        };
        let set = ends.entry(duplicate.task).or_insert_with(|| {
            let same = vec![(tasks::IS_MIRROR, true.into())];
            let stays = Write::update(Table::Tasks, stays.id.get(), &stays.etag, same);
            ChangeSet {
                writes: vec![stays],
                ..end.clone()
            }
        });
        set.writes.extend(end.writes);
    }
    plan.sets.extend(ends.into_values());
}

/// What the row links, if that is neither this mirror nor where it should have been.
fn foreign_link<'a>(task: &'a UserTask, mirror: &Mirror) -> Option<&'a str> {
    let link = task.mirror_link.as_deref().map(str::trim)?;
    let computed = link.parse() == Ok(MirrorId::of(task.id, 0));
    (!link.is_empty() && !links(task, mirror) && !computed).then_some(link)
}

/// Ends a second mirror of a task; a worker that runs it is asked to stop.
fn end_duplicate(view: &View<'_>, mirror: &Mirror) -> Option<ChangeSet> {
    let claimed = mirror.claimed().is_some();
    if mirror.status.is_terminal() || (claimed && mirror.status == TaskStatus::Canceling) {
        return None;
    }
    let said = Reason::Duplicate.message();
    let mut draft = Draft::update(view, mirror);
    if claimed {
        draft.stand(TaskStatus::Canceling, Some(Reason::Duplicate), said);
    } else {
        draft.end(TaskStatus::Canceled, Reason::Duplicate, said);
    }
    Some(draft.finish(format!(
        "end a mirror of task {}: it has another",
        mirror.task.short()
    )))
}

/// A row that links to nothing, or stands where only a mirror could have brought it, waits for a
/// mirror again. What a legacy worker may have in hand is only explained.
fn unlink(view: &View<'_>, task: &UserTask, plan: &mut Plan) {
    let link = task.mirror_link.as_ref();
    let linked = link.is_some_and(|link| !link.trim().is_empty());
    let in_hand = matches!(task.status, TaskStatus::Running | TaskStatus::Canceling);
    let legacy = in_hand && view.is_taken(task);
    let strayed = match task.status {
        TaskStatus::Pending | TaskStatus::Submitted => linked,
        TaskStatus::Queued | TaskStatus::Running | TaskStatus::WaitingForInput => true,
        TaskStatus::Canceling => legacy,
        TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Canceled => false,
    };
    if !strayed || view.mirror(task.id).is_some() {
        return;
    }
    if !view.snapshot.searched.contains(&task.id) {
        plan.need(Need::MirrorsOf(task.id));
        return;
    }
    if view.has_unread_mirror(task.id) {
        plan.waiting.push((task.id, Reason::Unreadable));
        return;
    }
    if let Some(theirs) = view.anothers(task) {
        plan.waiting.push((task.id, Reason::AnotherAdmin));
        plan.notes.push(format!(
            "task {} has the mirror {} of another admin, {}: nothing is mirrored or assigned while it is \
             open; run the orchestrator as before, or give it those mirrors",
            task.id.short(),
            theirs.id.short(),
            theirs.owner
        ));
        return;
    }
    let mut cells = Vec::new();
    if linked {
        let link = task.mirror_link.as_deref().unwrap_or_default();
        quarantine::note_claims(task, &[(tasks::MIRROR_LINK, link)], plan);
        cells.push((tasks::MIRROR_LINK, Value::Null));
    }
    let why = if legacy {
        if task.shown.reason.as_deref() != Some(Reason::TakenByLegacy.as_str()) {
            cells.push((tasks::REASON, Reason::TakenByLegacy.as_str().into()));
        }
        "it is with a legacy worker"
    } else {
        if task.status != TaskStatus::Submitted {
            cells.push((tasks::STATUS, TaskStatus::Pending.into()));
        }
        cells.extend(sync::off_machine(task));
        "its mirror does not exist"
    };
    if cells.is_empty() {
        return;
    }
    plan.sets.push(ChangeSet {
        task: Some(task.id),
        why: format!("unlink task {}: {why}", task.id.short()),
        writes: vec![person_row(task, cells)],
    });
}
