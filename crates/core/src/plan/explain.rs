//! One task as the decisions see it, for explanations.

use super::budget::Standing;
use super::mirror::Filed;
use super::schedule::Wait;
use super::shares::Count;
use super::view::View;
use super::{Policy, Snapshot};
use crate::ids::{MirrorId, TaskId};
use crate::model::{Mirror, UserTask, Worker};
use crate::reason::Reason;
use crate::time::Timestamp;

/// What is known of one task, and what keeps it waiting.
#[derive(Clone, Copy, Debug)]
pub struct Explained<'a> {
    /// The person's row, when it is in view.
    pub task: Option<&'a UserTask>,
    /// Whether that row is known to be gone.
    pub deleted: bool,
    /// The mirror that counts, when it is in view.
    pub mirror: Option<&'a Mirror>,
    /// The worker it is with, or was last.
    pub worker: Option<&'a Worker>,
    /// Why it gets no mirror or no worker, when that is so.
    pub waits: Option<Reason>,
    /// How much of the limit that it waits for is used.
    pub count: Option<Count>,
    /// Where the day's budget stands that it waits for.
    pub standing: Option<Standing>,
    /// How many tasks that wait for a slot have their turn before it.
    pub before: Option<usize>,
}

/// What the decisions over this snapshot say about `task`.
#[must_use]
pub fn explain<'a>(
    snapshot: &'a Snapshot,
    policy: &'a Policy,
    now: Timestamp,
    task: TaskId,
) -> Explained<'a> {
    let view = View::new(snapshot, policy, now);
    let mirror = view.mirror(task);
    let (waits, turn) = waits(&view, task);
    Explained {
        task: view.task(task),
        deleted: view.is_deleted(task),
        mirror,
        worker: mirror
            .and_then(Mirror::worker)
            .and_then(|worker| view.worker(worker)),
        waits,
        count: turn.and_then(|turn| turn.count),
        standing: turn.and_then(|turn| turn.standing),
        before: turn.and_then(|turn| turn.before),
    }
}

/// A wait as the allocation sees it.
#[derive(Clone, Copy)]
struct Turn {
    count: Option<Count>,
    standing: Option<Standing>,
    before: Option<usize>,
}

fn waits(view: &View<'_>, task: TaskId) -> (Option<Reason>, Option<Turn>) {
    let filed = view.filed().iter().find(|(it, _)| it.id == task);
    let mirror = match (view.mirror(task), filed) {
        (Some(mirror), _) => mirror.id,
        (None, Some((_, Filed::Blocked(reason)))) => return (Some(*reason), None),
        (None, _) if view.has_unread_mirror(task) => return (Some(Reason::Unreadable), None),
        (None, Some((_, Filed::Create { .. } | Filed::Unknown(_))) | None) => return (None, None),
    };
    match scheduled(view, mirror) {
        Some((reason, turn)) => (Some(reason), Some(turn)),
        None => (None, None),
    }
}

fn scheduled(view: &View<'_>, mirror: MirrorId) -> Option<(Reason, Turn)> {
    let turns = &view.schedule().turns;
    let at = turns.iter().position(|(id, _)| *id == mirror)?;
    let wait = turns[at].1.as_ref().err()?;
    let full = |(_, outcome): &&(MirrorId, Result<_, Wait>)| {
        outcome
            .as_ref()
            .is_err_and(|wait| wait.reason == Reason::AllFull)
    };
    let before = || turns[..at].iter().filter(full).count();
    let turn = Turn {
        count: wait.count,
        standing: wait.standing,
        before: (wait.reason == Reason::AllFull).then(before),
    };
    Some((wait.reason, turn))
}
