//! Tasks that run: their ends, their output, their slots.

use shraga_core::status::EventKind::{
    AgentMessage, TaskCanceled, TaskCompleted, TaskFailed, TaskStarted,
};
use shraga_core::status::TaskStatus;
use shraga_worker::Agent;

use crate::world::{HANG, WORKER, World, lives, pid_in};

#[tokio::test]
async fn an_assigned_task_is_claimed_run_and_reported() {
    let world = World::new().await;
    let worker = world.start("cat; echo; echo second line");
    let task = world.assign("do it").await;
    let row = world.until_status(task, TaskStatus::Completed).await;
    assert_eq!(row["cr_result"], "do it\nsecond line\n");
    assert_eq!(row["cr_workerstatus"], "done");
    assert!(
        row["cr_statusmessage"]
            .as_str()
            .unwrap()
            .starts_with("completed in ")
    );
    assert!(!row["cr_finishedon"].is_null() && !row["cr_startedon"].is_null());
    assert!(
        row["crb3b_workingdir"]
            .as_str()
            .unwrap()
            .ends_with("attempt-1")
    );
    let output: serde_json::Value =
        serde_json::from_str(row["cr_output"].as_str().unwrap()).unwrap();
    let kinds = world.checked_events(task).await;
    assert_eq!(kinds, [TaskStarted, AgentMessage, TaskCompleted]);
    assert_eq!(output["stream_events"], 3);
    worker.drain().await;
}

#[tokio::test]
async fn work_that_waited_before_the_worker_came_is_found() {
    let world = World::new().await;
    let task = world.assign("echo").await;
    let worker = world.start("echo hello");
    world.until_status(task, TaskStatus::Completed).await;
    worker.drain().await;
}

#[tokio::test]
async fn a_failing_agent_fails_the_task_with_its_last_words() {
    let world = World::new().await;
    let worker = world.start("echo oops >&2; exit 3");
    let task = world.assign("").await;
    let row = world.until_status(task, TaskStatus::Failed).await;
    assert_eq!(row["cr_statusmessage"], "exit code 3: oops");
    assert_eq!(row["cr_reason"], "agent-failed");
    assert_eq!(world.checked_events(task).await, [TaskStarted, TaskFailed]);
    worker.drain().await;
}

#[tokio::test]
async fn exit_code_75_puts_the_task_back_to_be_assigned_again() {
    let world = World::new().await;
    let worker = world.start("exit 75");
    let task = world.assign("").await;
    let row = world.until_status(task, TaskStatus::Pending).await;
    assert_eq!(row["cr_reason"], "retry");
    world.reassign(task, WORKER, 2).await;
    let again = world.until_status(task, TaskStatus::Pending).await;
    assert_eq!(again["cr_attempt"], 2);
    worker.drain().await;
}

#[tokio::test]
async fn a_task_for_an_agent_that_is_not_there_fails_by_name() {
    let world = World::new().await;
    let mut config = world.config("w", "true");
    let sh = config.agents.remove("sh").unwrap();
    config.agents.insert("other".to_owned(), sh);
    config.default_agent = "other".to_owned();
    config.agents.insert("third".to_owned(), Agent::Noop);
    let worker = world.start_as(WORKER, config);
    let task = world.assign_wanting("", r#"{"agent":"sh"}"#).await;
    let row = world.until_status(task, TaskStatus::Failed).await;
    assert_eq!(
        row["cr_statusmessage"],
        "this worker has no agent `sh` (it has: other, third)"
    );
    worker.drain().await;
}

#[tokio::test]
async fn a_cancel_in_mid_run_ends_the_whole_group_and_keeps_what_was_printed() {
    let world = World::new().await;
    let script = "trap '' TERM; echo partly; sleep 1000 & echo $! > $SHARED/pid; wait; sleep 1000";
    let worker = world.start(script);
    let task = world.assign("").await;
    let pid = pid_in(&world.shared("pid")).await;
    world.until_claimed(task).await;
    world.cancel(task).await;
    let row = world.until_status(task, TaskStatus::Canceled).await;
    assert_eq!(row["cr_result"], "partly\n");
    assert!(!lives(pid));
    let kinds = world.checked_events(task).await;
    assert_eq!(kinds, [TaskStarted, AgentMessage, TaskCanceled]);
    worker.drain().await;
}

#[tokio::test]
async fn ten_slots_run_ten_agents_at_once_and_no_more() {
    let world = World::new().await;
    // Each waits until ten have begun, so the tasks end only if ten run together.
    let script = "touch $SHARED/begun.$SHRAGA_TASK_ID; \
                  while [ $(ls $SHARED | grep -c '^begun') -lt 10 ]; do sleep 0.01; done; \
                  ls $SHARED | grep -c '^begun'";
    let mut config = world.config("w", script);
    config.slots = 10;
    let mut tasks = Vec::new();
    for _ in 0..10 {
        tasks.push(world.assign("").await);
    }
    let mut worker = world.start_as(WORKER, config);
    for task in &tasks {
        world.until_status(*task, TaskStatus::Completed).await;
    }
    worker
        .until("idle", |status| status.running.is_empty())
        .await;
    worker.drain().await;
}

#[tokio::test]
async fn more_than_its_slots_wait_for_a_free_one() {
    let world = World::new().await;
    let tasks = [
        world.assign("").await,
        world.assign("").await,
        world.assign("").await,
    ];
    let worker = world.start("mkdir $SHARED/alone && sleep 0.05 && rmdir $SHARED/alone");
    for task in tasks {
        world.until_status(task, TaskStatus::Completed).await;
    }
    worker.drain().await;
}

#[tokio::test]
async fn long_output_becomes_a_bounded_chain_of_events() {
    let world = World::new().await;
    let worker = world.start("seq 1 20000");
    let task = world.assign("").await;
    let row = world.until_status(task, TaskStatus::Completed).await;
    assert!(row["cr_result"].as_str().unwrap().ends_with("\n20000\n"));
    let events = world.events(task).await;
    assert!(events.len() > 3, "{}", events.len());
    assert!(events.iter().all(|event| event.content.len() <= 10_000));
    world.checked_events(task).await;
    worker.drain().await;
}

#[tokio::test]
async fn the_noop_agent_goes_through_claim_outbox_and_report() {
    let world = World::new().await;
    let mut config = world.config("w", "");
    config.agents = [("noop".to_owned(), Agent::Noop)].into();
    config.default_agent = "noop".to_owned();
    config.slots = 50;
    let mut tasks = Vec::new();
    for _ in 0..50 {
        tasks.push(world.assign("").await);
    }
    let mut worker = world.start_as(WORKER, config);
    for task in &tasks {
        world.until_status(*task, TaskStatus::Completed).await;
        assert_eq!(
            world.checked_events(*task).await,
            [TaskStarted, TaskCompleted]
        );
    }
    worker
        .until("done", |status| status.reported == 50 && status.unsent == 0)
        .await;
    worker.drain().await;
    let outbox = world.shared("w").join("outbox");
    assert_eq!(std::fs::read_dir(outbox).unwrap().count(), 0);
}

#[tokio::test]
async fn a_worker_asked_to_run_once_ends_when_nothing_is_left() {
    let world = World::new().await;
    let task = world.assign("").await;
    let mut config = world.config("w", "echo done");
    config.until_idle = true;
    let worker = world.start_as(WORKER, config);
    tokio::time::timeout(HANG, worker.ended())
        .await
        .unwrap()
        .unwrap();
    world.until_status(task, TaskStatus::Completed).await;
}
