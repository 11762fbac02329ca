//! Rows, tasks, workers and the provider; what happens to them while orchestrators look away.

use std::collections::BTreeMap;

use shraga_core::ids::{BootId, Etag, UserId, WorkerId};
use shraga_core::machine::{MachineName, Note, ProviderKind, Record, Stage, Wish};
use shraga_core::model::Worker;
use shraga_core::plan::machines::{Group, MachinePolicy, MachineSnapshot, Open};
use shraga_core::row::{ChangeSet, Condition, Table, Value, Write, workers};
use shraga_core::status::{Pool, TaskStatus, WorkerKind, WorkerState};
use shraga_core::time::{Span, Timestamp};
use uuid::Uuid;

use crate::cell;
use crate::provider::Provider;

/// Monday, 1 June 2026, so that months end far from where these histories do.
pub(crate) const BEGIN: i64 = 1_780_300_800;

/// Seconds until a task that nobody claimed is taken back, and one whose worker is gone.
const CLAIM: i64 = 120;
const LOST: i64 = 300;

pub(crate) fn admin() -> UserId {
    UserId::new(Uuid::from_u128(1))
}

pub(crate) fn person(n: u8) -> UserId {
    UserId::new(Uuid::from_u128(100 + u128::from(n)))
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Pending,
    Assigned(WorkerId, i64),
    Claimed(WorkerId),
    Done,
}

#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) user: UserId,
    pub(crate) created: i64,
    pub(crate) fate: Fate,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: i64,
    pub(crate) rows: BTreeMap<Uuid, Worker>,
    pub(crate) events: Vec<Write>,
    pub(crate) provider: Provider,
    pub(crate) tasks: Vec<Task>,
    pub(crate) policy: MachinePolicy,
    /// Whether workers say nothing, though their machines run.
    pub(crate) mute: bool,
    /// Names of machines that are not ours.
    pub(crate) foreign: Vec<MachineName>,
    version: u64,
}

/// A policy in which all waits are short, and every limit can be reached.
pub(crate) fn group() -> Group {
    Group {
        threshold: Some(3),
        dwell: Span::secs(30),
        total: 4,
        per_month: Some(8),
        pool_min: 1,
        pool_max: 2,
        idle_stop: Some(Span::secs(120)),
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
        delay_stops: Some(Span::mins(120)),
        mend_after: Some(Span::secs(300)),
        failure_expires: Span::secs(900),
        ..Group::dev_box()
    }
}

impl World {
    pub(crate) fn new(group: Group) -> Self {
        Self {
            now: BEGIN,
            rows: BTreeMap::new(),
            events: Vec::new(),
            provider: Provider::default(),
            tasks: Vec::new(),
            policy: MachinePolicy {
                groups: BTreeMap::from([(ProviderKind::DevBox, group)]),
                events: true,
            },
            mute: false,
            foreign: Vec::new(),
            version: 0,
        }
    }

    pub(crate) fn at(&self) -> Timestamp {
        Timestamp::from_secs(self.now)
    }

    pub(crate) fn file(&mut self, user: UserId, n: usize) {
        let created = self.now;
        let fate = Fate::Pending;
        self.tasks.extend(std::iter::repeat_n(
            Task {
                user,
                created,
                fate,
            },
            n,
        ));
    }

    /// All of a change set, or nothing.
    pub(crate) fn apply(&mut self, set: &ChangeSet) -> bool {
        let good = set.writes.iter().all(|write| self.holds(write));
        if good {
            set.writes.iter().for_each(|write| self.write(write));
        }
        good
    }

    fn holds(&self, write: &Write) -> bool {
        if write.table == Table::Events {
            return !self.events.iter().any(|it| it.id == write.id);
        }
        let row = self.rows.get(&write.id);
        match &write.condition {
            Condition::Absent => row.is_none(),
            Condition::Version(etag) => row.is_some_and(|row| row.etag == *etag),
        }
    }

    fn write(&mut self, write: &Write) {
        if write.table == Table::Events {
            return self.events.push(write.clone());
        }
        let id = WorkerId::new(write.id);
        let owner = write.owner.unwrap_or(admin());
        let row = self
            .rows
            .entry(write.id)
            .or_insert_with(|| blank(id, owner));
        for (column, value) in &write.cells {
            match value {
                Value::Text(text) if *column == workers::MACHINE => {
                    row.machine = Some(cell::read(text));
                }
                Value::Text(text) if *column == workers::STATE => row.state = text.parse().unwrap(),
                Value::Text(text) if *column == workers::NAME => row.name.clone_from(text),
                Value::Text(text) if *column == workers::KIND => row.kind = text.parse().unwrap(),
                Value::Text(text) if *column == workers::POOL => row.pool = text.parse().unwrap(),
                Value::Int(slots) if *column == workers::SLOTS => {
                    row.slots = u32::try_from(*slots).unwrap();
                }
                _ => {}
            }
        }
        self.touch(write.id);
    }

    fn touch(&mut self, id: Uuid) {
        self.version += 1;
        let etag = Etag::new(self.version.to_string());
        self.rows.get_mut(&id).unwrap().etag = etag;
    }

