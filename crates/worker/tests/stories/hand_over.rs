//! A worker makes way for the next process of it: nothing is begun twice, lost or given back.

use std::fs;
use std::time::Duration;

use shraga_core::row::Table;
use shraga_core::status::EventKind::{AgentMessage, Question, TaskCompleted, TaskStarted};
use shraga_core::status::{TaskStatus, WorkerState};
use shraga_testkit::faults::{Fault, Gate, When};
use shraga_worker::Left;

use crate::world::{Started, Task, WORKER, World, lives, pid_in, until_true};

/// Says that it has begun, waits for a file, says that it is done; counts how often it ran.
const PATIENT: &str = "echo run >> $SHARED/runs; echo begun; echo $$ > $SHARED/pid; \
                       until [ -e $SHARED/go ]; do sleep 0.01; done; echo done";

fn runs(world: &World) -> usize {
    let text = fs::read_to_string(world.shared("runs")).unwrap_or_default();
    text.lines().count()
}

async fn own_row(world: &World, column: &str) -> serde_json::Value {
    let row = world.admin.get(Table::Workers, WORKER.get(), &[]).await;
    row.unwrap().unwrap().object().unwrap()[column].clone()
}

/// The read of what a task asks for, before its agent is started.
fn the_order() -> When {
    When::matching("the order", |request| {
        request.method().as_str() == "GET" && request.uri().to_string().contains("cr_prompt")
    })
}

/// The next process has the task's agent in its hands.
async fn takes_over(worker: &mut Started) {
    worker
        .until("at it again", |status| status.running.len() == 1)
        .await;
}

async fn completes_in_its_first_attempt(world: &World, task: Task) {
    let row = world.until_status(task, TaskStatus::Completed).await;
    assert_eq!(
        (&row["cr_attempt"], &row["cr_losses"]),
        (&1.into(), &serde_json::Value::Null)
    );
    let kinds = world.checked_events(task).await;
    for once in [TaskStarted, TaskCompleted] {
        assert_eq!(
            kinds.iter().filter(|kind| **kind == once).count(),
            1,
            "{kinds:?}"
        );
    }
}

#[tokio::test]
async fn agents_go_on_from_process_to_process_and_the_row_never_says_that_anybody_left() {
    let world = World::new().await;
    let mut worker = world.start(PATIENT);
    let task = world.assign("").await;
    let pid = pid_in(&world.shared("pid")).await;
    world.until_event(task, AgentMessage).await;
    let boot = own_row(&world, "cr_bootid").await;
    for _ in 0..3 {
        worker.hand_over().await;
        assert!(lives(pid));
        assert_ne!(own_row(&world, "cr_status").await, "offline");
        world.until_status(task, TaskStatus::Running).await;
        worker = world.start(PATIENT);
        takes_over(&mut worker).await;
        assert_eq!(own_row(&world, "cr_bootid").await, boot);
    }
    fs::write(world.shared("go"), "").unwrap();
    completes_in_its_first_attempt(&world, task).await;
    worker.drain().await;
    assert_eq!((runs(&world), lives(pid)), (1, false));
    assert_eq!(world.told(task).await, ["begun", "done"]);
}

#[tokio::test]
async fn what_an_agent_says_while_nobody_is_there_is_told_by_the_next_process() {
    let world = World::new().await;
    let script = "echo one; until [ -e $SHARED/more ]; do sleep 0.01; done; \
                  seq 2 500; touch $SHARED/said; until [ -e $SHARED/go ]; do sleep 0.01; done";
    let worker = world.start(script);
    let task = world.assign("").await;
    world.until_event(task, AgentMessage).await;
    worker.hand_over().await;
    fs::write(world.shared("more"), "").unwrap();
    until_true("all is said", || world.shared("said").exists()).await;
    let worker = world.start(script);
    fs::write(world.shared("go"), "").unwrap();
    completes_in_its_first_attempt(&world, task).await;
    worker.drain().await;
    let told = world.told(task).await;
    let all = (2..=500).map(|line| line.to_string());
    let all: Vec<String> = std::iter::once("one".to_owned()).chain(all).collect();
    assert_eq!(told, all);
}

#[tokio::test]
async fn an_attempt_that_has_not_begun_is_waited_for() {
    let world = World::new().await;
    let gate = Gate::new();
    world
        .faults
        .arm(the_order(), Fault::HoldReply(gate.clone()));
    let worker = world.start(PATIENT);
    let task = world.assign("").await;
    gate.arrival().await;
    worker.stop.hand_over.cancel();
    // What is given meanwhile is left for the next process, neither begun nor given back.
    let other = world.assign("").await;
    gate.open();
    assert_eq!(worker.ended().await.unwrap(), Left::HandedOver);
    assert_eq!(world.row(other).await["cr_workerstatus"], "assigned");
    let pid = pid_in(&world.shared("pid")).await;
    assert!(lives(pid));
    let mut worker = world.start(PATIENT);
    takes_over(&mut worker).await;
    fs::write(world.shared("go"), "").unwrap();
    completes_in_its_first_attempt(&world, task).await;
    completes_in_its_first_attempt(&world, other).await;
    worker.drain().await;
    assert_eq!(runs(&world), 2);
}

