//! The worker as a pure state machine: what it sees and hears in, what it must do out.
//!
//! [`Machine::step`] never waits and never fails. The shell performs each [`Effect`], in order, and
//! reports back with an [`Input`]; all [`Effect::Write`]s of one step belong into one batch, and
//! their answers come back together. The invariants: an agent runs only under a lease that names
//! this worker, this boot and the attempt; a report leaves the outbox only when the store has it,
//! as a result or as a candidate; a terminal state is never written over.
//!
//! The shell ends leftover processes of earlier boots and restores the outbox
//! ([`Input::Restored`]) before its first look. A process that finds agents of the one before it goes on
//! under its boot and says so ([`Input::Resumed`]).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use self::pipeline::Progress;
use crate::ids::{Attempt, BootId, Etag, MirrorId, TaskId, UserId, WorkerId};
use crate::model::{Mirror, StreamHead};
use crate::reason::Reason;
use crate::row::ChangeSet;
use crate::status::Unknown;
use crate::time::{Span, Timestamp};
use crate::usage::{Spent, Usage};

mod evidence;
mod held;
mod machine;
mod output;
pub mod pipeline;
mod retention;
mod talk;
mod writes;

pub use evidence::{COMMITS, ChangedFile, Commit, Evidence, FILES, Push};
pub use machine::Machine;
pub use retention::{Keeping, Kept, Sweep};
pub use writes::as_told;

/// Who this worker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The worker's row.
    pub worker: WorkerId,
    /// This process.
    pub boot: BootId,
    /// Its name, for messages.
    pub name: String,
}

/// What bounds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Tasks run at once.
    pub slots: u32,
    /// Least time between two batches of an agent's lines.
    pub line_interval: Span,
    /// Lines beyond this many bytes per attempt are counted, not sent.
    pub line_bytes_per_attempt: usize,
    /// Whether there is an events table.
    pub events: bool,
}

/// A point in the machine's own order of things: taken before a look is sent, handed back with its
/// answer, so that a look older than a claim cannot revoke it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(pub(super) u64);

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Reports found in the outbox at start, sent or not.
    Restored(Vec<Report>),
    /// Attempts that the process before this one began under the same boot, and whose agents live or have
    /// ended without a report. Comes before the first look, after [`Input::Restored`].
    Resumed(Vec<Resumed>),
    /// Every Running and Canceling mirror assigned to this worker, read after `asked` was taken.
    Looked {
        /// What [`Machine::mark`] said when the look was sent.
        asked: Mark,
        /// The rows.
        rows: Vec<Mirror>,
    },
    /// What became of writes, in any order.
    Answered(Vec<(Ticket, Answer)>),
    /// The agent of this task printed lines.
    Lines(MirrorId, Vec<String>),
    /// What another attempt would go on from, should this one be lost (`cr_executiondetails`, if that has
    /// changed), and what this one has used.
    Checkpoint(MirrorId, Option<String>, Option<Spent>),
    /// The agent of this task ended (or could not be started); its report's content.
    Ended(MirrorId, Box<Finish>),
    /// What the row of this task is now, whatever its status; `None` when there is none, or none that
    /// this worker may see. Answers [`Effect::Inspect`]. A row that can't be understood says nothing:
    /// it is read again later.
    Inspected(MirrorId, Option<Box<Mirror>>),
    /// The report is in the outbox, or could not be written there (it is sent all the same).
    Saved(MirrorId),
    /// Time passed; due at [`Machine::due`].
    Tick,
    /// Take nothing new; what was assigned and not begun goes back.
    Drain,
    /// Take work again.
    Undrain,
    /// Take up nothing new, and give nothing back: the next process of this worker goes on with all of it.
    HandOver,
}

/// An attempt that is gone on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// The mirror.
    pub mirror: MirrorId,
    /// The user task.
    pub task: TaskId,
    /// The person.
    pub user: Option<UserId>,
    /// The attempt.
    pub attempt: Attempt,
    /// Where its stream stands in the store; `None` when that could not be read.
    pub head: Option<StreamHead>,
}

/// Something the shell must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send this, in the same batch as the step's other writes.
    Write(Ticket, ChangeSet),
    /// Start the agent of this task: it is ours. One that an earlier process of this boot started is
    /// attached to, or its end taken in, instead.
    Start {
        /// Its mirror.
        mirror: MirrorId,
        /// The attempt.
        attempt: Attempt,
    },
    /// End the agent of this task; its [`Input::Ended`] still comes.
    Stop(MirrorId, StopCause),
    /// Read the row of this task by its identity, then [`Input::Inspected`].
    Inspect(MirrorId),
    /// Put this report into the outbox, then [`Input::Saved`].
    Save(Box<Report>),
    /// The store has the report: the outbox may drop it, and the folder may be cleaned one day.
    Drop(MirrorId, Attempt, Fate),
}

/// What a report became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The task's result.
    Published,
    /// Too late: kept as a candidate.
    Candidate,
    /// Too late, and nothing in it worth keeping: the task went on without it.
    Moot,
    /// The store refuses it for good; it stays in the outbox for a person to look at.
    Refused,
}

