//! The checks on a store at rest: faults have stopped and nothing is left to do.

use std::collections::HashSet;

use shraga_core::ids::{Attempt, MirrorId, TaskId};
use shraga_core::model::Answer;
use shraga_core::plan::{Policy, Snapshot};
use shraga_core::reason::Reason;
use shraga_core::row::{Table, events, tasks};
use shraga_core::status::{EventKind, TaskStatus};
use shraga_core::why::why;

use crate::judge::{Finished, Judge};
use crate::promises::{Check, Promise};
use crate::store::{Row, Store};

impl Judge {
    /// Checks everything; `everything` is what an orchestrator sees that looks at all of it.
    /// `kept` are attempts whose results are still with workers that will come back.
    pub(crate) fn at_rest(
        &self,
        store: &Store,
        kept: &HashSet<(MirrorId, Attempt)>,
        everything: &Snapshot,
        policy: &Policy,
    ) -> Check {
        let explained = |task: TaskId| {
            let gates = why(everything, policy, store.now, task);
            let answer = gates.last();
            answer.is_some_and(|gate| !gate.holds && gate.advice.is_some())
        };
        for row in store.rows(Table::Tasks) {
            if row.is_mirror_of(self.admin) {
                ended_or_explained("mirror", row, explained)?;
                self.published_by_its_attempt(row)?;
            } else if !row.is_mirror && row.owner != self.admin {
                ended_or_explained("row", row, explained)?;
                self.shows_the_truth(store, row)?;
            }
        }
        let here = |it: &&Finished| !kept.contains(&(it.mirror, it.attempt));
        for finished in self.finished.iter().filter(here) {
            result_kept(store, finished)?;
        }
        self.streams_verify(store)
    }

    /// A person's row says what its one mirror says.
    fn shows_the_truth(&self, store: &Store, row: &Row) -> Check {
        let mirrors = self.mirrors.get(&row.id).into_iter().flatten();
        let rows = mirrors.filter_map(|id| store.get(Table::Tasks, *id));
        let second = |row: &&std::rc::Rc<Row>| {
            let duplicate = row.text(tasks::REASON) == Some(Reason::Duplicate.as_str());
            duplicate && row.status == TaskStatus::Canceled
        };
        // Several may have been canceled before anything was done. How often one was given to somebody is
        // not read from the row: a person may have made a number up.
        let untouched = |mirror: &std::rc::Rc<Row>| {
            mirror.status == TaskStatus::Canceled && !self.was_given(row.id, mirror.id)
        };
        let mut counting: Vec<_> = rows.filter(|row| !second(row)).collect();
        counting.sort_by_key(|row| untouched(row));
        let Some((mirror, others)) = counting.split_first() else {
            return Ok(());
        };
        if let Some(other) = others.iter().find(|row| !untouched(row)) {
            let (task, one, other) = (row.id, mirror.id, other.id);
            let seen = format!("task {task} keeps the mirrors {one} and {other}");
            return Err((Promise::OneMirror, seen));
        }
        let shown = match mirror.status {
            TaskStatus::Pending => TaskStatus::Queued,
            status => status,
        };
        let same =
            row.status == mirror.status || row.text(tasks::REASON) == mirror.text(tasks::REASON);
        if mirror.status == TaskStatus::WaitingForInput {
            asked_of_her(mirror, row)?;
        }
        if row.status == shown || (!mirror.status.is_terminal() && same) {
            return Ok(());
        }
        let (id, is) = (mirror.id, mirror.status);
        let seen = format!(
            "mirror {id} is {is}, her row {} says {}",
            row.id, row.status
        );
        Err((Promise::NothingStuck, seen))
    }

    /// What a completed mirror publishes is the result of its last attempt.
    fn published_by_its_attempt(&self, row: &Row) -> Check {
        let own = |it: &&Finished| it.mirror.get() == row.id;
        let Some(result) = row.text(tasks::RESULT) else {
            return Ok(());
        };
        let attempt = row.int(tasks::ATTEMPT).unwrap_or(0);
        match self
            .finished
            .iter()
            .filter(own)
            .find(|it| it.result == result)
        {
            Some(it) if i64::from(it.attempt.0) != attempt => {
                let seen = format!(
                    "mirror {} publishes attempt {}, its last is {attempt}",
                    row.id, it.attempt
                );
                Err((Promise::TerminalIsFinal, seen))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// An open question is in her row, where she can answer it.
fn asked_of_her(mirror: &Row, row: &Row) -> Check {
    let question = |answer: Option<&Answer>| answer.map(|it| it.question.clone());
    let open = mirror.mirror().and_then(|it| question(it.answer.as_ref()));
    if open.is_some() && open == question(row.task().answer.as_ref()) {
        return Ok(());
    }
    let seen = format!(
        "row {} doesn't show the question of mirror {}",
        row.id, mirror.id
    );
    Err((Promise::NothingStuck, seen))
}

fn ended_or_explained(what: &str, row: &Row, explained: impl Fn(TaskId) -> bool) -> Check {
    let task = match row.mirror().filter(|_| row.is_mirror) {
        Some(mirror) => mirror.task,
        None => TaskId::new(row.id),
    };
    if row.status.is_terminal() || (row.text(tasks::REASON).is_some() && explained(task)) {
        return Ok(());
    }
    let (id, status) = (row.id, row.status);
    let reason = row.text(tasks::REASON).unwrap_or("no reason");
    let seen = format!("{what} {id} stays {status}, with {reason}");
    Err((Promise::NothingStuck, seen))
}

/// A result is in its mirror, or in a candidate event of its task.
fn result_kept(store: &Store, finished: &Finished) -> Check {
    let Finished { mirror, result, .. } = finished;
    let row = store.get(Table::Tasks, mirror.get());
    if row.is_some_and(|row| row.text(tasks::RESULT) == Some(result.as_str())) {
        return Ok(());
    }
    let candidate = EventKind::Candidate.as_str();
    let mut events = store.rows(Table::Events);
    let kept = events.any(|row| {
        let content = row.text(events::CONTENT).unwrap_or_default();
        row.text(events::KIND) == Some(candidate) && content.contains(result.as_str())
    });
    if kept {
        return Ok(());
    }
    let seen = format!("neither published nor a candidate: {result}");
    Err((Promise::NoResultLost, seen))
}
