//! Which machines there should be, and the next step of each towards it.
//!
//! A plan is made of rows and of what providers say, and of nothing else: a process that starts anew
//! goes on where another stopped. Each [`Step`] is one change set and one request to a provider. The
//! request is made only by whoever's change set was applied, so that of two orchestrators one asks, and
//! it is safe to repeat, so that a crash between the two is healed by the next plan: what a row says was
//! asked, and does not show at the provider, is asked again under a new version of the row.
//!
//! Never: a machine that isn't ours is touched; one that holds a lease is stopped; one in a state we
//! don't know is given work, stopped or deleted; a failed one fills a slot.

mod advance;
mod delay;
mod demand;
mod failing;
mod grow;
mod look;
mod mend;
mod retire;
mod sweep;
mod write;

use std::collections::{BTreeMap, HashMap};

use crate::ids::{UserId, WorkerId};
use crate::machine::{Inventory, MachineName, ProviderKind, Serves, Trouble};
use crate::model::Worker;
use crate::reason::Reason;
use crate::row::ChangeSet;
use crate::status::TaskStatus;
use crate::time::{Span, Timestamp};

use look::Look;
pub use write::STREAM;

/// The next step of every machine, and of those that should be there.
///
/// Order within a provider: machines that are there first, then what is stopped is started, then new
/// ones. No row is written by two steps; at most one step asks for a new machine, since each of them
/// writes the provider's tally.
#[must_use]
pub fn plan(snapshot: &MachineSnapshot, policy: &MachinePolicy, now: Timestamp) -> MachinePlan {
    let mut plan = MachinePlan::default();
    for (provider, group) in &policy.groups {
        let Some(look) = Look::new(snapshot, policy, *provider, group, now) else {
            continue;
        };
        let advice = look.inventory.ok().and_then(|it| it.advice.clone());
        plan.notes.extend(advice);
        for machine in &look.machines {
            advance::add(&look, machine, &mut plan);
        }
        // What is taken back counts, once its row is there.
        if !sweep::add(&look, &mut plan) {
            grow::add(&look, &mut plan);
        }
    }
    plan
}

/// What was observed.
#[derive(Clone, Debug, Default)]
pub struct MachineSnapshot {
    /// Who owns mirrors, and makes machines. Until known, none is made.
    pub admin: Option<UserId>,
    /// All rows of the workers table that could be read: machines, tallies, and others, which don't
    /// matter here.
    pub workers: Vec<Worker>,
    /// Whether `workers` is all of them. Without, nothing new is made and nothing is adopted.
    pub workers_complete: bool,
    /// Mirrors that have not ended.
    pub open: Vec<Open>,
    /// Whether `open` is all of them. Without, nothing is stopped or deleted.
    pub open_complete: bool,
    /// What each provider said when it was asked last. Nothing is done at one that is missing.
    pub seen: BTreeMap<ProviderKind, Result<Inventory, Trouble>>,
    /// Requests that failed, by worker: as [`Act`] said, and what came back.
    pub failed: HashMap<WorkerId, (Timestamp, Trouble)>,
    /// Answers to [`ActKind::Link`]; `None` where there is no link, or it could not be had.
    pub links: HashMap<WorkerId, Option<String>>,
}

/// A mirror that has not ended, as far as machines are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Whose task it is.
    pub user: Option<UserId>,
    /// When its mirror was made.
    pub created: Timestamp,
    /// Where it stands.
    pub status: TaskStatus,
    /// The worker it is with.
    pub worker: Option<WorkerId>,
    /// Not to be assigned before this.
    pub not_before: Option<Timestamp>,
    /// Why it waits, as its row says.
    pub reason: Option<Reason>,
}

/// What the operator decided, by provider. Where a provider has no group, nothing is made by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachinePolicy {
    /// The providers that are used.
    pub groups: BTreeMap<ProviderKind, Group>,
    /// Whether there is an events table.
    pub events: bool,
}

/// What may be made by one provider, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What names of its machines begin with.
    pub prefix: String,
    /// From how many open tasks on a person gets a machine of her own; `None`: nobody does.
    pub threshold: Option<u32>,
    /// How long she must have had as many, or a task must have waited for the pool.
    pub dwell: Span,
    /// The most machines of one person.
    pub per_person: u32,
    /// The most machines at once, of all people and the pool; failed ones that are there count.
    pub total: u32,
    /// The most machines made in one month (UTC); `None`: as many as there is need for.
    pub per_month: Option<u32>,
    /// Machines for everyone that there are always.
    pub pool_min: u32,
    /// The most machines for everyone.
    pub pool_max: u32,
    /// Attempts that a machine runs at once, until its worker says otherwise.
    pub slots: u32,
    /// How long a machine may do nothing before it is stopped; `None`: it is never.
    pub idle_stop: Option<Span>,
    /// How long a stopped machine is kept; `None`: until somebody deletes it.
    pub delete_after_stopped: Option<Span>,
    /// How long a failed machine on which a worker ran is kept; `None`: until somebody deletes it. One that
    /// never ran a worker goes with its failure.
    pub delete_after_failed: Option<Span>,
    /// Whether a stopped machine keeps its memory.
    pub hibernate: bool,
    /// By how much a stop of the provider's own is delayed at most while the machine holds a lease; `None`: it never is.
    pub delay_stops: Option<Span>,
    /// How long a machine may run without its worker before it is restarted, once; such a provider can also
    /// repair one that failed. `None`: neither.
    pub mend_after: Option<Span>,
    /// Whether the provider's word that a machine doesn't run counts at once. Otherwise it counts only when
    /// the worker has been silent for a while too.
    pub certain: bool,
    /// How long making or starting may take before it is reported.
    pub stuck_after: Span,
    /// How long it may take before the machine counts as failed.
    pub give_up_after: Span,
    /// How long nothing must have come of a request before it is made again.
    pub repeat_after: Span,
    /// How long a machine is given nothing before it is stopped: longer than another orchestrator
    /// needs to write what it planned.
    pub settle: Span,
    /// Wait after the first trouble that passes; doubles with each, up to `backoff_max`.
    pub backoff: Span,
    /// The longest such wait.
    pub backoff_max: Span,
    /// Wait where waiting alone cures nothing: denied, not signed in, wrong settings.
    pub denied_wait: Span,
    /// Wait where there is no room.
    pub capacity_wait: Span,
    /// Wait after a machine failed, before another takes its place; doubles with each failure.
    pub cool_down: Span,
    /// Machines of one person, or of the pool, that may fail before no other is made.
    pub failures_max: u32,
    /// How long a failed machine counts, is shown, and stays at the provider if it never ran a worker.
    pub failure_expires: Span,
}

