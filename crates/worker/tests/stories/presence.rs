//! The worker's own row: who it is, that it lives, and that it is the only one.

use std::time::Duration;

use serde_json::Value as Json;
use shraga_core::ids::{BootId, Etag, UserId, WorkerId};
use shraga_core::row::{ChangeSet, Condition, Table, Write, workers};
use shraga_core::status::{Pool, TaskStatus};
use shraga_dataverse::{OnRefusal, Outcome};
use shraga_local::ops::Role;
use shraga_worker::{Worker, WorkerError};
use uuid::Uuid;

use crate::world::{WORKER, World, lives, pid_in};

/// Often enough that a story need not wait for it.
const QUICK: Duration = Duration::from_millis(50);

async fn row(world: &World, id: WorkerId) -> serde_json::Map<String, Json> {
    let row = world.admin.get(Table::Workers, id.get(), &[]).await;
    row.unwrap().unwrap().object().unwrap()
}

/// Another process writes its boot into the worker's row.
async fn take_over(world: &World, boot: BootId) {
    loop {
        let etag = row(world, WORKER).await["@odata.etag"].clone();
        let etag = Etag::new(etag.as_str().unwrap());
        let set = ChangeSet {
            task: None,
            why: "the story".to_owned(),
            writes: vec![Write {
                table: Table::Workers,
                id: WORKER.get(),
                condition: Condition::Version(etag),
                owner: None,
                cells: vec![(workers::BOOT, boot.to_string().into())],
            }],
        };
        let applied = world.admin.apply(&[set], OnRefusal::Stop).await.unwrap();
        if matches!(applied.outcomes[0], Outcome::Done(_)) {
            return;
        }
    }
}

#[tokio::test]
async fn a_worker_registers_what_it_offers_and_beats() {
    let world = World::new().await;
    let mut config = world.config("w", "echo");
    config.slots = 3;
    config.beat = QUICK;
    let mut worker = world.start_as(WORKER, config);
    worker
        .until("registered", |status| status.worker == Some(WORKER))
        .await;
    let first = row(&world, WORKER).await;
    assert_eq!(first["cr_status"], "ready");
    assert_eq!(
        (&first["cr_slots"], &first["cr_agents"]),
        (&3.into(), &"sh".into())
    );
    assert_eq!(
        (&first["cr_pool"], &first["cr_version"]),
        (&"shared".into(), &"test".into())
    );
    let mut beat = first["cr_beat"].as_i64().unwrap();
    for _ in 0..2 {
        let now = worker.status.borrow_and_update().last_beat;
        assert!(now.is_some());
        loop {
            worker.status.changed().await.unwrap();
            let later = row(&world, WORKER).await["cr_beat"].as_i64().unwrap();
            if later > beat {
                beat = later;
                break;
            }
        }
    }
    worker.drain().await;
}

#[tokio::test]
async fn a_worker_whose_row_another_process_took_stops_and_ends_its_agents() {
    let world = World::new().await;
    let mut config = world.config("w", "echo $$ > $SHARED/pid; exec sleep 1000");
    config.beat = QUICK;
    let worker = world.start_as(WORKER, config);
    world.assign("").await;
    let pid = pid_in(&world.shared("pid")).await;
    let other = BootId::new(Uuid::from_u128(0xB0));
    take_over(&world, other).await;
    let ended = worker.ended().await.unwrap_err();
    assert!(
        matches!(ended, WorkerError::Superseded { boot, .. } if boot == other),
        "{ended}"
    );
    assert!(!lives(pid));
    assert_eq!(row(&world, WORKER).await["cr_bootid"], other.to_string());
}

#[tokio::test]
async fn a_deleted_row_is_made_again() {
    let world = World::new().await;
    let mut config = world.config("w", "echo");
    config.beat = QUICK;
    let mut worker = world.start_as(WORKER, config);
    worker
        .until("registered", |status| status.worker.is_some())
        .await;
    world
        .admin
        .delete(Table::Workers, WORKER.get(), None)
        .await
        .unwrap();
    loop {
        worker.status.changed().await.unwrap();
        let again = world
            .admin
            .get(Table::Workers, WORKER.get(), &[])
            .await
            .unwrap();
        if let Some(row) = again {
            assert_eq!(row.object().unwrap()["cr_name"], "w");
            break;
        }
    }
    let task = world.assign("").await;
    world.until_status(task, TaskStatus::Completed).await;
    worker.drain().await;
}

#[tokio::test]
async fn with_an_admins_token_the_identity_follows_from_owner_and_name() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for (name, owner) in [("one", None), ("one", Some(world.person())), ("two", None)] {
        let mut config = world.config("w", "echo");
        config.name = name.to_owned();
        config.owner = owner;
        config.pool = owner.map(|_: UserId| Pool::Dedicated);
        config.until_idle = true;
        let worker = Worker::new(world.client_as(Role::Admin), config);
        let status = worker.status();
        worker.run(shraga_worker::Stop::default()).await.unwrap();
        let id = status.borrow().worker.unwrap();
        let row = row(&world, id).await;
        let expected = if owner.is_some() {
            "dedicated"
        } else {
            "shared"
        };
        assert_eq!(row["cr_pool"], expected);
        if let Some(owner) = owner {
            assert_eq!(row["_ownerid_value"], owner.to_string());
        }
        ids.push(id);
    }
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
}

#[tokio::test]
async fn a_persons_token_is_no_workers() {
    let world = World::new().await;
    let worker = Worker::new(world.client_as(Role::User), world.config("w", "echo"));
    let refused = worker
        .run(shraga_worker::Stop::default())
        .await
        .unwrap_err();
    assert!(matches!(refused, WorkerError::NotAWorker), "{refused}");
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused_before_anything_happens() {
    let world = World::new().await;
    let mut config = world.config("w", "echo");
    config.default_agent = "claude".to_owned();
    let worker = Worker::new(world.client_as(Role::Admin), config);
    let refused = worker
        .run(shraga_worker::Stop::default())
        .await
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the default agent `claude` is not configured"
    );
}

#[tokio::test]
async fn a_worker_told_to_stop_while_the_store_is_away_stops() {
    let world = World::new().await;
    world.faults.cut();
    let worker = world.start("echo");
    worker.stop.drain.cancel();
    let ended = worker.ended().await;
    assert!(ended.is_ok());
}
