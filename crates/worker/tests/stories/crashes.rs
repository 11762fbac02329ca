//! The worker dies, or the store is away, at the worst moments.

use shraga_core::status::EventKind::Candidate;
use shraga_core::status::TaskStatus;
use shraga_testkit::faults::{Fault, Gate, When};
use shraga_worker::Status;

use crate::world::{WORKER, World, pid_in, until_true};

const COUNTING: &str = "echo run >> $SHARED/runs; echo done";

fn runs(world: &World) -> usize {
    let text = std::fs::read_to_string(world.shared("runs")).unwrap_or_default();
    text.lines().count()
}

#[tokio::test]
async fn a_finished_result_survives_a_crash_before_its_report() {
    let world = World::new().await;
    let gate = Gate::new();
    world.faults.arm(
        When::write_with("cr_finishedon"),
        Fault::HoldRequest(gate.clone()),
    );
    let worker = world.start(COUNTING);
    let task = world.assign("").await;
    gate.arrival().await;
    worker.crash().await;
    let worker = world.start(COUNTING);
    let row = world.until_status(task, TaskStatus::Completed).await;
    assert_eq!(row["cr_result"], "done\n");
    assert_eq!(runs(&world), 1);
    gate.open();
    world.checked_events(task).await;
    worker.drain().await;
}

#[tokio::test]
async fn a_crash_after_an_accepted_report_publishes_nothing_again() {
    let world = World::new().await;
    let gate = Gate::new();
    world.faults.arm(
        When::write_with("cr_finishedon"),
        Fault::HoldReply(gate.clone()),
    );
    let worker = world.start(COUNTING);
    let task = world.assign("").await;
    gate.arrival().await;
    let before = world.until_status(task, TaskStatus::Completed).await;
    worker.crash().await;
    let mut worker = world.start(COUNTING);
    worker
        .until("settled", |status| {
            status.worker.is_some() && status.unsent == 0 && status.reported == 1
        })
        .await;
    worker.drain().await;
    let after = world.row(task).await;
    assert_eq!(after["@odata.etag"], before["@odata.etag"]);
    assert!(!world.checked_events(task).await.contains(&Candidate));
    assert_eq!(runs(&world), 1);
}

#[tokio::test]
async fn an_outage_between_claim_and_report_loses_nothing() {
    let world = World::new().await;
    let worker = world
        .start("echo $$ > $SHARED/pid; until [ -e $SHARED/go ]; do sleep 0.01; done; echo done");
    let task = world.assign("").await;
    pid_in(&world.shared("pid")).await;
    world.faults.cut();
    std::fs::write(world.shared("go"), "").unwrap();
    let outbox = world.shared("w").join("outbox");
    let kept = || std::fs::read_dir(&outbox).is_ok_and(|entries| entries.count() == 1);
    until_true("the report is in the outbox", kept).await;
    world.faults.restore();
    let row = world.until_status(task, TaskStatus::Completed).await;
    assert_eq!(row["cr_result"], "done\n");
    worker.drain().await;
}

#[tokio::test]
async fn an_outbox_that_cannot_be_written_costs_durability_not_results() {
    let world = World::new().await;
    std::fs::create_dir_all(world.shared("w")).unwrap();
    std::fs::write(world.shared("w").join("outbox"), "in the way").unwrap();
    let worker = world.start_as(WORKER, world.config("w", COUNTING));
    let task = world.assign("").await;
    world.until_status(task, TaskStatus::Completed).await;
    worker.drain().await;
}

#[tokio::test]
async fn a_store_that_takes_no_writes_is_asked_again_with_pauses_and_said_to_be_in_trouble() {
    let world = World::new().await;
    for _ in 0..2 {
        let full = Fault::Answer { status: 507 };
        world.faults.arm(When::write_with("cr_finishedon"), full);
    }
    let mut worker = world.start("echo done");
    let task = world.assign("").await;
    let troubled = |status: &Status| status.trouble.is_some();
    worker.until("in trouble", troubled).await;
    world.until_status(task, TaskStatus::Completed).await;
    assert_eq!(world.faults.pending(), 0);
    worker.drain().await;
}
