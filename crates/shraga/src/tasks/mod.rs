//! Tasks as people see them: their own rows, read, found by a shortened identity, and shown.

pub(crate) mod find;
mod view;
pub mod watch;

pub use find::{find, shortened};
pub use view::{COLUMNS, TaskView, json, mine};
