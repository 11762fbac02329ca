//! New tasks: each gets its mirror and the link to it in one change set, and its assignment with
//! them when a slot is free.
//!
//! The mirror's identity is computed from the task's, and the create is conditional on nothing being
//! there: however often, late or doubly this is applied, there is one mirror. A row of somebody
//! else's at that identity is never touched; the next identity is taken, with an Error event. After a
//! set failed its condition, the next snapshot must hold the task and the row at that identity.
//!
//! At a store without change sets, or one that gives rows identities of its own, the mirror is made
//! bare: without its person, hence unlinked, hence never assigned. The link follows in the same set;
//! the person, the events and a worker come with later snapshots ([`super::repair`]). Where a lost
//! reply or a second orchestrator made two, the link decides.

use std::collections::{HashMap, HashSet};

use super::draft::Draft;
use super::schedule::{Grant, Wait};
use super::view::View;
use super::{Loop, Need, Plan, Policy, Snapshot, accept, assign, budget, quarantine, sync};
use crate::ids::{MirrorId, TaskId, UserId};
use crate::json::Object;
use crate::limits;
use crate::model::{StreamHead, UserTask};
use crate::reason::Reason;
use crate::row::{ChangeSet, Table, Value, Write, tasks, users};
use crate::status::{EventKind, TaskStatus};
use crate::time::{Span, Timestamp};

/// How many identities are tried for one task. Each needs a row that somebody put there on purpose.
const IDENTITIES: u32 = 8;

/// How much earlier a task's turn comes per point of priority.
const PRIORITY_WEIGHT: Span = Span::mins(10);

/// The name of a task filed without one, as the original called it.
const UNNAMED: &str = "Unnamed Task";

/// What `crb3b_devbox` of a mirror says: anything but null keeps the original's workers away.
pub(super) const DEVBOX: &str = "shraga";

/// New tasks get their mirror, and a worker when one is free.
#[must_use]
pub fn plan(snapshot: &Snapshot, policy: &Policy, now: Timestamp) -> Plan {
    draft(&View::new(snapshot, policy, now))
}

/// What is to be done about a new task.
pub(super) enum Filed {
    /// Its mirror is made at `id`; the rows at `taken` are somebody else's.
    Create { id: MirrorId, taken: Vec<MirrorId> },
    /// Something must be read first.
    Unknown(Vec<Need>),
    /// Nothing can be done.
    Blocked(Reason),
}

/// When the turn of a task comes: linear ageing without a clock.
pub(super) const fn rank(task: &UserTask) -> Timestamp {
    task.created
        .minus(PRIORITY_WEIGHT.times(task.priority as i64))
}

/// The new tasks, in the order of the snapshot.
pub(super) fn filed<'a>(view: &View<'a>) -> Vec<(&'a UserTask, Filed)> {
    let new = |task: &&UserTask| {
        let unlinked = task
            .mirror_link
            .as_ref()
            .is_none_or(|link| link.trim().is_empty());
        task.status == TaskStatus::Pending
            && unlinked
            && Some(task.owner) != view.snapshot.admin
            && view.mirror(task.id).is_none()
    };
    let tasks = view.snapshot.tasks.iter().filter(new);
    tasks.map(|task| (task, sort(view, task))).collect()
}

fn sort(view: &View<'_>, task: &UserTask) -> Filed {
    if view.snapshot.admin.is_none() {
        return Filed::Blocked(Reason::AdminUnknown);
    }
    if view.stands_back() {
        return Filed::Blocked(Reason::AnotherAdmin);
    }
    if view.policy.adopts && !view.snapshot.searched.contains(&task.id) {
        return Filed::Unknown(vec![Need::MirrorsOf(task.id)]);
    }
    if view.has_unread_mirror(task.id) {
        return Filed::Blocked(Reason::Unreadable);
    }
    let is_taken =
        |id: &MirrorId| view.row_at(*id).is_some() || view.snapshot.strangers.contains_key(id);
    let ids = || (0..IDENTITIES).map(|counter| MirrorId::of(task.id, counter));
    let taken: Vec<MirrorId> = ids().take_while(is_taken).collect();
    let Some(id) = ids().nth(taken.len()) else {
        return Filed::Blocked(Reason::Quarantined);
    };
    // The first is free unless the create says otherwise; where it is not, others may not be either.
    if taken.is_empty() || view.snapshot.absent.contains(&id.get()) {
        return Filed::Create { id, taken };
    }
    let unknown = ids().filter(|id| !is_taken(id) && !view.snapshot.absent.contains(&id.get()));
    Filed::Unknown(unknown.map(Need::Mirror).collect())
}

