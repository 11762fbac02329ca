//! Mending a machine before it is given up: restarting one that runs without a worker, repairing one that failed.
//!
//! Once each time its worker was there. Never: one that may hold a task.

use super::ActKind;
use super::advance::{Next, is_wanted, to};
use super::look::Look;
use crate::machine::{Machine, Record, Stage, Wish};
use crate::time::Timestamp;

/// Restarts a machine that runs, and from which no worker has checked in for long.
pub(super) fn restart(look: &Look<'_>, machine: &Machine) -> Option<Next> {
    let (after, record) = (look.group.mend_after?, &machine.record);
    let wished = record.wish == Some(Wish::Restart);
    let late = !record.mended && record.since.plus(after) <= look.now;
    if !(wished || late) || !look.holds_nothing(machine) {
        return None;
    }
    // It is still given up when it would have been.
    let next = Record {
        since: record.since,
        tries: record.tries.saturating_add(1),
        ..anew(record, look.now)
    };
    let why = match wished {
        true => "an admin wishes it to be restarted",
        false => "it runs, and no worker has checked in from it: it is restarted once",
    };
    Some(to(next, Some(ActKind::Restart), why))
}

/// When that is to be looked at again.
pub(super) fn due(look: &Look<'_>, machine: &Machine) -> Option<Timestamp> {
    let at = machine.record.since.plus(look.group.mend_after?);
    (!machine.record.mended && at > look.now).then_some(at)
}

/// Restarts a machine as an admin wishes, which holds nothing. Where it can't be, it is stopped and started.
pub(super) fn wished(look: &Look<'_>, machine: &Machine) -> Next {
    let record = &machine.record;
    let why = "an admin wishes it to be restarted";
    if look.group.mend_after.is_some() {
        return to(anew(record, look.now), Some(ActKind::Restart), why);
    }
    let mut next = record.at(Stage::Stopping, look.now);
    next.wish = Some(Wish::Start);
    next.tried = Some(look.now);
    next.tries = 1;
    let hibernate = look.group.hibernate;
    to(next, Some(ActKind::Stop { hibernate }), why)
}

/// Has the provider mend a machine that failed, before it is given up. One that never ran a worker is made anew
/// instead: nothing is on it.
pub(super) fn repair(look: &Look<'_>, machine: &Machine) -> Option<Next> {
    look.group.mend_after?;
    let record = &machine.record;
    let wished = matches!(record.wish, Some(Wish::Start | Wish::Restart));
    let worth = record.ready_on.is_some() && (wished || !record.mended);
    if !worth || !look.holds_nothing(machine) || !is_wanted(look, machine) {
        return None;
    }
    let why = "the provider says that it failed: it is repaired once";
    Some(to(anew(record, look.now), Some(ActKind::Repair), why))
}

/// The record of a machine that starts anew.
fn anew(record: &Record, now: Timestamp) -> Record {
    let mut next = record.at(Stage::Starting, now);
    next.tried = Some(now);
    next.tries = 1;
    next.wish = None;
    next.mended = true;
    next
}
