//! One task as the decisions see it, for explanations.

use super::mirror::Filed;
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
    Explained {
        task: view.task(task),
        deleted: view.is_deleted(task),
        mirror,
        worker: mirror
            .and_then(Mirror::worker)
            .and_then(|worker| view.worker(worker)),
        waits: waits(&view, task),
    }
}

fn waits(view: &View<'_>, task: TaskId) -> Option<Reason> {
    let filed = view.filed().iter().find(|(it, _)| it.id == task);
    let mirror = match (view.mirror(task), filed) {
        (Some(mirror), _) => mirror.id,
        (None, Some((_, Filed::Blocked(reason)))) => return Some(*reason),
        (None, _) if view.has_unread_mirror(task) => return Some(Reason::Unreadable),
        (None, Some((_, Filed::Create { .. } | Filed::Unknown(_))) | None) => return None,
    };
    scheduled(view, mirror)
}

fn scheduled(view: &View<'_>, mirror: MirrorId) -> Option<Reason> {
    let mut turns = view.schedule().turns.iter();
    let (_, outcome) = turns.find(|(id, _)| *id == mirror)?;
    outcome.as_ref().err().map(|wait| wait.reason)
}
