//! The checks on each row that changes, as it changes.
//!
//! A check looks at rows only, never at what a process believes. What it cannot see in rows (which
//! agent ended with which result) is told by the worker that ran it.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use shraga_core::ids::{Attempt, MirrorId, UserId};
use shraga_core::plan::Policy;
use shraga_core::row::{ChangeSet, Column, Table, Value, events, tasks};
use shraga_core::status::TaskStatus;
use shraga_core::time::Timestamp;
use uuid::Uuid;

use crate::lesser::Abilities;
use crate::lives::Lives;
use crate::money::Money;
use crate::promises::{Author, Check, Promise};
use crate::store::{Change, Row, Store};

/// Columns only the person writes once she has filed the row.
const HERS: [Column; 4] = [tasks::NAME, tasks::PROMPT, tasks::INPUT, tasks::PRIORITY];

/// Columns that never change once a mirror is terminal.
const FINAL: [Column; 4] = [tasks::STATUS, tasks::RESULT, tasks::OUTPUT, tasks::ATTEMPT];

/// An agent that ended well.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    pub(crate) mirror: MirrorId,
    pub(crate) attempt: Attempt,
    pub(crate) result: String,
}

/// Remembers what the store has shown, to check it against what comes.
#[derive(Debug)]
pub(crate) struct Judge {
    pub(crate) admin: UserId,
    pub(crate) store: Abilities,
    pub(crate) lives: Lives,
    pub(crate) money: Money,
    deleted: HashSet<Uuid>,
    /// Tasks that somebody made rows for that look like their mirrors.
    squatted: HashSet<Uuid>,
    /// What people ever said, by row and question.
    answers: HashMap<(Uuid, String), HashSet<String>>,
    /// The admin's mirrors, by the task they name.
    pub(crate) mirrors: HashMap<Uuid, Vec<Uuid>>,
    /// Which mirror of each task orchestrators gave to workers.
    given: HashMap<Uuid, Uuid>,
    /// When each mirror was last assigned.
    assigned: HashMap<Uuid, Timestamp>,
    /// Each must be published or kept as a candidate.
    pub(crate) finished: Vec<Finished>,
    /// Hashes of events that a set did not come to. They may be missing where there are no change sets.
    pub(crate) left_out: HashSet<String>,
}

impl Judge {
    pub(crate) fn new(admin: UserId, policy: Policy, store: Abilities) -> Self {
        Self {
            admin,
            store,
            money: Money::new(admin, policy.budget.clone()),
            lives: Lives::new(policy),
            deleted: HashSet::new(),
            squatted: HashSet::new(),
            answers: HashMap::new(),
            mirrors: HashMap::new(),
            given: HashMap::new(),
            assigned: HashMap::new(),
            finished: Vec::new(),
            left_out: HashSet::new(),
        }
    }

    pub(crate) fn was_deleted(&mut self, id: Uuid) {
        self.deleted.insert(id);
    }

    /// A set stopped before these writes.
    pub(crate) fn left_out(&mut self, rest: &ChangeSet) {
        let hashes = rest.writes.iter().filter_map(|it| it.get(events::HASH));
        self.left_out.extend(hashes.filter_map(|hash| match hash {
            Value::Text(hash) => Some(hash.clone()),
            Value::Null | Value::Int(_) | Value::Bool(_) | Value::Time(_) => None,
        }));
    }

    /// Checks one row that a write changed.
    pub(crate) fn changed(&mut self, author: Author, store: &Store, change: &Change) -> Check {
        let (before, after) = (change.before.as_deref(), change.after.as_ref());
        if author == Author::Person && change.table == Table::Tasks {
            self.hear(after);
        }
        match (change.table, before) {
            (Table::Tasks, None) => self.made(author, store, after),
            (Table::Tasks, Some(before)) if before.is_mirror_of(self.admin) => {
                self.mirror_changed(author, store, before, after)
            }
            (Table::Tasks, Some(before)) => self.task_changed(author, store, before, after),
            (Table::Users, Some(before)) if author != Author::Admin && before.differs(after) => {
                let seen = format!("the row of person {} was written over", before.id);
                Err((Promise::OnlyTheirOwn, seen))
            }
            (Table::Users, _) => self.money.account(after),
            (Table::Workers, _) => self.lives.changed(author, store.now, before, after),
            (Table::Events, _) => Ok(()),
        }
    }

