//! Windows: job objects and named pipes.

use std::io;
use std::os::windows::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use process_wrap::tokio::JobObject;
use tokio::net::windows::named_pipe::{
    ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions,
};

use super::{ChildWrapper, CommandWrap, Exit, GroupRecord};

/// `CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW`: no console of its starter's, and none of its
/// Ctrl-C and close events.
const APART: u32 = 0x0000_0200 | 0x0800_0000;

pub(crate) fn own_group(command: &mut CommandWrap) {
    command.wrap(JobObject);
}

pub(crate) fn own_session(command: &mut CommandWrap) {
    command.command_mut().creation_flags(APART);
}

/// There is no polite request that a program without a window would hear.
pub(crate) fn ask_to_end(child: &mut dyn ChildWrapper) {
    let _ = child.start_kill();
}

/// Nothing finds a process again here, and none without a window hears a request.
pub(crate) const FINDS_AGAIN: bool = false;

pub(crate) fn ask_recorded(_record: &GroupRecord) {}

pub(crate) fn exit_of(status: ExitStatus) -> Exit {
    Exit::Code(status.code().unwrap_or(-1))
}

pub(crate) fn status_of(exit: Exit) -> ExitStatus {
    match exit {
        Exit::Code(code) | Exit::Signal(code) => ExitStatus::from_raw(code.cast_unsigned()),
    }
}

pub(crate) fn same_variable(known: &str, name: &str) -> bool {
    known.eq_ignore_ascii_case(name)
}

/// Ending the job is synchronous.
pub(crate) fn group_lives(_pid: u32) -> bool {
    false
}

pub(super) fn kill(_pid: u32) {}

pub(super) fn started(_pid: u32) -> Option<String> {
    None
}

pub(super) fn is_still(_record: &GroupRecord) -> bool {
    false
}

pub(super) fn lives(_record: &GroupRecord) -> Option<bool> {
    None
}

pub(super) fn adopted(_known: u32) -> Vec<u32> {
    Vec::new()
}

pub(super) fn end_child(_pid: u32) {}

pub(super) fn bury(_pid: u32) {}

/// A job object holds everything that was started in it.
pub(crate) fn adopt_orphans() {}

/// The program of this process is what its file is by now.
pub(crate) fn own_program(file: &Path) -> PathBuf {
    file.to_owned()
}

/// Nothing tells a process without a console to end.
pub(crate) struct Signals;

impl Signals {
    pub(crate) fn watch() -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) async fn told(&mut self) {
        std::future::pending().await
    }
}

/// Either end of a pipe.
pub(crate) type Connection = Box<dyn Both>;

/// What can be read and written.
pub(crate) trait Both: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}

impl Both for NamedPipeServer {}
impl Both for NamedPipeClient {}

/// A named pipe; the system drops it with its last handle.
pub(crate) struct Listener {
    next: NamedPipeServer,
    address: String,
}

pub(crate) fn listen(_wished: &Path, id: &str) -> io::Result<Listener> {
    let address = format!(r"\\.\pipe\shraga-{id}");
    let next = ServerOptions::new()
        .first_pipe_instance(true)
        .reject_remote_clients(true)
        .create(&address)?;
    Ok(Listener { next, address })
}

impl Listener {
    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    pub(crate) async fn accept(&mut self) -> io::Result<Connection> {
        self.next.connect().await?;
        let after = ServerOptions::new()
            .reject_remote_clients(true)
            .create(&self.address)?;
        Ok(Box::new(std::mem::replace(&mut self.next, after)))
    }
}

pub(crate) async fn connect(address: &str) -> io::Result<Connection> {
    Ok(Box::new(ClientOptions::new().open(address)?))
}
