//! Workers of the original at work beside ours, in stores with the original's columns and with all.

use shraga_core::row::{Table, tasks};
use shraga_core::status::TaskStatus;
use shraga_testkit::faults::Faults;
use shraga_testkit::original::with_ours;
use shraga_testkit::stage::{Kind, Stage};

use crate::cast::{rest, seen};
use crate::original::{beside, legacy_id, stage};

/// A store with all our tables in which legacy workers run too.
async fn full() -> Stage {
    Stage::with(Kind::Dataverse, with_ours()).await
}

#[tokio::test]
async fn a_mirror_is_never_taken_by_a_legacy_worker_that_can_see_it() {
    for stage in [stage().await, full().await] {
        let ann = stage.person("ann@example.com").await;
        let worker = stage.legacy_worker_that_sees_all(&ann, "BOX-1");
        let task = ann.files("one").await;
        // No worker is known, so the mirror stays Pending with her e-mail.
        rest(&mut beside(&stage, &[], &Faults::new())).await;
        let mirror = stage.mirror(task).await;
        assert_eq!(mirror.status, TaskStatus::Pending);
        let found: Vec<_> = worker.polls().await.into_iter().map(|it| it.id).collect();
        assert!(!found.contains(&mirror.id.get()), "{found:?}");
    }
}

#[tokio::test]
async fn the_mirror_has_the_fields_that_the_original_gave_it() {
    let stage = stage().await;
    let ann = stage.person("ann@example.com").await;
    let task = ann.files("one").await;
    rest(&mut beside(&stage, &[legacy_id()], &Faults::new())).await;
    let mirror = stage.mirror(task).await.id.get();
    let admin = stage.admin_client(&Faults::new());
    let row = admin.get(Table::Tasks, mirror, &[]).await.unwrap().unwrap();
    let row = row.object().unwrap();
    assert_eq!(row["cr_transcript"], "");
    assert_eq!(row["cr_result"], "");
    assert_eq!(row["crb3b_useremail"], "ann@example.com");
    assert_eq!(row["cr_prompt"], "please do one");
    assert_eq!(row["cr_ismirror"], true);
    assert_eq!(row["cr_mirroroftaskid"], task.to_string());
    assert_ne!(row["crb3b_devbox"], serde_json::Value::Null);
    assert_eq!(row["_ownerid_value"], stage.admin.to_string());
}

#[tokio::test]
async fn a_row_that_a_legacy_worker_takes_is_executed_once_and_given_to_nobody_else() {
    let stage = full().await;
    let ann = stage.person("ann@example.com").await;
    let legacy = stage.legacy_worker(&ann, "BOX-1");
    let task = ann.files("one").await;
    let old = legacy_id();
    // It waits, since nobody may have it; then a legacy worker takes the person's row by itself.
    let mut orchestrator = beside(&stage, &[], &Faults::new());
    rest(&mut orchestrator).await;
    let taken = stage.task(task).await.unwrap();
    let cells = [(tasks::STATUS, TaskStatus::Pending.code().into())];
    stage.overwrite(Table::Tasks, taken.id.get(), &cells).await;
    let found = legacy.polls().await.unwrap();
    assert!(legacy.claims(&found).await);
    let ours = stage.shared_worker("ours", 1).await;
    let mut orchestrator = beside(&stage, &[old], &Faults::new());
    rest(&mut orchestrator).await;
    assert_eq!(ours.assigned().await.len(), 0);
    assert_eq!(seen(&stage, task).await, TaskStatus::Running);
    legacy.ends(task.get(), 7, "its result").await;
    rest(&mut orchestrator).await;
    assert_eq!(stage.mirror(task).await.status, TaskStatus::Completed);
    assert_eq!(ours.assigned().await.len(), 0);
}

