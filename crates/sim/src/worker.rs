//! A simulated worker: the shipped machine, with agents that run for a while and a disk.
//!
//! Its disk (the outbox) survives a crash, its process doesn't. Writes of one step go out together
//! and their answers come back together, with whatever the network does to them.

use std::collections::{BTreeMap, VecDeque};

use shraga_core::ids::{Attempt, BootId, MirrorId, UserId, WorkerId};
use shraga_core::model::Mirror;
use shraga_core::row::{ChangeSet, Column, Table, Value, workers};
use shraga_core::status::TaskStatus;
use shraga_core::time::{Span, Timestamp};
use shraga_core::worker::{
    Answer, Effect, Finish, Identity, Input, Limits, Machine, Mark, Outcome, Report, Resumed,
    Ticket, WriteKind,
};

use crate::agent::{self, About, Agent};
use crate::breaks::Break;
use crate::clock::Clock;
use crate::judge::Finished;
use crate::money::Begun;
use crate::store::{Row, Store};

/// Slots of a worker that breaks the rule about them.
const NO_LIMIT: u32 = 1_000;

type Disk = BTreeMap<(MirrorId, Attempt), Report>;

/// One worker and its machine.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) id: WorkerId,
    pub(crate) name: String,
    pub(crate) owner: UserId,
    pub(crate) clock: Clock,
    shared: bool,
    pub(crate) slots: u32,
    /// Agents and labels it has.
    skills: &'static str,
    broken: Option<Break>,
    /// The outbox.
    disk: Disk,
    /// The running process, if it is up.
    pub(crate) process: Option<Process>,
    /// Agents that nobody has taken up since their process died.
    survivors: Option<Survivors>,
    /// Until when it can't reach the store.
    pub(crate) cut_off_until: Timestamp,
    /// Until when it can write to the store and reads nothing.
    pub(crate) deaf_until: Timestamp,
    /// Until when it does nothing at all, while its agents go on.
    pub(crate) hangs_until: Timestamp,
    /// How far all that it says of the time is off.
    pub(crate) lies: Span,
    /// Whether it never comes back.
    pub(crate) retired: bool,
    /// Whether it stays away until everything has come to rest without it.
    pub(crate) away: bool,
}

/// One process of a worker.
#[derive(Debug)]
pub(crate) struct Process {
    machine: Machine,
    boot: BootId,
    beat: i64,
    pub(crate) draining: bool,
    agents: BTreeMap<MirrorId, Agent>,
    /// Whose work stands in the rows that were looked at.
    known: BTreeMap<MirrorId, About>,
    /// Writes asked for and not sent yet, a batch for each step of the machine.
    outgoing: VecDeque<Vec<(Ticket, ChangeSet)>>,
    /// Answers that came and were not read yet.
    inbox: VecDeque<Vec<(Ticket, Answer)>>,
    /// A look that was answered and not read yet.
    look: Option<(Mark, Vec<Mirror>)>,
    /// Whether its row said, when it was last looked at, that an operator wants it to take nothing new.
    drained: Option<bool>,
    /// Whether it said so when that was last read.
    is_drained: bool,
    /// What it claimed all the same.
    pub(crate) taken_drained: Option<MirrorId>,
    /// Rows to be read by their identity.
    inspections: Vec<MirrorId>,
    /// Until when the store asked it to wait.
    pub(crate) waits_until: Timestamp,
    /// Agents that began, to be told to the judge.
    pub(crate) begun: Vec<Begun>,
    /// Results of agents that ended well, to be told to the judge.
    pub(crate) finished: Vec<Finished>,
}

/// What a process left that died alone.
#[derive(Debug)]
struct Survivors {
    boot: BootId,
    agents: BTreeMap<MirrorId, Agent>,
}

