//! `shraga keep` with the real daemons: they come back, their agents go on, and nothing is left in the end.
#![cfg(unix)]

#[cfg(test)]
mod common;

use std::path::Path;
use std::process::Command;

use common::{Place, until};
use serde_json::Value;

/// An agent that notes that it was begun, and then waits for a file.
fn place() -> Place {
    let place = Place::new();
    let config = format!(
        r#"
[agents.wait]
kind = "command"
program = ["sh", "-c", "echo begun >> {0}/begun; env | grep -c ^SHRAGA_KEEPER >> {0}/told; until [ -e {0}/go ]; do sleep 0.02; done; echo gone on"]
"#,
        place.path().display()
    );
    std::fs::write(place.path().join("shraga.toml"), config)
        .expect("a temporary folder takes files");
    place
}

fn read(path: &Path) -> Value {
    let text = std::fs::read(path).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// The process that a keeper keeps.
fn kept(place: &Place, name: &str) -> u64 {
    let child = read(&place.data().join("keep").join(name).join("child.json"));
    child["pid"].as_u64().unwrap_or_default()
}

fn healthy(place: &Place, name: &str) -> bool {
    let pulse = read(&place.data().join("keep").join(name).join("pulse.json"));
    pulse["healthy"] == true && pulse["pid"].as_u64() == Some(kept(place, name))
}

fn lives(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

fn begun(place: &Place) -> usize {
    let noted = std::fs::read_to_string(place.path().join("begun"));
    noted.unwrap_or_default().lines().count()
}

#[test]
fn a_daemon_that_is_killed_comes_back_with_its_agents_and_ends_with_its_keeper() {
    let place = place();
    let keeper = place.start(&["keep", "--", "up", "--workers", "1"]);
    until("it does its work", || healthy(&place, "up"));
    let task = place.submit(&["task"]);
    until("its agent works", || begun(&place) == 1);
    let first = kept(&place, "up");
    let killed = Command::new("kill")
        .args(["-9", &first.to_string()])
        .status();
    assert!(killed.unwrap().success());
    until("another process does its work", || {
        kept(&place, "up") != first && healthy(&place, "up")
    });
    std::fs::write(place.path().join("go"), "").unwrap();
    let task = place.until_status(&task, "Completed");
    assert_eq!(
        (&task["result"], &task["attempt"]),
        (&"gone on\n".into(), &1.into())
    );
    assert_eq!(begun(&place), 1, "the agent went on");
    let told = std::fs::read_to_string(place.path().join("told")).unwrap();
    assert_eq!(told.trim(), "0", "agents know of no keeper");
    let last = kept(&place, "up");
    assert!(keeper.stop().success());
    assert!(!lives(last));
}

#[test]
fn what_can_not_be_kept_and_a_second_keeper_are_refused_with_what_to_do() {
    let place = place();
    place
        .run(&["keep", "--", "list"])
        .fails(2, &["nothing that can be kept", "up, serve"]);
    place
        .run(&["keep", "--name", "../x", "--", "up"])
        .fails(2, &["letters, digits"]);
    let root = place.path().join("root");
    let root = root.to_str().unwrap();
    place
        .run(&["keep", "--root", root, "--", "up"])
        .fails(6, &["no version is installed", "update --now"]);
    let keeper = place.start(&["keep", "--", "up", "--workers", "1"]);
    until("it does its work", || healthy(&place, "up"));
    place
        .run(&["keep", "--", "up"])
        .fails(7, &["another keeper (process", "--name"]);
    assert!(keeper.stop().success());
}
