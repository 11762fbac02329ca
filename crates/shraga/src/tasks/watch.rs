//! Waiting for tasks to move: woken by the embedded store, by the clock elsewhere.

use std::time::{Duration, Instant};

use shraga_dataverse::{Client, Error};
use tokio_util::sync::CancellationToken;

use crate::clock;

/// Between two looks at a store that doesn't wake us. Shorter costs requests of the person's budget
/// (6,000 per 5 minutes), longer makes a display seem dead.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Between two tries at a store that failed.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How long a store may be away before a waiting verb gives up (a restart takes a few seconds).
const PATIENCE: Duration = Duration::from_secs(60);

/// Tells when another look is due.
#[derive(Debug)]
pub struct Watch {
    client: Client,
    since: Option<i64>,
    embedded: bool,
    failing_since: Option<Instant>,
}

impl Watch {
    /// Starts watching; what changes from now on is not missed.
    ///
    /// # Errors
    /// The store can't be asked.
    pub async fn start(client: Client, embedded: bool) -> Result<Self, Error> {
        let since = if embedded {
            Some(client.changes(None).await?.next)
        } else {
            None
        };
        Ok(Self {
            client,
            since,
            embedded,
            failing_since: None,
        })
    }

    /// Waits until another look is due, or `stop`.
    ///
    /// # Errors
    /// The store has been failing for longer than a restart takes.
    pub async fn next(&mut self, stop: &CancellationToken) -> Result<(), Error> {
        if !self.embedded {
            clock::pause(LOOK_EVERY, stop).await;
            return Ok(());
        }
        let changes = tokio::select! {
            changes = self.client.changes(self.since) => changes,
            () = stop.cancelled() => return Ok(()),
        };
        match changes {
            Ok(changes) => {
                self.since = Some(changes.next);
                self.failing_since = None;
                Ok(())
            }
            Err(error) => self.bear(error, stop).await,
        }
    }

    /// Waits a little after a failure that may pass by itself.
    ///
    /// # Errors
    /// It is another one, or it has lasted too long.
    pub async fn bear(&mut self, error: Error, stop: &CancellationToken) -> Result<(), Error> {
        let since = *self.failing_since.get_or_insert_with(clock::instant);
        if !error.is_transient() || since.elapsed() > PATIENCE {
            return Err(error);
        }
        tracing::debug!(%error, "the store is away; trying again");
        clock::pause(TRY_AGAIN_AFTER, stop).await;
        Ok(())
    }

    /// Forgets earlier failures: the store answered.
    pub fn answered(&mut self) {
        self.failing_since = None;
    }
}
