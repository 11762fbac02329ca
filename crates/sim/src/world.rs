//! One history: everybody acts on one store, in an order and with faults that the script decides.

use shraga_core::ids::{UserId, WorkerId};
use shraga_core::plan::Policy;
use shraga_core::plan::shares::Shares;
use shraga_core::row::Table;
use shraga_core::time::{Span, Timestamp};
use uuid::Uuid;

use crate::breaks::Break;
use crate::clock::Clock;
use crate::coverage::{Deed, Fault};
use crate::judge::{self, Judge};
use crate::legacy::{self, Legacy};
use crate::names::Names;
use crate::network::Request;
use crate::orchestrator::Orchestrator;
use crate::promises::{Author, Check, Violation};
use crate::script::{Script, Step};
use crate::store::Store;
use crate::worker::{Making, Worker};
use crate::{History, Options, money, people};

/// 2026-01-01 at 23:52: an arbitrary day that is over before most histories are.
const BEGINNING: Timestamp = Timestamp::from_secs(1_767_311_520);

/// Tasks that the original had seen, when it left mirrors behind.
const LEFTOVER_TASKS: u8 = 4;

/// A wall clock that is off by less counts as right.
const SKEWED: Span = Span::mins(1);

/// One worker in so many lies about the time, by so much at most.
const LIARS: u8 = 12;
const LIE_MINUTES: i64 = 50 * 60;

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) script: Script,
    /// The dice of this step.
    pub(crate) dice: fastrand::Rng,
    pub(crate) admin: UserId,
    /// Whom workers write as.
    pub(crate) service: UserId,
    pub(crate) people: Vec<UserId>,
    pub(crate) orchestrators: Vec<Orchestrator>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) legacy: Vec<Legacy>,
    pub(crate) judge: Judge,
    /// Requests the network still holds; each arrives some time, whoever sent it.
    pub(crate) in_flight: Vec<Request>,
    pub(crate) outage_until: Timestamp,
    /// Whether faults happen in this step.
    pub(crate) faulty: bool,
    /// Whether a row changed in this step.
    pub(crate) changed: bool,
    /// Whether nothing but beats changed since this was last set.
    pub(crate) quiet: bool,
    pub(crate) broken: Option<Break>,
    keep_trace: bool,
    pub(crate) names: Names,
    pub(crate) history: History,
}

impl World {
    pub(crate) fn new(script: Script, options: &Options) -> Self {
        let mut dice = script.casting();
        let mut store = Store::new(BEGINNING);
        store.heeds_versions = options.broken != Some(Break::NoEtag);
        store.resurrects = options.broken == Some(Break::Resurrect);
        let mut names = Names::default();
        let mut user = |name: String, dice: &mut fastrand::Rng| {
            let id = new_id(dice, BEGINNING);
            names.give(id, name);
            UserId::new(id)
        };
        let admin = user("the admin".to_owned(), &mut dice);
        let service = user("the workers".to_owned(), &mut dice);
        let people = (0..script.cast.people).map(|n| user(format!("P{n}"), &mut dice));
        let people: Vec<UserId> = people.collect();
        let policy = Policy {
            adopts: options.broken != Some(Break::NoSearch)
                && (script.cast.leftovers
                    || script.cast.hostile
                    || !script.cast.store.own_ids
                    || dice.bool()),
            change_sets: script.cast.store.change_sets,
            own_ids: script.cast.store.own_ids,
            budget: money::budgets(script.cast.store.own_ids, &mut dice),
            shares: Shares {
                user_running: dice.choice([None, None, Some(1), Some(2)]).flatten(),
                ..Shares::default()
            },
            ..Policy::default()
        };
        let mut world = Self {
            judge: Judge::new(admin, policy.clone(), script.cast.store),
            store,
            admin,
            service,
            people,
            orchestrators: Vec::new(),
            workers: Vec::new(),
            legacy: Vec::new(),
            in_flight: Vec::new(),
            outage_until: BEGINNING,
            faulty: true,
            changed: false,
            quiet: true,
            broken: options.broken,
            keep_trace: options.trace,
            names,
            history: History::default(),
            dice,
            script,
        };
        let policy = match options.broken {
            Some(broken) => broken.misread(policy),
            None => policy,
        };
        world.cast(&policy);
        world
    }

    fn cast(&mut self, policy: &Policy) {
        let cast = self.script.cast;
        for n in 0..cast.workers {
            let worker = self.make_worker(n);
            self.workers.push(worker);
        }
        let legacy: Vec<WorkerId> = (0..cast.legacy)
            .map(|n| WorkerId::new(self.new_id(format!("legacy{n}"))))
            .collect();
        if !legacy.is_empty() {
            let hosts = self.people.iter().enumerate();
            self.legacy = hosts
                .map(|(n, person)| Legacy::new(format!("host{n}"), *person))
                .collect();
        }
        for n in 0..cast.orchestrators {
            let clock = self.make_clock();
            self.orchestrators.push(Orchestrator::new(
                format!("o{n}"),
                clock,
                self.admin,
                legacy.clone(),
                policy.clone(),
                self.broken,
            ));
        }
    }

    fn make_worker(&mut self, n: u8) -> Worker {
        let name = format!("w{n}");
        let shared = n == 0 || self.dice.bool();
        Worker::new(Making {
            id: WorkerId::new(self.new_id(name.clone())),
            name,
            owner: self.people[usize::from(n) % self.people.len()],
            clock: self.make_clock(),
            lies: self.make_lie(),
            shared: shared && self.dice.u8(0..12) > 0,
            slots: self.dice.u32(1..4),
            skills: if self.dice.bool() { "codex,gpu" } else { "" },
            broken: self.broken,
        })
    }

