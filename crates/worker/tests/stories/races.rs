//! Others write the same rows at the same moment; replies get lost.

use shraga_core::ids::WorkerId;
use shraga_core::status::EventKind::{Candidate, TaskCompleted, TaskStarted};
use shraga_core::status::TaskStatus;
use shraga_testkit::faults::{Fault, Gate, When};
use shraga_worker::WorkerError;
use uuid::Uuid;

use crate::world::{WORKER, World, lives, pid_in};

const OTHER: WorkerId = WorkerId::new(Uuid::from_u128(0xF1));

/// An agent that counts how often it ran.
const COUNTING: &str = "echo run >> $SHARED/runs; echo done";

fn runs(world: &World) -> usize {
    let text = std::fs::read_to_string(world.shared("runs")).unwrap_or_default();
    text.lines().count()
}

#[tokio::test]
async fn a_claim_that_comes_too_late_runs_nothing() {
    let world = World::new().await;
    let gate = Gate::new();
    world.faults.arm(
        When::write_with("executing"),
        Fault::HoldRequest(gate.clone()),
    );
    let worker = world.start(COUNTING);
    let task = world.assign("").await;
    gate.arrival().await;
    world.reassign(task, OTHER, 2).await;
    gate.open();
    let other = world.start_as(OTHER, world.config("other", COUNTING));
    world.until_status(task, TaskStatus::Completed).await;
    worker.drain().await;
    other.drain().await;
    assert_eq!(runs(&world), 1);
    assert_eq!(world.checked_events(task).await.len(), 3);
}

#[tokio::test]
async fn a_lost_reply_to_the_claim_starts_the_agent_once() {
    let world = World::new().await;
    world
        .faults
        .arm(When::write_with("executing"), Fault::DropReply);
    let worker = world.start(COUNTING);
    let task = world.assign("").await;
    world.until_status(task, TaskStatus::Completed).await;
    worker.drain().await;
    assert_eq!(runs(&world), 1);
    assert_eq!(world.checked_events(task).await.len(), 3);
}

#[tokio::test]
async fn a_lost_reply_to_the_report_publishes_once_and_empties_the_outbox() {
    let world = World::new().await;
    world
        .faults
        .arm(When::write_with("cr_finishedon"), Fault::DropReply);
    let mut worker = world.start(COUNTING);
    let task = world.assign("").await;
    world.until_status(task, TaskStatus::Completed).await;
    worker
        .until("settled", |status| {
            status.reported == 1 && status.unsent == 0
        })
        .await;
    worker.drain().await;
    assert_eq!(runs(&world), 1);
    assert!(!world.checked_events(task).await.contains(&Candidate));
}

#[tokio::test]
async fn a_request_that_arrives_twice_changes_nothing_twice() {
    let world = World::new().await;
    world
        .faults
        .arm(When::write_with("executing"), Fault::Duplicate);
    world
        .faults
        .arm(When::write_with("cr_finishedon"), Fault::Duplicate);
    let worker = world.start(COUNTING);
    let task = world.assign("").await;
    world.until_status(task, TaskStatus::Completed).await;
    worker.drain().await;
    assert_eq!(runs(&world), 1);
    let kinds = world.checked_events(task).await;
    assert_eq!(
        kinds.iter().filter(|kind| **kind == TaskCompleted).count(),
        1
    );
}

#[tokio::test]
async fn an_attempt_given_to_another_worker_is_stopped_and_kept_as_a_candidate() {
    let world = World::new().await;
    let worker = world.start("echo mine; echo $$ > $SHARED/pid; exec sleep 1000");
    let task = world.assign("").await;
    let pid = pid_in(&world.shared("pid")).await;
    world.until_claimed(task).await;
    world.reassign(task, OTHER, 2).await;
    let candidate = world.until_event(task, Candidate).await;
    assert!(candidate.content.contains("mine"), "{}", candidate.content);
    assert!(!lives(pid));
    let other = world.start_as(OTHER, world.config("other", "echo theirs"));
    let row = world.until_status(task, TaskStatus::Completed).await;
    assert_eq!(row["cr_result"], "theirs\n");
    let kinds = world.checked_events(task).await;
    assert_eq!(kinds.iter().filter(|kind| **kind == TaskStarted).count(), 2);
    worker.drain().await;
    other.drain().await;
}

#[tokio::test]
async fn a_completion_that_meets_a_cancel_becomes_canceled_with_its_result() {
    let world = World::new().await;
    let gate = Gate::new();
    world.faults.arm(
        When::write_with("cr_finishedon"),
        Fault::HoldRequest(gate.clone()),
    );
    let worker = world.start("echo all of it");
    let task = world.assign("").await;
    gate.arrival().await;
    world.cancel(task).await;
    gate.open();
    let row = world.until_status(task, TaskStatus::Canceled).await;
    assert_eq!(row["cr_result"], "all of it\n");
    world.checked_events(task).await;
    worker.drain().await;
}

#[tokio::test]
async fn a_second_living_process_of_a_worker_is_refused() {
    let world = World::new().await;
    let mut worker = world.start(COUNTING);
    worker
        .until("registered", |status| status.worker.is_some())
        .await;
    let second = world.start_as(WORKER, world.config("elsewhere", COUNTING));
    let refused = second.ended().await.unwrap_err();
    assert!(
        matches!(refused, WorkerError::AlreadyRunning { .. }),
        "{refused}"
    );
    let third = world.start_as(WORKER, world.config("w", COUNTING));
    let refused = third.ended().await.unwrap_err();
    assert!(
        matches!(refused, WorkerError::FolderInUse { .. }),
        "{refused}"
    );
    worker.drain().await;
    let next = world.start_as(WORKER, world.config("elsewhere", COUNTING));
    let task = world.assign("").await;
    world.until_status(task, TaskStatus::Completed).await;
    next.drain().await;
}
