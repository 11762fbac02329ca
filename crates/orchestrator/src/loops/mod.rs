//! The loops, a file each: what a loop asks the store. What it decides is core's; what becomes of
//! its writes is settled for all alike.
//!
//! Together the questions of all wanted loops are one batch of reads. A loop that isn't wanted asks
//! nothing, so core sees nothing of it and plans nothing for it.

use shraga_core::ids::WorkerId;

use crate::batch::BatchSize;
use crate::memory::Memory;
use crate::observe::question::Question;
use crate::observe::seen::Seen;
use crate::wiring::{PerLoop, Wanted};

mod assign;
mod health;
mod mirror;
mod repair;
mod sync;

/// What questions depend on.
pub(crate) struct Scope<'a> {
    /// What earlier ticks left.
    pub(crate) memory: &'a Memory,
    /// How much one batch of writes may hold.
    pub(crate) batch: BatchSize,
    /// Workers known from the state file only.
    pub(crate) legacy: &'a [WorkerId],
}

/// The questions of all wanted loops, each once, in the order they are to be answered: the newest
/// version comes first, so that nothing newer than it is missed by what follows.
pub(crate) fn questions(wanted: Wanted, scope: &Scope<'_>) -> Vec<Question> {
    let mut asked = Vec::new();
    let PerLoop {
        repair,
        health,
        sync,
        mirror,
        assign,
    } = wanted;
    let each = [
        sync.map(|_| sync::questions(scope)),
        repair.map(|_| repair::questions(scope)),
        health.map(|_| health::questions()),
        mirror.map(|_| mirror::questions(scope)),
        assign.map(|_| assign::questions(scope)),
    ];
    for question in each.into_iter().flatten().flatten() {
        if !asked.contains(&question) {
            asked.push(question);
        }
    }
    asked
}

/// What is asked besides once the first answers are there.
pub(crate) fn others(scope: &Scope<'_>, seen: &Seen) -> Option<Question> {
    assign::others(scope, seen)
}

#[cfg(test)]
mod tests;
