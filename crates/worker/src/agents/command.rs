//! The `command` agent: any program.
//!
//! It gets the prompt on standard input, `SHRAGA_TASK_ID`, `SHRAGA_TASK_NAME`, `SHRAGA_ATTEMPT` and
//! `SHRAGA_TASK_DIR` (its working directory) in its environment. Its standard output is the result,
//! its lines are events. Exit code 0 completes the task, 75 asks for another attempt, anything else
//! fails it with the last lines of standard error.

use std::time::Duration;

use shraga_core::causes::chain;
use shraga_core::limits;
use shraga_core::reason::Reason;
use shraga_core::worker::{Finish, Outcome};
use shraga_process::{Ended, Ending, Exit, Program, Running};
use tokio::sync::mpsc;

use super::{Interrupt, Interruption, Job, News, interrupted, unavailable};
use crate::capture::{Capture, Captured};
use crate::clock::Mark;
use crate::config::Command;
use crate::folder::{AttemptFolder, FolderError};

/// The exit code that asks for another attempt (`EX_TEMPFAIL`).
const TRY_AGAIN: i32 = 75;

/// Runs the program to its end and tells how it went.
pub(super) async fn run(
    job: Job,
    prompt: String,
    command: Command,
    interrupt: &Interrupt,
    news: &mpsc::Sender<News>,
) -> Finish {
    let (root, task, attempt) = (job.root.clone(), job.task, job.attempt);
    let kept = prompt.clone();
    let made =
        tokio::task::spawn_blocking(move || AttemptFolder::create(&root, task, attempt, &kept));
    let folder = match made.await {
        Ok(Ok(folder)) => folder,
        Ok(Err(error @ FolderError::BegunTooOften)) => {
            return super::finish(Outcome::Retry, &error.to_string());
        }
        Ok(Err(error)) => return unavailable(&chain(&error)),
        Err(error) => return unavailable(&chain(&error)),
    };
    match attend(&job, prompt, &command, &folder, interrupt, news).await {
        Ok(finish) => finish,
        Err(error) => Finish {
            folder: Some(folder.path().display().to_string()),
            ..unavailable(&chain(error.as_ref()))
        },
    }
}

async fn attend(
    job: &Job,
    prompt: String,
    command: &Command,
    folder: &AttemptFolder,
    interrupt: &Interrupt,
    news: &mpsc::Sender<News>,
) -> Result<Finish, Box<dyn std::error::Error + Send + Sync>> {
    let mut capture = Capture::new(folder, job.mirror, news.clone())?;
    let began = Mark::now();
    let running = Running::start(program(job, prompt, command, folder))?;
    folder.record_group(&running.record())?;
    let ended = running.finish(&interrupt.stop, &mut capture).await;
    folder.forget_group();
    let ended = ended?;
    let ran = began.elapsed();
    let mut captured = capture.finish();
    let rest = std::mem::take(&mut captured.rest);
    if !rest.is_empty() {
        let _ = news.send(News::Lines(job.mirror, rest)).await;
    }
    let why = interrupt.why.get().copied();
    let finish = judge(ended, &captured, why, ran, command.timeout, folder);
    let outcome = outcome_file(job, ended, &captured, &finish);
    if let Err(error) = folder.write("outcome.json", outcome.as_bytes()) {
        tracing::warn!(%error, "the outcome of an attempt isn't in its folder");
    }
    Ok(finish)
}

fn program(job: &Job, prompt: String, command: &Command, folder: &AttemptFolder) -> Program {
    let mut env = shraga_process::allowed_environment(&job.environment, &command.env);
    let dir = folder.work();
    let own = [
        ("SHRAGA_TASK_ID", job.task.to_string()),
        ("SHRAGA_TASK_NAME", job.name.replace('\0', "")),
        ("SHRAGA_ATTEMPT", job.attempt.to_string()),
        ("SHRAGA_TASK_DIR", dir.display().to_string()),
    ];
    env.extend(own.map(|(name, value)| (name.to_owned(), value)));
    Program {
        argv: command.program.clone(),
        dir,
        env,
        stdin: prompt.into_bytes(),
        deadline: command.timeout,
        grace: job.grace,
    }
}

/// What the end of the program means for the task.
fn judge(
    ended: Ended,
    captured: &Captured,
    why: Option<Interruption>,
    ran: Duration,
    timeout: Option<Duration>,
    folder: &AttemptFolder,
) -> Finish {
    let (outcome, message) = match (ended.ending, ended.exit) {
        (Ending::Stopped, _) => {
            let (outcome, message) = interrupted(why.unwrap_or(Interruption::WorkerStops));
            (outcome, message.to_owned())
        }
        (Ending::DeadlinePassed, _) => {
            let limit = timeout.unwrap_or_default().as_secs();
            let message = format!("ended: it ran longer than its {limit} s");
            (Outcome::Failed(Reason::TimedOut), message)
        }
        (Ending::ByItself, Exit::Code(0)) => {
            let span = shraga_core::time::Span::millis(millis(ran));
            (Outcome::Completed, format!("completed in {span}"))
        }
        (Ending::ByItself, Exit::Code(TRY_AGAIN)) => (
            Outcome::Retry,
            complaint("it asks for another attempt", captured),
        ),
        (Ending::ByItself, Exit::Code(code)) => (
            Outcome::Failed(Reason::AgentFailed),
            complaint(&format!("exit code {code}"), captured),
        ),
        (Ending::ByItself, Exit::Signal(signal)) => (
            Outcome::Failed(Reason::AgentFailed),
            complaint(&format!("ended by signal {signal}"), captured),
        ),
    };
    Finish {
        outcome,
        result: result(outcome, captured),
        message,
        transcript: String::new(),
        ran,
        cost_micros: None,
        folder: Some(folder.path().display().to_string()),
    }
}

/// The first words of a failure and as much of the end of standard error as fits one message.
fn complaint(what: &str, captured: &Captured) -> String {
    let said = captured.complaint.trim();
    if said.is_empty() {
        return what.to_owned();
    }
    let room = limits::MESSAGE_UNITS.saturating_sub(what.len() + 2);
    format!("{what}: {}", limits::tail(said, room))
}

/// Standard output; for a failure, the last lines of standard error after it.
fn result(outcome: Outcome, captured: &Captured) -> String {
    let failed = match outcome {
        Outcome::Failed(_) | Outcome::Retry => true,
        Outcome::Completed | Outcome::Canceled | Outcome::Released => false,
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

/// The attempt's end for people who look into its folder.
fn outcome_file(job: &Job, ended: Ended, captured: &Captured, finish: &Finish) -> String {
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
        "exit_code": exit_code,
        "signal": signal,
        "ending": ending,
        "killed": ended.killed,
        "ran_ms": millis(finish.ran),
        "output_bytes": captured.bytes,
        "message": finish.message,
    });
    format!("{content:#}\n")
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
