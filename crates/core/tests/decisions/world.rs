//! A small world over the shipped decisions: people, orchestrators that see late and incompletely,
//! workers whose answers get lost and who restart. After every step the promises are checked.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use shraga_core::audit;
use shraga_core::ids::{Attempt, BootId, MirrorId, TaskId};
use shraga_core::model::{Mirror, Worker};
use shraga_core::plan::budget::Budgets;
use shraga_core::plan::{self, Loop, Need, Plan, Policy, Snapshot};
use shraga_core::row::{ChangeSet, Table, tasks};
use shraga_core::status::{TaskStatus, WorkPhase};
use shraga_core::time::{Span, Timestamp};
use shraga_core::usage::Usage;
use shraga_core::worker::{
    Answer, Effect, Finish, Identity, Input, Limits, Machine, Outcome, Report,
};
use uuid::Uuid;

use crate::build::{boot, user, worker, worker_id};
use crate::ledgers::{self, Truth};
use crate::store::{Store, admin, filed};

pub(crate) const PEOPLE: [&str; 2] = ["ann", "bob"];
pub(crate) const WORKERS: [&str; 2] = ["w1", "w2"];
pub(crate) const ORCHESTRATORS: usize = 2;
const SLOTS: u32 = 2;

/// What becomes of an answer on its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Net {
    Fine,
    /// The write happens, its answer is lost.
    AnswerLost,
    /// The write never arrives.
    RequestLost,
    /// The write happens, its answer comes after other things did.
    Late,
}

/// A worker's process and its disk.
pub(crate) struct Process {
    name: &'static str,
    boots: u32,
    machine: Machine,
    running: HashMap<MirrorId, Attempt>,
    outbox: BTreeMap<(MirrorId, Attempt), Report>,
    /// Answers and looks under way to it.
    late: Vec<Input>,
}

pub(crate) struct World {
    pub(crate) store: Store,
    policy: Policy,
    workers: Vec<Worker>,
    processes: Vec<Process>,
    seen: Vec<Option<(Snapshot, Timestamp)>>,
    asked: HashSet<Uuid>,
    last_plan: Vec<ChangeSet>,
    filed: Vec<TaskId>,
    deleted: HashSet<TaskId>,
    ended: HashMap<MirrorId, TaskStatus>,
    attempts: HashMap<MirrorId, Attempt>,
    results: HashMap<MirrorId, String>,
    /// What agents use, where there are budgets.
    truth: Option<Truth>,
}

impl World {
    pub(crate) fn new(adopts: bool) -> Self {
        let policy = Policy {
            adopts,
            backoff: Span::secs(2),
            claim_timeout: Span::secs(30),
            ..Policy::default()
        };
        let mut store = Store::default();
        store.now = 1000;
        Self {
            store,
            policy,
            workers: WORKERS.iter().map(|name| worker(name, SLOTS)).collect(),
            processes: WORKERS.map(Process::start).into(),
            seen: vec![None; ORCHESTRATORS],
            asked: HashSet::new(),
            last_plan: Vec::new(),
            filed: Vec::new(),
            deleted: HashSet::new(),
            ended: HashMap::new(),
            attempts: HashMap::new(),
            results: HashMap::new(),
            truth: None,
        }
    }

    /// A world in which every cost is limited, for each person and for everybody.
    pub(crate) fn with_budgets(change_sets: bool) -> Self {
        let mut world = Self::new(true);
        world.policy.budget = ledgers::budgets();
        world.store.steps = !change_sets;
        world.policy.change_sets = change_sets;
        world.truth = Some(Truth::default());
        world
    }

