//! The process table, as `/proc` shows it, and what else only Linux has.

use std::fs;
use std::path::{Path, PathBuf};

/// The living members of a group; `None` when the table can't be read.
pub(super) fn members(group: u32) -> Option<Vec<u32>> {
    let group = group.to_string();
    let mut members = all()?;
    members.retain(|pid| {
        fields(*pid).is_some_and(|fields| !dead(&fields) && fields.get(2) == Some(&group))
    });
    Some(members)
}

/// The children of a process, the dead that nobody reaped included.
pub(super) fn children(parent: u32) -> Vec<u32> {
    let parent = parent.to_string();
    let mut children = all().unwrap_or_default();
    children.retain(|pid| fields(*pid).is_some_and(|fields| fields.get(1) == Some(&parent)));
    children
}

/// Whether the process ended and only waits to be reaped.
pub(super) fn is_dead(pid: u32) -> bool {
    fields(pid).is_some_and(|fields| dead(&fields))
}

/// Start of the machine and of the process, in clock ticks since then.
pub(super) fn started(pid: u32) -> Option<String> {
    let ticks = fields(pid)?.get(19)?.clone();
    Some(format!("{}/{ticks}", start_of_machine()))
}

/// Whether `started` was said before the machine was started last: nothing of then lives.
pub(super) fn is_of_another_start(started: &str) -> bool {
    let then = started.split_once('/').map(|(machine, _)| machine);
    then.is_some_and(|then| then != start_of_machine())
}

fn start_of_machine() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

fn all() -> Option<Vec<u32>> {
    let entries = fs::read_dir("/proc").ok()?.flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Some(pids.collect())
}

fn dead(fields: &[String]) -> bool {
    matches!(fields.first().map(String::as_str), Some("Z" | "X"))
}

/// The fields of `/proc/PID/stat` from the third (the state) on; the second may hold anything.
fn fields(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

/// From now on this process becomes the parent of every descendant whose own parent ends, also of
/// those that left their group and session.
pub(crate) fn adopt_orphans() {
    let own = rustix::process::getpid();
    if let Err(error) = rustix::process::set_child_subreaper(Some(own)) {
        tracing::warn!(%error, "processes that leave the agent's group will not be found");
    }
}

/// The program of this process, whatever has become of its `file` since it was started.
pub(crate) fn own_program(_file: &Path) -> PathBuf {
    PathBuf::from("/proc/self/exe")
}
