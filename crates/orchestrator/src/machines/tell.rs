//! What is said of machines in the log: one line for each request, and for trouble when it begins,
//! changes and ends.

use std::collections::HashMap;

use shraga_core::machine::{Machine, ProviderKind, Serves, Stage, Trouble};
use shraga_core::plan::machines::{Act, ActKind, MachineSnapshot};
use shraga_core::status::TaskStatus;
use shraga_core::time::Timestamp;

use super::observe::called;

/// What is about to be asked, and why, with how many machines there will be.
pub(super) fn acts(snapshot: &MachineSnapshot, acts: &[Act], now: Timestamp) {
    let machines: Vec<Machine> = snapshot.workers.iter().filter_map(Machine::of).collect();
    let runs = |machine: &&Machine| {
        use Stage::{Cordoned, Creating, Starting, Up};
        matches!(machine.record.stage, Creating | Starting | Up | Cordoned)
    };
    let of = |machine: &Machine| {
        (
            machine.worker,
            (machine.record.provider, machine.record.serves),
        )
    };
    let mut running: HashMap<_, _> = machines.iter().filter(runs).map(of).collect();
    for act in acts {
        let whose = (act.provider, act.serves);
        let before = machines.iter().find(|machine| machine.worker == act.worker);
        let again = match act.kind {
            ActKind::Create | ActKind::Start => running.insert(act.worker, whose).is_some(),
            ActKind::Stop { .. } => running.remove(&act.worker).is_none(),
            ActKind::Delete
            | ActKind::Restart
            | ActKind::Repair
            | ActKind::Delay { .. }
            | ActKind::Link => false,
        };
        let (name, kind) = (act.name.as_str(), called(act.provider));
        let left = running.values().filter(|other| **other == whose).count();
        let left = workers(left, act);
        match act.kind {
            ActKind::Create | ActKind::Start if again => {
                tracing::info!(
                    machine = name,
                    "{kind} {name} is started again: {}",
                    act.why
                );
            }
            ActKind::Create | ActKind::Start => {
                let why = waiting(snapshot, act.serves);
                tracing::info!(machine = name, "growing to {left}: {why} ({name})");
            }
            ActKind::Stop { .. } if again => {
                tracing::info!(
                    machine = name,
                    "{kind} {name} is stopped again: {}",
                    act.why
                );
            }
            ActKind::Stop { .. } => {
                let used = before.and_then(|machine| machine.record.used_until);
                let idle = used.map_or_else(String::new, |used| {
                    format!(" for {} s", now.since(used).as_secs().max(0))
                });
                let why = format!("{name} has had nothing to do{idle}");
                tracing::info!(machine = name, "shrinking to {left}: {why}");
            }
            ActKind::Delete
            | ActKind::Restart
            | ActKind::Repair
            | ActKind::Delay { .. }
            | ActKind::Link => to_one(act, kind),
        }
    }
}

/// What changes no number of machines.
fn to_one(act: &Act, kind: &str) {
    let (name, why) = (act.name.as_str(), &act.why);
    match act.kind {
        ActKind::Delete => tracing::info!(machine = name, "deleting {kind} {name}: {why}"),
        ActKind::Restart => tracing::info!(machine = name, "restarting {kind} {name}: {why}"),
        ActKind::Repair => tracing::info!(machine = name, "repairing {kind} {name}: {why}"),
        ActKind::Delay { until } => tracing::info!(
            machine = name,
            "delaying the stop of {kind} {name} until {until}: {why}"
        ),
        ActKind::Link => tracing::debug!(machine = name, "asking where {name} is"),
        ActKind::Create | ActKind::Start | ActKind::Stop { .. } => {}
    }
}

/// So many of those that serve the same, as people say it.
fn workers(count: usize, act: &Act) -> String {
    let (one, more) = match act.provider {
        ProviderKind::Process => ("worker", "workers"),
        ProviderKind::DevBox => ("Dev Box", "Dev Boxes"),
    };
    let word = if count == 1 { one } else { more };
    match act.serves {
        Serves::Everyone => format!("{count} {word}"),
        Serves::Person(user) => format!("{count} {word} of {}", user.short()),
    }
}

/// How much waits for a machine of theirs.
fn waiting(snapshot: &MachineSnapshot, serves: Serves) -> String {
    let theirs = |user| match serves {
        Serves::Everyone => true,
        Serves::Person(person) => Some(person) == user,
    };
    let open = snapshot.open.iter().filter(|open| theirs(open.user));
    let waiting = open
        .filter(|open| open.status == TaskStatus::Pending)
        .count();
    match waiting {
        0 => "as many are to be there".to_owned(),
        1 => "1 task waits".to_owned(),
        more => format!("{more} tasks wait"),
    }
}

/// A request came back with trouble.
pub(super) fn refused(act: &Act, trouble: &Trouble) {
    let (name, kind) = (act.name.as_str(), called(act.provider));
    let class = trouble.class.as_str();
    tracing::warn!(
        machine = name,
        trouble = class,
        "{kind} {name}: {}",
        trouble.said
    );
}

/// The provider could not say what it has.
pub(super) fn trouble(kind: ProviderKind, trouble: &Trouble, said_before: bool) {
    let (class, called) = (trouble.class.as_str(), called(kind));
    match said_before {
        true => tracing::debug!(trouble = class, "{called} machines: {}", trouble.said),
        false => tracing::warn!(
            trouble = class,
            "{called} machines can't be looked after, all else goes on: {}",
            trouble.said
        ),
    }
}

/// The provider said what it has.
pub(super) fn well(kind: ProviderKind, before: Option<&Trouble>) {
    if let Some(before) = before {
        let (called, class) = (called(kind), before.class);
        tracing::info!("{called} machines can be looked after again, after {class}");
    }
}
