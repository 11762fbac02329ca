//! What differs between operating systems: groups of processes. Nothing else here may ask `cfg`.
//!
//! A group is recorded by its leader's process id and start time, so that a process started later can
//! tell it from another that got the same number. On Windows a job object ends with its owner, so
//! there is never anything to find.

use process_wrap::tokio::{ChildWrapper, CommandWrap};
use serde::{Deserialize, Serialize};

use crate::after;
use crate::running::{Exit, GONE_STEP, GONE_WITHIN};

/// A group as recorded on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRecord {
    /// Process id of the leader, which is the id of the group.
    pub pid: u32,
    /// When the leader started, in the system's own words; empty when it can't be told.
    pub started: String,
}

impl GroupRecord {
    /// The record of the group led by the living process `pid`.
    pub fn of(pid: u32) -> Self {
        Self {
            pid,
            started: imp::started(pid).unwrap_or_default(),
        }
    }
}

/// Kills what lives of a group recorded by a process that is gone, and waits (2 s at most) until it
/// is. Tells whether nothing of it lives any more.
pub async fn end_group(record: &GroupRecord) -> bool {
    let gone = async {
        while imp::is_still(record) {
            imp::kill(record.pid);
            after(GONE_STEP).await;
        }
    };
    tokio::time::timeout(GONE_WITHIN, gone).await.is_ok()
}

pub(crate) use imp::{ask_to_end, exit_of, group_lives, own_group, same_variable, status_of};

#[cfg(unix)]
mod imp {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use process_wrap::tokio::ProcessGroup;
    use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

    use super::{ChildWrapper, CommandWrap, Exit, GroupRecord};

    pub(crate) fn own_group(command: &mut CommandWrap) {
        command.wrap(ProcessGroup::leader());
    }

    pub(crate) fn ask_to_end(child: &mut dyn ChildWrapper) {
        let _ = child.signal(Signal::TERM.as_raw());
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
        group(pid).is_some_and(|group| test_kill_process_group(group).is_ok())
            && super::table::members(pid).is_none_or(|members| !members.is_empty())
    }

    pub(super) fn kill(pid: u32) {
        if let Some(group) = group(pid) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    pub(super) fn started(pid: u32) -> Option<String> {
        super::table::started(pid)
    }

    /// Whether `record` names a group that lives and is the one that was recorded. A number isn't
    /// given to a new process while a group bears it, so only a living leader can be a stranger.
    pub(super) fn is_still(record: &GroupRecord) -> bool {
        let stranger = started(record.pid).is_some_and(|now| now != record.started);
        !stranger && group_lives(record.pid)
    }

    /// Never 0 or 1, which would mean one's own group and everybody.
    fn group(pid: u32) -> Option<Pid> {
        let raw = i32::try_from(pid).ok().filter(|raw| *raw > 1)?;
        Pid::from_raw(raw)
    }
}

#[cfg(target_os = "linux")]
mod table {
    //! The process table, as `/proc` shows it.

    use std::fs;

    /// The living members of a group; `None` when the table can't be read.
    pub(super) fn members(group: u32) -> Option<Vec<u32>> {
        let members = fs::read_dir("/proc")
            .ok()?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| {
                fields(*pid).is_some_and(|fields| {
                    let dead = matches!(fields.first().map(String::as_str), Some("Z" | "X"));
                    !dead && fields.get(2).is_some_and(|pgrp| *pgrp == group.to_string())
                })
            })
            .collect();
        Some(members)
    }

    /// Start of the machine and of the process, in clock ticks since then.
    pub(super) fn started(pid: u32) -> Option<String> {
        let ticks = fields(pid)?.get(19)?.clone();
        let machine = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Some(format!("{}/{ticks}", machine.trim()))
    }

    /// The fields of `/proc/PID/stat` from the third (the state) on; the second may hold anything.
    fn fields(pid: u32) -> Option<Vec<String>> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, rest) = stat.rsplit_once(')')?;
        Some(rest.split_whitespace().map(str::to_owned).collect())
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
mod table {
    //! The process table, as `ps` shows it.

    use std::process::Command;

    /// Not told here: the caller goes by signals alone.
    pub(super) fn members(_group: u32) -> Option<Vec<u32>> {
        None
    }

    pub(super) fn started(pid: u32) -> Option<String> {
        let answer = Command::new("/bin/ps")
            .args(["-o", "lstart=", "-p", &pid.to_string()])
            .env_clear()
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(windows)]
mod imp {
    use std::os::windows::process::ExitStatusExt;
    use std::process::ExitStatus;

    use process_wrap::tokio::JobObject;

    use super::{ChildWrapper, CommandWrap, Exit, GroupRecord};

    pub(crate) fn own_group(command: &mut CommandWrap) {
        command.wrap(JobObject);
    }

    /// There is no polite request that a program without a window would hear.
    pub(crate) fn ask_to_end(child: &mut dyn ChildWrapper) {
        let _ = child.start_kill();
    }

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
}
