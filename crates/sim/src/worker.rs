//! A simulated worker: the shipped machine, with agents that run for a while and a disk.
//!
//! Its disk (the outbox) survives a crash, its process doesn't. Writes of one step go out together
//! and their answers come back together, with whatever the network does to them.

use std::collections::BTreeMap;

use shraga_core::ids::{Attempt, BootId, MirrorId, UserId, WorkerId};
use shraga_core::reason::Reason;
use shraga_core::row::{ChangeSet, Column, Table, Value, tasks, workers};
use shraga_core::status::TaskStatus;
use shraga_core::time::{Span, Timestamp};
use shraga_core::worker::{
    Answer, Effect, Finish, Identity, Input, Limits, Machine, Mark, Outcome, Report, StopCause,
    Ticket,
};

use crate::store::Store;
use crate::view;

/// One worker and its machine's disk.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) id: WorkerId,
    pub(crate) owner: UserId,
    pub(crate) shared: bool,
    pub(crate) slots: u32,
    /// The outbox.
    disk: BTreeMap<(MirrorId, Attempt), Report>,
    /// The running process, if it is up.
    pub(crate) process: Option<Process>,
}

/// One process of a worker.
#[derive(Debug)]
pub(crate) struct Process {
    machine: Machine,
    boot: BootId,
    beat: i64,
    agents: BTreeMap<MirrorId, Agent>,
    /// Writes asked for and not sent yet.
    writes: Vec<(Ticket, ChangeSet)>,
    /// A look that was answered and not read yet.
    look: Option<(Mark, Vec<shraga_core::model::Mirror>)>,
    /// Rows to be read by their identity.
    inspections: Vec<MirrorId>,
    /// Results of agents that ended well, to be told to the judge.
    pub(crate) finished: Vec<String>,
}

#[derive(Clone, Debug)]
struct Agent {
    attempt: Attempt,
    ends: Timestamp,
    outcome: Outcome,
}

impl Worker {
    pub(crate) fn new(id: WorkerId, owner: UserId, shared: bool, slots: u32) -> Self {
        Self {
            id,
            owner,
            shared,
            slots,
            disk: BTreeMap::new(),
            process: None,
        }
    }

    /// Starts a process, as after a reboot.
    pub(crate) fn start(&mut self, boot: BootId, now: Timestamp) {
        let identity = Identity {
            worker: self.id,
            boot,
            name: format!("w-{}", self.id.short()),
        };
        let limits = Limits {
            slots: self.slots,
            line_interval: Span::secs(2),
            line_bytes_per_attempt: 10_000,
            events: true,
        };
        let mut process = Process {
            machine: Machine::new(identity, limits),
            boot,
            beat: 0,
            agents: BTreeMap::new(),
            writes: Vec::new(),
            look: None,
            inspections: Vec::new(),
            finished: Vec::new(),
        };
        let restored = self.disk.values().cloned().collect();
        process.step(Input::Restored(restored), now, &mut self.disk, None);
        self.process = Some(process);
    }

    /// The process ends without a word; its agents die with it.
    pub(crate) fn crash(&mut self) {
        self.process = None;
    }

    pub(crate) fn lose_disk(&mut self) {
        self.disk.clear();
    }

    /// Cells of its own row.
    pub(crate) fn row(&self, now: Timestamp) -> Vec<(Column, Value)> {
        let process = self.process.as_ref();
        vec![
            (workers::NAME, format!("w-{}", self.id.short()).into()),
            (workers::KIND, "LocalMachine".into()),
            (workers::STATE, "ready".into()),
            (
                workers::POOL,
                if self.shared { "shared" } else { "dedicated" }.into(),
            ),
            (workers::SLOTS, i64::from(self.slots).into()),
            (workers::BOOT, process.map(|p| p.boot.get()).into()),
            (workers::BEAT, process.map_or(0, |p| p.beat).into()),
            (workers::LAST_SEEN, now.into()),
        ]
    }

    /// Whether it has nothing running, nothing to send and nothing kept.
    pub(crate) fn is_idle(&self) -> bool {
        let quiet =
            |p: &Process| p.agents.is_empty() && p.writes.is_empty() && p.inspections.is_empty();
        self.disk.is_empty() && self.process.as_ref().is_none_or(quiet)
    }

    /// Does one thing, of those that the dice offer.
    pub(crate) fn act(&mut self, store: &Store, rng: &mut fastrand::Rng) {
        let now = store.now;
        let Some(process) = self.process.as_mut() else {
            return;
        };
        if let Some(mirror) = process.inspections.pop() {
            let row = store.get(Table::Tasks, mirror.get());
            let row = row
                .and_then(|row| view::mirror(mirror.get(), row))
                .map(Box::new);
            process.step(
                Input::Inspected(mirror, row),
                now,
                &mut self.disk,
                Some(rng),
            );
            return;
        }
        match rng.u8(0..5) {
            0 | 1 => process.ask(self.id, store),
            2 => {
                if let Some((asked, rows)) = process.look.take() {
                    process.step(
                        Input::Looked { asked, rows },
                        now,
                        &mut self.disk,
                        Some(rng),
                    );
                }
            }
            3 => process.agents_go_on(now, &mut self.disk, rng),
            _ => process.step(Input::Tick, now, &mut self.disk, Some(rng)),
        }
    }

