//! Rows as decisions see them: what was observed of a task, a mirror, a worker.
//!
//! These are parsed at the edge from rows (in `shraga-dataverse`) and never re-checked here. They
//! hold what decisions need, not whole rows: results and transcripts stay where they are.

use std::fmt;
use std::str::FromStr;

use crate::budget::Budget;
use crate::fleet::Member;
use crate::ids::{Attempt, BootId, Etag, EventId, MirrorId, TaskId, UserId, WorkerId};
use crate::json::Object;
use crate::ledger::{Account, Ledger};
use crate::machine::Note;
use crate::status::{Pool, TaskStatus, Unknown, WorkPhase, WorkerKind, WorkerState};
use crate::time::Timestamp;

/// A person's own row of the tasks table. Everything she can write is untrusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserTask {
    /// Its identity.
    pub id: TaskId,
    /// Its version.
    pub etag: Etag,
    /// Who owns the row: the only identity that counts.
    pub owner: UserId,
    /// When it was filed.
    pub created: Timestamp,
    /// When it last changed.
    pub modified: Timestamp,
    /// Its status as it stands in the row.
    pub status: TaskStatus,
    /// Name, as filed.
    pub name: String,
    /// Prompt, as filed.
    pub prompt: String,
    /// The JSON of `cr_input`, unparsed, as filed.
    pub input: Option<String>,
    /// What `cr_input` asks for, as far as decisions need it.
    pub wants: Wants,
    /// The mirror link as it stands in the row.
    pub mirror_link: Option<String>,
    /// What else the row says of itself; none of it counts.
    pub claims: Claims,
    /// E-mail, for display.
    pub email: Option<String>,
    /// -100 to 100.
    pub priority: i32,
    /// Not to be assigned before this.
    pub not_before: Option<Timestamp>,
    /// Her answer to a question.
    pub answer: Option<Answer>,
    /// The task this one tries again.
    pub retry_of: Option<TaskId>,
    /// The machine of the legacy worker that took this row, or that it was filed for. Our workers
    /// never touch people's rows.
    pub machine: Option<String>,
    /// What sync last showed her.
    pub shown: Shown,
}

/// What a person's row says where only a mirror says something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// `cr_userid`: whose it is to be.
    pub user: Option<String>,
    /// `cr_mirroroftaskid`: what it is to be a mirror of.
    pub mirror_of: Option<String>,
}

/// What a task asks of a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Agent by name; the worker's default when `None`.
    pub agent: Option<String>,
    /// Labels a worker must carry.
    pub labels: Vec<String>,
    /// Tasks with the same key run one after the other, or as many at once as the operator allows.
    pub key: Option<String>,
    /// What it may use at most.
    pub budget: Budget,
    /// The event whose late result is to be its own: then no worker runs it.
    pub candidate: Option<EventId>,
    /// What of it can't be understood and must not be guessed, with the reason.
    pub unclear: Option<String>,
}

/// The part of a task that sync keeps equal between mirror and user row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// One line for the person.
    pub message: Option<String>,
    /// Reason code.
    pub reason: Option<String>,
    /// The attempt.
    pub attempt: Attempt,
    /// The worker working or having worked on it.
    pub worker: Option<WorkerId>,
    /// When the current attempt was claimed.
    pub started: Option<Timestamp>,
    /// When the task ended.
    pub finished: Option<Timestamp>,
}

/// The admin-owned copy of a task: the source of truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Its identity.
    pub id: MirrorId,
    /// Its version.
    pub etag: Etag,
    /// Who owns the row; counts as a mirror only if that is the admin.
    pub owner: UserId,
    /// The user task it mirrors.
    pub task: TaskId,
    /// The owner of the user task; `None` on rows the original made.
    pub user: Option<UserId>,
    /// When the mirror was made.
    pub created: Timestamp,
    /// When it last changed.
    pub modified: Timestamp,
    /// Its status.
    pub status: TaskStatus,
    /// Name.
    pub name: String,
    /// What the task asks of a worker.
    pub wants: Wants,
    /// Assigned worker's progress.
    pub phase: Option<WorkPhase>,
    /// Who holds it, once claimed.
    pub lease: Option<Lease>,
    /// Attempts that counted as losses.
    pub losses: u32,
    /// When its turn comes.
    pub rank: Timestamp,
    /// Not to be assigned before this.
    pub not_before: Option<Timestamp>,
    /// Head of the orchestrator's event stream.
    pub head: StreamHead,
    /// The open question, or the last one with its answer.
    pub answer: Option<Answer>,
    /// What sync shows the person.
    pub shown: Shown,
    /// What its attempts spent, and what the running one has reserved.
    pub ledger: Ledger,
}

