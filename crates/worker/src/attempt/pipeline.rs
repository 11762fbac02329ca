//! An attempt's way through its phases: what core's pipeline says comes next is run, and what a phase
//! came to is told to it.
//!
//! Before a phase is begun its place is on disk (`course.json`), so that a worker that is started again
//! takes up the phase that runs, not another one. The verifier gets a copy of the files: what it
//! changes is never part of the work. A question ends the attempt, in whatever phase it is asked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shraga_core::budget::Budget;
use shraga_core::causes::chain;
use shraga_core::limits;
use shraga_core::reason::Reason;
use shraga_core::time::Span;
use shraga_core::usage::{Spent, Usage};
use shraga_core::worker::Outcome;
use shraga_core::worker::pipeline::{Next, Phase, PhaseEnded, Pipeline, Progress, Rules, Verdict};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::carry::Start;
use super::checkpoint::{Answered, CarriedSession, Checkpoint};
use super::exchange::Exchange;
use super::ground::Ground;
use super::words::{self, Handed};
use super::{Interrupt, Job, News, Order, copy};
use crate::agents::{self, PhaseEnd, PhaseJob, PhaseOutcome, Resume, Session};
use crate::clock;
use crate::folder::AttemptFolder;
use crate::meter::{self, Allowed, Gauge, Meter};
use crate::stored::{StoredProgress, StoredUsage};

/// Where an attempt's folder says in which phase it is.
const COURSE: &str = "course.json";

/// What the phases of an attempt came to.
#[derive(Debug)]
pub(super) struct Came {
    pub(super) outcome: Outcome,
    pub(super) message: String,
    pub(super) progress: Progress,
    /// What was said in all phases, one after the other.
    pub(super) transcript: String,
    /// What it asks, if it ended by asking.
    pub(super) question: Option<String>,
    /// What the next attempt goes on from, if there is to be one.
    pub(super) checkpoint: Option<String>,
}

/// Where an attempt is, as its folder tells.
#[derive(Debug, Serialize, Deserialize)]
struct Stop {
    progress: StoredProgress,
    /// Phases of this attempt begun so far.
    number: u32,
    exchange: Exchange,
    /// The session that works.
    session: Option<String>,
    /// What was told of it.
    #[serde(default)]
    told: Option<StoredUsage>,
}

/// An attempt before its first phase.
pub(super) struct Begun<'a> {
    pub(super) folder: &'a AttemptFolder,
    pub(super) ground: &'a Ground,
    pub(super) start: Start,
    /// The session to go on with, if it is there.
    pub(super) session: Option<Session>,
    pub(super) without_files: bool,
}

/// The way of one attempt.
pub(super) struct Course<'a> {
    job: &'a Job,
    order: &'a Order,
    folder: &'a AttemptFolder,
    pipeline: Pipeline,
    number: u32,
    ground: &'a Ground,
    /// The session that works, once there is one.
    session: Option<Session>,
    /// The name of the session that the running phase began.
    begun: Option<Session>,
    answers: Vec<Answered>,
    /// Whether nobody has heard the last answer yet.
    unheard: bool,
    without_files: bool,
    transcript: String,
    question: Option<String>,
    /// The last checkpoint that was sent.
    noted: Option<String>,
    /// What the agent of the phase to take up was handed by an earlier process, until it is.
    taken_up: Option<Exchange>,
}

impl<'a> Course<'a> {
    pub(super) fn new(job: &'a Job, order: &'a Order, begun: Begun<'a>) -> Self {
        let Begun {
            folder,
            ground,
            start,
            session,
            without_files,
        } = begun;
        let rules = Rules::new(order.criteria.is_some(), order.rounds, job.summaries);
        let mut course = Self {
            job,
            order,
            folder,
            pipeline: Pipeline::new(rules, job.attempt, start.progress),
            number: 0,
            ground,
            session,
            begun: None,
            answers: start.answers,
            unheard: start.unheard,
            without_files,
            transcript: start.transcript,
            question: None,
            noted: None,
            taken_up: None,
        };
        if job.resumed.is_some() {
            course.take_up(rules);
        }
        course
    }

