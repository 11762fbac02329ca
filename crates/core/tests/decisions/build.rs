//! Rows for tests, from few words. Names stand for identities: `id("ann")` is always the same.

use shraga_core::ids::{Attempt, BootId, Etag, MirrorId, TaskId, UserId, WorkerId};
use shraga_core::ledger::Ledger;
use shraga_core::model::{Claims, Lease, Mirror, Shown, StreamHead, UserTask, Wants, Worker};
use shraga_core::status::{Pool, TaskStatus, WorkPhase, WorkerKind, WorkerState};
use shraga_core::time::Timestamp;
use uuid::Uuid;

/// The identity a name stands for: its bytes spread over a UUID.
pub(crate) fn id(name: &str) -> Uuid {
    let mut bytes = [0_u8; 16];
    for (at, byte) in name.bytes().enumerate() {
        let slot = &mut bytes[(at * 5 + 1) % 16];
        *slot = slot.wrapping_mul(31).wrapping_add(byte);
    }
    bytes[0] = name.bytes().fold(7, |sum, byte| sum ^ byte.rotate_left(3));
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(id(name))
}

pub(crate) fn worker_id(name: &str) -> WorkerId {
    WorkerId::new(id(name))
}

pub(crate) fn boot(name: &str) -> BootId {
    BootId::new(id(name))
}

pub(crate) fn task_id(name: &str) -> TaskId {
    TaskId::new(id(name))
}

pub(crate) fn secs(at: i64) -> Timestamp {
    Timestamp::from_secs(at)
}

/// A task that `owner` filed at second `created`.
pub(crate) fn task(name: &str, owner: &str, created: i64) -> UserTask {
    UserTask {
        id: task_id(name),
        etag: Etag::new(format!("{name}@1")),
        owner: user(owner),
        created: secs(created),
        modified: secs(created),
        status: TaskStatus::Pending,
        name: format!("Task {name}"),
        prompt: format!("do {name}"),
        input: None,
        wants: Wants::default(),
        mirror_link: None,
        claims: Claims::default(),
        email: None,
        priority: 0,
        not_before: None,
        answer: None,
        retry_of: None,
        machine: None,
        shown: Shown::default(),
    }
}

/// The pending mirror of a task, made by `admin`.
pub(crate) fn mirror(of: &UserTask) -> Mirror {
    Mirror {
        id: MirrorId::of(of.id, 0),
        etag: Etag::new("m@1"),
        owner: user("admin"),
        task: of.id,
        user: Some(of.owner),
        created: of.created,
        modified: of.created,
        status: TaskStatus::Pending,
        name: of.name.clone(),
        wants: of.wants.clone(),
        phase: None,
        lease: None,
        losses: 0,
        rank: of.created,
        not_before: None,
        head: StreamHead::default(),
        answer: None,
        shown: Shown::default(),
        ledger: Ledger::default(),
    }
}

/// `mirror` as assigned to `worker`, and claimed by `boot` if given.
pub(crate) fn held(
    mut mirror: Mirror,
    worker: &str,
    boot_name: Option<&str>,
    since: i64,
) -> Mirror {
    let attempt = Attempt(mirror.shown.attempt.0.max(1));
    mirror.status = TaskStatus::Running;
    mirror.phase = Some(match boot_name {
        Some(_) => WorkPhase::Executing,
        None => WorkPhase::Assigned,
    });
    mirror.lease = Some(Lease {
        worker: worker_id(worker),
        boot: boot_name.map(boot),
        attempt,
        since: secs(since),
    });
    mirror.shown.worker = Some(worker_id(worker));
    mirror.shown.attempt = attempt;
    mirror.modified = secs(since);
    mirror
}

/// A ready shared worker.
pub(crate) fn worker(name: &str, slots: u32) -> Worker {
    Worker {
        id: worker_id(name),
        etag: Etag::new(format!("{name}@1")),
        owner: user("admin"),
        name: name.to_owned(),
        kind: WorkerKind::LocalMachine,
        state: WorkerState::Ready,
        pool: Pool::Shared,
        slots,
        labels: Vec::new(),
        agents: Vec::new(),
        boot: None,
        beat: 0,
        last_seen: None,
        last_assigned: None,
        drained: None,
        member: Default::default(),
        suspicion: None,
        echo: None,
        machine: None,
    }
}
