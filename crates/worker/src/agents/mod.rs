//! Agents: what does a task's work. A closed set; each kind has a file of its own.
//!
//! A [`PhaseJob`] goes in, one program runs, a [`PhaseEnd`] comes out: how the program is called,
//! what its output means and how its end is judged is all that a kind decides. What the phase is for,
//! and what follows it, is the attempt's ([`crate::attempt`]).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use shraga_core::budget::{Budget, Limit};
use shraga_core::causes::chain;
use shraga_core::ids::{Attempt, MirrorId, TaskId};
use shraga_core::reason::Reason;
use shraga_core::usage::Usage;
use shraga_core::worker::Until;
use shraga_core::worker::pipeline::Phase;
use shraga_process::supervise::Cause;
use shraga_process::{Ended, Ending, Program};
use tokio::sync::mpsc;

use crate::attempt::{Footing, Interrupt, Interruption, News};
use crate::capture::{Capture, Captured};
use crate::config::{Command, Kind};
use crate::folder::AttemptFolder;
use crate::meter::Gauge;

mod claude;
mod codex;
mod command;
mod failures;
mod judge;
mod listen;
mod session;
mod stream;
mod supervised;
#[cfg(test)]
mod tests;
mod vigil;

use failures::{Action, Failure};
pub(crate) use listen::Listener;
pub(crate) use session::{restore, session_file};
pub(crate) use stream::Heard;
pub(crate) use supervised::Supervision;
use vigil::Patience;
pub(crate) use vigil::Sign;

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
    /// Most turns it may take, where its kind can bound them.
    pub(crate) turns: Option<u32>,
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
    /// Where what it uses is told while it runs.
    pub(crate) gauge: Gauge,
    /// What is left of the task's budget, for kinds that keep one themselves.
    pub(crate) left: Budget,
    /// How its program is looked after.
    pub(crate) supervision: Supervision,
    /// Whether its attempt can be left to the next process.
    pub(crate) footing: Footing,
}

impl PhaseJob {
    /// Where it is recorded who runs its program.
    fn record(&self) -> PathBuf {
        self.folder.record(self.mirror, self.attempt)
    }
}

/// An agent's own session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// Its name.
    pub(crate) name: String,
    /// What its programs have told so far that all of it used, where its kind tells sums of whole sessions.
    pub(crate) told: Usage,
}

impl Session {
    /// One of this name, of which nothing was told.
    pub(crate) fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            told: Usage::NONE,
        }
    }
}

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
    /// For a reason that waiting cures.
    PutOff(Reason, Until),
    /// It can't go on without the person: [`PhaseEnd::question`].
    Asked,
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
    /// What the person is to be asked, beside what the agent asks itself.
    pub(crate) question: Option<String>,
}

impl PhaseEnd {
    /// The end of a phase whose program never ran.
    pub(crate) fn unavailable(message: String) -> Self {
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
            question: None,
        }
    }
}

/// What a kind of agent has to judge a phase by.
struct Ran {
    ended: Ended,
    /// What its supervisor says of its end.
    cause: Cause,
    captured: Captured,
    why: Option<Interruption>,
    /// For how long it had said nothing when it was ended for that.
    silent: Option<Duration>,
    ran: Duration,
}

/// Most programs run for one phase: fallbacks, and new sessions in place of lost ones.
const RUNS: usize = 6;

/// Runs one phase to its end, or takes it up where an earlier process of this worker left it: the
/// agent's program and, where that can't work for a reason of its vendor's, those that are to stand in
/// for it.
pub(crate) async fn run(
    job: PhaseJob,
    agent: &Command,
    interrupt: &Interrupt,
    news: &mpsc::Sender<News>,
) -> PhaseEnd {
    let mut others = agent.fallback.iter();
    let (mut agent, mut fresh) = (agent, false);
    let mut spent = Usage::NONE;
    for number in 1.. {
        let folder = match job.folder.of_run(number) {
            Ok(folder) => folder,
            Err(error) => return PhaseEnd::unavailable(chain(&error)),
        };
        let job = PhaseJob {
            folder,
            ..job.clone()
        };
        let (mut end, failure) = run_once(&job, agent, fresh, interrupt, news).await;
        end.usage = spent.plus(end.usage);
        let Some(failure) = failure.filter(|_| number < RUNS && interrupt.why().is_none()) else {
            return end;
        };
        job.gauge.carry(end.usage);
        if failure.action() == Action::Afresh && !fresh {
            fresh = true;
            say(&job, news, "[its session is not there; a new one goes on]").await;
        } else if failure.may_fall_back()
            && let Some(next) = others.next()
        {
            let line = format!(
                "[the agent `{}` can't go on: {}; `{}` stands in]",
                agent.name, end.message, next.name
            );
            say(&job, news, &line).await;
            (agent, fresh) = (next, true);
        } else {
            return end;
        }
        spent = end.usage;
    }
    PhaseEnd::unavailable("it was run too often".to_owned())
}

async fn say(job: &PhaseJob, news: &mpsc::Sender<News>, line: &str) {
    tracing::info!(task.id = %job.task, attempt = job.attempt.0, "{line}");
    let _ = news
        .send(News::Lines(job.mirror, vec![line.to_owned()]))
        .await;
}