    fn made(&mut self, author: Author, store: &Store, row: &Row) -> Check {
        if self.deleted.contains(&row.id) {
            let seen = format!("deleted row {} came back", row.id);
            return Err((Promise::HerRowIsHers, seen));
        }
        let Some(mirror) = row.mirror() else {
            return Ok(());
        };
        let task = mirror.task.get();
        if !row.is_mirror_of(self.admin) {
            self.squatted.insert(task);
            return Ok(());
        }
        let others = self.mirrors.entry(task).or_default();
        others.push(row.id);
        // Where the store chooses identities a second one may come about, or where somebody sat at the first
        // one's and nothing ties the mirror to the link; only one of them may ever run.
        let tied = self.store.change_sets || !self.squatted.contains(&task);
        let chosen = self.store.own_ids && tied && author == Author::Orchestrator;
        if let (true, [.., other, _]) = (chosen, others.as_slice()) {
            let seen = format!("task {task} has the mirrors {other} and {}", row.id);
            return Err((Promise::OneMirror, seen));
        }
        let owner = store.get(Table::Tasks, task).map(|task| task.owner);
        let bare = mirror.user.is_none() && !self.store.is_full();
        if author == Author::Orchestrator && owner.is_some() && !bare && mirror.user != owner {
            let seen = format!("mirror {} names another person than its task", row.id);
            return Err((Promise::OnlyTheirOwn, seen));
        }
        self.note_assignment(store, row);
        self.money.see(row)?;
        self.lives.takes_work(store, row)
    }

    fn mirror_changed(
        &mut self,
        author: Author,
        store: &Store,
        before: &Row,
        after: &Row,
    ) -> Check {
        let id = before.id;
        if matches!(author, Author::Person | Author::Legacy) {
            let seen = format!("mirror {id} was written by somebody who doesn't own it");
            return Err((Promise::OnlyTheirOwn, seen));
        }
        if before.status.is_terminal()
            && let Some(column) = FINAL.iter().find(|c| before.get(**c) != after.get(**c))
        {
            let (old, new) = (before.get(*column), after.get(*column));
            let seen = format!("mirror {id} had ended, yet {column:?} went from {old} to {new}");
            return Err((Promise::TerminalIsFinal, seen));
        }
        let number = |row: &Row| row.int(tasks::ATTEMPT).unwrap_or(0);
        let (old, new) = (number(before), number(after));
        let assigned = author == Author::Orchestrator
            && before.status == TaskStatus::Pending
            && after.status == TaskStatus::Running;
        if new != old + i64::from(assigned) {
            let seen = format!("mirror {id} went from attempt {old} to {new}");
            return Err((Promise::AttemptsRise, seen));
        }
        if assigned {
            self.given_alone(after)?;
            self.lives.takes_work(store, after)?;
        }
        self.money.see(after)?;
        self.goes_on_with_her_answer(author, before, after)?;
        goes_on_from_its_checkpoint(before, after)?;
        if author == Author::Orchestrator {
            self.taken_away(store, before, after)?;
        }
        self.note_assignment(store, after);
        Ok(())
    }

    /// What a person's row says to a question.
    fn hear(&mut self, row: &Row) {
        let Some(answer) = row.task().answer.clone() else {
            return;
        };
        let said = self.answers.entry((row.id, answer.question)).or_default();
        said.extend(answer.text);
    }

    /// A question is left only with what its person said to it, or for good.
    fn goes_on_with_her_answer(&self, author: Author, before: &Row, after: &Row) -> Check {
        let waited = before.status == TaskStatus::WaitingForInput;
        let ends = after.status.is_terminal() || after.status == TaskStatus::Canceling;
        if !waited || after.status == before.status || ends {
            return Ok(());
        }
        let mirrors = before.mirror().zip(after.mirror());
        let fits = mirrors.is_some_and(|(before, after)| {
            let open = before.answer.as_ref().map(|it| &it.question);
            let given = after
                .answer
                .as_ref()
                .filter(|it| Some(&it.question) == open);
            given.is_some_and(|given| {
                let said = self
                    .answers
                    .get(&(before.task.get(), given.question.clone()));
                given.text.as_ref().is_some_and(|text| {
                    !text.is_empty() && said.is_some_and(|said| said.contains(text))
                })
            })
        });
        if fits && author == Author::Orchestrator {
            return Ok(());
        }
        let seen = format!("mirror {} went on without her answer", before.id);
        Err((Promise::AnswersFit, seen))
    }

    /// Of the mirrors of one task, only one is ever given to anybody.
    fn given_alone(&mut self, row: &Row) -> Check {
        let Some(mirror) = row.mirror() else {
            return Ok(());
        };
        let task = mirror.task.get();
        let given = *self.given.entry(task).or_insert(row.id);
        if given == row.id {
            return Ok(());
        }
        let seen = format!("of task {task} the mirrors {given} and {} ran", row.id);
        Err((Promise::OneMirror, seen))
    }

    /// Whether this mirror of a task was ever given to anybody.
    pub(crate) fn was_given(&self, task: Uuid, mirror: Uuid) -> bool {
        self.given.get(&task) == Some(&mirror)
    }

    fn note_assignment(&mut self, store: &Store, row: &Row) {
        let lease = row.mirror().and_then(|mirror| mirror.lease.as_ref());
        if lease.is_some_and(|lease| lease.boot.is_none()) && row.status == TaskStatus::Running {
            self.assigned.entry(row.id).or_insert(store.now);
        } else {
            self.assigned.remove(&row.id);
        }
    }

