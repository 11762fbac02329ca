//! What is told of ticks and change sets: log lines and metrics. Nothing here changes what is done.
//!
//! Labels are closed sets: loops and results. An identity is a field of a line, never a label.

use std::time::Duration;

use shraga_core::plan::Loop;
use shraga_core::row::{ChangeSet, Table};
use shraga_core::time::Span;
use shraga_dataverse::{Error, Outcome, RefusalKind};

use crate::status::LastResult;
use crate::tick::TickReport;

/// A change set and what became of it. `waited` is the age of the task it gives to a worker.
pub(crate) fn settled(by: Loop, set: &ChangeSet, outcome: &Outcome, waited: Option<Span>) {
    let Some(result) = result(outcome) else {
        return;
    };
    let name = name(by);
    metrics::counter!("shraga_change_sets_total", "loop" => name, "result" => result).increment(1);
    let task = set.task.map(tracing::field::display);
    let (why, loop_) = (&set.why, name);
    if !matches!(outcome, Outcome::Done(_)) {
        tracing::debug!(task.id = task, loop = loop_, result, "not done: {why}");
        return;
    }
    let events = set
        .writes
        .iter()
        .filter(|write| write.table == Table::Events);
    metrics::counter!("shraga_events_written_total").increment(events.count() as u64);
    if let Some(waited) = waited {
        let seconds = Duration::from_millis(waited.as_millis().max(0).unsigned_abs());
        metrics::histogram!("shraga_assign_wait_seconds").record(seconds.as_secs_f64());
    }
    // Progress is written every few seconds while something runs.
    match by {
        Loop::Sync => tracing::debug!(task.id = task, loop = loop_, "{why}"),
        Loop::Repair | Loop::Health | Loop::Mirror | Loop::Assign if set.task.is_none() => {
            tracing::debug!(loop = loop_, "{why}");
        }
        Loop::Repair | Loop::Health | Loop::Mirror | Loop::Assign => {
            tracing::info!(task.id = task, loop = loop_, "{why}");
        }
    }
}

/// `None` for what was not tried: it is planned again.
const fn result(outcome: &Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Done(_) => Some("applied"),
        Outcome::NotTried => None,
        Outcome::Unknown | Outcome::Partly(_) => Some("unknown"),
        Outcome::Refused(refusal) => Some(match refusal.kind {
            RefusalKind::Stale | RefusalKind::Missing => "stale",
            RefusalKind::Unavailable => "unknown",
            RefusalKind::Forbidden | RefusalKind::Invalid => "refused",
        }),
    }
}

const fn name(by: Loop) -> &'static str {
    match by {
        Loop::Repair => "repair",
        Loop::Health => "health",
        Loop::Sync => "sync",
        Loop::Mirror => "mirror",
        Loop::Assign => "assign",
    }
}

/// One loop's part of a tick.
pub(crate) fn ran(name: &'static str, last: &LastResult) {
    let result = match last {
        LastResult::Never | LastResult::Idle => "idle",
        LastResult::Planned(_) => "planned",
        LastResult::Trouble(_) => "trouble",
        LastResult::Panicked(_) => "panicked",
    };
    metrics::counter!("shraga_loop_runs_total", "loop" => name, "result" => result).increment(1);
}

/// A tick as a whole.
pub(crate) fn ticked(ticked: &Result<TickReport, Error>, took: Duration) {
    let result = match ticked {
        Err(_) => "trouble",
        Ok(report) if report.trouble.is_some() => "trouble",
        Ok(report) if report.counts.done > 0 => "wrote",
        Ok(_) => "idle",
    };
    metrics::counter!("shraga_ticks_total", "result" => result).increment(1);
    metrics::histogram!("shraga_tick_duration_seconds").record(took.as_secs_f64());
    let Ok(report) = ticked else {
        return;
    };
    let duration_ms = took.as_millis();
    let (planned, done) = (report.counts.planned, report.counts.done);
    tracing::debug!(duration_ms, planned, done, "ticked");
}
