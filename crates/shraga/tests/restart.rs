//! Nothing is lost when everything dies at once.
#![cfg(unix)]

#[cfg(test)]
mod common;

use std::collections::BTreeSet;
use std::fs;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use common::{Place, until};

/// Those who file tasks while the store is killed under them.
const FILERS: usize = 3;

/// Acknowledged tasks after which the store is killed.
const ENOUGH: usize = 6;

/// Works until a file appears in the folder that holds the data folder.
const AGENTS: &str = r#"
[agents.patient]
kind = "command"
program = ["sh", "-c", "echo begun; while [ ! -e \"$GO\" ]; do sleep 0.05; done; echo done in attempt $SHRAGA_ATTEMPT"]
env = ["GO"]
"#;

#[test]
fn tasks_survive_a_kill_and_are_finished_after_a_restart() {
    let place = Place::with_config(AGENTS);
    let go = place.path().join("go");
    let start = || place.start_with(&["up", "--workers", "1"], &[("GO", go.as_path())]);
    let running = start();
    let first = place.submit(&["running when it dies"]);
    let second = place.submit(&["waiting when it dies"]);
    place.until_status(&first, "Running");
    running.kill();

    std::fs::write(&go, "").unwrap();
    let running = start();
    for id in [&first, &second] {
        let task = place.until_status(id, "Completed");
        assert!(task["result"].as_str().unwrap().contains("done in attempt"));
    }
    assert!(running.stop().success());
}

#[test]
fn every_task_acknowledged_until_the_store_was_killed_is_there_afterwards() {
    let place = Place::new();
    let store = place.start(&["serve"]);
    let (tell, acknowledged) = sync_channel(1024);
    let filed: BTreeSet<String> = thread::scope(|scope| {
        for _ in 0..FILERS {
            let tell = tell.clone();
            scope.spawn(|| file_until_refused(&place, tell));
        }
        drop(tell);
        let mut filed: BTreeSet<_> = acknowledged.iter().take(ENOUGH).collect();
        store.kill();
        filed.extend(acknowledged.iter());
        filed
    });

    let store = place.start(&["serve"]);
    let listed = place.json(&["list", "--limit", "5000"]);
    let listed = listed.as_array().unwrap().iter();
    let listed: BTreeSet<_> = listed
        .map(|task| task["id"].as_str().unwrap().to_owned())
        .collect();
    let lost: Vec<_> = filed.difference(&listed).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert!(store.stop().success());
}

fn file_until_refused(place: &Place, tell: SyncSender<String>) {
    loop {
        let ran = place.run(&["submit", "work"]);
        if ran.code != 0 {
            return;
        }
        tell.send(ran.out.trim().to_owned())
            .expect("the test takes what is filed");
    }
}

/// Says who it is and how often it ran, and works until a file appears.
const LASTING: &str = r#"
[agents.lasting]
kind = "command"
program = ["sh", "-c", "echo $$ >>\"$PID\"; echo begun; while [ ! -e \"$PID.go\" ]; do sleep 0.05; done; echo done"]
env = ["PID"]
"#;

#[test]
fn the_agent_of_a_killed_worker_goes_on_and_its_result_is_published_by_the_next() {
    let place = Place::with_config(LASTING);
    let pid = place.path().join("pid");
    let start = || place.start_with(&["up", "--workers", "1"], &[("PID", pid.as_path())]);
    let running = start();
    let task = place.submit(&["work"]);
    until("the agent runs", || {
        fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n'))
    });
    until("its first line is told", || {
        place.run(&["logs", &task]).out.contains("begun")
    });
    let agent = fs::read_to_string(&pid).unwrap();
    running.kill();
    assert!(alive(agent.trim()), "the agent died with its worker");

    let running = start();
    fs::write(place.path().join("pid.go"), "").unwrap();
    let task = place.until_status(&task, "Completed");
    assert_eq!(task["result"].as_str().unwrap(), "begun\ndone\n");
    assert_eq!(task["attempt"], 1);
    assert_eq!(fs::read_to_string(&pid).unwrap(), agent, "it ran twice");
    assert!(!alive(agent.trim()), "the agent still runs");
    let logs = place.run(&["logs", task["id"].as_str().unwrap()]).out;
    for line in ["begun", "done"] {
        assert_eq!(logs.matches(line).count(), 1, "{logs}");
    }
    assert!(running.stop().success());
}

/// Whether the process runs; one that ended and was not yet asked after does not.
fn alive(process: &str) -> bool {
    if let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) {
        return !stat.contains(") Z ");
    }
    let found = std::process::Command::new("kill")
        .args(["-0", process])
        .status();
    found.is_ok_and(|status| status.success())
}