pub(super) fn draft(view: &View<'_>) -> Plan {
    let mut plan = Plan::new(Loop::Mirror);
    let mut creates = HashMap::new();
    for (task, fate) in view.filed() {
        match fate {
            Filed::Create { id, taken } => {
                creates.insert(*id, (*task, taken));
            }
            Filed::Unknown(needs) => {
                plan.waiting.push((task.id, Reason::NotSeen));
                needs.iter().for_each(|need| plan.need(*need));
            }
            Filed::Blocked(Reason::Quarantined) => quarantine::fail(view, task, &mut plan),
            Filed::Blocked(reason) => plan.waiting.push((task.id, *reason)),
        }
    }
    let Some(admin) = view.snapshot.admin else {
        return plan;
    };
    let mut met = HashSet::new();
    for (id, outcome) in &view.schedule().turns {
        let Some((task, taken)) = creates.get(id) else {
            continue;
        };
        if let Err(wait) = outcome {
            plan.waiting.push((task.id, wait.reason));
            if let Some(later) = patience(view, task, wait) {
                plan.due(later);
                continue;
            }
        }
        if view.policy.own_ids && !view.is_met(task.owner) && met.insert(task.owner) {
            plan.sets.push(meet(task));
        }
        note_taken(&mut plan, task.id, taken);
        let claims = quarantine::false_claims(task);
        if !claims.is_empty() {
            quarantine::note_claims(task, &claims, &mut plan);
        }
        let whole = view.policy.change_sets && view.policy.own_ids;
        plan.sets.push(match whole {
            true => create(view, task, *id, admin, taken, outcome),
            false => create_bare(view, task, *id, admin),
        });
    }
    accept::draft(view, &mut plan);
    plan
}

/// Until when a task may wait for a full pool without a mirror: made with its assignment, it costs
/// one write less.
fn patience(view: &View<'_>, task: &UserTask, wait: &Wait) -> Option<Timestamp> {
    let until = task.created.plus(view.policy.mirror_patience);
    (wait.reason == Reason::AllFull && until > view.now).then_some(until)
}

fn note_taken(plan: &mut Plan, task: TaskId, taken: &[MirrorId]) {
    for id in taken {
        plan.notes.push(format!(
            "{}: the row {id} is not the mirror of task {task} and was left alone",
            Reason::Quarantined
        ));
    }
}

/// The person's own row, at her first mirror: create-only, so an admin's word about her stands.
fn meet(task: &UserTask) -> ChangeSet {
    let nameless = || format!("person {}", task.owner.short());
    let name = task.email.clone().unwrap_or_else(nameless);
    let email = task.email.as_deref().map(email);
    let mut write = Write::create(
        Table::Users,
        task.owner.get(),
        vec![
            (users::NAME, short(&name).into()),
            (users::EMAIL, email.into()),
            (users::ROLE, "designer".into()),
            (users::STATE, "active".into()),
        ],
    );
    write.owner = Some(task.owner);
    ChangeSet {
        task: None,
        why: format!("meet {}", task.owner.short()),
        writes: vec![write],
    }
}

