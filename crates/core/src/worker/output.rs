//! `cr_output`: what programs read of an ended task, and where the attempt's stream ends, for the
//! audit.
//!
//! Everything in it is bounded, so that the column always takes it.

use std::time::Duration;

use super::pipeline::{Progress, Ran, Verdict};
use super::{Finish, Report};
use crate::json::Object;
use crate::limits;
use crate::model::StreamHead;
use crate::usage::Usage;

/// Longest text of a verdict or summary, in UTF-16 units: escaping may take six times the room, and
/// the column has more to hold.
const TEXT_UNITS: usize = 6_000;

/// The column's text for `report`, whose stream ends at `head`.
pub(super) fn of(report: &Report, head: &StreamHead) -> String {
    let Finish {
        ran,
        usage,
        progress,
        ..
    } = &report.finish;
    let output = Object::new()
        .int("attempt", report.attempt.0)
        .int("duration_ms", millis(*ran))
        .text("worker", report.worker)
        .text("boot", report.boot)
        .int("stream_events", head.sequence)
        .text("stream_hash", &head.hash);
    let output = match &report.finish.evidence {
        Some(evidence) => output.object("changes", evidence.to_json()),
        None => output,
    };
    story(used(output, usage), progress).finish()
}

/// The phases of all attempts, and what they came to.
fn story(output: Object, progress: &Progress) -> Object {
    let cut = |text: &String| limits::head(text, TEXT_UNITS);
    let output = output.known("summary", progress.summary.as_ref().map(cut));
    let output = match progress.phases.is_empty() {
        true => output,
        false => output.objects("phases", progress.phases.iter().map(phase)),
    };
    let Some(verdict) = &progress.verdict else {
        return output;
    };
    let verdict = match verdict {
        Verdict::Pass { note } => Object::new().yes_no("pass", true).text("note", cut(note)),
        Verdict::Fail { feedback } => Object::new()
            .yes_no("pass", false)
            .text("feedback", cut(feedback)),
    };
    output.object("verdict", verdict.int("rounds", progress.place.round))
}

fn phase(ran: &Ran) -> Object {
    let phase = Object::new()
        .text("phase", ran.place.phase)
        .int("attempt", ran.attempt.0)
        .int("round", ran.place.round)
        .text("outcome", ran.outcome)
        .int("duration_ms", millis(ran.ran));
    used(phase, &ran.usage)
}

/// What was used, as far as the agent told.
fn used(object: Object, usage: &Usage) -> Object {
    let int = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let object = match usage.cost_micros {
        Some(micros) => object.int("cost_usd_micros", int(micros)),
        None => object,
    };
    match usage.tokens() {
        0 => object,
        tokens => object
            .int("tokens", int(tokens))
            .int("turns", i64::from(usage.turns)),
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
