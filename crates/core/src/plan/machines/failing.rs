//! What becomes of trouble: how long it is waited, and when a machine counts as failed.

use super::Group;
use super::look::Look;
use crate::machine::{Machine, Record, Serves, Stage, Trouble, TroubleClass};
use crate::time::{Span, Timestamp};

/// The record after a request failed: when it is made again, or that it can't be made at all.
pub(super) fn stumble(look: &Look<'_>, machine: &Machine, trouble: &Trouble) -> Record {
    let record = &machine.record;
    let hopeless = match trouble.class {
        TroubleClass::Invalid | TroubleClass::Failed => true,
        TroubleClass::Unconfigured
        | TroubleClass::Transient
        | TroubleClass::SignIn
        | TroubleClass::Denied
        | TroubleClass::Misconfigured
        | TroubleClass::Capacity
        | TroubleClass::Throttled
        | TroubleClass::Malformed => false,
    };
    if hopeless && matches!(record.stage, Stage::Creating | Stage::Starting) {
        return fail(look, machine, trouble.class, &trouble.said);
    }
    let again = look
        .now
        .plus(patience(look.group, trouble.class, record.tries));
    let same = record.trouble.as_ref();
    let since = same.filter(|it| it.class == trouble.class);
    Record {
        trouble: Some(Trouble {
            since: since.map_or(trouble.since, |it| it.since),
            // What the provider asks for counts, unless it is less than nothing.
            again: Some(trouble.again.map_or(again, |at| at.max(look.now))),
            ..trouble.clone()
        }),
        ..record.clone()
    }
}

/// How long is waited after trouble of this kind, for the `tries`th time.
fn patience(group: &Group, class: TroubleClass, tries: u32) -> Span {
    match class {
        TroubleClass::Transient | TroubleClass::Throttled | TroubleClass::Malformed => {
            doubled(group.backoff, tries).min(group.backoff_max)
        }
        TroubleClass::Capacity => group.capacity_wait,
        TroubleClass::Unconfigured
        | TroubleClass::SignIn
        | TroubleClass::Denied
        | TroubleClass::Misconfigured => group.denied_wait,
        TroubleClass::Invalid | TroubleClass::Failed => group.backoff_max,
    }
}

fn doubled(span: Span, times: u32) -> Span {
    span.times(1 << times.saturating_sub(1).min(30))
}

/// The record as failed: kept with what was said, until it expires.
pub(super) fn fail(look: &Look<'_>, machine: &Machine, class: TroubleClass, said: &str) -> Record {
    let record = &machine.record;
    let failures = recent(look, record.serves)
        .saturating_add(record.failures)
        .saturating_add(1);
    let wait = doubled(look.group.cool_down, failures);
    let again = (failures < look.group.failures_max).then(|| look.now.plus(wait));
    Record {
        trouble: Some(Trouble {
            class,
            said: said.to_owned(),
            since: look.now,
            again,
        }),
        tried: record.tried,
        failures: record.failures.saturating_add(1),
        ..record.at(Stage::Failed, look.now)
    }
}

/// How often machines of somebody that serve nobody now failed lately.
fn recent(look: &Look<'_>, serves: Serves) -> u32 {
    let expired = |since: Timestamp| since.plus(look.group.failure_expires) <= look.now;
    let failed = look
        .of(serves)
        .filter(|machine| machine.record.stage == Stage::Failed && !expired(machine.record.since));
    failed.fold(0, |sum, machine| {
        sum.saturating_add(machine.record.failures.max(1))
    })
}

/// Whether another machine may take the place of those that failed, or from when on. `Err(None)`:
/// not before somebody does something, or a failure expires.
pub(super) fn may_replace(look: &Look<'_>, serves: Serves) -> Result<(), Option<Timestamp>> {
    let failures = recent(look, serves);
    let failed = look
        .of(serves)
        .filter(|machine| machine.record.stage == Stage::Failed);
    let last = failed.map(|machine| machine.record.since).max();
    let Some(last) = last.filter(|_| failures > 0) else {
        return Ok(());
    };
    if failures >= look.group.failures_max {
        return Err(None);
    }
    let from = last.plus(doubled(look.group.cool_down, failures));
    match from <= look.now {
        true => Ok(()),
        false => Err(Some(from)),
    }
}
