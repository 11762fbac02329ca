//! What is promised of a program that is killed: no acknowledged task and no finished work is lost,
//! and nothing is published twice. The real binary, killed with SIGKILL, started again over the same
//! data folder.
#![cfg(unix)]

#[path = "kill/daemon.rs"]
mod daemon;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;

use daemon::{Daemon, shraga};
use serde_json::Value;
use tempfile::TempDir;

/// Threads that file tasks while the store is killed under them.
const FILERS: usize = 3;
/// Acknowledged tasks after which the store is killed.
const ENOUGH: usize = 6;

#[test]
fn every_acknowledged_task_is_there_after_the_store_was_killed() {
    let folder = TempDir::new().unwrap();
    let filed = file_until_killed(folder.path(), serve(folder.path()));
    assert!(filed.len() >= ENOUGH);

    let store = serve(folder.path());
    let listed: BTreeSet<String> = tasks(folder.path()).iter().map(id).collect();
    let lost: Vec<_> = filed.difference(&listed).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    store.stop();
}

#[test]
fn work_interrupted_by_a_kill_is_done_again_and_published_once() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().display().to_string();
    let started = folder.path().join("started");
    assert!(
        Command::new("mkfifo")
            .arg(&started)
            .status()
            .unwrap()
            .success()
    );
    // The first try tells that it runs and does not end by itself; the next one ends at once.
    configure_agent(
        folder.path(),
        &format!(
            "[ -e {home}/pid ] && exec echo done; echo $$ >{home}/pid; echo up >{home}/started; exec sleep 600"
        ),
    );
    let all = Daemon::start(folder.path(), &["up", "--workers", "1"], "Store at");
    file(folder.path()).expect("filed");
    // Opening blocks until the agent opens its end.
    assert_eq!(fs::read_to_string(&started).unwrap(), "up\n");
    all.kill();

    let again = ["up", "--workers", "1", "--exit-when-idle"];
    Daemon::start(folder.path(), &again, "Store at").ends_well();
    let orphan = fs::read_to_string(folder.path().join("pid")).unwrap();
    assert!(
        !alive(orphan.trim()),
        "the agent of the killed worker still runs"
    );
    let store = serve(folder.path());
    let tasks = tasks(folder.path());
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0]["status"], "Completed");
    assert_eq!(tasks[0]["result"].as_str().unwrap().trim(), "done");
    store.stop();
}

fn serve(folder: &Path) -> Daemon {
    Daemon::start(folder, &["serve"], "listens on")
}

/// Files tasks from several threads, kills the store under them, and returns what it acknowledged.
fn file_until_killed(folder: &Path, store: Daemon) -> BTreeSet<String> {
    let (tell, acknowledged) = sync_channel(1024);
    let filers: Vec<_> = (0..FILERS)
        .map(|_| {
            let (folder, tell) = (folder.to_owned(), tell.clone());
            thread::spawn(move || {
                while let Some(id) = file(&folder) {
                    tell.send(id).unwrap();
                }
            })
        })
        .collect();
    drop(tell);
    let mut filed: BTreeSet<String> = acknowledged.iter().take(ENOUGH).collect();
    store.kill();
    filed.extend(acknowledged.iter());
    for filer in filers {
        filer.join().unwrap();
    }
    filed
}

/// Files a task; its id when that was acknowledged.
fn file(folder: &Path) -> Option<String> {
    let output = shraga(folder, &["submit", "work", "--json"]);
    output
        .status
        .success()
        .then(|| id(&serde_json::from_slice(&output.stdout).unwrap()))
}

fn tasks(folder: &Path) -> Vec<Value> {
    let output = shraga(folder, &["list", "--limit", "5000", "--json"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn id(task: &Value) -> String {
    task["id"].as_str().unwrap().to_owned()
}

fn configure_agent(folder: &Path, script: &str) {
    let agent =
        format!("[agents.sh]\nkind = \"command\"\nprogram = [\"sh\", \"-c\", \"{script}\"]\n");
    fs::write(folder.join("shraga.toml"), agent).unwrap();
}

/// Whether the process runs; one that ended and was not yet asked after does not.
fn alive(process: &str) -> bool {
    if let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) {
        return !stat.contains(") Z ");
    }
    let found = Command::new("kill")
        .args(["-0", process])
        .stderr(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}
