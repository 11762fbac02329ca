//! Stops that a provider makes by itself, on a schedule of its own: delayed while the machine holds a lease.
//!
//! Never: for longer in all than the operator allows; for a machine that holds nothing.

use super::ActKind;
use super::advance::{Next, to};
use super::look::Look;
use crate::machine::{Delayed, Found, FoundState, Machine, Record};
use crate::time::{Span, Timestamp};

/// How long before a stop it is delayed: several looks, so that a request that was lost can be made again.
const AHEAD: Span = Span::mins(30);

/// By how much at once. A machine whose orchestrator is gone is stopped this much later at most.
const BY: Span = Span::mins(60);

/// How far apart two moments may be and still be the same stop: the service rounds.
const SAME: Span = Span::mins(2);

/// What is known of the next stop of a machine that holds a lease.
struct Stop {
    at: Timestamp,
    /// When it was due before anybody delayed it.
    first: Timestamp,
    /// As late as it may get.
    last: Timestamp,
    /// Whether it was delayed, and is due earlier than that all the same.
    refused: bool,
}

/// Delays the stop that is due soon.
pub(super) fn next(look: &Look<'_>, machine: &Machine, found: &Found) -> Option<Next> {
    let stop = stop(look, machine, found)?;
    let until = stop.at.plus(BY).min(stop.last);
    let asked = machine.record.delayed.map(|delayed| delayed.asked);
    let rests = asked.is_some_and(|asked| asked.plus(look.group.repeat_after) > look.now);
    if stop.at > look.now.plus(AHEAD) || until <= stop.at.plus(SAME) || (stop.refused && rests) {
        return None;
    }
    let record = Record {
        delayed: Some(Delayed {
            due: stop.first,
            until,
            asked: look.now,
        }),
        ..machine.record.clone()
    };
    let why = format!(
        "it holds a task, and its provider would stop it at {}",
        stop.at
    );
    Some(to(record, Some(ActKind::Delay { until }), &why))
}

/// When that is to be looked at again.
pub(super) fn due(look: &Look<'_>, machine: &Machine) -> Option<Timestamp> {
    let stop = stop(look, machine, look.found(machine)?)?;
    Some(stop.at.minus(AHEAD)).filter(|at| *at > look.now)
}

/// What is to be said of a stop that is not delayed any more.
pub(super) fn note(look: &Look<'_>, machine: &Machine) -> Option<String> {
    let stop = stop(look, machine, look.found(machine)?)?;
    let soon = stop.at <= look.now.plus(AHEAD);
    (soon && stop.last <= stop.at.plus(SAME)).then(|| {
        format!(
            "machine {} holds a task, and its provider stops it at {}: a stop is delayed by {} at most",
            machine.record.name,
            stop.at,
            stop.last.since(stop.first)
        )
    })
}

fn stop(look: &Look<'_>, machine: &Machine, found: &Found) -> Option<Stop> {
    let most = look.group.delay_stops?;
    let at = found.stops_at.filter(|at| *at > look.now)?;
    let listed = look.inventory.ok()?.at;
    let known = machine.record.delayed;
    // What was listed before it was asked says nothing of what came of that.
    let old = known.is_some_and(|known| listed <= known.asked);
    if old || found.state != FoundState::Running || look.held(machine) == 0 {
        return None;
    }
    let same = known.filter(|known| at <= known.until.plus(SAME));
    let first = same.map_or(at, |known| known.due);
    Some(Stop {
        at,
        first,
        last: first.plus(most),
        refused: same.is_some_and(|known| at.plus(SAME) < known.until),
    })
}
