//! Every loop, once. [`PerLoop`] is destructured exhaustively wherever all loops are meant, so a
//! loop that is added and forgotten somewhere does not compile.

use std::time::Duration;

use shraga_core::plan::Loop;

use crate::clock::Moment;
use crate::status::{Counts, LastResult, LoopStatus, Reason};

/// One value per loop, in the order in which one tick applies their plans: what frees slots or ends
/// tasks comes before what fills them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PerLoop<T> {
    /// What doesn't fit together.
    pub(crate) repair: T,
    /// Assignments that nobody claimed, workers that are gone.
    pub(crate) health: T,
    /// Mirror to user row, and her requests back.
    pub(crate) sync: T,
    /// New user rows to mirrors.
    pub(crate) mirror: T,
    /// Waiting mirrors to workers.
    pub(crate) assign: T,
}

impl<T> PerLoop<T> {
    /// The values in planning order.
    pub(crate) fn into_array(self) -> [T; 5] {
        let Self {
            repair,
            health,
            sync,
            mirror,
            assign,
        } = self;
        [repair, health, sync, mirror, assign]
    }

    /// The values by reference, in planning order.
    pub(crate) fn as_ref(&self) -> PerLoop<&T> {
        let Self {
            repair,
            health,
            sync,
            mirror,
            assign,
        } = self;
        PerLoop {
            repair,
            health,
            sync,
            mirror,
            assign,
        }
    }

    /// The values by mutable reference, in planning order.
    pub(crate) fn as_mut(&mut self) -> PerLoop<&mut T> {
        let Self {
            repair,
            health,
            sync,
            mirror,
            assign,
        } = self;
        PerLoop {
            repair,
            health,
            sync,
            mirror,
            assign,
        }
    }

    /// Each value together with `other`'s.
    pub(crate) fn zip<U>(self, other: PerLoop<U>) -> PerLoop<(T, U)> {
        PerLoop {
            repair: (self.repair, other.repair),
            health: (self.health, other.health),
            sync: (self.sync, other.sync),
            mirror: (self.mirror, other.mirror),
            assign: (self.assign, other.assign),
        }
    }

    /// Each value through `change`.
    pub(crate) fn map<U>(self, mut change: impl FnMut(T) -> U) -> PerLoop<U> {
        PerLoop {
            repair: change(self.repair),
            health: change(self.health),
            sync: change(self.sync),
            mirror: change(self.mirror),
            assign: change(self.assign),
        }
    }
}

impl<T> PerLoop<T> {
    /// The value of the loop that core calls `by`.
    pub(crate) fn of_mut(&mut self, by: Loop) -> &mut T {
        match by {
            Loop::Repair => &mut self.repair,
            Loop::Health => &mut self.health,
            Loop::Sync => &mut self.sync,
            Loop::Mirror => &mut self.mirror,
            Loop::Assign => &mut self.assign,
        }
    }
}

impl PerLoop<&'static str> {
    /// The loops' names, as status and logs show them.
    pub(crate) const NAMES: Self = Self {
        repair: "repair",
        health: "health",
        sync: "sync",
        mirror: "mirror",
        assign: "assign",
    };
}

/// Which loops are to run in a tick, and why.
pub(crate) type Wanted = PerLoop<Option<Reason>>;

impl Wanted {
    /// All of them.
    pub(crate) fn all(reason: Reason) -> Self {
        PerLoop::<()>::default().map(|()| Some(reason))
    }

    /// Whether there is nothing to run.
    pub(crate) fn is_empty(&self) -> bool {
        self.into_array().iter().all(Option::is_none)
    }

    /// These and `more`; the older reason stays.
    pub(crate) fn or(self, more: Self) -> Self {
        self.zip(more).map(|(old, new)| old.or(new))
    }
}

/// What the driver knows of one loop.
#[derive(Clone, Debug)]
pub(crate) struct LoopState {
    /// When its timer is due.
    pub(crate) due: Moment,
    /// What status shows.
    pub(crate) shown: LoopStatus,
}

impl PerLoop<LoopState> {
    /// All loops, due at once.
    pub(crate) fn starting(period: Duration) -> Self {
        let now = Moment::now();
        PerLoop::NAMES.map(|name| LoopState {
            due: now,
            shown: LoopStatus {
                name,
                period,
                reason: None,
                last: LastResult::Never,
                counts: Counts::default(),
            },
        })
    }

    /// The loops whose timer is due.
    pub(crate) fn due(&self) -> Wanted {
        self.as_ref()
            .map(|each| each.due.passed().then_some(Reason::Timer))
    }

    /// When the first timer is due.
    pub(crate) fn next_due(&self) -> Moment {
        let [first, rest @ ..] = self.as_ref().map(|each| each.due).into_array();
        rest.into_iter().fold(first, Moment::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_keeps_the_first_reason_it_was_wanted_for() {
        let woken = Wanted {
            sync: Some(Reason::WakeUp),
            ..Wanted::default()
        };
        let both = woken.or(Wanted::all(Reason::Timer));
        assert_eq!(both.sync, Some(Reason::WakeUp));
        assert_eq!(both.assign, Some(Reason::Timer));
        assert!(!both.is_empty());
        assert!(Wanted::default().is_empty());
    }
}
