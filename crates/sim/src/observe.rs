//! What a simulated orchestrator sees: windows of rows, as the shipped one reads them, or everything.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use shraga_core::ids::{EventId, MirrorId, TaskId, UserId, WorkerId};
use shraga_core::model::{Mirror, UserTask};
use shraga_core::plan::{self, Need, Snapshot, Turns};
use shraga_core::row::{Column, Table, Value, tasks};
use shraga_core::status::{TaskStatus, WorkerKind};
use uuid::Uuid;

use crate::breaks::Break;
use crate::store::{Row, Store};
use crate::view;
use crate::watch::Watch;

/// Rows of one kind seen at most in one observation; small, so that windows matter.
const WINDOW: usize = 6;

/// Whose observation it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observer<'a> {
    pub(crate) admin: UserId,
    pub(crate) legacy: &'a [WorkerId],
    pub(crate) turns: &'a Turns,
    pub(crate) broken: Option<Break>,
    pub(crate) watch: &'a Watch,
}

impl Observer<'_> {
    /// Everything there is.
    pub(crate) fn whole(self, store: &Store, needs: &[Need]) -> Snapshot {
        self.look(store, needs, None)
    }

    /// Windows, filled as the dice say, and what earlier plans asked for.
    pub(crate) fn windows(
        self,
        store: &Store,
        needs: &[Need],
        dice: &mut fastrand::Rng,
    ) -> Snapshot {
        self.look(store, needs, Some(dice))
    }

    fn look(self, store: &Store, needs: &[Need], dice: Option<&mut fastrand::Rng>) -> Snapshot {
        let mut seen = Seen::new(self, store);
        seen.fill(dice);
        seen.fulfil(needs);
        seen.finish()
    }
}

/// An observation in the making.
struct Seen<'a> {
    observer: Observer<'a>,
    store: &'a Store,
    rows: BTreeMap<Uuid, &'a Row>,
    strangers: HashMap<MirrorId, UserId>,
    taken: HashSet<EventId>,
    absent: HashSet<Uuid>,
    searched: HashSet<TaskId>,
    /// Whose accounts are looked at; `None` is everybody's.
    accounts: Option<HashSet<UserId>>,
    /// Mirrors that a broken rule makes of other rows.
    false_mirrors: Vec<Mirror>,
}

impl<'a> Seen<'a> {
    fn new(observer: Observer<'a>, store: &'a Store) -> Self {
        Self {
            observer,
            store,
            rows: BTreeMap::new(),
            strangers: HashMap::new(),
            taken: HashSet::new(),
            absent: HashSet::new(),
            searched: HashSet::new(),
            accounts: None,
            false_mirrors: Vec::new(),
        }
    }

    /// The windows of the shipped observation: what is pending, what is active, what changed.
    fn fill(&mut self, dice: Option<&mut fastrand::Rng>) {
        let (mut waiting, mut rest) = (Vec::new(), Vec::new());
        for row in self.store.rows(Table::Tasks).map(Rc::as_ref) {
            match row.status {
                TaskStatus::Running | TaskStatus::Canceling if row.is_mirror => {
                    self.add(row);
                    self.add_partner(row);
                }
                TaskStatus::Pending => waiting.push(row),
                _ => rest.push(row),
            }
        }
        if let Some(dice) = dice {
            self.accounts = dice.bool().then(HashSet::new);
            for window in [&mut waiting, &mut rest] {
                dice.shuffle(window);
                window.truncate(WINDOW);
            }
        }
        for row in waiting.into_iter().chain(rest) {
            self.add(row);
            self.add_partner(row);
        }
    }

    fn add(&mut self, row: &'a Row) {
        self.rows.insert(row.id, row);
    }

    /// The other row of a task, as the row in hand names it.
    fn add_partner(&mut self, row: &'a Row) {
        if row.is_mirror {
            if let Some(mirror) = row.mirror() {
                self.find_task(mirror.task.get());
            }
            return;
        }
        if let Some(link) = row.link() {
            self.find_mirror(MirrorId::new(link));
            if self.observer.broken == Some(Break::TrustLink) {
                self.trust(row, link);
            }
        }
    }

    fn trust(&mut self, row: &'a Row, link: Uuid) {
        let linked = self.store.get(Table::Tasks, link);
        if let Some(mirror) = linked.and_then(|linked| linked.mirror()) {
            self.false_mirrors.push(Mirror {
                task: TaskId::new(row.id),
                user: Some(row.owner),
                ..mirror.clone()
            });
        }
    }

    /// The shipped question for people's rows leaves out those that say they are mirrors.
    fn find_task(&mut self, id: Uuid) {
        match self.store.get(Table::Tasks, id) {
            Some(row) if !row.is_mirror => self.add(row),
            Some(_) | None => {
                self.absent.insert(id);
            }
        }
    }

    fn find_mirror(&mut self, id: MirrorId) {
        match self.store.get(Table::Tasks, id.get()) {
            Some(row) if row.is_mirror_of(self.observer.admin) => self.add(row),
            Some(row) => {
                self.strangers.insert(id, row.owner);
            }
            None => {
                self.absent.insert(id.get());
            }
        }
    }

