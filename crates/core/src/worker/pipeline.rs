//! Which phase of an attempt comes next: work -> verify -> repeat with the feedback -> summarise.
//!
//! A phase is one run of an agent's program. With criteria, a task is done when a verifier in a
//! session of its own says so, never because the worker does. The work of a round that was not
//! passed goes on with the verifier's feedback, up to a number of rounds; what was done is kept
//! either way. Whatever else ends a phase (a question, a limit, a request to cancel) ends the
//! attempt, and [`Progress`] says where the next one goes on.
//!
//! Decisions only: nothing here runs an agent, reads a verdict, or knows what a phase costs.

use std::fmt;
use std::time::Duration;

use super::Outcome;
use crate::ids::Attempt;
use crate::limits;
use crate::reason::Reason;
use crate::status::{Unknown, words};
use crate::usage::Usage;

/// Rounds of work when a task doesn't say: enough to correct what a verifier names, and a bound on
/// what two sessions that don't understand each other cost.
pub const DEFAULT_ROUNDS: u32 = 3;

/// Most rounds a task may ask for. More rarely ends better, and each costs two sessions.
pub const MOST_ROUNDS: u32 = 10;

/// How often one verification is tried, when its session ends without a verdict.
const VERIFICATIONS: u32 = 2;

/// Phases kept in the story. A task that asks many questions has no end of them; more would crowd
/// the output column.
const PHASES_KEPT: usize = 60;

/// Longest feedback handed on, in UTF-16 units. A verifier that prints a whole log would fill the
/// next prompt; a list of findings fits ten times over.
pub const FEEDBACK_UNITS: usize = 20_000;

words! {
    /// One run of an agent's program within an attempt.
    Phase, "phase" {
        /// The task's work.
        Work = "work",
        /// Whether the criteria hold, judged by a fresh session.
        Verify = "verify",
        /// A few lines about what was done.
        Summarise = "summarise",
    }
}

words! {
    /// When a finished piece of work is summarised: it costs another session.
    Summaries, "setting for summaries" {
        /// Never: the result says it.
        Never = "never",
        /// When it took more than one round, so that no single session knows all of it.
        Rounds = "rounds",
        /// Always.
        Always = "always",
    }
}

/// What a task and its worker want of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Whether the task has criteria: without any, nothing can be verified.
    pub verify: bool,
    /// Rounds of work, at least one.
    pub rounds: u32,
    /// When to summarise.
    pub summaries: Summaries,
}

impl Rules {
    /// The rules for a task with or without criteria; `rounds` as asked for, brought within bounds.
    #[must_use]
    pub fn new(verify: bool, rounds: Option<u32>, summaries: Summaries) -> Self {
        let rounds = rounds.unwrap_or(DEFAULT_ROUNDS).clamp(1, MOST_ROUNDS);
        Self {
            verify,
            rounds,
            summaries,
        }
    }
}

/// Where in the pipeline an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The phase.
    pub phase: Phase,
    /// The round, from 1.
    pub round: u32,
    /// The how manieth run of this phase in this round, from 1.
    pub run: u32,
}

impl Place {
    const fn first(phase: Phase, round: u32) -> Self {
        Self {
            phase,
            round,
            run: 1,
        }
    }
}

/// What the verifier's own session says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The criteria hold.
    Pass {
        /// What it saw.
        note: String,
    },
    /// They don't.
    Fail {
        /// What is missing, for the next round.
        feedback: String,
    },
}

/// How a phase ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseEnded {
    /// As its agent ended; [`Outcome::Completed`] says nothing about the task yet.
    pub outcome: Outcome,
    /// One line for the person.
    pub message: String,
    /// What it printed as its result.
    pub result: String,
    /// What it used.
    pub usage: Usage,
    /// How long it ran.
    pub ran: Duration,
    /// For verifications: the verdict, or why there is none.
    pub verdict: Result<Verdict, String>,
}

