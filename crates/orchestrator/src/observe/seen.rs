//! What a tick has seen so far: answers folded into core's snapshot, each row once.
//!
//! A row that can't be understood never stops a tick: it is kept apart with the reason. How far
//! changes were seen is worked out here, but only remembered once the tick is over.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use shraga_core::candidate::Late;
use shraga_core::ids::{Etag, EventId, MirrorId, TaskId, UserId, WorkerId};
use shraga_core::model::{Mirror, Person, UserTask, Worker};
use shraga_core::plan::{Need, Snapshot, sync::CARRIED};
use shraga_core::row::{Value, events, tasks};
use shraga_core::status::{TaskStatus, WorkerKind};
use shraga_core::time::Timestamp;
use shraga_dataverse::rows::{self, Row, RowError, Rows};
use uuid::Uuid;

use super::cells::{guid, text, version};
use super::question::{EVENT_ID, Question, TASK_ID, WHOLE, WORKER_ID};
use super::reach::Reach;
use crate::courtesy;
use crate::status::Degraded;

/// A user row that can't be understood: it is refused with this reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadTask {
    /// Its identity.
    pub(crate) id: TaskId,
    /// Its version.
    pub(crate) etag: Etag,
    /// Why.
    pub(crate) why: String,
}

/// What a tick has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// For core.
    pub(crate) snapshot: Snapshot,
    /// The courtesy lease's row.
    pub(crate) lease: Option<Worker>,
    /// User rows to refuse.
    pub(crate) bad: Vec<BadTask>,
    /// Rows that can't be understood, for the log.
    pub(crate) notes: Vec<String>,
    /// What the store lacks.
    pub(crate) degraded: Vec<Degraded>,
    /// People read.
    pub(crate) people: HashMap<UserId, Person>,
    /// Whether all people were read.
    pub(crate) people_complete: bool,
    /// Whether workers were read.
    pub(crate) workers_read: bool,
    /// How far windows reached.
    pub(crate) reach: Reach,
    /// The other rows of tasks of which one row was read on purpose.
    pub(crate) pairs: Vec<Need>,
    /// Legacy workers whose last turn was read.
    pub(crate) turns_read: Vec<((Timestamp, Option<i64>), WorkerId)>,
    /// Whether the attempts that ended last were read.
    pub(crate) ended_read: bool,
    /// Whether open mirrors of other admins were looked for.
    pub(crate) anothers_read: bool,
    /// Whether a mirror was seen that isn't at its computed identity.
    pub(crate) foreign_mirrors: bool,
    tasks: HashMap<TaskId, usize>,
    mirrors: HashMap<MirrorId, usize>,
    asked: HashSet<Need>,
    known: Known,
    active: Option<Vec<MirrorId>>,
}

/// Mirrors that are with a worker, as they were read at their versions.
pub(crate) type Known = Arc<HashMap<MirrorId, Mirror>>;

impl Seen {
    /// Starts with what is known without asking.
    pub(crate) fn new(snapshot: Snapshot, known: Known) -> Self {
        Self {
            snapshot,
            known,
            ..Self::default()
        }
    }

    /// Remembers the turns that were read, in their order: rows tell seconds, versions what was first
    /// within one.
    pub(crate) fn order_turns(&mut self) {
        self.turns_read.sort_unstable();
        for ((at, version), worker) in &self.turns_read {
            if version.is_some() {
                self.snapshot.turns.give(*worker, *at);
            }
        }
    }

    /// Completes the snapshot with the people that its rows are about; `met` were met earlier.
    pub(crate) fn complete_people(&mut self, met: &HashSet<UserId>) {
        let owners = self.snapshot.tasks.iter().map(|task| task.owner);
        let users = self
            .snapshot
            .mirrors
            .iter()
            .filter_map(|mirror| mirror.user);
        let concerned: BTreeSet<UserId> = owners.chain(users).collect();
        let person = |id| {
            let met = met.contains(&id).then_some(Person {
                id,
                disabled: false,
                account: None,
            });
            self.people.get(&id).cloned().or(met)
        };
        // Whoever was asked for is there too: the admin's row holds everybody's account.
        let asked = self.asked.iter().filter_map(|need| match need {
            Need::Person(id) => Some(*id),
            Need::Task(_)
            | Need::Mirror(_)
            | Need::MirrorsOf(_)
            | Need::Event(_)
            | Need::Carried(_)
            | Need::Late(_) => None,
        });
        let concerned: BTreeSet<UserId> = concerned.into_iter().chain(asked).collect();
        self.snapshot.people = concerned.into_iter().filter_map(person).collect();
    }

    /// Notes something the store lacks.
    pub(crate) fn lack(&mut self, degraded: Degraded) {
        if !self.degraded.contains(&degraded) {
            self.degraded.push(degraded);
        }
    }