    /// An attempt is taken from a worker only if that is gone, or if it let the time to claim pass.
    fn taken_away(&self, store: &Store, before: &Row, after: &Row) -> Check {
        let lease = |row: &'_ Row| row.mirror().and_then(|mirror| mirror.lease.clone());
        let active = matches!(before.status, TaskStatus::Running | TaskStatus::Canceling);
        let Some(held) = lease(before).filter(|_| active) else {
            return Ok(());
        };
        let claimed = held.boot.is_some();
        let released = after.status == TaskStatus::Pending
            || (claimed && after.status.is_terminal())
            || (claimed && lease(after).as_ref() != Some(&held));
        if !released {
            return Ok(());
        }
        let worker = held.worker.get();
        self.lives.replaced_in_time(worker, store.now)?;
        let since = self.assigned.get(&before.id).copied();
        let since = since.unwrap_or(before.modified);
        let row = store.get(Table::Workers, worker).map(Rc::as_ref);
        let task = before.mirror().map(|mirror| mirror.task.get());
        let deleted = task.is_some_and(|task| self.deleted.contains(&task));
        let may_lose = self.lives.may_lose(store.now, &held, since, row);
        if may_lose || (!claimed && deleted) {
            return Ok(());
        }
        let seen = format!(
            "mirror {} was taken from {}, which lives",
            before.id, held.worker
        );
        Err((Promise::HealthyStays, seen))
    }

    fn task_changed(&self, author: Author, store: &Store, before: &Row, after: &Row) -> Check {
        if author == Author::Person {
            return Ok(());
        }
        let id = before.id;
        let changes = |column: &&Column| before.get(**column) != after.get(**column);
        if let Some(column) = HERS.iter().find(changes) {
            let seen = format!("{column:?} of her row {id} was overwritten");
            return Err((Promise::HerRowIsHers, seen));
        }
        if before.is_mirror && author != Author::Legacy {
            let seen = format!("the row {id}, which she planted, was taken for a mirror");
            return Err((Promise::OnlyTheirOwn, seen));
        }
        if author != Author::Orchestrator {
            return Ok(());
        }
        self.link_is_right(store, before, after)?;
        if changes(&&tasks::RESULT)
            && let Some(result) = after.text(tasks::RESULT)
            && let Some(finished) = self.finished.iter().find(|it| it.result == result)
            && mirrored(store, finished.mirror.get()) != Some(id)
        {
            let seen = format!("row {id} was shown a result of somebody else's: {result}");
            return Err((Promise::OnlyTheirOwn, seen));
        }
        Ok(())
    }

    fn link_is_right(&self, store: &Store, before: &Row, after: &Row) -> Check {
        let link = after.text(tasks::MIRROR_LINK);
        if link == before.text(tasks::MIRROR_LINK) {
            return Ok(());
        }
        let Some(link) = link else { return Ok(()) };
        let link = Uuid::parse_str(link).ok();
        let mirror = link.and_then(|id| store.get(Table::Tasks, id));
        let right = mirror.is_some_and(|row| {
            row.is_mirror_of(self.admin) && mirrored(store, row.id) == Some(before.id)
        });
        let seen = || format!("row {} was linked to {link:?}, not its mirror", before.id);
        if right {
            Ok(())
        } else {
            Err((Promise::OneMirror, seen()))
        }
    }
}

/// What another attempt can go on from stays until there is none any more.
fn goes_on_from_its_checkpoint(before: &Row, after: &Row) -> Check {
    let noted = |row: &Row| row.text(tasks::EXECUTION_DETAILS).is_some();
    if !noted(before) || noted(after) || after.status.is_terminal() {
        return Ok(());
    }
    let seen = format!("mirror {} lost what it could go on from", before.id);
    Err((Promise::NoResultLost, seen))
}

/// The task that the mirror at `id` names.
pub(crate) fn mirrored(store: &Store, id: Uuid) -> Option<Uuid> {
    let mirror = store.get(Table::Tasks, id)?.mirror()?;
    Some(mirror.task.get())
}

/// A worker must not run more than it can, nor anybody the same attempt twice.
pub(crate) fn agents_fit<'a>(
    workers: impl Iterator<Item = (&'a str, usize, Vec<(MirrorId, Attempt)>)>,
) -> Check {
    let mut all = Vec::new();
    for (name, slots, mut attempts) in workers {
        if attempts.len() > slots {
            let seen = format!("{name} runs {} agents in {slots} slots", attempts.len());
            return Err((Promise::SlotsHold, seen));
        }
        all.append(&mut attempts);
    }
    all.sort_unstable();
    match all.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            let seen = format!("attempt {} of {} runs twice", pair[0].1, pair[0].0);
            Err((Promise::SlotsHold, seen))
        }
        None => Ok(()),
    }
}