    pub(crate) fn snapshot(&self) -> MachineSnapshot {
        let seen = self.provider.list(self.at());
        MachineSnapshot {
            admin: Some(admin()),
            workers: self.rows.values().cloned().collect(),
            workers_complete: true,
            open: self.tasks.iter().filter_map(open).collect(),
            open_complete: true,
            seen: BTreeMap::from([(ProviderKind::DevBox, seen)]),
            ..MachineSnapshot::default()
        }
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        let record = |row: &Worker| match &row.machine {
            Some(Note::Machine(record)) => Some((**record).clone()),
            Some(Note::Tally(_) | Note::Unknown(_)) | None => None,
        };
        self.rows.values().filter_map(record).collect()
    }

    pub(crate) fn stages(&self) -> Vec<Stage> {
        let mut stages: Vec<Stage> = self.records().iter().map(|record| record.stage).collect();
        stages.sort();
        stages
    }

    /// The process that runs as this worker, if its machine runs.
    fn boot_of(&self, worker: &Worker) -> Option<BootId> {
        let name: MachineName = worker.name.parse().ok()?;
        self.provider.boot(&name)
    }

    /// Time goes by: machines come up, their workers beat and take what is theirs, what is lost is
    /// taken back.
    pub(crate) fn pass(&mut self, seconds: i64) {
        let until = self.now + seconds;
        while self.now < until {
            self.now = until.min(self.now + 10);
            self.provider.pass(self.now);
            self.beat();
            self.take_back();
        }
    }

    fn beat(&mut self) {
        let running: Vec<Worker> = self.rows.values().cloned().collect();
        for mut row in running {
            let boot = self.boot_of(&row).filter(|_| !self.mute);
            if boot.is_none() || row.kind == WorkerKind::Orchestrator {
                continue;
            }
            row.boot = boot;
            row.state = WorkerState::Ready;
            row.last_seen = Some(self.at());
            let (id, worker, cordoned) = (row.id.get(), row.id, row.is_cordoned());
            self.rows.insert(id, row);
            self.touch(id);
            for task in &mut self.tasks {
                let mine = matches!(task.fate, Fate::Assigned(to, _) if to == worker);
                if mine && !cordoned {
                    task.fate = Fate::Claimed(worker);
                }
            }
        }
    }

    fn take_back(&mut self) {
        let now = self.now;
        let alive = |worker: &WorkerId| {
            let seen = self.rows.get(&worker.get()).and_then(|row| row.last_seen);
            seen.is_some_and(|seen| seen >= Timestamp::from_secs(now - LOST))
        };
        for task in &mut self.tasks {
            let lost = match &task.fate {
                Fate::Assigned(_, since) => since + CLAIM <= now,
                Fate::Claimed(worker) => !alive(worker),
                Fate::Pending | Fate::Done => false,
            };
            if lost {
                task.fate = Fate::Pending;
            }
        }
    }

    /// Gives waiting tasks to workers, by rows as they were at some time.
    pub(crate) fn assign(&mut self, rows: &BTreeMap<Uuid, Worker>) {
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
                    && self.held(row.id) < 1
            };
            if let Some(row) = rows.values().find(fits) {
                self.tasks[index].fate = Fate::Assigned(row.id, self.now);
            }
        }
    }

    pub(crate) fn held(&self, worker: WorkerId) -> usize {
        let holds = |task: &&Task| match task.fate {
            Fate::Assigned(to, _) | Fate::Claimed(to) => to == worker,
            Fate::Pending | Fate::Done => false,
        };
        self.tasks.iter().filter(holds).count()
    }

    /// What runs ends.
    pub(crate) fn finish(&mut self) {
        for task in &mut self.tasks {
            if matches!(task.fate, Fate::Claimed(_)) {
                task.fate = Fate::Done;
            }
        }
    }

    pub(crate) fn wish(&mut self, index: usize, wish: Wish) {
        let machines = self.rows.values().filter_map(|row| match &row.machine {
            Some(Note::Machine(record)) => Some((row.id.get(), (**record).clone())),
            Some(Note::Tally(_) | Note::Unknown(_)) | None => None,
        });
        let machines: Vec<_> = machines.collect();
        let Some((id, mut record)) = machines.get(index % machines.len().max(1)).cloned() else {
            return;
        };
        record.wish = Some(wish);
        self.rows.get_mut(&id).unwrap().machine = Some(Note::Machine(Box::new(record)));
        self.touch(id);
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
        created: Timestamp::from_secs(task.created),
        status,
        worker,
        not_before: None,
        reason: None,
    })
}

fn blank(id: WorkerId, owner: UserId) -> Worker {
    Worker {
        id,
        etag: Etag::new("0"),
        owner,
        name: String::new(),
        kind: WorkerKind::LocalMachine,
        state: WorkerState::Provisioning,
        pool: Pool::Dedicated,
        slots: 1,
        labels: Vec::new(),
        agents: Vec::new(),
        boot: None,
        beat: 0,
        last_seen: None,
        last_assigned: None,
        drained: None,
        member: Default::default(),
        suspicion: None,
        echo: None,
        machine: None,
    }
}
