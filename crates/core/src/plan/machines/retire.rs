//! How a machine ends, and what becomes of one that has.
//!
//! Stopping takes three looks: the machine is cordoned, is looked at again once every other orchestrator has
//! written what it had planned, and only then stopped. Never: one that may hold a task is stopped or deleted.

use super::ActKind;
use super::advance::{
    Next, again, appeared, ask, asleep_now, ends, fault, gone, is_wanted, start, to, vanished,
};
use super::look::Look;
use super::mend;
use crate::machine::{Found, FoundState, Machine, Stage, Wish};

pub(super) fn cordoned(look: &Look<'_>, machine: &Machine, found: Option<&Found>) -> Next {
    let record = &machine.record;
    let ends = ends(record);
    let fresh = look.is_fresh(machine);
    let state = found.map(|found| &found.state);
    if fresh && found.is_none() && !look.may_run(machine) {
        return vanished(look, machine);
    }
    if fresh && matches!(state, Some(FoundState::Asleep)) && !look.may_run(machine) {
        return to(asleep_now(look, machine), None, "it was stopped");
    }
    if let Some(found) = found.filter(|it| fresh && it.state == FoundState::Failed)
        && !look.beats(machine)
    {
        let mut next = fault(look, machine, found);
        next.wish = record.wish.filter(|wish| *wish != Wish::Stop);
        return to(next, None, "it failed");
    }
    let known = matches!(
        state,
        Some(FoundState::Running | FoundState::Starting | FoundState::Making)
    );
    if !known {
        return Next::Wait(None);
    }
    if !fresh {
        return Next::Wait(None);
    }
    if !ends && (look.held(machine) > 0 || is_wanted(look, machine)) {
        let mut next = record.at(Stage::Up, look.now);
        next.used_until = Some(look.now);
        return to(next, None, "there is work for it after all");
    }
    let settled = record.since.plus(look.group.settle);
    if settled > look.now {
        return Next::Wait(Some(settled));
    }
    if !look.holds_nothing(machine) {
        return Next::Wait(None);
    }
    match record.wish {
        Some(Wish::Delete) => ask(look, machine, Stage::Deleting, ActKind::Delete),
        Some(Wish::Restart) => mend::wished(look, machine),
        Some(Wish::Stop | Wish::Start) | None => {
            let hibernate = look.group.hibernate;
            ask(look, machine, Stage::Stopping, ActKind::Stop { hibernate })
        }
    }
}

pub(super) fn stopping(look: &Look<'_>, machine: &Machine, found: Option<&Found>) -> Next {
    let Some(found) = found else {
        return to(gone(look, machine, None), None, "it ended");
    };
    match &found.state {
        FoundState::Asleep => to(asleep_now(look, machine), None, "it is stopped"),
        // Somebody gave it work before the cordon was seen, and its worker took it.
        FoundState::Running if !look.holds_nothing(machine) => {
            let next = machine.record.at(Stage::Cordoned, look.now);
            to(next, None, "it holds a task and is not stopped")
        }
        FoundState::Running => {
            let hibernate = look.group.hibernate;
            again(look, machine, ActKind::Stop { hibernate })
        }
        FoundState::Failed => to(fault(look, machine, found), None, "it could not be stopped"),
        FoundState::Making
        | FoundState::Starting
        | FoundState::Stopping
        | FoundState::Deleting
        | FoundState::Expiring
        | FoundState::AwaitingApproval
        | FoundState::Other(_) => Next::Wait(None),
    }
}

pub(super) fn asleep(look: &Look<'_>, machine: &Machine, found: Option<&Found>) -> Next {
    let record = &machine.record;
    let Some(found) = found else {
        return to(gone(look, machine, None), None, "it was deleted");
    };
    match &found.state {
        FoundState::Running | FoundState::Starting => appeared(look, machine, found),
        FoundState::Failed => to(fault(look, machine, found), None, "it failed"),
        FoundState::Asleep => {
            let kept = look.group.delete_after_stopped;
            let until = kept.map(|kept| record.since.plus(kept));
            let expired = until.is_some_and(|until| until <= look.now);
            match record.wish {
                Some(Wish::Delete) if look.holds_nothing(machine) => {
                    ask(look, machine, Stage::Deleting, ActKind::Delete)
                }
                // What it held is taken from it once its worker has been silent for long enough.
                Some(Wish::Delete) => Next::Wait(None),
                Some(Wish::Start | Wish::Restart) => {
                    start(look, machine, "an admin wishes it to run")
                }
                Some(Wish::Stop) => {
                    let mut next = record.clone();
                    next.wish = None;
                    to(next, None, "it is stopped, as an admin wished")
                }
                None if expired && !is_wanted(look, machine) && look.holds_nothing(machine) => {
                    ask(look, machine, Stage::Deleting, ActKind::Delete)
                }
                None => Next::Wait(until.filter(|until| *until > look.now)),
            }
        }
        FoundState::Making
        | FoundState::Stopping
        | FoundState::Deleting
        | FoundState::Expiring
        | FoundState::AwaitingApproval
        | FoundState::Other(_) => Next::Wait(None),
    }
}

pub(super) fn deleting(look: &Look<'_>, machine: &Machine, found: Option<&Found>) -> Next {
    match found.map(|found| &found.state) {
        None => to(gone(look, machine, None), None, "it is deleted"),
        Some(FoundState::Deleting | FoundState::Other(_)) => Next::Wait(None),
        Some(_) if !look.holds_nothing(machine) => Next::Wait(None),
        Some(_) => again(look, machine, ActKind::Delete),
    }
}

