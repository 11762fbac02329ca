//! The worker: claims the tasks assigned to it, runs their agents, reports what came of them.
//!
//! What to do is decided by core's pure machine ([`shraga_core::worker`]); this crate performs it:
//! rows through the store's client, agents in process groups of their own, reports through an outbox
//! on disk. It never assigns, never judges another worker, and knows no SQL and no configuration
//! file.
//!
//! What holds, whatever happens:
//! - One process is one worker: it holds the lock of its folder and writes its row only under the
//!   version it knows. Another process that takes the row over ends this one.
//! - An agent runs only under a lease that names this worker, this process and the attempt. It ends,
//!   with its whole process group, when the lease is lost, when the person cancels, and when the
//!   worker ends.
//! - A finished result is on disk before it is sent, and stays until the store has it, as the task's
//!   result or as a candidate.
//!
//! A worker that comes back after a crash first ends what still runs of the process before it, then
//! sends that one's unsent reports. Attempts which had not ended are its own still: their lease is
//! given the new process by `If-Match`, and they begin again in a fresh folder with a stream of
//! their own, three times at most; then the attempt is reported as interrupted, which counts as a
//! loss. What was half-done stays in the old folder.

mod agents;
mod attempt;
mod capture;
mod clock;
mod config;
mod driver;
mod error;
mod folder;
mod keeper;
mod lines;
mod look;
mod meter;
mod outbox;
mod presence;
mod private;
mod report;
mod send;
mod sessions;
mod status;
mod stored;
mod survivors;
mod tell;
#[cfg(test)]
mod tests;
mod trust;
mod wake;
mod warmup;
mod worker;
mod workspace;

pub use clock::Mark;
pub use config::{
    Agent, Claude, Codex, Command, Config, DEFAULT_BEAT, DEFAULT_BUSY_LOOK, DEFAULT_CHECKPOINT,
    DEFAULT_DRAIN, DEFAULT_GRACE, DEFAULT_ORPHAN, DEFAULT_RESULT_GRACE, Kind,
};
pub use error::WorkerError;
pub use meter::{Metering, Tells};
pub use status::{Status, Work};
pub use worker::{Left, Stop, Wish, Worker};
pub use workspace::retention::{Disk, Holdings, holdings};
pub use workspace::{Author, DEFAULT_GIT_TIMEOUT, PushPolicy, Repositories};
