//! Workers that die, fall deaf, are cut off or come back, with the store's clock moved by hand.

use shraga_core::ids::Attempt;
use shraga_core::plan::{Policy, suspect};
use shraga_core::status::{TaskStatus, WorkerState};
use shraga_core::time::Span;
use shraga_orchestrator::Orchestrator;
use shraga_testkit::double::Double;
use shraga_testkit::faults::{Fault, Faults, Gate, When};
use shraga_testkit::stage::Stage;

use crate::cast::{orchestrator, plain, rest};

/// Between two ticks, as they are while tasks are open.
const TICK: i64 = 10;

/// A worker that has beaten once, so that its silence is noticed.
async fn beating(stage: &Stage, name: &str) -> Double {
    let worker = stage.shared_worker(name, 1).await;
    assert!(worker.beats().await);
    worker
}

/// Gives everything that waits to `worker`, which claims it.
async fn hand_over(orchestrator: &mut Orchestrator, worker: &Double) {
    rest(orchestrator).await;
    let assigned = worker.assigned().await;
    assert!(worker.claims(&assigned).await.into_iter().all(|got| got));
    rest(orchestrator).await;
}

/// Lets `seconds` pass, tick by tick, while the workers in `living` beat.
async fn pass(stage: &Stage, orchestrator: &mut Orchestrator, seconds: i64, living: &[&Double]) {
    for second in (0..seconds).step_by(TICK as usize) {
        stage.clock.advance(TICK);
        if second % 30 == 0 {
            for worker in living {
                worker.beats().await;
            }
        }
        let _ = orchestrator.tick_once().await;
    }
}

fn seconds(span: Span) -> i64 {
    span.as_secs()
}

#[tokio::test]
async fn what_a_dead_worker_held_goes_to_another_within_the_bound() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let dead = beating(&stage, "dies").await;
    let task = ann.files("one").await;
    let mut orchestrator = plain(&stage);
    hand_over(&mut orchestrator, &dead).await;
    let held = dead.executing().await;
    let other = beating(&stage, "lives").await;
    let policy = Policy::default();
    let bound = seconds(suspect::bound(&policy, Span::secs(TICK)));
    let (mut passed, mut taken_back) = (0, None);
    while passed <= bound && taken_back.is_none() {
        pass(&stage, &mut orchestrator, TICK, &[&other]).await;
        passed += TICK;
        taken_back = (stage.mirror(task).await.status != TaskStatus::Running).then_some(passed);
    }
    let least = seconds(policy.silence) + seconds(policy.confirm);
    assert!(taken_back.is_some_and(|at| at >= least), "{taken_back:?}");
    assert_eq!(dead.row().await.state, WorkerState::Offline);
    assert_eq!(stage.mirror(task).await.losses, 1);
    for kind in ["WorkerLost", "TaskReassigned"] {
        assert_eq!(stage.events(task, kind).await, 1, "{kind}");
    }
    pass(&stage, &mut orchestrator, 30, &[&other]).await;
    let assigned = other.assigned().await;
    assert_eq!(assigned[0].shown.attempt, Attempt(2));
    assert_eq!(dead.completes(&held, "late").await, [false], "it is fenced");
    other.works().await;
    rest(&mut orchestrator).await;
    assert_eq!(stage.mirror(task).await.status, TaskStatus::Completed);
}

#[tokio::test]
async fn a_worker_that_beats_during_hours_of_work_is_never_even_suspected() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = beating(&stage, "works").await;
    let task = ann.files("one").await;
    let mut orchestrator = plain(&stage);
    hand_over(&mut orchestrator, &worker).await;
    let held = worker.executing().await;
    pass(&stage, &mut orchestrator, 1200, &[&worker]).await;
    assert_eq!(stage.events(task, "WorkerLost").await, 0);
    assert_eq!(worker.completes(&held, "done").await, [true]);
}

#[tokio::test]
async fn a_silent_worker_that_answers_in_time_keeps_its_work() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = beating(&stage, "slow").await;
    let task = ann.files("one").await;
    let mut orchestrator = plain(&stage);
    hand_over(&mut orchestrator, &worker).await;
    pass(&stage, &mut orchestrator, 280, &[]).await;
    assert_eq!(worker.row().await.state, WorkerState::Suspect);
    assert!(worker.beats().await);
    rest(&mut orchestrator).await;
    let row = worker.row().await;
    assert_eq!((row.state, row.asked()), (WorkerState::Ready, None));
    pass(&stage, &mut orchestrator, 60, &[&worker]).await;
    let mirror = stage.mirror(task).await;
    assert_eq!((mirror.status, mirror.losses), (TaskStatus::Running, 0));
}

