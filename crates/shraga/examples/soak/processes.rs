//! The soak's processes, found by the mark in their environment, whoever is their parent now.

use std::collections::BTreeMap;
use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::place::MARK;

/// A process of the soak.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) pid: u32,
    /// Its command line.
    pub(crate) line: String,
    /// The task that it works on, by name, and the attempt, if it is an agent's.
    pub(crate) works_on: Option<(String, u32)>,
    /// The worker whose agent it is.
    worker: Option<String>,
}

/// Every living process that bears `mark`.
pub(crate) fn marked(mark: &str) -> Vec<Found> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| look(pid, mark)).collect()
}

fn look(pid: u32, mark: &str) -> Option<Found> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let variables: BTreeMap<&str, &str> = environment
        .split(|byte| *byte == 0)
        .filter_map(|variable| std::str::from_utf8(variable).ok()?.split_once('='))
        .collect();
    if variables.get(MARK) != Some(&mark) || is_dead(pid) {
        return None;
    }
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    let task = variables.get("SHRAGA_TASK_NAME");
    let attempt = variables
        .get("SHRAGA_ATTEMPT")
        .and_then(|text| text.parse().ok());
    Some(Found {
        pid,
        line: line.trim().to_owned(),
        works_on: task.map(|task| (*task).to_owned()).zip(attempt),
        worker: variables.get("SOAK_WORKER").map(|name| (*name).to_owned()),
    })
}

/// Whether it ended and was only not asked after yet.
fn is_dead(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

/// Processes that look after agents of this worker: the parents of its agents' programs.
pub(crate) fn supervisors(mark: &str, worker: &str) -> Vec<u32> {
    let agents = marked(mark)
        .into_iter()
        .filter(|found| found.works_on.is_some() && found.worker.as_deref() == Some(worker));
    let mut parents: Vec<u32> = agents.filter_map(|agent| parent(agent.pid)).collect();
    parents.retain(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).nth(1) == Some(b"supervise")
    });
    parents.dedup();
    parents
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

/// Kills a process of the soak.
pub(crate) fn kill(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Kills what was found; used when the soak ends, so that it leaves nothing behind even when it fails.
pub(crate) fn end(found: &[Found]) {
    found.iter().for_each(|found| kill(found.pid));
}
