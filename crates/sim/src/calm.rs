//! The end of a history: no more faults, everybody does their part in turn until nothing is left.
//!
//! What is not at rest after [`ROUNDS`] never will be: that is a broken promise of its own.

use shraga_core::time::Span;

use crate::promises::{Check, Promise};
use crate::world::World;

/// Rounds in which all must come to rest. Histories that keep the promises need a few dozen.
const ROUNDS: u32 = 600;

/// Least time between two rounds.
const PAUSE: Span = Span::millis(700);

/// The longest that a round waits for something that becomes due.
const PATIENCE: Span = Span::secs(30);

/// Steps of one process in one round at most.
const TURNS: u32 = 60;

impl World {
    pub(crate) fn come_to_rest(&mut self) -> Check {
        self.faulty = false;
        self.outage_until = self.store.now;
        self.note(|| "calm: no more faults".to_owned());
        while !self.in_flight.is_empty() {
            self.arrive()?;
        }
        let now = self.store.now;
        for worker in &mut self.workers {
            worker.cut_off_until = now;
        }
        self.legacy
            .iter_mut()
            .for_each(crate::legacy::Legacy::crash);
        for _ in 0..ROUNDS {
            self.history.rounds += 1;
            self.quiet = true;
            self.round()?;
            if self.quiet && self.is_at_rest() {
                return self.look_at_everything();
            }
            self.wait();
        }
        self.look_at_everything()?;
        Err((Promise::NothingStuck, "it never comes to rest".to_owned()))
    }

    fn round(&mut self) -> Check {
        for n in 0..self.workers.len() {
            if !self.workers[n].retired {
                self.worker_takes_turn(n)?;
            }
        }
        for n in 0..self.legacy.len() {
            for _ in 0..TURNS {
                if !self.legacy_works(n)? {
                    break;
                }
            }
        }
        for n in 0..self.orchestrators.len() {
            self.orchestrators[n].drop_plan();
            self.orchestrators[n].observe(&self.store, None);
            while self.orchestrators[n].has_plan() {
                self.apply_some(n, usize::MAX)?;
            }
        }
        Ok(())
    }

    fn worker_takes_turn(&mut self, n: usize) -> Check {
        if self.workers[n].process.is_none() {
            self.start_worker(n);
        }
        let now = self.store.now;
        self.beat(n, "ready")?;
        self.workers[n].look(&self.store);
        for _ in 0..TURNS {
            self.workers[n].hold_back(Vec::new(), now);
            self.send_work(n)?;
            if self.workers[n].read(Some(&self.store), now, &mut self.dice) {
                continue;
            }
            if self.workers[n].due().is_none_or(|due| due > now) {
                break;
            }
            self.workers[n].tick(now, &mut self.dice);
            self.workers[n].agent_goes_on(now, &mut self.dice);
            self.hear_results(n);
        }
        if self.workers[n].may_leave() {
            self.beat(n, "offline")?;
            self.workers[n].crash();
        }
        self.look_at_agents()
    }

    fn is_at_rest(&self) -> bool {
        self.orchestrators.iter().all(|o| o.idle)
            && self.workers.iter().all(|w| w.retired || w.is_idle())
            && self.legacy.iter().all(crate::legacy::Legacy::is_idle)
    }

    /// Time passes, until something is due or a round's patience is over.
    fn wait(&mut self) {
        let orchestrators = self.orchestrators.iter().filter_map(|o| o.due);
        let workers = self.workers.iter().filter_map(|w| w.due());
        let legacy = self.legacy.iter().filter_map(|l| l.due());
        let due = orchestrators.chain(workers).chain(legacy).min();
        let soon = self.store.now.plus(PAUSE);
        let late = self.store.now.plus(PATIENCE);
        let busy = !self.quiet;
        let then = due
            .filter(|_| !busy)
            .map_or(soon, |due| due.max(soon).min(late));
        self.store.now = then.max(soon);
    }

    fn look_at_everything(&mut self) -> Check {
        let Some(orchestrator) = self.orchestrators.first() else {
            return Ok(());
        };
        let seen = orchestrator.observer().whole(&self.store, &[]);
        let policy = orchestrator.policy();
        self.judge.at_rest(&self.store, &seen, policy)
    }
}
