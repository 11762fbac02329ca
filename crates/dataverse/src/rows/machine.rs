//! What `cr_machine` of a worker's row holds.
//!
//! What can't be understood is kept as text: a worker that an orchestrator of another version looks
//! after must not be taken for one that nobody does.

use serde::Deserialize;
use shraga_core::ids::{BootId, UserId};
use shraga_core::machine::{Delayed, Note, Record, Serves, Tally, Trouble};
use shraga_core::model::StreamHead;
use shraga_core::time::{Span, Timestamp};
use uuid::Uuid;

use super::field::time;

#[derive(Deserialize)]
struct NoteJson {
    provider: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    person: Option<Uuid>,
    #[serde(default)]
    stage: String,
    #[serde(default)]
    since: String,
    #[serde(default)]
    tries: u32,
    #[serde(default)]
    tried: Option<String>,
    #[serde(default)]
    trouble: Option<TroubleJson>,
    #[serde(default)]
    ready_on: Option<String>,
    #[serde(default)]
    used_until: Option<String>,
    #[serde(default)]
    link: Option<String>,
    #[serde(default)]
    told: bool,
    #[serde(default)]
    up_since: Option<String>,
    #[serde(default)]
    up_ms: i64,
    #[serde(default)]
    wish: Option<String>,
    #[serde(default)]
    failures: u32,
    #[serde(default)]
    mended: bool,
    #[serde(default)]
    boot_before: Option<Uuid>,
    #[serde(default)]
    delayed: Option<DelayedJson>,
    #[serde(default)]
    advice: Option<String>,
    #[serde(default)]
    head: Option<HeadJson>,
    #[serde(default)]
    month: String,
    #[serde(default)]
    made: u32,
}

#[derive(Deserialize)]
struct TroubleJson {
    class: String,
    said: String,
    since: String,
    #[serde(default)]
    again: Option<String>,
}

#[derive(Deserialize)]
struct DelayedJson {
    due: String,
    until: String,
    asked: String,
}

#[derive(Deserialize)]
struct HeadJson {
    sequence: u32,
    hash: String,
    #[serde(default)]
    stream: Option<String>,
}

/// What a row's `cr_machine` says; nothing while it is empty.
#[must_use]
pub fn note(text: &str) -> Option<Note> {
    if text.trim().is_empty() {
        return None;
    }
    let read = serde_json::from_str::<NoteJson>(text).ok().and_then(parse);
    Some(read.unwrap_or_else(|| Note::Unknown(text.to_owned())))
}

fn parse(json: NoteJson) -> Option<Note> {
    let provider = json.provider.parse().ok()?;
    let Some(name) = json.name else {
        return Some(Note::Tally(Tally {
            provider,
            month: json.month.parse().ok()?,
            made: json.made,
        }));
    };
    let person = json.person.map(UserId::new);
    let trouble = match json.trouble {
        Some(it) => Some(Trouble {
            class: it.class.parse().ok()?,
            said: it.said,
            since: time(&it.since)?,
            again: maybe(it.again.as_deref())?,
        }),
        None => None,
    };
    let wish = match json.wish {
        Some(wish) => Some(wish.parse().ok()?),
        None => None,
    };
    let delayed = match json.delayed {
        Some(it) => Some(Delayed {
            due: time(&it.due)?,
            until: time(&it.until)?,
            asked: time(&it.asked)?,
        }),
        None => None,
    };
    let head = json.head.map(|head| StreamHead {
        sequence: head.sequence,
        hash: head.hash,
        stream: head.stream,
    });
    Some(Note::Machine(Box::new(Record {
        provider,
        name: name.parse().ok()?,
        serves: person.map_or(Serves::Everyone, Serves::Person),
        stage: json.stage.parse().ok()?,
        since: time(&json.since)?,
        tries: json.tries,
        tried: maybe(json.tried.as_deref())?,
        trouble,
        ready_on: maybe(json.ready_on.as_deref())?,
        used_until: maybe(json.used_until.as_deref())?,
        link: json.link,
        told: json.told,
        up_since: maybe(json.up_since.as_deref())?,
        up: Span::millis(json.up_ms),
        wish,
        failures: json.failures,
        mended: json.mended,
        boot_before: json.boot_before.map(BootId::new),
        delayed,
        advice: json.advice,
        head: head.unwrap_or_default(),
    })))
}

/// A point in time that may be left out; `None` when it is there and is none.
fn maybe(text: Option<&str>) -> Option<Option<Timestamp>> {
    match text {
        Some(text) => time(text).map(Some),
        None => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use shraga_core::machine::{MachineName, ProviderKind, Stage, TroubleClass, Wish};
    use shraga_core::time::Month;

    use super::*;

    const NOON: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn record() -> Record {
        let (admin, ann) = (
            UserId::new(Uuid::from_u128(1)),
            UserId::new(Uuid::from_u128(2)),
        );
        let serves = Serves::Person(ann);
        let name = MachineName::of("shraga", admin, serves, 1);
        Record::wanted(ProviderKind::DevBox, name, serves, NOON)
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let bare = record();
        let mut full = Record {
            stage: Stage::Failed,
            tries: 3,
            tried: Some(NOON),
            trouble: Some(Trouble {
                class: TroubleClass::Capacity,
                said: "no \"room\"\u{e9}".to_owned(),
                since: NOON,
                again: Some(NOON.plus(Span::mins(30))),
            }),
            ready_on: Some(NOON),
            used_until: Some(NOON),
            link: Some("https://example.org/?a=b".to_owned()),
            told: true,
            up_since: Some(NOON),
            up: Span::mins(90),
            wish: Some(Wish::Delete),
            failures: 2,
            mended: true,
            boot_before: Some(BootId::new(Uuid::from_u128(3))),
            delayed: Some(Delayed {
                due: NOON,
                until: NOON.plus(Span::mins(60)),
                asked: NOON,
            }),
            advice: Some("switch it off".to_owned()),
            ..record()
        };
        full.head.sequence = 2;
        full.head.hash = "ab".to_owned();
        for record in [bare, full] {
            let read = note(&record.to_json());
            assert_eq!(read, Some(Note::Machine(Box::new(record))));
        }
    }

    #[test]
    fn a_tally_is_read_as_it_was_written() {
        let tally = Tally {
            provider: ProviderKind::Process,
            month: Month::of(NOON),
            made: 7,
        };
        assert_eq!(note(&tally.to_json()), Some(Note::Tally(tally)));
    }

    #[test]
    fn what_another_version_wrote_is_kept_and_given_nothing() {
        let text = record().to_json().replace("wanted", "resizing");
        let read = note(&text).unwrap();
        assert_eq!(read, Note::Unknown(text));
        assert!(!read.takes_work());
        assert_eq!(note(" "), None);
    }
}
