//! One history: everybody acts on one store, in an order and with faults that the seed decides.

use shraga_core::ids::{BootId, UserId, WorkerId};
use shraga_core::plan::{Loop, Policy};
use shraga_core::row::{ChangeSet, Table, Write, tasks};
use shraga_core::time::{Span, Timestamp};
use shraga_core::worker::{Answer, Ticket, WriteKind};
use uuid::Uuid;

use crate::breaks::Break;
use crate::orchestrator::Orchestrator;
use crate::people::{self, Deed};
use crate::promises::{Author, Judge, Promise, Violation};
use crate::store::{Refused, Store};
use crate::worker::Worker;
use crate::{History, Options, view};

/// Steps with faults: enough for a few dozen tasks to meet each other.
const STORMY_STEPS: u64 = 500;

/// Steps without faults in which all must come to rest; a history that needs more is stuck.
const CALM_STEPS: u64 = 6_000;

/// 2026-01-01, an arbitrary beginning.
const BEGINNING: Timestamp = Timestamp::from_secs(1_767_225_600);

pub(crate) struct World {
    store: Store,
    rng: fastrand::Rng,
    admin: UserId,
    service: UserId,
    people: Vec<UserId>,
    orchestrators: Vec<Orchestrator>,
    workers: Vec<Worker>,
    judge: Judge,
    /// Requests the network still holds; each arrives some time, whoever sent it.
    in_flight: Vec<(Author, UserId, ChangeSet)>,
    outage_until: Timestamp,
    stormy: bool,
    /// Whether a task changed in this step.
    changed: bool,
    broken: Option<Break>,
    keep_trace: bool,
    history: History,
}

/// What became of a request, as its sender sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Done,
    Refused(Refused),
    Unknown,
}