    /// Marks `need` as asked; `false` when it was asked before.
    pub(crate) fn ask(&mut self, need: Need) -> bool {
        self.asked.insert(need)
    }

    /// Whether this user row was seen.
    pub(crate) fn has_task(&self, id: TaskId) -> bool {
        self.tasks.contains_key(&id)
    }

    /// The user row with this identity, if it was seen.
    pub(crate) fn task(&self, id: TaskId) -> Option<&UserTask> {
        self.tasks.get(&id).map(|&i| &self.snapshot.tasks[i])
    }

    /// Whether the row at this mirror identity was seen.
    pub(crate) fn has_mirror(&self, id: MirrorId) -> bool {
        self.mirrors.contains_key(&id) || self.snapshot.strangers.contains_key(&id)
    }

    /// Whether a task that has not ended was seen.
    pub(crate) fn open(&self) -> bool {
        let tasks = self.snapshot.tasks.iter().map(|task| task.status);
        let mirrors = self.snapshot.mirrors.iter().map(|mirror| mirror.status);
        tasks.chain(mirrors).any(|status| !status.is_terminal())
    }

    /// The other admin whose mirror this task links, if it was seen.
    pub(crate) fn other_admin_of(&self, task: TaskId) -> Option<UserId> {
        let link = self.task(task)?.mirror_link.as_deref()?.trim();
        let at = *self.mirrors.get(&link.parse().ok()?)?;
        let owner = self.snapshot.mirrors[at].owner;
        (Some(owner) != self.snapshot.admin).then_some(owner)
    }

    /// How many rows it holds.
    pub(crate) fn rows(&self) -> usize {
        let snapshot = &self.snapshot;
        snapshot.tasks.len() + snapshot.mirrors.len() + snapshot.workers.len() + self.people.len()
    }

    /// Folds the answer to `question` in.
    pub(crate) fn take(&mut self, question: &Question, answer: &Rows) {
        let rows = answer.rows.as_slice();
        self.reach.note(question, rows);
        match question {
            Question::HighWater => {}
            Question::NewTasks(_) => self.take_tasks(rows),
            Question::Requests(..) | Question::OpenTasks(..) => {
                self.take_tasks_and_want_mirrors(rows);
            }
            Question::Ended(..) => {
                self.take_mirrors_and_want_tasks(rows);
                self.take_carried(rows);
            }
            Question::Progress(..) | Question::OpenMirrors(..) => {
                self.take_mirrors_and_want_tasks(rows);
            }
            Question::Anothers(_) => {
                self.take_mirrors_and_want_tasks(rows);
                self.anothers_read = true;
            }
            Question::Waiting(_) | Question::WaitingBehind(..) | Question::WaitingOthers(..) => {
                self.take_waiting(rows);
            }
            Question::Active => {
                self.take_active(rows);
                self.snapshot.active_complete = complete(answer);
            }
            Question::LastGiven(worker) => self.take_turn(*worker, rows),
            Question::LastEnded(_) => {
                let mirrors = rows.iter().filter_map(|row| rows::mirror(row).ok());
                mirrors.for_each(|mirror| self.snapshot.turns.end(&mirror));
                self.ended_read = true;
            }
            Question::Workers => {
                rows.iter().for_each(|row| self.take_worker(row));
                self.snapshot.workers_complete = complete(answer);
                self.workers_read = true;
            }
            Question::People => {
                self.take_people(rows);
                self.people_complete = true;
            }
            Question::Disabled => self.take_people(rows),
            Question::Persons(ids) => {
                self.take_people(rows);
                let missing = ids.iter().filter(|id| !self.people.contains_key(id));
                let missing: Vec<Uuid> = missing.map(|id| id.get()).collect();
                self.snapshot.absent.extend(missing);
            }
            Question::Tasks(ids) => self.take_tasks_asked_for(ids, rows),
            Question::Mirrors(ids) => self.take_mirrors_asked_for(ids, rows),
            Question::MirrorsOf(ids) => {
                self.take_mirrors(rows);
                self.snapshot.searched.extend(ids);
            }
            Question::Carried(_) => self.take_carried(rows),
            Question::Events(_) => {
                let ids = rows.iter().filter_map(|row| guid(row, EVENT_ID));
                self.snapshot.taken.extend(ids.map(EventId::new));
            }
            Question::Late(tasks) => self.take_late(tasks, rows),
            Question::Impostors(_) => {
                let readable = rows.iter().filter_map(|row| rows::user_task(row).ok());
                self.snapshot.impostors.extend(readable);
            }
        }
    }

