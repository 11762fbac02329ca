//! How many machines the work that waits is a reason for.
//!
//! A person's tasks are counted, and since when there have been so many is read from them too: as long
//! as the task that made the number full has been there. So nothing has to be remembered, and a
//! restart begins no wait anew.

use std::collections::BTreeMap;

use super::{Group, MachineSnapshot, Open};
use crate::ids::UserId;
use crate::reason::Reason;
use crate::status::TaskStatus;
use crate::time::Timestamp;

/// The work there is, by person and for the pool.
#[derive(Debug, Default)]
pub(super) struct Demand {
    people: BTreeMap<UserId, Need>,
    /// Tasks that have waited long enough to be a reason for another machine of the pool.
    pub(super) waiting: u32,
    /// When another task will have.
    pub(super) due: Option<Timestamp>,
}

/// One person's work.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Need {
    /// Machines she should have.
    pub(super) wanted: u32,
    /// Machines that are not taken away again: somewhat more, so that one task more or less does not
    /// make and unmake them.
    pub(super) kept: u32,
    /// Whether one of her tasks waits for a worker.
    pub(super) waits: bool,
}

impl Demand {
    pub(super) fn new(snapshot: &MachineSnapshot, group: &Group, now: Timestamp) -> Self {
        let mut demand = Self::default();
        let mut people: BTreeMap<UserId, Vec<&Open>> = BTreeMap::new();
        for open in snapshot.open.iter().filter(|open| open.is_work(now)) {
            if let Some(user) = open.user {
                people.entry(user).or_default().push(open);
            }
            if open.status == TaskStatus::Pending {
                let due = open.created.max(open.not_before.unwrap_or_default());
                demand.count_waiting(due.plus(group.dwell), now);
            }
        }
        for (user, mut work) in people {
            work.sort_by_key(|open| open.created);
            let need = demand.need(&work, group, now);
            demand.people.insert(user, need);
        }
        demand
    }

    fn count_waiting(&mut self, due: Timestamp, now: Timestamp) {
        match due <= now {
            true => self.waiting = self.waiting.saturating_add(1),
            false => self.wait_until(due),
        }
    }

    fn wait_until(&mut self, due: Timestamp) {
        self.due = Some(self.due.map_or(due, |other| other.min(due)));
    }

    /// What one person's work is a reason for; `work` is sorted by age.
    fn need(&mut self, work: &[&Open], group: &Group, now: Timestamp) -> Need {
        let waits = work.iter().any(|open| open.status == TaskStatus::Pending);
        let Some(threshold) = group.threshold.filter(|threshold| *threshold > 0) else {
            return Need {
                waits,
                ..Need::default()
            };
        };
        let mut need = Need {
            waits,
            ..Need::default()
        };
        for k in 1..=group.per_person {
            let full = k.saturating_mul(threshold);
            // Half of the last threshold is enough to keep what is there.
            let enough = full - threshold / 2;
            if work.len() >= enough as usize {
                need.kept = k;
            }
            let Some(last) = work.get(full as usize - 1) else {
                break;
            };
            let since = last.created.plus(group.dwell);
            if since > now {
                self.wait_until(since);
                break;
            }
            need.wanted = k;
        }
        need
    }

    /// One person's.
    pub(super) fn of(&self, user: UserId) -> Need {
        self.people.get(&user).copied().unwrap_or_default()
    }

    /// Everybody who has work, and what it is a reason for.
    pub(super) fn people(&self) -> impl Iterator<Item = (UserId, Need)> {
        self.people.iter().map(|(user, need)| (*user, *need))
    }
}

impl Open {
    /// Whether a worker holds it, or was given it.
    pub(super) const fn is_held(&self) -> bool {
        matches!(self.status, TaskStatus::Running | TaskStatus::Canceling)
    }

    /// Whether it runs, or would if there were a worker for it.
    fn is_work(&self, now: Timestamp) -> bool {
        match self.status {
            TaskStatus::Running | TaskStatus::Canceling => true,
            TaskStatus::Pending => {
                let due = self.not_before.is_none_or(|at| at <= now);
                due && self.reason.is_none_or(helps)
            }
            TaskStatus::Queued
            | TaskStatus::WaitingForInput
            | TaskStatus::Completed
            | TaskStatus::Failed
            | TaskStatus::Canceled
            | TaskStatus::Submitted => false,
        }
    }
}

/// Whether another worker would help a task that waits for this.
const fn helps(reason: Reason) -> bool {
    !matches!(
        reason,
        Reason::AdminUnknown
            | Reason::AnotherAdmin
            | Reason::Quarantined
            | Reason::Unreadable
            | Reason::UserDisabled
            | Reason::NotFenced
            | Reason::NoWorkerForAgent
            | Reason::NoLabel
            | Reason::UserCap
            | Reason::KeyBusy
            | Reason::TakenByLegacy
            | Reason::BudgetUserDay
            | Reason::BudgetDay
            | Reason::BudgetUnheld
    )
}
