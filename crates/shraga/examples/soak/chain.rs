//! The events of all tasks: whether each stream's chain holds, and what they tell of ends and fences.

use std::collections::BTreeMap;

use serde_json::Value;
use shraga_core::audit::{Recorded, verify};
use shraga_core::status::EventKind;
use shraga_dataverse::rows::{Event, time};

use crate::clock::Moment;

/// Why attempts are taken back without anybody having been given up.
const HARMLESS: [&str; 5] = [
    "claim-timeout",
    "released",
    "retry",
    "worker-restarted",
    LOST,
];

/// Of a worker that was given up; an event of its own tells that.
const LOST: &str = "worker-lost";

/// An attempt that was taken from a worker because the worker counted as dead.
#[derive(Clone, Debug)]
pub(crate) struct Fence {
    pub(crate) task: String,
    pub(crate) attempt: u32,
    pub(crate) worker: String,
    pub(crate) reason: String,
    pub(crate) at: Moment,
}

/// Streams by task and name, each in the order of its numbers.
fn streams(events: &[Event]) -> BTreeMap<(&str, &str), Vec<&Event>> {
    let mut streams: BTreeMap<(&str, &str), Vec<&Event>> = BTreeMap::new();
    for event in events {
        streams
            .entry((&event.task, &event.stream))
            .or_default()
            .push(event);
    }
    streams
        .values_mut()
        .for_each(|events| events.sort_by_key(|event| event.sequence));
    streams
}

/// The number of streams, and those whose chain does not hold.
pub(crate) fn check(events: &[Event]) -> (usize, Vec<String>) {
    let streams = streams(events);
    let recorded = |event: &&Event| Recorded {
        sequence: event.sequence,
        content: event.content.clone(),
        previous: event.previous_hash.clone(),
        hash: event.hash.clone(),
    };
    let broken = streams.iter().filter_map(|((task, stream), events)| {
        let recorded: Vec<_> = events.iter().map(recorded).collect();
        let error = verify(&recorded, None).err()?;
        Some(format!("stream {stream} of task {task}: {error}"))
    });
    (streams.len(), broken.collect())
}

/// The events that tell of a task's end.
pub(crate) fn ends<'a>(events: &'a [Event], task: &str) -> Vec<&'a Event> {
    let is_end = |event: &&Event| {
        let kind = event.kind.as_ref();
        let end = kind.is_ok_and(|kind| {
            matches!(
                kind,
                EventKind::TaskCompleted | EventKind::TaskFailed | EventKind::TaskCanceled
            )
        });
        end && event.task == task
    };
    events.iter().filter(is_end).collect()
}

/// How many events are of this kind.
pub(crate) fn count(events: &[Event], kind: EventKind) -> usize {
    events.iter().filter(|event| event.kind == Ok(kind)).count()
}

/// Every attempt that was taken from a worker that counted as dead.
pub(crate) fn fences(events: &[Event]) -> Vec<Fence> {
    let fence = |event: &Event| {
        if event.kind != Ok(EventKind::TaskReassigned) && event.kind != Ok(EventKind::WorkerLost) {
            return None;
        }
        let content: Value = serde_json::from_str(&event.content).ok()?;
        let text = |key: &str| Some(content.get(key)?.as_str()?.to_owned());
        let lost = event.kind == Ok(EventKind::WorkerLost);
        let reason = text("reason").unwrap_or_else(|| LOST.to_owned());
        if !lost && HARMLESS.contains(&reason.as_str()) {
            return None;
        }
        let at = text("at")
            .and_then(|text| time(&text))
            .unwrap_or(event.created);
        #[expect(clippy::cast_precision_loss, reason = "seconds of this century fit")]
        Some(Fence {
            task: event.task.clone(),
            attempt: event.attempt.0,
            worker: text("worker").unwrap_or_default(),
            reason,
            at: at.as_secs() as Moment,
        })
    };
    events.iter().filter_map(fence).collect()
}
