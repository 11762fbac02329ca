//! A simulated orchestrator: the shipped plans, observed and applied in small steps.
//!
//! Between its observation and each of its batches the world goes on. It keeps what the shipped one
//! keeps between ticks (turns, what a plan asked to see) and loses it in a crash.

use std::collections::VecDeque;

use shraga_core::ids::{UserId, WorkerId};
use shraga_core::plan::{self, Loop, Need, Plan, Policy, Turns};
use shraga_core::row::ChangeSet;
use shraga_core::time::Timestamp;

use crate::breaks::Break;
use crate::clock::Clock;
use crate::network::Sent;
use crate::observe::Observer;
use crate::store::Store;
use crate::watch::Watch;

/// Change sets in one batch at most; small, so that the world goes on between them.
const BATCH: usize = 6;

/// Times that it reads more because core found something missing.
const ROUNDS: usize = 3;

/// One orchestrator.
#[derive(Debug)]
pub(crate) struct Orchestrator {
    pub(crate) name: String,
    pub(crate) clock: Clock,
    admin: UserId,
    legacy: Vec<WorkerId>,
    policy: Policy,
    broken: Option<Break>,
    turns: Turns,
    needs: Vec<Need>,
    queue: VecDeque<(Loop, ChangeSet)>,
    /// The store's time of its last observation.
    now: Timestamp,
    watch: Watch,
    /// Until when the store asked it to wait.
    pub(crate) waits_until: Timestamp,
    /// When something becomes due without any row changing.
    pub(crate) due: Option<Timestamp>,
    /// Whether its last look at everything found nothing to do, now or later.
    pub(crate) idle: bool,
}

impl Orchestrator {
    pub(crate) fn new(
        name: String,
        clock: Clock,
        admin: UserId,
        legacy: Vec<WorkerId>,
        policy: Policy,
        broken: Option<Break>,
    ) -> Self {
        Self {
            name,
            clock,
            admin,
            legacy,
            policy,
            broken,
            turns: Turns::default(),
            needs: Vec::new(),
            queue: VecDeque::new(),
            now: Timestamp::default(),
            watch: Watch::default(),
            waits_until: Timestamp::default(),
            due: None,
            idle: false,
        }
    }

    /// Forgets all that is not in the store.
    pub(crate) fn crash(&mut self) {
        self.turns = Turns::default();
        self.watch = Watch::default();
        self.drop_plan();
    }

    /// The store could not be looked at.
    pub(crate) fn lose_sight(&mut self) {
        if self.broken != Some(Break::WatchThroughOutages) {
            self.watch.lose_sight();
        }
    }

    /// Gives up the rest of the plan, as after an outage; the next observation makes a new one.
    pub(crate) fn drop_plan(&mut self) {
        self.needs.clear();
        self.queue.clear();
        self.idle = false;
    }

    pub(crate) const fn observer(&self) -> Observer<'_> {
        Observer {
            admin: self.admin,
            legacy: self.legacy.as_slice(),
            turns: &self.turns,
            broken: self.broken,
            watch: &self.watch,
        }
    }

    pub(crate) const fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn has_plan(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The next change sets to send together: as the shipped one sends them, assignments apart.
    pub(crate) fn take_batch(&mut self, at_most: usize) -> Vec<(Loop, ChangeSet)> {
        let assigns = |by: &Loop| *by == Loop::Assign;
        let first = self.queue.front().map(|(by, _)| assigns(by));
        let alike = |it: &&(Loop, ChangeSet)| Some(assigns(&it.0)) == first;
        let count = self.queue.iter().take_while(alike).count();
        self.queue.drain(..count.min(at_most).min(BATCH)).collect()
    }

    /// Hears what became of a batch.
    pub(crate) fn answered(&mut self, batch: Vec<(Loop, ChangeSet)>, answers: &[Sent]) {
        let believes = |sent: &Sent| match sent {
            Sent::Done => true,
            Sent::Refused(_) => self.broken == Some(Break::StaleIsDone),
            Sent::Unknown | Sent::Partly | Sent::Throttled | Sent::NotTried => false,
        };
        let assigns = batch.iter().any(|(by, _)| *by == Loop::Assign);
        let mut held_back = Vec::new();
        for ((by, set), sent) in batch.into_iter().zip(answers) {
            if believes(sent) {
                self.turns.applied(&set, self.now);
            }
            if *sent == Sent::Throttled {
                held_back.push((by, set));
            }
        }
        let all_held_back = held_back.len() == answers.len();
        if answers.contains(&Sent::Unknown) || (!held_back.is_empty() && !all_held_back) {
            self.drop_plan();
        } else if all_held_back {
            held_back
                .into_iter()
                .rev()
                .for_each(|it| self.queue.push_front(it));
        } else if assigns && !answers.iter().all(believes_done) {
            self.queue.retain(|(by, _)| *by != Loop::Assign);
        }
    }

    /// Observes (everything when there are no dice, else windows) and plans.
    pub(crate) fn observe(&mut self, store: &Store, mut dice: Option<&mut fastrand::Rng>) {
        self.now = match self.broken {
            Some(Break::OwnClock) => self.clock.wall(store.now),
            _ => store.date(),
        };
        let careless = self.broken == Some(Break::WatchThroughOutages);
        self.watch.look(store, self.now, careless);
        let mut known = std::mem::take(&mut self.needs);
        let mut plans = self.plan(store, &known, dice.as_deref_mut());
        let mut missing = missing(&plans, &known);
        for _ in 0..ROUNDS {
            if dice.is_some() || missing.is_empty() {
                break;
            }
            known.append(&mut missing);
            plans = self.plan(store, &known, None);
            missing = self::missing(&plans, &known);
        }
        let whole = dice.is_none() && missing.is_empty();
        self.needs = missing;
        self.due = plans.iter().filter_map(|plan| plan.due).min();
        let sets = plans.into_iter().flat_map(|plan| {
            let by = plan.by;
            plan.sets.into_iter().map(move |set| (by, set))
        });
        self.queue = sets.collect();
        self.idle = whole && self.due.is_none() && self.queue.is_empty();
    }

    fn plan(&self, store: &Store, needs: &[Need], dice: Option<&mut fastrand::Rng>) -> Vec<Plan> {
        let snapshot = match dice {
            Some(dice) => self.observer().windows(store, needs, dice),
            None => self.observer().whole(store, needs),
        };
        plan::all(&snapshot, &self.policy, self.now)
    }
}

/// What the plans would need and did not find.
fn missing(plans: &[Plan], known: &[Need]) -> Vec<Need> {
    let needs = plans.iter().flat_map(|plan| plan.needs.iter().copied());
    needs.filter(|need| !known.contains(need)).collect()
}

fn believes_done(sent: &Sent) -> bool {
    *sent == Sent::Done
}