impl World {
    pub(crate) fn new(seed: u64, options: &Options) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut store = Store::new(BEGINNING);
        store.heeds_versions = options.broken != Some(Break::NoEtag);
        let admin = UserId::new(id(&mut rng, BEGINNING));
        let service = UserId::new(id(&mut rng, BEGINNING));
        let person = |rng: &mut fastrand::Rng| UserId::new(id(rng, BEGINNING));
        let people: Vec<_> = (0..rng.u8(1..4)).map(|_| person(&mut rng)).collect();
        let policy = Policy {
            adopts: true,
            ..Policy::default()
        };
        let orchestrators = (0..rng.u8(1..4))
            .map(|n| Orchestrator::new(format!("o{n}"), admin, policy.clone()))
            .collect();
        let workers = (0..rng.u8(1..4)).map(|n| {
            let owner = people[usize::from(n) % people.len()];
            let worker = WorkerId::new(id(&mut rng, BEGINNING));
            Worker::new(worker, owner, n == 0 || rng.bool(), rng.u32(1..4))
        });
        let workers = workers.collect();
        Self {
            store,
            admin,
            service,
            people,
            orchestrators,
            workers,
            judge: Judge::default(),
            in_flight: Vec::new(),
            outage_until: BEGINNING,
            stormy: true,
            changed: false,
            broken: options.broken,
            keep_trace: options.trace,
            history: History::default(),
            rng,
        }
    }

    pub(crate) fn run(mut self) -> History {
        if let Err((promise, seen)) = self.live() {
            let step = self.history.steps;
            self.history.violation = Some(Violation {
                promise,
                step,
                seen,
            });
        }
        self.history
    }

    fn live(&mut self) -> Result<(), (Promise, String)> {
        for _ in 0..STORMY_STEPS {
            self.step()?;
        }
        self.calm_down()?;
        for _ in 0..CALM_STEPS {
            if self.is_at_rest() {
                break;
            }
            self.step()?;
        }
        self.judge.at_rest(&self.store, self.admin)
    }

    /// The faults stop: what is in flight arrives, every worker comes back.
    fn calm_down(&mut self) -> Result<(), (Promise, String)> {
        self.stormy = false;
        self.outage_until = self.store.now;
        self.note(|| "calm: no more faults".to_owned());
        while !self.in_flight.is_empty() {
            self.arrive()?;
        }
        Ok(())
    }

    fn is_at_rest(&self) -> bool {
        let open = |(_, row): (Uuid, &crate::store::Row)| {
            view::is_mirror(row) && row.owner == self.admin && !view::status(row).is_terminal()
        };
        let idle = self.orchestrators.iter().all(|o| o.idle);
        idle && self.workers.iter().all(Worker::is_idle) && !self.store.rows(Table::Tasks).any(open)
    }

    fn step(&mut self) -> Result<(), (Promise, String)> {
        self.history.steps += 1;
        self.time_passes();
        match self.rng.u8(0..20) {
            0..=8 => self.orchestrator_acts()?,
            9..=15 => self.worker_acts()?,
            16 | 17 => self.person_acts()?,
            18 if !self.in_flight.is_empty() => self.arrive()?,
            _ => self.misfortune(),
        }
        if std::mem::take(&mut self.changed) {
            return Judge::whole(&self.store, self.admin);
        }
        Ok(())
    }

    fn time_passes(&mut self) {
        let ms = match self.rng.u8(..) {
            0..=199 => self.rng.i64(0..200),
            200..=253 => self.rng.i64(0..5_000),
            _ if self.stormy => self.rng.i64(0..300_000),
            _ => self.rng.i64(0..30_000),
        };
        self.store.now = self.store.now.plus(Span::millis(ms));
    }

    fn misfortune(&mut self) {
        if !self.stormy {
            return;
        }
        match self.rng.u8(0..10) {
            0 | 1 => {
                let n = self.rng.usize(..self.orchestrators.len());
                self.orchestrators[n].crash();
                self.fault(|| format!("orchestrator {n} crashes"));
            }
            2 | 3 => self.worker_crashes(),
            4 => {
                let seconds = self.rng.i64(1..60);
                self.outage_until = self.store.now.plus(Span::secs(seconds));
                self.fault(|| format!("the store is out of reach for {seconds} s"));
            }
            _ => {}
        }
    }

    fn worker_crashes(&mut self) {
        let n = self.rng.usize(..self.workers.len());
        self.workers[n].crash();
        if self.broken == Some(Break::LoseOutbox) {
            self.workers[n].lose_disk();
        }
        self.fault(|| format!("worker {n} crashes"));
    }

    fn orchestrator_acts(&mut self) -> Result<(), (Promise, String)> {
        let n = self.rng.usize(..self.orchestrators.len());
        let Some((by, set)) = self.orchestrators[n].next() else {
            let whole = !self.stormy || self.rng.u8(0..4) == 0;
            if self.store.now >= self.outage_until {
                self.orchestrators[n].observe(&self.store, whole, &mut self.rng);
            }
            return Ok(());
        };
        let sent = self.send(Author::Orchestrator, self.admin, &set)?;
        let done = sent == Sent::Done
            || (self.broken == Some(Break::StaleIsDone) && sent != Sent::Unknown);
        if sent == Sent::Unknown && by == Loop::Assign {
            self.orchestrators[n].drop_plan();
        }
        self.orchestrators[n].answered(by, &set, done, self.store.now);
        let name = &self.orchestrators[n].name;
        let line = format!("{name} {by:?}: {} -> {sent:?}", set.why);
        self.note(|| line);
        Ok(())
    }

    fn worker_acts(&mut self) -> Result<(), (Promise, String)> {
        let n = self.rng.usize(..self.workers.len());
        if self.workers[n].process.is_none() {
            let boot = BootId::new(id(&mut self.rng, self.store.now));
            self.workers[n].start(boot, self.store.now);
            self.note(|| format!("worker {n} starts"));
        }
        if self.rng.u8(0..4) == 0 {
            self.beat(n)?;
        }
        if self.store.now >= self.outage_until {
            self.workers[n].act(&self.store, &mut self.rng);
        }
        self.flush(n)?;
        self.look_at_agents(n)
    }

    fn beat(&mut self, n: usize) -> Result<(), (Promise, String)> {
        if let Some(process) = self.workers[n].process.as_mut() {
            process.beat();
        }
        let id = self.workers[n].id.get();
        let cells = self.workers[n].row(self.store.now);
        let write = match self.store.get(Table::Workers, id) {
            Some(row) => Write::update(Table::Workers, id, &row.etag(), cells),
            None => Write {
                owner: Some(self.workers[n].owner),
                ..Write::create(Table::Workers, id, cells)
            },
        };
        let set = ChangeSet {
            task: None,
            why: "beat".to_owned(),
            writes: vec![write],
        };
        self.send(Author::Worker, self.service, &set).map(|_| ())
    }

    /// Sends what the worker wants written, and hands it the answers together.
    fn flush(&mut self, n: usize) -> Result<(), (Promise, String)> {
        loop {
            let writes = self.workers[n].take_writes();
            if writes.is_empty() {
                return Ok(());
            }
            let mut answers = Vec::with_capacity(writes.len());
            for (ticket, set) in writes {
                let sent = self.send(Author::Worker, self.service, &set)?;
                self.note(|| format!("worker {n} {:?}: {} -> {sent:?}", ticket.kind, set.why));
                answers.push((ticket, self.answer(ticket, &set, sent)));
            }
            let now = self.store.now;
            self.workers[n].answered(answers, now, &mut self.rng);
        }
    }

    fn answer(&self, ticket: Ticket, set: &ChangeSet, sent: Sent) -> Answer {
        let unclaimed =
            self.broken == Some(Break::StartUnclaimed) && ticket.kind == WriteKind::Claim;
        match sent {
            Sent::Refused(_) if unclaimed || self.broken == Some(Break::StaleIsDone) => {
                Answer::Done(self.etag_of(set))
            }
            Sent::Unknown if unclaimed => Answer::Done(self.etag_of(set)),
            Sent::Done => Answer::Done(self.etag_of(set)),
            Sent::Refused(Refused::Stale) => Answer::Stale,
            Sent::Refused(Refused::Missing) => Answer::Refused("not found".to_owned()),
            Sent::Unknown => Answer::Unknown,
        }
    }

    /// The version of the tasks row a set wrote, as the store's reply would tell it.
    fn etag_of(&self, set: &ChangeSet) -> Option<shraga_core::ids::Etag> {
        let write = set
            .writes
            .iter()
            .find(|write| write.table == Table::Tasks)?;
        self.store
            .get(Table::Tasks, write.id)
            .map(crate::store::Row::etag)
    }

    fn look_at_agents(&mut self, n: usize) -> Result<(), (Promise, String)> {
        let worker = &mut self.workers[n];
        if let Some(process) = worker.process.as_mut() {
            self.judge.finished.append(&mut process.finished);
        }
        let slots = worker.slots as usize;
        if worker.running() > slots {
            let seen = format!(
                "worker {n} runs {} agents in {slots} slots",
                worker.running()
            );
            return Err((Promise::SlotsHold, seen));
        }
        let mut all: Vec<_> = self.workers.iter().flat_map(Worker::attempts).collect();
        all.sort_unstable();
        match all.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => {
                let seen = format!("attempt {} of {} runs twice", pair[0].1, pair[0].0);
                Err((Promise::SlotsHold, seen))
            }
            None => Ok(()),
        }
    }

    fn person_acts(&mut self) -> Result<(), (Promise, String)> {
        if !self.stormy {
            return Ok(());
        }
        let Some(who) = self.rng.choice(self.people.clone()) else {
            return Ok(());
        };
        if self.rng.u8(0..3) == 0 && self.history.tasks < 25 {
            self.history.tasks += 1;
            let task = id(&mut self.rng, self.store.now);
            let set = people::file(task, &mut self.rng);
            return self.happen(Author::Person, who, &set).map(|_| ());
        }
        match people::meddle(&self.store, who, &mut self.rng) {
            Deed::Write(set) => {
                self.note(|| format!("a person: {}", set.why));
                self.happen(Author::Person, who, &set).map(|_| ())
            }
            Deed::Delete(row) => {
                self.note(|| format!("a person deletes {row}"));
                if self
                    .store
                    .get(Table::Tasks, row)
                    .is_some_and(|row| !view::is_mirror(row))
                {
                    self.judge.was_deleted(row);
                }
                self.store.delete(Table::Tasks, row);
                Ok(())
            }
            Deed::Rest => Ok(()),
        }
    }

    /// A request over a network that loses, repeats and delays.
    fn send(
        &mut self,
        author: Author,
        who: UserId,
        set: &ChangeSet,
    ) -> Result<Sent, (Promise, String)> {
        if self.store.now < self.outage_until {
            return Ok(Sent::Unknown);
        }
        let dice = if self.stormy {
            self.rng.u8(..)
        } else {
            u8::MAX
        };
        match dice {
            0..=7 => {
                self.fault(|| "a request is lost".to_owned());
                Ok(Sent::Unknown)
            }
            8..=15 => {
                self.fault(|| "a reply is lost".to_owned());
                self.happen(author, who, set).map(|_| Sent::Unknown)
            }
            16..=20 => {
                self.fault(|| "a request is repeated".to_owned());
                self.happen(author, who, set)?;
                self.happen(author, who, set)
            }
            21..=25 => {
                self.fault(|| "a request is delayed".to_owned());
                self.in_flight.push((author, who, set.clone()));
                Ok(Sent::Unknown)
            }
            _ => self.happen(author, who, set),
        }
    }

    fn arrive(&mut self) -> Result<(), (Promise, String)> {
        let n = self.rng.usize(..self.in_flight.len());
        let (author, who, set) = self.in_flight.swap_remove(n);
        self.note(|| format!("a delayed request arrives: {}", set.why));
        self.happen(author, who, &set).map(|_| ())
    }

    /// The store carries out a change set, and the judge looks at each row it wrote.
    fn happen(
        &mut self,
        author: Author,
        who: UserId,
        set: &ChangeSet,
    ) -> Result<Sent, (Promise, String)> {
        let set = self.sabotaged(author, set);
        let in_parts = match self.broken {
            Some(Break::NotAtomic) => true,
            Some(Break::RandomMirrorId) => makes_mirror(&set),
            Some(_) | None => false,
        };
        if in_parts && set.writes.len() > 1 {
            return self.happen_in_parts(author, who, &set);
        }
        let touched: Vec<_> = set.writes.iter().map(|w| (w.table, w.id)).collect();
        let before: Vec<_> = touched
            .iter()
            .map(|(t, id)| self.store.get(*t, *id).cloned())
            .collect();
        if let Err(refused) = self.store.apply(who, &set) {
            self.history.refused += 1;
            return Ok(Sent::Refused(refused));
        }
        self.history.writes += 1;
        self.changed |= touched.iter().any(|(table, _)| *table == Table::Tasks);
        self.orchestrators.iter_mut().for_each(|o| o.idle = false);
        for ((table, id), before) in touched.into_iter().zip(before) {
            let Some(after) = self.store.get(table, id) else {
                continue;
            };
            self.judge
                .changed(author, self.admin, table, id, before.as_ref(), after)?;
        }
        Ok(Sent::Done)
    }

    fn happen_in_parts(
        &mut self,
        author: Author,
        who: UserId,
        set: &ChangeSet,
    ) -> Result<Sent, (Promise, String)> {
        for write in &set.writes {
            let part = ChangeSet {
                writes: vec![write.clone()],
                ..set.clone()
            };
            let sent = self.happen(author, who, &part)?;
            if sent != Sent::Done || self.rng.u8(0..10) == 0 {
                return Ok(sent);
            }
        }
        Ok(Sent::Done)
    }

    /// What a deliberately broken process would have sent instead.
    fn sabotaged(&mut self, author: Author, set: &ChangeSet) -> ChangeSet {
        let mut set = set.clone();
        if author != Author::Orchestrator {
            return set;
        }
        let alone = set.writes.len() == 1;
        for write in set
            .writes
            .iter_mut()
            .filter(|write| write.table == Table::Tasks)
        {
            let made = write.get(tasks::MIRROR_OF).is_some();
            if self.broken == Some(Break::RandomMirrorId) && made && !alone {
                write.id = id(&mut self.rng, self.store.now);
            }
            if self.broken == Some(Break::AssignWithoutAttempt) {
                write.cells.retain(|(column, _)| *column != tasks::ATTEMPT);
            }
        }
        set
    }

    fn fault(&mut self, line: impl FnOnce() -> String) {
        self.history.faults += 1;
        self.note(line);
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if self.keep_trace {
            let (step, at) = (self.history.steps, self.store.now);
            self.history
                .trace
                .push(format!("{step:>5} {at} {}", line()));
        }
    }
}

/// Whether a change set makes a mirror and does more.
fn makes_mirror(set: &ChangeSet) -> bool {
    set.writes
        .iter()
        .any(|write| write.get(tasks::MIRROR_OF).is_some())
}

/// A new time-ordered identity of this history.
fn id(rng: &mut fastrand::Rng, now: Timestamp) -> Uuid {
    let millis = u64::try_from(now.as_millis()).unwrap_or(0);
    let mut random = [0; 10];
    rng.fill(&mut random);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}
