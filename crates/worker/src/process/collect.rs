//! Running a short program to its end and keeping what it printed, bounded: git and the like.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::{Ending, Exit, Pipe, ProcessError, Program, Running, Sink, Stop};

/// Bytes kept of each of a tool's outputs. Its answers are lines; a runaway must not fill memory.
const KEPT_BYTES: usize = 1024 * 1024;

/// How long a tool may take to end after being asked to.
const GRACE: Duration = Duration::from_secs(2);

/// Why a tool didn't do its work.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It could not be started or waited for.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It took longer than it may.
    #[error("`{program}` took longer than {}s", .after.as_secs())]
    TooLong {
        /// What was run.
        program: String,
        /// The deadline.
        after: Duration,
    },
    /// It ended with another status than success.
    #[error("`{program}` failed: {message}")]
    Failed {
        /// What was run.
        program: String,
        /// The last line of its standard error.
        message: String,
    },
}

#[derive(Default)]
struct Kept {
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Sink for Kept {
    fn take(&mut self, pipe: Pipe, bytes: &[u8]) {
        let kept = match pipe {
            Pipe::Out => &mut self.out,
            Pipe::Err => &mut self.err,
        };
        let room = KEPT_BYTES.saturating_sub(kept.len()).min(bytes.len());
        kept.extend_from_slice(&bytes[..room]);
    }
}

/// Runs `argv` in `dir` with exactly the environment `env`, and returns its standard output.
///
/// # Errors
/// It could not be started, took longer than `deadline`, or failed; nothing of it is left running.
pub async fn run_tool(
    argv: &[&str],
    dir: &Path,
    env: BTreeMap<String, String>,
    deadline: Duration,
) -> Result<String, ToolError> {
    let running = Running::start(Program {
        argv: argv.iter().map(|&arg| arg.to_owned()).collect(),
        dir: dir.to_owned(),
        env,
        stdin: Vec::new(),
        deadline: Some(deadline),
        grace: GRACE,
    })?;
    let mut kept = Kept::default();
    let ended = running.finish(&Stop::default(), &mut kept).await?;
    let program = || argv.iter().take(2).copied().collect::<Vec<_>>().join(" ");
    if ended.ending != Ending::ByItself {
        return Err(ToolError::TooLong {
            program: program(),
            after: deadline,
        });
    }
    if ended.exit != Exit::Code(0) {
        let text = String::from_utf8_lossy(&kept.err);
        let last = text.lines().rfind(|line| !line.trim().is_empty());
        return Err(ToolError::Failed {
            program: program(),
            message: last.unwrap_or("it said nothing").to_owned(),
        });
    }
    Ok(String::from_utf8_lossy(&kept.out).into_owned())
}
