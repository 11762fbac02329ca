//! Late results that are accepted, and some that must not be.

use shraga_core::audit;
use shraga_core::candidate::candidate_stream;
use shraga_core::ids::{EventId, TaskId};
use shraga_core::model::Mirror;
use shraga_core::row::{Column, Table, Value, events, tasks};
use shraga_core::status::TaskStatus;
use shraga_dataverse::Client;
use shraga_testkit::double::Double;
use shraga_testkit::faults::Faults;
use shraga_testkit::stage::{Person, Stage};
use uuid::Uuid;

use crate::cast::{plain, play, rest, seen};

/// A task of hers that failed at `worker`.
async fn failed(stage: &Stage, person: &Person, worker: &Double) -> Mirror {
    let task = person.files("one").await;
    let mut orchestrator = plain(stage);
    rest(&mut orchestrator).await;
    worker.claims(&worker.assigned().await).await;
    worker
        .ends(&worker.executing().await, TaskStatus::Failed)
        .await;
    rest(&mut orchestrator).await;
    stage.mirror(task).await
}

/// The event by which `worker` keeps a result of the first attempt, as a worker makes it.
fn candidate(of: &Mirror, worker: &Double, result: &str) -> (EventId, Vec<(Column, Value)>) {
    let stream = candidate_stream(worker.id, of.shown.attempt, worker.boot);
    let content = format!(
        r#"{{"at":"2026-01-01T00:00:00Z","attempt":1,"outcome":"Completed","result":"{result}","type":"Candidate"}}"#
    );
    let cells = vec![
        (events::NAME, "attempt 1 ended too late: Completed".into()),
        (events::KIND, "Candidate".into()),
        (events::USER_ID, of.user.map(|it| it.get()).into()),
        (events::TASK_ID, of.task.get().into()),
        (events::ATTEMPT, i64::from(of.shown.attempt.0).into()),
        (events::SEQUENCE, 1.into()),
        (events::HASH, audit::hash("", &content).into()),
        (events::CONTENT, content.into()),
        (events::STREAM, stream.as_str().into()),
    ];
    (EventId::of(of.id, &stream, 1), cells)
}

async fn keep(client: &Client, (id, cells): &(EventId, Vec<(Column, Value)>)) -> bool {
    let made = client.create(Table::Events, id.get(), cells).await;
    made.is_ok()
}

/// What `shraga retry --accept-candidate` files.
async fn accept(person: &Person, of: TaskId, event: EventId) -> TaskId {
    let id = Uuid::now_v7();
    let cells = [
        (tasks::NAME, "again".into()),
        (tasks::STATUS, 1.into()),
        (tasks::INPUT, format!(r#"{{"candidate":"{event}"}}"#).into()),
        (tasks::RETRY_OF, of.get().into()),
    ];
    let made = person.client.create(Table::Tasks, id, &cells).await;
    TaskId::new(made.unwrap().id)
}

async fn text(stage: &Stage, task: TaskId, column: Column) -> Option<String> {
    let admin = stage.admin_client(&Faults::new());
    let row = admin.get(Table::Tasks, task.get(), &[column.name()]).await;
    let row = row.unwrap().unwrap().object().unwrap();
    row[column.name()].as_str().map(str::to_owned)
}

/// Nothing came of it: it failed with this in its message, and nobody worked on it.
async fn refused(stage: &Stage, task: TaskId, why: &str) {
    let row = stage.task(task).await.unwrap();
    assert_eq!(row.status, TaskStatus::Failed);
    assert_eq!(row.shown.reason.as_deref(), Some("candidate-refused"));
    let said = row.shown.message.unwrap_or_default();
    assert!(said.contains(why), "{said}");
    assert_eq!(
        text(stage, task, tasks::RESULT).await.unwrap_or_default(),
        ""
    );
    assert_eq!(stage.events(task, "TaskAssigned").await, 0);
}

#[tokio::test]
async fn an_accepted_late_result_is_a_finished_task_that_nobody_worked_on() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 2).await;
    let old = failed(&stage, &ann, &worker).await;
    let late = candidate(&old, &worker, "it works");
    assert!(keep(worker.client(), &late).await);
    let new = accept(&ann, old.task, late.0).await;
    // A slot is free all the time.
    play(&mut plain(&stage), &worker).await;
    assert_eq!(seen(&stage, new).await, TaskStatus::Completed);
    let result = text(&stage, new, tasks::RESULT).await;
    assert_eq!(result.as_deref(), Some("it works"));
    let output = text(&stage, new, tasks::OUTPUT).await.unwrap();
    assert!(output.contains(&late.0.to_string()), "{output}");
    assert_eq!(stage.events(new, "TaskAssigned").await, 0);
    assert_eq!(stage.events(new, "TaskCompleted").await, 1);
    assert_eq!(seen(&stage, old.task).await, TaskStatus::Failed);
}

#[tokio::test]
async fn what_another_worker_or_another_person_says_was_done_is_not_accepted() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let eve = stage.person("eve@example.com").await;
    let worker = stage.shared_worker("w1", 1).await;
    let old = failed(&stage, &ann, &worker).await;
    // Made after the attempt, so that it never had it.
    let other = stage.own_worker("w2", 1, &eve).await;
    let mut orchestrator = plain(&stage);

    // A worker that never had the attempt can say so in a stream of its own only, and that counts for nothing.
    let foreign = candidate(&old, &other, "trust me");
    assert!(keep(other.client(), &foreign).await);
    let new = accept(&ann, old.task, foreign.0).await;
    rest(&mut orchestrator).await;
    refused(&stage, new, "was not assigned to the worker").await;

    // Into the worker's stream neither it nor a person can write.
    let forged = candidate(&old, &worker, "trust me");
    assert!(!keep(other.client(), &forged).await);
    assert!(!keep(&eve.client, &forged).await);
    assert!(!keep(&ann.client, &forged).await);
    let new = accept(&ann, old.task, forged.0).await;
    rest(&mut orchestrator).await;
    refused(&stage, new, "no such late result").await;

    // A real one is nobody's but hers.
    assert!(keep(worker.client(), &forged).await);
    let new = accept(&eve, old.task, forged.0).await;
    rest(&mut orchestrator).await;
    refused(&stage, new, "is not this person's").await;
    let mine = accept(&ann, old.task, forged.0).await;
    rest(&mut orchestrator).await;
    assert_eq!(seen(&stage, mine).await, TaskStatus::Completed);
}

#[tokio::test]
async fn two_orchestrators_that_accept_it_at_once_end_the_task_once() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 1).await;
    let old = failed(&stage, &ann, &worker).await;
    let late = candidate(&old, &worker, "it works");
    assert!(keep(worker.client(), &late).await);
    let new = accept(&ann, old.task, late.0).await;
    let (mut one, mut two) = (plain(&stage), plain(&stage));
    for _ in 0..6 {
        let _ = tokio::join!(one.tick_once(), two.tick_once());
    }
    rest(&mut one).await;
    assert_eq!(seen(&stage, new).await, TaskStatus::Completed);
    assert_eq!(stage.events(new, "TaskCompleted").await, 1);
    assert_eq!(stage.mirrors(new).await.len(), 1);
}