    /// An admin takes the limits away.
    pub(crate) fn lift_budgets(&mut self) {
        self.policy.budget = Budgets::default();
        self.truth = None;
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.store.now)
    }

    pub(crate) fn pass(&mut self, seconds: i64) {
        self.store.now += seconds;
    }

    // People.

    pub(crate) fn file(&mut self, person: usize, priority: i64) {
        let number = self.filed.len();
        let name = format!("task {number}");
        let task = filed_in_one_millisecond(number);
        let owner = user(PEOPLE[person % PEOPLE.len()]);
        let mut cells = filed(&name, priority);
        if self.truth.is_some() && number.is_multiple_of(2) {
            // More than a day has, or less than an attempt would get.
            cells.push((tasks::INPUT, (150 * (number + 1)).to_string().into()));
        }
        self.store.put(Table::Tasks, task, owner, &cells);
        self.filed.push(TaskId::new(task));
    }

    /// She writes any status into one of her rows, even ones that mean nothing.
    pub(crate) fn write_status(&mut self, which: usize, status: TaskStatus) {
        if let Some(task) = self.pick(which) {
            let cells = [(tasks::STATUS, status.into())];
            self.store
                .put(Table::Tasks, task.get(), user("ann"), &cells);
        }
    }

    pub(crate) fn clear_link(&mut self, which: usize) {
        if let Some(task) = self.pick(which) {
            let cells = [
                (tasks::MIRROR_LINK, shraga_core::row::Value::Null),
                (tasks::STATUS, TaskStatus::Pending.into()),
            ];
            self.store
                .put(Table::Tasks, task.get(), user("ann"), &cells);
        }
    }

    pub(crate) fn delete(&mut self, which: usize) {
        if let Some(task) = self.pick(which) {
            self.store.rows.remove(&(Table::Tasks, task.get()));
            self.deleted.insert(task);
        }
    }

    fn pick(&self, which: usize) -> Option<TaskId> {
        let task = *self.filed.get(which % self.filed.len().max(1))?;
        (!self.deleted.contains(&task)).then_some(task)
    }

    // Orchestrators.

    /// Takes a snapshot; `hide` leaves out every so-manieth row.
    pub(crate) fn observe(&mut self, orchestrator: usize, hide: Option<usize>) {
        let (people, mirrors) = self.store.tasks();
        let shows = |at: usize| hide.is_none_or(|step| !at.is_multiple_of(step + 2));
        let kept = |mirror: &Mirror| {
            let at = mirrors.iter().position(|it| it.id == mirror.id);
            shows(at.unwrap_or(0))
        };
        let snapshot = Snapshot {
            admin: Some(admin()),
            active_complete: mirrors.iter().all(|it| !it.is_active() || kept(it)),
            searched: people
                .iter()
                .map(|task| task.id)
                .filter(|task| mirrors.iter().all(|it| it.task != *task || kept(it)))
                .collect(),
            absent: self.absent(),
            people: self
                .store
                .people()
                .into_iter()
                .enumerate()
                .filter(|(at, _)| shows(*at + 2))
                .map(|(_, person)| person)
                .collect(),
            carried: mirrors
                .iter()
                .map(|it| {
                    let result = self.store.text(it.id.get(), tasks::RESULT);
                    (it.id.get(), vec![(tasks::RESULT, result.into())])
                })
                .collect(),
            mirrors: mirrors.iter().filter(|it| kept(it)).cloned().collect(),
            tasks: people
                .into_iter()
                .enumerate()
                .filter(|(at, _)| shows(*at + 1))
                .map(|(_, task)| task)
                .collect(),
            workers: self.workers.clone(),
            workers_complete: true,
            ..Snapshot::default()
        };
        let now = self.now();
        self.seen[orchestrator % ORCHESTRATORS] = Some((snapshot, now));
    }

    /// Rows that are known not to be there.
    fn absent(&self) -> HashSet<Uuid> {
        let deleted = self.deleted.iter().map(|task| task.get());
        let people = PEOPLE.iter().chain(&["admin"]).map(|name| user(name).get());
        let met = |id: &Uuid| self.store.rows.contains_key(&(Table::Users, *id));
        deleted.chain(people.filter(|id| !met(id))).collect()
    }

    /// Plans on what was last observed and applies the first `upto` sets.
    pub(crate) fn act(&mut self, orchestrator: usize, upto: usize) {
        let Some((snapshot, _)) = &self.seen[orchestrator % ORCHESTRATORS] else {
            return;
        };
        let plans = plan::all(snapshot, &self.policy, self.now());
        check_alone(&plans);
        let needs = plans.iter().flat_map(|plan| &plan.needs);
        self.asked.extend(needs.map(|need| match need {
            Need::Task(it) | Need::MirrorsOf(it) | Need::Late(it) => it.get(),
            Need::Mirror(it) => it.get(),
            Need::Event(it) => it.get(),
            Need::Carried(it) => *it,
            Need::Person(it) => it.get(),
        }));
        self.last_plan = plans.into_iter().flat_map(|plan| plan.sets).collect();
        self.last_plan.truncate(upto);
        self.apply_again();
    }

    /// The same plan once more: a retry after a lost answer, or a very late one.
    pub(crate) fn apply_again(&mut self) {
        for set in self.last_plan.clone() {
            let before = self.attempts();
            if self.store.apply(&set, admin()).is_ok() {
                self.check_attempts(&before, &set);
            }
        }
    }

    /// What one orchestrator with a fresh and full view does, without trouble.
    pub(crate) fn settle(&mut self) -> bool {
        self.observe(0, None);
        self.act(0, usize::MAX);
        !self.last_plan.is_empty()
    }

    // Workers.

    /// Somebody deletes a worker's row, or makes it again.
    pub(crate) fn vanish(&mut self, process: usize) {
        let name = WORKERS[process % WORKERS.len()];
        let before = self.workers.len();
        self.workers.retain(|it| it.id != worker_id(name));
        if self.workers.len() == before {
            self.workers.push(worker(name, SLOTS));
        }
    }

    pub(crate) fn look(&mut self, process: usize, net: Net) {
        let process = process % WORKERS.len();
        let rows = self.assigned(WORKERS[process]);
        let asked = self.processes[process].machine.mark();
        let looked = Input::Looked { asked, rows };
        match net {
            Net::Late => self.processes[process].late.push(looked),
            Net::Fine | Net::AnswerLost | Net::RequestLost => self.feed(process, looked, net),
        }
    }

    /// What was late arrives: the newest first, if so wished.
    pub(crate) fn arrive(&mut self, process: usize, newest: bool) {
        let process = process % WORKERS.len();
        let late = &mut self.processes[process].late;
        let input = match (late.is_empty(), newest) {
            (true, _) => return,
            (false, true) => late.pop(),
            (false, false) => Some(late.remove(0)),
        };
        if let Some(input) = input {
            self.feed(process, input, Net::Fine);
        }
    }

    fn assigned(&self, worker: &str) -> Vec<Mirror> {
        let (_, mirrors) = self.store.tasks();
        let mine = |it: &Mirror| it.shown.worker == Some(worker_id(worker)) && it.is_active();
        mirrors.into_iter().filter(mine).collect()
    }

    /// One of its agents ends.
    pub(crate) fn end(&mut self, process: usize, which: usize, outcome: Outcome, net: Net) {
        let process = process % WORKERS.len();
        let mut running: Vec<MirrorId> = self.processes[process].running.keys().copied().collect();
        running.sort_unstable();
        if running.is_empty() {
            return;
        }
        let mirror = running[which % running.len()];
        self.finish(process, mirror, outcome, net);
    }

    fn finish(&mut self, process: usize, mirror: MirrorId, outcome: Outcome, net: Net) {
        let attempt = self.processes[process].running.remove(&mirror);
        let boots = self.processes[process].boots;
        let part = u64::from(boots) + self.store.rows.len() as u64;
        let used = self.truth.as_mut().zip(attempt);
        let used = used.map(|(truth, attempt)| truth.end(mirror, attempt, part));
        let finish = Finish {
            ran: Duration::from_secs(1),
            usage: used.unwrap_or(Usage::UNKNOWN),
            result: format!("{attempt:?} of boot {boots} of {process}"),
            ..Finish::untouched(outcome)
        };
        self.feed(process, Input::Ended(mirror, Box::new(finish)), net);
    }

    /// The process is killed and starts again; what was in its outbox is there.
    pub(crate) fn restart(&mut self, process: usize, net: Net) {
        let process = process % WORKERS.len();
        let old = &mut self.processes[process];
        let boots = old.boots + 1;
        let outbox = std::mem::take(&mut old.outbox);
        let reports = outbox.values().cloned().collect();
        *old = Process {
            outbox,
            ..Process::boot(old.name, boots)
        };
        self.feed(process, Input::Restored(reports), net);
    }

    pub(crate) fn tick(&mut self, process: usize) {
        self.feed(process % WORKERS.len(), Input::Tick, Net::Fine);
    }

    fn feed(&mut self, process: usize, input: Input, net: Net) {
        let now = self.now();
        let effects = self.processes[process].machine.step(input, now);
        let mut answers = Vec::new();
        for effect in effects {
            match effect {
                Effect::Write(ticket, set) => answers.push((ticket, self.send(&set, net))),
                Effect::Start { mirror, attempt } => {
                    let started = self.processes[process].running.insert(mirror, attempt);
                    assert_eq!(started, None, "an agent was started twice");
                }
                Effect::Stop(mirror, _) => {
                    if self.processes[process].running.contains_key(&mirror) {
                        self.finish(process, mirror, Outcome::Canceled, net);
                    }
                }
                Effect::Inspect(mirror) => self.inspect(process, mirror),
                Effect::Save(report) => {
                    let (mirror, attempt) = (report.mirror, report.attempt);
                    self.processes[process]
                        .outbox
                        .insert((mirror, attempt), *report);
                    self.feed(process, Input::Saved(mirror), net);
                }
                Effect::Drop(mirror, attempt, _) => {
                    let dropped = self.processes[process].outbox.remove(&(mirror, attempt));
                    assert!(dropped.is_some(), "a report nobody saved was dropped");
                }
            }
        }
        if answers.is_empty() {
            return;
        }
        if net == Net::Late {
            self.processes[process].late.push(Input::Answered(answers));
        } else {
            self.feed(process, Input::Answered(answers), net);
        }
    }

    fn inspect(&mut self, process: usize, mirror: MirrorId) {
        let (_, mirrors) = self.store.tasks();
        let mine = Some(worker_id(WORKERS[process]));
        let row = mirrors.into_iter().find(|it| it.id == mirror);
        let row = row.filter(|it| it.shown.worker == mine).map(Box::new);
        self.feed(process, Input::Inspected(mirror, row), Net::Fine);
    }

    fn send(&mut self, set: &ChangeSet, net: Net) -> Answer {
        if net == Net::RequestLost {
            return Answer::Unknown;
        }
        if !self.may_write(set) {
            return Answer::Refused("not yours".to_owned());
        }
        let before = self.attempts();
        let done = self.store.apply(set, user("worker"));
        assert_eq!(before, self.attempts(), "a worker changed an attempt");
        match (done, net) {
            (_, Net::AnswerLost) => Answer::Unknown,
            (Ok(etag), _) => Answer::Done(Some(etag)),
            (Err(_), _) => Answer::Stale,
        }
    }

    /// Row security: a worker writes open mirrors that are assigned to it.
    fn may_write(&self, set: &ChangeSet) -> bool {
        let (_, mirrors) = self.store.tasks();
        let writes = set.writes.iter();
        let mut rows = writes.filter(|write| write.table == Table::Tasks);
        rows.all(|write| {
            let row = mirrors.iter().find(|it| it.id.get() == write.id);
            row.is_some_and(|it| it.is_active() && it.shown.worker.is_some())
        })
    }

    // Promises.

    fn attempts(&self) -> BTreeMap<MirrorId, Attempt> {
        let (_, mirrors) = self.store.tasks();
        let attempt = |it: Mirror| (it.id, it.shown.attempt);
        mirrors.into_iter().map(attempt).collect()
    }

    fn check_attempts(&self, before: &BTreeMap<MirrorId, Attempt>, set: &ChangeSet) {
        for (mirror, after) in self.attempts() {
            let before = before.get(&mirror).copied().unwrap_or_default();
            if before != after {
                assert_eq!(after, before.next());
                assert!(set.why.contains("assign to"), "{set}");
            }
        }
    }

    /// What must hold after every step.
    pub(crate) fn check(&mut self) {
        let (people, mirrors) = self.store.tasks();
        let mut of: HashSet<TaskId> = HashSet::new();
        for mirror in &mirrors {
            assert!(of.insert(mirror.task), "two mirrors of one task");
            let past = self.attempts.insert(mirror.id, mirror.shown.attempt);
            assert!(past.unwrap_or_default() <= mirror.shown.attempt);
            if let Some(status) = self.ended.get(&mirror.id) {
                assert_eq!(*status, mirror.status, "an end changed");
            }
            if mirror.status.is_terminal() {
                self.ended.insert(mirror.id, mirror.status);
                let result = self.store.text(mirror.id.get(), tasks::RESULT);
                let published = self.results.entry(mirror.id).or_insert(result.clone());
                assert_eq!(*published, result, "a second result was published");
            }
        }
        for task in people {
            assert!(!self.deleted.contains(&task.id), "a deleted row came back");
        }
        self.check_streams(&mirrors);
        if let Some(truth) = &mut self.truth {
            truth.see(&mirrors);
            truth.check(&mirrors, &self.store.people(), admin());
        }
    }

    fn check_streams(&self, mirrors: &[Mirror]) {
        for ((task, name), events) in self.store.streams() {
            let head = (name == audit::ORCHESTRATOR).then(|| {
                let mirror = mirrors.iter().find(|it| it.task.to_string() == task);
                mirror.expect("a stream has a mirror").head.clone()
            });
            let holds = audit::verify(&events, head.as_ref());
            assert!(holds.is_ok(), "stream {name} of {task}: {holds:?}");
        }
    }

    /// Lets everybody work without trouble until nothing moves: every task ends.
    pub(crate) fn run_out(&mut self) {
        self.workers = WORKERS.iter().map(|name| worker(name, SLOTS)).collect();
        for _ in 0..200 {
            if self.is_over() {
                break;
            }
            self.pass(5);
            while self.settle() {}
            for process in 0..WORKERS.len() {
                while !self.processes[process].late.is_empty() {
                    self.arrive(process, false);
                }
                self.look(process, Net::Fine);
                self.end(process, 0, Outcome::Completed, Net::Fine);
                self.tick(process);
            }
            self.check();
        }
        assert!(self.is_over(), "never quiet: {:?}", self.last_plan);
        let (people, mirrors) = self.store.tasks();
        for mirror in &mirrors {
            assert!(mirror.status.is_terminal(), "stuck: {mirror:?}");
            assert!(
                mirror.phase != Some(WorkPhase::Assigned) || mirror.status == TaskStatus::Canceled
            );
        }
        for task in people {
            let truth = mirrors.iter().find(|it| it.task == task.id);
            match truth {
                Some(mirror) => assert_eq!(task.status, mirror.status, "{task:?}"),
                None => assert!(!matches!(task.status, TaskStatus::Pending), "{task:?}"),
            }
        }
        for process in &self.processes {
            assert!(process.outbox.is_empty(), "a report was not delivered");
            assert!(process.machine.is_idle());
        }
    }

    /// Whether every task has ended and is shown to have, and every report was delivered.
    fn is_over(&mut self) -> bool {
        let (_, mirrors) = self.store.tasks();
        let ended = mirrors.iter().all(|it| it.status.is_terminal());
        let idle = self.processes.iter().all(|it| it.machine.is_idle());
        ended && idle && !self.settle()
    }

    /// How many active mirrors each worker has.
    pub(crate) fn check_slots(&self) {
        for name in WORKERS {
            let held = u32::try_from(self.assigned(name).len()).unwrap();
            assert!(held <= SLOTS, "{name} was given {held}");
        }
    }
}