#[tokio::test]
async fn a_worker_that_beats_and_does_not_read_gets_nothing_new_and_is_given_up() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let deaf = beating(&stage, "deaf").await;
    let task = ann.files("one").await;
    let mut orchestrator = plain(&stage);
    rest(&mut orchestrator).await;
    let mut passed = 0;
    while deaf.row().await.state != WorkerState::Offline && passed < 900 {
        stage.clock.advance(TICK);
        passed += TICK;
        deaf.beats_unread().await;
        rest(&mut orchestrator).await;
    }
    let row = deaf.row().await;
    assert!(row.is_fenced(), "{row:?} after {passed} s");
    let mirror = stage.mirror(task).await;
    assert_eq!(mirror.status, TaskStatus::Pending);
    assert_eq!(
        mirror.shown.attempt,
        Attempt(1),
        "it was given it only once"
    );
    assert_eq!(mirror.losses, 0, "and had not claimed it");
}

#[tokio::test]
async fn nobody_is_given_up_for_an_outage_of_the_store() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = beating(&stage, "waits").await;
    let task = ann.files("one").await;
    let mut orchestrator = plain(&stage);
    hand_over(&mut orchestrator, &worker).await;
    // Suspected, and then nobody reaches the store.
    pass(&stage, &mut orchestrator, 110, &[]).await;
    assert_eq!(worker.row().await.state, WorkerState::Suspect);
    stage.stop();
    pass(&stage, &mut orchestrator, 1200, &[]).await;
    stage.start();
    // It answers a moment later than the orchestrator looks.
    pass(&stage, &mut orchestrator, 200, &[]).await;
    assert_eq!(stage.mirror(task).await.status, TaskStatus::Running);
    assert!(worker.beats().await);
    pass(&stage, &mut orchestrator, 60, &[&worker]).await;
    assert_eq!(stage.mirror(task).await.losses, 0);
}

#[tokio::test]
async fn nor_for_a_pause_or_a_restart_of_the_orchestrator_nor_for_a_jump_of_the_clock() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = beating(&stage, "waits").await;
    let task = ann.files("one").await;
    let mut paused = plain(&stage);
    hand_over(&mut paused, &worker).await;
    pass(&stage, &mut paused, 110, &[]).await;
    assert_eq!(worker.row().await.state, WorkerState::Suspect);
    // Held up for an hour, or the clock of the store jumps: it looks the same.
    stage.clock.advance(3600);
    pass(&stage, &mut paused, 200, &[]).await;
    assert_eq!(stage.mirror(task).await.status, TaskStatus::Running);
    let mut restarted = plain(&stage);
    pass(&stage, &mut restarted, 200, &[]).await;
    assert_eq!(stage.mirror(task).await.status, TaskStatus::Running);
    assert!(worker.beats().await);
    pass(&stage, &mut restarted, 60, &[&worker]).await;
    assert_eq!(stage.mirror(task).await.losses, 0);
}

#[tokio::test]
async fn a_beat_that_comes_between_look_and_verdict_wins() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = beating(&stage, "returns").await;
    let task = ann.files("one").await;
    let faults = Faults::new();
    let mut held_up = orchestrator(&stage, &faults);
    hand_over(&mut held_up, &worker).await;
    pass(&stage, &mut held_up, 290, &[]).await;
    stage.clock.advance(3 * TICK);
    let gate = Gate::new();
    faults.arm(
        When::write_with("offline"),
        Fault::HoldRequest(gate.clone()),
    );
    let tick = tokio::spawn(async move {
        let _ = held_up.tick_once().await;
        held_up
    });
    gate.arrival().await;
    // The verdict is on its way.
    assert!(worker.beats().await);
    gate.open();
    let mut orchestrator = tick.await.unwrap();
    assert_eq!(faults.pending(), 0);
    rest(&mut orchestrator).await;
    assert_eq!(worker.row().await.state, WorkerState::Ready);
    assert_eq!(stage.mirror(task).await.status, TaskStatus::Running);
}

#[tokio::test]
async fn a_worker_that_comes_back_after_days_gets_work_again() {
    let stage = Stage::new().await;
    let ann = stage.person("ann@example.com").await;
    let worker = beating(&stage, "returns").await;
    let task = ann.files("one").await;
    let mut orchestrator = plain(&stage);
    hand_over(&mut orchestrator, &worker).await;
    let held = worker.executing().await;
    pass(&stage, &mut orchestrator, 400, &[]).await;
    assert_eq!(stage.mirror(task).await.status, TaskStatus::Pending);
    stage.clock.advance(3 * 86_400);
    assert!(worker.beats().await);
    assert_eq!(worker.completes(&held, "late").await, [false]);
    pass(&stage, &mut orchestrator, 20, &[&worker]).await;
    let again = worker.assigned().await;
    assert_eq!(again[0].shown.attempt, Attempt(2));
    worker.works().await;
    rest(&mut orchestrator).await;
    assert_eq!(stage.mirror(task).await.status, TaskStatus::Completed);
}
