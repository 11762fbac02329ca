//! Agents outlive the worker that started them, and are found again by the next process of it.

use std::fs;
use std::time::Duration;

use shraga_core::ids::WorkerId;
use shraga_core::status::EventKind::{AgentMessage, Candidate, TaskCompleted, TaskStarted};
use shraga_core::status::TaskStatus;
use uuid::Uuid;

use crate::world::{Task, WORKER, World, kill, lives, pid_in, until_true};

const OTHER: WorkerId = WorkerId::new(Uuid::from_u128(0xF1));

/// Says that it has begun, waits for a file, says that it is done; counts how often it ran.
const PATIENT: &str = "echo run >> $SHARED/runs; echo begun; echo $$ > $SHARED/pid; \
                       until [ -e $SHARED/go ]; do sleep 0.01; done; echo done";

fn runs(world: &World) -> usize {
    let text = fs::read_to_string(world.shared("runs")).unwrap_or_default();
    text.lines().count()
}

/// Starts the patient agent, waits until the store was told its first line, and kills the worker.
async fn crash_in_mid_run(world: &World) -> (Task, u32) {
    let worker = world.start(PATIENT);
    let task = world.assign("").await;
    let pid = pid_in(&world.shared("pid")).await;
    world.until_event(task, AgentMessage).await;
    worker.crash().await;
    (task, pid)
}

#[tokio::test]
async fn a_worker_that_crashed_finds_its_agent_again_and_publishes_its_result_once() {
    let world = World::new().await;
    let (task, pid) = crash_in_mid_run(&world).await;
    let mut worker = world.start(PATIENT);
    worker
        .until("at it again", |status| status.running.len() == 1)
        .await;
    assert!(lives(pid));
    fs::write(world.shared("go"), "").unwrap();
    let row = world.until_status(task, TaskStatus::Completed).await;
    assert_eq!(row["cr_result"], "begun\ndone\n");
    assert_eq!(row["cr_attempt"], 1);
    let folder = row["crb3b_workingdir"].as_str().unwrap();
    assert!(folder.ends_with("attempt-1"), "{folder}");
    worker.drain().await;
    assert_eq!((runs(&world), lives(pid)), (1, false));
    assert_eq!(world.told(task).await, ["begun", "done"]);
    let kinds = world.checked_events(task).await;
    for once in [TaskStarted, TaskCompleted] {
        assert_eq!(kinds.iter().filter(|kind| **kind == once).count(), 1);
    }
    let running = world.shared("w").join("running");
    assert_eq!(fs::read_dir(running).unwrap().count(), 0);
}

#[tokio::test]
async fn a_worker_that_crashes_again_and_again_tells_every_line_once() {
    let world = World::new().await;
    let script = "for step in 1 2 3; do echo step $step; echo $$ > $SHARED/pid.$step; \
                  until [ -e $SHARED/go.$step ]; do sleep 0.01; done; done; echo done";
    let worker = world.start(script);
    let task = world.assign("").await;
    let mut worker = Some(worker);
    for step in 1..=3 {
        pid_in(&world.shared(&format!("pid.{step}"))).await;
        worker.take().unwrap().crash().await;
        worker = Some(world.start(script));
        fs::write(world.shared(&format!("go.{step}")), "").unwrap();
    }
    world.until_status(task, TaskStatus::Completed).await;
    worker.unwrap().drain().await;
    assert_eq!(
        world.told(task).await,
        ["step 1", "step 2", "step 3", "done"]
    );
    world.checked_events(task).await;
}

#[tokio::test]
async fn an_end_that_no_worker_saw_is_published_by_the_next() {
    let world = World::new().await;
    let (task, pid) = crash_in_mid_run(&world).await;
    let record = world.record();
    fs::write(world.shared("go"), "").unwrap();
    until_true("it ended", || record.end().is_some() && !lives(pid)).await;
    let worker = world.start(PATIENT);
    let row = world.until_status(task, TaskStatus::Completed).await;
    assert_eq!(row["cr_result"], "begun\ndone\n");
    worker.drain().await;
    assert_eq!(runs(&world), 1);
    assert_eq!(world.told(task).await, ["begun", "done"]);
}

#[tokio::test]
async fn an_agent_whose_task_was_given_to_another_meanwhile_is_ended_and_its_work_kept() {
    let world = World::new().await;
    let (task, pid) = crash_in_mid_run(&world).await;
    world.reassign(task, OTHER, 2).await;
    let worker = world.start(PATIENT);
    let candidate = world.until_event(task, Candidate).await;
    assert!(candidate.content.contains("begun"), "{}", candidate.content);
    assert!(!lives(pid));
    worker.drain().await;
    assert_eq!(world.row(task).await["cr_attempt"], 2);
}

#[tokio::test]
async fn a_cancel_while_no_worker_was_there_is_obeyed_by_the_next() {
    let world = World::new().await;
    let (task, pid) = crash_in_mid_run(&world).await;
    world.cancel(task).await;
    let worker = world.start(PATIENT);
    let row = world.until_status(task, TaskStatus::Canceled).await;
    assert_eq!(row["cr_result"], "begun\n");
    assert!(!lives(pid));
    worker.drain().await;
}