    /// Goes to the phase in which an earlier process left the attempt.
    fn take_up(&mut self, rules: Rules) {
        let path = self.folder.path().join(COURSE);
        let stop = std::fs::read(path).map_err(|error| error.to_string());
        let stop = stop.and_then(|text| {
            let stop: Stop = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
            let progress = Progress::try_from(stop.progress.clone());
            Ok((progress.map_err(|error| error.to_string())?, stop))
        });
        match stop {
            Ok((progress, stop)) => {
                self.pipeline = Pipeline::new(rules, self.job.attempt, progress);
                self.number = stop.number.saturating_sub(1);
                let told = stop.told.map_or(Usage::NONE, Usage::from);
                self.session = stop.session.map(|name| Session { name, told });
                self.taken_up = Some(stop.exchange);
            }
            Err(error) => tracing::warn!(error, "an attempt begins again: its place can't be read"),
        }
    }

    /// Goes through the phases to the end of the attempt.
    pub(super) async fn run(mut self, interrupt: &Interrupt, news: &mpsc::Sender<News>) -> Came {
        loop {
            if let Some(why) = interrupt.why().filter(|_| self.taken_up.is_none()) {
                let (outcome, message) = why.outcome();
                return self.came(outcome, message.to_owned()).await;
            }
            let ended = match self.phase(interrupt, news).await {
                Ok(ended) => ended,
                Err(message) => {
                    let outcome = Outcome::Failed(Reason::AgentUnavailable);
                    return self.came(outcome, message).await;
                }
            };
            if let Next::End { outcome, message } = self.pipeline.ended(ended) {
                return self.came(outcome, message).await;
            }
        }
    }

    async fn came(self, outcome: Outcome, message: String) -> Came {
        let asked = outcome == Outcome::Asked;
        let checkpoint = match outcome {
            Outcome::Asked | Outcome::Retry | Outcome::PutOff(..) | Outcome::Released => {
                self.checkpoint().await
            }
            Outcome::Completed | Outcome::Failed(_) | Outcome::Canceled => None,
        };
        Came {
            checkpoint,
            outcome,
            message,
            progress: self.pipeline.progress().clone(),
            transcript: self.transcript,
            question: self.question.filter(|_| asked),
        }
    }

    /// Runs the phase that is next.
    async fn phase(
        &mut self,
        interrupt: &Interrupt,
        news: &mpsc::Sender<News>,
    ) -> Result<PhaseEnded, String> {
        self.number += 1;
        let place = self.pipeline.progress().place;
        let handed = self.handed().await;
        let takes_up = self.taken_up.is_some();
        let (exchange, dir) = match self.taken_up.take() {
            Some(exchange) => (exchange, self.dir_of(place.phase)),
            None => {
                let opened = Exchange::open(self.folder.path(), self.number, &handed);
                let exchange = opened.map_err(|error| {
                    format!("nothing can be handed to the agent: {}", chain(&error))
                })?;
                let dir = self.dir(place.phase).await?;
                self.note(&exchange);
                (exchange, dir)
            }
        };
        let meter = self.meter(exchange.folder());
        // One that runs already is ended by its meter, if it must be.
        if let Some((reason, message)) = meter.refuses().filter(|_| !takes_up) {
            return Ok(refused(reason, message));
        }
        let mut phase = self.phase_job(&exchange, &handed, dir.clone())?;
        phase.env.extend(meter.environment());
        phase.gauge = meter.gauge();
        phase.left = meter.left();
        let turns = phase.left.turns;
        phase.turns = turns.map(|turns| u32::try_from(turns).unwrap_or(u32::MAX));
        self.begun = (place.phase == Phase::Work).then(|| phase.new_session.clone());
        let agent = match place.phase {
            Phase::Verify => self.job.verifier.as_ref().unwrap_or(&self.job.agent),
            Phase::Work | Phase::Summarise => &self.job.agent,
        };
        let end = {
            let running = agents::run(phase, agent, interrupt, news);
            let dial = meter.dial();
            let running = meter.attend(running, interrupt, news);
            self.attend(running, &dial, news).await
        };
        if place.phase == Phase::Verify {
            copy::remove(dir).await;
        }
        Ok(self.take_in(end, &exchange))
    }

    /// The meter of the next phase: what this attempt used so far is in its progress.
    fn meter(&self, exchange: &Path) -> Meter {
        let (progress, attempt) = (self.pipeline.progress(), self.job.attempt);
        let ran = progress.ran_in(attempt);
        let usage = match ran.is_zero() {
            true => Usage::NONE,
            false => progress.usage_of(attempt),
        };
        let ran = Span::millis(i64::try_from(ran.as_millis()).unwrap_or(i64::MAX));
        let so_far = Spent { usage, ran };
        let files = meter::Files::new(exchange);
        let allowed = Allowed::of(self.order.budget, &self.order.ledger, &self.job.metering);
        Meter::new(self.job.mirror, &allowed, so_far, files)
    }

