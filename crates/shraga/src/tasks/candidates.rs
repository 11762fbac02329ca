//! Late results of a task: what there is to accept, how it is said, and what accepting files.
//!
//! Whether one counts is the orchestrator's decision; this only lists those that stand in streams of
//! workers the task was assigned to. The new task's identity is computed from the event, so that
//! accepting twice, or in two places at once, meets the first.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shraga_core::ids::{EventId, TaskId};
use shraga_core::status::{EventKind, TaskStatus};

use super::events::Told;
use crate::display::time::rfc3339;

/// The key of `cr_input` that names the event.
pub const KEY: &str = "candidate";

/// An event that keeps a late result.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a>(&'a Told);

/// The late results among the events of a task, the oldest first.
pub fn of(events: &[Told]) -> impl Iterator<Item = Candidate<'_>> {
    let late = events
        .iter()
        .filter(|it| it.event.kind == Ok(EventKind::Candidate));
    late.map(Candidate)
}

impl<'a> Candidate<'a> {
    /// Its event.
    #[must_use]
    pub const fn told(&self) -> &'a Told {
        self.0
    }

    /// The identity of its event.
    #[must_use]
    pub const fn id(&self) -> EventId {
        self.0.event.id
    }

    /// Whether the attempt completed: anything else can't be accepted.
    #[must_use]
    pub fn completed(&self) -> bool {
        self.0.text_at("outcome") == Some(TaskStatus::Completed.name())
    }

    /// Its result, as far as the event holds it.
    #[must_use]
    pub fn result(&self) -> &'a str {
        self.0.text_at("result").unwrap_or_default()
    }

    /// What accepts it.
    #[must_use]
    pub fn command(&self, task: &str) -> String {
        format!("shraga retry {task} --accept-candidate {}", self.id())
    }

    /// As scripts get it.
    #[must_use]
    pub fn json(&self, task: TaskId) -> Value {
        let event = &self.0.event;
        let text = |key| self.0.text_at(key);
        json!({
            "event": event.id.to_string(),
            "at": rfc3339(self.0.at),
            "attempt": event.attempt.0,
            "worker": event.stream.split('/').next(),
            "outcome": text("outcome"),
            "message": text("message"),
            "result": self.result(),
            "branch": text("branch"),
            "head": text("head"),
            "accept": self.completed().then(|| self.command(&task.to_string())),
        })
    }
}

/// The identity of the task that accepts `event`; `counter` is how many that did before have ended
/// without it.
#[must_use]
pub fn acceptance(event: EventId, counter: u32) -> TaskId {
    let digest = Sha256::new()
        .chain_update(b"shraga acceptance")
        .chain_update(event.get().as_bytes())
        .chain_update(counter.to_be_bytes())
        .finalize();
    let mut bytes = *event.get().as_bytes();
    // The first six bytes are a time: rows filed at about the same time stay together.
    bytes[6..].copy_from_slice(&digest[..10]);
    TaskId::new(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// What a task asks for, but for the late result that it accepts. What can't be understood stays as it
/// is.
#[must_use]
pub fn without(input: &str) -> String {
    edited(input, |object| drop(object.remove(KEY)))
}

/// What a task asks for, and that it accepts the late result in `event`.
#[must_use]
pub fn accepting(input: &str, event: EventId) -> String {
    let empty = input.trim().is_empty();
    let input = if empty { "{}" } else { input };
    edited(input, |object| {
        object.insert(KEY.to_owned(), Value::from(event.to_string()));
    })
}

/// `input` with some of its keys changed.
pub(crate) fn edited(
    input: &str,
    change: impl FnOnce(&mut serde_json::Map<String, Value>),
) -> String {
    match serde_json::from_str(input) {
        Ok(Value::Object(mut object)) => {
            change(&mut object);
            Value::Object(object).to_string()
        }
        Ok(_) | Err(_) => input.to_owned(),
    }
}

/// The candidate that `text` names, among those that can be accepted: by its whole identity or the start
/// of it; the only one where nothing is named.
///
/// # Errors
/// How many there are, where it isn't one.
pub fn named<'a>(
    candidates: &[Candidate<'a>],
    text: &str,
) -> Result<Candidate<'a>, Vec<Candidate<'a>>> {
    let digits = |text: &str| text.replace('-', "").to_ascii_lowercase();
    let wanted = digits(text.trim());
    let fits = |it: &&Candidate<'a>| digits(&it.id().to_string()).starts_with(&wanted);
    let found: Vec<Candidate<'a>> = candidates.iter().filter(fits).copied().collect();
    match found.as_slice() {
        [one] => Ok(*one),
        _ => Err(found),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn event(number: u128) -> EventId {
        EventId::new(Uuid::from_u128(number))
    }

    #[test]
    fn accepting_the_same_event_is_the_same_task_until_that_ended_without_it() {
        assert_eq!(acceptance(event(7), 0), acceptance(event(7), 0));
        assert_ne!(acceptance(event(7), 0), acceptance(event(7), 1));
        assert_ne!(acceptance(event(7), 0), acceptance(event(8), 0));
    }

    #[test]
    fn what_a_task_asks_for_stays_but_for_the_late_result() {
        let kept = r#"{"agent":"claude","budget":"1usd"}"#;
        let named = accepting(kept, event(7));
        assert!(named.contains(&event(7).to_string()), "{named}");
        assert_eq!(without(&named), kept);
        assert_eq!(without("not json"), "not json");
        assert!(accepting("", event(7)).starts_with(r#"{"candidate":"#));
    }
}