/// A plan writes each row at most once, and assigns nothing twice.
fn check_alone(plans: &[Plan]) {
    let mut written = HashSet::new();
    for set in plans.iter().flat_map(|plan| &plan.sets) {
        for write in &set.writes {
            assert!(written.insert(write.id), "a row is written twice");
        }
    }
    assert!(plans.windows(2).all(|pair| pair[0].by < pair[1].by));
    assert_eq!(plans.last().map(|plan| plan.by), Some(Loop::Assign));
}

/// Identities as time-ordered ones are made: those of one moment begin alike.
fn filed_in_one_millisecond(number: usize) -> Uuid {
    Uuid::from_u128(0x0193_f0a1_b2c3_7d4e_8f90_0000_0000_0000 + number as u128)
}

impl Process {
    fn start(name: &'static str) -> Self {
        Self::boot(name, 1)
    }

    fn boot(name: &'static str, boots: u32) -> Self {
        let identity = Identity {
            worker: worker_id(name),
            boot: boot_of(name, boots),
            name: name.to_owned(),
        };
        let limits = Limits {
            slots: SLOTS,
            line_interval: Span::secs(2),
            line_bytes_per_attempt: 10_000,
            events: true,
        };
        Self {
            name,
            boots,
            machine: Machine::new(identity, limits),
            running: HashMap::new(),
            outbox: BTreeMap::new(),
            late: Vec::new(),
        }
    }
}

fn boot_of(name: &str, boots: u32) -> BootId {
    boot(&format!("{name} boot {boots}"))
}

/// Lines of an agent, as an input.
pub(crate) fn lines(world: &mut World, process: usize, which: usize, net: Net) {
    let process = process % WORKERS.len();
    let mut running: Vec<MirrorId> = world.processes[process].running.keys().copied().collect();
    running.sort_unstable();
    if !running.is_empty() {
        let mirror = running[which % running.len()];
        let said = vec!["a line".to_owned(), "another".to_owned()];
        world.feed(process, Input::Lines(mirror, said), net);
    }
}