pub(super) fn failed(look: &Look<'_>, machine: &Machine, found: Option<&Found>) -> Next {
    let record = &machine.record;
    let expired = record.since.plus(look.group.failure_expires);
    let Some(found) = found else {
        let over = expired <= look.now || record.wish.is_some();
        return match over {
            true => to(gone(look, machine, None), None, "its failure has expired"),
            false => Next::Wait(Some(expired)),
        };
    };
    if look.beats(machine) {
        return to(
            record.at(Stage::Up, look.now),
            None,
            "its worker checked in after all",
        );
    }
    if !look.holds_nothing(machine) {
        return Next::Wait(None);
    }
    let again = record.trouble.as_ref().and_then(|trouble| trouble.again);
    let rested = again.unwrap_or(expired) <= look.now;
    if let Some(next) = wished_of_failed(look, machine, found) {
        return next;
    }
    match &found.state {
        FoundState::Deleting | FoundState::Stopping | FoundState::Other(_) => Next::Wait(None),
        FoundState::Running => stop_failed(look, machine),
        FoundState::Asleep if record.ready_on.is_some() && rested => {
            to(asleep_now(look, machine), None, "it is stopped")
        }
        FoundState::Asleep
        | FoundState::Making
        | FoundState::Starting
        | FoundState::Failed
        | FoundState::Expiring
        | FoundState::AwaitingApproval => expire(look, machine, found),
    }
}

/// What becomes of a failed machine that holds nothing because an admin wishes it, where that can be done now.
fn wished_of_failed(look: &Look<'_>, machine: &Machine, found: &Found) -> Option<Next> {
    let record = &machine.record;
    let withdrawn = |why: &str| {
        let mut next = record.clone();
        next.wish = None;
        Some(to(next, None, why))
    };
    match (record.wish?, &found.state) {
        (Wish::Start | Wish::Restart, FoundState::Asleep | FoundState::Running) => {
            Some(start(look, machine, "an admin wishes it to run"))
        }
        // Nothing is on it: it is made anew.
        (Wish::Start, FoundState::Failed) if record.ready_on.is_none() => {
            Some(ask(look, machine, Stage::Deleting, ActKind::Delete))
        }
        // It comes after all; whether somebody has to approve of it shows there.
        (
            Wish::Start | Wish::Restart,
            FoundState::Making | FoundState::Starting | FoundState::AwaitingApproval,
        ) => Some(appeared(look, machine, found)),
        (Wish::Start | Wish::Restart, FoundState::Expiring) => {
            withdrawn("its provider is about to take it away: it can't be started")
        }
        (
            Wish::Stop,
            FoundState::Asleep
            | FoundState::Failed
            | FoundState::Expiring
            | FoundState::AwaitingApproval,
        ) => withdrawn("it doesn't run, as an admin wished"),
        // It is mended, if it can be.
        (Wish::Start | Wish::Restart, FoundState::Failed)
        // It can't be asked for that now.
        | (
            Wish::Start | Wish::Restart | Wish::Stop | Wish::Delete,
            FoundState::Deleting | FoundState::Stopping | FoundState::Other(_),
        )
        // Stopping and deleting what runs, or is there, is what is done with it anyway.
        | (Wish::Stop, FoundState::Running | FoundState::Making | FoundState::Starting)
        | (
            Wish::Delete,
            FoundState::Running
            | FoundState::Making
            | FoundState::Starting
            | FoundState::Asleep
            | FoundState::Failed
            | FoundState::Expiring
            | FoundState::AwaitingApproval,
        ) => None,
    }
}

/// A failed machine that is not of use: it is mended, or deleted once it has been kept for long enough.
fn expire(look: &Look<'_>, machine: &Machine, found: &Found) -> Next {
    let record = &machine.record;
    if found.state == FoundState::Failed
        && let Some(next) = mend::repair(look, machine)
    {
        return next;
    }
    let kept = match record.ready_on {
        // What never ran a worker holds nobody's work.
        None => Some(look.group.failure_expires),
        // Somebody's files may be on it.
        Some(_) => look.group.delete_after_failed,
    };
    let until = kept.map(|kept| record.since.plus(kept));
    let over = until.is_some_and(|until| until <= look.now);
    match over || record.wish == Some(Wish::Delete) {
        true => ask(look, machine, Stage::Deleting, ActKind::Delete),
        false => {
            let again = record.trouble.as_ref().and_then(|trouble| trouble.again);
            let due = [again, until].into_iter().flatten();
            Next::Wait(due.filter(|at| *at > look.now).min())
        }
    }
}

/// A failed machine that runs costs, and nobody works on it.
fn stop_failed(look: &Look<'_>, machine: &Machine) -> Next {
    let record = &machine.record;
    let waits = look.group.repeat_after.times(1 << record.tries.min(10));
    let due = record.tried.unwrap_or(record.since).plus(waits);
    if due > look.now {
        return Next::Wait(Some(due));
    }
    let mut next = record.clone();
    next.tried = Some(look.now);
    next.tries = record.tries.saturating_add(1);
    let hibernate = look.group.hibernate;
    let kind = match record.wish {
        Some(Wish::Delete) => ActKind::Delete,
        Some(Wish::Start | Wish::Stop | Wish::Restart) | None => ActKind::Stop { hibernate },
    };
    to(next, Some(kind), "it runs, and nobody works on it")
}
