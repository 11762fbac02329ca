//! The events of a task, from all its streams, in the order in which they happened.
//!
//! An event of a worker counts only if the orchestrator assigned that attempt to that worker: past
//! holders and strangers can't put words into a task's log. Order is each event's own `at`, then its
//! stream and number, since rows arrive late and in batches.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use shraga_core::audit::is_orchestrators;
use shraga_core::ids::{EventId, MirrorId, TaskId, WorkerId};
use shraga_core::model::StreamHead;
use shraga_core::plan::machines::STREAM as MACHINE;
use shraga_core::row::Table;
use shraga_core::status::EventKind;
use shraga_core::time::{Span, Timestamp};
use shraga_dataverse::rows::{Event, event, select, time};
use shraga_dataverse::{Client, Error};
use shraga_wire::filter::{Comparison, Filter, Literal, Operand};
use shraga_wire::query::{OrderBy, Query};

use crate::display::time::rfc3339;

/// How far behind the newest event a store without commit order may still show older ones.
const LATE_COMMITS: Span = Span::secs(120);

/// An event, ready to show.
#[derive(Clone, Debug)]
pub struct Told {
    /// When it happened, by its writer's word.
    pub at: Timestamp,
    /// The task it is about.
    pub task: TaskId,
    /// What happened, a line or several.
    pub text: String,
    /// The row it came from.
    pub event: Event,
    content: Value,
}

impl Told {
    fn read(event: Event) -> Option<Self> {
        let content: Value = serde_json::from_str(&event.content).unwrap_or(Value::Null);
        let at = content
            .get("at")
            .and_then(Value::as_str)
            .and_then(time)
            .unwrap_or(event.created);
        Some(Self {
            at,
            task: event.task.parse().ok()?,
            text: text_of(&content).unwrap_or_else(|| event.name.clone()),
            content,
            event,
        })
    }

    /// The name of the worker that an assignment names.
    #[must_use]
    pub fn worker_name(&self) -> Option<&str> {
        self.content.get("worker_name")?.as_str()
    }

    /// Text of its content.
    pub(super) fn text_at(&self, key: &str) -> Option<&str> {
        self.content.get(key)?.as_str()
    }

    /// Whether it is a line an agent printed.
    #[must_use]
    pub fn is_agents(&self) -> bool {
        self.event.kind == Ok(EventKind::AgentMessage)
    }

    /// The word for what it tells.
    #[must_use]
    pub fn kind(&self) -> &str {
        match &self.event.kind {
            Ok(kind) => kind.as_str(),
            Err(word) => word,
        }
    }

    /// The event as scripts get it.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "id": self.event.id.to_string(),
            "at": rfc3339(self.at),
            "type": self.kind(),
            "task": self.event.task,
            "attempt": self.event.attempt.0,
            "stream": self.event.stream,
            "sequence": self.event.sequence,
            "text": self.text,
            "content": self.content,
            "hash": self.event.hash,
        })
    }

    /// The attempt and worker that this assigns, if it is an assignment of the orchestrator's.
    fn assigned(&self) -> Option<(u32, String)> {
        let orchestrators = is_orchestrators(&self.event.stream);
        if self.event.kind != Ok(EventKind::TaskAssigned) || !orchestrators {
            return None;
        }
        let worker = self.content.get("worker")?.as_str()?;
        Some((self.event.attempt.0, worker.to_ascii_lowercase()))
    }
}

/// What an agent printed, if that is what the content holds.
fn text_of(content: &Value) -> Option<String> {
    match (content.get("lines"), content.get("text")) {
        (Some(Value::Array(lines)), _) => {
            let lines: Vec<_> = lines.iter().filter_map(Value::as_str).collect();
            Some(lines.join("\n"))
        }
        (_, Some(Value::String(text))) => Some(text.clone()),
        _ => None,
    }
}

/// The events of `task` that count, in order.
///
/// # Errors
/// Any error of the requests.
pub async fn of_task(client: &Client, task: TaskId) -> Result<Vec<Told>, Error> {
    let rows = client.list(Table::Events, &of(task, None)).await?;
    let told = read_all(rows.iter());
    Ok(in_order(counting(told)))
}

/// The events of a task, from a time on.
fn of(task: TaskId, since: Option<Timestamp>) -> Query {
    let since = since.map(|at| {
        Filter::Compare(
            Operand::Column("createdon".to_owned()),
            Comparison::Ge,
            Operand::Literal(Literal::DateTime(
                jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default(),
            )),
        )
    });
    let task = text_is("cr_taskid", &task.to_string());
    Query {
        select: columns(),
        filter: Some(Filter::And([task].into_iter().chain(since).collect())),
        order_by: vec![OrderBy {
            column: "createdon".to_owned(),
            descending: false,
        }],
        ..Query::default()
    }
}

/// The log of a task as it grows: each event that counts, once.
#[derive(Debug)]
pub struct Log {
    client: Client,
    task: TaskId,
    seen: Seen,
}

/// Events read so far, and which of them were given.
#[derive(Debug, Default)]
struct Seen {
    told: HashMap<EventId, Told>,
    given: HashSet<EventId>,
    newest: Option<Timestamp>,
}

