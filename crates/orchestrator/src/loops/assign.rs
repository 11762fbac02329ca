//! assign: mirrors that wait, by rank, and the workers that could take them.

use super::Scope;
use crate::observe::question::Question;

/// Waiting mirrors in a window. More would only be needed with more slots becoming free at once;
/// the tick that fills these is followed by another.
const WINDOW: usize = 250;

/// Waiting mirrors, workers and what they hold.
pub(super) fn questions(scope: &Scope<'_>) -> Vec<Question> {
    let waiting = Question::Waiting(scope.memory.window(WINDOW));
    std::iter::once(waiting).chain(capacity()).collect()
}

/// What free slots are computed from, and who may not use them.
pub(super) fn capacity() -> [Question; 3] {
    [Question::Workers, Question::Active, Question::Disabled]
}