/// What a worker is like.
#[derive(Debug)]
pub(crate) struct Making {
    pub(crate) id: WorkerId,
    pub(crate) name: String,
    pub(crate) owner: UserId,
    pub(crate) clock: Clock,
    pub(crate) lies: Span,
    pub(crate) shared: bool,
    pub(crate) slots: u32,
    pub(crate) skills: &'static str,
    pub(crate) broken: Option<Break>,
}

impl Worker {
    pub(crate) fn new(making: Making) -> Self {
        Self {
            id: making.id,
            name: making.name,
            owner: making.owner,
            clock: making.clock,
            shared: making.shared,
            slots: making.slots,
            skills: making.skills,
            broken: making.broken,
            disk: Disk::new(),
            process: None,
            survivors: None,
            cut_off_until: Timestamp::default(),
            deaf_until: Timestamp::default(),
            hangs_until: Timestamp::default(),
            lies: making.lies,
            retired: false,
            away: false,
        }
    }

    /// Starts a process; `boot` is its name unless it goes on as the one before. `store` is what it can
    /// read. Answers how many agents it goes on with.
    pub(crate) fn start(
        &mut self,
        boot: BootId,
        store: Option<&Store>,
        now: Timestamp,
        dice: &mut fastrand::Rng,
    ) -> usize {
        let boot = self.survivors.as_ref().map_or(boot, |left| left.boot);
        let identity = Identity {
            worker: self.id,
            boot,
            name: self.name.clone(),
        };
        let no_limit = self.broken == Some(Break::NoSlots);
        let limits = Limits {
            slots: if no_limit { NO_LIMIT } else { self.slots },
            line_interval: Span::secs(2),
            line_bytes_per_attempt: 10_000,
            events: true,
        };
        self.process = Some(Process {
            machine: Machine::new(identity, limits),
            boot,
            beat: 0,
            draining: false,
            agents: BTreeMap::new(),
            known: BTreeMap::new(),
            outgoing: VecDeque::new(),
            inbox: VecDeque::new(),
            look: None,
            drained: None,
            is_drained: false,
            taken_drained: None,
            inspections: Vec::new(),
            waits_until: Timestamp::default(),
            begun: Vec::new(),
            finished: Vec::new(),
        });
        let restored = self.disk.values().cloned().collect();
        self.step(Input::Restored(restored), now, dice);
        if self.broken == Some(Break::ForgetSurvivors) {
            return 0;
        }
        let resumed = self.resumed(store);
        let count = resumed.len();
        self.step(Input::Resumed(resumed), now, dice);
        count
    }

    fn resumed(&self, store: Option<&Store>) -> Vec<Resumed> {
        let left = self.survivors.iter();
        let agents = left.flat_map(|left| left.agents.iter().map(|it| (left.boot, it)));
        let resumed = agents.map(|(boot, (mirror, agent))| {
            let head = store.map(|store| agent::head(store, self.id, agent, boot));
            agent.resumed(*mirror, head)
        });
        resumed.collect()
    }

    /// The process ends without a word, and its agents live.
    pub(crate) fn die_alone(&mut self) {
        let Some(process) = self.process.take() else {
            return;
        };
        let left = self.survivors.get_or_insert(Survivors {
            boot: process.boot,
            agents: BTreeMap::new(),
        });
        left.agents.extend(process.agents);
        if left.agents.is_empty() {
            self.survivors = None;
        }
    }

    /// The process ends without a word; its agents die with it.
    pub(crate) fn crash(&mut self) {
        self.process = None;
        self.survivors = None;
        if self.broken == Some(Break::LoseOutbox) {
            self.disk.clear();
        }
    }

    /// The machine is set up anew: its process and its disk are gone. Answers which attempts' reports
    /// went with them.
    pub(crate) fn reimage(&mut self) -> Vec<(MirrorId, Attempt)> {
        self.process = None;
        self.survivors = None;
        std::mem::take(&mut self.disk).into_keys().collect()
    }

    /// The machine is gone with its disk; answers which attempts' reports went with it.
    pub(crate) fn retire(&mut self) -> Vec<(MirrorId, Attempt)> {
        self.retired = true;
        self.away = false;
        self.reimage()
    }

