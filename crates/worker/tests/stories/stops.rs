//! Stopping: draining, ending now, and what is left behind (nothing).

use std::time::Duration;

use shraga_core::row::Table;
use shraga_core::status::{TaskStatus, WorkerState};

use crate::world::{WORKER, World, lives, pid_in, until_true};

async fn state(world: &World) -> serde_json::Value {
    let row = world.admin.get(Table::Workers, WORKER.get(), &[]).await;
    row.unwrap().unwrap().object().unwrap()["cr_status"].clone()
}

#[tokio::test]
async fn a_draining_worker_finishes_what_runs_and_puts_back_what_does_not() {
    let world = World::new().await;
    let mut worker =
        world.start("echo $$ > $SHARED/pid; until [ -e $SHARED/go ]; do sleep 0.01; done");
    let running = world.assign("").await;
    pid_in(&world.shared("pid")).await;
    let waiting = world.assign("").await;
    worker.stop.drain.cancel();
    worker
        .until("draining", |status| status.state == WorkerState::Draining)
        .await;
    let row = world.until_status(waiting, TaskStatus::Pending).await;
    assert_eq!(row["cr_reason"], "released");
    std::fs::write(world.shared("go"), "").unwrap();
    world.until_status(running, TaskStatus::Completed).await;
    worker.ended().await.unwrap();
    assert_eq!(state(&world).await, "offline");
}

#[tokio::test]
async fn agents_that_outlast_the_drain_are_ended_and_their_tasks_put_back() {
    let world = World::new().await;
    let mut config = world.config(
        "w",
        "trap '' TERM; echo $$ > $SHARED/pid; while :; do sleep 100; done",
    );
    config.drain = Duration::from_millis(50);
    let worker = world.start_as(WORKER, config);
    let task = world.assign("").await;
    let pid = pid_in(&world.shared("pid")).await;
    worker.drain().await;
    assert!(!lives(pid));
    let row = world.until_status(task, TaskStatus::Pending).await;
    assert_eq!(row["cr_reason"], "retry");
}

#[tokio::test]
async fn ending_now_leaves_no_process_and_no_task_behind() {
    let world = World::new().await;
    let worker = world.start("trap '' TERM; sleep 1000 & echo $! > $SHARED/pid; wait; sleep 1000");
    let task = world.assign("").await;
    let pid = pid_in(&world.shared("pid")).await;
    worker.end_now().await;
    assert!(!lives(pid));
    world.until_status(task, TaskStatus::Pending).await;
    assert_eq!(state(&world).await, "offline");
}

#[tokio::test]
async fn a_crashed_worker_takes_its_agents_with_it() {
    let world = World::new().await;
    let worker = world.start("sleep 1000 & echo $! > $SHARED/pid; wait");
    world.assign("").await;
    let pid = pid_in(&world.shared("pid")).await;
    worker.crash().await;
    let next = world.start("echo done");
    until_true("the agent is gone", || !lives(pid)).await;
    next.drain().await;
}
