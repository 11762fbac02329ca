//! One program, from its start until nothing of its group is left.
//!
//! Ending is polite first (`SIGTERM`), then not (`SIGKILL` after a grace). The end of a pipe is never
//! waited for beyond a grace once the program itself has ended, since a grandchild may hold it open.
//! What is read is handed to a [`Sink`], which bounds it; reading goes on after the bound, so that a
//! talkative program doesn't block. A dropped [`Running`] kills its group.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};
use tokio_util::sync::CancellationToken;

use crate::after;
use crate::os::{self, GroupRecord};

/// Bytes read from a pipe at once. A Linux pipe holds 64 KiB; more would never be filled.
pub(crate) const READ_BYTES: usize = 64 * 1024;

/// How long pipes are read after the program itself ended. Too short loses the last words of a
/// grandchild that is about to end; too long delays every report of a program with a daemon.
const PIPE_GRACE: Duration = Duration::from_millis(500);

/// How long the group may take to disappear after `SIGKILL`. Only a process stuck in the kernel
/// takes longer, and waiting for that would hold a slot for ever.
pub(crate) const GONE_WITHIN: Duration = Duration::from_secs(2);

/// How often the group is looked for while it disappears.
pub(crate) const GONE_STEP: Duration = Duration::from_millis(5);

/// How often a program is tried to be started whose file was just written. What another thread was about to start
/// meanwhile holds a copy of the open file for an instant.
const BUSY_TRIES: u32 = 50;

/// Between two of these tries; together they hold the caller's thread for no longer than 100 ms.
const BUSY_STEP: Duration = Duration::from_millis(2);

/// What to start.
#[derive(Clone, Debug)]
pub struct Program {
    /// Program and arguments; no shell is involved.
    pub argv: Vec<String>,
    /// Working directory.
    pub dir: PathBuf,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// What it reads on its standard input.
    pub stdin: Vec<u8>,
    /// How long it may run; without bound when `None`.
    pub deadline: Option<Duration>,
    /// How long it may take to end after being asked to.
    pub grace: Duration,
}

/// How a running program is told to end.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Ask it to end (`SIGTERM`), kill it after its grace.
    pub ask: CancellationToken,
    /// Kill it now.
    pub now: CancellationToken,
}

/// Which pipe some bytes came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pipe {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Takes what a program prints, as it comes.
pub trait Sink {
    /// Takes `bytes`; must be quick, since the program's pipes fill up meanwhile.
    fn take(&mut self, pipe: Pipe, bytes: &[u8]);

    /// Completes once there is room for more. Whoever reads from files waits for it, so that nothing
    /// has to be left out; whoever reads from pipes doesn't, so that the program isn't held up.
    fn room(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// How a program came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself.
    ByItself,
    /// Its deadline passed.
    DeadlinePassed,
    /// It was told to.
    Stopped,
}

/// What it left as its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// It returned this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

/// The end of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How it came.
    pub ending: Ending,
    /// Its status.
    pub exit: Exit,
    /// Whether its group had to be killed: it ignored the request, or left processes behind.
    pub killed: bool,
}

/// Why a program could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is no program in the argument list.
    #[error("no program is named")]
    Empty,
    /// It could not be started.
    #[error("`{program}` could not be started")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// Its end could not be waited for.
    #[error("the end of `{program}` could not be waited for")]
    Wait {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
}

/// A started program, the leader of its group.
pub struct Running {
    name: String,
    child: Box<dyn ChildWrapper>,
    pid: u32,
    stdin: Option<(ChildStdin, Vec<u8>)>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    deadline: Option<Duration>,
    grace: Duration,
    group_gone: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.group_gone {
            let _ = self.child.start_kill();
        }
    }
}

/// Where the ending of a program stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Runs,
    Asked,
    Killed,
}

