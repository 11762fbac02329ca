//! Workers that are slow, silent or ask for another try.

use shraga_core::status::{TaskStatus, WorkPhase};
use shraga_testkit::stage::Stage;

use crate::cast::{plain, play, rest, seen};

#[tokio::test]
async fn an_assignment_that_nobody_claims_returns_and_is_given_again() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 1).await;
    let task = ann.files("one").await;
    let mut orchestrator = plain(&stage);
    rest(&mut orchestrator).await;
    let stale = worker.assigned().await;
    stage.clock.advance(150);
    rest(&mut orchestrator).await;
    stage.clock.advance(3600);
    play(&mut orchestrator, &worker).await;
    let mirror = stage.mirror(task).await;
    assert_eq!(mirror.status, TaskStatus::Completed);
    assert!(mirror.shown.attempt.0 >= 2);
    assert_eq!(mirror.losses, 0, "an unclaimed assignment does not count");
    assert_eq!(worker.claims(&stale).await, [false]);
}

#[tokio::test]
async fn a_claim_that_comes_just_in_time_wins() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 1).await;
    let task = ann.files("one").await;
    let mut orchestrator = plain(&stage);
    rest(&mut orchestrator).await;
    stage.clock.advance(150);
    assert_eq!(worker.claims(&worker.assigned().await).await, [true]);
    rest(&mut orchestrator).await;
    let mirror = stage.mirror(task).await;
    assert_eq!(mirror.phase, Some(WorkPhase::Executing));
    assert_eq!(mirror.shown.attempt.0, 1);
}

#[tokio::test]
async fn an_attempt_that_asks_for_a_retry_gets_one_and_not_for_ever() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 1).await;
    let task = ann.files("one").await;
    let mut orchestrator = plain(&stage);
    for attempt in 1..=3 {
        rest(&mut orchestrator).await;
        assert_eq!(stage.mirror(task).await.shown.attempt.0, attempt);
        worker.claims(&worker.assigned().await).await;
        let held = worker.executing().await;
        assert_eq!(worker.asks_for_a_retry(&held).await, [true]);
        rest(&mut orchestrator).await;
        stage.clock.advance(3600);
    }
    rest(&mut orchestrator).await;
    assert_eq!(stage.mirror(task).await.status, TaskStatus::Failed);
    assert_eq!(seen(&stage, task).await, TaskStatus::Failed);
}
