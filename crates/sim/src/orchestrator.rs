//! A simulated orchestrator: the shipped plans, observed and applied in small steps.
//!
//! Between its observation and each of its writes the world goes on. It keeps what the shipped one
//! keeps between ticks (turns, what a plan asked to see) and loses it in a crash.

use std::collections::{HashMap, HashSet, VecDeque};

use shraga_core::ids::{MirrorId, TaskId, UserId};
use shraga_core::model::{Mirror, UserTask};
use shraga_core::plan::{self, Loop, Need, Policy, Snapshot, Turns};
use shraga_core::row::{ChangeSet, Column, Table, Value, tasks};
use shraga_core::status::{TaskStatus, WorkerKind};
use shraga_core::time::Timestamp;
use uuid::Uuid;

use crate::store::{Row, Store};
use crate::view;

/// Rows of one kind seen at most in one observation; small, so that windows matter.
const WINDOW: usize = 6;

/// One orchestrator.
#[derive(Debug)]
pub(crate) struct Orchestrator {
    pub(crate) name: String,
    admin: UserId,
    policy: Policy,
    turns: Turns,
    needs: Vec<Need>,
    queue: VecDeque<(Loop, ChangeSet)>,
    /// Whether its last look at everything found nothing to do, now or later.
    pub(crate) idle: bool,
}

impl Orchestrator {
    pub(crate) fn new(name: String, admin: UserId, policy: Policy) -> Self {
        Self {
            name,
            admin,
            policy,
            turns: Turns::default(),
            needs: Vec::new(),
            queue: VecDeque::new(),
            idle: false,
        }
    }

    /// Forgets all that is not in the store.
    pub(crate) fn crash(&mut self) {
        self.turns = Turns::default();
        self.drop_plan();
    }

    /// Gives up the rest of the plan, as after an outage; the next observation makes a new one.
    pub(crate) fn drop_plan(&mut self) {
        self.needs.clear();
        self.queue.clear();
        self.idle = false;
    }

    /// The next change set to apply, if a plan is under way.
    pub(crate) fn next(&mut self) -> Option<(Loop, ChangeSet)> {
        self.queue.pop_front()
    }

    /// Hears what became of a change set.
    pub(crate) fn answered(&mut self, by: Loop, set: &ChangeSet, done: bool, now: Timestamp) {
        if done {
            self.turns.applied(set, now);
        } else if by == Loop::Assign {
            self.queue.retain(|(other, _)| *other != Loop::Assign);
        }
    }

    /// Observes (everything when `whole`, else windows) and plans.
    pub(crate) fn observe(&mut self, store: &Store, whole: bool, rng: &mut fastrand::Rng) {
        let snapshot = self.snapshot(store, whole, rng);
        let plans = plan::all(&snapshot, &self.policy, store.now);
        self.needs = plans
            .iter()
            .flat_map(|plan| plan.needs.iter().copied())
            .collect();
        let due = plans.iter().any(|plan| plan.due.is_some());
        let sets = plans.into_iter().flat_map(|plan| {
            let by = plan.by;
            plan.sets.into_iter().map(move |set| (by, set))
        });
        self.queue = sets.collect();
        self.idle = whole && !due && self.queue.is_empty() && self.needs.is_empty();
    }

    fn snapshot(&self, store: &Store, whole: bool, rng: &mut fastrand::Rng) -> Snapshot {
        let mut seen = Seen::new(store, self.admin);
        seen.look(whole, rng);
        seen.fulfil(&self.needs);
        let workers = store
            .rows(Table::Workers)
            .map(|(id, row)| view::worker(id, row));
        let people = store
            .rows(Table::Users)
            .map(|(id, row)| view::person(id, row));
        Snapshot {
            admin: Some(self.admin),
            tasks: seen.tasks.into_values().collect(),
            mirrors: seen.mirrors.into_values().collect(),
            active_complete: true,
            strangers: seen.strangers,
            absent: seen.absent,
            searched: seen.searched,
            carried: seen.carried,
            workers: workers
                .filter(|worker| worker.kind != WorkerKind::Orchestrator)
                .collect(),
            workers_complete: true,
            legacy: Vec::new(),
            people: people.collect(),
            turns: self.turns.clone(),
        }
    }
}

