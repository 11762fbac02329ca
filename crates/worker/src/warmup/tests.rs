//! A slow beginning, at the store as it is shipped.

use shraga_core::row::Table;
use shraga_core::status::WorkerState;
use shraga_dataverse::rows::{self, select};
use shraga_testkit::faults::Faults;
use shraga_testkit::stage::Stage;

use super::*;
use crate::config::Config;
use crate::presence::{self, Offer};

const QUICK: Duration = Duration::from_millis(5);

#[tokio::test]
async fn a_worker_whose_clean_up_is_slow_beats_and_takes_nothing_meanwhile() {
    let stage = Stage::new().await;
    let client = stage.admin_client(&Faults::new());
    let config = Config::new("w", "unused");
    let offer = Offer::make(&client, &config, presence::new_boot())
        .await
        .unwrap();
    let id = offer.worker;
    let (mut presence, now) = Presence::register(&client, offer, None).await.unwrap();
    let row = || async {
        let row = client.get(Table::Workers, id.get(), select::WORKER).await;
        rows::worker(&row.unwrap().unwrap()).unwrap()
    };
    let first = row().await.beat;
    let slow = async {
        while row().await.beat < first + 3 {
            tokio::task::yield_now().await;
        }
        row().await.state
    };
    let state = while_beating(&client, &mut presence, now, QUICK, slow).await;
    assert_eq!(state, WorkerState::Provisioning);
    assert!(!state.takes_work() && !state.is_gone());
}
