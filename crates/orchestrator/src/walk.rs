//! The walk past the window of waiting mirrors: a page a tick, by rank, round and round.
//!
//! Rows that can't run for reasons of their own (not before a time, an agent or a label that nobody
//! has) may fill the window for as long as they like. While they do and a worker has a slot that
//! nothing in sight can use, each tick looks at the page behind the last one, so that what could run
//! is reached after as many ticks as there are pages. It never decides who gets a slot, and losing it
//! costs no more than beginning again.

use crate::observe::reach::{Place, Reach};

/// Where the walk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Walk {
    behind: Option<Place>,
    spare: bool,
}

impl Walk {
    /// The place behind which the next tick looks, if it is to look at a page. While no slot is spare
    /// the walk stays where it is.
    pub(crate) fn page(&self) -> Option<Place> {
        self.behind.filter(|_| self.spare)
    }

    /// Goes on after a tick that reached so far. `spare` says that a slot was left which nothing it
    /// saw can use; `begins` that a new round may begin.
    pub(crate) fn go_on(&mut self, reach: &Reach, spare: bool, begins: bool) {
        let Some(window) = reach.waiting else {
            return;
        };
        self.spare = spare;
        if !window.full {
            self.behind = None;
        } else if spare {
            self.behind = match (reach.page, self.behind) {
                (Some(page), _) => page.last.filter(|_| page.full),
                (None, None) => window.last.filter(|_| begins).map(Place::first_of_rank),
                (None, behind) => behind,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use shraga_core::time::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::observe::reach::Stretch;

    fn place(rank: i64) -> Option<Place> {
        let rank = Timestamp::from_secs(rank);
        let task = Uuid::nil();
        Some(Place { rank, task })
    }

    fn reach(full: bool, page: Option<(i64, bool)>) -> Reach {
        let stretch = |rank, full| Stretch {
            last: place(rank),
            full,
        };
        Reach {
            waiting: Some(stretch(10, full)),
            page: page.map(|(rank, full)| stretch(rank, full)),
            ..Reach::default()
        }
    }

    #[test]
    fn nothing_behind_a_window_that_is_not_full_is_looked_at() {
        let mut walk = Walk::default();
        walk.go_on(&reach(false, None), true, true);
        assert_eq!(walk.page(), None);
    }

    #[test]
    fn a_full_window_is_walked_past_page_by_page_to_the_end_and_then_again() {
        let mut walk = Walk::default();
        walk.go_on(&reach(true, None), true, true);
        assert_eq!(walk.page(), place(10));
        walk.go_on(&reach(true, Some((20, true))), true, true);
        assert_eq!(walk.page(), place(20));
        walk.go_on(&reach(true, Some((25, false))), true, true);
        assert_eq!(walk.page(), None, "the round is over");
        walk.go_on(&reach(true, None), true, false);
        assert_eq!(walk.page(), None, "the next is not due");
        walk.go_on(&reach(true, None), true, true);
        assert_eq!(walk.page(), place(10));
    }

    #[test]
    fn the_walk_stands_still_while_every_slot_is_used() {
        let mut walk = Walk::default();
        walk.go_on(&reach(true, None), false, true);
        assert_eq!(walk.page(), None, "it does not begin");
        walk.go_on(&reach(true, None), true, true);
        walk.go_on(&reach(true, Some((20, true))), true, true);
        walk.go_on(&reach(true, Some((30, true))), false, true);
        assert_eq!(walk.page(), None);
        walk.go_on(&reach(true, None), true, true);
        assert_eq!(walk.page(), place(20), "where it stood");
    }

    #[test]
    fn a_tick_that_did_not_look_at_the_window_changes_nothing() {
        let mut walk = Walk::default();
        walk.go_on(&reach(true, None), true, true);
        let before = walk;
        walk.go_on(&Reach::default(), false, true);
        assert_eq!(walk, before);
    }
}
