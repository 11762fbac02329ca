//! What happens when nothing goes wrong.

use shraga_core::reason::Reason;
use shraga_core::row::Table;
use shraga_core::status::TaskStatus;
use shraga_testkit::faults::Faults;
use shraga_testkit::stage::Stage;

use crate::cast::{orchestrator, plain, play, rest, seen, went_through_once};

#[tokio::test]
async fn a_task_is_mirrored_assigned_worked_on_and_its_result_comes_back() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 2).await;
    let task = ann.files("fix the build").await;
    let mut orchestrator = plain(&stage);
    rest(&mut orchestrator).await;
    assert_eq!(seen(&stage, task).await, TaskStatus::Queued);
    let mirror = stage.mirror(task).await;
    assert_eq!(mirror.shown.worker, Some(worker.id));
    play(&mut orchestrator, &worker).await;
    went_through_once(&stage, task).await;
    let row = ann
        .client
        .get(Table::Tasks, task.get(), &["cr_result"])
        .await;
    let row = row.unwrap().unwrap().object().unwrap();
    assert_eq!(row["cr_result"], "done");
}

#[tokio::test]
async fn mirroring_and_assigning_a_task_is_one_change_set() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let _worker = stage.shared_worker("w1", 1).await;
    let faults = Faults::new();
    let mut orchestrator = orchestrator(&stage, &faults);
    rest(&mut orchestrator).await;
    ann.files("one").await;
    let report = orchestrator.tick_once().await.unwrap();
    // The person's own row, the task with its assignment, the courtesy lease.
    assert_eq!((report.counts.planned, report.counts.done), (2, 3));
}

#[tokio::test]
async fn a_task_waits_with_a_reason_until_a_worker_appears() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let task = ann.files("one").await;
    let mut orchestrator = plain(&stage);
    let report = rest(&mut orchestrator).await;
    assert_eq!(report.waiting, [(task, Reason::NoWorker)]);
    assert_eq!(stage.mirror(task).await.status, TaskStatus::Pending);
    let row = stage.task(task).await.unwrap();
    assert_eq!(row.status, TaskStatus::Queued);
    let worker = stage.shared_worker("late", 1).await;
    play(&mut orchestrator, &worker).await;
    went_through_once(&stage, task).await;
}

#[tokio::test]
async fn a_persons_own_worker_is_chosen_before_a_shared_one_and_serves_nobody_else() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let bob = stage.person("bob@example.com").await;
    let hers = stage.own_worker("hers", 5, &ann).await;
    let shared = stage.shared_worker("shared", 5).await;
    let (a, b) = (ann.files("a").await, bob.files("b").await);
    rest(&mut plain(&stage)).await;
    assert_eq!(stage.mirror(a).await.shown.worker, Some(hers.id));
    assert_eq!(stage.mirror(b).await.shown.worker, Some(shared.id));
}

#[tokio::test]
async fn more_tasks_than_slots_wait_and_get_their_turn() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 3).await;
    let mut filed = Vec::new();
    for n in 0..10 {
        filed.push(ann.files(&format!("task {n}")).await);
    }
    let mut orchestrator = plain(&stage);
    rest(&mut orchestrator).await;
    assert_eq!(worker.assigned().await.len(), 3);
    // A full pool: tasks are mirrored without an assignment once they waited a moment.
    stage.clock.advance(2);
    play(&mut orchestrator, &worker).await;
    for task in filed {
        went_through_once(&stage, task).await;
    }
}

#[tokio::test]
async fn planning_alone_says_what_would_be_done_and_writes_nothing() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let task = ann.files("one").await;
    let before = stage.store().version();
    let plans = plain(&stage).plan_only().await.unwrap();
    let planned: Vec<_> = plans.iter().flat_map(|plan| &plan.sets).collect();
    assert!(planned.iter().any(|set| set.task == Some(task)));
    assert_eq!(stage.store().version(), before);
}

#[tokio::test]
async fn a_run_until_idle_ends_once_nothing_is_planned() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let task = ann.files("one").await;
    let finished = plain(&stage).run_until_idle().await.unwrap();
    assert!(finished.done >= 1 && finished.refused.is_empty());
    assert_eq!(stage.mirror(task).await.status, TaskStatus::Pending);
}

#[tokio::test]
async fn an_end_that_came_while_no_orchestrator_ran_is_told_by_the_next_one() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 1).await;
    let task = ann.files("one").await;
    rest(&mut plain(&stage)).await;
    assert_eq!(worker.works().await, 1);
    rest(&mut plain(&stage)).await;
    went_through_once(&stage, task).await;
}

#[tokio::test]
async fn progress_of_a_running_task_is_shown_once_it_lasts() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 1).await;
    let task = ann.files("one").await;
    let mut orchestrator = plain(&stage);
    rest(&mut orchestrator).await;
    worker.claims(&worker.assigned().await).await;
    stage.clock.advance(5);
    rest(&mut plain(&stage)).await;
    let row = stage.task(task).await.unwrap();
    assert_eq!(row.status, TaskStatus::Running);
    assert_eq!(row.shown.worker, Some(worker.id));
}

#[tokio::test]
async fn nothing_is_written_when_nothing_happens() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 1).await;
    ann.files("one").await;
    let mut orchestrator = plain(&stage);
    play(&mut orchestrator, &worker).await;
    let before = stage.store().version();
    let report = orchestrator.tick_once().await.unwrap();
    assert_eq!(report.counts.planned, 0);
    assert_eq!(stage.store().version(), before);
}
