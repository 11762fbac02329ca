//! Stores without `$batch`, change sets or chosen identities: the same worker, the same ends.

use std::time::Duration;

use shraga_core::row::Table;
use shraga_core::status::TaskStatus;
use shraga_testkit::lesser::Lesser;
use shraga_wire::query::Query;
use shraga_worker::Config;

use crate::world::World;

async fn rows(world: &World) -> usize {
    let rows = world.admin.list(Table::Workers, &Query::default()).await;
    rows.unwrap().len()
}

#[tokio::test]
async fn at_every_lesser_store_a_worker_is_one_row_over_restarts_and_does_its_work() {
    for (name, lesser) in Lesser::all() {
        let world = World::new().await;
        let admin = world.admin.who_am_i().await.unwrap();
        let config = || Config {
            trusts: vec![admin],
            beat: Duration::from_millis(50),
            busy_look: Duration::from_millis(50),
            ..world.config("w", "cat; echo done")
        };
        let mut worker = world.start_with(world.client_at(lesser), config());
        worker
            .until("registered", |status| status.worker.is_some())
            .await;
        let id = worker.status.borrow().worker.unwrap();
        let task = world.assign_to(id, "do it").await;
        let row = world.until_status(task, TaskStatus::Completed).await;
        assert_eq!(row["cr_result"], "do itdone\n", "{name}");
        worker.drain().await;
        let mut again = world.start_with(world.client_at(lesser), config());
        again
            .until("registered", |status| status.worker.is_some())
            .await;
        assert_eq!(again.status.borrow().worker, Some(id), "{name}");
        again.drain().await;
        assert_eq!(rows(&world).await, 1, "{name}: one row");
    }
}

#[tokio::test]
async fn where_people_can_make_mirrors_only_those_of_whom_it_trusts_are_taken_up() {
    let world = World::new().await;
    let (_, lesser) = Lesser::all().into_iter().next().unwrap();
    let config = Config {
        beat: Duration::from_millis(20),
        busy_look: Duration::from_millis(20),
        ..world.config("w", "echo should not run")
    };
    let mut worker = world.start_with(world.client_at(lesser), config);
    worker
        .until("registered", |status| status.worker.is_some())
        .await;
    let id = worker.status.borrow().worker.unwrap();
    // Neither the worker's own identity nor an orchestrator that is known made it.
    let task = world.assign_to(id, "do it").await;
    for _ in 0..3 {
        let before = worker.status.borrow().beaten;
        worker
            .until("beaten", |status| status.beaten != before)
            .await;
    }
    worker.drain().await;
    assert_eq!(world.row(task).await["cr_workerstatus"], "assigned");
}
