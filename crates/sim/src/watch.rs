//! How a simulated orchestrator watches workers: as the shipped one does, from look to look.
//!
//! What was seen before a gap, or before the store could not be looked at, counts for nothing. A crash
//! forgets all of it.

use std::collections::HashMap;

use shraga_core::ids::WorkerId;
use shraga_core::plan::Watched;
use shraga_core::row::Table;
use shraga_core::time::{Span, Timestamp};

use crate::store::Store;
use crate::view;

/// Between two looks that still count as one watch: the shipped bound for ticks of ten seconds. An outage
/// that falls between two looks is no longer than that.
pub(crate) const LONGEST_GAP: Span = Span::secs(60);

/// Whether the store could be looked at all the time.
#[derive(Clone, Copy, Debug, Default)]
enum Sight {
    #[default]
    Unbroken,
    Lost,
    Since(Timestamp),
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    sight: Sight,
    workers: HashMap<WorkerId, Watched>,
    at: Option<Timestamp>,
}

impl Watch {
    /// The store could not be looked at.
    pub(crate) fn lose_sight(&mut self) {
        self.sight = Sight::Lost;
        self.at = None;
    }

    /// Looks at the workers; `careless` is blind to gaps.
    pub(crate) fn look(&mut self, store: &Store, now: Timestamp, careless: bool) {
        let since = self.at.map(|last| now.since(last));
        let unbroken = since.is_some_and(|since| since >= Span::ZERO && since <= LONGEST_GAP);
        let before = std::mem::take(&mut self.workers);
        let rows = store.rows(Table::Workers).map(|row| view::worker(row));
        let watched = rows.map(|row| {
            let before = before.get(&row.id).copied();
            let before = before.filter(|_| unbroken || careless);
            (row.id, Watched::go_on(before, &row, now))
        });
        self.workers = watched.collect();
        self.at = Some(now);
        if matches!(self.sight, Sight::Lost) {
            self.sight = Sight::Since(now);
        }
    }

    /// The workers as they have been watched up to the last look.
    pub(crate) fn workers(&self) -> &HashMap<WorkerId, Watched> {
        &self.workers
    }

    /// Since when the store can be looked at again, if it could not be for a while.
    pub(crate) const fn in_sight_since(&self) -> Option<Timestamp> {
        match self.sight {
            Sight::Since(since) => Some(since),
            Sight::Unbroken | Sight::Lost => None,
        }
    }
}
