//! repair: the full pass over open rows, a page in each tick until it is done.
//!
//! It finds what change tracking missed: what happened while no orchestrator ran, links to nothing,
//! mirrors without a link. What it reads serves every loop.

use super::Scope;
use crate::observe::question::{After, Question};

/// Rows in a page: small, so that a pass over many open tasks doesn't delay new ones.
const PAGE: usize = 200;

/// Rows that say they are mirrors and are not the admin's, looked at in one pass. More would only say
/// the same of more rows of the same person's.
const IMPOSTORS: u32 = 100;

/// The next page of open user rows and of open mirrors, while a pass is on its way.
pub(super) fn questions(scope: &Scope<'_>) -> Vec<Question> {
    let memory = scope.memory;
    let Some(pass) = memory.pass else {
        return Vec::new();
    };
    let page = memory.window(PAGE);
    let people = (!memory.people_read).then_some(Question::People);
    // A pass begins with a look at them: what they say never counts, so it is not urgent.
    let first = pass.mirrors.flatten().is_some_and(After::is_first);
    let impostors = first.then_some(Question::Impostors(IMPOSTORS));
    people
        .into_iter()
        .chain(impostors)
        .chain(pass.tasks.map(|after| Question::OpenTasks(after, page)))
        .chain(pass.mirrors.map(|after| Question::OpenMirrors(after, page)))
        .collect()
}
