//! Following the state file while the orchestrator runs.
//!
//! A changed list of workers is used without a restart. A file that is suddenly gone or broken (the
//! original writes it in place) changes nothing: the last list that was understood stays. The admin's identity is written once the store
//! has told it. Trouble with the file is said once, can be read by others ([`Health`]) and never stops
//! anybody.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use shraga_core::ids::{UserId, WorkerId};
use shraga_orchestrator::{Status, StoreKind};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::read::State;
use super::save::{Saved, save_admin};
use crate::clock;

/// Between two looks at the file. Longer delays a worker that was added, shorter only costs a `stat`.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Looks between two attempts to save that failed: once a minute.
const LOOKS_BETWEEN_SAVES: u32 = 30;

/// How the file is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// What is wrong with its content, one line each.
    pub problems: Vec<String>,
    /// Why it could not be written the last time, if it could not.
    pub save_error: Option<String>,
    /// How often writing it failed since the start.
    pub failed_saves: u64,
    /// Where what was not understood is kept, if it had to be replaced.
    pub kept: Option<PathBuf>,
}

/// Whether a file is the one that was read.
type Fingerprint = Option<(SystemTime, u64)>;

/// Who follows the file.
#[derive(Debug)]
pub struct Keeper {
    path: PathBuf,
    admin: Option<UserId>,
    read_at: Fingerprint,
    wait: u32,
    workers: watch::Sender<Vec<WorkerId>>,
    health: watch::Sender<Health>,
}

impl Keeper {
    /// Reads the file and says what is wrong with it.
    #[must_use]
    pub fn open(path: PathBuf) -> Self {
        let mut keeper = Self {
            path,
            admin: None,
            read_at: None,
            wait: 0,
            workers: watch::Sender::new(Vec::new()),
            health: watch::Sender::new(Health::default()),
        };
        keeper.take(State::read(&keeper.path));
        keeper
    }

    /// The admin the file names: to be compared, not believed.
    #[must_use]
    pub fn admin(&self) -> Option<UserId> {
        self.admin
    }

    /// The workers that the file lists, now and later.
    #[must_use]
    pub fn workers(&self) -> watch::Receiver<Vec<WorkerId>> {
        self.workers.subscribe()
    }

    /// How the file is, now and later.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Follows the file until `stop`, and saves what `status` tells of a Dataverse store.
    pub async fn keep(&mut self, status: watch::Receiver<Status>, stop: &CancellationToken) {
        loop {
            self.save(&status);
            if !clock::pause(LOOK_EVERY, stop).await {
                return;
            }
            self.look();
        }
    }

    /// Follows the file until `stop`, and writes nothing.
    pub async fn follow(&mut self, stop: &CancellationToken) {
        while clock::pause(LOOK_EVERY, stop).await {
            self.look();
        }
    }

    /// Saves the admin that `status` tells of a Dataverse store, unless the file says it already. The
    /// embedded store's admin is nobody the original could know.
    pub fn save(&mut self, status: &watch::Receiver<Status>) {
        let (identity, store) = {
            let status = status.borrow();
            (status.identity, status.store)
        };
        let Some(admin) = identity.filter(|_| store == Some(StoreKind::Dataverse)) else {
            return;
        };
        if self.admin == Some(admin) {
            return;
        }
        if self.wait > 0 {
            self.wait -= 1;
            return;
        }
        match save_admin(&self.path, admin) {
            Ok(saved) => self.saved(admin, saved),
            Err(error) => self.failed(shraga_core::causes::chain(&error)),
        }
    }

    fn saved(&mut self, admin: UserId, saved: Saved) {
        self.admin = Some(admin);
        self.read_at = self.fingerprint();
        let kept = match saved {
            Saved::Unchanged => None,
            Saved::Written(kept) => {
                tracing::info!("{} names {admin} as the admin now", self.path.display());
                kept
            }
        };
        if let Some(kept) = &kept {
            tracing::error!(
                "{} was not understood as a whole; it is kept as {}, and what was good in it is used",
                self.path.display(),
                kept.display()
            );
        }
        self.health.send_modify(|health| {
            health.save_error = None;
            health.kept = kept.or(health.kept.take());
        });
    }

    fn failed(&mut self, why: String) {
        self.wait = LOOKS_BETWEEN_SAVES;
        if self.health.borrow().save_error.as_ref() != Some(&why) {
            tracing::error!("the state file was not saved: {why}");
        }
        metrics::counter!("shraga_state_file_save_failures_total").increment(1);
        self.health.send_modify(|health| {
            health.failed_saves += 1;
            health.save_error = Some(why);
        });
    }

    fn look(&mut self) {
        if self.fingerprint() == self.read_at {
            return;
        }
        match State::understood(&self.path) {
            Ok(state) => self.take(state),
            Err(problem) => {
                self.read_at = self.fingerprint();
                let path = self.path.display();
                tracing::error!("{path} {problem}; what it said before is still used");
                self.health
                    .send_modify(|health| health.problems = vec![problem]);
            }
        }
    }

    fn take(&mut self, state: State) {
        self.read_at = self.fingerprint();
        for problem in &state.problems {
            tracing::error!("{} {problem}", self.path.display());
        }
        self.admin = state.admin;
        self.health
            .send_modify(|health| health.problems = state.problems);
        self.workers.send_if_modified(|workers| {
            let differs = *workers != state.shared_workers;
            *workers = state.shared_workers;
            differs
        });
    }

    fn fingerprint(&self) -> Fingerprint {
        let meta = std::fs::metadata(&self.path).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    }
}
