//! Wake-ups of the embedded store: "look again", without saying at what.
//!
//! A lost wake-up costs latency only, since beats look too. Where there is no change feed
//! (Dataverse), nothing here runs.

use std::sync::Arc;
use std::time::Duration;

use shraga_core::row::Table;
use shraga_dataverse::Client;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock;

/// First wait after a failed question; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Longest wait between questions. Beats look more often than this is lost.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// What was changed.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    /// A task that concerns this worker.
    pub(crate) tasks: Notify,
    /// The worker's own row, by itself or by somebody else.
    pub(crate) row: Notify,
}

/// Tells `wake` whenever something that concerns this worker changed, until `stop`.
pub(crate) async fn listen(client: Client, wake: Arc<Wake>, stop: CancellationToken) {
    let mut since = None;
    let mut pause = FIRST_PAUSE;
    loop {
        let asked = tokio::select! {
            () = stop.cancelled() => return,
            asked = client.changes(since) => asked,
        };
        match asked {
            Ok(changes) => {
                let changed = |table| changes.changed.iter().any(|change| change.table == table);
                // The first answer tells only where to start; something may have come before it.
                if changed(Table::Tasks) || since.is_none() {
                    wake.tasks.notify_one();
                }
                if changed(Table::Workers) {
                    wake.row.notify_one();
                }
                since = Some(changes.next);
                pause = FIRST_PAUSE;
            }
            Err(error) => {
                tracing::debug!(kind = error.kind(), "the change feed can't be read");
                since = None;
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = clock::after(pause) => {}
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}