#[tokio::test]
async fn an_attempt_that_does_not_begin_in_time_is_put_back_and_not_counted() {
    let world = World::new().await;
    let gate = Gate::new();
    world
        .faults
        .arm(the_order(), Fault::HoldReply(gate.clone()));
    let mut config = world.config("w", PATIENT);
    config.settling = Duration::from_millis(10);
    let worker = world.start_as(WORKER, config);
    let task = world.assign("").await;
    gate.arrival().await;
    worker.hand_over().await;
    let worker = world.start(PATIENT);
    let row = world.until_status(task, TaskStatus::Pending).await;
    assert_eq!(row["cr_reason"], "released");
    assert!(row["cr_losses"].is_null(), "{row:?}");
    worker.drain().await;
    assert_eq!(runs(&world), 0);
    gate.open();
}

#[tokio::test]
async fn a_claim_under_way_is_awaited_and_what_it_takes_begins() {
    let world = World::new().await;
    let gate = Gate::new();
    world.faults.arm(
        When::write_with("executing"),
        Fault::HoldReply(gate.clone()),
    );
    let worker = world.start(PATIENT);
    let task = world.assign("").await;
    gate.arrival().await;
    worker.stop.hand_over.cancel();
    gate.open();
    assert_eq!(worker.ended().await.unwrap(), Left::HandedOver);
    pid_in(&world.shared("pid")).await;
    let worker = world.start(PATIENT);
    fs::write(world.shared("go"), "").unwrap();
    completes_in_its_first_attempt(&world, task).await;
    worker.drain().await;
    assert_eq!(runs(&world), 1);
}

#[tokio::test]
async fn a_report_under_way_is_awaited_and_published_once() {
    let world = World::new().await;
    let gate = Gate::new();
    world.faults.arm(
        When::write_with("cr_finishedon"),
        Fault::HoldReply(gate.clone()),
    );
    fs::write(world.shared("go"), "").unwrap();
    let worker = world.start(PATIENT);
    let task = world.assign("").await;
    gate.arrival().await;
    worker.stop.hand_over.cancel();
    gate.open();
    assert_eq!(worker.ended().await.unwrap(), Left::HandedOver);
    completes_in_its_first_attempt(&world, task).await;
    let before = world.row(task).await;
    let mut worker = world.start(PATIENT);
    let settled = |status: &shraga_worker::Status| status.worker.is_some() && status.unsent == 0;
    worker.until("settled", settled).await;
    worker.drain().await;
    assert_eq!(world.row(task).await["@odata.etag"], before["@odata.etag"]);
    assert_eq!(runs(&world), 1);
}

#[tokio::test]
async fn a_store_that_is_away_is_waited_for_and_nothing_is_lost() {
    let world = World::new().await;
    let worker = world.start(PATIENT);
    let task = world.assign("").await;
    pid_in(&world.shared("pid")).await;
    world.until_event(task, AgentMessage).await;
    world.faults.cut();
    fs::write(world.shared("go"), "").unwrap();
    let outbox = world.shared("w").join("outbox");
    let kept = || fs::read_dir(&outbox).is_ok_and(|entries| entries.count() == 1);
    until_true("the report is in the outbox", kept).await;
    worker.stop.hand_over.cancel();
    world.faults.restore();
    assert_eq!(worker.ended().await.unwrap(), Left::HandedOver);
    let worker = world.start(PATIENT);
    completes_in_its_first_attempt(&world, task).await;
    worker.drain().await;
    assert_eq!(world.told(task).await, ["begun", "done"]);
}

