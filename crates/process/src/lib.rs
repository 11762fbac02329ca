//! Starting external programs: the only part of the workspace that does.
//!
//! Every program runs in a process group of its own (a job object on Windows) with a closed
//! environment, a deadline, and its standard input fed without deadlock. However it ends, its whole
//! group is gone before its end is told. A short tool, whose output is an answer, is run by
//! [`run_tool`]; a program that is listened to while it works is [`Running`]; one that must outlive
//! whoever started it gets a process of its own that looks after it ([`supervise`]); and one of ours
//! that must do so by itself is started as [`lasting`].
//! Who has a folder for itself notes so ([`holder`]).
//!
//! A program that leaves its group on purpose (`setsid`) escapes, but for one under a supervisor on
//! Linux: containing hostile programs is a sandbox's work. Nothing here decides what is run, and nothing logs arguments or output.

mod child;
mod environment;
pub mod holder;
pub mod lasting;
mod os;
mod running;
pub mod supervise;
#[cfg(test)]
mod tests;
mod tool;

pub use child::Child;
pub use environment::{GIT_PATIENCE, GIT_REMOTE, GIT_SSH, allowed_environment};
pub use os::{GroupRecord, end_group};
pub use running::{Ended, Ending, Exit, Pipe, ProcessError, Program, Running, Sink, Stop};
pub use tool::{
    KEPT_BYTES, ToolError, ToolOutput, end_noted, run_tool, tool_head, tool_noted, tool_output,
};

/// Completes after `span`.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that waits here; callers select on it, against the end of the program"
)]
fn after(span: std::time::Duration) -> tokio::time::Sleep {
    tokio::time::sleep(span)
}
