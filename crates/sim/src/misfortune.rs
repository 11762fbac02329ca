//! What befalls those who act: crashes, outages, deaths, and operators who mean well.
//!
//! Each happens to one of the cast at a time; how it is lived through is theirs.

use shraga_core::ids::{Attempt, MirrorId};
use shraga_core::row::{ChangeSet, Table, Value, Write, users, workers};
use shraga_core::time::Span;

use crate::coverage::Fault;
use crate::promises::{Author, Check};
use crate::watch::LONGEST_GAP;
use crate::world::World;

/// How long a worker stays away that is taken for dead.
const DAYS: Span = Span::mins(3 * 24 * 60);

impl World {
    pub(crate) fn misfortune(&mut self) -> Check {
        if !self.faulty {
            return Ok(());
        }
        let n = self.dice.usize(..self.workers.len());
        match self.dice.u8(0..26) {
            0..=3 => {
                let n = self.dice.usize(..self.orchestrators.len());
                self.orchestrators[n].crash();
                self.fault(Fault::OrchestratorCrash, || format!("of o{n}"));
            }
            4..=6 => {
                self.workers[n].crash();
                self.fault(Fault::WorkerCrash, || format!("of w{n}"));
            }
            7 | 8 => self.outage(),
            9 if !self.legacy.is_empty() => {
                let n = self.dice.usize(..self.legacy.len());
                self.legacy[n].crash();
                self.fault(Fault::LegacyCrash, || format!("of host{n}"));
            }
            10 | 11 => {
                self.workers[n].drain(self.store.now, &mut self.dice);
                self.fault(Fault::Drain, || format!("w{n}"));
            }
            12 | 13 => self.cut_off(n),
            14 if self.dice.u8(0..4) == 0 => self.retire(n),
            15 => return self.admin_acts(),
            16 if self.dice.bool() => self.die(n),
            17 => self.reimage(n),
            18 => {
                let seconds = self.dice.i64(100..900);
                self.workers[n].deaf_until = self.store.now.plus(Span::secs(seconds));
                self.fault(Fault::Deaf, || format!("w{n} for {seconds} s"));
            }
            19 | 20 => {
                let seconds = self.dice.i64(10..600);
                self.workers[n].hangs_until = self.store.now.plus(Span::secs(seconds));
                self.fault(Fault::Hang, || format!("w{n} for {seconds} s"));
            }
            21 if self.dice.bool() => self.go_for_days(n),
            22 | 23 => return self.operator_acts(n),
            24 | 25 => {
                self.workers[n].die_alone();
                self.fault(Fault::DiedAlone, || format!("w{n}"));
            }
            _ => {}
        }
        Ok(())
    }

    fn outage(&mut self) {
        let now = self.store.now;
        if now < self.outage_until {
            return;
        }
        let seconds = match self.dice.u8(0..4) {
            0 => self.dice.i64(100..400),
            _ => self.dice.i64(1..60),
        };
        self.outage_until = now.plus(Span::secs(seconds));
        if Span::secs(seconds) > LONGEST_GAP {
            self.judge.lives.no_store_until(self.outage_until);
        }
        self.fault(Fault::Outage, || format!("for {seconds} s"));
    }

    fn cut_off(&mut self, n: usize) {
        let seconds = self.dice.i64(100..500);
        let until = self.store.now.plus(Span::secs(seconds));
        self.workers[n].cut_off_until = self.workers[n].cut_off_until.max(until);
        if self.dice.bool() {
            self.store.delete(Table::Workers, self.workers[n].id.get());
        }
        self.fault(Fault::CutOff, || format!("w{n} for {seconds} s"));
    }

    /// A machine and its disk are gone for good; its row says nothing of it.
    fn die(&mut self, n: usize) {
        let lost = self.workers[n].retire();
        self.forget(&lost);
        self.note_death(n);
        self.fault(Fault::Died, || format!("w{n}"));
    }

    /// A machine is set up anew, without what was on its disk.
    fn reimage(&mut self, n: usize) {
        let lost = self.workers[n].reimage();
        self.forget(&lost);
        self.fault(Fault::Reimaged, || format!("w{n}"));
    }

    /// It works on without the store, and comes back when nobody expects it.
    fn go_for_days(&mut self, n: usize) {
        self.workers[n].cut_off_until = self.store.now.plus(DAYS);
        self.note_death(n);
        self.fault(Fault::GoneForDays, || format!("w{n}"));
    }

    fn note_death(&mut self, n: usize) {
        let id = self.workers[n].id.get();
        self.judge.lives.died(id, self.store.now);
    }

    /// Results that were nowhere but on a disk that is gone.
    fn forget(&mut self, lost: &[(MirrorId, Attempt)]) {
        self.judge
            .finished
            .retain(|it| !lost.contains(&(it.mirror, it.attempt)));
    }

    /// An operator drains a worker, or takes that back.
    fn operator_acts(&mut self, n: usize) -> Check {
        let Some(row) = self.store.get(Table::Workers, self.workers[n].id.get()) else {
            return Ok(());
        };
        let drained = row.time(workers::DRAINED).is_some();
        let since = (!drained).then_some(self.store.now);
        let set = ChangeSet {
            task: None,
            why: format!(
                "an operator {} w{n}",
                if drained { "undrains" } else { "drains" }
            ),
            writes: vec![Write::update(
                Table::Workers,
                row.id,
                &row.etag,
                vec![(workers::DRAINED, since.into())],
            )],
        };
        self.write(Author::Admin, self.admin, set)
    }

    fn retire(&mut self, n: usize) {
        let lost = self.workers[n].retire();
        self.forget(&lost);
        self.store.delete(Table::Workers, self.workers[n].id.get());
        self.fault(Fault::Retired, || format!("w{n}"));
    }

    /// An admin shuts a person out, or lets her in again.
    fn admin_acts(&mut self) -> Check {
        let who = self.dice.usize(..self.people.len());
        let Some(row) = self.store.get(Table::Users, self.people[who].get()) else {
            return Ok(());
        };
        let disabled = *row.get(users::STATE) == Value::from("disabled");
        let state = if disabled { "active" } else { "disabled" };
        let cells = vec![(users::STATE, state.into())];
        let set = ChangeSet {
            task: None,
            why: format!("an admin makes P{who} {state}"),
            writes: vec![Write::update(Table::Users, row.id, &row.etag, cells)],
        };
        self.write(Author::Admin, self.admin, set)
    }
}
