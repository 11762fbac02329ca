//! Rows of the model store as decisions see them.
//!
//! The simulator's own reading of rows, kept as small as the model allows; the shipped reading is
//! the client's and has its own tests.

use serde_json::Value as Json;
use shraga_core::budget::Budget;
use shraga_core::fleet::Member;
use shraga_core::ids::{Attempt, MirrorId, TaskId, UserId, WorkerId};
use shraga_core::model::{
    Answer, Claims, Lease, Mirror, Person, Shown, StreamHead, UserTask, Wants, Worker,
};
use shraga_core::row::{Column, tasks, users, workers};
use shraga_core::status::{Pool, WorkerKind, WorkerState};
use shraga_core::time::Timestamp;

use crate::money;
use crate::store::Row;

pub(crate) fn user_task(row: &Row) -> UserTask {
    UserTask {
        id: TaskId::new(row.id),
        etag: row.etag.clone(),
        owner: row.owner,
        created: row.created,
        modified: row.modified,
        status: row.status,
        name: row.text(tasks::NAME).unwrap_or_default().to_owned(),
        prompt: row.text(tasks::PROMPT).unwrap_or_default().to_owned(),
        input: row.text(tasks::INPUT).map(str::to_owned),
        wants: wants(row),
        claims: Claims {
            user: row.text(tasks::USER_ID).map(str::to_owned),
            mirror_of: row.text(tasks::MIRROR_OF).map(str::to_owned),
        },
        mirror_link: row.text(tasks::MIRROR_LINK).map(str::to_owned),
        email: row.text(tasks::EMAIL).map(str::to_owned),
        priority: row
            .int(tasks::PRIORITY)
            .and_then(|n| i32::try_from(n).ok())
            .unwrap_or(0),
        not_before: row.time(tasks::NOT_BEFORE),
        answer: answer(row),
        machine: row.text(tasks::DEVBOX).map(str::to_owned),
        retry_of: word(row.text(tasks::RETRY_OF)),
        shown: shown(row),
    }
}

/// The mirror a row is, if it names the task it mirrors.
pub(crate) fn mirror(row: &Row) -> Option<Mirror> {
    Some(Mirror {
        id: MirrorId::new(row.id),
        etag: row.etag.clone(),
        owner: row.owner,
        task: word(row.text(tasks::MIRROR_OF))?,
        user: word(row.text(tasks::USER_ID)),
        created: row.created,
        modified: row.modified,
        status: row.status,
        name: row.text(tasks::NAME).unwrap_or_default().to_owned(),
        wants: wants(row),
        phase: word(row.text(tasks::WORK_PHASE)),
        lease: lease(row),
        losses: count(row.int(tasks::LOSSES)),
        rank: row.time(tasks::RANK).unwrap_or(row.created),
        not_before: row.time(tasks::NOT_BEFORE),
        head: head(row),
        answer: answer(row),
        shown: shown(row),
        ledger: money::ledger(row.text(tasks::USAGE)),
    })
}

pub(crate) fn worker(row: &Row) -> Worker {
    Worker {
        id: WorkerId::new(row.id),
        etag: row.etag.clone(),
        owner: row.owner,
        name: row.text(workers::NAME).unwrap_or_default().to_owned(),
        kind: word(row.text(workers::KIND)).unwrap_or(WorkerKind::LocalMachine),
        state: word(row.text(workers::STATE)).unwrap_or(WorkerState::Offline),
        pool: word(row.text(workers::POOL)).unwrap_or(Pool::Dedicated),
        slots: count(row.int(workers::SLOTS)),
        labels: list(row, workers::LABELS),
        agents: list(row, workers::AGENTS),
        boot: word(row.text(workers::BOOT)),
        beat: row.int(workers::BEAT).unwrap_or(0),
        // As the shipped reading: what a worker says of its last beat is never later than the row is.
        last_seen: row
            .time(workers::LAST_SEEN)
            .map(|seen| seen.min(row.modified)),
        last_assigned: row.time(workers::LAST_ASSIGNED),
        drained: row.time(workers::DRAINED),
        suspicion: word(row.text(workers::NONCE)),
        echo: row.text(workers::ECHO).map(str::to_owned),
        machine: None,
        member: Member::default(),
    }
}

/// `read` is whether her account is looked at, too.
pub(crate) fn person(row: &Row, read: bool) -> Person {
    Person {
        id: UserId::new(row.id),
        disabled: row.text(users::STATE) == Some("disabled"),
        account: read.then(|| (row.etag.clone(), money::account(row))),
    }
}

fn list(row: &Row, column: Column) -> Vec<String> {
    let text = row.text(column).unwrap_or_default();
    let words = text.split(',').filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

fn word<T: std::str::FromStr>(text: Option<&str>) -> Option<T> {
    text.and_then(|text| text.parse().ok())
}

fn count(number: Option<i64>) -> u32 {
    number.and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

fn wants(row: &Row) -> Wants {
    let Some(input) = row.text(tasks::INPUT) else {
        return Wants::default();
    };
    let input = json(Some(input));
    let labels = input["labels"].as_array().into_iter().flatten();
    Wants {
        agent: input["agent"].as_str().map(str::to_owned),
        labels: labels
            .filter_map(|label| Some(label.as_str()?.to_owned()))
            .collect(),
        key: input["key"].as_str().map(str::to_owned),
        budget: Budget {
            cost_micros: input["budget"].as_u64(),
            ..Budget::NONE
        },
        ..Wants::default()
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
    let Some(text) = row.text(tasks::EVENT_HEAD) else {
        return StreamHead::default();
    };
    let head = json(Some(text));
    StreamHead {
        sequence: count(head["sequence"].as_i64()),
        hash: head["hash"].as_str().unwrap_or_default().to_owned(),
        stream: head["stream"].as_str().map(str::to_owned),
    }
}

fn answer(row: &Row) -> Option<Answer> {
    let answer = json(Some(row.text(tasks::ANSWER)?));
    Some(Answer {
        question: answer["question"].as_str()?.to_owned(),
        asked: answer["asked"].as_str().map(str::to_owned),
        text: answer["text"].as_str().map(str::to_owned),
    })
}

fn json(text: Option<&str>) -> Json {
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or(Json::Null)
}
