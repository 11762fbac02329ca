//! The writes of a step: the worker's row, the provider's tally, the event for the person.

use uuid::Uuid;

use super::look::Look;
use super::{Act, ActKind, MachinePlan, Step};
use crate::audit::{About, Stream};
use crate::ids::{Attempt, MirrorId, TaskId, UserId, WorkerId};
use crate::json::Object;
use crate::machine::{Machine, MachineName, ProviderKind, Record, Serves, Stage, Tally};
use crate::model::StreamHead;
use crate::row::{ChangeSet, Column, Condition, Table, Value, Write, workers};
use crate::status::{EventKind, Pool, WorkerKind, WorkerState};
use crate::time::{Month, Timestamp};

/// Name of the stream of a machine's events. They carry its worker's identity where others carry a
/// task's.
pub const STREAM: &str = "machine";

/// The identity of a provider's tally: 128 bits that no computed identity has.
fn tally_id(provider: ProviderKind) -> WorkerId {
    let last = match provider {
        ProviderKind::DevBox => 0x10,
        ProviderKind::Process => 0x11,
    };
    WorkerId::new(Uuid::from_u128(
        0x5348_5241_4741_8000_8000_0000_0000_0000 | last,
    ))
}

/// Adds a step that moves a machine to `record`, and asks for something once that is written.
pub(super) fn step(
    plan: &mut MachinePlan,
    machine: &Machine,
    record: &Record,
    ask: Option<ActKind>,
    why: &str,
) {
    // A delayed stop is no step of the machine's own: it has a time of its own.
    let tried = match ask {
        Some(ActKind::Delay { .. }) => record.delayed.map(|delayed| delayed.asked),
        Some(
            ActKind::Create
            | ActKind::Start
            | ActKind::Stop { .. }
            | ActKind::Delete
            | ActKind::Restart
            | ActKind::Repair
            | ActKind::Link,
        )
        | None => record.tried,
    };
    let act = ask.zip(tried).map(|(kind, tried)| Act {
        provider: record.provider,
        worker: machine.worker,
        name: record.name.clone(),
        serves: record.serves,
        kind,
        tried,
        why: why.to_owned(),
    });
    let set = ChangeSet {
        task: None,
        why: format!("machine {}: {why}", record.name),
        writes: vec![update(machine, record)],
    };
    plan.steps.push(Step {
        set: Some(set),
        act,
    });
}

/// The write that moves a machine to `record`.
pub(super) fn update(machine: &Machine, record: &Record) -> Write {
    let mut cells = vec![(workers::MACHINE, Value::from(record.to_json()))];
    if let Some(state) = state(machine, record) {
        cells.push((workers::STATE, state.as_str().into()));
    }
    if record.stage == Stage::Wanted && machine.record.stage == Stage::Gone {
        // Nothing is left of the worker that was heard here last: the new one must not wait for its silence.
        cells.push((workers::BOOT, Value::Null));
    }
    Write::update(Table::Workers, machine.worker.get(), &machine.etag, cells)
}

/// What the worker's row is to say of a worker that no process speaks for; `None` leaves it as it is.
fn state(machine: &Machine, record: &Record) -> Option<WorkerState> {
    if record.stage == machine.record.stage {
        return None;
    }
    match record.stage {
        Stage::Wanted | Stage::Creating => Some(WorkerState::Provisioning),
        // Whoever wakes with work goes on with it: only a worker that said good-bye is provisioned anew.
        Stage::Starting => machine.state.is_gone().then_some(WorkerState::Provisioning),
        Stage::Up | Stage::Cordoned | Stage::Stopping | Stage::Deleting => None,
        Stage::Asleep => Some(WorkerState::Offline),
        Stage::Gone => Some(WorkerState::Deprovisioned),
        Stage::Failed => {
            let silent = machine.state == WorkerState::Provisioning;
            silent.then_some(WorkerState::Failed)
        }
    }
}

/// The row of a machine that has none.
pub(super) fn create(look: &Look<'_>, worker: WorkerId, record: &Record) -> ChangeSet {
    let (pool, owner) = match record.serves {
        Serves::Person(user) => (Pool::Dedicated, Some(user)),
        Serves::Everyone => (Pool::Shared, None),
    };
    let cells = vec![
        (workers::NAME, record.name.as_str().into()),
        (workers::KIND, kind(record.provider).as_str().into()),
        (workers::STATE, WorkerState::Provisioning.as_str().into()),
        (workers::POOL, pool.as_str().into()),
        (workers::SLOTS, i64::from(look.group.slots).into()),
        (workers::USER_ID, owner.map(UserId::get).into()),
        (workers::MACHINE, record.to_json().into()),
    ];
    let cells = cells.into_iter().filter(|(_, value)| *value != Value::Null);
    ChangeSet {
        task: None,
        why: format!("machine {} for {}", record.name, record.serves),
        writes: vec![Write {
            table: Table::Workers,
            id: worker.get(),
            condition: Condition::Absent,
            owner,
            cells: cells.collect(),
        }],
    }
}

const fn kind(provider: ProviderKind) -> WorkerKind {
    match provider {
        ProviderKind::DevBox => WorkerKind::DevBox,
        ProviderKind::Process => WorkerKind::LocalMachine,
    }
}

/// Who the machine's worker is: as it computes it itself, from who owns its row and its name.
pub(super) fn worker_of(admin: UserId, serves: Serves, name: &MachineName) -> WorkerId {
    let owner = match serves {
        Serves::Person(user) => user,
        Serves::Everyone => admin,
    };
    WorkerId::of(owner, name.as_str())
}

/// The write that counts one more machine, under the version of the tally that was looked at.
pub(super) fn count(look: &Look<'_>) -> Write {
    let month = Month::of(look.now);
    let tally = Tally {
        provider: look.provider,
        month,
        made: made(look).saturating_add(1),
    };
    let id = tally_id(look.provider).get();
    let mut cells: Vec<(Column, Value)> = vec![(workers::MACHINE, tally.to_json().into())];
    let Some((etag, _)) = &look.tally else {
        cells.extend([
            (workers::NAME, format!("machines: {}", look.provider).into()),
            (workers::KIND, WorkerKind::Orchestrator.as_str().into()),
            (workers::STATE, WorkerState::Ready.as_str().into()),
            (workers::POOL, Pool::Shared.as_str().into()),
            (workers::SLOTS, 0_i64.into()),
        ]);
        return Write::create(Table::Workers, id, cells);
    };
    Write::update(Table::Workers, id, etag, cells)
}

/// Machines made this month.
pub(super) fn made(look: &Look<'_>) -> u32 {
    let month = Month::of(look.now);
    let tally = look.tally.as_ref().map(|(_, tally)| tally);
    tally
        .filter(|tally| tally.month == month)
        .map_or(0, |tally| tally.made)
}

/// The event that tells a person of her machine, and the head of its stream with it.
pub(super) fn tell(machine: &Machine, user: UserId, now: Timestamp) -> (StreamHead, Write) {
    let record = &machine.record;
    let about = About {
        mirror: MirrorId::new(machine.worker.get()),
        task: TaskId::new(machine.worker.get()),
        user: Some(user),
        attempt: Attempt::default(),
        stream: STREAM.to_owned(),
    };
    let mut stream = Stream::new(about, record.head.clone());
    let said = format!("your machine {} is ready", record.name);
    let content = Object::new()
        .text("machine", &record.name)
        .text("provider", record.provider)
        .known("link", record.link.as_ref());
    let event = stream.push(EventKind::DevBoxProvisioned, &said, now, content);
    (stream.head().clone(), event)
}
