//! Rows are understood, or refused by name.

use serde_json::json;
use shraga_core::ids::Attempt;
use shraga_core::status::{EventKind, TaskStatus, WorkPhase};

use super::*;

const ID: &str = "0193f0a1-b2c3-7d4e-8f90-112233445566";
const WORKER: &str = "0193f0a1-b2c3-7d4e-8f90-00000000000a";

fn row(value: &serde_json::Value) -> Row {
    Row::new(serde_json::to_vec(value).unwrap().into())
}

fn task_json() -> serde_json::Value {
    json!({
        "@odata.etag": "W/\"7\"",
        "cr_shraga_taskid": ID,
        "_ownerid_value": ID,
        "createdon": "2026-01-02T03:04:05Z",
        "modifiedon": "2026-01-02T03:04:06Z",
        "cr_status": 1,
        "cr_name": "say hello",
        "cr_prompt": "hello",
        "cr_input": null,
        "crb3b_useremail": "ann@example.com",
    })
}

fn with(mut value: serde_json::Value, column: &str, cell: serde_json::Value) -> Row {
    value[column] = cell;
    row(&value)
}

#[test]
fn a_persons_row_is_read_with_its_defaults() {
    let task = user_task(&row(&task_json())).unwrap();
    assert_eq!(task.id.to_string(), ID);
    assert_eq!(task.etag.as_str(), "W/\"7\"");
    assert_eq!(task.status, TaskStatus::Pending);
    assert_eq!(task.created, Timestamp::from_secs(1_767_323_045));
    assert_eq!((task.priority, task.mirror_link), (0, None));
    assert_eq!(task.shown.attempt, Attempt(0));
}

#[test]
fn what_a_person_wrote_never_makes_her_row_unreadable() {
    for nonsense in ["", "{", "[]", "7", "{\"agent\":7,\"labels\":{}}", "\u{0}"] {
        let task = user_task(&with(task_json(), "cr_input", json!(nonsense))).unwrap();
        assert_eq!(
            task.wants,
            shraga_core::model::Wants::default(),
            "{nonsense}"
        );
        let task = user_task(&with(task_json(), "cr_retryof", json!(nonsense))).unwrap();
        assert_eq!(task.retry_of, None);
        let task = user_task(&with(task_json(), "cr_answer", json!(nonsense))).unwrap();
        assert_eq!(task.answer, None);
    }
}

#[test]
fn labels_may_be_a_list_or_words() {
    for labels in [json!(["gpu", "eu"]), json!("gpu, eu,")] {
        let input = json!({ "agent": "codex", "labels": labels }).to_string();
        let task = user_task(&with(task_json(), "cr_input", json!(input))).unwrap();
        assert_eq!(task.wants.labels, ["gpu", "eu"]);
        assert_eq!(task.wants.agent.as_deref(), Some("codex"));
    }
}

#[test]
fn a_mirror_is_read_with_its_lease_and_head() {
    let mut value = task_json();
    value["cr_mirroroftaskid"] = json!(ID);
    value["cr_userid"] = json!(ID);
    value["cr_status"] = json!(5);
    value["cr_workerstatus"] = json!("executing");
    value["cr_attempt"] = json!(2);
    value["cr_assignedworkerid"] = json!(WORKER);
    value["cr_lease"] = json!(format!(
        "{{\"attempt\":2,\"boot\":null,\"since\":\"2026-01-02T03:04:05Z\",\"worker\":\"{WORKER}\"}}"
    ));
    value["cr_eventhead"] = json!("{\"hash\":\"ab\",\"sequence\":3}");
    let mirror = mirror(&row(&value)).unwrap();
    let lease = mirror.lease.unwrap();
    assert_eq!(lease.worker.to_string(), WORKER);
    assert_eq!((lease.boot, lease.attempt), (None, Attempt(2)));
    assert_eq!(mirror.phase, Some(WorkPhase::Executing));
    assert_eq!((mirror.head.sequence, mirror.head.hash.as_str()), (3, "ab"));
    assert_eq!(mirror.rank, mirror.created);
}

#[test]
fn what_core_writes_into_json_columns_is_read_back() {
    use shraga_core::ids::{BootId, WorkerId};
    use shraga_core::model::{Answer, Lease, StreamHead};
    let lease = Lease {
        worker: WorkerId::new(WORKER.parse().unwrap()),
        boot: Some(BootId::new(ID.parse().unwrap())),
        attempt: Attempt(3),
        since: Timestamp::from_secs(1_767_323_045),
    };
    let head = StreamHead {
        sequence: 4,
        hash: "cd".to_owned(),
        stream: Some("orchestrator~5".to_owned()),
    };
    let answer = Answer {
        asked: Some("which one?".to_owned()),
        question: "q1".to_owned(),
        text: Some("yes \"please\"".to_owned()),
    };
    let mut value = task_json();
    value["cr_mirroroftaskid"] = json!(ID);
    value["cr_lease"] = json!(lease.to_json());
    value["cr_eventhead"] = json!(head.to_json());
    value["cr_answer"] = json!(answer.to_json());
    let mirror = mirror(&row(&value)).unwrap();
    assert_eq!(mirror.lease, Some(lease));
    assert_eq!(mirror.head, head);
    assert_eq!(mirror.answer, Some(answer));
}

