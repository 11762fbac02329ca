//! What each of the cast does in a step.

use shraga_core::ids::{BootId, Etag};
use shraga_core::plan::Loop;
use shraga_core::row::{ChangeSet, Condition, Table, Write, workers};
use shraga_core::worker::{Answer, Ticket, WriteKind};

use crate::breaks::Break;
use crate::coverage;
use crate::network::{Request, Sent};
use crate::people::{self, Deed};
use crate::promises::{Author, Check, Promise};
use crate::store::Refused;
use crate::world::World;

/// Tasks in a history at most.
const TASKS: u64 = 20;

impl World {
    pub(crate) fn orchestrator_acts(&mut self) -> Check {
        let n = self.dice.usize(..self.orchestrators.len());
        if self.orchestrators[n].waits_until > self.store.now {
            return Ok(());
        }
        if self.orchestrators[n].has_plan() {
            let at_most = if self.dice.bool() { 1 } else { usize::MAX };
            return self.apply_some(n, at_most);
        }
        if self.store.now < self.outage_until {
            self.orchestrators[n].lose_sight();
        } else {
            let mut dice = self.dice.fork();
            let windows = (self.dice.u8(0..4) > 0).then_some(&mut dice);
            self.orchestrators[n].observe(&self.store, windows);
        }
        Ok(())
    }

    /// Sends the next batch of an orchestrator's plan.
    pub(crate) fn apply_some(&mut self, n: usize, at_most: usize) -> Check {
        let batch = self.orchestrators[n].take_batch(at_most);
        let stops = batch.iter().any(|(by, _)| *by == Loop::Assign);
        let name = self.orchestrators[n].name.clone();
        self.note(|| format!("{name} sends {}", batch.len()));
        let sent = self.send(Request {
            author: Author::Orchestrator,
            who: self.admin,
            sets: batch.iter().map(|(_, set)| set.clone()).collect(),
            stops,
        })?;
        if sent.contains(&Sent::Throttled) {
            self.orchestrators[n].waits_until = self.store.now.plus(self.retry_after());
        }
        self.orchestrators[n].answered(batch, &sent);
        Ok(())
    }

    pub(crate) fn worker_acts(&mut self) -> Check {
        let n = self.dice.usize(..self.workers.len());
        if self.workers[n].retired || self.store.now < self.workers[n].hangs_until {
            return Ok(());
        }
        if self.workers[n].process.is_none() {
            self.start_worker(n);
        }
        let now = self.store.now;
        let reaches = self.reaches(n);
        let hears = reaches && now >= self.workers[n].deaf_until;
        let (worker, store) = (&mut self.workers[n], &self.store);
        match self.dice.u8(0..12) {
            0 | 1 if reaches => self.beat(n, "ready")?,
            2 | 3 if hears => worker.look(store),
            4 => worker.agent_goes_on(now, &mut self.dice),
            5 => worker.tick(now, &mut self.dice),
            _ => {
                let read = worker.read(hears.then_some(store), now, &mut self.dice);
                if !read && self.dice.bool() {
                    worker.agent_goes_on(now, &mut self.dice);
                }
            }
        }
        if self.dice.u8(0..4) > 0 {
            self.send_work(n)?;
        }
        self.hear_results(n)?;
        if self.workers[n].may_leave() {
            if reaches {
                self.beat(n, "offline")?;
            }
            self.workers[n].crash();
        }
        Ok(())
    }

    /// Whether a worker reaches the store.
    fn reaches(&self, n: usize) -> bool {
        let now = self.store.now;
        now >= self.outage_until && now >= self.workers[n].cut_off_until
    }

    pub(crate) fn hear_results(&mut self, n: usize) -> Check {
        let Some(process) = self.workers[n].process.as_mut() else {
            return Ok(());
        };
        self.judge.finished.append(&mut process.finished);
        let begun = std::mem::take(&mut process.begun);
        if let Some(mirror) = process.taken_drained {
            let seen = format!("w{n} takes mirror {mirror} and has read that it is drained");
            return Err((Promise::DrainedRest, seen));
        }
        let mut begun = begun.into_iter();
        begun.try_for_each(|it| self.judge.money.begin(it))
    }

    pub(crate) fn start_worker(&mut self, n: usize) {
        let boot = self.new_id(format!("boot{}", self.history.steps));
        let boot = BootId::new(boot);
        let now = self.store.now;
        let reaches = self.reaches(n).then_some(&self.store);
        let resumed = self.workers[n].start(boot, reaches, now, &mut self.dice);
        if resumed > 0 {
            self.history.coverage.deed(coverage::Deed::GoOn);
        }
        self.note(|| format!("w{n} starts, and goes on with {resumed}"));
    }

    /// A worker writes its own row, and hears the store's time.
    pub(crate) fn beat(&mut self, n: usize, state: &'static str) -> Check {
        let worker = &mut self.workers[n];
        let id = worker.id.get();
        let found = self.store.get(Table::Workers, id);
        // A new process goes on counting where the last one stopped.
        let before = found.and_then(|row| row.int(workers::BEAT)).unwrap_or(0);
        let mut cells = worker.beat(state, before + 1, self.store.now);
        let write = match found {
            Some(row) => {
                if self.store.now >= worker.deaf_until {
                    cells.push((workers::ECHO, row.text(workers::NONCE).into()));
                }
                Write::update(Table::Workers, id, &row.etag, cells)
            }
            None => Write {
                owner: Some(worker.owner),
                ..Write::create(Table::Workers, id, cells)
            },
        };
        let set = ChangeSet {
            task: None,
            why: format!("w{n} beats, {state}"),
            writes: vec![write],
        };
        let sent = self.send(self.by_worker(vec![set]))?;
        if sent.contains(&Sent::Done) {
            let (date, now) = (self.store.date(), self.store.now);
            self.workers[n].clock.hear(date, now);
        }
        Ok(())
    }