#[tokio::test]
async fn an_agent_that_waited_for_its_worker_too_long_is_ended_and_tried_again() {
    let world = World::new().await;
    let config = || {
        let mut config = world.config("w", PATIENT);
        config.orphan = Duration::from_millis(50);
        config
    };
    let worker = world.start_as(WORKER, config());
    let task = world.assign("").await;
    let pid = pid_in(&world.shared("pid")).await;
    worker.crash().await;
    until_true("the orphan is gone", || !lives(pid)).await;
    let record = world.record();
    until_true("its end is written", || record.end().is_some()).await;
    let worker = world.start_as(WORKER, config());
    let row = world.until_status(task, TaskStatus::Pending).await;
    assert_eq!(row["cr_reason"], "retry");
    assert_eq!(
        row["cr_statusmessage"],
        "ended: its worker was gone for too long"
    );
    worker.drain().await;
}

#[tokio::test]
async fn an_agent_whose_supervisor_dies_is_ended_and_tried_again() {
    let world = World::new().await;
    let worker = world.start(PATIENT);
    let task = world.assign("").await;
    let pid = pid_in(&world.shared("pid")).await;
    world.until_event(task, AgentMessage).await;
    kill(world.record().supervisor.pid);
    let row = world.until_status(task, TaskStatus::Pending).await;
    assert_eq!(row["cr_statusmessage"], "ended: its supervisor died");
    assert!(!lives(pid));
    worker.drain().await;
}

#[tokio::test]
async fn what_died_with_its_whole_machine_is_a_loss_and_the_next_attempt_has_a_fresh_folder() {
    let world = World::new().await;
    let (task, pid) = crash_in_mid_run(&world).await;
    let record = world.record();
    kill(record.supervisor.pid);
    until_true("the supervisor is gone", || !record.may_live()).await;
    fs::write(world.shared("go"), "").unwrap();
    kill(pid);
    let worker = world.start(PATIENT);
    let lost = world.until_status(task, TaskStatus::Pending).await;
    assert_eq!(lost["cr_reason"], "worker-restarted");
    world.reassign(task, WORKER, 2).await;
    let row = world.until_status(task, TaskStatus::Completed).await;
    let folder = row["crb3b_workingdir"].as_str().unwrap();
    assert!(folder.ends_with("attempt-2"), "{folder}");
    assert_eq!(runs(&world), 2);
    let kinds = world.checked_events(task).await;
    assert_eq!(kinds.iter().filter(|kind| **kind == TaskStarted).count(), 2);
    worker.drain().await;
}

#[tokio::test]
async fn a_verifier_that_outlived_its_worker_judges_the_work_it_was_given() {
    let world = World::new().await;
    let verdict = r#"{"nonce":"%s","verdict":"pass","feedback":"seen"}"#;
    let script = format!(
        "echo $SHRAGA_PHASE >> $SHARED/runs; [ $SHRAGA_PHASE = work ] && exec echo made; \
         echo $$ > $SHARED/pid; until [ -e $SHARED/go ]; do sleep 0.01; done; \
         printf '{verdict}' $SHRAGA_VERDICT_NONCE > $SHRAGA_VERDICT_FILE"
    );
    let worker = world.start(&script);
    let task = world
        .assign_wanting("make it", r#"{"successCriteria":"it is made"}"#)
        .await;
    let pid = pid_in(&world.shared("pid")).await;
    world.until_event(task, AgentMessage).await;
    worker.crash().await;
    let mut worker = world.start(&script);
    worker
        .until("at it again", |status| status.running.len() == 1)
        .await;
    assert!(lives(pid));
    fs::write(world.shared("go"), "").unwrap();
    let row = world.until_status(task, TaskStatus::Completed).await;
    assert_eq!(row["cr_statusmessage"], "completed and verified");
    assert_eq!(row["cr_result"], "made\n");
    worker.drain().await;
    let runs = fs::read_to_string(world.shared("runs")).unwrap();
    assert_eq!(runs, "work\nverify\n");
    assert_eq!(world.told(task).await, ["made"]);
}

#[tokio::test]
async fn an_agent_of_an_unknown_process_is_ended_before_any_task_is_looked_at() {
    let world = World::new().await;
    let (task, pid) = crash_in_mid_run(&world).await;
    let (path, mut record) = (world.record_path(), world.record());
    let unknown = Uuid::from_u128(7).to_string();
    record.about.insert("boot".to_owned(), unknown);
    fs::write(path, serde_json::to_vec(&record).unwrap()).unwrap();
    let worker = world.start("echo alone");
    let lost = world.until_status(task, TaskStatus::Pending).await;
    assert_eq!(lost["cr_reason"], "worker-restarted");
    assert!(!lives(pid), "the orphan still runs");
    worker.drain().await;
}
