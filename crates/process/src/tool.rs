//! Running a short program to its end and keeping what it printed, bounded: git, az and the like.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::os::{self, GroupRecord, end_group};
use crate::running::{Ending, Exit, Pipe, ProcessError, Program, Running, Sink, Stop};
use crate::supervise::write_whole;

/// Bytes kept of each of a tool's outputs. Its answers are lines; a runaway must not fill memory.
pub const KEPT_BYTES: usize = 1024 * 1024;

/// How long before its deadline a tool is asked to end, at most, so that it can put its locks away.
/// Of a deadline below ten seconds it is a fifth.
const GRACE: Duration = Duration::from_secs(2);

/// Why a tool didn't do its work.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It could not be started or waited for.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It took longer than it may.
    #[error("`{program}` took longer than {after:?}")]
    TooLong {
        /// What was run.
        program: String,
        /// The deadline.
        after: Duration,
    },
    /// It printed more than [`KEPT_BYTES`] as its answer, and was ended.
    #[error("`{program}` printed more than {KEPT_BYTES} bytes")]
    TooMuch {
        /// What was run.
        program: String,
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

/// What a tool left when it ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolOutput {
    /// Its status.
    pub exit: Exit,
    /// All of its standard output.
    pub out: Vec<u8>,
    /// The first [`KEPT_BYTES`] of its standard error.
    pub err: Vec<u8>,
}

impl From<ToolOutput> for std::process::Output {
    /// For libraries that run tools through a program of ours.
    fn from(output: ToolOutput) -> Self {
        Self {
            status: os::status_of(output.exit),
            stdout: output.out,
            stderr: output.err,
        }
    }
}

/// Runs `argv` in `dir` with exactly the environment `env`, and returns its standard output. After
/// `deadline` nothing of it runs any more: it is asked to end shortly before, and killed then.
/// Dropping the future kills it too.
///
/// # Errors
/// It could not be started, took longer than `deadline`, printed too much, or failed; nothing of it
/// is left running.
pub async fn run_tool(
    argv: &[&str],
    dir: &Path,
    env: BTreeMap<String, String>,
    deadline: Duration,
) -> Result<String, ToolError> {
    let output = tool_output(argv, dir, env, deadline).await?;
    if output.exit != Exit::Code(0) {
        let text = String::from_utf8_lossy(&output.err);
        let last = text.lines().rfind(|line| !line.trim().is_empty());
        return Err(ToolError::Failed {
            program: name_of(argv),
            message: last.unwrap_or("it said nothing").to_owned(),
        });
    }
    Ok(String::from_utf8_lossy(&output.out).into_owned())
}

/// As [`run_tool`], for whoever reads a failed tool's output: any status is an answer.
///
/// # Errors
/// It could not be started, took longer than `deadline`, or printed too much; nothing of it is left
/// running.
pub async fn tool_output(
    argv: &[&str],
    dir: &Path,
    env: BTreeMap<String, String>,
    deadline: Duration,
) -> Result<ToolOutput, ToolError> {
    let (output, whole) = tool_head(argv, dir, env, deadline, Vec::new(), KEPT_BYTES).await?;
    match whole {
        true => Ok(output),
        false => Err(ToolError::TooMuch {
            program: name_of(argv),
        }),
    }
}

/// As [`tool_output`], with something to read, and the first `keep` bytes of its answer kept. A tool
/// that prints more is ended; the flag tells whether the answer is whole.
///
/// # Errors
/// It could not be started, or took longer than `deadline`; nothing of it is left running.
pub async fn tool_head(
    argv: &[&str],
    dir: &Path,
    env: BTreeMap<String, String>,
    deadline: Duration,
    input: Vec<u8>,
    keep: usize,
) -> Result<(ToolOutput, bool), ToolError> {
    head(argv, dir, env, deadline, input, keep, None).await
}

/// As [`tool_head`] without anything to read, while `note` names its group: should this process be killed meanwhile,
/// the next one can [`end_noted`] what it left. In the instant between the start and the note nothing is named.
///
/// # Errors
/// As [`tool_head`], or the note can't be written; nothing of it is left running then.
pub async fn tool_noted(
    argv: &[&str],
    dir: &Path,
    env: BTreeMap<String, String>,
    deadline: Duration,
    keep: usize,
    note: &Path,
) -> Result<(ToolOutput, bool), ToolError> {
    let ran = head(argv, dir, env, deadline, Vec::new(), keep, Some(note)).await;
    // What stays names a group that is gone.
    let _ = std::fs::remove_file(note);
    ran
}

/// Ends the group that `note` names, if it is still that one, and forgets it. Tells whether nothing of it is left; so
/// it is when there is no note, or none that can be read.
pub async fn end_noted(note: &Path) -> bool {
    let read = std::fs::read(note).ok();
    let group = read.and_then(|text| serde_json::from_slice::<GroupRecord>(&text).ok());
    let gone = match &group {
        Some(group) => end_group(group).await,
        None => true,
    };
    if gone {
        let _ = std::fs::remove_file(note);
    }
    gone
}

async fn head(
    argv: &[&str],
    dir: &Path,
    env: BTreeMap<String, String>,
    deadline: Duration,
    input: Vec<u8>,
    keep: usize,
    note: Option<&Path>,
) -> Result<(ToolOutput, bool), ToolError> {
    let grace = GRACE.min(deadline / 5);
    let running = Running::start(Program {
        argv: argv.iter().map(|&arg| arg.to_owned()).collect(),
        dir: dir.to_owned(),
        env,
        stdin: input,
        deadline: Some(deadline - grace),
        grace,
    })?;
    if let Some(note) = note {
        write_whole(note, &running.record()).map_err(|source| ProcessError::Start {
            program: name_of(argv),
            source,
        })?;
    }
    let mut kept = Kept {
        keep,
        ..Kept::default()
    };
    let stop = kept.stop.clone();
    let ended = running.finish(&stop, &mut kept).await?;
    match ended.ending {
        Ending::ByItself | Ending::Stopped => Ok((
            ToolOutput {
                exit: ended.exit,
                out: kept.out,
                err: kept.err,
            },
            !kept.spilled,
        )),
        Ending::DeadlinePassed => Err(ToolError::TooLong {
            program: name_of(argv),
            after: deadline,
        }),
    }
}

/// The program and its verb, without operands.
fn name_of(argv: &[&str]) -> String {
    argv.iter().take(2).copied().collect::<Vec<_>>().join(" ")
}

/// Keeps both outputs within their bound, and stops a program whose answer passes it.
#[derive(Default)]
struct Kept {
    keep: usize,
    out: Vec<u8>,
    err: Vec<u8>,
    spilled: bool,
    stop: Stop,
}

impl Sink for Kept {
    fn take(&mut self, pipe: Pipe, bytes: &[u8]) {
        let (kept, keep) = match pipe {
            Pipe::Out => (&mut self.out, self.keep),
            Pipe::Err => (&mut self.err, KEPT_BYTES),
        };
        let room = keep.saturating_sub(kept.len()).min(bytes.len());
        kept.extend_from_slice(&bytes[..room]);
        if pipe == Pipe::Out && room < bytes.len() {
            self.spilled = true;
            self.stop.now.cancel();
        }
    }
}
