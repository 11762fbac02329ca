//! `cr_machine`, read back from the text that core wrote. The shipped reading is the client's.

use serde_json::Value as Json;
use shraga_core::machine::{Delayed, Note, Record, Serves, Tally, Trouble};
use shraga_core::model::StreamHead;
use shraga_core::time::{Span, Timestamp};

/// What the text says; as text, when it can't be understood.
pub(super) fn read(text: &str) -> Note {
    let json: Json = serde_json::from_str(text).unwrap_or_default();
    note(&json).unwrap_or_else(|| Note::Unknown(text.to_owned()))
}

fn note(json: &Json) -> Option<Note> {
    if json.get("name").is_none() {
        return Some(Note::Tally(Tally {
            provider: word(json, "provider")?,
            month: word(json, "month")?,
            made: number(json, "made"),
        }));
    }
    let head = json.get("head").map(|head| StreamHead {
        sequence: number(head, "sequence"),
        hash: text(head, "hash").unwrap_or_default(),
        stream: text(head, "stream"),
    });
    Some(Note::Machine(Box::new(Record {
        provider: word(json, "provider")?,
        name: word(json, "name")?,
        serves: word(json, "person").map_or(Serves::Everyone, Serves::Person),
        stage: word(json, "stage")?,
        since: time(json, "since")?,
        tries: number(json, "tries"),
        tried: time(json, "tried"),
        trouble: json.get("trouble").and_then(trouble),
        ready_on: time(json, "ready_on"),
        used_until: time(json, "used_until"),
        link: text(json, "link"),
        told: json["told"].as_bool().unwrap_or(false),
        up_since: time(json, "up_since"),
        up: Span::millis(json["up_ms"].as_i64().unwrap_or(0)),
        wish: word(json, "wish"),
        failures: number(json, "failures"),
        mended: json["mended"].as_bool().unwrap_or(false),
        boot_before: word(json, "boot_before"),
        delayed: json.get("delayed").and_then(delayed),
        advice: text(json, "advice"),
        head: head.unwrap_or_default(),
    })))
}

fn trouble(json: &Json) -> Option<Trouble> {
    Some(Trouble {
        class: word(json, "class")?,
        said: text(json, "said")?,
        since: time(json, "since")?,
        again: time(json, "again"),
    })
}

fn delayed(json: &Json) -> Option<Delayed> {
    Some(Delayed {
        due: time(json, "due")?,
        until: time(json, "until")?,
        asked: time(json, "asked")?,
    })
}

fn text(json: &Json, key: &str) -> Option<String> {
    json.get(key)?.as_str().map(str::to_owned)
}

fn word<T: std::str::FromStr>(json: &Json, key: &str) -> Option<T> {
    json.get(key)?.as_str()?.parse().ok()
}

fn number(json: &Json, key: &str) -> u32 {
    let number = json.get(key).and_then(Json::as_u64);
    number.and_then(|it| u32::try_from(it).ok()).unwrap_or(0)
}

fn time(json: &Json, key: &str) -> Option<Timestamp> {
    let at: jiff::Timestamp = word(json, key)?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}