    /// Takes nothing new, and goes when all is done.
    pub(crate) fn drain(&mut self, now: Timestamp, dice: &mut fastrand::Rng) {
        if let Some(process) = self.process.as_mut() {
            process.draining = true;
            self.step(Input::Drain, now, dice);
        }
    }

    /// Whether it drains and has nothing left.
    pub(crate) fn may_leave(&self) -> bool {
        let done = |p: &Process| p.draining && p.machine.is_idle() && p.is_quiet();
        self.process.as_ref().is_some_and(done)
    }

    /// Cells of its own row, with its next beat.
    pub(crate) fn beat(
        &mut self,
        state: &'static str,
        number: i64,
        now: Timestamp,
    ) -> Vec<(Column, Value)> {
        let seen = self.says(now);
        let process = self.process.as_mut();
        let process = process.map(|process| {
            process.beat = number;
            &*process
        });
        let leaves = process.is_some_and(|p| p.draining) && state == "ready";
        let pool = if self.shared { "shared" } else { "dedicated" };
        vec![
            (workers::NAME, self.name.as_str().into()),
            (workers::KIND, "LocalMachine".into()),
            (
                workers::STATE,
                if leaves { "draining" } else { state }.into(),
            ),
            (workers::POOL, pool.into()),
            (workers::SLOTS, i64::from(self.slots).into()),
            (workers::AGENTS, self.skills.into()),
            (workers::LABELS, self.skills.into()),
            (workers::BOOT, process.map(|p| p.boot.get()).into()),
            (workers::BEAT, number.into()),
            (workers::LAST_SEEN, seen.into()),
        ]
    }

    /// Whether it has nothing running, nothing to send and nothing kept.
    pub(crate) fn is_idle(&self) -> bool {
        let quiet = |p: &Process| p.machine.is_idle() && p.is_quiet();
        let done = self.disk.is_empty() && self.survivors.is_none();
        done && self.process.as_ref().is_none_or(quiet)
    }