    fn phase_job(
        &self,
        exchange: &Exchange,
        handed: &Handed,
        dir: PathBuf,
    ) -> Result<PhaseJob, String> {
        let (place, rounds) = (self.pipeline.progress().place, self.pipeline.rounds());
        let folder = self.folder.of_phase(self.number, place.phase);
        let works = place.phase == Phase::Work;
        let known = self.session.clone().filter(|_| works);
        let resume = known.map(|session| Resume {
            session,
            prompt: words::go_on(place, rounds, handed),
        });
        Ok(PhaseJob {
            mirror: self.job.mirror,
            task: self.job.task,
            attempt: self.job.attempt,
            name: self.job.name.clone(),
            phase: place.phase,
            prompt: words::prompt(self.order, place, rounds, handed),
            frame: words::frame(place, &exchange.question_file()),
            resume,
            new_session: Session::named(Uuid::new_v4().to_string()),
            schema: (place.phase == Phase::Verify).then_some(words::VERDICT_SCHEMA),
            turns: None,
            env: exchange.environment(place, handed),
            exchange: exchange.folder().to_owned(),
            dir,
            folder: folder.map_err(|error| chain(&error))?,
            environment: self.job.environment.clone(),
            grace: self.job.grace,
            gauge: Gauge::default(),
            left: Budget::NONE,
            supervision: self.job.supervision.clone(),
            footing: self.job.footing.clone(),
        })
    }

    /// Waits for a phase, and notes now and then what another attempt would go on from.
    async fn attend(
        &mut self,
        running: impl Future<Output = PhaseEnd>,
        dial: &watch::Receiver<Option<Spent>>,
        news: &mpsc::Sender<News>,
    ) -> PhaseEnd {
        tokio::pin!(running);
        let mut used = None;
        loop {
            tokio::select! {
                end = &mut running => return end,
                () = every(self.job.checkpoint) => {}
            }
            // The agent goes on meanwhile; what it does until then is in the next one.
            let noted = tokio::select! {
                end = &mut running => return end,
                noted = self.checkpoint() => noted,
            };
            let now = *dial.borrow();
            let text = noted.clone().filter(|_| noted != self.noted);
            if text.is_some() || now != used {
                let checkpoint = News::Checkpoint(self.job.mirror, text, now);
                let _ = news.send(checkpoint).await;
                (self.noted, used) = (noted.or(self.noted.take()), now);
            }
        }
    }

    /// What another attempt would go on from.
    async fn checkpoint(&self) -> Option<String> {
        let checkpoint = Checkpoint {
            agent: self.job.agent_name.clone(),
            attempt: self.job.attempt,
            progress: self.pipeline.progress().clone(),
            answers: self.answers.clone(),
            session: self.carried_session(),
            files: self.ground.take().await,
            transcript: self.transcript.clone(),
        };
        if !checkpoint.is_something() {
            return None;
        }
        let text = tokio::task::spawn_blocking(move || checkpoint.to_text());
        text.await.unwrap_or_default()
    }

    /// The session that works: a new one once its agent has put something of it on disk.
    fn carried_session(&self) -> Option<CarriedSession> {
        let dir = self.ground.dir();
        let file = |session: &Session| agents::session_file(self.job, &dir, session);
        if let Some(session) = self.session.clone() {
            let file = file(&session);
            return Some(CarriedSession { session, file });
        }
        let session = self.begun.clone()?;
        let file = file(&session)?;
        Some(CarriedSession {
            session,
            file: Some(file),
        })
    }

    /// What the next phase is told beside the task.
    async fn handed(&self) -> Handed {
        let progress = self.pipeline.progress();
        let works = progress.place.phase == Phase::Work;
        let feedback = progress.feedback().filter(|_| works);
        let fresh = works && self.session.is_none() && !self.transcript.is_empty();
        Handed {
            criteria: self.order.criteria.clone(),
            feedback: feedback.map(str::to_owned),
            answers: self.answers.clone(),
            unheard: self.unheard,
            without_files: self.without_files,
            transcript: fresh.then(|| self.transcript.clone()),
            changes: match works {
                true => None,
                false => self.ground.changes().await,
            },
        }
    }

