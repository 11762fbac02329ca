//! Which events make a task's log.

use shraga_core::ids::{Attempt, EventId};
use uuid::Uuid;

use super::*;

const WORKER: &str = "0193f0a1-b2c3-7d4e-8f90-112233445566";

fn told(stream: &str, kind: EventKind, attempt: u32) -> Told {
    let event = Event {
        id: EventId::new(Uuid::now_v7()),
        kind: Ok(kind),
        name: stream.to_owned(),
        content: json!({ "worker": WORKER }).to_string(),
        task: Uuid::nil().to_string(),
        attempt: Attempt(attempt),
        stream: stream.to_owned(),
        sequence: 1,
        previous_hash: String::new(),
        hash: String::new(),
        created: Timestamp::from_millis(0),
    };
    Told::read(event).unwrap()
}

#[test]
fn a_worker_puts_nothing_into_the_log_of_a_task_that_was_not_assigned_to_it() {
    let own = format!("{WORKER}/1/boot");
    let stranger = format!("{}/1/boot", Uuid::nil());
    let unslashed = format!("{WORKER}-1");
    let all = vec![
        told("orchestrator", EventKind::TaskAssigned, 1),
        told(&own, EventKind::AgentMessage, 1),
        told(&own, EventKind::AgentMessage, 2),
        told(&stranger, EventKind::TaskAssigned, 1),
        told(&stranger, EventKind::AgentMessage, 1),
        told(WORKER, EventKind::TaskCompleted, 1),
        told(&unslashed, EventKind::TaskCompleted, 1),
    ];
    let counted = counting(all);
    let counted: Vec<_> = counted.iter().map(|told| &told.event.stream).collect();
    assert_eq!(counted, ["orchestrator", own.as_str()]);
}

#[test]
fn a_log_gives_each_event_once_however_often_and_late_it_is_read() {
    let mut log = Seen::default();
    let own = format!("{WORKER}/1/boot");
    let assigned = told("orchestrator", EventKind::TaskAssigned, 1);
    let said = told(&own, EventKind::AgentMessage, 1);
    // The line is seen before the assignment that makes it count.
    assert_eq!(log.take(vec![said.clone()]).len(), 0);
    assert_eq!(log.take(vec![said.clone(), assigned.clone()]).len(), 2);
    assert_eq!(log.take(vec![assigned, said]).len(), 0);
}
