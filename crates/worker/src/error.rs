//! Why a worker stops by itself.

use std::path::PathBuf;

use shraga_core::ids::{BootId, WorkerId};

use crate::folder::FolderError;

/// Why a worker could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Another living process is this worker. The binary exits 7.
    #[error("another process is worker {worker}: its boot {boot} was heard {seconds_ago} s ago")]
    AlreadyRunning {
        /// The worker.
        worker: WorkerId,
        /// The other process.
        boot: BootId,
        /// When it was heard last; health gives a dead one up after 90 s.
        seconds_ago: i64,
    },
    /// Another process took this worker's row over while it ran. The binary exits 7.
    #[error("another process took over as worker {worker}, with boot {boot}")]
    Superseded {
        /// The worker.
        worker: WorkerId,
        /// The other process.
        boot: BootId,
    },
    /// Another living process uses the worker's folder. The binary exits 7.
    #[error("another worker process uses the folder {}", path.display())]
    FolderInUse {
        /// The folder.
        path: PathBuf,
    },
    /// The worker's folder can't be used.
    #[error("the worker's folder cannot be used")]
    Folder(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The configuration can't work.
    #[error("{0}")]
    Config(String),
    /// The token is one of a person, who can't be a worker.
    #[error("the token is a person's; a worker needs a worker's or an admin's")]
    NotAWorker,
    /// The store refused the worker, or could not be asked at start.
    #[error("the store cannot be used: {step}")]
    Store {
        /// What was being done.
        step: &'static str,
        /// Why it failed.
        #[source]
        source: shraga_dataverse::Error,
    },
}

impl From<FolderError> for WorkerError {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::InUse { path } => Self::FolderInUse { path },
            other => Self::Folder(Box::new(other)),
        }
    }
}
