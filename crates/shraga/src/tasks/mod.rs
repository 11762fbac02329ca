//! Tasks as people see them: their own rows, read, found by a shortened identity, and shown.

pub mod candidates;
pub mod events;
mod find;
pub mod fleet;
pub mod machines;
mod names;
pub mod overview;
pub mod paid;
mod view;
pub mod watch;
pub mod workers;

pub use find::{find, get, retries, shortened};
pub use names::WorkerNames;
pub use view::{COLUMNS, TaskView, json, mine};
