//! Stopping: draining, ending now, and what is left behind (nothing).

use std::time::Duration;

use shraga_core::fleet::{Allowed, Member, Said};
use shraga_core::row::{ChangeSet, Table, Value, Write, workers};
use shraga_core::status::{TaskStatus, WorkerState};
use shraga_core::time::Timestamp;
use shraga_core::update::Release;
use shraga_dataverse::{OnRefusal, Outcome, rows};
use shraga_worker::Config;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::world::{HANG, WORKER, World, lives, pid_in};

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

/// What `shraga drain` and `undrain` write.
async fn wish(world: &World, drained: bool) {
    let at = Timestamp::from_secs(1_767_225_600);
    let value = drained.then_some(at).map_or(Value::Null, Value::Time);
    let row = world.admin.get(Table::Workers, WORKER.get(), &[]).await;
    let etag = row.unwrap().unwrap().etag().unwrap();
    let cells = vec![(workers::DRAINED, value)];
    let set = ChangeSet {
        task: None,
        why: "an operator's wish".to_owned(),
        writes: vec![Write::update(Table::Workers, WORKER.get(), &etag, cells)],
    };
    let applied = world.admin.apply(&[set], OnRefusal::Stop).await.unwrap();
    assert!(matches!(applied.outcomes[0], Outcome::Done(_)));
}

#[tokio::test]
async fn a_worker_does_at_once_as_an_operator_wishes_also_after_a_restart() {
    let world = World::new().await;
    let script = "echo $$ > $SHARED/pid; until [ -e $SHARED/go ]; do sleep 0.01; done";
    let mut worker = world.start(script);
    worker
        .until("ready", |status| status.state == WorkerState::Ready)
        .await;
    wish(&world, true).await;
    worker
        .until("draining", |status| status.state == WorkerState::Draining)
        .await;
    let first = world.assign("").await;
    let row = world.until_status(first, TaskStatus::Pending).await;
    assert_eq!(row["cr_reason"], "released");
    worker.drain().await;
    let mut worker = world.start(script);
    worker
        .until("draining again", |status| {
            status.state == WorkerState::Draining
        })
        .await;
    let second = world.assign("").await;
    world.until_status(second, TaskStatus::Pending).await;
    wish(&world, false).await;
    worker
        .until("ready again", |status| status.state == WorkerState::Ready)
        .await;
    let third = world.assign("").await;
    pid_in(&world.shared("pid")).await;
    wish(&world, true).await;
    worker
        .until("draining beside a task", |status| {
            status.state == WorkerState::Draining
        })
        .await;
    std::fs::write(world.shared("go"), "").unwrap();
    world.until_status(third, TaskStatus::Completed).await;
    assert_eq!(state(&world).await, "draining");
    worker.drain().await;
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

/// What an orchestrator writes when a worker may take a release, or may not any more.
async fn allow(world: &World, allowed: Option<&Allowed>) {
    let value = allowed.map(ToString::to_string).into();
    let row = world.admin.get(Table::Workers, WORKER.get(), &[]).await;
    let etag = row.unwrap().unwrap().etag().unwrap();
    let set = ChangeSet {
        task: None,
        why: "a permission".to_owned(),
        writes: vec![Write::update(
            Table::Workers,
            WORKER.get(),
            &etag,
            vec![(workers::ALLOWED, value)],
        )],
    };
    let applied = world.admin.apply(&[set], OnRefusal::Stop).await.unwrap();
    assert!(matches!(applied.outcomes[0], Outcome::Done(_)));
}

async fn member(world: &World) -> Member {
    let row = world.admin.get(Table::Workers, WORKER.get(), &[]).await;
    rows::worker(&row.unwrap().unwrap()).unwrap().member
}

#[tokio::test]
async fn a_worker_says_which_release_it_runs_and_hears_which_it_may_take() {
    let release = |version: &str| Release::new(version, "0123456789abcdef").unwrap();
    let (old, new) = (release("1.0.0"), release("1.1.0"));
    let world = World::new().await;
    let said = watch::Sender::new(Said::On);
    let config = Config {
        release: Some(old.clone()),
        update: said.subscribe(),
        ..world.config("w", "echo")
    };
    let mut worker = world.start_as(WORKER, config);
    worker
        .until("ready", |status| status.state == WorkerState::Ready)
        .await;
    let says = member(&world).await;
    assert_eq!(says.release, Some(old.clone()));
    assert_eq!(
        (says.version.as_deref(), says.said),
        (Some("1.0.0"), Said::On)
    );
    let on_trial = |release: &Release| Allowed {
        release: release.clone(),
        open: false,
    };
    let open = Allowed {
        open: true,
        ..on_trial(&old)
    };
    let (old, next) = (on_trial(&old), on_trial(&new));
    for allowed in [Some(&next), None, Some(&next), Some(&old), Some(&open)] {
        allow(&world, allowed).await;
        // What it runs it needn't take, but wants to know that it may keep it.
        let heard = allowed.filter(|allowed| **allowed != old);
        worker
            .until("the permission", |status| status.allowed.as_ref() == heard)
            .await;
    }
    let failed = Said::Failed(new, "exit code 1".to_owned());
    let mut since = world.admin.changes(None).await.unwrap().next;
    said.send_replace(failed.clone());
    while member(&world).await.said != failed {
        let changed = world.admin.changes(Some(since));
        since = timeout(HANG, changed).await.unwrap().unwrap().next;
    }
    worker.drain().await;
}
