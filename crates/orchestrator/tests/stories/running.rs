//! The driver: wake-ups, timers, stopping, and what it says of itself.

use std::time::Duration;

use shraga_core::ids::TaskId;
use shraga_core::status::TaskStatus;
use shraga_orchestrator::{Config, LastResult, LeaseView, Left, Orchestrator, Phase, StoreKind};
use shraga_testkit::faults::Faults;
use shraga_testkit::stage::{Person, Stage};
use tokio_util::sync::CancellationToken;

use crate::cast::seen;

/// How long a story waits for what must happen at once. Only a broken one waits that long.
const DEADLINE: Duration = Duration::from_secs(30);

/// Timers so slow that only wake-ups can make a story end in time.
fn without_timers(name: &str) -> Config {
    Config {
        period_open: Duration::from_secs(3600),
        period_idle: Duration::from_secs(3600),
        ..Config::new(name)
    }
}

/// Waits until the person sees `status`, woken by the store.
async fn until(stage: &Stage, person: &Person, task: TaskId, status: TaskStatus) {
    let watch = async {
        let mut since = person.client.changes(None).await.unwrap().next;
        while seen(stage, task).await != status {
            since = person.client.changes(Some(since)).await.unwrap().next;
        }
    };
    let ended = tokio::time::timeout(DEADLINE, watch).await;
    ended.unwrap_or_else(|_| panic!("she never saw {status}"));
}

#[tokio::test]
async fn wake_ups_alone_carry_a_task_to_its_end() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 1).await;
    let token = CancellationToken::new();
    let client = stage.admin_client(&Faults::new());
    let orchestrator = Orchestrator::new(client, without_timers("one"), token.clone());
    let mut status = orchestrator.status();
    let running = tokio::spawn(orchestrator.run());
    status.wait_for(|status| status.ticks > 0).await.unwrap();
    let task = ann.files("one").await;
    until(&stage, &ann, task, TaskStatus::Queued).await;
    assert_eq!(worker.works().await, 1);
    until(&stage, &ann, task, TaskStatus::Completed).await;
    token.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_orchestrators_and_two_workers_at_once_take_each_task_through_once() {
    const TASKS: u64 = 200;
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let token = CancellationToken::new();
    let mut roles = tokio::task::JoinSet::new();
    for name in ["w1", "w2"] {
        let worker = stage.shared_worker(name, 20).await;
        roles.spawn(async move { worker.works_on().await });
    }
    for name in ["first", "second"] {
        let client = stage.admin_client(&Faults::new());
        let orchestrator = Orchestrator::new(client, Config::new(name), token.clone());
        roles.spawn(async move {
            orchestrator.run().await.unwrap();
        });
    }
    let mut since = ann.client.changes(None).await.unwrap().next;
    ann.files_many(usize::try_from(TASKS).unwrap()).await;
    let ended = async {
        while stage.count_tasks(false, TaskStatus::Completed).await < TASKS {
            since = ann.client.changes(Some(since)).await.unwrap().next;
        }
    };
    tokio::time::timeout(4 * DEADLINE, ended).await.unwrap();
    assert_eq!(stage.count_tasks(true, TaskStatus::Completed).await, TASKS);
    for kind in ["TaskMirrored", "TaskStarted", "TaskCompleted"] {
        assert_eq!(stage.count_events(kind).await, TASKS, "{kind}");
    }
    token.cancel();
}

#[tokio::test]
async fn an_orchestrator_that_hands_over_keeps_nobody_waiting_for_its_lease() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let _worker = stage.shared_worker("w1", 2).await;
    let config = without_timers("first");
    let hand_over = config.hand_over.clone();
    let client = stage.admin_client(&Faults::new());
    let orchestrator = Orchestrator::new(client, config, CancellationToken::new());
    let mut status = orchestrator.status();
    let running = tokio::spawn(orchestrator.run());
    let task = ann.files("one").await;
    until(&stage, &ann, task, TaskStatus::Queued).await;
    let held = status.wait_for(|now| now.lease == LeaseView::Held).await;
    drop(held.unwrap());
    hand_over.cancel();
    assert_eq!(running.await.unwrap().unwrap(), Left::HandedOver);
    let other = ann.files("two").await;
    let mut next = crate::cast::named("second", stage.admin_client(&Faults::new()));
    next.run_until_idle().await.unwrap();
    until(&stage, &ann, other, TaskStatus::Queued).await;
}

#[tokio::test]
async fn a_stopped_orchestrator_hands_its_lease_back_and_says_so() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let _worker = stage.shared_worker("w1", 1).await;
    let token = CancellationToken::new();
    let client = stage.admin_client(&Faults::new());
    let orchestrator = Orchestrator::new(client, without_timers("first"), token.clone());
    let mut status = orchestrator.status();
    let running = tokio::spawn(orchestrator.run());
    let task = ann.files("one").await;
    until(&stage, &ann, task, TaskStatus::Queued).await;
    status
        .wait_for(|now| now.lease == LeaseView::Held)
        .await
        .unwrap();
    token.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(status.borrow().phase, Phase::Stopped);
    let mut next = crate::cast::named("second", stage.admin_client(&Faults::new()));
    next.tick_once().await.unwrap();
    assert_eq!(next.status().borrow().lease, LeaseView::Free);
}

#[tokio::test]
async fn the_status_names_every_loop_with_its_reason_and_result() {
    let stage = Stage::new().await;
    let mut orchestrator = crate::cast::plain(&stage);
    orchestrator.tick_once().await.unwrap();
    let status = orchestrator.status().borrow().clone();
    let names: Vec<_> = status.loops.iter().map(|each| each.name).collect();
    assert_eq!(names, ["repair", "health", "sync", "mirror", "assign"]);
    assert!(
        status
            .loops
            .iter()
            .all(|each| each.last == LastResult::Idle)
    );
    assert_eq!(status.store, Some(StoreKind::Embedded));
    assert_eq!(status.identity, Some(stage.admin));
}

#[tokio::test]
async fn an_unreachable_store_at_the_start_ends_the_run_and_a_later_outage_does_not() {
    let stage = Stage::new().await;
    let faults = Faults::new();
    let token = CancellationToken::new();
    stage.stop();
    let client = stage.admin_client(&faults);
    let orchestrator = Orchestrator::new(client, Config::new("one"), token.clone());
    assert!(orchestrator.run().await.is_err());
    stage.start();
    let client = stage.admin_client(&faults);
    let mut orchestrator = Orchestrator::new(client, Config::new("one"), token);
    orchestrator.tick_once().await.unwrap();
    faults.cut();
    orchestrator.tick_once().await.unwrap_err();
    assert!(orchestrator.status().borrow().trouble.is_some());
    faults.restore();
    orchestrator.tick_once().await.unwrap();
    assert_eq!(orchestrator.status().borrow().trouble, None);
}

#[tokio::test]
async fn an_admin_in_the_state_file_that_is_not_us_is_named_and_not_believed() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let config = Config {
        admin_user: Some(ann.id),
        ..Config::new("one")
    };
    let client = stage.admin_client(&Faults::new());
    let mut orchestrator = Orchestrator::new(client, config, CancellationToken::new());
    orchestrator.tick_once().await.unwrap();
    let status = orchestrator.status().borrow().clone();
    assert_eq!(status.identity, Some(stage.admin));
    assert!(status.notes.iter().any(|note| note.contains("state file")));
}