    /// Where the phase works: where the files are, or, to judge them, in a copy.
    fn dir_of(&self, phase: Phase) -> PathBuf {
        match phase {
            Phase::Work | Phase::Summarise => self.ground.dir(),
            Phase::Verify => self.folder.path().join(format!("copy-{}", self.number)),
        }
    }

    /// The same, with the copy made.
    async fn dir(&self, phase: Phase) -> Result<PathBuf, String> {
        let dir = self.dir_of(phase);
        if phase == Phase::Verify {
            // An earlier process may have left half of it.
            copy::remove(dir.clone()).await;
            copy::make(self.ground.dir(), dir.clone())
                .await
                .map_err(|error| format!("there is no copy to judge: {}", chain(&error)))?;
        }
        Ok(dir)
    }

    /// Takes in what a phase came to.
    fn take_in(&mut self, end: PhaseEnd, exchange: &Exchange) -> PhaseEnded {
        let phase = self.pipeline.progress().place.phase;
        let mut outcome = outcome(end.outcome);
        let written = exchange.question().filter(|_| phase != Phase::Summarise);
        let question = end.question.or(written);
        // An agent that asks ends by itself, and not badly.
        let may_ask = matches!(
            outcome,
            Outcome::Completed | Outcome::Retry | Outcome::Asked
        );
        let mut message = end.message;
        if let Some(question) = question.filter(|_| may_ask) {
            message = limits::line(&format!("asks: {question}"), limits::MESSAGE_UNITS);
            outcome = Outcome::Asked;
            self.question = Some(question);
        }
        if phase == Phase::Work {
            (self.unheard, self.without_files) = (false, false);
            self.session = end.session.or_else(|| self.session.take());
        }
        self.tell(phase, &end.transcript);
        PhaseEnded {
            outcome,
            message,
            verdict: self.verdict(phase, exchange, end.structured.as_deref()),
            result: end.result,
            usage: end.usage,
            ran: end.ran,
        }
    }

    fn verdict(
        &self,
        phase: Phase,
        exchange: &Exchange,
        structured: Option<&str>,
    ) -> Result<Verdict, String> {
        match phase {
            Phase::Verify => exchange.verdict(structured),
            Phase::Work | Phase::Summarise => Err("nothing was judged".to_owned()),
        }
    }

    fn tell(&mut self, phase: Phase, transcript: &str) {
        if transcript.is_empty() {
            return;
        }
        let round = self.pipeline.progress().place.round;
        let all = format!(
            "{}== {phase}, round {round}\n{transcript}\n",
            self.transcript
        );
        self.transcript = limits::tail(&all, limits::TRANSCRIPT_UNITS);
    }

    /// Puts the place on disk. Without it, a worker that is started again begins the attempt again.
    fn note(&self, exchange: &Exchange) {
        let stop = Stop {
            progress: StoredProgress::from(self.pipeline.progress()),
            number: self.number,
            exchange: exchange.clone(),
            session: self.session.as_ref().map(|session| session.name.clone()),
            told: self.session.as_ref().map(|session| session.told.into()),
        };
        let path = self.folder.path().join(COURSE);
        if let Err(error) = write(&path, &stop) {
            tracing::warn!(%error, "the place of an attempt isn't in its folder");
        }
    }
}

/// Completes after `span`; never without one.
async fn every(span: Option<Duration>) {
    match span {
        Some(span) => clock::after(span).await,
        None => std::future::pending().await,
    }
}

/// A phase that was not begun.
fn refused(reason: Reason, message: String) -> PhaseEnded {
    PhaseEnded {
        outcome: Outcome::Failed(reason),
        message,
        verdict: Err("nothing was judged".to_owned()),
        result: String::new(),
        usage: Usage::NONE,
        ran: Duration::ZERO,
    }
}

fn write(path: &Path, stop: &Stop) -> std::io::Result<()> {
    let temporary = path.with_extension("tmp");
    std::fs::write(&temporary, serde_json::to_vec(stop)?)?;
    std::fs::rename(&temporary, path)
}

fn outcome(end: PhaseOutcome) -> Outcome {
    match end {
        PhaseOutcome::Completed => Outcome::Completed,
        PhaseOutcome::Retry => Outcome::Retry,
        PhaseOutcome::Failed(reason) => Outcome::Failed(reason),
        PhaseOutcome::PutOff(reason, until) => Outcome::PutOff(reason, until),
        PhaseOutcome::Asked => Outcome::Asked,
        PhaseOutcome::Interrupted(why) => why.outcome().0,
    }
}
