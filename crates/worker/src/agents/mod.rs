//! Agents: what does a task's work. A closed set; each kind has a file of its own.
//!
//! A [`PhaseJob`] goes in, one program runs, a [`PhaseEnd`] comes out: how the program is called,
//! what its output means and how its end is judged is all that a kind decides. What the phase is for,
//! and what follows it, is the attempt's ([`crate::attempt`]).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use shraga_core::causes::chain;
use shraga_core::ids::{Attempt, MirrorId, TaskId};
use shraga_core::reason::Reason;
use shraga_core::usage::Usage;
use shraga_core::worker::pipeline::Phase;
use shraga_process::supervise::Cause;
use shraga_process::{Ended, Ending};
use tokio::sync::mpsc;

use crate::attempt::{CarriedSession, Interrupt, Interruption, Job, News};
use crate::capture::{Capture, Captured};
use crate::config::Command;
use crate::folder::AttemptFolder;

mod command;
mod supervised;

pub(crate) use supervised::Supervision;

/// What an agent is to do in one phase, and with what.
#[derive(Clone, Debug)]
pub(crate) struct PhaseJob {
    pub(crate) mirror: MirrorId,
    pub(crate) task: TaskId,
    pub(crate) attempt: Attempt,
    /// The task's name.
    pub(crate) name: String,
    /// What the phase is for.
    pub(crate) phase: Phase,
    /// What it is asked to do, for a session that knows nothing yet; never on a command line.
    pub(crate) prompt: String,
    /// What an agent that reads prose is to know of its surroundings; it goes with either prompt.
    pub(crate) frame: String,
    /// The session to go on with, if the kind has sessions and it is there.
    pub(crate) resume: Option<Resume>,
    /// The name of a new session, where the kind lets others choose it.
    pub(crate) new_session: Session,
    /// The JSON schema that its answer is to follow, where the kind can do that.
    pub(crate) schema: Option<&'static str>,
    /// Further variables of its environment.
    pub(crate) env: Vec<(String, String)>,
    /// The folder in which it may write what it hands back, beside where it works.
    pub(crate) exchange: PathBuf,
    /// Where it works.
    pub(crate) dir: PathBuf,
    /// Where its output is kept.
    pub(crate) folder: AttemptFolder,
    /// The worker's environment, of which it sees an allow-listed part.
    pub(crate) environment: Arc<BTreeMap<String, String>>,
    /// How long it gets between being asked to end and being killed.
    pub(crate) grace: Duration,
    /// How its program is looked after.
    pub(crate) supervision: Supervision,
}

impl PhaseJob {
    /// Where it is recorded who runs its program.
    fn record(&self) -> PathBuf {
        self.folder.record(self.mirror, self.attempt)
    }
}

/// The name of an agent's own session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session(pub(crate) String);

/// A session to go on with.
#[derive(Clone, Debug)]
pub(crate) struct Resume {
    pub(crate) session: Session,
    /// What is new for it.
    pub(crate) prompt: String,
}

/// How a phase ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PhaseOutcome {
    /// Well.
    Completed,
    /// It asks for another attempt.
    Retry,
    /// Badly.
    Failed(Reason),
    /// It was interrupted.
    Interrupted(Interruption),
}

/// What came of a phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PhaseEnd {
    pub(crate) outcome: PhaseOutcome,
    /// One line for the person.
    pub(crate) message: String,
    /// Its result, within the column's limit.
    pub(crate) result: String,
    /// What was said and done, readable, within the column's limit.
    pub(crate) transcript: String,
    /// What it used.
    pub(crate) usage: Usage,
    /// How long it ran.
    pub(crate) ran: Duration,
    /// The session it had, where its kind has sessions.
    pub(crate) session: Option<Session>,
    /// Its answer by [`PhaseJob::schema`], as JSON, where its kind can do that.
    pub(crate) structured: Option<String>,
}

impl PhaseEnd {
    /// The end of a phase whose program never ran.
    fn unavailable(message: String) -> Self {
        Self::without_run(PhaseOutcome::Failed(Reason::AgentUnavailable), message)
    }

    fn without_run(outcome: PhaseOutcome, message: String) -> Self {
        Self {
            outcome,
            message,
            result: String::new(),
            transcript: String::new(),
            usage: Usage::NONE,
            ran: Duration::ZERO,
            session: None,
            structured: None,
        }
    }
}

/// What an agent keeps of `session` on disk, when it worked in `dir`. Kinds without sessions of their
/// own keep nothing.
pub(crate) fn session_file(job: &Job, dir: &Path, session: &Session) -> Option<Vec<u8>> {
    let _ = (job, dir, session);
    None
}

/// Puts a session that was carried over where the agent looks for it when it works in `dir`; gives the
/// session if it is there then.
pub(crate) fn restore(job: &Job, dir: &Path, carried: CarriedSession) -> Option<Session> {
    let _ = (job, dir, carried);
    None
}

/// What a kind of agent has to judge a phase by.
struct Ran {
    ended: Ended,
    captured: Captured,
    why: Option<Interruption>,
    ran: Duration,
}

/// Runs one phase to its end, or takes it up where an earlier process of this worker left it.
pub(crate) async fn run(
    job: PhaseJob,
    agent: &Command,
    interrupt: &Interrupt,
    news: &mpsc::Sender<News>,
) -> PhaseEnd {
    if let Some(why) = interrupt.why().filter(|_| !supervised::was_started(&job)) {
        let (outcome, message) = (PhaseOutcome::Interrupted(why), why.outcome().1);
        return PhaseEnd::without_run(outcome, message.to_owned());
    }
    let mut capture = Capture::new(job.mirror, news.clone());
    let program = command::program(&job, agent);
    let end = match supervised::run(&job, program, interrupt, &mut capture).await {
        Ok(end) => end,
        Err(error) if error.is_about_the_program() => {
            return PhaseEnd::unavailable(chain(&error));
        }
        Err(error) => return PhaseEnd::without_run(PhaseOutcome::Retry, chain(&error)),
    };
    let mut captured = capture.finish();
    let rest = std::mem::take(&mut captured.rest);
    if !rest.is_empty() {
        let _ = news.send(News::Lines(job.mirror, rest)).await;
    }
    let ending = match end.cause {
        Cause::DeadlinePassed => Ending::DeadlinePassed,
        Cause::ByItself => Ending::ByItself,
        Cause::Stopped
        | Cause::TooMuchOutput
        | Cause::Orphaned
        | Cause::Abandoned
        | Cause::Lost => Ending::Stopped,
    };
    let ran = Ran {
        ended: Ended {
            ending,
            exit: end.exit,
            killed: end.killed,
        },
        captured,
        why: interrupt.why(),
        ran: end.ran(),
    };
    let mut judged = command::judge(&ran, agent);
    if let Some(message) = supervised::without_judgement(end.cause)
        && ran.why.is_none()
    {
        judged.outcome = PhaseOutcome::Retry;
        judged.message = message.to_owned();
    }
    let outcome = command::outcome_file(&job, &ran, &judged);
    if let Err(error) = job.folder.rewrite("outcome.json", outcome.as_bytes()) {
        tracing::warn!(%error, "the outcome of an attempt isn't in its folder");
    }
    judged
}