    fn take_tasks_asked_for(&mut self, ids: &[TaskId], rows: &[Row]) {
        self.take_tasks(rows);
        let missing = ids.iter().filter(|id| !self.tasks.contains_key(id));
        let missing: Vec<Uuid> = missing.map(|id| id.get()).collect();
        self.snapshot.absent.extend(missing);
    }

    fn take_mirrors_asked_for(&mut self, ids: &[MirrorId], rows: &[Row]) {
        rows.iter().for_each(|row| self.take_at_mirror_id(row));
        let missing = ids.iter().filter(|id| !self.has_mirror(**id));
        let missing: Vec<Uuid> = missing.map(|id| id.get()).collect();
        self.snapshot.absent.extend(missing);
    }

    fn take_tasks(&mut self, rows: &[Row]) {
        for row in rows {
            match rows::user_task(row) {
                Ok(task) => self.keep_task(task),
                Err(error) => {
                    self.notes.push(error.to_string());
                    self.bad.extend(bad_task(row, error.to_string()));
                }
            }
        }
    }

    fn take_tasks_and_want_mirrors(&mut self, rows: &[Row]) {
        let before = self.snapshot.tasks.len();
        self.take_tasks(rows);
        let linked = |task: &&UserTask| task.mirror_link.is_some();
        let new = self.snapshot.tasks[before..].iter().filter(linked);
        let mirrors = new.map(|task| Need::Mirror(MirrorId::of(task.id, 0)));
        self.pairs.extend(mirrors);
    }

    /// What is known at the version that was read is used; the rest is asked for.
    fn take_active(&mut self, rows: &[Row]) {
        let mut active = Vec::with_capacity(rows.len());
        for row in rows {
            let Some(slim) = row.part::<Slim>() else {
                continue;
            };
            let id = MirrorId::new(slim.id);
            active.push(id);
            let known = self.known.get(&id);
            let known = known.filter(|known| known.etag.as_str() == slim.etag);
            match known.cloned() {
                Some(mirror) => self.keep_mirror(mirror),
                None => self.pairs.push(Need::Mirror(id)),
            }
        }
        self.active = Some(active);
    }

    /// The mirrors that are with a worker, when they were asked for: known from now on.
    pub(crate) fn now_known(&self) -> Option<Known> {
        let mirrors = self.active.as_ref()?.iter().filter_map(|id| {
            let at = *self.mirrors.get(id)?;
            Some((*id, self.snapshot.mirrors[at].clone()))
        });
        Some(Arc::new(mirrors.collect()))
    }

    /// With legacy workers, a waiting mirror is assigned together with the person's row.
    fn take_waiting(&mut self, rows: &[Row]) {
        if self.snapshot.legacy.is_empty() {
            self.take_mirrors(rows);
        } else {
            self.take_mirrors_and_want_tasks(rows);
        }
    }

    fn take_mirrors_and_want_tasks(&mut self, rows: &[Row]) {
        let before = self.snapshot.mirrors.len();
        self.take_mirrors(rows);
        let new = &self.snapshot.mirrors[before..];
        self.pairs
            .extend(new.iter().map(|mirror| Need::Task(mirror.task)));
    }

    fn take_turn(&mut self, worker: WorkerId, rows: &[Row]) {
        let given = rows.first().and_then(|row| {
            let mirror = rows::mirror(row).ok()?;
            let since = mirror.lease.map(|lease| lease.since);
            Some((since.unwrap_or(mirror.modified), version(row)))
        });
        self.turns_read.push((given.unwrap_or_default(), worker));
    }

    fn keep_task(&mut self, task: UserTask) {
        let next = self.snapshot.tasks.len();
        if *self.tasks.entry(task.id).or_insert(next) == next {
            self.snapshot.tasks.push(task);
        }
    }

    fn take_mirrors(&mut self, rows: &[Row]) {
        for row in rows {
            match rows::mirror(row) {
                Ok(mirror) => self.keep_mirror(mirror),
                Err(error) => self.keep_unread(row, &error),
            }
        }
    }

    /// A row that says it is a mirror and can't be understood: if it is the admin's, its task has one.
    fn keep_unread(&mut self, row: &Row, error: &RowError) {
        let slim = row.part::<Slim>().filter(|slim| {
            let owner = slim.owner.map(UserId::new);
            owner.is_some() && owner == self.snapshot.admin
        });
        let task: Option<TaskId> = slim.and_then(|slim| slim.mirror_of?.trim().parse().ok());
        self.snapshot.unread_mirrors.extend(task);
        let id = guid(row, TASK_ID).unwrap_or_default();
        self.notes
            .push(format!("the mirror {id} is left alone: {error}"));
    }