#[tokio::test]
async fn a_verifier_judges_on_and_one_that_is_still_to_come_is_started_once() {
    let world = World::new().await;
    let verdict = r#"{"nonce":"%s","verdict":"pass","feedback":"seen"}"#;
    let script = format!(
        "echo $SHRAGA_PHASE >> $SHARED/runs; echo $$ > $SHARED/pid.$SHRAGA_PHASE; \
         until [ -e $SHARED/go.$SHRAGA_PHASE ]; do sleep 0.01; done; \
         [ $SHRAGA_PHASE = work ] && exec echo made; \
         printf '{verdict}' $SHRAGA_VERDICT_NONCE > $SHRAGA_VERDICT_FILE"
    );
    let worker = world.start(&script);
    let criteria = r#"{"successCriteria":"it is made"}"#;
    let task = world.assign_wanting("make it", criteria).await;
    pid_in(&world.shared("pid.work")).await;
    // The work ends while nobody is there, or between two programs of the one who leaves.
    fs::write(world.shared("go.work"), "").unwrap();
    worker.hand_over().await;
    let worker = world.start(&script);
    let judge = pid_in(&world.shared("pid.verify")).await;
    worker.hand_over().await;
    assert!(lives(judge));
    let worker = world.start(&script);
    fs::write(world.shared("go.verify"), "").unwrap();
    completes_in_its_first_attempt(&world, task).await;
    let row = world.row(task).await;
    assert_eq!(row["cr_statusmessage"], "completed and verified");
    worker.drain().await;
    let runs = fs::read_to_string(world.shared("runs")).unwrap();
    assert_eq!(runs, "work\nverify\n");
}

#[tokio::test]
async fn a_question_that_is_asked_meanwhile_reaches_the_person() {
    let world = World::new().await;
    let script = "echo run >> $SHARED/runs; echo $$ > $SHARED/pid; \
                  until [ -e $SHARED/go ]; do sleep 0.01; done; \
                  echo 'which port?' > $SHRAGA_QUESTION_FILE";
    let worker = world.start(script);
    let task = world.assign("").await;
    let pid = pid_in(&world.shared("pid")).await;
    worker.hand_over().await;
    fs::write(world.shared("go"), "").unwrap();
    until_true("it asked and ended", || !lives(pid)).await;
    let worker = world.start(script);
    let row = world.until_status(task, TaskStatus::WaitingForInput).await;
    assert_eq!(row["cr_statusmessage"], "asks: which port?");
    assert_eq!(row["cr_attempt"], 1);
    worker.drain().await;
    let kinds = world.checked_events(task).await;
    assert_eq!(kinds.iter().filter(|kind| **kind == Question).count(), 1);
    assert_eq!(runs(&world), 1);
}

#[tokio::test]
async fn one_whose_agents_nobody_could_go_on_with_hands_over_when_they_are_done() {
    let world = World::new().await;
    let mut worker = world.start(PATIENT);
    let task = world.assign("").await;
    let pid = pid_in(&world.shared("pid")).await;
    worker.stop.hand_over_empty.set(true);
    let draining = |status: &shraga_worker::Status| status.state == WorkerState::Draining;
    worker.until("draining", draining).await;
    let other = world.assign("").await;
    let row = world.until_status(other, TaskStatus::Pending).await;
    assert_eq!(row["cr_reason"], "released");
    assert!(lives(pid));
    fs::write(world.shared("go"), "").unwrap();
    completes_in_its_first_attempt(&world, task).await;
    assert_eq!(worker.ended().await.unwrap(), Left::HandedOver);
    assert_eq!(runs(&world), 1);
}

#[tokio::test]
async fn one_that_waits_for_its_agents_works_on_when_there_is_nothing_to_hand_over_to_any_more() {
    let world = World::new().await;
    let mut worker = world.start(PATIENT);
    let task = world.assign("").await;
    pid_in(&world.shared("pid")).await;
    worker.stop.hand_over_empty.set(true);
    let draining = |status: &shraga_worker::Status| status.state == WorkerState::Draining;
    worker.until("draining", draining).await;
    worker.stop.hand_over_empty.set(false);
    let works = |status: &shraga_worker::Status| status.state != WorkerState::Draining;
    worker.until("at work", works).await;
    let other = world.assign("").await;
    fs::write(world.shared("go"), "").unwrap();
    completes_in_its_first_attempt(&world, task).await;
    completes_in_its_first_attempt(&world, other).await;
    assert_ne!(own_row(&world, "cr_status").await, "draining");
    worker.drain().await;
    assert_eq!(runs(&world), 2);
}

#[tokio::test]
async fn who_is_told_to_end_while_it_hands_over_ends() {
    for now in [false, true] {
        let world = World::new().await;
        let gate = Gate::new();
        world
            .faults
            .arm(the_order(), Fault::HoldReply(gate.clone()));
        let worker = world.start(PATIENT);
        world.assign("").await;
        gate.arrival().await;
        worker.stop.hand_over.cancel();
        worker.stop.drain.cancel();
        if now {
            worker.stop.now.cancel();
        }
        gate.open();
        fs::write(world.shared("go"), "").unwrap();
        assert_eq!(worker.ended().await.unwrap(), Left::Stopped);
        assert_eq!(own_row(&world, "cr_status").await, "offline");
    }
}
