//! A worker on a machine that was made for it: it takes over the row that waits for it, and makes no
//! second one.

use serde_json::Value as Json;
use shraga_core::ids::{UserId, WorkerId};
use shraga_core::machine::{MachineName, ProviderKind, Record, Serves, Stage};
use shraga_core::row::{ChangeSet, Condition, Table, Write, workers};
use shraga_core::status::{Pool, TaskStatus, WorkerKind, WorkerState};
use shraga_core::time::Timestamp;
use shraga_dataverse::{OnRefusal, Outcome};
use shraga_local::ops::Role;
use shraga_wire::query::Query;
use shraga_worker::{Config, Stop, Worker, WorkerError};
use uuid::Uuid;

use crate::world::{Started, WORKER, World};

/// Makes the row of a machine as an orchestrator does, before anything runs on it.
async fn provision(
    world: &World,
    owner: UserId,
    serves: Serves,
    pool: Pool,
    stage: Stage,
) -> Record {
    let admin = UserId::new(Uuid::from_u128(1));
    let name = MachineName::of("shraga", admin, serves, 1);
    let now = Timestamp::from_secs(1_790_000_000);
    let record = Record::wanted(ProviderKind::Process, name, serves, now).at(stage, now);
    let set = ChangeSet {
        task: None,
        why: "the story".to_owned(),
        writes: vec![Write {
            table: Table::Workers,
            id: WORKER.get(),
            condition: Condition::Absent,
            owner: Some(owner),
            cells: vec![
                (workers::NAME, record.name.as_str().into()),
                (workers::USER_ID, owner.to_string().into()),
                (workers::KIND, WorkerKind::DevBox.as_str().into()),
                (workers::POOL, pool.as_str().into()),
                (workers::STATE, WorkerState::Provisioning.as_str().into()),
                (workers::MACHINE, record.to_json().into()),
            ],
        }],
    };
    let applied = world.admin.apply(&[set], OnRefusal::Stop).await.unwrap();
    assert!(matches!(applied.outcomes[0], Outcome::Done(_)));
    record
}

async fn rows(world: &World) -> Vec<serde_json::Map<String, Json>> {
    let all = Query {
        filter: Some("cr_type ne 'Orchestrator'".parse().unwrap()),
        ..Query::default()
    };
    let rows = world.admin.list(Table::Workers, &all).await.unwrap();
    rows.iter().map(|row| row.object().unwrap()).collect()
}

fn told_who_it_is(world: &World) -> Config {
    Config {
        worker: Some(WORKER),
        until_idle: true,
        ..world.config("host-name", "echo")
    }
}

/// A worker that has registered with the token of a machine for everyone.
async fn on_a_shared_machine(stage: Stage) -> (World, Started) {
    let world = World::new().await;
    let owner = world.owner();
    provision(&world, owner, Serves::Everyone, Pool::Shared, stage).await;
    let mut worker = world.start_as(WORKER, world.config("w", "echo"));
    worker
        .until("registered", |status| status.worker == Some(WORKER))
        .await;
    (world, worker)
}

#[tokio::test]
async fn a_worker_that_is_told_who_it_is_takes_over_the_row_that_waits_for_it() {
    let world = World::new().await;
    let serves = Serves::Person(world.person());
    let record = provision(
        &world,
        world.person(),
        serves,
        Pool::Dedicated,
        Stage::Starting,
    )
    .await;
    let client = world.client_as(Role::Admin);
    let worker = Worker::new(client, told_who_it_is(&world));
    worker.run(Stop::default()).await.unwrap();
    let rows = rows(&world).await;
    let [row] = rows.as_slice() else {
        panic!("{rows:?}");
    };
    assert_eq!(row["cr_shraga_workerid"], WORKER.to_string());
    assert_eq!(row["cr_name"], record.name.as_str());
    assert_eq!(row["_ownerid_value"], world.person().to_string());
    assert_eq!(row["cr_userid"], world.person().to_string());
    assert_eq!(
        (&row["cr_type"], &row["cr_pool"]),
        (&"DevBox".into(), &"dedicated".into())
    );
    assert_eq!(row["cr_machine"], record.to_json());
    assert!(row["cr_bootid"].is_string());
}

#[tokio::test]
async fn a_worker_with_a_token_of_its_own_does_so_too_and_works() {
    let (world, worker) = on_a_shared_machine(Stage::Starting).await;
    let before = rows(&world).await;
    assert_eq!(before.len(), 1);
    assert_eq!(before[0]["cr_status"], "ready");
    let task = world.assign("").await;
    world.until_status(task, TaskStatus::Completed).await;
    worker.drain().await;
    assert_eq!(rows(&world).await.len(), 1);
}

#[tokio::test]
async fn a_worker_on_a_machine_that_is_to_be_stopped_offers_nothing() {
    let (world, worker) = on_a_shared_machine(Stage::Cordoned).await;
    assert_eq!(rows(&world).await[0]["cr_status"], "draining");
    worker.drain().await;
}

#[tokio::test]
async fn a_token_of_another_worker_is_refused_before_anything_is_written() {
    let world = World::new().await;
    let other = WorkerId::new(Uuid::from_u128(0xF1));
    let worker = world.start_as(other, told_who_it_is(&world));
    let refused = worker.ended().await.unwrap_err();
    assert!(matches!(refused, WorkerError::Config(_)), "{refused}");
    assert!(
        refused.to_string().contains(&WORKER.to_string()),
        "{refused}"
    );
    assert!(rows(&world).await.is_empty());
}
