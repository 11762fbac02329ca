//! A chain holds as written, and any change to it is found.

use super::*;
use uuid::Uuid;

fn stream(events: u32) -> (Vec<Recorded>, StreamHead) {
    let task = TaskId::new(Uuid::from_u128(1));
    let about = About {
        mirror: MirrorId::of(task, 0),
        task,
        user: None,
        attempt: Attempt(1),
        stream: ORCHESTRATOR.to_owned(),
    };
    let mut stream = Stream::new(about, StreamHead::default());
    let rows = (0..events)
        .map(|n| {
            let content = Object::new().int("n", n);
            let at = Timestamp::from_secs(i64::from(n));
            recorded(&stream.push(EventKind::AgentMessage, "said", at, content))
        })
        .collect();
    (rows, stream.head().clone())
}

fn recorded(row: &Write) -> Recorded {
    let text = |column| match row.get(column) {
        Some(Value::Text(text)) => text.clone(),
        Some(Value::Null) => String::new(),
        other => panic!("{column:?} is {other:?}"),
    };
    let Some(Value::Int(sequence)) = row.get(events::SEQUENCE) else {
        panic!("no sequence")
    };
    Recorded {
        sequence: u32::try_from(*sequence).unwrap(),
        content: text(events::CONTENT),
        previous: text(events::PREVIOUS_HASH),
        hash: text(events::HASH),
    }
}

#[test]
fn a_stream_as_written_holds() {
    let (rows, head) = stream(3);
    assert_eq!(verify(&rows, Some(&head)), Ok(head));
    assert_eq!(verify(&[], None), Ok(StreamHead::default()));
}

#[test]
fn a_changed_a_missing_and_a_cut_off_event_are_found() {
    let (rows, head) = stream(3);
    let mut changed = rows.clone();
    changed[1].content.push(' ');
    assert_eq!(verify(&changed, None), Err(Broken::Changed { sequence: 2 }));
    let missing = [rows[0].clone(), rows[2].clone()];
    assert_eq!(
        verify(&missing, None),
        Err(Broken::Gap {
            expected: 2,
            found: 3
        })
    );
    assert_eq!(
        verify(&rows[..2], Some(&head)),
        Err(Broken::Head {
            expected: 3,
            found: 2
        })
    );
}

#[test]
fn the_hash_is_what_a_shell_can_compute() {
    // printf '%s' '{"a":1}' | sha256sum
    assert_eq!(
        hash("", "{\"a\":1}"),
        "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    );
}