/// One step of one machine: what is to be written, and what is to be asked once it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The write. Without one, `act` changes nothing and may be done at once.
    pub set: Option<ChangeSet>,
    /// The request.
    pub act: Option<Act>,
}

/// A request to a provider, safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// Who is asked.
    pub provider: ProviderKind,
    /// The machine's worker.
    pub worker: WorkerId,
    /// The machine.
    pub name: MachineName,
    /// Whom it is for.
    pub serves: Serves,
    /// What is asked.
    pub kind: ActKind,
    /// When, as the row says: what names this request among others about the machine.
    pub tried: Timestamp,
    /// A line that says what is asked and why.
    pub why: String,
}

/// What a provider can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActKind {
    /// Make it, unless it is there.
    Create,
    /// Start it, unless it runs.
    Start,
    /// Stop it, unless it is stopped.
    Stop {
        /// Whether it keeps its memory.
        hibernate: bool,
    },
    /// Delete it, unless it is gone.
    Delete,
    /// Start it anew, if it runs. Asked only where [`Group::mend_after`] says that it can be.
    Restart,
    /// Mend it, if it failed. Asked only where [`Group::mend_after`] says that it can be.
    Repair,
    /// Have the provider make its own stops no earlier than then. Asked only where [`Found::stops_at`](crate::machine::Found::stops_at) was said.
    Delay {
        /// Until when.
        until: Timestamp,
    },
    /// Say where its person connects to it. Changes nothing.
    Link,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachinePlan {
    /// The steps, in order; each stands for itself.
    pub steps: Vec<Step>,
    /// Things somebody should know.
    pub notes: Vec<String>,
    /// When something becomes due without any row or machine changing.
    pub due: Option<Timestamp>,
}

impl MachinePlan {
    fn due(&mut self, at: Timestamp) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }
}

impl Group {
    /// A group for the Dev Center: nobody gets a machine before ten minutes of need, one each.
    #[must_use]
    pub fn dev_box() -> Self {
        Self {
            prefix: "shraga".to_owned(),
            threshold: Some(5),
            dwell: Span::mins(10),
            per_person: 1,
            total: 4,
            per_month: Some(20),
            pool_min: 0,
            pool_max: 0,
            slots: 1,
            idle_stop: Some(Span::mins(30)),
            delete_after_stopped: None,
            delete_after_failed: Some(Span::mins(7 * 24 * 60)),
            hibernate: true,
            delay_stops: Some(Span::mins(8 * 60)),
            // Longer than what is installed on it may take.
            mend_after: Some(Span::mins(40)),
            certain: false,
            stuck_after: Span::mins(15),
            give_up_after: Span::mins(90),
            repeat_after: Span::mins(2),
            settle: Span::secs(60),
            backoff: Span::secs(30),
            backoff_max: Span::mins(15),
            denied_wait: Span::mins(60),
            capacity_wait: Span::mins(30),
            cool_down: Span::mins(60),
            failures_max: 2,
            failure_expires: Span::mins(24 * 60),
        }
    }

    /// A group for processes on this machine: a pool alone, which costs little to make and to end.
    #[must_use]
    pub fn process() -> Self {
        Self {
            prefix: "local".to_owned(),
            threshold: None,
            dwell: Span::secs(1),
            per_person: 1,
            total: 4,
            per_month: None,
            pool_min: 0,
            pool_max: 4,
            slots: 1,
            idle_stop: Some(Span::mins(5)),
            delete_after_stopped: None,
            delete_after_failed: None,
            hibernate: false,
            delay_stops: None,
            mend_after: None,
            certain: true,
            stuck_after: Span::secs(30),
            give_up_after: Span::mins(2),
            repeat_after: Span::secs(10),
            settle: Span::secs(2),
            backoff: Span::secs(1),
            backoff_max: Span::mins(1),
            denied_wait: Span::mins(1),
            capacity_wait: Span::secs(30),
            cool_down: Span::secs(5),
            failures_max: 5,
            failure_expires: Span::mins(15),
        }
    }
}
