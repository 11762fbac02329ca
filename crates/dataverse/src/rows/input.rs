//! The JSON inside columns.
//!
//! What a person wrote is read leniently: nonsense in `cr_input` must not make her task unreadable, it
//! asks for nothing then. What loops and workers wrote is read strictly.

use serde::Deserialize;
use serde_json::Value as Json;
use shraga_core::budget::{Budget, BudgetError};
use shraga_core::ids::{Attempt, BootId, EventId, WorkerId};
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
    budget: serde_json::Value,
    candidate: serde_json::Value,
}

/// What `cr_input` asks of a worker.
#[must_use]
pub fn wants(input: Option<&str>) -> Wants {
    let input: InputJson = input
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let labels = match &input.labels {
        serde_json::Value::String(text) => super::words(text),
        serde_json::Value::Array(items) => items.iter().filter_map(word).collect(),
        _ => Vec::new(),
    };
    let budget = budget(&input.budget);
    Wants {
        agent: word(&input.agent),
        labels,
        key: word(&input.key),
        candidate: candidate(&input.candidate),
        unclear: budget.as_ref().err().cloned(),
        budget: budget.unwrap_or_default(),
    }
}

/// The event whose late result is accepted. One that can't be understood names no event there is: such a
/// task is never taken for work.
fn candidate(value: &Json) -> Option<EventId> {
    let named = value.as_str().and_then(|text| text.parse().ok());
    (!value.is_null()).then(|| named.unwrap_or(EventId::new(Uuid::nil())))
}

/// What a task may use: text as people write it, or an object with a key for each limit. What can't be
/// understood is never taken for "no limit".
fn budget(value: &Json) -> Result<Budget, String> {
    match value {
        Json::Null => Ok(Budget::NONE),
        Json::String(text) => text.parse().map_err(|error: BudgetError| error.to_string()),
        Json::Object(limits) => {
            let mut budget = Budget::NONE;
            for (name, value) in limits.iter().filter(|(_, value)| !value.is_null()) {
                let part = limit(name, value).ok_or_else(|| {
                    format!("`{name}` of the budget is {value}, which is no limit there is")
                })?;
                budget = budget.tighter(part);
            }
            Ok(budget)
        }
        other => Err(format!("the budget is {other}, which is none")),
    }
}

/// One limit of a budget. Its value goes through the text form, so that both know the same limits.
fn limit(name: &str, value: &Json) -> Option<Budget> {
    let number = match value {
        Json::Number(number) => number.to_string(),
        Json::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    let unit = match name {
        "cost_usd" => "usd",
        "tokens" => "tokens",
        "turns" => "turns",
        "minutes" => "m",
        "output_bytes" => "bytes",
        _ => return None,
    };
    let plain = number
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    plain.then(|| format!("{number}{unit}").parse().ok())?
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
#[must_use]
pub fn answer(text: Option<&str>) -> Option<Answer> {
    let json: AnswerJson = serde_json::from_str(text?).ok()?;
    Some(Answer {
        question: json.question,
        asked: json.asked,
        text: json.text,
    })
}
