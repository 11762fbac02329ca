//! What differs between operating systems: groups and sessions of processes, local sockets, signals.
//! Nothing else here may ask `cfg`.
//!
//! A process or group is recorded by process id and start time, so that a process started later can
//! tell it from another that got the same number. On Windows a job object ends with its owner, so
//! there is never anything to find; whether a supervisor lives there, only its pipe can tell.

use process_wrap::tokio::{ChildWrapper, CommandWrap};
use serde::{Deserialize, Serialize};

use crate::after;
use crate::running::{Exit, GONE_STEP, GONE_WITHIN};

/// A process, and the group it leads, as recorded on disk.
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

    /// Whether the leader itself lives; `None` where the system can't be asked.
    pub fn leader_lives(&self) -> Option<bool> {
        imp::lives(self)
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

/// Kills every process that became this process's child because its own parent ended, with all of
/// theirs, and waits (2 s at most) until none is left. Tells whether there were any. `known` is a
/// child somebody else waits for.
pub(crate) async fn end_adopted(known: u32) -> bool {
    let mut any = false;
    let gone = async {
        loop {
            let adopted = imp::adopted(known);
            if adopted.is_empty() {
                return;
            }
            any = true;
            adopted.into_iter().for_each(imp::end_child);
            after(GONE_STEP).await;
        }
    };
    if tokio::time::timeout(GONE_WITHIN, gone).await.is_err() {
        tracing::warn!("processes of an agent survive SIGKILL");
    }
    any
}

/// Buries children that nobody waits for, but for `known`.
pub(crate) fn bury_adopted(known: u32) {
    imp::adopted(known).into_iter().for_each(imp::bury);
}

pub(crate) use imp::{
    Connection, FINDS_AGAIN, Listener, Signals, adopt_orphans, ask_recorded, ask_to_end, connect,
    exit_of, group_lives, listen, own_group, own_program, own_session, same_variable, status_of,
};

#[cfg(unix)]
#[path = "unix.rs"]
mod imp;

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod table;

#[cfg(all(unix, not(target_os = "linux")))]
#[path = "other_unix.rs"]
mod table;

#[cfg(windows)]
#[path = "windows.rs"]
mod imp;
