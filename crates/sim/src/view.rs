//! Rows of the model store as decisions see them.
//!
//! The simulator's own reading of rows, kept as small as the model allows; the shipped reading is
//! the client's and has its own tests.

use serde_json::Value as Json;
use shraga_core::ids::{Attempt, TaskId, UserId, WorkerId};
use shraga_core::model::{
    Answer, Lease, Mirror, Person, Shown, StreamHead, UserTask, Wants, Worker,
};
use shraga_core::row::{Value, tasks, users, workers};
use shraga_core::status::{Pool, TaskStatus, WorkerKind, WorkerState};
use shraga_core::time::Timestamp;
use uuid::Uuid;

use crate::store::Row;

/// Whether a tasks row says it is a mirror.
pub(crate) fn is_mirror(row: &Row) -> bool {
    *row.get(tasks::IS_MIRROR) == Value::Bool(true)
}

pub(crate) fn status(row: &Row) -> TaskStatus {
    row.int(tasks::STATUS)
        .and_then(|code| TaskStatus::try_from(code).ok())
        .unwrap_or(TaskStatus::Pending)
}

pub(crate) fn user_task(id: Uuid, row: &Row) -> UserTask {
    UserTask {
        id: TaskId::new(id),
        etag: row.etag(),
        owner: row.owner,
        created: row.created,
        modified: row.modified,
        status: status(row),
        name: row.text(tasks::NAME).unwrap_or_default().to_owned(),
        prompt: row.text(tasks::PROMPT).unwrap_or_default().to_owned(),
        input: row.text(tasks::INPUT).map(str::to_owned),
        wants: wants(row),
        mirror_link: row.text(tasks::MIRROR_LINK).map(str::to_owned),
        email: row.text(tasks::EMAIL).map(str::to_owned),
        priority: row
            .int(tasks::PRIORITY)
            .and_then(|n| i32::try_from(n).ok())
            .unwrap_or(0),
        not_before: row.time(tasks::NOT_BEFORE),
        answer: answer(row),
        machine: row.text(tasks::DEVBOX).map(str::to_owned),
        retry_of: row.text(tasks::RETRY_OF).and_then(|text| text.parse().ok()),
        shown: shown(row),
    }
}

/// The mirror a row is, if it names the task it mirrors.
pub(crate) fn mirror(id: Uuid, row: &Row) -> Option<Mirror> {
    Some(Mirror {
        id: shraga_core::ids::MirrorId::new(id),
        etag: row.etag(),
        owner: row.owner,
        task: row.text(tasks::MIRROR_OF)?.parse().ok()?,
        user: row.text(tasks::USER_ID).and_then(|text| text.parse().ok()),
        created: row.created,
        modified: row.modified,
        status: status(row),
        name: row.text(tasks::NAME).unwrap_or_default().to_owned(),
        wants: wants(row),
        phase: row
            .text(tasks::WORK_PHASE)
            .and_then(|word| word.parse().ok()),
        lease: lease(row),
        losses: count(row.int(tasks::LOSSES)),
        rank: row.time(tasks::RANK).unwrap_or(row.created),
        not_before: row.time(tasks::NOT_BEFORE),
        head: head(row),
        answer: answer(row),
        shown: shown(row),
    })
}

pub(crate) fn worker(id: Uuid, row: &Row) -> Worker {
    Worker {
        id: WorkerId::new(id),
        etag: row.etag(),
        owner: row.owner,
        name: row.text(workers::NAME).unwrap_or_default().to_owned(),
        kind: word(row.text(workers::KIND)).unwrap_or(WorkerKind::LocalMachine),
        state: word(row.text(workers::STATE)).unwrap_or(WorkerState::Offline),
        pool: word(row.text(workers::POOL)).unwrap_or(Pool::Dedicated),
        slots: count(row.int(workers::SLOTS)),
        labels: Vec::new(),
        agents: Vec::new(),
        boot: row.text(workers::BOOT).and_then(|text| text.parse().ok()),
        beat: row.int(workers::BEAT).unwrap_or(0),
        last_seen: row.time(workers::LAST_SEEN),
        last_assigned: row.time(workers::LAST_ASSIGNED),
    }
}

pub(crate) fn person(id: Uuid, row: &Row) -> Person {
    Person {
        id: UserId::new(id),
        disabled: row.text(users::STATE) == Some("disabled"),
    }
}

fn word<T: std::str::FromStr>(text: Option<&str>) -> Option<T> {
    text.and_then(|text| text.parse().ok())
}

fn count(number: Option<i64>) -> u32 {
    number.and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

fn wants(row: &Row) -> Wants {
    let input = json(row.text(tasks::INPUT));
    Wants {
        agent: input["agent"].as_str().map(str::to_owned),
        labels: Vec::new(),
    }
}

fn shown(row: &Row) -> Shown {
    Shown {
        message: row.text(tasks::STATUS_MESSAGE).map(str::to_owned),
        reason: row.text(tasks::REASON).map(str::to_owned),
        attempt: Attempt(count(row.int(tasks::ATTEMPT))),
        worker: word(row.text(tasks::ASSIGNED_WORKER)),
        started: row.time(tasks::STARTED),
        finished: row.time(tasks::FINISHED),
    }
}

fn lease(row: &Row) -> Option<Lease> {
    let lease = json(Some(row.text(tasks::LEASE)?));
    Some(Lease {
        worker: word(lease["worker"].as_str())?,
        boot: word(lease["boot"].as_str()),
        attempt: Attempt(count(lease["attempt"].as_i64())),
        since: time(lease["since"].as_str()).unwrap_or(row.modified),
    })
}

fn time(text: Option<&str>) -> Option<Timestamp> {
    let at: jiff::Timestamp = text?.parse().ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

fn head(row: &Row) -> StreamHead {
    let head = json(row.text(tasks::EVENT_HEAD));
    StreamHead {
        sequence: count(head["sequence"].as_i64()),
        hash: head["hash"].as_str().unwrap_or_default().to_owned(),
    }
}

fn answer(row: &Row) -> Option<Answer> {
    let answer = json(Some(row.text(tasks::ANSWER)?));
    Some(Answer {
        question: answer["question"].as_str()?.to_owned(),
        text: answer["text"].as_str().map(str::to_owned),
    })
}

fn json(text: Option<&str>) -> Json {
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or(Json::Null)
}
