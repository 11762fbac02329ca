//! Wake-ups: a task of its own that waits for the store to say that something changed.
//!
//! A wake-up carries no data but which table and whose write, from which follows which loops have to
//! look. It never stops the timers; losing one costs latency only.

use std::time::Duration;

use shraga_core::row::Table;
use shraga_dataverse::{Changed, Client, Role};
use tokio::sync::mpsc;

use crate::status::Reason;
use crate::stopper::{Stopped, Stopper};
use crate::trouble;
use crate::wiring::Wanted;

/// Wake-ups that may wait to be taken. They are merged when they are, so more tell nothing new.
const WAITING_MAX: usize = 16;

/// Wait after a failed question; doubles with each, up to [`RETRY_MAX`]. Shorter burdens a store that
/// is coming back, longer only delays: the timers go on.
const RETRY: Duration = Duration::from_secs(1);

/// The longest wait between failed questions.
const RETRY_MAX: Duration = Duration::from_secs(15);

/// Starts to look out from `since`. What it sees arrives at the receiver until `stopper` stops it.
pub(crate) fn start(
    client: Client,
    since: Option<i64>,
    stopper: Stopper,
) -> mpsc::Receiver<Wanted> {
    let (tell, told) = mpsc::channel(WAITING_MAX);
    tokio::spawn(async move {
        // Both ends of this task are silent: it was stopped, or nobody listens any more.
        let _ended = watch(&client, since, &stopper, &tell).await;
    });
    told
}

async fn watch(
    client: &Client,
    mut since: Option<i64>,
    stopper: &Stopper,
    tell: &mpsc::Sender<Wanted>,
) -> Result<(), Stopped> {
    let mut retry = RETRY;
    let mut said = None;
    loop {
        let wanted = match stopper.unless_stopped(client.changes(since)).await? {
            Ok(changes) => {
                // Without a starting point, everything up to it was missed.
                let missed = since.is_none().then(|| Wanted::all(Reason::WakeUp));
                since = Some(changes.next);
                retry = RETRY;
                said = None;
                missed.unwrap_or_else(|| concerned(&changes.changed))
            }
            Err(error) => {
                let words = trouble::words(&error);
                if said.as_ref() != Some(&words) {
                    tracing::warn!(
                        error.kind = error.kind(),
                        "wake-ups are interrupted: {words}"
                    );
                }
                said = Some(words);
                stopper.wait(retry).await?;
                retry = (retry * 2).min(RETRY_MAX);
                since = None;
                continue;
            }
        };
        if !wanted.is_empty() && tell.send(wanted).await.is_err() {
            return Ok(());
        }
    }
}

/// The loops that have to look after such writes.
fn concerned(changed: &[Changed]) -> Wanted {
    let each = changed.iter().map(|change| concerned_by(*change));
    each.fold(Wanted::default(), Wanted::or)
}

fn concerned_by(change: Changed) -> Wanted {
    let look = Some(Reason::WakeUp);
    match (change.table, change.by) {
        (Table::Tasks, Role::User) => Wanted {
            mirror: look,
            sync: look,
            ..Wanted::default()
        },
        // A worker's write shows progress or an end, and an end frees a slot.
        (Table::Tasks, Role::Worker) => Wanted {
            sync: look,
            mirror: look,
            assign: look,
            ..Wanted::default()
        },
        // Another orchestrator, or an admin by hand.
        (Table::Tasks, Role::Admin) => Wanted {
            repair: None,
            ..Wanted::all(Reason::WakeUp)
        },
        (Table::Workers | Table::Users, Role::User | Role::Worker | Role::Admin) => Wanted {
            mirror: look,
            assign: look,
            ..Wanted::default()
        },
        (Table::Events, Role::User | Role::Worker | Role::Admin) => Wanted::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_task_wakes_who_mirrors_and_a_report_wakes_who_syncs_and_assigns() {
        let write = |table, by| concerned(&[Changed { table, by }]);
        let filed = write(Table::Tasks, Role::User);
        assert!(filed.mirror.is_some() && filed.assign.is_none());
        let reported = write(Table::Tasks, Role::Worker);
        assert!(reported.sync.is_some() && reported.assign.is_some());
        assert!(write(Table::Events, Role::Worker).is_empty());
    }
}
