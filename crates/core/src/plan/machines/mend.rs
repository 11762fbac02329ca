//! Mending a machine before it is given up: restarting one that runs without a worker, repairing one that failed.
//!
//! Once each time its worker was there for a while. Never: one that may hold a task.
//!
//! Until that is over the machine takes no work, though its worker of before may beat for a while: what it took would be
//! lost with it. It is over when another process speaks for the worker, and nothing that was asked may still arrive.

use super::ActKind;
use super::advance::{Next, is_wanted, to};
use super::failing::fail;
use super::look::Look;
use crate::machine::{Found, FoundState, Machine, Record, Stage, TroubleClass, Wish};
use crate::time::Timestamp;

/// How often a restart is asked for that nothing comes of: then a worker from before it is good enough.
const RESTARTS: u32 = 3;

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
        ..anew(machine, look.now)
    };
    let why = match wished {
        true => "an admin wishes it to be restarted",
        false => "it runs, and no worker has checked in from it: it is restarted once",
    };
    Some(to(next, Some(ActKind::Restart), why))
}

/// Restarts a machine whose worker had checked in, has been silent for long, and is needed. What it holds is taken from
/// it first, by those who look after tasks.
pub(super) fn silent(look: &Look<'_>, machine: &Machine) -> Option<Next> {
    let (after, record) = (look.group.mend_after?, &machine.record);
    let heard = machine.last_seen.unwrap_or_default().max(record.since);
    // Nobody needs it: it is stopped instead, unless it is to run always.
    let needed = look.group.idle_stop.is_none() || is_wanted(look, machine);
    if heard.plus(after) > look.now || !needed || machine.drained || !look.holds_nothing(machine) {
        return None;
    }
    if record.mended {
        let said = "its worker fell silent again soon after it was mended";
        let failed = fail(look, machine, TroubleClass::Failed, said);
        return Some(to(failed, None, said));
    }
    let why = "its worker has fallen silent: it is restarted";
    Some(to(anew(machine, look.now), Some(ActKind::Restart), why))
}

/// Notes that mending a machine helped: its worker has been there for a while.
pub(super) fn lasts(look: &Look<'_>, machine: &Machine) -> Option<Next> {
    let record = &machine.record;
    let stayed = machine.checked_in_since(record.since.plus(look.group.stuck_after));
    if !(record.mended || record.failures > 0) || !stayed {
        return None;
    }
    let next = Record {
        mended: false,
        failures: 0,
        ..record.clone()
    };
    Some(to(next, None, "its worker is there to stay"))
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
        return to(anew(machine, look.now), Some(ActKind::Restart), why);
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
    let often = record.failures >= look.group.failures_max;
    let expired = record.since.plus(look.group.failure_expires) <= look.now;
    let worth = record.ready_on.is_some() && (wished || expired || !often);
    if !worth || !look.holds_nothing(machine) || !is_wanted(look, machine) {
        return None;
    }
    let why = "the provider says that it failed: it is repaired";
    Some(to(anew(machine, look.now), Some(ActKind::Repair), why))
}

/// Whether what a machine was mended by has come to its end, so that the worker that beats is one of afterwards.
pub(super) fn is_over(look: &Look<'_>, machine: &Machine, found: Option<&Found>) -> bool {
    use FoundState::{Making, Starting, Stopping};
    let begins = found.is_some_and(|it| matches!(it.state, Making | Starting | Stopping));
    let other = machine.record.boot_before.is_none() || machine.boot != machine.record.boot_before;
    let given_up = machine.record.tries >= RESTARTS;
    !begins && (other || given_up) && arrived(look, machine) <= look.now
}

/// When nothing that was asked of a machine may still arrive.
fn arrived(look: &Look<'_>, machine: &Machine) -> Timestamp {
    let record = &machine.record;
    let asked = record.tried.unwrap_or(record.since);
    asked.plus(look.group.repeat_after).plus(look.group.settle)
}

/// Waits for a restart while the worker beats; asks again once nothing may come of it any more.
pub(super) fn restart_again(look: &Look<'_>, machine: &Machine) -> Option<Next> {
    let record = &machine.record;
    let asked = record.tried.unwrap_or(record.since);
    if !record.mended || !machine.checked_in_since(asked) {
        return None;
    }
    let again = record.trouble.as_ref().and_then(|trouble| trouble.again);
    let due = arrived(look, machine).max(again.unwrap_or_default());
    if due > look.now || !look.holds_nothing(machine) {
        return Some(Next::Wait(Some(due).filter(|due| *due > look.now)));
    }
    let mut next = record.clone();
    next.tried = Some(look.now);
    next.tries = record.tries.saturating_add(1);
    if let Some(trouble) = &mut next.trouble {
        trouble.again = None;
    }
    let why = "its worker still runs from before: it is restarted again";
    Some(to(next, Some(ActKind::Restart), why))
}

/// The record of a machine that starts anew.
fn anew(machine: &Machine, now: Timestamp) -> Record {
    let mut next = machine.record.at(Stage::Starting, now);
    next.tried = Some(now);
    next.tries = 1;
    next.wish = None;
    next.mended = true;
    next.boot_before = machine.boot;
    next
}
