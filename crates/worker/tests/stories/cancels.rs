//! A request to cancel ends an agent whatever it does, and keeps what it printed.

use shraga_core::status::{EventKind, TaskStatus};

use crate::world::{World, lives, pid_in, until_true};

/// Cancels an agent that has said `ready`, and whose process in `$SHARED/pid` would rather stay.
async fn is_canceled(script: &str) {
    let world = World::new().await;
    let worker = world.start(script);
    let task = world.assign("").await;
    let pid = pid_in(&world.shared("pid")).await;
    world.until_event(task, EventKind::AgentMessage).await;
    world.cancel(task).await;
    let row = world.until_status(task, TaskStatus::Canceled).await;
    let result = row["cr_result"].as_str().unwrap();
    assert!(result.contains("ready"), "{script}: {result}");
    assert_eq!(row["cr_statusmessage"], "ended on request");
    assert!(!lives(pid), "{script}");
    let folder = std::path::Path::new(row["crb3b_workingdir"].as_str().unwrap());
    assert!(folder.join("stdout.log").is_file());
    worker.drain().await;
}

#[tokio::test]
async fn an_agent_that_ignores_the_request_is_canceled() {
    is_canceled(
        "trap '' TERM HUP INT; echo $$ > $SHARED/pid; echo ready; while :; do sleep 100; done",
    )
    .await;
}

#[tokio::test]
async fn an_agent_that_stopped_itself_is_canceled() {
    is_canceled("trap '' TERM; echo $$ > $SHARED/pid; echo ready; kill -STOP $$; sleep 1000").await;
}

#[tokio::test]
async fn an_agent_that_closed_its_output_is_canceled() {
    is_canceled(
        "trap '' TERM; echo $$ > $SHARED/pid; echo ready; exec >&- 2>&- <&-; exec sleep 1000",
    )
    .await;
}

#[tokio::test]
async fn an_agent_that_left_its_work_to_children_is_canceled_with_them() {
    is_canceled(
        "(trap '' TERM; (trap '' TERM; sleep 1000 & echo $! > $SHARED/pid; wait; sleep 1000) & wait; sleep 1000) & \
         echo ready; wait; sleep 1000",
    )
    .await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_an_agent_moved_out_of_its_group_is_canceled_too() {
    is_canceled(
        "setsid sh -c 'trap \"\" TERM; echo $$ > $SHARED/pid; exec sleep 1000' & echo ready; exec sleep 1000",
    )
    .await;
}

#[tokio::test]
async fn an_agent_that_floods_is_canceled() {
    let world = World::new().await;
    let worker =
        world.start("trap '' TERM; echo $$ > $SHARED/pid; while :; do yes $(seq -s ' ' 300); done");
    let task = world.assign("").await;
    let pid = pid_in(&world.shared("pid")).await;
    world.until_claimed(task).await;
    world.cancel(task).await;
    world.until_status(task, TaskStatus::Canceled).await;
    until_true("it is gone", || !lives(pid)).await;
    worker.drain().await;
}
