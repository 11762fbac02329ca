//! The original's state file, `.orchestrator_state.json` in the working directory.
//!
//! It names workers that are known from nowhere else, and who the original thought it was. [`read`]
//! takes what is good and names what isn't; [`save`] writes, atomically and never over something that
//! wasn't understood; [`keeper`] follows the file while the orchestrator runs. Nothing in it is
//! believed unchecked, and nothing in it is ever lost.

pub mod keeper;
pub mod read;
pub mod save;
#[cfg(test)]
mod tests;

pub use read::State;

/// The file's name.
pub const FILE_NAME: &str = ".orchestrator_state.json";