/// An observation in the making.
struct Seen<'a> {
    store: &'a Store,
    admin: UserId,
    tasks: std::collections::BTreeMap<Uuid, UserTask>,
    mirrors: std::collections::BTreeMap<Uuid, Mirror>,
    strangers: HashMap<MirrorId, UserId>,
    absent: HashSet<Uuid>,
    searched: HashSet<TaskId>,
    carried: HashMap<Uuid, Vec<(Column, Value)>>,
}

impl<'a> Seen<'a> {
    fn new(store: &'a Store, admin: UserId) -> Self {
        Self {
            store,
            admin,
            tasks: std::collections::BTreeMap::new(),
            mirrors: std::collections::BTreeMap::new(),
            strangers: HashMap::new(),
            absent: HashSet::new(),
            searched: HashSet::new(),
            carried: HashMap::new(),
        }
    }

    /// The windows of the shipped observation: what is pending, what is active, what changed.
    fn look(&mut self, whole: bool, rng: &mut fastrand::Rng) {
        let (mut waiting, mut rest) = (Vec::new(), Vec::new());
        for (id, row) in self.store.rows(Table::Tasks) {
            let mirror = view::is_mirror(row);
            let status = view::status(row);
            match status {
                TaskStatus::Running | TaskStatus::Canceling if mirror => self.add(id, row),
                TaskStatus::Pending => waiting.push((id, row)),
                _ => rest.push((id, row)),
            }
        }
        for mut window in [waiting, rest] {
            if !whole {
                rng.shuffle(&mut window);
                window.truncate(WINDOW);
            }
            for (id, row) in window {
                self.add(id, row);
                self.add_partner(row);
            }
        }
    }

    /// The other row of a task, as the row in hand names it.
    fn add_partner(&mut self, row: &Row) {
        let column = if view::is_mirror(row) {
            tasks::MIRROR_OF
        } else {
            tasks::MIRROR_LINK
        };
        if let Some(id) = row.text(column).and_then(|text| Uuid::parse_str(text).ok()) {
            self.find(id);
        }
    }

    fn find(&mut self, id: Uuid) {
        match self.store.get(Table::Tasks, id) {
            Some(row) => self.add(id, row),
            None => {
                self.absent.insert(id);
            }
        }
    }

    fn add(&mut self, id: Uuid, row: &Row) {
        if view::is_mirror(row) {
            self.mirrors
                .extend(view::mirror(id, row).map(|mirror| (id, mirror)));
        } else {
            self.tasks.insert(id, view::user_task(id, row));
        }
        if view::status(row).is_terminal() {
            let cells = plan::sync::CARRIED
                .iter()
                .map(|c| (*c, row.get(*c).clone()));
            let cells = cells.filter(|(_, value)| *value != Value::Null).collect();
            self.carried.insert(id, cells);
        }
    }

    /// What earlier plans asked to see.
    fn fulfil(&mut self, needs: &[Need]) {
        for need in needs {
            match need {
                Need::Task(task) => self.find(task.get()),
                Need::Carried(id) => self.find(*id),
                Need::Mirror(mirror) => self.find_mirror(*mirror),
                Need::MirrorsOf(task) => self.search(*task),
            }
        }
    }

    fn find_mirror(&mut self, mirror: MirrorId) {
        match self.store.get(Table::Tasks, mirror.get()) {
            Some(row) if row.owner != self.admin || !view::is_mirror(row) => {
                self.strangers.insert(mirror, row.owner);
            }
            _ => self.find(mirror.get()),
        }
    }

    fn search(&mut self, task: TaskId) {
        let of = Value::Text(task.to_string());
        let store = self.store;
        for (id, row) in store.rows(Table::Tasks) {
            if *row.get(tasks::MIRROR_OF) == of {
                self.add(id, row);
            }
        }
        self.searched.insert(task);
    }
}
