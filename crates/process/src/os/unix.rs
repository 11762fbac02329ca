//! Linux, macOS and other Unixes, as far as they agree; where not, they ask `table`.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use process_wrap::tokio::{ProcessGroup, ProcessSession};
use rustix::process::{
    Pid, Signal, WaitOptions, kill_process, kill_process_group, test_kill_process_group, waitpid,
};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

use super::{ChildWrapper, CommandWrap, Exit, GroupRecord, table};

pub(crate) use table::{adopt_orphans, own_program};

/// Longest path of a socket in bytes: macOS takes 104 with the end, Linux 108.
const SOCKET_PATH_BYTES: usize = 100;

pub(crate) fn own_group(command: &mut CommandWrap) {
    command.wrap(ProcessGroup::leader());
}

/// A session of its own: no terminal's signals, and no signal to its starter's group, reach it.
pub(crate) fn own_session(command: &mut CommandWrap) {
    command.wrap(ProcessSession);
}

/// A stopped program could not hear the request, so it is made to go on.
pub(crate) fn ask_to_end(child: &mut dyn ChildWrapper) {
    let _ = child.signal(Signal::TERM.as_raw());
    let _ = child.signal(Signal::CONT.as_raw());
}

/// Processes are found again by their records, and hear signals.
pub(crate) const FINDS_AGAIN: bool = true;

/// Asks a process that somebody else started to end, if it still is the one that was recorded.
pub(crate) fn ask_recorded(record: &GroupRecord) {
    if lives(record) != Some(true) {
        return;
    }
    if let Some(pid) = process(record.pid) {
        let _ = kill_process(pid, Signal::TERM);
        let _ = kill_process(pid, Signal::CONT);
    }
}

pub(crate) fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Code(-1),
    }
}

/// The system's own value for an end, where a code stands in the second byte.
pub(crate) fn status_of(exit: Exit) -> ExitStatus {
    ExitStatus::from_raw(match exit {
        Exit::Code(code) => (code & 0xff) << 8,
        Exit::Signal(signal) => signal,
    })
}

pub(crate) fn same_variable(known: &str, name: &str) -> bool {
    known == name
}

/// Whether any process of the group lives; the dead that nobody reaped don't count.
pub(crate) fn group_lives(pid: u32) -> bool {
    process(pid).is_some_and(|group| test_kill_process_group(group).is_ok())
        && table::members(pid).is_none_or(|members| !members.is_empty())
}

pub(super) fn kill(pid: u32) {
    if let Some(group) = process(pid) {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

pub(super) fn started(pid: u32) -> Option<String> {
    table::started(pid)
}

/// Whether `record` names a group that lives and is the one that was recorded. A number isn't
/// given to a new process while a group bears it, so only a living leader can be a stranger.
pub(super) fn is_still(record: &GroupRecord) -> bool {
    let stranger = started(record.pid).is_some_and(|now| now != record.started);
    !stranger && !table::is_of_another_start(&record.started) && group_lives(record.pid)
}

pub(super) fn lives(record: &GroupRecord) -> Option<bool> {
    let same = started(record.pid).is_some_and(|now| now == record.started);
    Some(same && !table::is_dead(record.pid))
}

/// Children that came to this process because their parents ended.
pub(super) fn adopted(known: u32) -> Vec<u32> {
    let mut children = table::children(std::process::id());
    children.retain(|pid| *pid != known);
    children
}

/// Kills a child of this process, which nobody else waits for, so that its number is still its own.
pub(super) fn end_child(pid: u32) {
    if let Some(pid) = process(pid) {
        let _ = kill_process(pid, Signal::KILL);
    }
    bury(pid);
}

pub(super) fn bury(pid: u32) {
    if let Some(pid) = process(pid) {
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
}

/// Never 0 or 1, which would mean one's own group and everybody.
fn process(pid: u32) -> Option<Pid> {
    let raw = i32::try_from(pid).ok().filter(|raw| *raw > 1)?;
    Pid::from_raw(raw)
}

/// Makes a folder that didn't exist, readable to its owner only.
fn new_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Signals that tell this process to end. That a terminal went away is no reason to.
pub(crate) struct Signals {
    terminate: Stream,
    interrupt: Stream,
    _hangup: Stream,
}

impl Signals {
    pub(crate) fn watch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _hangup: signal(SignalKind::hangup())?,
        })
    }

    pub(crate) async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

pub(crate) type Connection = UnixStream;

/// A socket that others of this user connect to. Its file goes with it.
pub(crate) struct Listener {
    socket: UnixListener,
    address: PathBuf,
    /// A folder made for it alone.
    folder: Option<PathBuf>,
}

/// Listens at `wished` (in a folder that only this user enters), or, where a socket can't have that
/// path, in a new private folder for temporary files.
pub(crate) fn listen(wished: &Path, id: &str) -> io::Result<Listener> {
    if wished.as_os_str().len() <= SOCKET_PATH_BYTES {
        let _ = std::fs::remove_file(wished);
        if let Ok(socket) = UnixListener::bind(wished) {
            return Ok(Listener {
                socket,
                address: wished.to_owned(),
                folder: None,
            });
        }
    }
    let folder = Path::new("/tmp").join(format!("shraga-{id}"));
    new_private_folder(&folder)?;
    let address = folder.join("s");
    let socket = UnixListener::bind(&address)?;
    Ok(Listener {
        socket,
        address,
        folder: Some(folder),
    })
}

impl Listener {
    pub(crate) fn address(&self) -> String {
        self.address.display().to_string()
    }

    pub(crate) async fn accept(&mut self) -> io::Result<Connection> {
        Ok(self.socket.accept().await?.0)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.address);
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir(folder);
        }
    }
}

pub(crate) async fn connect(address: &str) -> io::Result<Connection> {
    UnixStream::connect(address).await
}
