//! What a worker shows of itself while it runs.

use std::time::Duration;

use shraga_core::fleet::Allowed;
use shraga_core::ids::{Attempt, MirrorId, TaskId, WorkerId};
use shraga_core::status::WorkerState;
use shraga_core::time::Timestamp;

use crate::clock::Mark;
use crate::workspace::retention::Disk;

/// A worker's state, as its `watch` channel shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its identity, once registered.
    pub worker: Option<WorkerId>,
    /// Its name.
    pub name: String,
    /// What it is fit for; `Provisioning` until it has registered.
    pub state: WorkerState,
    /// Tasks it runs at once.
    pub slots: u32,
    /// What it works on.
    pub running: Vec<Work>,
    /// Reports that the store hasn't taken yet.
    pub unsent: usize,
    /// How its disk was at the last look.
    pub disk: Disk,
    /// Store time of the last beat that the store took.
    pub last_beat: Option<Timestamp>,
    /// Attempts reported since it started.
    pub reported: u64,
    /// The release it may take and doesn't run, or runs and may keep, as its row said it last; the orchestrators' to give
    /// and to take back.
    pub allowed: Option<Allowed>,
    /// Why the store can't be reached, while it can't.
    pub trouble: Option<String>,
    /// When the driver last got on.
    pub turned: Option<Mark>,
    /// When the store last took a beat.
    pub beaten: Option<Mark>,
    /// Time between two beats.
    pub beat: Duration,
}

/// An attempt that is being worked on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// The mirror.
    pub mirror: MirrorId,
    /// The user task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: Attempt,
    /// The task's name.
    pub name: String,
}
