//! sync: mirrors that changed since they were last looked at, and what people ask in their rows.

use super::Scope;
use crate::observe::question::Question;

/// Ended mirrors in a window: their results come along, so it is smaller than it could be.
const ENDED_WINDOW: usize = 250;

/// Other changed rows in a window.
const WINDOW: usize = 500;

/// What changed. Before the first tick nothing is known to have: the full pass finds the rest.
pub(super) fn questions(scope: &Scope<'_>) -> Vec<Question> {
    let memory = scope.memory;
    let mut asked = vec![Question::HighWater];
    if let Some(marks) = memory.marks {
        asked.push(Question::Ended(marks.ended, memory.window(ENDED_WINDOW)));
        asked.push(Question::Requests(marks.requests, memory.window(WINDOW)));
        if memory.progress_due() {
            asked.push(Question::Progress(marks.progress, memory.window(WINDOW)));
        }
    }
    asked
}