    fn keep_mirror(&mut self, mirror: Mirror) {
        let next = self.snapshot.mirrors.len();
        if *self.mirrors.entry(mirror.id).or_insert(next) == next {
            self.foreign_mirrors |= mirror.id != MirrorId::of(mirror.task, 0);
            self.snapshot.mirrors.push(mirror);
        }
    }

    /// A row at a mirror's identity is a mirror, or a stranger.
    fn take_at_mirror_id(&mut self, row: &Row) {
        let Some(slim) = row.part::<Slim>() else {
            return;
        };
        match rows::mirror(row) {
            Ok(mirror) if slim.mirror == Some(true) => self.keep_mirror(mirror),
            read @ (Ok(_) | Err(_)) => {
                if let (Err(error), Some(true)) = (read, slim.mirror) {
                    self.keep_unread(row, &error);
                }
                let owner = slim.owner.map(UserId::new).unwrap_or(NOBODY);
                let id = MirrorId::new(slim.id);
                self.snapshot.strangers.insert(id, owner);
            }
        }
    }

    fn take_worker(&mut self, row: &Row) {
        match rows::worker(row) {
            Ok(worker) if worker.kind == WorkerKind::Orchestrator => {
                if worker.id == courtesy::ROW {
                    self.lease = Some(worker);
                }
            }
            Ok(worker) => self.snapshot.workers.push(worker),
            Err(error) => {
                let id = guid(row, WORKER_ID).map(WorkerId::new);
                self.snapshot.unread_workers.extend(id);
                let id = id.unwrap_or(WorkerId::new(Uuid::nil()));
                self.notes
                    .push(format!("the worker {id} is given nothing: {error}"));
            }
        }
    }

    fn take_people(&mut self, rows: &[Row]) {
        for row in rows {
            match rows::person(row) {
                Ok(person) => drop(self.people.insert(person.id, person)),
                Err(error) => self.notes.push(error.to_string()),
            }
        }
    }

    /// What can't be understood is left out: it tells of no late result that could be accepted.
    fn take_late(&mut self, tasks: &[TaskId], rows: &[Row]) {
        let late = &mut self.snapshot.late;
        tasks
            .iter()
            .for_each(|task| _ = late.entry(*task).or_default());
        for row in rows {
            match rows::late(row) {
                Ok(Some(rows::Late::Candidate(candidate))) => {
                    let of = late.entry(candidate.task).or_default();
                    of.candidates.push(candidate);
                }
                Ok(Some(rows::Late::Assigned(assigned))) => {
                    let of = text(row, events::TASK_ID.name()).and_then(|it| it.parse().ok());
                    let of: Option<&mut Late> = of.and_then(|task: TaskId| late.get_mut(&task));
                    of.into_iter()
                        .for_each(|of| of.assigned.push(assigned.clone()));
                }
                Ok(None) => {}
                Err(error) => self.notes.push(error.to_string()),
            }
        }
    }

    fn take_carried(&mut self, rows: &[Row]) {
        for row in rows {
            let (Some(slim), Some(cells)) = (row.part::<Slim>(), row.part::<Cells<'_>>()) else {
                continue;
            };
            let carried = CARRIED.iter().filter_map(|column| {
                let text: Option<String> =
                    serde_json::from_str(cells.get(column.name())?.get()).ok()?;
                Some((*column, Value::Text(text?)))
            });
            self.snapshot.carried.insert(slim.id, carried.collect());
        }
    }
}

/// The columns of a row of the tasks table that say which row it is.
#[derive(Deserialize)]
struct Slim {
    #[serde(rename = "@odata.etag")]
    etag: String,
    #[serde(rename = "cr_shraga_taskid")]
    id: Uuid,
    #[serde(rename = "cr_ismirror", default)]
    mirror: Option<bool>,
    #[serde(rename = "cr_mirroroftaskid", default)]
    mirror_of: Option<String>,
    #[serde(rename = "_ownerid_value", default)]
    owner: Option<Uuid>,
}

/// A row's columns, their values unread.
type Cells<'a> = HashMap<&'a str, &'a RawValue>;

/// The owner of a row whose owner can't be read.
const NOBODY: UserId = UserId::new(Uuid::nil());

/// The status core sees of a mirror that `rows` refused is unknown; nothing is done with it.
fn bad_task(row: &Row, why: String) -> Option<BadTask> {
    let open = text(row, tasks::STATUS.name())
        .and_then(|code| code.parse().ok())
        .and_then(|code: i64| TaskStatus::try_from(code).ok())
        .is_none_or(|status| !status.is_terminal());
    Some(BadTask {
        id: TaskId::new(guid(row, TASK_ID)?),
        etag: row.etag().filter(|_| open)?,
        why,
    })
}

fn complete(answer: &Rows) -> bool {
    answer.next_link.is_none() && answer.rows.len() < WHOLE as usize
}
