//! mirror: new user rows, and what an assignment in the same change set needs to know.

use super::{Scope, assign};
use crate::apply::AT_ONCE;
use crate::observe::question::Question;

/// Operations that mirroring a task with its assignment takes, generously: mirror, link, two
/// events, the person's row.
const OPERATIONS_PER_TASK: usize = 5;

/// Batches that the new tasks of a window fill: two rounds of those that are under way at once. Fewer
/// pay a tick's reads for little, more delay everything else that a tick does.
const BATCHES: usize = 2 * AT_ONCE;

/// New tasks in a window at most. More would be held in memory at once.
const WINDOW_MAX: usize = 250;

/// New tasks in a window at least.
const WINDOW_MIN: usize = 20;

/// How many new tasks a tick looks at: what its batches can hold, and as many more as are left alone.
pub(super) fn window(scope: &Scope<'_>) -> usize {
    let fitting = BATCHES * scope.batch.operations() / OPERATIONS_PER_TASK;
    fitting.clamp(WINDOW_MIN, WINDOW_MAX) + scope.memory.refused()
}

/// New tasks, workers and what they hold.
pub(super) fn questions(scope: &Scope<'_>) -> Vec<Question> {
    let new = Question::NewTasks(scope.memory.window(window(scope)));
    let turns = assign::turns(scope).chain(assign::ended(scope));
    let others = assign::capacity().into_iter().chain(turns);
    std::iter::once(new).chain(others).collect()
}
