//! assign: mirrors that wait, by rank, and the workers that could take them.

use std::collections::BTreeSet;

use shraga_core::ids::UserId;
use shraga_core::status::TaskStatus;

use super::Scope;
use crate::observe::question::Question;
use crate::observe::seen::Seen;

/// Waiting mirrors in a window. More would only be needed with more slots becoming free at once;
/// the tick that fills these is followed by another.
const WINDOW: usize = 250;

/// Waiting mirrors, workers and what they hold.
pub(super) fn questions(scope: &Scope<'_>) -> Vec<Question> {
    let waiting = Question::Waiting(scope.memory.window(WINDOW));
    std::iter::once(waiting).chain(capacity()).collect()
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