#[tokio::test]
async fn of_a_legacy_worker_and_ours_that_meet_at_one_task_one_gets_it() {
    for legacy_is_first in [true, false] {
        let stage = full().await;
        let ann = stage.person("ann@example.com").await;
        let legacy = stage.legacy_worker(&ann, "BOX-1");
        let ours = stage.own_worker("ours", 1, &ann).await;
        let task = ann.files("one").await;
        let mut orchestrator = beside(&stage, &[legacy_id()], &Faults::new());
        let found = legacy.polls().await.unwrap();
        if legacy_is_first {
            assert!(legacy.claims(&found).await);
            rest(&mut orchestrator).await;
            assert_eq!(ours.assigned().await.len(), 0);
            assert_eq!(stage.mirrors(task).await.len(), 0, "it is not pending");
        } else {
            rest(&mut orchestrator).await;
            assert!(!legacy.claims(&found).await, "it was linked and queued");
            assert_eq!(ours.assigned().await.len(), 1);
            assert!(legacy.polls().await.is_none());
        }
    }
}

#[tokio::test]
async fn a_cancel_is_honoured_whether_a_legacy_worker_took_the_task_or_not() {
    let stage = stage().await;
    let ann = stage.person("ann@example.com").await;
    let legacy = stage.legacy_worker(&ann, "BOX-1");
    let mut orchestrator = beside(&stage, &[legacy_id()], &Faults::new());
    let taken = ann.files("taken").await;
    rest(&mut orchestrator).await;
    let found = legacy.polls().await.unwrap();
    assert!(legacy.claims(&found).await);
    let untaken = ann.files("untaken").await;
    rest(&mut orchestrator).await;
    ann.cancels(taken).await;
    ann.cancels(untaken).await;
    rest(&mut orchestrator).await;
    assert_eq!(stage.mirror(untaken).await.status, TaskStatus::Canceled);
    assert_eq!(seen(&stage, untaken).await, TaskStatus::Canceled);
    assert_eq!(stage.mirror(taken).await.status, TaskStatus::Canceling);
    assert!(legacy.is_canceled(taken.get()).await);
    legacy.ends(taken.get(), 9, "").await;
    rest(&mut orchestrator).await;
    assert_eq!(stage.mirror(taken).await.status, TaskStatus::Canceled);
}

#[tokio::test]
async fn a_canceled_task_of_a_dead_legacy_worker_ends_at_last() {
    let stage = stage().await;
    let ann = stage.person("ann@example.com").await;
    let legacy = stage.legacy_worker(&ann, "BOX-1");
    let mut orchestrator = beside(&stage, &[legacy_id()], &Faults::new());
    let task = ann.files("one").await;
    rest(&mut orchestrator).await;
    assert!(legacy.claims(&legacy.polls().await.unwrap()).await);
    ann.cancels(task).await;
    rest(&mut orchestrator).await;
    assert_eq!(stage.mirror(task).await.status, TaskStatus::Canceling);
    stage.clock.advance(31 * 60);
    rest(&mut beside(&stage, &[legacy_id()], &Faults::new())).await;
    assert_eq!(stage.mirror(task).await.status, TaskStatus::Canceled);
    assert_eq!(seen(&stage, task).await, TaskStatus::Canceled);
}

#[tokio::test]
async fn a_legacy_worker_taken_out_of_the_file_keeps_the_row_it_works_on() {
    let stage = full().await;
    let ann = stage.person("ann@example.com").await;
    let legacy = stage.legacy_worker(&ann, "BOX-1");
    let task = ann.files("one").await;
    rest(&mut beside(&stage, &[legacy_id()], &Faults::new())).await;
    assert!(legacy.claims(&legacy.polls().await.unwrap()).await);
    let mut without = beside(&stage, &[], &Faults::new());
    rest(&mut without).await;
    assert_eq!(seen(&stage, task).await, TaskStatus::Running);
    legacy.ends(task.get(), 7, "its result").await;
    rest(&mut without).await;
    assert_eq!(seen(&stage, task).await, TaskStatus::Completed);
    assert_eq!(stage.mirror(task).await.status, TaskStatus::Completed);
}