/// A phase that is over, for the story of the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// The attempt it was part of.
    pub attempt: Attempt,
    /// Which phase of which round.
    pub place: Place,
    /// How its agent ended.
    pub outcome: Outcome,
    /// What it used.
    pub usage: Usage,
    /// How long it ran.
    pub ran: Duration,
}

/// How far a task has come, over all its attempts: what the next one goes on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The phase that runs, or is to run next.
    pub place: Place,
    /// Result of the last work phase that ended well.
    pub result: String,
    /// The last verdict. One that failed is the feedback for the work that follows.
    pub verdict: Option<Verdict>,
    /// The summary, when there is one.
    pub summary: Option<String>,
    /// The phases that are over, oldest first.
    pub phases: Vec<Ran>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            place: Place::first(Phase::Work, 1),
            result: String::new(),
            verdict: None,
            summary: None,
            phases: Vec::new(),
        }
    }
}

impl Progress {
    /// The same, for a machine that doesn't have the files: what was to be judged has to be made
    /// again first.
    #[must_use]
    pub fn without_files(mut self) -> Self {
        self.place = Place::first(Phase::Work, self.place.round);
        self
    }

    /// What the last verification found missing, for a work phase.
    #[must_use]
    pub fn feedback(&self) -> Option<&str> {
        match &self.verdict {
            Some(Verdict::Fail { feedback }) => Some(feedback),
            Some(Verdict::Pass { .. }) | None => None,
        }
    }

    /// What the phases of `attempt` used.
    #[must_use]
    pub fn usage_of(&self, attempt: Attempt) -> Usage {
        let mine = self.phases.iter().filter(|ran| ran.attempt == attempt);
        let usages = mine.map(|ran| ran.usage);
        usages.reduce(Usage::plus).unwrap_or(Usage::UNKNOWN)
    }

    /// How long the phases of `attempt` ran.
    #[must_use]
    pub fn ran_in(&self, attempt: Attempt) -> Duration {
        let mine = self.phases.iter().filter(|ran| ran.attempt == attempt);
        mine.map(|ran| ran.ran).sum()
    }
}

/// What comes after a phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another phase: the one of [`Progress::place`].
    Run,
    /// The end of the attempt.
    End {
        /// How.
        outcome: Outcome,
        /// One line for the person.
        message: String,
    },
}

/// The pipeline of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    rules: Rules,
    attempt: Attempt,
    progress: Progress,
}

impl Pipeline {
    /// The pipeline of `attempt`, going on from `progress`.
    #[must_use]
    pub fn new(rules: Rules, attempt: Attempt, mut progress: Progress) -> Self {
        let verifies = progress.place.phase == Phase::Verify;
        if verifies && !rules.verify {
            progress.place = Place::first(Phase::Work, progress.place.round);
        }
        Self {
            rules,
            attempt,
            progress,
        }
    }

    /// How far it has come.
    #[must_use]
    pub const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// How many rounds there may be.
    #[must_use]
    pub const fn rounds(&self) -> u32 {
        self.rules.rounds
    }

    /// The phase of [`Progress::place`] has ended: what comes next.
    pub fn ended(&mut self, end: PhaseEnded) -> Next {
        self.note(&end);
        match self.progress.place.phase {
            Phase::Work => self.worked(end),
            Phase::Verify => self.verified(end),
            Phase::Summarise => self.summarised(end),
        }
    }

    fn note(&mut self, end: &PhaseEnded) {
        let phases = &mut self.progress.phases;
        phases.push(Ran {
            attempt: self.attempt,
            place: self.progress.place,
            outcome: end.outcome,
            usage: end.usage,
            ran: end.ran,
        });
        // What this attempt used is summed over its phases, so those of earlier ones go first.
        if phases.len() > PHASES_KEPT {
            let first = phases.iter().position(|ran| ran.attempt != self.attempt);
            phases.remove(first.unwrap_or(0));
        }
    }

