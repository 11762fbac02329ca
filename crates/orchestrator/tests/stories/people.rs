//! What people do to their own rows while Shraga works.

use shraga_core::row::{Table, tasks};
use shraga_core::status::TaskStatus;
use shraga_testkit::faults::{Fault, Faults, Gate, When};
use shraga_testkit::stage::Stage;

use crate::cast::{orchestrator, plain, play, rest, seen};

#[tokio::test]
async fn deleting_the_row_midway_harms_no_execution_and_nothing_brings_it_back() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 1).await;
    let task = ann.files("one").await;
    let mut orchestrator = plain(&stage);
    rest(&mut orchestrator).await;
    ann.deletes(task).await;
    play(&mut orchestrator, &worker).await;
    assert_eq!(stage.mirror(task).await.status, TaskStatus::Completed);
    assert_eq!(stage.task(task).await, None);
}

#[tokio::test]
async fn deleting_the_row_while_it_is_being_mirrored_leaves_nothing_behind() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let task = ann.files("one").await;
    let (faults, gate) = (Faults::new(), Gate::new());
    faults.arm(When::write(), Fault::HoldRequest(gate.clone()));
    let mut orchestrator = orchestrator(&stage, &faults);
    let ticking = tokio::spawn(async move {
        orchestrator.tick_once().await.unwrap();
        orchestrator
    });
    gate.arrival().await;
    ann.deletes(task).await;
    gate.open();
    rest(&mut ticking.await.unwrap()).await;
    assert_eq!(stage.mirrors(task).await, []);
}

#[tokio::test]
async fn editing_the_row_midway_changes_what_is_shown_and_not_what_runs() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 1).await;
    let task = ann.files("one").await;
    let mut orchestrator = plain(&stage);
    rest(&mut orchestrator).await;
    ann.edits(task, &[(tasks::NAME, "renamed".into())]).await;
    play(&mut orchestrator, &worker).await;
    let row = stage.task(task).await.unwrap();
    assert_eq!(
        (row.name.as_str(), row.status),
        ("renamed", TaskStatus::Completed)
    );
    assert_eq!(stage.mirror(task).await.name, "one");
}

#[tokio::test]
async fn a_status_that_a_person_writes_is_overwritten_by_the_truth() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 1).await;
    let task = ann.files("one").await;
    let mut orchestrator = plain(&stage);
    play(&mut orchestrator, &worker).await;
    ann.edits(task, &[(tasks::STATUS, TaskStatus::Pending.code().into())])
        .await;
    rest(&mut orchestrator).await;
    assert_eq!(seen(&stage, task).await, TaskStatus::Completed);
    assert_eq!(stage.mirror(task).await.shown.attempt.0, 1);
}

#[tokio::test]
async fn a_task_canceled_before_it_has_a_mirror_never_gets_one() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let mut orchestrator = plain(&stage);
    rest(&mut orchestrator).await;
    let task = ann.files("one").await;
    ann.cancels(task).await;
    rest(&mut orchestrator).await;
    assert_eq!(seen(&stage, task).await, TaskStatus::Canceled);
    assert_eq!(stage.mirrors(task).await, []);
}

#[tokio::test]
async fn a_task_canceled_before_it_is_claimed_is_never_claimed() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 1).await;
    let task = ann.files("one").await;
    let mut orchestrator = plain(&stage);
    rest(&mut orchestrator).await;
    let assigned = worker.assigned().await;
    ann.cancels(task).await;
    rest(&mut orchestrator).await;
    assert_eq!(worker.claims(&assigned).await, [false]);
    assert_eq!(stage.mirror(task).await.status, TaskStatus::Canceled);
    assert_eq!(seen(&stage, task).await, TaskStatus::Canceled);
}

#[tokio::test]
async fn a_running_task_that_is_canceled_is_ended_by_its_worker() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 1).await;
    let task = ann.files("one").await;
    let mut orchestrator = plain(&stage);
    rest(&mut orchestrator).await;
    worker.claims(&worker.assigned().await).await;
    ann.cancels(task).await;
    rest(&mut orchestrator).await;
    assert_eq!(stage.mirror(task).await.status, TaskStatus::Canceling);
    let held = worker.executing().await;
    assert_eq!(worker.ends(&held, TaskStatus::Canceled).await, [true]);
    rest(&mut orchestrator).await;
    assert_eq!(seen(&stage, task).await, TaskStatus::Canceled);
}

#[tokio::test]
async fn a_request_to_cancel_made_while_no_orchestrator_ran_is_honoured_by_the_next() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let task = ann.files("one").await;
    rest(&mut plain(&stage)).await;
    ann.edits(task, &[(tasks::STATUS, TaskStatus::Canceled.code().into())])
        .await;
    rest(&mut plain(&stage)).await;
    assert_eq!(stage.mirror(task).await.status, TaskStatus::Canceled);
}

#[tokio::test]
async fn many_tasks_that_nobody_can_take_do_not_keep_others_from_their_turn() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let bob = stage.person("bob@example.com").await;
    ann.files_many(300).await;
    let mut orchestrator = plain(&stage);
    rest(&mut orchestrator).await;
    let behind = bob.files("bob's").await;
    rest(&mut orchestrator).await;
    let worker = stage.own_worker("bob's", 1, &bob).await;
    play(&mut orchestrator, &worker).await;
    assert_eq!(seen(&stage, behind).await, TaskStatus::Completed);
}

#[tokio::test]
async fn a_request_to_cancel_counts_whoever_wrote_it() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let task = ann.files("one").await;
    let mut orchestrator = plain(&stage);
    rest(&mut orchestrator).await;
    let cells = [(tasks::STATUS, TaskStatus::Canceling.code().into())];
    stage.overwrite(Table::Tasks, task.get(), &cells).await;
    rest(&mut orchestrator).await;
    assert_eq!(stage.mirror(task).await.status, TaskStatus::Canceled);
}
