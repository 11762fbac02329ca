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

/// Ended attempts that are read when a process begins: what people used of late. More would only tell
/// more of a busy hour, and are read without an index.
const ENDED: usize = 500;

/// Waiting mirrors, workers and what they hold; while those of a full window leave slots unused, a
/// page of those behind it in the same request.
pub(super) fn questions(scope: &Scope<'_>) -> Vec<Question> {
    let top = scope.memory.window(WINDOW);
    let page = scope.memory.walk.page();
    let page = page.map(|place| Question::WaitingBehind(place, top));
    std::iter::once(Question::Waiting(top))
        .chain(page)
        .chain(capacity())
        .chain(turns(scope))
        .chain(ended(scope))
        .collect()
}

/// When each legacy worker was last given something, once: the rest is seen as it happens.
pub(super) fn turns(scope: &Scope<'_>) -> impl Iterator<Item = Question> {
    let unread = |id: &&WorkerId| !scope.memory.turns_read.contains(id);
    let unread = scope.legacy.iter().filter(unread).take(TURNS_MAX);
    unread.map(|id| Question::LastGiven(*id))
}

/// What ended before this process began, once: the rest is seen as it happens.
pub(super) fn ended(scope: &Scope<'_>) -> Option<Question> {
    let unread = !scope.memory.ended_read;
    unread.then(|| Question::LastEnded(scope.memory.window(ENDED)))
}

/// When the window is full of some people's tasks: the first of everybody else's, so that nobody's
/// many (or impossible) tasks keep others from their turn.
pub(super) fn others(scope: &Scope<'_>, seen: &Seen) -> Option<Question> {
    let window = seen.reach.waiting.filter(|window| window.full)?;
    scope.memory.others_due().then(|| {
        // Whoever is seen in a page only may have earlier tasks between the window and the page.
        let inside = |rank| window.last.is_none_or(|last| rank <= last.rank);
        let mirrors = seen.snapshot.mirrors.iter();
        let waiting =
            mirrors.filter(|mirror| mirror.status == TaskStatus::Pending && inside(mirror.rank));
        let people: BTreeSet<UserId> = waiting.filter_map(|mirror| mirror.user).collect();
        let top = scope.memory.window(WINDOW);
        Question::WaitingOthers(people.into_iter().collect(), top)
    })
}

/// What free slots are computed from, and who may not use them.
pub(super) fn capacity() -> [Question; 3] {
    [Question::Workers, Question::Active, Question::Disabled]
}
