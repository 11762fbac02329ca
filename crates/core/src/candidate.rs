//! Candidates: results of attempts that no longer held the lease, and which of them may become a
//! task's result after all.
//!
//! Whoever accepts one names its event in a new task of hers. That name is all she says: what was
//! done, by whom and for whom is read from events and rows that she can't write. An event counts if
//! the orchestrator had assigned that very attempt to the worker in whose stream it stands, if its
//! identity and its hash are its content's, and if nobody but that worker can have filed it.

use std::fmt;

use crate::audit::{attempt_stream, hash, is_orchestrators};
use crate::ids::{Attempt, BootId, EventId, TaskId, UserId, WorkerId};
use crate::model::{Mirror, Worker};
use crate::status::TaskStatus;

/// What of a task's story tells whether one of its candidates counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Late {
    /// Its candidates.
    pub candidates: Vec<Candidate>,
    /// To whom its attempts were assigned.
    pub assigned: Vec<Assigned>,
}

/// An event that keeps a late result, as it was read back. None of it is to be believed before
/// [`Late::accept`] says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its identity.
    pub id: EventId,
    /// Who made the row.
    pub filed_by: UserId,
    /// The task it says it is about.
    pub task: TaskId,
    /// The attempt it says it is of.
    pub attempt: Attempt,
    /// Its stream.
    pub stream: String,
    /// Its number in the stream.
    pub sequence: u32,
    /// Hash of the event before it; empty where it is the first.
    pub previous: String,
    /// Its own hash, as stored.
    pub hash: String,
    /// The stored bytes of its content.
    pub content: String,
    /// How the attempt ended.
    pub outcome: Option<TaskStatus>,
    /// Its result: the last part of a long one.
    pub result: String,
    /// The branch that holds what it changed, and that branch's commit.
    pub branch: Option<(String, String)>,
}

/// An event that assigns an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// Who made the row.
    pub filed_by: UserId,
    /// Its stream.
    pub stream: String,
    /// The attempt.
    pub attempt: Attempt,
    /// The worker.
    pub worker: WorkerId,
}

/// A candidate that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted<'a> {
    /// The event.
    pub candidate: &'a Candidate,
    /// Whose work it is.
    pub worker: WorkerId,
}

/// Why one doesn't count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The row names no task that it tries again.
    NoTask,
    /// There is no such task of this person's.
    NotHers,
    /// That task may still end well.
    NotEnded,
    /// There is no such event about that task.
    NoEvent,
    /// Identity, stream or hash are not what its content makes them.
    Forged,
    /// That attempt was never the worker's.
    NotAssigned,
    /// Somebody else may have filed it.
    NotTheWorkers,
    /// The attempt did not complete.
    NotCompleted,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoTask => "it does not name the task whose late result it accepts",
            Self::NotHers => "the task whose late result it accepts is not this person's",
            Self::NotEnded => "the task whose late result it accepts has not ended",
            Self::NoEvent => "there is no such late result of that task",
            Self::Forged => "the event is not what its stream and hash say",
            Self::NotAssigned => "that attempt was not assigned to the worker that the event names",
            Self::NotTheWorkers => "the event was not filed by the worker that it names",
            Self::NotCompleted => "that attempt did not complete",
        })
    }
}

/// Who may have filed what.
#[derive(Clone, Copy, Debug)]
pub struct Filers<'a> {
    /// Who owns mirrors and assigns.
    pub admin: UserId,
    /// Whether the store lets nobody but a worker write into that worker's streams.
    pub guarded: bool,
    /// The workers known.
    pub workers: &'a [Worker],
}

impl Late {
    /// The candidate at `id` as the result of `of`, a mirror that counts, for `person`.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn accept(
        &self,
        id: EventId,
        of: &Mirror,
        person: UserId,
        filers: Filers<'_>,
    ) -> Result<Accepted<'_>, Refused> {
        if of.user != Some(person) {
            return Err(Refused::NotHers);
        }
        if !of.status.is_terminal() {
            return Err(Refused::NotEnded);
        }
        let mut candidates = self.candidates.iter();
        let candidate = candidates
            .find(|it| it.id == id && it.task == of.task)
            .ok_or(Refused::NoEvent)?;
        let worker = writer(candidate).ok_or(Refused::Forged)?;
        let own = EventId::of(of.id, &candidate.stream, candidate.sequence);
        let whole = hash(&candidate.previous, &candidate.content) == candidate.hash;
        if own != id || !whole {
            return Err(Refused::Forged);
        }
        let given = |it: &Assigned| {
            it.filed_by == filers.admin
                && is_orchestrators(&it.stream)
                && (it.attempt, it.worker) == (candidate.attempt, worker)
        };
        if !self.assigned.iter().any(given) {
            return Err(Refused::NotAssigned);
        }
        if !filers.may_file(candidate.filed_by, worker) {
            return Err(Refused::NotTheWorkers);
        }
        match candidate.outcome {
            Some(TaskStatus::Completed) => Ok(Accepted { candidate, worker }),
            Some(_) | None => Err(Refused::NotCompleted),
        }
    }
}

impl Filers<'_> {
    /// Whether `user` writes into the streams of `worker`. A worker whose row is gone has nobody who can
    /// be told from a stranger.
    fn may_file(&self, user: UserId, worker: WorkerId) -> bool {
        let mut rows = self.workers.iter();
        self.guarded || user == self.admin || rows.any(|row| row.id == worker && row.owner == user)
    }
}

/// The worker that a candidate's stream names, if it is the one that a worker keeps late results in.
fn writer(candidate: &Candidate) -> Option<WorkerId> {
    let mut parts = candidate.stream.split('/');
    let worker: WorkerId = parts.next()?.parse().ok()?;
    let boot: BootId = parts.nth(1)?.parse().ok()?;
    let usual = candidate_stream(worker, candidate.attempt, boot);
    (candidate.stream == usual).then_some(worker)
}

/// Name of the stream that holds an attempt's late result alone: what sits there already is that same
/// result.
#[must_use]
pub fn candidate_stream(worker: WorkerId, attempt: Attempt, boot: BootId) -> String {
    format!("{}/candidate", attempt_stream(worker, attempt, boot))
}