    /// When time alone makes something due here.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        let process = self.process.as_ref()?;
        let ends = process.agents.values().map(|agent| agent.ends);
        let told = process.machine.due();
        ends.chain(told.map(|at| at.plus(self.lies.times(-1))))
            .min()
    }

    /// What it says of the time when it is truly `now`.
    pub(crate) const fn says(&self, now: Timestamp) -> Timestamp {
        self.clock.store_time(now).plus(self.lies)
    }

    /// Whether it takes part, once there are no more faults.
    pub(crate) const fn is_here(&self) -> bool {
        !self.retired && !self.away
    }

    /// Reads one thing that lies there: an answer, a look, a row. Answers whether there was any.
    pub(crate) fn read(
        &mut self,
        store: Option<&Store>,
        now: Timestamp,
        dice: &mut fastrand::Rng,
    ) -> bool {
        let Some(process) = self.process.as_mut() else {
            return false;
        };
        let input = if let Some(drained) = process.drained.take() {
            process.is_drained = drained;
            let drained = drained && self.broken != Some(Break::IgnoreDrain);
            match drained || process.draining {
                true => Input::Drain,
                false => Input::Undrain,
            }
        } else if let Some(answers) = process.inbox.pop_front() {
            Input::Answered(answers)
        } else if let (Some(store), Some(mirror)) = (store, process.inspections.last().copied()) {
            process.inspections.pop();
            let row = store.get(Table::Tasks, mirror.get());
            let row = row.and_then(|row| row.mirror()).cloned();
            Input::Inspected(mirror, row.map(Box::new))
        } else if let Some((asked, rows)) = process.look.take() {
            Input::Looked { asked, rows }
        } else {
            return false;
        };
        self.step(input, now, dice);
        true
    }

    /// Sends a look; its answer is read later, when the world has gone on.
    pub(crate) fn look(&mut self, store: &Store) {
        let id = self.id;
        let drained = store.get(Table::Workers, id.get());
        let drained = drained.is_some_and(|row| row.time(workers::DRAINED).is_some());
        let Some(process) = self.process.as_mut() else {
            return;
        };
        process.drained = Some(drained);
        let mark = process.machine.mark();
        let active = |row: &&std::rc::Rc<Row>| {
            let active = matches!(row.status, TaskStatus::Running | TaskStatus::Canceling);
            row.is_mirror && active && row.mirror().and_then(|it| it.shown.worker) == Some(id)
        };
        let rows = store.rows(Table::Tasks).filter(active);
        let rows: Vec<Mirror> = rows.filter_map(|row| row.mirror().cloned()).collect();
        process.known.extend(rows.iter().map(|row| {
            let about = About {
                task: row.task,
                user: row.user,
                ends: row.status == TaskStatus::Canceling,
                most: row.ledger.open.and_then(|open| open.reserved.cost_micros),
            };
            (row.id, about)
        }));
        process.look = Some((mark, rows));
    }

    /// Time passes for the machine.
    pub(crate) fn tick(&mut self, now: Timestamp, dice: &mut fastrand::Rng) {
        self.step(Input::Tick, now, dice);
    }

    /// An agent goes on: it says something, or ends when its time has come.
    pub(crate) fn agent_goes_on(&mut self, now: Timestamp, dice: &mut fastrand::Rng) {
        let Some(process) = self.process.as_mut() else {
            return;
        };
        let agents: Vec<MirrorId> = process.agents.keys().copied().collect();
        let Some(mirror) = dice.choice(agents) else {
            return;
        };
        if process.agents[&mirror].ends > now {
            let input = match dice.u8(0..4) {
                0 | 1 => return,
                2 => process.note(mirror),
                _ => {
                    let line = format!("working, said at beat {}", process.beat);
                    Input::Lines(mirror, vec![line])
                }
            };
            return self.step(input, now, dice);
        }
        let Some(agent) = process.agents.remove(&mirror) else {
            return;
        };
        let boot = process.boot;
        let result = format!(
            "result of attempt {} by boot {boot} for {mirror}",
            agent.attempt
        );
        if agent.outcome == Outcome::Completed {
            process.finished.push(Finished {
                mirror,
                attempt: agent.attempt,
                result: result.clone(),
            });
        }
        let finish = Finish {
            message: "said at the end".to_owned(),
            result,
            question: (agent.outcome == Outcome::Asked).then(|| "which?".to_owned()),
            usage: agent.usage(),
            ..Finish::untouched(agent.outcome)
        };
        self.step(Input::Ended(mirror, Box::new(finish)), now, dice);
    }

    /// The next batch to send, if there is one.
    pub(crate) fn take_batch(&mut self) -> Option<Vec<(Ticket, ChangeSet)>> {
        self.process.as_mut()?.outgoing.pop_front()
    }

    /// The store asked to wait with these.
    pub(crate) fn hold_back(&mut self, batch: Vec<(Ticket, ChangeSet)>, until: Timestamp) {
        if let Some(process) = self.process.as_mut().filter(|_| !batch.is_empty()) {
            process.outgoing.push_front(batch);
            process.waits_until = until;
        }
    }

    /// Answers arrive; they are read later.
    pub(crate) fn answered(&mut self, answers: Vec<(Ticket, Answer)>) {
        if let Some(process) = self.process.as_mut().filter(|_| !answers.is_empty()) {
            process.inbox.push_back(answers);
        }
    }

    /// The attempts whose agents run.
    pub(crate) fn attempts(&self) -> Vec<(MirrorId, Attempt)> {
        let left = self.survivors.iter().flat_map(|left| &left.agents);
        let agents = self.process.iter().flat_map(|p| &p.agents).chain(left);
        agents
            .map(|(mirror, agent)| (*mirror, agent.attempt))
            .collect()
    }

    /// The attempts that ended here and are not in the store yet, as far as anybody here knows.
    pub(crate) fn keeps(&self) -> impl Iterator<Item = (MirrorId, Attempt)> {
        self.disk.keys().copied()
    }

    fn step(&mut self, input: Input, true_now: Timestamp, dice: &mut fastrand::Rng) {
        let now = self.says(true_now);
        let drops_late = self.broken == Some(Break::DropLate);
        let survivors = match self.broken {
            Some(Break::ForgetSurvivors) => &mut None,
            Some(_) | None => &mut self.survivors,
        };
        let Some(process) = self.process.as_mut() else {
            return;
        };
        let mut inputs = vec![input];
        let mut writes = Vec::new();
        while let Some(input) = inputs.pop() {
            for effect in process.machine.step(input, now) {
                match effect {
                    Effect::Write(ticket, _)
                        if drops_late && ticket.kind == WriteKind::Candidate =>
                    {
                        inputs.push(Input::Answered(vec![(ticket, Answer::Done(None))]));
                    }
                    Effect::Write(ticket, set) => {
                        process.note_claim(ticket);
                        writes.push((ticket, set));
                    }
                    Effect::Start { mirror, attempt } => {
                        let left = survivors.as_mut();
                        let left = left.and_then(|left| left.take(mirror, attempt));
                        process.begin(mirror, attempt, left, (true_now, dice));
                    }
                    Effect::Inspect(mirror) => process.inspections.push(mirror),
                    Effect::Stop(mirror, cause) => {
                        let agent = process.agents.get_mut(&mirror);
                        agent.into_iter().for_each(|it| it.stop(cause, true_now));
                    }
                    Effect::Save(report) => {
                        let mirror = report.mirror;
                        self.disk.insert((mirror, report.attempt), *report);
                        inputs.push(Input::Saved(mirror));
                    }
                    Effect::Drop(mirror, attempt, _) => {
                        self.disk.remove(&(mirror, attempt));
                    }
                }
            }
        }
        if survivors
            .as_ref()
            .is_some_and(|left| left.agents.is_empty())
        {
            *survivors = None;
        }
        process
            .outgoing
            .extend((!writes.is_empty()).then_some(writes));
    }
}