    fn worked(&mut self, end: PhaseEnded) -> Next {
        if end.outcome != Outcome::Completed {
            // What a phase printed on its way to a failure is worth more than nothing.
            if self.progress.result.is_empty() {
                self.progress.result = end.result;
            }
            return stop(end.outcome, end.message);
        }
        self.progress.result = end.result;
        if self.rules.verify {
            return self.go(Phase::Verify);
        }
        self.done(end.message)
    }

    fn verified(&mut self, end: PhaseEnded) -> Next {
        let why = match (end.outcome, end.verdict) {
            (Outcome::Completed, Ok(verdict)) => return self.judged(verdict),
            (Outcome::Completed, Err(why)) => (Reason::NotVerified, why),
            (Outcome::Failed(Reason::AgentFailed), _) => (Reason::AgentFailed, end.message),
            (outcome, _) => return stop(outcome, end.message),
        };
        if self.progress.place.run < VERIFICATIONS {
            self.progress.place.run += 1;
            return Next::Run;
        }
        let (reason, why) = why;
        stop(Outcome::Failed(reason), format!("not verified: {why}"))
    }

    fn judged(&mut self, verdict: Verdict) -> Next {
        let verdict = verdict.cut();
        let (round, rounds) = (self.progress.place.round, self.rules.rounds);
        let next = match &verdict {
            Verdict::Pass { .. } => {
                self.progress.verdict = Some(verdict);
                let message = match round {
                    1 => "completed and verified".to_owned(),
                    round => format!("completed and verified in round {round}"),
                };
                return self.done(message);
            }
            Verdict::Fail { feedback } if round >= rounds => {
                let message = format!("not verified after {rounds} rounds: {feedback}");
                stop(Outcome::Failed(Reason::NotVerified), message)
            }
            Verdict::Fail { .. } => {
                self.progress.place = Place::first(Phase::Work, round + 1);
                Next::Run
            }
        };
        self.progress.verdict = Some(verdict);
        next
    }

    /// The work is good: summarise it, or end.
    fn done(&mut self, message: String) -> Next {
        let wanted = match self.rules.summaries {
            Summaries::Never => false,
            Summaries::Rounds => self.progress.place.round > 1,
            Summaries::Always => true,
        };
        match wanted {
            true => self.go(Phase::Summarise),
            false => stop(Outcome::Completed, message),
        }
    }

    /// Nothing that happens to a summary takes back what was done, but a request to end and the loss
    /// of the attempt do.
    fn summarised(&mut self, end: PhaseEnded) -> Next {
        match end.outcome {
            Outcome::Canceled => return stop(end.outcome, end.message),
            Outcome::Completed if !end.result.trim().is_empty() => {
                self.progress.summary = Some(limits::head(end.result.trim(), FEEDBACK_UNITS));
            }
            Outcome::Completed
            | Outcome::Retry
            | Outcome::Released
            | Outcome::PutOff(..)
            | Outcome::Failed(_)
            | Outcome::Asked => {}
        }
        let message = match self.progress.verdict {
            Some(_) => "completed and verified",
            None => "completed",
        };
        stop(Outcome::Completed, message.to_owned())
    }

    fn go(&mut self, phase: Phase) -> Next {
        self.progress.place = Place::first(phase, self.progress.place.round);
        Next::Run
    }
}

impl Verdict {
    /// Within the bounds of what is handed on.
    fn cut(self) -> Self {
        match self {
            Self::Pass { note } => Self::Pass {
                note: limits::head(&note, FEEDBACK_UNITS),
            },
            Self::Fail { feedback } => Self::Fail {
                feedback: limits::head(&feedback, FEEDBACK_UNITS),
            },
        }
    }
}

const fn stop(outcome: Outcome, message: String) -> Next {
    Next::End { outcome, message }
}

#[cfg(test)]
mod tests;