impl Mirror {
    /// Whether it takes a slot of its worker.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        matches!(self.status, TaskStatus::Running | TaskStatus::Canceling)
    }

    /// The lease, if a process of its worker has claimed it.
    #[must_use]
    pub fn claimed(&self) -> Option<&Lease> {
        self.lease.as_ref().filter(|lease| lease.boot.is_some())
    }

    /// The worker it is with, or was last.
    #[must_use]
    pub fn worker(&self) -> Option<WorkerId> {
        self.lease
            .as_ref()
            .map(|lease| lease.worker)
            .or(self.shown.worker)
    }
}

/// Who works on an attempt: all three must match for a write of the worker's to count.
/// `cr_lease`, JSON `{"attempt":N,"boot":GUID or null,"since":RFC 3339,"worker":GUID}`.
///
/// An assignment is a lease in a mirror, and there is none without a worker:
///
/// ```
/// use shraga_core::{ids::{Attempt, WorkerId}, model::Lease, time::Timestamp};
/// fn lease(worker: WorkerId) -> Lease {
///     Lease { worker, boot: None, attempt: Attempt(1), since: Timestamp::from_secs(0) }
/// }
/// ```
///
/// ```compile_fail,E0063
/// use shraga_core::{ids::Attempt, model::Lease, time::Timestamp};
/// fn lease() -> Lease {
///     Lease { boot: None, attempt: Attempt(1), since: Timestamp::from_secs(0) }
/// }
/// ```
///
/// Nor with "perhaps a worker", nor with another row's identity in its place:
///
/// ```compile_fail,E0308
/// use shraga_core::{ids::{Attempt, WorkerId}, model::Lease, time::Timestamp};
/// fn lease(worker: Option<WorkerId>) -> Lease {
///     Lease { worker, boot: None, attempt: Attempt(1), since: Timestamp::from_secs(0) }
/// }
/// ```
///
/// ```compile_fail,E0308
/// use shraga_core::{ids::{Attempt, MirrorId}, model::Lease, time::Timestamp};
/// fn lease(mirror: MirrorId) -> Lease {
///     Lease { worker: mirror, boot: None, attempt: Attempt(1), since: Timestamp::from_secs(0) }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The worker.
    pub worker: WorkerId,
    /// Its process; `None` while assigned and not yet claimed.
    pub boot: Option<BootId>,
    /// The attempt.
    pub attempt: Attempt,
    /// Store time of the assignment or claim.
    pub since: Timestamp,
}

impl Lease {
    /// As the column holds it.
    #[must_use]
    pub fn to_json(&self) -> String {
        Object::new()
            .text("worker", self.worker)
            .maybe("boot", self.boot)
            .int("attempt", self.attempt.0)
            .time("since", self.since)
            .finish()
    }
}

/// The last event of a stream: its number and hash. `cr_eventhead`, JSON
/// `{"hash":HEX,"sequence":N}`, with `"stream":NAME` where the stream had to be given another name; a
/// null column is the default value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamHead {
    /// Number of the last event; 0 when there is none.
    pub sequence: u32,
    /// Hexadecimal SHA-256 of the last event; empty when there is none.
    pub hash: String,
    /// The stream's name, where it is not the usual one.
    pub stream: Option<String>,
}

impl StreamHead {
    /// As the column holds it.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.to_object().finish()
    }

    pub(crate) fn to_object(&self) -> Object {
        Object::new()
            .int("sequence", self.sequence)
            .text("hash", &self.hash)
            .known("stream", self.stream.as_ref())
    }
}