/// One run of one program, and what went wrong if something did.
async fn run_once(
    job: &PhaseJob,
    agent: &Command,
    fresh: bool,
    interrupt: &Interrupt,
    news: &mpsc::Sender<News>,
) -> (PhaseEnd, Option<Failure>) {
    if let Some(why) = interrupt.why().filter(|_| !supervised::was_started(job)) {
        let (outcome, message) = (PhaseOutcome::Interrupted(why), why.outcome().1);
        return (PhaseEnd::without_run(outcome, message.to_owned()), None);
    }
    let ran = match attend(job, agent, fresh, interrupt, news).await {
        Ok(ran) => ran,
        Err(error) if supervised::is_passing(error.as_ref()) => {
            let end = PhaseEnd::without_run(PhaseOutcome::Retry, chain(error.as_ref()));
            return (end, None);
        }
        Err(error) => {
            let end = PhaseEnd::unavailable(chain(error.as_ref()));
            return (end, Some(Failure::NotThere));
        }
    };
    let (mut end, mut failure) = match &agent.kind {
        Kind::Command => (command::judge(&ran, agent), None),
        Kind::Claude(_) | Kind::Codex(_) => judge::judge(&ran, agent, job.schema.is_some()),
    };
    if let Some(message) = supervised::without_judgement(ran.cause)
        && ran.why.is_none()
    {
        (end.outcome, end.message) = (PhaseOutcome::Retry, message.to_owned());
        failure = None;
    }
    let outcome = command::outcome_file(job, &ran, &end);
    if let Err(error) = job.folder.rewrite("outcome.json", outcome.as_bytes()) {
        tracing::warn!(%error, "the outcome of an attempt isn't in its folder");
    }
    (end, failure)
}

/// How the program is called.
fn program(job: &PhaseJob, agent: &Command, fresh: bool) -> std::io::Result<Program> {
    Ok(match &agent.kind {
        Kind::Command => command::program(job, agent),
        Kind::Claude(claude) => claude::program(job, agent, claude, fresh),
        Kind::Codex(codex) => {
            if let Some(schema) = job.schema {
                std::fs::write(codex::schema_file(job), schema)?;
            }
            codex::program(job, agent, codex, fresh)
        }
    })
}

/// Starts the program and listens to it until nothing of it is left.
async fn attend(
    job: &PhaseJob,
    agent: &Command,
    fresh: bool,
    interrupt: &Interrupt,
    news: &mpsc::Sender<News>,
) -> Result<Ran, Box<dyn std::error::Error + Send + Sync>> {
    let resumed = job.resume.as_ref().filter(|_| !fresh);
    let told = resumed.map_or(Usage::NONE, |resume| resume.session.told);
    let listener = Listener::new(&agent.kind, listen::here(), told);
    let mut capture = Capture::new(job.mirror, news.clone(), listener);
    let patience = Patience {
        after_result: agent.result_grace,
        silence: agent.silence,
    };
    let own = interrupt.of_program();
    let vigil = vigil::watch(capture.signs(), patience, &own);
    let told = job.gauge.follow(capture.signs());
    let vigil = async {
        tokio::select! {
            ended = vigil => ended,
            never = told => match never {},
        }
    };
    let program = program(job, agent, fresh)?;
    let attended = supervised::run(job, program, &own, &mut capture);
    let (end, watched) = alongside(attended, vigil).await;
    let end = end?;
    let mut captured = capture.finish();
    let rest = std::mem::take(&mut captured.rest);
    if !rest.is_empty() {
        let _ = news.send(News::Lines(job.mirror, rest)).await;
    }
    let silent = match watched {
        Some(vigil::Ended::Silent(limit)) => Some(limit),
        Some(vigil::Ended::AfterResult) | None => None,
    };
    let ending = match end.cause {
        Cause::DeadlinePassed => Ending::DeadlinePassed,
        Cause::ByItself => Ending::ByItself,
        Cause::Stopped
        | Cause::TooMuchOutput
        | Cause::Orphaned
        | Cause::Abandoned
        | Cause::Lost => Ending::Stopped,
    };
    Ok(Ran {
        ended: Ended {
            ending,
            exit: end.exit,
            killed: end.killed,
        },
        cause: end.cause,
        captured,
        why: interrupt.why().or_else(|| over(end.cause)),
        silent,
        ran: end.ran(),
    })
}

/// The limit for which a supervisor ended the program by itself.
const fn over(cause: Cause) -> Option<Interruption> {
    match cause {
        Cause::TooMuchOutput => Some(Interruption::Budget(Limit::Output)),
        Cause::ByItself
        | Cause::DeadlinePassed
        | Cause::Stopped
        | Cause::Orphaned
        | Cause::Abandoned
        | Cause::Lost => None,
    }
}

/// Waits for `work`, with `beside` running as long; what either came to.
async fn alongside<W: Future, B: Future>(work: W, beside: B) -> (W::Output, Option<B::Output>) {
    tokio::pin!(work, beside);
    tokio::select! {
        done = &mut work => (done, None),
        said = &mut beside => (work.await, Some(said)),
    }
}