    /// Writes to be sent now, together.
    pub(crate) fn take_writes(&mut self) -> Vec<(Ticket, ChangeSet)> {
        self.process
            .as_mut()
            .map(|p| std::mem::take(&mut p.writes))
            .unwrap_or_default()
    }

    /// Hears what became of the writes it sent.
    pub(crate) fn answered(
        &mut self,
        answers: Vec<(Ticket, Answer)>,
        now: Timestamp,
        rng: &mut fastrand::Rng,
    ) {
        if let Some(process) = self.process.as_mut() {
            process.step(Input::Answered(answers), now, &mut self.disk, Some(rng));
        }
    }

    /// How many agents run.
    pub(crate) fn running(&self) -> usize {
        self.process.as_ref().map_or(0, |p| p.agents.len())
    }

    /// The attempts whose agents run.
    pub(crate) fn attempts(&self) -> Vec<(MirrorId, Attempt)> {
        let agents = self.process.iter().flat_map(|p| &p.agents);
        agents
            .map(|(mirror, agent)| (*mirror, agent.attempt))
            .collect()
    }
}

impl Process {
    pub(crate) const fn beat(&mut self) {
        self.beat += 1;
    }

    /// Sends a look; its answer is read later, when the world has gone on.
    fn ask(&mut self, worker: WorkerId, store: &Store) {
        let mark = self.machine.mark();
        let assigned = Value::Text(worker.to_string());
        let rows = store.rows(Table::Tasks).filter(|(_, row)| {
            let active = matches!(
                view::status(row),
                TaskStatus::Running | TaskStatus::Canceling
            );
            view::is_mirror(row) && active && *row.get(tasks::ASSIGNED_WORKER) == assigned
        });
        let rows = rows.filter_map(|(id, row)| view::mirror(id, row)).collect();
        self.look = Some((mark, rows));
    }

    fn agents_go_on(
        &mut self,
        now: Timestamp,
        disk: &mut BTreeMap<(MirrorId, Attempt), Report>,
        rng: &mut fastrand::Rng,
    ) {
        let Some((mirror, agent)) = rng.choice(self.agents.iter().collect::<Vec<_>>()) else {
            return;
        };
        let (mirror, agent) = (*mirror, agent.clone());
        if agent.ends > now {
            let lines = vec![format!("working since {}", self.beat)];
            return self.step(Input::Lines(mirror, lines), now, disk, Some(rng));
        }
        self.agents.remove(&mirror);
        let result = format!("result of attempt {} by boot {}", agent.attempt, self.boot);
        let finish = finish(agent.outcome, format!("{result} for {mirror}"));
        if agent.outcome == Outcome::Completed {
            self.finished.push(finish.result.clone());
        }
        self.step(Input::Ended(mirror, Box::new(finish)), now, disk, Some(rng));
    }

    fn step(
        &mut self,
        input: Input,
        now: Timestamp,
        disk: &mut BTreeMap<(MirrorId, Attempt), Report>,
        mut rng: Option<&mut fastrand::Rng>,
    ) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            for effect in self.machine.step(input, now) {
                match effect {
                    Effect::Write(ticket, set) => self.writes.push((ticket, set)),
                    Effect::Start { mirror, attempt } => {
                        let agent = Agent::new(attempt, now, rng.as_deref_mut());
                        self.agents.insert(mirror, agent);
                    }
                    Effect::Inspect(mirror) => self.inspections.push(mirror),
                    Effect::Stop(mirror, cause) => self.stop(mirror, cause, now),
                    Effect::Save(report) => {
                        let mirror = report.mirror;
                        disk.insert((mirror, report.attempt), *report);
                        inputs.push(Input::Saved(mirror));
                    }
                    Effect::Drop(mirror, attempt, _) => {
                        disk.remove(&(mirror, attempt));
                    }
                }
            }
        }
    }

    fn stop(&mut self, mirror: MirrorId, cause: StopCause, now: Timestamp) {
        if let Some(agent) = self.agents.get_mut(&mirror) {
            agent.ends = now;
            agent.outcome = match cause {
                StopCause::Cancel => Outcome::Canceled,
                StopCause::LeaseLost => agent.outcome,
            };
        }
    }
}

impl Agent {
    fn new(attempt: Attempt, now: Timestamp, rng: Option<&mut fastrand::Rng>) -> Self {
        let (seconds, dice) = rng.map_or((5, 0), |rng| (rng.i64(0..90), rng.u8(0..10)));
        let outcome = match dice {
            0 | 1 => Outcome::Retry,
            2 => Outcome::Failed(Reason::AgentFailed),
            _ => Outcome::Completed,
        };
        Self {
            attempt,
            ends: now.plus(Span::secs(seconds)),
            outcome,
        }
    }
}

fn finish(outcome: Outcome, result: String) -> Finish {
    Finish {
        outcome,
        result,
        message: "said at the end".to_owned(),
        transcript: String::new(),
        ran: std::time::Duration::from_secs(1),
        cost_micros: None,
        folder: None,
    }
}