impl Running {
    /// Starts `program` in a group of its own. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When no program is named, or the system refuses to start it (not found, not executable,
    /// working directory missing, too many processes).
    pub fn start(program: Program) -> Result<Self, ProcessError> {
        let Some((name, args)) = program.argv.split_first() else {
            return Err(ProcessError::Empty);
        };
        let refused = |source| ProcessError::Start {
            program: name.clone(),
            source,
        };
        let mut command = Command::new(name);
        command
            .args(args)
            .current_dir(&program.dir)
            .env_clear()
            .envs(&program.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut command = CommandWrap::from(command);
        os::own_group(&mut command);
        command.wrap(KillOnDrop);
        let mut child = spawn(&mut command).map_err(refused)?;
        let pid = child.id().unwrap_or_default();
        let stdin = child.stdin().take().map(|pipe| (pipe, program.stdin));
        Ok(Self {
            name: name.clone(),
            pid,
            stdin,
            stdout: child.stdout().take(),
            stderr: child.stderr().take(),
            child,
            deadline: program.deadline,
            grace: program.grace,
            group_gone: false,
        })
    }

    /// What a later process needs to find this group again.
    pub fn record(&self) -> GroupRecord {
        GroupRecord::of(self.pid)
    }

    /// Feeds, reads and waits until the program has ended and its whole group is gone.
    ///
    /// # Errors
    /// When the system can't tell its status; the group is killed then too.
    pub async fn finish<S: Sink>(
        mut self,
        stop: &Stop,
        sink: &mut S,
    ) -> Result<Ended, ProcessError> {
        let outcome = self.attend(stop, sink).await;
        let survivors = self.end_survivors().await;
        outcome
            .map(|ended| Ended {
                killed: ended.killed || survivors,
                ..ended
            })
            .map_err(|source| ProcessError::Wait {
                program: self.name.clone(),
                source,
            })
    }

    /// The loop of [`Self::finish`]: everything that can happen while the program lives.
    async fn attend<S: Sink>(&mut self, stop: &Stop, sink: &mut S) -> io::Result<Ended> {
        let (mut out, mut err) = (vec![0; READ_BYTES], vec![0; READ_BYTES]);
        let mut stdin = self.stdin.take();
        let (mut stdout, mut stderr) = (self.stdout.take(), self.stderr.take());
        let deadline = after(self.deadline.unwrap_or(Duration::ZERO));
        let timer = after(Duration::ZERO);
        tokio::pin!(deadline, timer);
        let (mut stage, mut ending) = (Stage::Runs, Ending::ByItself);
        let mut exit = None;
        while exit.is_none() || stdout.is_some() || stderr.is_some() {
            tokio::select! {
                () = stop.now.cancelled(), if stage != Stage::Killed && exit.is_none() => {
                    if stage == Stage::Runs { ending = Ending::Stopped; }
                    stage = self.kill();
                }
                () = stop.ask.cancelled(), if stage == Stage::Runs && exit.is_none() => {
                    ending = Ending::Stopped;
                    stage = self.ask(timer.as_mut());
                }
                () = &mut deadline, if self.deadline.is_some() && stage == Stage::Runs && exit.is_none() => {
                    ending = Ending::DeadlinePassed;
                    stage = self.ask(timer.as_mut());
                }
                () = &mut timer, if stage == Stage::Asked || exit.is_some() => {
                    if exit.is_some() {
                        break;
                    }
                    stage = self.kill();
                }
                status = itself(self.child.as_mut()), if exit.is_none() => {
                    exit = Some(os::exit_of(status?));
                    stdin = None;
                    timer.as_mut().reset(tokio::time::Instant::now() + PIPE_GRACE);
                }
                () = feed(&mut stdin), if stdin.is_some() => {}
                read = read(&mut stdout, &mut out) => sink.take(Pipe::Out, &out[..read]),
                read = read(&mut stderr, &mut err) => sink.take(Pipe::Err, &err[..read]),
            }
        }
        Ok(Ended {
            ending,
            exit: exit.unwrap_or(Exit::Code(-1)),
            killed: stage == Stage::Killed,
        })
    }

    fn ask(&mut self, timer: std::pin::Pin<&mut tokio::time::Sleep>) -> Stage {
        os::ask_to_end(self.child.as_mut());
        timer.reset(tokio::time::Instant::now() + self.grace);
        Stage::Asked
    }

    fn kill(&mut self) -> Stage {
        let _ = self.child.start_kill();
        Stage::Killed
    }

    /// Kills what is left of the group and waits until it is gone. Tells whether anything was left.
    async fn end_survivors(&mut self) -> bool {
        let any = os::group_lives(self.pid);
        let _ = self.child.start_kill();
        let gone = async {
            while os::group_lives(self.pid) {
                after(GONE_STEP).await;
            }
        };
        if tokio::time::timeout(GONE_WITHIN, gone).await.is_err() {
            tracing::warn!(program = %self.name, pid = self.pid, "processes of a group survive SIGKILL");
        }
        self.group_gone = true;
        any
    }
}

/// Waits for the program itself. The group's own way of waiting goes on until its last member has ended,
/// where this process is the parent of those too (a supervisor is): a silent process that the program left
/// behind would hold it up for ever.
pub(crate) async fn itself(group: &mut dyn ChildWrapper) -> io::Result<ExitStatus> {
    group.inner_mut().wait().await
}

/// Reads once; a pipe that ended or broke becomes `None`. Never completes for one that is gone.
async fn read<R: AsyncRead + Unpin>(pipe: &mut Option<R>, buffer: &mut [u8]) -> usize {
    let Some(open) = pipe else {
        return std::future::pending().await;
    };
    match open.read(buffer).await {
        Ok(0) | Err(_) => {
            *pipe = None;
            0
        }
        Ok(read) => read,
    }
}

/// Writes once; closes the pipe when all is written, or nobody reads it any more.
async fn feed(stdin: &mut Option<(ChildStdin, Vec<u8>)>) {
    let Some((pipe, rest)) = stdin else {
        return std::future::pending().await;
    };
    match pipe.write(rest).await {
        Ok(written) if written > 0 && written < rest.len() => {
            rest.drain(..written);
        }
        Ok(_) | Err(_) => *stdin = None,
    }
}

/// Starts it, past an instant in which its file is still open for writing.
#[expect(
    clippy::disallowed_methods,
    reason = "a bounded instant, met when a program was just installed and another started beside it"
)]
pub(crate) fn spawn(command: &mut CommandWrap) -> io::Result<Box<dyn ChildWrapper>> {
    let mut tries = 1;
    loop {
        match command.spawn() {
            Err(error)
                if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES =>
            {
                tries += 1;
                std::thread::sleep(BUSY_STEP);
            }
            spawned => return spawned,
        }
    }
}
