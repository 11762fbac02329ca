//! The process table, as `ps` shows it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Not told here: the caller goes by signals alone.
pub(super) fn members(_group: u32) -> Option<Vec<u32>> {
    None
}

/// Orphans go to the first process of the machine here.
pub(super) fn children(_parent: u32) -> Vec<u32> {
    Vec::new()
}

/// Whether the process ended and only waits to be reaped.
pub(super) fn is_dead(pid: u32) -> bool {
    ask("state=", pid).is_some_and(|state| state.starts_with('Z'))
}

pub(super) fn started(pid: u32) -> Option<String> {
    ask("lstart=", pid)
}

/// Not told here.
pub(super) fn is_of_another_start(_started: &str) -> bool {
    false
}

fn ask(column: &str, pid: u32) -> Option<String> {
    let answer = Command::new("/bin/ps")
        .args(["-o", column, "-p", &pid.to_string()])
        .env_clear()
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// There is no such service here: a process that leaves its group escapes.
pub(crate) fn adopt_orphans() {}

/// The program of this process is what its file is by now.
pub(crate) fn own_program(file: &Path) -> PathBuf {
    file.to_owned()
}