/// Why an agent is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopCause {
    /// The person asked.
    Cancel,
    /// The attempt is somebody else's now.
    LeaseLost,
}

/// Which write an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// The task.
    pub mirror: MirrorId,
    /// The write.
    pub kind: WriteKind,
}

impl Ticket {
    const fn new(mirror: MirrorId, kind: WriteKind) -> Self {
        Self { mirror, kind }
    }
}

/// The kinds of writes a worker makes about a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteKind {
    /// Taking the assignment.
    Claim,
    /// Putting back an assignment untouched, while draining, or one whose process is gone.
    Release,
    /// Lines of the agent.
    Lines,
    /// What the next attempt would go on from, while this one runs.
    Checkpoint,
    /// The end.
    Report,
    /// The end, too late.
    Candidate,
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done; the new version of the mirror, when it was written.
    Done(Option<Etag>),
    /// A condition failed (412): somebody was faster, or it is done already.
    Stale,
    /// Refused for good (400, 403, 404), with the reason.
    Refused(String),
    /// No answer: it may or may not have happened.
    Unknown,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Exit code 0.
    Completed,
    /// Exit code 75: try again, counted.
    Retry,
    /// Put back untouched (the worker is stopping), not counted.
    Released,
    /// Put back for a reason that waiting cures ([`Reason::is_put_off`]), not counted: not to be
    /// tried again before then.
    PutOff(Reason, Until),
    /// Any other end, with its reason code.
    Failed(Reason),
    /// Ended on request.
    Canceled,
    /// It asks the person: the task waits for an answer, and needs no worker meanwhile.
    Asked,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Completed => "completed",
            Self::Retry => "retry",
            Self::Released => "released",
            Self::Failed(reason) | Self::PutOff(reason, _) => reason.as_str(),
            Self::Canceled => "canceled",
            Self::Asked => "asked",
        })
    }
}

impl FromStr for Outcome {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        Ok(match text {
            "completed" => Self::Completed,
            "retry" => Self::Retry,
            "released" => Self::Released,
            "canceled" => Self::Canceled,
            "asked" => Self::Asked,
            reason => match reason.parse()? {
                // A story tells why, not until when.
                reason if Reason::is_put_off(reason) => {
                    Self::PutOff(reason, Until::After(Span::ZERO))
                }
                reason => Self::Failed(reason),
            },
        })
    }
}

/// Until when something waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until this point in time.
    At(Timestamp),
    /// This long, from the moment it is reported.
    After(Span),
}

impl Until {
    /// The point in time, when it is said at `now`.
    #[must_use]
    pub const fn said_at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::After(span) => now.plus(span),
        }
    }
}

/// What the shell knows about the end of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finish {
    /// How.
    pub outcome: Outcome,
    /// The result, already cut to the column's limit.
    pub result: String,
    /// One line for the person; for failures the last lines of standard error.
    pub message: String,
    /// The transcript, already cut.
    pub transcript: String,
    /// How long the agent ran.
    pub ran: Duration,
    /// What its runs used, all phases together; nothing where none began.
    pub usage: Usage,
    /// Where it ran.
    pub folder: Option<String>,
    /// What it did to the repository that the task names.
    pub evidence: Option<Box<Evidence>>,
    /// How far the task has come, this attempt included.
    pub progress: Progress,
    /// What it asks the person, if it ended by asking.
    pub question: Option<String>,
    /// What the next attempt goes on from, if there is to be one: `cr_executiondetails`.
    pub checkpoint: Option<String>,
}

/// An ended attempt, as it lies in the outbox: everything needed to publish it, even by a later
/// process of the same worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The mirror.
    pub mirror: MirrorId,
    /// The user task.
    pub task: TaskId,
    /// The person.
    pub user: Option<UserId>,
    /// The worker.
    pub worker: WorkerId,
    /// The process that ran it.
    pub boot: BootId,
    /// The attempt.
    pub attempt: Attempt,
    /// When it ended (store's time).
    pub at: Timestamp,
    /// Head of the attempt's stream when it ended: the last event sent or being sent.
    pub head: StreamHead,
    /// Lines not sent yet; they go with the report.
    pub lines: Vec<String>,
    /// The content.
    pub finish: Finish,
}

impl Finish {
    /// The end of an attempt with nothing but words for the person.
    #[must_use]
    pub fn said(outcome: Outcome, message: &str) -> Self {
        Self {
            message: message.to_owned(),
            ..Self::untouched(outcome)
        }
    }

    /// The end of an attempt whose agent never ran: it used nothing.
    #[must_use]
    pub fn untouched(outcome: Outcome) -> Self {
        Self {
            outcome,
            result: String::new(),
            message: String::new(),
            transcript: String::new(),
            ran: Duration::ZERO,
            usage: Usage::NONE,
            folder: None,
            evidence: None,
            progress: Progress::default(),
            question: None,
            checkpoint: None,
        }
    }
}
