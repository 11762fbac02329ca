//! The checks on who lives: nobody is given up who wrote while it could, and who is dead is replaced.
//!
//! It goes by what workers did to their own rows, and by what it is told befell them.

use std::collections::HashMap;

use shraga_core::model::Lease;
use shraga_core::plan::{Policy, suspect};
use shraga_core::row::{Table, workers};
use shraga_core::time::{Span, Timestamp};
use uuid::Uuid;

use crate::calm::LONGEST_LOOK;
use crate::promises::{Author, Check, Promise};
use crate::store::{Row, Store};

/// What whole seconds and drifting clocks may cut from a timeout.
const TOLERANCE: Span = Span::secs(3);

/// What a worker did to its own row, by the store's time.
#[derive(Clone, Debug)]
struct Heard {
    /// Its last write.
    beat: Timestamp,
    /// Its last write that answered what it was asked.
    echo: Timestamp,
    /// Its process, and since when its row names that one.
    boot: Option<String>,
    since: Timestamp,
}

/// Remembers what was heard of workers.
#[derive(Debug)]
pub(crate) struct Lives {
    policy: Policy,
    heard: HashMap<Uuid, Heard>,
    /// When each worker last came back from being gone.
    back: HashMap<Uuid, Timestamp>,
    /// When workers died, or went away for days.
    died: HashMap<Uuid, Timestamp>,
    /// Until when the store could not be reached for so long that nobody may overlook it.
    outage_until: Timestamp,
    /// Since when there are no more faults.
    calm: Option<Timestamp>,
}

impl Lives {
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            policy,
            heard: HashMap::new(),
            back: HashMap::new(),
            died: HashMap::new(),
            outage_until: Timestamp::default(),
            calm: None,
        }
    }

    /// A machine is gone, and its row knows nothing of it.
    pub(crate) fn died(&mut self, worker: Uuid, at: Timestamp) {
        self.died.entry(worker).or_insert(at);
    }

    /// From now on nobody counts as dead but those who will not come back.
    pub(crate) fn all_are_back(&mut self) {
        self.died.clear();
    }

    /// Nobody reaches the store until then.
    pub(crate) fn no_store_until(&mut self, until: Timestamp) {
        self.outage_until = self.outage_until.max(until);
    }

    /// Faults have stopped: from now on there are promises about how long things take.
    pub(crate) fn calm_since(&mut self, now: Timestamp) {
        self.calm = Some(now);
        if self.outage_until > now {
            // It ends here, and may have been too short for anybody to notice.
            self.outage_until = Timestamp::default();
        }
    }

    /// Checks one worker's row that a write changed.
    pub(crate) fn changed(
        &mut self,
        author: Author,
        now: Timestamp,
        before: Option<&Row>,
        after: &Row,
    ) -> Check {
        if author == Author::Worker {
            self.hear(now, after);
        }
        let was_gone = before.is_none_or(is_offline);
        if was_gone && !is_offline(after) {
            self.back.insert(after.id, now);
        }
        let given_up = author == Author::Orchestrator && is_offline(after) && !was_gone;
        if given_up {
            return self.is_dead(after.id, now);
        }
        Ok(())
    }

    fn hear(&mut self, now: Timestamp, row: &Row) {
        let heard = self.heard.entry(row.id).or_insert(Heard {
            beat: now,
            echo: now,
            boot: None,
            since: now,
        });
        heard.beat = now;
        if row.text(workers::ECHO) == row.text(workers::NONCE) {
            heard.echo = now;
        }
        let boot = row.text(workers::BOOT);
        if heard.boot.as_deref() != boot {
            (heard.boot, heard.since) = (boot.map(str::to_owned), now);
        }
    }

    /// Who is given up did not write for as long as it takes while it could have, or did not read.
    fn is_dead(&self, worker: Uuid, now: Timestamp) -> Check {
        let Some(heard) = self.heard.get(&worker) else {
            return Ok(());
        };
        let silent = now.plus(TOLERANCE).since(heard.beat.max(self.outage_until));
        let deaf = now.plus(TOLERANCE).since(heard.echo.max(self.outage_until));
        let confirm = self.policy.confirm;
        if silent >= confirm || deaf >= confirm.times(2) {
            return Ok(());
        }
        let seen = format!("worker {worker} was given up {silent} after it wrote");
        Err((Promise::HealthyStays, seen))
    }

    /// Whether an attempt may be taken from who holds it: its row is gone or was given up since, it said
    /// good-bye, it runs as another process for long enough, or it let the time to claim pass.
    pub(crate) fn may_lose(
        &self,
        now: Timestamp,
        held: &Lease,
        since: Timestamp,
        row: Option<&Row>,
    ) -> bool {
        let worker = held.worker.get();
        let passed = |since: Timestamp, span: Span| now.plus(TOLERANCE).since(since) >= span;
        let came_back = self.back.get(&worker).is_some_and(|back| *back >= since);
        if row.is_none_or(is_offline) || came_back {
            return true;
        }
        let Some(boot) = held.boot.map(|boot| boot.to_string()) else {
            return passed(since, self.policy.claim_timeout);
        };
        let heard = self.heard.get(&worker);
        heard.is_some_and(|heard| {
            heard.boot.as_ref() != Some(&boot) && passed(heard.since, self.policy.confirm)
        })
    }

    /// Once there are no more faults, nothing is given to who was drained before.
    pub(crate) fn takes_work(&self, store: &Store, given: &Row) -> Check {
        let lease = given.mirror().and_then(|mirror| mirror.lease.as_ref());
        let row = lease.and_then(|lease| store.get(Table::Workers, lease.worker.get()));
        let drained = row.is_some_and(|row| row.time(workers::DRAINED).is_some());
        if self.calm.is_none() || !drained {
            return Ok(());
        }
        let seen = format!("mirror {} was given to a drained worker", given.id);
        Err((Promise::DrainedRest, seen))
    }

    /// Once there are no more faults, what a dead worker held waits for another within the bound.
    pub(crate) fn replaced_in_time(&self, worker: Uuid, now: Timestamp) -> Check {
        let Some((died, calm)) = self.died.get(&worker).copied().zip(self.calm) else {
            return Ok(());
        };
        let bound = suspect::bound(&self.policy, LONGEST_LOOK);
        let took = now.since(died.max(calm));
        if took <= bound.plus(TOLERANCE) {
            return Ok(());
        }
        let seen =
            format!("what the dead worker {worker} held was taken back after {took}, not {bound}");
        Err((Promise::DeadAreReplaced, seen))
    }
}

fn is_offline(worker: &Row) -> bool {
    worker.text(workers::STATE) == Some("offline")
}
