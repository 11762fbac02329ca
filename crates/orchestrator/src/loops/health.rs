//! health: assignments that nobody claims, and workers that are gone.

use crate::observe::question::Question;

/// What is with a worker, and all workers.
pub(super) fn questions() -> Vec<Question> {
    vec![Question::Workers, Question::Active]
}