    fn by_worker(&self, sets: Vec<ChangeSet>) -> Request {
        Request {
            author: Author::Worker,
            who: self.service,
            sets,
            stops: false,
        }
    }

    /// Sends the next batch that a worker wants written.
    pub(crate) fn send_work(&mut self, n: usize) -> Check {
        let now = self.store.now;
        let waits = |p: &crate::worker::Process| p.waits_until > now;
        if self.workers[n].process.as_ref().is_none_or(waits) {
            return Ok(());
        }
        let Some(batch) = self.workers[n].take_batch() else {
            return Ok(());
        };
        self.note(|| format!("w{n} sends {}", batch.len()));
        let cut_off = now < self.workers[n].cut_off_until;
        let sent = if cut_off {
            vec![Sent::Unknown; batch.len()]
        } else {
            self.send(self.by_worker(batch.iter().map(|(_, set)| set.clone()).collect()))?
        };
        let mut answers = Vec::with_capacity(batch.len());
        let mut held_back = Vec::new();
        for ((ticket, set), sent) in batch.into_iter().zip(sent) {
            if sent == Sent::Throttled {
                held_back.push((ticket, set));
            } else {
                answers.push((ticket, self.answer(ticket, &set, sent)?));
            }
        }
        let until = now.plus(self.retry_after());
        self.workers[n].hold_back(held_back, until);
        self.workers[n].answered(answers);
        Ok(())
    }

    fn answer(&mut self, ticket: Ticket, set: &ChangeSet, sent: Sent) -> Check<Answer> {
        let unclaimed =
            self.broken == Some(Break::StartUnclaimed) && ticket.kind == WriteKind::Claim;
        let forced = self.broken == Some(Break::ForceReport) && ticket.kind == WriteKind::Report;
        Ok(match sent {
            Sent::Refused(_) if unclaimed || self.broken == Some(Break::StaleIsDone) => {
                Answer::Done(self.etag_of(set))
            }
            Sent::Refused(Refused::Stale) if forced => {
                self.force(set)?;
                Answer::Done(self.etag_of(set))
            }
            Sent::Unknown if unclaimed => Answer::Done(self.etag_of(set)),
            Sent::Done => Answer::Done(self.etag_of(set)),
            Sent::Refused(Refused::Stale) => Answer::Stale,
            Sent::Refused(Refused::Missing) => Answer::Refused("not found".to_owned()),
            Sent::Unknown | Sent::Partly | Sent::Throttled | Sent::NotTried => Answer::Unknown,
        })
    }

    /// What a broken worker does with a report that is refused: it takes the newest version for its own.
    fn force(&mut self, set: &ChangeSet) -> Check {
        let mut set = set.clone();
        set.writes.retain(|write| write.table == Table::Tasks);
        for write in &mut set.writes {
            if let Some(row) = self.store.get(write.table, write.id) {
                write.condition = Condition::Version(row.etag.clone());
            }
        }
        self.write(Author::Worker, self.service, set)
    }

    /// The version of the tasks row a set wrote, as the store's reply would tell it.
    fn etag_of(&self, set: &ChangeSet) -> Option<Etag> {
        let write = set
            .writes
            .iter()
            .find(|write| write.table == Table::Tasks)?;
        let row = self.store.get(Table::Tasks, write.id)?;
        Some(row.etag.clone())
    }

    pub(crate) fn legacy_acts(&mut self) -> Check {
        let n = self.dice.usize(..self.legacy.len());
        if self.store.now < self.outage_until {
            return Ok(());
        }
        self.legacy_works(n).map(|_| ())
    }

    /// A legacy worker goes on; answers whether it had anything to write.
    pub(crate) fn legacy_works(&mut self, n: usize) -> Check<bool> {
        let busy = !self.legacy[n].is_idle();
        let Some(set) = self.legacy[n].act(&self.store, &mut self.dice) else {
            return Ok(false);
        };
        let who = self.legacy[n].person;
        let sent = self.send(Request {
            author: Author::Legacy,
            who,
            sets: vec![set],
            stops: false,
        })?;
        if !busy && sent != [Sent::Done] {
            self.legacy[n].lost_the_race();
        }
        Ok(true)
    }

    pub(crate) fn person_acts(&mut self) -> Check {
        let Some(who) = self.dice.choice(self.people.clone()) else {
            return Ok(());
        };
        if self.dice.u8(0..3) == 0 && self.history.tasks < TASKS {
            let task = self.new_id(format!("T{}", self.history.tasks));
            self.history.tasks += 1;
            let set = people::file(task, &self.store, &mut self.dice);
            return self.write(Author::Person, who, set);
        }
        let hostile = self.script.cast.hostile && self.dice.u8(0..3) == 0;
        let deed = if hostile {
            let new = self.new_id(format!("planted{}", self.history.steps));
            let worker = self.dice.usize(..self.workers.len());
            let worker = self.workers[worker].id;
            people::trespass(&self.store, who, new, worker, &mut self.dice)
        } else {
            people::meddle(&self.store, who, &mut self.dice)
        };
        match deed {
            Deed::Write(set) => self.write(Author::Person, who, set),
            Deed::Delete(row) => {
                self.note(|| format!("    Person: she deletes {row}"));
                self.history.coverage.deed(coverage::Deed::Delete);
                if self
                    .store
                    .get(Table::Tasks, row)
                    .is_some_and(|row| !row.is_mirror)
                {
                    self.judge.was_deleted(row);
                }
                self.store.delete(Table::Tasks, row);
                self.quiet = false;
                Ok(())
            }
            Deed::Rest => Ok(()),
        }
    }
}
