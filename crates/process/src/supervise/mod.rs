//! A small process of its own for each agent, so that an agent outlives the worker that started it.
//!
//! The worker starts this same program again, hands it [`Orders`] over standard input (never on a
//! command line), and is told a [`Record`] of who runs. From then on the supervisor owns the agent's
//! group: it writes its output to files, ends it at its deadline, at the cap of its output and when
//! asked, and leaves an [`End`] in a file. Whoever has the record can [`find`] the agent again, follow
//! it by its files, and ask for its end; when no worker is connected for long, the supervisor ends it.
//!
//! On Linux the supervisor adopts what the agent leaves behind, so that also a process that fled its
//! group and session is gone at the end; elsewhere such a process escapes.
//!
//! Nothing here knows tasks: what the worker wants to find in a record again is opaque ([`Record::about`]).
//! What is said between processes is versioned ([`VERSION`]), for they need not be of one version.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::os::{self, GroupRecord};
use crate::running::{Exit, ProcessError};

mod client;
mod link;
mod logs;
mod protocol;
mod server;
#[cfg(test)]
mod tests;

pub use client::{Supervised, end, find, start};
pub use server::serve;

/// Version of orders, record, end and conversation. A supervisor refuses orders of another one, and a
/// worker ends what it can't talk to.
pub const VERSION: u32 = 1;

/// Versions of record, end and conversation that this program can go on with.
pub const SPEAKS: &[u32] = &[VERSION];

/// The agent's standard output, in the folder of its orders.
pub const OUT_LOG: &str = "stdout.log";
/// The agent's standard error.
pub const ERR_LOG: &str = "stderr.log";
/// How it ended.
pub const END_FILE: &str = "ended.json";

/// What a supervisor is to do. Holds a prompt and secrets: it goes over a pipe, and is never shown.
#[derive(Clone, Serialize, Deserialize)]
pub struct Orders {
    /// [`VERSION`] of whoever made them.
    pub version: u32,
    /// Names this run among all others, and is what a worker shows to be let in. Letters, digits and
    /// dashes; not to be guessed.
    pub id: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Working directory.
    pub dir: PathBuf,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// What the program reads on its standard input.
    pub stdin: String,
    /// How long it may run.
    pub deadline_ms: Option<u64>,
    /// How long it may take to end after being asked to.
    pub grace_ms: u64,
    /// Bytes it may print on standard output before it is ended.
    pub output_bytes: Option<u64>,
    /// Bytes of each log file; of what comes after, only the last is kept.
    pub log_bytes: u64,
    /// How much the last is.
    pub tail_bytes: usize,
    /// How long the agent goes on without a worker.
    pub orphan_ms: u64,
    /// Where output and end are written; exists.
    pub folder: PathBuf,
    /// Where the record is written; its folder exists, and only this user enters it.
    pub record: PathBuf,
    /// What the worker wants to find in the record.
    pub about: BTreeMap<String, String>,
}

impl fmt::Debug for Orders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Orders");
        shown.field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Who runs, as it lies on disk while there is somebody to find or an end to take in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`VERSION`] of the supervisor.
    pub version: u32,
    /// The orders' id.
    pub id: String,
    /// The supervisor.
    pub supervisor: GroupRecord,
    /// The agent; `None` only for a moment before it is started.
    pub agent: Option<GroupRecord>,
    /// Where the supervisor listens.
    pub socket: String,
    /// Where output and end are.
    pub folder: PathBuf,
    /// How long the agent may take to end after being asked to.
    pub grace_ms: u64,
    /// What the worker wanted to find here.
    pub about: BTreeMap<String, String>,
}

/// How a supervised program came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// By itself.
    ByItself,
    /// Its deadline passed.
    DeadlinePassed,
    /// A worker asked for it.
    Stopped,
    /// It printed more than it may.
    TooMuchOutput,
    /// No worker was connected for too long.
    Orphaned,
    /// Its supervisor was told to end, or its record was taken away.
    Abandoned,
    /// Its supervisor died without a word; how the program ended is not known.
    Lost,
}

/// The end of a supervised program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// [`VERSION`] of the supervisor.
    pub version: u32,
    /// How it came.
    pub cause: Cause,
    /// Its status.
    pub exit: Exit,
    /// Whether something of it had to be killed.
    pub killed: bool,
    /// How long it ran.
    pub ran_ms: u64,
    /// When it ended, in milliseconds since 1970 by this machine's clock.
    pub at_ms: u64,
    /// Bytes it printed on standard output.
    pub out_bytes: u64,
    /// Bytes it printed on standard error.
    pub err_bytes: u64,
}

impl End {
    /// How long it ran.
    #[must_use]
    pub const fn ran(&self) -> Duration {
        Duration::from_millis(self.ran_ms)
    }

    fn lost() -> Self {
        Self {
            version: VERSION,
            cause: Cause::Lost,
            exit: Exit::Code(-1),
            killed: true,
            ran_ms: 0,
            at_ms: 0,
            out_bytes: 0,
            err_bytes: 0,
        }
    }
}

/// Why a program could not be started under a supervisor.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// The supervisor could not be started.
    #[error("the supervisor could not be started")]
    Supervisor(#[source] ProcessError),
    /// The supervisor could not be spoken to.
    #[error("the supervisor could not be {step}")]
    Speak {
        /// What was tried.
        step: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// It said nothing in time, or ended.
    #[error("the supervisor did not say that it has started the program")]
    Silent,
    /// It could not do as ordered; its own words.
    #[error("{0}")]
    Refused(String),
}

impl SuperviseError {
    /// Whether it would be the same another time: what can't be started is not there.
    #[must_use]
    pub const fn is_about_the_program(&self) -> bool {
        match self {
            Self::Supervisor(_) | Self::Refused(_) => true,
            Self::Speak { .. } | Self::Silent => false,
        }
    }
}

/// What to start as supervisor: this program again (its file is `file`), with these arguments.
#[must_use]
pub fn this_program(file: &Path, args: &[&str]) -> Vec<String> {
    let program = os::own_program(file).display().to_string();
    let args = args.iter().map(|&arg| arg.to_owned());
    std::iter::once(program).chain(args).collect()
}

impl Record {
    /// Reads a record.
    ///
    /// # Errors
    /// It isn't there, or isn't one of a version that is understood.
    pub fn read(path: &Path) -> io::Result<Self> {
        let record: Self = serde_json::from_slice(&fs::read(path)?)?;
        match record.version {
            known if SPEAKS.contains(&known) => Ok(record),
            other => Err(io::Error::other(format!("of version {other}"))),
        }
    }

    /// The end that is written, if it is.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        let text = fs::read(self.folder.join(END_FILE)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Whether its supervisor may live: only where the system says so is it known to be dead.
    #[must_use]
    pub fn may_live(&self) -> bool {
        self.supervisor.leader_lives().unwrap_or(true)
    }
}

/// Writes a file as JSON under another name, makes it survive a power cut, and renames it.
pub(crate) fn write_whole<T: Serialize>(path: &Path, content: &T) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let _ = fs::remove_file(&temporary);
    let bytes = serde_json::to_vec(content)?;
    let mut file = fs::File::create_new(&temporary)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}
