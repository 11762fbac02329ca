//! Crashes, lost and doubled messages, stale snapshots, several orchestrators, outages.

use shraga_core::row::tasks;
use shraga_core::status::TaskStatus;
use shraga_testkit::faults::{Fault, Faults, Gate, When};
use shraga_testkit::stage::Stage;

use crate::cast::{named, orchestrator, plain, play, rest, seen, went_through_once};

#[tokio::test]
async fn two_orchestrators_at_once_make_one_mirror() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 4).await;
    let task = ann.files("one").await;
    let (faults, gate) = (Faults::new(), Gate::new());
    faults.arm(When::write(), Fault::HoldRequest(gate.clone()));
    let mut first = named("first", stage.admin_client(&faults));
    let slow = tokio::spawn(async move {
        let report = first.tick_once().await.unwrap();
        (first, report)
    });
    gate.arrival().await;
    // The first has observed and is about to write what the second now does.
    let mut second = named("second", stage.admin_client(&Faults::new()));
    rest(&mut second).await;
    gate.open();
    let (mut first, report) = slow.await.unwrap();
    assert_eq!(report.counts.refused, 0);
    assert!(report.counts.stale >= 1 && report.again);
    rest(&mut first).await;
    play(&mut second, &worker).await;
    went_through_once(&stage, task).await;
}

#[tokio::test]
async fn while_one_orchestrator_holds_the_courtesy_lease_another_mirrors_and_leaves_assigning() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let _worker = stage.shared_worker("w1", 4).await;
    let mut first = named("first", stage.admin_client(&Faults::new()));
    let mut second = named("second", stage.admin_client(&Faults::new()));
    ann.files("one").await;
    rest(&mut first).await;
    let task = ann.files("two").await;
    rest(&mut second).await;
    assert_eq!(stage.mirror(task).await.status, TaskStatus::Pending);
    // Its holder is gone: the lease runs out and anyone assigns.
    drop(first);
    stage.clock.advance(31);
    rest(&mut second).await;
    assert_eq!(stage.mirror(task).await.status, TaskStatus::Running);
}

/// Everything an orchestrator does for one task, ended by a crash at its `n`-th request; the next
/// orchestrator takes over. Whether the crash came at all.
async fn crash_at(n: usize, fault: fn() -> Fault) -> bool {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 1).await;
    let task = ann.files("one").await;
    let faults = Faults::new();
    let mut doomed = orchestrator(&stage, &faults);
    for _ in 0..n {
        faults.arm(When::any(), Fault::HoldReply(opened()));
    }
    faults.arm(When::any(), fault());
    for _ in 0..8 {
        let carried = faults.carried();
        // From the crash on nothing it does reaches the store.
        let _ended = doomed.tick_once().await;
        if faults.pending() == 0 || carried > n + 20 {
            faults.cut();
            break;
        }
        worker.works().await;
    }
    let crashed = faults.pending() == 0;
    drop(doomed);
    play(&mut plain(&stage), &worker).await;
    went_through_once(&stage, task).await;
    crashed
}

/// A gate that lets everything through: a fault that does nothing but count.
fn opened() -> Gate {
    let gate = Gate::new();
    gate.open();
    gate
}

#[tokio::test]
async fn a_crash_before_any_request_is_made_up_for_by_the_next_orchestrator() {
    let mut n = 0;
    while crash_at(n, || Fault::Close).await {
        n += 1;
    }
    assert!(n > 5, "only {n} requests were tried");
}

#[tokio::test]
async fn a_crash_after_any_request_was_carried_out_is_made_up_for_too() {
    let mut n = 0;
    while crash_at(n, || Fault::DropReply).await {
        n += 1;
    }
    assert!(n > 5, "only {n} requests were tried");
}

#[tokio::test]
async fn a_lost_reply_to_the_change_set_makes_no_second_mirror() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 1).await;
    let task = ann.files("one").await;
    let faults = Faults::new();
    faults.arm(When::write_with("TaskMirrored"), Fault::DropReply);
    let mut orchestrator = orchestrator(&stage, &faults);
    play(&mut orchestrator, &worker).await;
    assert_eq!(faults.pending(), 0);
    went_through_once(&stage, task).await;
}

#[tokio::test]
async fn a_change_set_that_is_delivered_twice_happens_once() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 1).await;
    let task = ann.files("one").await;
    let faults = Faults::new();
    faults.arm(When::write_with("TaskMirrored"), Fault::Duplicate);
    faults.arm(When::write_with("cr_finishedon"), Fault::Duplicate);
    let mut orchestrator = orchestrator(&stage, &faults);
    play(&mut orchestrator, &worker).await;
    assert_eq!(faults.pending(), 0);
    went_through_once(&stage, task).await;
}

#[tokio::test]
async fn a_write_planned_on_a_stale_snapshot_is_planned_again() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 1).await;
    let task = ann.files("one").await;
    let (faults, gate) = (Faults::new(), Gate::new());
    faults.arm(When::write(), Fault::HoldRequest(gate.clone()));
    let mut orchestrator = orchestrator(&stage, &faults);
    let ticking = tokio::spawn(async move {
        let report = orchestrator.tick_once().await.unwrap();
        (orchestrator, report)
    });
    gate.arrival().await;
    ann.edits(task, &[(tasks::PROMPT, "something else".into())])
        .await;
    gate.open();
    let (mut orchestrator, report) = ticking.await.unwrap();
    assert_eq!(report.counts.stale, 1);
    play(&mut orchestrator, &worker).await;
    went_through_once(&stage, task).await;
}

#[tokio::test]
async fn a_throttled_orchestrator_goes_on_when_it_may() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 1).await;
    let task = ann.files("one").await;
    let faults = Faults::new();
    for _ in 0..3 {
        faults.arm(When::any(), Fault::Throttle { retry_after: 0 });
    }
    let mut orchestrator = orchestrator(&stage, &faults);
    play(&mut orchestrator, &worker).await;
    assert_eq!(faults.pending(), 0);
    went_through_once(&stage, task).await;
}

#[tokio::test]
async fn an_end_whose_telling_was_not_tried_is_told_once_the_store_takes_writes_again() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 1).await;
    let task = ann.files("one").await;
    let faults = Faults::new();
    let mut orchestrator = orchestrator(&stage, &faults);
    rest(&mut orchestrator).await;
    worker.works().await;
    // Longer than a client waits: the error says that nothing was done.
    let throttle = Fault::Throttle { retry_after: 301 };
    faults.arm(When::write_with("cr_finishedon"), throttle);
    let report = orchestrator.tick_once().await.unwrap();
    assert!(report.trouble.is_some());
    rest(&mut orchestrator).await;
    went_through_once(&stage, task).await;
}

#[tokio::test]
async fn a_server_that_restarts_in_between_costs_a_tick_and_nothing_else() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = stage.shared_worker("w1", 1).await;
    let task = ann.files("one").await;
    let mut orchestrator = plain(&stage);
    rest(&mut orchestrator).await;
    stage.stop();
    assert!(orchestrator.tick_once().await.is_err());
    stage.start();
    play(&mut orchestrator, &worker).await;
    went_through_once(&stage, task).await;
    assert_eq!(seen(&stage, task).await, TaskStatus::Completed);
}
