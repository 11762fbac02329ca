//! What the end of a program that talks means for its phase: its last word counts first, then how it
//! ended.

use shraga_core::limits;
use shraga_core::reason::Reason;
use shraga_core::time::Span;
use shraga_process::{Ending, Exit};

use super::failures::{Action, Failure, by_words};
use super::listen::here;
use super::stream::Heard;
use super::{PhaseEnd, PhaseOutcome, Ran, Session, command};
use crate::attempt::Interruption;
use crate::config::{Command, Kind};

/// See the module; also what went wrong, if something did. `by_schema` says that the answer was to
/// follow a schema.
pub(super) fn judge(ran: &Ran, agent: &Command, by_schema: bool) -> (PhaseEnd, Option<Failure>) {
    let heard = ran.captured.heard.clone().unwrap_or_default();
    match &heard.end {
        Some(Ok(())) => {
            let span = Span::millis(i64::try_from(ran.ran.as_millis()).unwrap_or(i64::MAX));
            let message = format!("completed in {span}");
            (
                of(
                    &heard,
                    ran,
                    PhaseOutcome::Completed,
                    message,
                    agent,
                    by_schema,
                ),
                None,
            )
        }
        // Whoever ends a program hears its complaint about that, which means nothing.
        Some(Err(failure)) if !was_cut_short(ran) => {
            let said = limits::line(&heard.result, limits::MESSAGE_UNITS);
            let message = match said.as_str() {
                "" => failure.reason().message().to_owned(),
                said => said.to_owned(),
            };
            let end = PhaseEnd::failed(failure, ran, agent, message);
            (end, Some(failure.clone()))
        }
        Some(Err(_)) | None => without_word(&heard, ran, agent),
    }
}

/// Whether the program was ended before its time: by somebody, by its silence, by its deadline.
const fn was_cut_short(ran: &Ran) -> bool {
    ran.why.is_some() || ran.silent.is_some() || matches!(ran.ended.ending, Ending::DeadlinePassed)
}

/// The end of a program that never said its last word.
fn without_word(heard: &Heard, ran: &Ran, agent: &Command) -> (PhaseEnd, Option<Failure>) {
    let captured = &ran.captured;
    match (ran.ended.ending, ran.ended.exit) {
        (Ending::Stopped, _) if ran.silent.is_some() => {
            let limit = ran.silent.unwrap_or_default().as_secs();
            let message = format!("ended: it said nothing for {limit} s");
            let end = PhaseEnd::failed(&Failure::Silent, ran, agent, message);
            (end, Some(Failure::Silent))
        }
        (Ending::Stopped, _) => {
            let why = ran.why.unwrap_or(Interruption::WorkerStops);
            let message = why.outcome().1.to_owned();
            let outcome = PhaseOutcome::Interrupted(why);
            (of(heard, ran, outcome, message, agent, false), None)
        }
        (Ending::DeadlinePassed, _) => {
            let limit = agent.timeout.unwrap_or_default().as_secs();
            let message = format!("ended: it ran longer than its {limit} s");
            let outcome = PhaseOutcome::Failed(Reason::TimedOut);
            (of(heard, ran, outcome, message, agent, false), None)
        }
        (Ending::ByItself, exit) => {
            let (what, otherwise) = match exit {
                Exit::Code(code) => (format!("exit code {code} without a result"), Failure::Other),
                Exit::Signal(signal) => (format!("ended by signal {signal}"), Failure::Crashed),
            };
            let failure = by_words(&captured.complaint, &here()).unwrap_or(otherwise);
            let message = command::complaint(&what, captured);
            let end = PhaseEnd::failed(&failure, ran, agent, message);
            (end, Some(failure))
        }
    }
}

/// What was heard, as the end of the phase.
fn of(
    heard: &Heard,
    ran: &Ran,
    outcome: PhaseOutcome,
    message: String,
    agent: &Command,
    by_schema: bool,
) -> PhaseEnd {
    let answer = match &agent.kind {
        // It has no answer beside its last words.
        Kind::Codex(_) if by_schema => Some(heard.result.clone()),
        Kind::Codex(_) | Kind::Claude(_) | Kind::Command => heard.structured.clone(),
    };
    PhaseEnd {
        outcome,
        message,
        result: heard.result.clone(),
        transcript: heard.transcript.text(),
        usage: heard.usage,
        ran: ran.ran,
        session: heard.session.clone().map(|name| Session {
            name,
            told: heard.told,
        }),
        structured: answer,
        question: None,
    }
}

impl PhaseEnd {
    /// The end that follows from what went wrong.
    pub(super) fn failed(failure: &Failure, ran: &Ran, agent: &Command, message: String) -> Self {
        let heard = ran.captured.heard.clone();
        let outcome = match failure.action() {
            Action::Wait(until) => PhaseOutcome::PutOff(failure.reason(), until),
            Action::Ask => PhaseOutcome::Asked,
            Action::Retry => PhaseOutcome::Retry,
            Action::Afresh | Action::Fail => PhaseOutcome::Failed(failure.reason()),
        };
        let said = match &heard {
            Some(heard) => heard.result.clone(),
            None => ran.captured.result.clone(),
        };
        let question = failure.question(&agent.name, &limits::head(&said, limits::MESSAGE_UNITS));
        Self {
            question: question.filter(|_| outcome == PhaseOutcome::Asked),
            ..of(
                &heard.unwrap_or_else(|| Heard {
                    result: said,
                    ..Heard::default()
                }),
                ran,
                outcome,
                message,
                agent,
                false,
            )
        }
    }
}