#[test]
fn errors_name_table_field_and_value() {
    let refusal = |column: &str, cell: serde_json::Value| {
        let error = user_task(&with(task_json(), column, cell)).unwrap_err();
        error.to_string()
    };
    insta::assert_snapshot!(refusal("cr_status", json!(4)), @"row of tasks: `cr_status` is `4`");
    insta::assert_snapshot!(refusal("cr_status", json!(null)), @"row of tasks: `cr_status` is `null`");
    insta::assert_snapshot!(refusal("cr_status", json!("Pending")), @r#"row of tasks: `cr_status` is `"Pending"`"#);
    insta::assert_snapshot!(refusal("createdon", json!("soon")), @"row of tasks: `createdon` is `soon`");
    insta::assert_snapshot!(refusal("@odata.etag", json!(null)), @"row of tasks: `@odata.etag` is `null`");
    insta::assert_snapshot!(refusal("cr_attempt", json!(-1)), @"row of tasks: `cr_attempt` is `-1`");
    let no_row = user_task(&Row::new("7".into())).unwrap_err();
    assert!(
        no_row.to_string().starts_with("row of tasks: `row` is"),
        "{no_row}"
    );
}

#[test]
fn a_worker_of_the_original_has_one_slot_and_serves_its_owner() {
    let value = json!({
        "@odata.etag": "W/\"7\"", "cr_shraga_workerid": WORKER, "_ownerid_value": ID,
        "cr_name": "box", "cr_type": "DevBox", "cr_status": "ready", "cr_labels": "a, b",
    });
    let read = worker(&row(&value)).unwrap();
    assert_eq!(
        (read.slots, read.pool),
        (1, shraga_core::status::Pool::Dedicated)
    );
    assert_eq!(read.labels, ["a", "b"]);
    let error = worker(&with(value, "cr_slots", json!(-1))).unwrap_err();
    assert_eq!(error.to_string(), "row of workers: `cr_slots` is `-1`");
}

#[test]
fn a_worker_was_not_heard_later_than_its_row_was_written() {
    let heard = |said: &str| {
        let value = json!({
            "@odata.etag": "W/\"7\"", "cr_shraga_workerid": WORKER, "_ownerid_value": ID,
            "cr_type": "DevBox", "cr_status": "ready",
            "modifiedon": "2026-01-02T03:04:05Z", "cr_lastseen": said,
        });
        worker(&row(&value)).unwrap().last_seen
    };
    let written = heard("2026-01-02T03:04:05Z");
    assert_eq!(
        heard("2026-01-05T03:04:05Z"),
        written,
        "its clock is days ahead"
    );
    assert!(heard("2026-01-02T03:04:04Z") < written);
}

#[test]
fn an_event_of_an_unknown_kind_is_still_an_event() {
    let value = json!({
        "cr_shraga_eventid": ID, "createdon": "2026-01-02T03:04:05Z", "cr_type": "Novelty",
        "cr_sequence": 2, "cr_content": "{}",
    });
    let read = event(&row(&value)).unwrap();
    assert_eq!(read.kind, Err("Novelty".to_owned()));
    let read = event(&with(value, "cr_type", json!("TaskStarted"))).unwrap();
    assert_eq!(read.kind, Ok(EventKind::TaskStarted));
}

#[test]
fn renamed_columns_come_back_under_their_default_names() {
    let names = Names::default()
        .with_set(Table::Tasks, "acme_jobs")
        .with_column("cr_status", "acme_state");
    let value = json!({
        "acme_jobid": ID,
        "acme_state@OData.Community.Display.V1.FormattedValue": "Pending",
        "acme_state": 1,
        "createdon": "2026-01-02T03:04:05Z",
    });
    let renamed = row(&value)
        .with_default_names(&names, Table::Tasks)
        .unwrap();
    let object = renamed.object().unwrap();
    let keys: Vec<&String> = object.keys().collect();
    let formatted = "cr_status@OData.Community.Display.V1.FormattedValue";
    assert_eq!(
        keys,
        ["cr_shraga_taskid", formatted, "cr_status", "createdon"]
    );
}
