//! One history of machines: rows, tasks, workers, the provider, and what happens to them while orchestrators look away.

use std::collections::BTreeMap;

use shraga_core::ids::{UserId, WorkerId};
use shraga_core::machine::{MachineName, ProviderKind, Serves, Stage, Wish};
use shraga_core::model::Worker;
use shraga_core::plan::machines::{Act, ActKind, Group, MachinePolicy, Open, Step};
use shraga_core::status::{Pool, TaskStatus, WorkerKind, WorkerState};
use shraga_core::time::{Span, Timestamp};
use uuid::Uuid;

use super::orchestrator::Orchestrator;
use super::provider::{self, Provider, State};
use super::rows::Rows;
use crate::breaks::Break;
use crate::coverage::{MachineDeed as Deed, MachineFault as Fault};
use crate::promises::{Check, Promise, Violation};
use crate::script::{self, Script};
use crate::{History, Options};

/// Monday, 1 June 2026, so that months end far from where these histories do.
const BEGINNING: Timestamp = Timestamp::from_secs(1_780_300_800);

/// How finely time goes by: the beats of workers.
const BEAT: Span = Span::secs(10);
/// Until a task that nobody claimed is taken back, and one whose worker is gone.
const CLAIM: Span = Span::secs(120);
const LOST: Span = Span::secs(300);
/// A worker that has been silent for this long is given nothing.
const SILENT: Span = Span::secs(120);
/// How old rows may be that an orchestrator assigns by: it writes what it planned within a tick.
const TICK: Span = Span::secs(20);
/// How late a request may arrive.
const LATE: Span = Span::secs(50);
/// Tasks in a history at most.
const TASKS_MAX: usize = 24;
/// Rounds in which everything must come to rest, of 20 s each.
const ROUNDS: u64 = 400;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Pending,
    Assigned(WorkerId, Timestamp),
    Claimed(WorkerId),
    Done,
}

#[derive(Clone, Debug)]
pub(super) struct Task {
    user: UserId,
    created: Timestamp,
    pub(super) fate: Fate,
}

pub(crate) struct World {
    now: Timestamp,
    script: Script,
    dice: fastrand::Rng,
    faulty: bool,
    pub(super) rows: Rows,
    pub(super) provider: Provider,
    pub(super) tasks: Vec<Task>,
    pub(super) people: Vec<UserId>,
    pub(super) group: Group,
    /// Names of machines that are not ours.
    pub(super) foreign: Vec<MachineName>,
    policy: MachinePolicy,
    admin: UserId,
    /// Whether workers say nothing, though their machines run.
    mute: bool,
    orchestrators: Vec<Orchestrator>,
    /// Requests that arrive later.
    late: Vec<(Timestamp, Act)>,
    broken: Option<Break>,
    keep_trace: bool,
    history: History,
}

/// A policy in which all waits are short, and every limit can be reached.
fn group() -> Group {
    Group {
        threshold: Some(3),
        dwell: Span::secs(30),
        total: 4,
        per_month: Some(8),
        pool_min: 1,
        pool_max: 2,
        idle_stop: Some(Span::secs(120)),
        delay_stops: Some(Span::mins(120)),
        mend_after: Some(Span::secs(300)),
        stuck_after: Span::secs(100),
        give_up_after: Span::secs(600),
        repeat_after: Span::secs(60),
        settle: Span::secs(60),
        backoff: Span::secs(10),
        backoff_max: Span::secs(60),
        denied_wait: Span::secs(60),
        capacity_wait: Span::secs(60),
        cool_down: Span::secs(30),
        failures_max: 2,
        failure_expires: Span::secs(900),
        ..Group::dev_box()
    }
}

