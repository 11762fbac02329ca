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
        let config = || Config {
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
