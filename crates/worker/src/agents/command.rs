//! The `command` agent: any program.
//!
//! It gets the prompt on standard input, `SHRAGA_TASK_ID`, `SHRAGA_TASK_NAME`, `SHRAGA_ATTEMPT`,
//! `SHRAGA_TASK_DIR` (its working directory) and what [`crate::attempt`] hands it in its environment. Its standard output is the result,
//! its lines are events. Exit code 0 completes the task, 75 asks for another attempt, anything else
//! fails it with the last lines of standard error.

use std::time::Duration;

use shraga_core::limits;
use shraga_core::reason::Reason;
use shraga_core::usage::Usage;
use shraga_process::{Ending, Exit, Program};

use super::failures::Failure;
use super::{PhaseEnd, PhaseJob, PhaseOutcome, Ran};
use crate::attempt::Interruption;
use crate::capture::Captured;
use crate::config::Command;

/// The exit code that asks for another attempt (`EX_TEMPFAIL`).
const TRY_AGAIN: i32 = 75;

/// How much later than the meter a program's own deadline is.
const METER_FIRST: Duration = Duration::from_secs(5);

/// How the program is called.
pub(super) fn program(job: &PhaseJob, command: &Command) -> Program {
    let mut env = shraga_process::allowed_environment(&job.environment, &command.env);
    let dir = job.dir.clone();
    let own = [
        ("SHRAGA_TASK_ID", job.task.to_string()),
        ("SHRAGA_TASK_NAME", job.name.replace('\0', "")),
        ("SHRAGA_ATTEMPT", job.attempt.to_string()),
        ("SHRAGA_TASK_DIR", dir.display().to_string()),
    ];
    env.extend(own.map(|(name, value)| (name.to_owned(), value)));
    env.extend(job.env.iter().cloned());
    Program {
        argv: command.program.clone(),
        dir,
        env,
        stdin: job.prompt.clone().into_bytes(),
        deadline: deadline(job, command),
        grace: job.grace,
    }
}

/// The prompt with what an agent that reads prose is to know of its surroundings.
pub(super) fn framed(prompt: &str, frame: &str) -> String {
    match frame.trim() {
        "" => prompt.to_owned(),
        frame => format!("{prompt}\n\n---\n{frame}\n"),
    }
}

/// When it is ended whatever becomes of this worker: a limit on time is kept a little later than by the
/// meter, which says why.
fn deadline(job: &PhaseJob, command: &Command) -> Option<Duration> {
    let left = job.left.time.map(|span| {
        let left = Duration::from_millis(span.as_millis().unsigned_abs());
        left.saturating_add(METER_FIRST)
    });
    left.into_iter().chain(command.timeout).min()
}

/// What the end of the program means for the phase.
pub(super) fn judge(ran: &Ran, command: &Command) -> PhaseEnd {
    let captured = &ran.captured;
    let (outcome, message) = match (ran.ended.ending, ran.ended.exit) {
        (Ending::Stopped, _) if ran.silent.is_some() => {
            let failure = Failure::Silent;
            let limit = ran.silent.unwrap_or_default().as_secs();
            let message = format!("ended: it said nothing for {limit} s");
            return PhaseEnd::failed(&failure, ran, command, message);
        }
        (Ending::Stopped, _) => {
            let why = ran.why.unwrap_or(Interruption::WorkerStops);
            (PhaseOutcome::Interrupted(why), why.outcome().1.to_owned())
        }
        (Ending::DeadlinePassed, _) => {
            let limit = command.timeout.unwrap_or_default().as_secs();
            let message = format!("ended: it ran longer than its {limit} s");
            (PhaseOutcome::Failed(Reason::TimedOut), message)
        }
        (Ending::ByItself, Exit::Code(0)) => {
            let span = shraga_core::time::Span::millis(millis(ran.ran));
            (PhaseOutcome::Completed, format!("completed in {span}"))
        }
        (Ending::ByItself, Exit::Code(TRY_AGAIN)) => (
            PhaseOutcome::Retry,
            complaint("it asks for another attempt", captured),
        ),
        (Ending::ByItself, Exit::Code(code)) => (
            PhaseOutcome::Failed(Reason::AgentFailed),
            complaint(&format!("exit code {code}"), captured),
        ),
        (Ending::ByItself, Exit::Signal(signal)) => (
            PhaseOutcome::Failed(Reason::AgentFailed),
            complaint(&format!("ended by signal {signal}"), captured),
        ),
    };
    PhaseEnd {
        outcome,
        result: result(outcome, captured),
        message,
        transcript: String::new(),
        usage: Usage::UNKNOWN,
        ran: ran.ran,
        session: None,
        structured: None,
        question: None,
    }
}

/// The first words of a failure and as much of the end of standard error as fits one message.
pub(super) fn complaint(what: &str, captured: &Captured) -> String {
    let said = captured.complaint.trim();
    if said.is_empty() {
        return what.to_owned();
    }
    let room = limits::MESSAGE_UNITS.saturating_sub(what.len() + 2);
    format!("{what}: {}", limits::tail(said, room))
}

/// Standard output; for a failure, the last lines of standard error after it.
fn result(outcome: PhaseOutcome, captured: &Captured) -> String {
    let failed = match outcome {
        PhaseOutcome::Failed(_) | PhaseOutcome::Retry => true,
        PhaseOutcome::Completed
        | PhaseOutcome::Asked
        | PhaseOutcome::PutOff(..)
        | PhaseOutcome::Interrupted(_) => false,
    };
    if !failed || captured.complaint.trim().is_empty() {
        return captured.result.clone();
    }
    let whole = format!(
        "{}\n[standard error]\n{}",
        captured.result, captured.complaint
    );
    limits::tail(&whole, limits::MEMO_UNITS)
}

/// The end for people who look into the attempt's folder.
pub(super) fn outcome_file(job: &PhaseJob, ran: &Ran, end: &PhaseEnd) -> String {
    let ended = ran.ended;
    let (exit_code, signal) = match ended.exit {
        Exit::Code(code) => (Some(code), None),
        Exit::Signal(signal) => (None, Some(signal)),
    };
    let ending = match ended.ending {
        Ending::ByItself => "by-itself",
        Ending::DeadlinePassed => "deadline-passed",
        Ending::Stopped => "stopped",
    };
    let content = serde_json::json!({
        "task": job.task.to_string(),
        "attempt": job.attempt.0,
        "phase": job.phase.as_str(),
        "exit_code": exit_code,
        "signal": signal,
        "ending": ending,
        "killed": ended.killed,
        "ran_ms": millis(ran.ran),
        "output_bytes": ran.captured.bytes,
        "message": end.message,
    });
    format!("{content:#}\n")
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
