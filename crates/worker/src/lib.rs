//! The worker: claims the tasks assigned to it, runs their agents, reports what came of them.

mod clock;
mod folder;
mod lines;
mod outbox;
mod process;