    /// A few workers tell a time that is off by hours.
    fn make_lie(&mut self) -> Span {
        if self.dice.u8(0..LIARS) > 0 {
            return Span::ZERO;
        }
        self.history.coverage.fault(Fault::Lies);
        Span::mins(self.dice.i64(-LIE_MINUTES..LIE_MINUTES))
    }

    fn make_clock(&mut self) -> Clock {
        let clock = Clock::new(BEGINNING, &mut self.dice);
        if clock.skew > SKEWED || clock.skew < SKEWED.times(-1) {
            self.history.coverage.fault(Fault::ClockSkew);
        }
        clock
    }

    pub(crate) fn run(mut self) -> History {
        if let Err((promise, seen)) = self.live() {
            let seen = self.names.told(&seen);
            let step = self.history.steps;
            self.history.violation = Some(Violation {
                promise,
                step,
                seen,
            });
        }
        self.history
    }

    fn live(&mut self) -> Check {
        if self.script.cast.leftovers {
            self.leave_mirrors()?;
        }
        let steps = std::mem::take(&mut self.script.steps);
        for step in steps {
            self.step(step)?;
        }
        self.come_to_rest()
    }

    fn step(&mut self, step: Step) -> Check {
        self.history.steps = u64::from(step.number) + 1;
        self.dice = self.script.dice(step.number);
        self.faulty = step.faults;
        self.time_passes();
        match self.dice.u8(0..24) {
            0..=8 => self.orchestrator_acts()?,
            9..=16 => self.worker_acts()?,
            17 | 18 | 22 => self.person_acts()?,
            19 if !self.legacy.is_empty() => self.legacy_acts()?,
            20 if !self.in_flight.is_empty() => self.arrive()?,
            21 if self.dice.bool() => self.misfortune()?,
            _ => {}
        }
        self.look_at_agents()
    }

    fn time_passes(&mut self) {
        let ms = match self.dice.u8(..) {
            0..=199 => self.dice.i64(0..200),
            200..=253 => self.dice.i64(0..5_000),
            _ => self.dice.i64(0..300_000),
        };
        self.store.now = self.store.now.plus(Span::millis(ms));
    }

    pub(crate) fn look_at_agents(&mut self) -> Check {
        if !std::mem::take(&mut self.changed) {
            return Ok(());
        }
        let workers = self.workers.iter();
        judge::agents_fit(workers.map(|w| (w.name.as_str(), w.slots as usize, w.attempts())))
    }

    /// What the original's orchestrator left: mirrors with or without a link, a worker, a second.
    fn leave_mirrors(&mut self) -> Check {
        for n in 0..self.dice.u8(1..=LEFTOVER_TASKS) {
            let who = self.people[usize::from(n) % self.people.len()];
            let task = self.new_id(format!("T{n}"));
            let filed = people::file(task, &self.store, &mut self.dice);
            self.write(Author::Person, who, filed)?;
            self.history.tasks += 1;
            for twin in 0..self.dice.u8(1..=3) {
                let mirror = self.new_id(format!("M{n}.{twin}"));
                self.leave_mirror(task, mirror)?;
            }
        }
        Ok(())
    }

    fn leave_mirror(&mut self, task: Uuid, mirror: Uuid) -> Check {
        let mut workers: Vec<WorkerId> = self.workers.iter().map(|worker| worker.id).collect();
        workers.extend(self.orchestrators.iter().flat_map(|o| o.observer().legacy));
        let worker = self.dice.choice(workers).filter(|_| self.dice.bool());
        let Some(row) = self.store.get(Table::Tasks, task).cloned() else {
            return Ok(());
        };
        let made = legacy::leftover(mirror, &row, worker);
        self.history.coverage.deed(Deed::Leftover);
        self.write(Author::Admin, self.admin, made)?;
        if self.dice.u8(0..3) == 0 {
            return Ok(());
        }
        self.write(
            Author::Admin,
            self.admin,
            legacy::leftover_link(&row, mirror),
        )
    }

    /// A write that no network touches.
    pub(crate) fn write(
        &mut self,
        author: Author,
        who: UserId,
        set: shraga_core::row::ChangeSet,
    ) -> Check {
        let request = Request {
            author,
            who,
            sets: vec![set],
            stops: false,
        };
        self.carry_out(&request).map(|_| ())
    }

    /// A new time-ordered identity of this history.
    pub(crate) fn new_id(&mut self, name: String) -> Uuid {
        let id = new_id(&mut self.dice, self.store.now);
        if self.keep_trace {
            self.names.give(id, name);
        }
        id
    }

    pub(crate) fn fault<S: AsRef<str>>(&mut self, fault: Fault, more: impl FnOnce() -> S) {
        self.history.faults += 1;
        self.history.coverage.fault(fault);
        self.note(|| format!("  ! {} {}", fault.as_str(), more().as_ref()));
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if self.keep_trace {
            let at = self.store.now.since(BEGINNING).as_millis();
            let (step, line) = (self.history.steps, self.names.told(&line()));
            let (seconds, millis) = (at / 1_000, at % 1_000);
            self.history
                .trace
                .push(format!("{step:>5} {seconds:>5}.{millis:03}s {line}"));
        }
    }
}

fn new_id(dice: &mut fastrand::Rng, now: Timestamp) -> Uuid {
    let millis = u64::try_from(now.as_millis()).unwrap_or(0);
    let mut random = [0; 10];
    dice.fill(&mut random);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}
