//! The end of a history: no more faults, everybody does their part in turn until nothing is left.
//!
//! What is not at rest after [`ROUNDS`] never will be: that is a broken promise of its own.

use shraga_core::row::Table;
use shraga_core::time::Span;

use crate::promises::{Check, Promise};
use crate::store::Row;
use crate::view;
use crate::worker::Worker;
use crate::world::World;

/// Rounds in which all must come to rest. Histories that keep the promises need a few dozen.
const ROUNDS: u32 = 600;

/// Who is cut off for longer than that comes back when everything has come to rest without it, and as
/// much later.
const AWAY: Span = Span::mins(60);

/// Least time between two rounds.
const PAUSE: Span = Span::millis(700);

/// The longest time between two looks of an orchestrator. What becomes due sooner is looked at then.
pub(crate) const LONGEST_LOOK: Span = Span::secs(20);

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
        self.judge.lives.calm_since(now);
        for worker in &mut self.workers {
            worker.deaf_until = now;
            worker.hangs_until = now;
            worker.away = worker.cut_off_until > now.plus(AWAY);
            worker.cut_off_until = now;
        }
        self.legacy
            .iter_mut()
            .for_each(crate::legacy::Legacy::crash);
        self.rest()?;
        if self.workers.iter().any(|worker| worker.away) {
            self.note(|| "calm: those come back who were away for days".to_owned());
            self.come_back();
            self.rest()?;
        }
        Ok(())
    }

    /// Everybody has got used to being without them: some come back as they went, some as another process.
    fn come_back(&mut self) {
        self.store.now = self.store.now.plus(AWAY);
        self.judge.lives.all_are_back();
        for n in 0..self.workers.len() {
            if std::mem::take(&mut self.workers[n].away) && self.dice.bool() {
                self.workers[n].crash();
            }
        }
    }

    /// Everybody takes turns until nothing is left to do.
    fn rest(&mut self) -> Check {
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
            if self.workers[n].is_here() {
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
            self.hear_results(n)?;
        }
        if self.workers[n].may_leave() {
            self.beat(n, "offline")?;
            self.workers[n].crash();
        }
        self.look_at_agents()
    }

    fn is_at_rest(&self) -> bool {
        !self.waits_for_the_dead()
            && self.orchestrators.iter().all(|o| o.idle)
            && self.workers.iter().all(|w| !w.is_here() || w.is_idle())
            && self.legacy.iter().all(crate::legacy::Legacy::is_idle)
    }

    /// Whether somebody who is not here holds anything. That goes on by time alone, which no plan foretells
    /// while nobody was asked.
    fn waits_for_the_dead(&self) -> bool {
        let gone = |id| {
            let worker = self.workers.iter().find(|worker| worker.id == id);
            worker.is_some_and(|worker| !worker.is_here())
        };
        let mut rows = self.store.rows(Table::Tasks);
        rows.any(|row| {
            let mirror = row.mirror().filter(|_| row.is_mirror_of(self.admin));
            mirror.is_some_and(|it| it.is_active() && it.worker().is_some_and(gone))
        })
    }

    /// Whether nothing is with anybody of ours, and nobody is waited for to answer.
    fn nobody_works(&self) -> bool {
        let mut here = self.workers.iter().filter(|worker| worker.is_here());
        let mut rows = self.store.rows(Table::Tasks);
        here.all(Worker::is_idle)
            && self.legacy.iter().all(crate::legacy::Legacy::is_idle)
            && !self.store.rows(Table::Workers).any(|row| is_doubted(row))
            && !rows.any(|row| {
                let mirror = row.mirror().filter(|_| row.is_mirror_of(self.admin));
                mirror.is_some_and(|it| it.is_active() && it.claimed().is_some())
            })
    }

    /// Time passes, until something is due or a round's patience is over.
    fn wait(&mut self) {
        let orchestrators = self.orchestrators.iter().filter_map(|o| o.due);
        let here = self.workers.iter().filter(|w| w.is_here());
        let workers = here.filter_map(|w| w.due());
        let legacy = self.legacy.iter().filter_map(|l| l.due());
        let due = orchestrators.chain(workers).chain(legacy).min();
        let soon = self.store.now.plus(PAUSE);
        let late = self.store.now.plus(LONGEST_LOOK);
        let then = match due {
            _ if !self.quiet => soon,
            // A night may pass, and nobody need look.
            Some(due) if self.nobody_works() => due.max(soon),
            Some(due) => due.max(soon).min(late),
            None if self.waits_for_the_dead() => late,
            None => soon,
        };
        self.store.now = then.max(soon);
    }

    fn look_at_everything(&mut self) -> Check {
        let Some(orchestrator) = self.orchestrators.first() else {
            return Ok(());
        };
        let seen = orchestrator.observer().whole(&self.store, &[]);
        let policy = orchestrator.policy();
        let away = self.workers.iter().filter(|worker| worker.away);
        let kept = away.flat_map(crate::worker::Worker::keeps).collect();
        self.judge.at_rest(&self.store, &kept, &seen, policy)
    }
}

/// Whether a worker was asked whether it lives, and has neither answered nor been given up.
fn is_doubted(row: &Row) -> bool {
    let worker = view::worker(row);
    worker.asked().is_some() && !worker.state.is_gone()
}
