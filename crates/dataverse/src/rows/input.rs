//! The JSON inside columns.
//!
//! What a person wrote is read leniently: nonsense in `cr_input` must not make her task unreadable, it
//! asks for nothing then. What loops and workers wrote is read strictly.

use serde::Deserialize;
use shraga_core::ids::{Attempt, BootId, WorkerId};
use shraga_core::model::{Answer, Lease, StreamHead, Wants};
use shraga_core::row::tasks;
use uuid::Uuid;

use super::RowError;
use super::field::{Of, time};

#[derive(Default, Deserialize)]
#[serde(default)]
struct InputJson {
    agent: serde_json::Value,
    labels: serde_json::Value,
    key: serde_json::Value,
}

/// What `cr_input` asks of a worker.
pub(super) fn wants(input: Option<&String>) -> Wants {
    let input: InputJson = input
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let labels = match &input.labels {
        serde_json::Value::String(text) => super::words(text),
        serde_json::Value::Array(items) => items.iter().filter_map(word).collect(),
        _ => Vec::new(),
    };
    Wants {
        agent: word(&input.agent),
        labels,
        key: word(&input.key),
    }
}

fn word(value: &serde_json::Value) -> Option<String> {
    let word = value.as_str()?.trim();
    (!word.is_empty()).then(|| word.to_owned())
}

#[derive(Deserialize)]
struct LeaseJson {
    worker: Uuid,
    #[serde(default)]
    boot: Option<Uuid>,
    attempt: u32,
    since: String,
}

pub(super) fn lease(of: Of, text: Option<&String>) -> Result<Option<Lease>, RowError> {
    let Some(text) = text else {
        return Ok(None);
    };
    let bad = || of.bad(tasks::LEASE.name(), text);
    let json: LeaseJson = serde_json::from_str(text).map_err(|_| bad())?;
    Ok(Some(Lease {
        worker: WorkerId::new(json.worker),
        boot: json.boot.map(BootId::new),
        attempt: Attempt(json.attempt),
        since: time(&json.since).ok_or_else(bad)?,
    }))
}

#[derive(Deserialize)]
struct HeadJson {
    sequence: u32,
    hash: String,
    #[serde(default)]
    stream: Option<String>,
}

pub(super) fn head(of: Of, text: Option<&String>) -> Result<StreamHead, RowError> {
    let Some(text) = text else {
        return Ok(StreamHead::default());
    };
    let json: HeadJson =
        serde_json::from_str(text).map_err(|_| of.bad(tasks::EVENT_HEAD.name(), text))?;
    Ok(StreamHead {
        sequence: json.sequence,
        hash: json.hash,
        stream: json.stream,
    })
}

#[derive(Deserialize)]
struct AnswerJson {
    question: String,
    #[serde(default)]
    asked: Option<String>,
    #[serde(default)]
    text: Option<String>,
}

/// An answer, or nothing where there is none that can be understood.
pub(super) fn answer(text: Option<&String>) -> Option<Answer> {
    let json: AnswerJson = serde_json::from_str(text?).ok()?;
    Some(Answer {
        question: json.question,
        asked: json.asked,
        text: json.text,
    })
}