    /// What earlier plans asked to see.
    fn fulfil(&mut self, needs: &[Need]) {
        for need in needs {
            match need {
                Need::Task(task) => self.find_task(task.get()),
                Need::Carried(id) => self.rows.extend(self.row(*id)),
                Need::Mirror(mirror) => self.find_mirror(*mirror),
                Need::MirrorsOf(task) => self.search(*task),
                Need::Event(event) => {
                    let found = self.store.get(Table::Events, event.get());
                    self.taken.extend(found.map(|_| *event));
                }
                Need::Person(user) => self.find_person(*user),
                // Nobody accepts a late result here.
                Need::Late(_) => {}
            }
        }
    }

    fn find_person(&mut self, user: UserId) {
        if self.store.get(Table::Users, user.get()).is_none() {
            self.absent.insert(user.get());
        }
        if let Some(accounts) = self.accounts.as_mut() {
            accounts.insert(user);
        }
    }

    fn row(&self, id: Uuid) -> Option<(Uuid, &'a Row)> {
        let row = self.store.get(Table::Tasks, id)?;
        Some((id, row))
    }

    fn search(&mut self, task: TaskId) {
        let of = Value::Text(task.to_string());
        for row in self.store.rows(Table::Tasks).map(Rc::as_ref) {
            if *row.get(tasks::MIRROR_OF) == of {
                self.add(row);
            }
        }
        self.searched.insert(task);
        self.find_task(task.get());
    }

    fn finish(self) -> Snapshot {
        let observer = self.observer;
        let (mirrors, tasks): (Vec<&Row>, Vec<&Row>) =
            self.rows.values().partition(|row| row.is_mirror);
        let mut seen: Vec<Mirror> = mirrors
            .iter()
            .filter_map(|row| row.mirror().cloned())
            .collect();
        if observer.broken == Some(Break::AnyMirror) {
            seen.iter_mut()
                .for_each(|mirror| mirror.owner = observer.admin);
        }
        if observer.broken == Some(Break::AssignUnlinked) {
            for mirror in seen.iter_mut().filter(|mirror| mirror.user.is_none()) {
                let task = self.store.get(Table::Tasks, mirror.task.get());
                mirror.user = task.map(|task| task.owner);
            }
        }
        for mirror in self.false_mirrors {
            seen.retain(|other| other.id != mirror.id);
            seen.push(mirror);
        }
        let workers = self.store.rows(Table::Workers).map(|row| {
            let mut worker = view::worker(row);
            let heeded = observer.broken != Some(Break::AssignDrained);
            worker.drained = worker.drained.filter(|_| heeded);
            worker
        });
        let mut tasks: Vec<UserTask> = tasks.iter().map(|row| row.task().clone()).collect();
        if observer.broken == Some(Break::AnyAnswer) {
            take_any_answer(&mut tasks, &seen);
        }
        Snapshot {
            late: HashMap::new(),
            admin: Some(observer.admin),
            tasks,
            mirrors: seen,
            active_complete: true,
            strangers: self.strangers,
            impostors: Vec::new(),
            taken: self.taken,
            absent: self.absent,
            searched: self.searched,
            carried: carried(self.rows.values().copied()),
            workers: workers
                .filter(|worker| worker.kind != WorkerKind::Orchestrator)
                .collect(),
            workers_complete: true,
            unread_workers: HashSet::new(),
            unread_mirrors: HashSet::new(),
            legacy: observer.legacy.to_vec(),
            people: self
                .store
                .rows(Table::Users)
                .map(|row| {
                    let read = |of: &HashSet<UserId>| of.contains(&UserId::new(row.id));
                    view::person(row, self.accounts.as_ref().is_none_or(read))
                })
                .collect(),
            turns: observer.turns.clone(),
            in_sight_since: observer.watch.in_sight_since(),
            another_admin: false,
            watched: observer.watch.workers().clone(),
        }
    }
}

/// Whatever was said counts for what is asked.
fn take_any_answer(tasks: &mut [UserTask], mirrors: &[Mirror]) {
    let asked: HashMap<TaskId, &String> = mirrors
        .iter()
        .filter_map(|mirror| Some((mirror.task, &mirror.answer.as_ref()?.question)))
        .collect();
    for task in tasks {
        let question = asked.get(&task.id).copied();
        if let (Some(answer), Some(question)) = (task.answer.as_mut(), question) {
            answer.question.clone_from(question);
        }
    }
}

fn carried<'a>(rows: impl Iterator<Item = &'a Row>) -> HashMap<Uuid, Vec<(Column, Value)>> {
    let ended = rows.filter(|row| row.status.is_terminal());
    let cells = |row: &Row| {
        let cells = plan::sync::CARRIED
            .iter()
            .map(|c| (*c, row.get(*c).clone()));
        cells.filter(|(_, value)| *value != Value::Null).collect()
    };
    ended.map(|row| (row.id, cells(row))).collect()
}
