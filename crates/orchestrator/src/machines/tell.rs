//! What is said of machines in the log: one line for each request, and for trouble when it begins,
//! changes and ends.

use shraga_core::machine::{Machine, ProviderKind, Serves, Stage, Trouble};
use shraga_core::plan::machines::{Act, ActKind, MachineSnapshot};
use shraga_core::status::TaskStatus;
use shraga_core::time::Timestamp;

use super::observe::called;

/// What is about to be asked, and why, with how many machines there will be.
pub(super) fn acts(snapshot: &MachineSnapshot, acts: &[Act], now: Timestamp) {
    let machines: Vec<Machine> = snapshot.workers.iter().filter_map(Machine::of).collect();
    for act in acts {
        let same = |machine: &&Machine| {
            machine.record.provider == act.provider && machine.record.serves == act.serves
        };
        let runs = |stage| matches!(stage, Stage::Creating | Stage::Starting | Stage::Up);
        let running = machines.iter().filter(same);
        let running = running.filter(|machine| runs(machine.record.stage)).count();
        let before = machines.iter().find(|machine| machine.worker == act.worker);
        let before = before.map(|machine| &machine.record);
        let again = before.is_some_and(|record| runs(record.stage));
        let (name, kind) = (act.name.as_str(), called(act.provider));
        let whom = match act.serves {
            Serves::Everyone => String::new(),
            Serves::Person(user) => format!(" of {}", user.short()),
        };
        match act.kind {
            ActKind::Create | ActKind::Start if again => {
                tracing::info!(
                    machine = name,
                    "{kind} {name} is started again: {}",
                    act.why
                );
            }
            ActKind::Create | ActKind::Start => {
                let (more, why) = (running + 1, waiting(snapshot, act.serves));
                let workers = workers(more, act.provider);
                tracing::info!(machine = name, "growing to {workers}{whom}: {why} ({name})");
            }
            ActKind::Stop { .. } => {
                let cordoned = machines.iter().filter(same).filter(|other| {
                    other.record.stage == Stage::Cordoned && other.worker != act.worker
                });
                let workers = workers(running + cordoned.count(), act.provider);
                let used = before.and_then(|record| record.used_until);
                let idle = used.map_or_else(String::new, |used| {
                    format!(" for {} s", now.since(used).as_secs().max(0))
                });
                tracing::info!(
                    machine = name,
                    "shrinking to {workers}{whom}: {name} has had nothing to do{idle}"
                );
            }
            ActKind::Delete => {
                tracing::info!(machine = name, "deleting {kind} {name}: {}", act.why);
            }
            ActKind::Link => tracing::debug!(machine = name, "asking where {name} is"),
        }
    }
}

/// So many of them, as people say it.
fn workers(count: usize, provider: ProviderKind) -> String {
    let (one, more) = match provider {
        ProviderKind::Process => ("worker", "workers"),
        ProviderKind::DevBox => ("Dev Box", "Dev Boxes"),
    };
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {more}"),
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
