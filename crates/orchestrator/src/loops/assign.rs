//! assign: mirrors that wait, by rank, and the workers that could take them.

use std::collections::BTreeSet;

use shraga_core::ids::{UserId, WorkerId};
use shraga_core::status::TaskStatus;

use super::Scope;
use crate::observe::question::Question;
use crate::observe::seen::Seen;

/// Waiting mirrors in a window. More would only be needed with more slots becoming free at once;
/// the tick that fills these is followed by another.
const WINDOW: usize = 250;

/// Legacy workers whose last turn is read in one tick: a read each. The others' are a tick later.
const TURNS_MAX: usize = 50;

/// Waiting mirrors, workers and what they hold.
pub(super) fn questions(scope: &Scope<'_>) -> Vec<Question> {
    let waiting = Question::Waiting(scope.memory.window(WINDOW));
    std::iter::once(waiting)
        .chain(capacity())
        .chain(turns(scope))
        .collect()
}

/// When each legacy worker was last given something, once: the rest is seen as it happens.
pub(super) fn turns(scope: &Scope<'_>) -> impl Iterator<Item = Question> {
    let unread = |id: &&WorkerId| !scope.memory.turns_read.contains(id);
    let unread = scope.legacy.iter().filter(unread).take(TURNS_MAX);
    unread.map(|id| Question::LastGiven(*id))
}

/// When the window is full of some people's tasks: the first of everybody else's, so that nobody's
/// many (or impossible) tasks keep others from their turn.
pub(super) fn others(scope: &Scope<'_>, seen: &Seen) -> Option<Question> {
    let full = seen.reach.waiting?.full && scope.memory.others_due();
    full.then(|| {
        let people = seen.snapshot.mirrors.iter();
        let waiting = people.filter(|mirror| mirror.status == TaskStatus::Pending);
        let people: BTreeSet<UserId> = waiting.filter_map(|mirror| mirror.user).collect();
        let top = scope.memory.window(WINDOW);
        Question::WaitingOthers(people.into_iter().collect(), top)
    })
}

/// What free slots are computed from, and who may not use them.
pub(super) fn capacity() -> [Question; 3] {
    [Question::Workers, Question::Active, Question::Disabled]
}
