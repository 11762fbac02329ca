//! What is told of attempts: log lines and metrics. Nothing here changes what is done.
//!
//! Labels are closed sets; an identity is a field of a line, never a label. What an agent printed is
//! in neither.

use shraga_core::ids::{Attempt, MirrorId};
use shraga_core::worker::{Fate, Finish, Outcome};

use crate::status::Work;

/// An agent ended.
pub(crate) fn ended(work: &Work, finish: &Finish) {
    let outcome = count(finish);
    let (attempt, duration_ms) = (work.attempt.0, finish.ran.as_millis());
    let reason = reason(finish.outcome);
    tracing::info!(task.id = %work.task, attempt, outcome, reason, duration_ms, "the agent ended");
}

/// An attempt ended before its agent began; one that has no program to start is done at once.
pub(crate) fn not_begun(mirror: MirrorId, attempt: Attempt, finish: &Finish) {
    let outcome = count(finish);
    if finish.outcome == Outcome::Completed {
        return;
    }
    let reason = reason(finish.outcome);
    let message = &finish.message;
    tracing::warn!(mirror.id = %mirror, attempt = attempt.0, outcome, reason, "no agent: {message}");
}

/// The store settled a report, one way or the other.
pub(crate) fn reported(mirror: MirrorId, attempt: Attempt, fate: Fate) {
    let (mirror, attempt) = (tracing::field::display(mirror), attempt.0);
    let name = match fate {
        Fate::Published => "published",
        Fate::Candidate => "candidate",
        Fate::Moot => "moot",
        Fate::Refused => "refused",
    };
    metrics::counter!("shraga_reports_total", "fate" => name).increment(1);
    match fate {
        Fate::Published | Fate::Moot => {
            tracing::debug!(
                mirror.id = mirror,
                attempt,
                fate = name,
                "the store has the report"
            );
        }
        Fate::Candidate => tracing::warn!(
            mirror.id = mirror,
            attempt,
            "the attempt was somebody else's by now; its result is kept as a candidate"
        ),
        Fate::Refused => tracing::error!(
            mirror.id = mirror,
            attempt,
            "the store refuses a report for good; it stays in the outbox"
        ),
    }
}

/// Counts an attempt, and names its outcome.
fn count(finish: &Finish) -> &'static str {
    let outcome = match finish.outcome {
        Outcome::Completed => "completed",
        Outcome::Retry => "retry",
        Outcome::Released => "released",
        Outcome::Failed(_) => "failed",
        Outcome::Canceled => "canceled",
        Outcome::Asked => "asked",
        Outcome::PutOff(..) => "put-off",
    };
    metrics::counter!("shraga_attempts_total", "outcome" => outcome).increment(1);
    metrics::histogram!("shraga_agent_duration_seconds").record(finish.ran.as_secs_f64());
    outcome
}

fn reason(outcome: Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Failed(reason) | Outcome::PutOff(reason, _) => Some(reason.as_str()),
        Outcome::Completed
        | Outcome::Retry
        | Outcome::Released
        | Outcome::Canceled
        | Outcome::Asked => None,
    }
}
