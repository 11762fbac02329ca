//! `cr_machine`, read back from the text that the core wrote. Texts hold no quotes in these tests.

use shraga_core::machine::{Delayed, Note, Record, Serves, Tally, Trouble};
use shraga_core::model::StreamHead;
use shraga_core::time::{Span, Timestamp};

pub(crate) fn read(json: &str) -> Note {
    let (json, trouble) = without(json, "trouble");
    let (json, head) = without(&json, "head");
    let (json, delayed) = without(&json, "delayed");
    let Some(name) = get(&json, "name") else {
        return Note::Tally(Tally {
            provider: get(&json, "provider").unwrap().parse().unwrap(),
            month: get(&json, "month").unwrap().parse().unwrap(),
            made: number(&json, "made"),
        });
    };
    let person = get(&json, "person").map(|it| Serves::Person(it.parse().unwrap()));
    Note::Machine(Box::new(Record {
        provider: get(&json, "provider").unwrap().parse().unwrap(),
        name: name.parse().unwrap(),
        serves: person.unwrap_or(Serves::Everyone),
        stage: get(&json, "stage").unwrap().parse().unwrap(),
        since: time(&json, "since").unwrap(),
        tries: number(&json, "tries"),
        tried: time(&json, "tried"),
        trouble: trouble.map(|it| Trouble {
            class: get(&it, "class").unwrap().parse().unwrap(),
            said: get(&it, "said").unwrap(),
            since: time(&it, "since").unwrap(),
            again: time(&it, "again"),
        }),
        ready_on: time(&json, "ready_on"),
        used_until: time(&json, "used_until"),
        link: get(&json, "link"),
        told: get(&json, "told").unwrap() == "true",
        up_since: time(&json, "up_since"),
        up: Span::millis(get(&json, "up_ms").unwrap().parse().unwrap()),
        wish: get(&json, "wish").map(|it| it.parse().unwrap()),
        failures: get(&json, "failures").map_or(0, |it| it.parse().unwrap()),
        mended: get(&json, "mended").is_some(),
        boot_before: get(&json, "boot_before").map(|it| it.parse().unwrap()),
        delayed: delayed.map(|it| Delayed {
            due: time(&it, "due").unwrap(),
            until: time(&it, "until").unwrap(),
            asked: time(&it, "asked").unwrap(),
        }),
        advice: get(&json, "advice"),
        head: head.map_or_else(StreamHead::default, |it| StreamHead {
            sequence: number(&it, "sequence"),
            hash: get(&it, "hash").unwrap(),
            stream: None,
        }),
    }))
}

/// The text without the object called `key`, and that object.
fn without(json: &str, key: &str) -> (String, Option<String>) {
    let Some((before, rest)) = json.split_once(&format!("\"{key}\":{{")) else {
        return (json.to_owned(), None);
    };
    let (inner, after) = rest.split_once('}').unwrap();
    (format!("{before}{after}"), Some(format!(",{inner},")))
}

fn get(json: &str, key: &str) -> Option<String> {
    let (_, rest) = json.split_once(&format!("\"{key}\":"))?;
    let text = match rest.strip_prefix('"') {
        Some(text) => text.split_once('"').unwrap().0,
        None => rest.split([',', '}']).next().unwrap(),
    };
    Some(text.to_owned())
}

fn number(json: &str, key: &str) -> u32 {
    get(json, key).unwrap().parse().unwrap()
}

/// Reads back what [`Timestamp`] prints, by trying the seconds around these histories' beginning.
fn time(json: &str, key: &str) -> Option<Timestamp> {
    let text = get(json, key)?;
    let part = |from: usize, to: usize| text[from..to].parse::<i64>().unwrap();
    let (year, month, day) = (part(0, 4), part(5, 7), part(8, 10));
    let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap = i64::from(month > 2 && year % 4 == 0);
    let index = usize::try_from(month - 1).unwrap();
    let days = (year - 1970) * 365 + (year - 1969) / 4 + before[index] + leap + day - 1;
    let secs = days * 86_400 + part(11, 13) * 3600 + part(14, 16) * 60 + part(17, 19);
    let at = Timestamp::from_secs(secs);
    assert_eq!(at.to_string(), text);
    Some(at)
}