impl World {
    pub(crate) fn new(script: Script, options: &Options) -> Self {
        let mut dice = script.casting();
        let broken = options.broken;
        let user = |n: u128| UserId::new(Uuid::from_u128(n));
        let (admin, group) = (user(1), group());
        let people: Vec<UserId> = (0..script.cast.people)
            .map(|n| user(100 + u128::from(n)))
            .collect();
        let mut world = Self {
            now: BEGINNING,
            dice: dice.fork(),
            faulty: true,
            rows: Rows::new(
                script.cast.store.change_sets,
                broken != Some(Break::CarelessTally),
            ),
            provider: Provider::default(),
            tasks: Vec::new(),
            policy: MachinePolicy {
                groups: BTreeMap::from([(ProviderKind::DevBox, group.clone())]),
                events: dice.bool(),
            },
            group,
            foreign: Vec::new(),
            admin,
            mute: false,
            orchestrators: (0..script.cast.orchestrators)
                .map(|_| Orchestrator::default())
                .collect(),
            late: Vec::new(),
            broken,
            keep_trace: options.trace,
            history: History::default(),
            people,
            script,
        };
        // Made by another installation, for a person who is ours too: its name begins as ours do.
        if let Some(person) = world.people.first() {
            let name = MachineName::of("shraga", user(77), Serves::Person(*person), 1);
            world.provider.boxes.insert(name.clone(), State::Running);
            world.foreign.push(name);
        }
        world
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

    fn live(&mut self) -> Check {
        for step in std::mem::take(&mut self.script.steps) {
            self.step(step)?;
        }
        self.come_to_rest()
    }

    fn step(&mut self, step: script::Step) -> Check {
        self.history.steps = u64::from(step.number) + 1;
        self.dice = self.script.dice(step.number);
        self.faulty = step.faults;
        let n = self.dice.usize(..self.orchestrators.len());
        match self.dice.u8(0..32) {
            0..=6 => self.look(n),
            7..=15 => self.carry_out_next(n)?,
            16..=18 => self.file(),
            19..=21 => self.assign(n),
            22 | 23 => self.finish(),
            24..=28 => self.pass(self.dice.clone().i64(1..40))?,
            29 => self.pass(self.dice.clone().i64(60..400))?,
            _ => self.misfortune(n),
        }
        self.caps_hold()
    }

    fn look(&mut self, n: usize) {
        let mut open: Vec<Open> = self.tasks.iter().filter_map(open).collect();
        if self.broken == Some(Break::ForgetOpen) {
            open.clear();
        }
        let seen = (&self.rows, &self.provider, open);
        self.orchestrators[n].look(seen, &self.policy, self.admin, self.now);
        let planned = self.orchestrators[n].queue.len();
        self.note(|| format!("o{n} looks, and plans {planned} steps"));
    }

    /// The next step of a plan: written, and then asked for.
    fn carry_out_next(&mut self, n: usize) -> Check {
        let Some(step) = self.orchestrators[n].queue.pop_front() else {
            self.look(n);
            return Ok(());
        };
        self.carry_out(n, step).map(|_| ())
    }

    /// Whether anything was written.
    fn carry_out(&mut self, n: usize, step: Step) -> Check<bool> {
        let Step { set, act } = step;
        if let Some(set) = &set {
            // A store without change sets may be left between two writes.
            let cut = !self.rows.whole && set.writes.len() > 1 && self.fails(12);
            let most = if cut { 1 } else { usize::MAX };
            let done = self.rows.apply(set, most, self.admin);
            if cut {
                self.fault(Fault::LeftBetweenWrites);
            }
            self.note(|| format!("o{n} writes {}: {done}", set.why));
            if done || cut {
                self.history.writes += 1;
            } else {
                self.history.refused += 1;
            }
            let lost = done && self.fails(16);
            if lost {
                self.fault(Fault::LostAnswerOfStore);
            }
            if (!done || lost) && self.broken != Some(Break::AskUnwritten) {
                return Ok(false);
            }
        }
        let Some(act) = act else {
            return Ok(set.is_some());
        };
        if self.fails(16) {
            self.fault(Fault::DiesBeforeAsking);
            self.orchestrators[n] = Orchestrator::default();
            return Ok(set.is_some());
        }
        self.ask(n, &act)?;
        Ok(set.is_some())
    }

    fn ask(&mut self, n: usize, act: &Act) -> Check {
        if act.kind == ActKind::Link {
            let link = Some("https://connect.example".to_owned());
            self.orchestrators[n].links.insert(act.worker, link);
            return Ok(());
        }
        let fate = if self.faulty { self.dice.u8(0..16) } else { 15 };
        // Nobody hears of one that is late: it counts as failed. The shipped orchestrator asks right after it looked.
        let can_be_late = act.tried.plus(TICK) > self.now;
        let answer = match fate {
            0 => {
                self.fault(Fault::LostRequest);
                Err(provider::trouble(self.now))
            }
            1 => {
                self.fault(Fault::LostReply);
                self.arrive(Some(n), act)?.ok();
                Err(provider::trouble(self.now))
            }
            2 if can_be_late => {
                self.fault(Fault::LateRequest);
                let wait = self.dice.i64(1..LATE.as_secs());
                self.late
                    .push((self.now.plus(Span::secs(wait)), act.clone()));
                Err(provider::trouble(self.now))
            }
            _ => self.arrive(Some(n), act)?,
        };
        let failed = &mut self.orchestrators[n].failed;
        match answer {
            Ok(()) => drop(failed.remove(&act.worker)),
            Err(trouble) => drop(failed.insert(act.worker, (act.tried, trouble))),
        }
        Ok(())
    }

    /// A request arrives. `n` is who asks, while it still waits for the answer.
    fn arrive(
        &mut self,
        n: Option<usize>,
        act: &Act,
    ) -> Check<Result<(), shraga_core::machine::Trouble>> {
        let asker = n.map(|n| &self.orchestrators[n]);
        let odd = asker.is_some_and(|it| it.states.get(&act.name) == Some(&State::Odd));
        self.may_be_asked(act, odd)?;
        let answer = self.provider.act(act, self.now);
        self.note(|| format!("  the provider is asked: {:?} {}", act.kind, act.name));
        if let (Ok(true), Some(deed)) = (&answer, Deed::of(act.kind)) {
            self.history.coverage.machine_deed(deed);
        }
        Ok(answer.map(drop))
    }

    fn file(&mut self) {
        let room = TASKS_MAX.saturating_sub(self.tasks.len());
        let count = self.dice.usize(1..=3).min(room);
        let Some(user) = self.dice.choice(self.people.clone()) else {
            return;
        };
        let task = Task {
            user,
            created: self.now,
            fate: Fate::Pending,
        };
        self.history.tasks += count as u64;
        self.tasks.extend(std::iter::repeat_n(task, count));
    }

    /// Gives waiting tasks to workers, by rows as an orchestrator saw them.
    fn assign(&mut self, n: usize) {
        if self.orchestrators[n].looked.plus(TICK) <= self.now {
            self.orchestrators[n].see(&self.rows, self.now);
        }
        let (rows, now) = (std::mem::take(&mut self.orchestrators[n].rows), self.now);
        for index in 0..self.tasks.len() {
            if self.tasks[index].fate != Fate::Pending {
                continue;
            }
            let user = self.tasks[index].user;
            let fits = |row: &&Worker| {
                let hers = row.pool == Pool::Shared || row.owner == user;
                hers && row.kind != WorkerKind::Orchestrator
                    && row.state.takes_work()
                    && !row.is_cordoned()
                    && row.last_seen.is_some_and(|seen| seen.plus(SILENT) > now)
                    && self.held(row.id) == 0
            };
            if let Some(row) = rows.values().find(fits) {
                self.tasks[index].fate = Fate::Assigned(row.id, self.now);
            }
        }
        self.orchestrators[n].see(&self.rows, self.now);
    }

    /// What runs ends.
    fn finish(&mut self) {
        for task in &mut self.tasks {
            if matches!(task.fate, Fate::Claimed(_)) {
                task.fate = Fate::Done;
            }
        }
    }

    /// Tasks that a worker holds by their rows.
    pub(super) fn held(&self, worker: WorkerId) -> usize {
        let holds = |task: &&Task| match task.fate {
            Fate::Assigned(to, _) | Fate::Claimed(to) => to == worker,
            Fate::Pending | Fate::Done => false,
        };
        self.tasks.iter().filter(holds).count()
    }

    /// Time goes by: machines come up, their workers beat and take what is theirs, what is lost is taken back.
    fn pass(&mut self, seconds: i64) -> Check {
        let until = self.now.plus(Span::secs(seconds));
        while self.now < until {
            self.now = until.min(self.now.plus(BEAT));
            self.provider.pass(self.now);
            let due = |(at, _): &(Timestamp, Act)| *at <= self.now;
            let (arrives, waits) = std::mem::take(&mut self.late).into_iter().partition(due);
            self.late = waits;
            let arrives: Vec<(Timestamp, Act)> = arrives;
            for (_, act) in arrives {
                self.arrive(None, &act)?.ok();
            }
            self.beat();
            self.take_back();
        }
        Ok(())
    }

    fn beat(&mut self) {
        let all: Vec<Worker> = self.rows.all.values().cloned().collect();
        for row in all
            .into_iter()
            .filter(|row| row.kind != WorkerKind::Orchestrator)
        {
            let name: Option<MachineName> = row.name.parse().ok();
            let boot = name.and_then(|name| self.provider.boot(&name));
            let Some(boot) = boot.filter(|_| !self.mute) else {
                continue;
            };
            let now = self.now;
            self.rows.change(row.id.get(), |row| {
                row.state = WorkerState::Ready;
                row.last_seen = Some(now);
                row.boot = Some(boot);
            });
            for task in &mut self.tasks {
                let mine = matches!(task.fate, Fate::Assigned(to, _) if to == row.id);
                if mine && !row.is_cordoned() {
                    task.fate = Fate::Claimed(row.id);
                }
            }
        }
    }

    fn take_back(&mut self) {
        let now = self.now;
        let alive = |worker: WorkerId| {
            let seen = self
                .rows
                .all
                .get(&worker.get())
                .and_then(|row| row.last_seen);
            seen.is_some_and(|seen| seen.plus(LOST) >= now)
        };
        for task in &mut self.tasks {
            let lost = match task.fate {
                Fate::Assigned(_, since) => since.plus(CLAIM) <= now,
                Fate::Claimed(worker) => !alive(worker),
                Fate::Pending | Fate::Done => false,
            };
            if lost {
                task.fate = Fate::Pending;
            }
        }
    }

    /// One of ours at the provider.
    fn some_box(&mut self) -> Option<MachineName> {
        let ours = self.provider.boxes.keys();
        let ours: Vec<MachineName> = ours
            .filter(|name| !self.foreign.contains(name))
            .cloned()
            .collect();
        self.dice.choice(ours)
    }

    fn misfortune(&mut self, n: usize) {
        if !self.faulty {
            return;
        }
        let name = self.some_box();
        match (self.dice.u8(0..11), name) {
            (0, _) => {
                self.orchestrators[n] = Orchestrator::default();
                self.fault(Fault::OrchestratorCrash);
            }
            (1, _) => {
                self.provider.down = !self.provider.down;
                self.fault(Fault::ProviderAway);
            }
            (2, _) => {
                self.provider.fails = !self.provider.fails;
                self.fault(Fault::MakesBad);
            }
            (3, _) => {
                self.provider.barred = !self.provider.barred;
                self.fault(Fault::Barred);
            }
            (4, _) => {
                self.mute = !self.mute;
                self.fault(Fault::Mute);
            }
            (5, Some(name)) if self.dice.bool() => {
                self.provider.dead.insert(name);
                self.fault(Fault::WorkerDies);
            }
            (5, Some(name)) => self.befalls(name, Some(State::Asleep), Fault::Ends),
            (6, Some(name)) => self.befalls(name, Some(State::Failed), Fault::Breaks),
            (7, Some(name)) => self.befalls(name, Some(State::Odd), Fault::Odd),
            (8, Some(name)) => self.befalls(name, None, Fault::Vanishes),
            (9, Some(name)) => {
                let at = self.now.plus(Span::secs(self.dice.i64(60..4000)));
                self.provider.stops.insert(name, at);
                self.fault(Fault::Scheduled);
            }
            _ => self.wish(),
        }
    }

    fn befalls(&mut self, name: MachineName, state: Option<State>, fault: Fault) {
        match state {
            Some(state) => drop(self.provider.boxes.insert(name, state)),
            None => drop(self.provider.boxes.remove(&name)),
        }
        self.fault(fault);
    }

    /// An admin wishes something of a machine. A wish to run would keep one for good.
    fn wish(&mut self) {
        let machines: Vec<Uuid> = self.rows.records().map(|(id, _)| id).collect();
        let wishes = [Wish::Stop, Wish::Delete, Wish::Restart];
        let (Some(id), Some(wish)) = (self.dice.choice(machines), self.dice.choice(wishes)) else {
            return;
        };
        self.rows.change(id, |row| {
            if let Some(shraga_core::machine::Note::Machine(record)) = &mut row.machine {
                record.wish = Some(wish);
            }
        });
        self.history.coverage.machine_deed(Deed::Wish);
        self.note(|| format!("an admin wishes: {wish}"));
    }

    /// Everything works again, and time goes by.
    fn come_to_rest(&mut self) -> Check {
        self.faulty = false;
        self.note(|| "calm: no more faults".to_owned());
        self.mute = false;
        self.provider = Provider {
            boxes: std::mem::take(&mut self.provider.boxes),
            boots: std::mem::take(&mut self.provider.boots),
            dead: std::mem::take(&mut self.provider.dead),
            ..Provider::default()
        };
        for state in self
            .provider
            .boxes
            .values_mut()
            .filter(|it| **it == State::Odd)
        {
            *state = State::Running;
        }
        // A month's limit may be used up, and would end all of this.
        self.group.per_month = None;
        self.policy.groups = BTreeMap::from([(ProviderKind::DevBox, self.group.clone())]);
        for round in 0..ROUNDS {
            let n = usize::try_from(round).unwrap_or(0) % self.orchestrators.len();
            self.tick(n)?;
            self.assign(n);
            self.pass(20)?;
            self.finish();
            self.history.rounds += 1;
        }
        self.at_rest()
    }

    /// Looks and acts until nothing more is to be done now.
    fn tick(&mut self, n: usize) -> Check {
        for _ in 0..20 {
            self.look(n);
            let mut wrote = false;
            while let Some(step) = self.orchestrators[n].queue.pop_front() {
                wrote |= self.carry_out(n, step)?;
            }
            if !wrote {
                return Ok(());
            }
        }
        let stages: Vec<Stage> = self.rows.records().map(|(_, it)| it.stage).collect();
        Err((
            Promise::NothingStuck,
            format!("it never comes to rest: {stages:?}"),
        ))
    }

    /// Whether a fault of this kind happens now: once in so many times.
    fn fails(&mut self, of: u8) -> bool {
        self.faulty && self.dice.u8(0..of) == 0
    }

    fn fault(&mut self, fault: Fault) {
        self.history.faults += 1;
        self.history.coverage.machine_fault(fault);
        self.note(|| format!("  ! {}", fault.as_str()));
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if self.keep_trace {
            let (step, at) = (self.history.steps, self.now.since(BEGINNING).as_secs());
            let line = line();
            self.history
                .trace
                .push(format!("{step:>5} {at:>5}s {line}"));
        }
    }
}

fn open(task: &Task) -> Option<Open> {
    let (status, worker) = match task.fate {
        Fate::Pending => (TaskStatus::Pending, None),
        Fate::Assigned(worker, _) | Fate::Claimed(worker) => (TaskStatus::Running, Some(worker)),
        Fate::Done => return None,
    };
    Some(Open {
        user: Some(task.user),
        created: task.created,
        status,
        worker,
        not_before: None,
        reason: None,
    })
}