impl Survivors {
    fn take(&mut self, mirror: MirrorId, attempt: Attempt) -> Option<Agent> {
        let fits = self.agents.get(&mirror)?.attempt == attempt;
        fits.then(|| self.agents.remove(&mirror)).flatten()
    }
}

impl Process {
    fn is_quiet(&self) -> bool {
        self.agents.is_empty()
            && self.outgoing.is_empty()
            && self.inbox.is_empty()
            && self.inspections.is_empty()
    }

    /// Notes what another attempt would go on from.
    fn note(&mut self, mirror: MirrorId) -> Input {
        let agent = self.agents.get_mut(&mirror);
        Input::Checkpoint(
            mirror,
            Some(agent.map_or_else(String::new, Agent::note)),
            None,
        )
    }

    /// Remembers a claim of what it should not take. What is to end may be claimed to end it.
    fn note_claim(&mut self, ticket: Ticket) {
        let ends = self.known.get(&ticket.mirror).is_some_and(|it| it.ends);
        if ticket.kind == WriteKind::Claim && self.is_drained && !ends {
            self.taken_drained = Some(ticket.mirror);
        }
    }

    /// The agent of `mirror` is ours: the one that is `left` of an earlier process, or another.
    fn begin(
        &mut self,
        mirror: MirrorId,
        attempt: Attempt,
        left: Option<Agent>,
        (now, dice): (Timestamp, &mut fastrand::Rng),
    ) {
        let known = self.known.get(&mirror).copied();
        let new = || Some(Agent::new(attempt, known?, now, dice));
        let Some(agent) = left.map_or_else(new, |agent| {
            self.agents.insert(mirror, agent);
            None
        }) else {
            return;
        };
        self.begun.push(Begun {
            mirror,
            attempt,
            uses: agent.uses,
        });
        self.agents.insert(mirror, agent);
    }
}