fn create(
    view: &View<'_>,
    task: &UserTask,
    id: MirrorId,
    admin: UserId,
    taken: &[MirrorId],
    outcome: &Result<Grant<'_>, Wait>,
) -> ChangeSet {
    let mut draft = Draft::create(view, task, id, admin);
    content(&mut draft, task);
    draft.tell(task, tasks::MIRROR_LINK, id.get());
    if let Some((column, value)) = sync::off_machine(task) {
        draft.tell(task, column, value);
    }
    let mirrored = Object::new()
        .text("name", &task.name)
        .text("mirror", id)
        .text("user", task.owner);
    draft.event(EventKind::TaskMirrored, "mirrored", mirrored);
    for row in taken {
        let said = "a row of somebody else's sits at the mirror's identity";
        let about = Object::new()
            .text("row", row)
            .text("reason", Reason::Quarantined);
        draft.event(EventKind::Error, said, about);
    }
    let claims = quarantine::false_claims(task);
    if !claims.is_empty() {
        let said = "what the row says of itself was not believed";
        draft.event(EventKind::Error, said, quarantine::about_claims(&claims));
    }
    let why = match outcome {
        Ok(grant) => {
            let attempt = task.shown.attempt.next();
            assign::give(&mut draft, attempt, grant, view.now);
            let (row, user) = ((id, None), Some(task.owner));
            budget::reserve(&mut draft, view, row, user, attempt, grant);
            format!(
                "mirror task {} and {}",
                task.id.short(),
                assign::says(grant)
            )
        }
        Err(wait) => {
            draft.stand(
                TaskStatus::Pending,
                wait.reason.of_waiting(),
                &budget::said(wait.reason, wait.standing),
            );
            format!("mirror task {}; it waits: {}", task.id.short(), wait.reason)
        }
    };
    // What is only to be accepted is for no worker, and no legacy worker may take it by itself.
    let for_a_worker = task.wants.candidate.is_none();
    let left_pending =
        view.has_legacy() && for_a_worker && outcome.as_ref().map_or(true, |grant| grant.legacy);
    if !left_pending {
        draft.tell(task, tasks::STATUS, TaskStatus::Queued);
    }
    draft.finish(why)
}

/// A mirror that nobody may work on yet, then the link to it.
fn create_bare(view: &View<'_>, task: &UserTask, id: MirrorId, admin: UserId) -> ChangeSet {
    let mut draft = Draft::create(view, task, id, admin);
    content(&mut draft, task);
    draft
        .set(tasks::USER_ID, Value::Null)
        .set(tasks::STATUS_MESSAGE, Reason::Unlinked.message())
        .tell(task, tasks::MIRROR_LINK, id.get());
    if !view.has_legacy() {
        draft.tell(task, tasks::STATUS, TaskStatus::Queued);
    }
    draft.finish(format!(
        "make a mirror of task {}, then link it",
        task.id.short()
    ))
}

/// What a mirror copies from the person's row, and what it starts with.
fn content(draft: &mut Draft, task: &UserTask) {
    let name = match task.name.trim() {
        "" => UNNAMED,
        _ => &task.name,
    };
    draft
        .set(tasks::NAME, short(name))
        .set(tasks::PROMPT, task.prompt.as_str())
        .set(tasks::INPUT, task.input.as_deref())
        .set(tasks::STATUS, TaskStatus::Pending)
        .set(tasks::TRANSCRIPT, "")
        .set(tasks::RESULT, "")
        .set(tasks::IS_MIRROR, true)
        .set(tasks::MIRROR_OF, task.id.get())
        .set(tasks::USER_ID, task.owner.get())
        .set(tasks::EMAIL, task.email.as_deref().map(email))
        .set(tasks::DEVBOX, DEVBOX)
        .set(tasks::PRIORITY, i64::from(task.priority))
        .set(tasks::RANK, rank(task))
        .set(tasks::NOT_BEFORE, task.not_before)
        .set(tasks::RETRY_OF, task.retry_of.map(TaskId::get))
        .set(tasks::ATTEMPT, i64::from(task.shown.attempt.0))
        .set(tasks::LOSSES, 0)
        .set(tasks::EVENT_HEAD, StreamHead::default().to_json());
}

fn short(text: &str) -> String {
    limits::line(text, limits::NAME_UNITS)
}

fn email(text: &str) -> String {
    limits::line(text, limits::EMAIL_UNITS)
}