impl Log {
    /// Of `task`; nothing was read yet.
    #[must_use]
    pub fn new(client: Client, task: TaskId) -> Self {
        Self {
            client,
            task,
            seen: Seen::default(),
        }
    }

    /// What has come since the last time, in order.
    ///
    /// # Errors
    /// Any error of the requests; the next call then brings what this one did not.
    pub async fn news(&mut self) -> Result<Vec<Told>, Error> {
        let since = self.seen.newest.map(|at| at.minus(LATE_COMMITS));
        let rows = self
            .client
            .list(Table::Events, &of(self.task, since))
            .await?;
        Ok(self.seen.take(read_all(rows.iter())))
    }
}

impl Seen {
    /// Takes in events, read for the first time or again: those that count and were not given yet.
    fn take(&mut self, read: Vec<Told>) -> Vec<Told> {
        for told in read {
            self.newest = self.newest.max(Some(told.event.created));
            self.told.insert(told.event.id, told);
        }
        let all = counting(self.told.values().cloned().collect());
        let mut new = in_order(all);
        new.retain(|told| self.given.insert(told.event.id));
        new
    }
}

/// The newest events of a machine whose stream of them ends at `head`, at most `limit`, in order. They carry its
/// worker's identity where others carry a task's.
///
/// # Errors
/// Any error of the request.
pub async fn of_machine(
    client: &Client,
    worker: WorkerId,
    head: &StreamHead,
    limit: u32,
) -> Result<Vec<Told>, Error> {
    if head.sequence == 0 {
        return Ok(Vec::new());
    }
    let query = Query {
        top: Some(limit),
        order_by: vec![OrderBy {
            column: "createdon".to_owned(),
            descending: true,
        }],
        ..of(TaskId::new(worker.get()), None)
    };
    let page = client.page(Table::Events, &query, None).await?;
    let mut told = read_all(page.rows.iter());
    // At its computed identity stands what an orchestrator wrote.
    told.retain(|told| {
        let event = &told.event;
        let id = EventId::of(MirrorId::new(worker.get()), &event.stream, event.sequence);
        event.stream == MACHINE && event.sequence <= head.sequence && event.id == id
    });
    Ok(in_order(told))
}

/// The newest events of everything the caller may see, at most `limit`, in order.
///
/// # Errors
/// Any error of the request.
pub async fn newest(client: &Client, limit: u32) -> Result<Vec<Told>, Error> {
    let query = Query {
        select: columns(),
        order_by: vec![OrderBy {
            column: "createdon".to_owned(),
            descending: true,
        }],
        top: Some(limit),
        ..Query::default()
    };
    let page = client.page(Table::Events, &query, None).await?;
    Ok(in_order(read_all(page.rows.iter())))
}

fn columns() -> Vec<String> {
    select::EVENT.iter().map(|&name| name.to_owned()).collect()
}

fn text_is(column: &str, text: &str) -> Filter {
    Filter::Compare(
        Operand::Column(column.to_owned()),
        Comparison::Eq,
        Operand::Literal(Literal::Text(text.to_owned())),
    )
}

/// Rows that can't be understood are left out: one bad row must not hide the rest of a log.
fn read_all<'a>(rows: impl Iterator<Item = &'a shraga_dataverse::Row>) -> Vec<Told> {
    rows.filter_map(|row| match event(row) {
        Ok(event) => Told::read(event),
        Err(error) => {
            tracing::warn!(%error, "an event can't be understood");
            None
        }
    })
    .collect()
}

/// The orchestrator's own stream counts; a worker's only for what was assigned to it; no other does.
fn counting(told: Vec<Told>) -> Vec<Told> {
    let assigned: HashSet<_> = told.iter().filter_map(Told::assigned).collect();
    told.into_iter()
        .filter(|told| {
            let stream = told.event.stream.to_ascii_lowercase();
            match stream.split_once('/') {
                None => is_orchestrators(&stream),
                Some((worker, _)) => assigned.contains(&(told.event.attempt.0, worker.to_owned())),
            }
        })
        .collect()
}

fn in_order(mut told: Vec<Told>) -> Vec<Told> {
    told.sort_by(|a, b| {
        let key = |told: &Told| (told.at, told.event.attempt.0);
        key(a)
            .cmp(&key(b))
            .then_with(|| orchestrator_first(a).cmp(&orchestrator_first(b)))
            .then_with(|| a.event.stream.cmp(&b.event.stream))
            .then(a.event.sequence.cmp(&b.event.sequence))
    });
    told
}

/// In the same second the assignment comes before what the worker does with it, and the worker's
/// words before the end, which the orchestrator tells.
fn orchestrator_first(told: &Told) -> u8 {
    match told.event.kind {
        Ok(EventKind::TaskMirrored) => 0,
        Ok(EventKind::TaskAssigned) => 1,
        Ok(EventKind::TaskStarted) => 2,
        Ok(EventKind::TaskCompleted | EventKind::TaskFailed | EventKind::TaskCanceled) => 4,
        Ok(_) | Err(_) => 3,
    }
}

#[cfg(test)]
mod tests;