/// A worker's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Its identity.
    pub id: WorkerId,
    /// Its version.
    pub etag: Etag,
    /// Who owns the row: dedicated workers serve this person only.
    pub owner: UserId,
    /// Its name.
    pub name: String,
    /// What kind of row it is.
    pub kind: WorkerKind,
    /// What it is fit for.
    pub state: WorkerState,
    /// Whom it serves.
    pub pool: Pool,
    /// How many tasks it runs at once.
    pub slots: u32,
    /// Labels it carries.
    pub labels: Vec<String>,
    /// Agents it can run.
    pub agents: Vec<String>,
    /// Its running process.
    pub boot: Option<BootId>,
    /// Beat counter.
    pub beat: i64,
    /// Store time of the last beat.
    pub last_seen: Option<Timestamp>,
    /// Store time of the last assignment.
    pub last_assigned: Option<Timestamp>,
    /// Since when an operator wants it to take nothing new. Its own beats never touch this.
    pub drained: Option<Timestamp>,
    /// What the orchestrator last asked it, if it ever did.
    pub suspicion: Option<Suspicion>,
    /// What it last read where questions stand, as it says with each beat.
    pub echo: Option<String>,
    /// What is known of the machine it runs on, where a provider makes that.
    pub machine: Option<Note>,
    /// Its part in updates.
    pub member: Member,
}

impl Worker {
    /// The question it has not answered, if there is one. A worker that beats and does not answer
    /// can't read, so it is doubted like one that is silent.
    #[must_use]
    pub fn asked(&self) -> Option<Suspicion> {
        let answered = |asked: &Suspicion| self.echo.as_deref() == Some(asked.to_string().as_str());
        self.suspicion.filter(|asked| !answered(asked))
    }

    /// Whether somebody wants it to take nothing new: an operator, or whoever is about to stop its machine.
    #[must_use]
    pub fn is_cordoned(&self) -> bool {
        self.drained.is_some() || self.machine.as_ref().is_some_and(|note| !note.takes_work())
    }

    /// Whether it was given up: nobody answered in time, and no process has come back since.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        self.state == WorkerState::Offline && self.asked().is_some()
    }

    /// Whether it runs this agent; `None` is its default, which it has.
    #[must_use]
    pub fn runs(&self, agent: Option<&str>) -> bool {
        agent.is_none_or(|agent| self.agents.iter().any(|mine| mine == agent))
    }

    /// Whether it carries all these labels.
    #[must_use]
    pub fn carries(&self, labels: &[String]) -> bool {
        labels.iter().all(|label| self.labels.contains(label))
    }
}

/// A doubt about a worker, written down: how far its beats had come, and when. `cr_nonce`, as
/// `BEAT@MILLISECONDS`; a worker proves that it reads by writing the same text into `cr_echo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// Its beat counter at that time.
    pub beat: i64,
    /// Store time of the question.
    pub at: Timestamp,
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.beat, self.at.as_millis())
    }
}

impl FromStr for Suspicion {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        let parts = text.split_once('@');
        let read = parts.and_then(|(beat, at)| {
            Some(Self {
                beat: beat.parse().ok()?,
                at: Timestamp::from_millis(at.parse().ok()?),
            })
        });
        read.ok_or_else(|| Unknown {
            what: "question to a worker",
            value: text.to_owned(),
        })
    }
}

/// `cr_answer`, JSON `{"asked": TEXT, "question": ID, "text": TEXT or null}`. A mirror that waits for
/// input carries its open question here, without text, and sync shows it in the person's row, where
/// she answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Identity of the question, chosen by the worker that asked.
    pub question: String,
    /// What was asked. What a person's row says of it counts for nothing.
    pub asked: Option<String>,
    /// What the person said; `None` while the question is open.
    pub text: Option<String>,
}

impl Answer {
    /// As the column holds it.
    #[must_use]
    pub fn to_json(&self) -> String {
        Object::new()
            .known("asked", self.asked.as_ref())
            .text("question", &self.question)
            .maybe("text", self.text.as_ref())
            .finish()
    }
}

/// A row of the users table: a person Shraga has met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Her identity.
    pub id: UserId,
    /// Whether an admin shut her out: her tasks wait.
    pub disabled: bool,
    /// What she spent and reserved on the last day it was written down, with the version of her row;
    /// `None` when the row was not read.
    pub account: Option<(Etag, Account)>,
}
