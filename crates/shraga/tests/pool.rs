//! `shraga up --workers MIN..MAX` with real worker processes: they come with the work, go without it, and
//! are the same ones for the next `up`.
#![cfg(unix)]

#[cfg(test)]
mod common;

use std::path::Path;
use std::process::Command;

use common::{Place, until};
use serde_json::Value;

/// Ends what a failed test leaves running.
struct Tidy<'a>(&'a Place);

impl Drop for Tidy<'_> {
    fn drop(&mut self) {
        go(self.0);
        for machine in machines(self.0) {
            let pid = pid(&machine);
            if lives(pid) {
                Command::new("kill")
                    .args(["-9", &pid.to_string()])
                    .status()
                    .ok();
            }
        }
    }
}

/// An agent that notes that it was begun, and then waits for a file.
fn place() -> Place {
    let place = Place::new();
    let config = format!(
        r#"
[agents.wait]
kind = "command"
program = ["sh", "-c", "echo begun >> {0}/begun; until [ -e {0}/go ]; do sleep 0.02; done; echo gone on"]

[worker]
idle_seconds = 1
"#,
        place.path().display()
    );
    std::fs::write(place.path().join("shraga.toml"), config)
        .expect("a temporary folder takes files");
    place
}

fn go(place: &Place) {
    std::fs::write(place.path().join("go"), "").expect("a temporary folder takes files");
}

/// How often an agent was begun.
fn begun(place: &Place) -> usize {
    let noted = std::fs::read_to_string(place.path().join("begun"));
    noted.unwrap_or_default().lines().count()
}

fn workers(place: &Place) -> Vec<Value> {
    serde_json::from_str(&place.run(&["workers", "--json"]).out).unwrap_or_default()
}

/// Workers of which this is so.
fn count(place: &Place, so: impl Fn(&Value) -> bool) -> usize {
    workers(place).iter().filter(|worker| so(worker)).count()
}

fn works(worker: &Value) -> bool {
    worker["used"] == 1
}

fn able(worker: &Value) -> bool {
    ["ready", "busy"]
        .iter()
        .any(|state| worker["status"] == *state)
}

/// The process of a machine, as its folder tells.
fn pid(machine: &Path) -> u64 {
    let text = std::fs::read(machine.join("process.json")).unwrap_or_default();
    let record: Value = serde_json::from_slice(&text).unwrap_or_default();
    record["process"]["pid"].as_u64().unwrap_or_default()
}

fn machines(place: &Place) -> Vec<std::path::PathBuf> {
    let folders = std::fs::read_dir(place.data().join("machines"));
    let folders = folders.into_iter().flatten();
    folders
        .map(|folder| folder.expect("it can be read").path())
        .collect()
}

fn lives(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// Nothing that was started for a machine runs any more.
fn nothing_is_left(place: &Place) {
    for machine in machines(place) {
        let pid = pid(&machine);
        assert!(!lives(pid), "{} still runs: {pid}", machine.display());
    }
}

fn completed(place: &Place, tasks: &[String]) {
    for task in tasks {
        let task = place.until_status(task, "Completed");
        assert_eq!(task["result"], "gone on\n", "{task}");
    }
    assert_eq!(begun(place), tasks.len(), "nothing is begun twice");
}

#[test]
fn a_burst_of_tasks_makes_the_pool_grow_and_quiet_makes_it_shrink() {
    let place = place();
    let _tidy = Tidy(&place);
    let up = place.start(&["up", "--workers", "1..3"]);
    until("there is one worker", || count(&place, able) == 1);
    let tasks: Vec<String> = (0..6)
        .map(|n| place.submit(&[&format!("task {n}")]))
        .collect();
    until("three work", || count(&place, works) == 3);
    assert_eq!(workers(&place).len(), 3, "no more than allowed are made");
    go(&place);
    completed(&place, &tasks);
    until("one is left", || {
        count(&place, able) == 1 && workers(&place).len() == 3
    });
    until("one process is left", || {
        let machines = machines(&place);
        machines
            .iter()
            .filter(|machine| lives(pid(machine)))
            .count()
            == 1
    });
    let said = place.said();
    assert!(said.contains("growing to 3 workers: "), "{said}");
    assert!(said.contains("shrinking to 1 worker: "), "{said}");
    // Who sleeps is woken before another is made.
    std::fs::remove_file(place.path().join("go")).unwrap();
    let more: Vec<String> = (0..3)
        .map(|n| place.submit(&[&format!("more {n}")]))
        .collect();
    until("three work again", || count(&place, works) == 3);
    assert_eq!(workers(&place).len(), 3);
    go(&place);
    completed(&place, &[tasks, more].concat());
    assert!(up.stop().success());
    nothing_is_left(&place);
}

#[test]
fn an_up_that_is_killed_leaves_its_workers_to_the_next_and_nothing_is_done_twice() {
    let place = place();
    let _tidy = Tidy(&place);
    let up = place.start(&["up", "--workers", "1..2"]);
    let tasks: Vec<String> = (0..3)
        .map(|n| place.submit(&[&format!("task {n}")]))
        .collect();
    until("two work", || {
        count(&place, works) == 2 && begun(&place) == 2
    });
    let before: Vec<u64> = machines(&place).iter().map(|it| pid(it)).collect();
    up.kill();
    assert!(before.iter().all(|pid| lives(*pid)), "workers outlive it");
    let up = place.start(&["up", "--workers", "1..2"]);
    until("both are there again", || count(&place, able) == 2);
    go(&place);
    completed(&place, &tasks);
    assert_eq!(workers(&place).len(), 2, "no row is made twice");
    assert!(up.stop().success());
    nothing_is_left(&place);
    assert!(before.iter().all(|pid| !lives(*pid)));
}

#[test]
fn an_up_with_a_fixed_number_ends_what_a_growing_one_left_once_it_is_done() {
    let place = place();
    let _tidy = Tidy(&place);
    let up = place.start(&["up", "--workers", "1..2"]);
    let task = place.submit(&["go on"]);
    until("it is worked on", || begun(&place) == 1);
    up.kill();
    let left = machines(&place);
    assert!(left.iter().any(|machine| lives(pid(machine))));
    let up = place.start(&["up", "--workers", "1"]);
    go(&place);
    completed(&place, std::slice::from_ref(&task));
    until("what was left has ended", || {
        machines(&place).iter().all(|machine| !lives(pid(machine)))
    });
    // Its own worker takes what comes.
    let next = place.submit(&["another"]);
    completed(&place, &[task, next]);
    assert!(machines(&place).iter().all(|machine| !lives(pid(machine))));
    drop(up);
}

#[test]
fn a_worker_that_is_killed_is_started_again_and_its_agent_goes_on() {
    let place = place();
    let _tidy = Tidy(&place);
    let up = place.start(&["up", "--workers", "1..2"]);
    let task = place.submit(&["task"]);
    until("it works", || begun(&place) == 1);
    let machine = machines(&place).pop().unwrap();
    let first = pid(&machine);
    let killed = Command::new("kill")
        .args(["-9", &first.to_string()])
        .status();
    assert!(killed.unwrap().success());
    until("another process is that worker", || {
        let now = pid(&machine);
        now != first && lives(now)
    });
    go(&place);
    completed(&place, &[task]);
    assert!(up.stop().success());
    nothing_is_left(&place);
}

#[test]
fn a_person_with_many_tasks_gets_a_worker_of_her_own() {
    let place = place();
    let _tidy = Tidy(&place);
    let threshold = [("PROVISION_THRESHOLD", Path::new("2"))];
    let up = place.start_with(&["up", "--workers", "0..1"], &threshold);
    let tasks: Vec<String> = (0..3)
        .map(|n| place.submit(&[&format!("task {n}")]))
        .collect();
    until("one is hers alone", || {
        count(&place, |it| it["pool"] == "dedicated" && able(it)) == 1
    });
    go(&place);
    completed(&place, &tasks);
    assert!(up.stop().success());
    nothing_is_left(&place);
}

#[test]
fn a_second_signal_ends_workers_and_agents_at_once() {
    let place = place();
    let _tidy = Tidy(&place);
    let up = place.start(&["up", "--workers", "1..2"]);
    place.submit(&["task"]);
    until("it works", || begun(&place) == 1);
    up.ask_to_stop();
    until("it was heard", || place.said().contains("stopping: "));
    up.stop();
    nothing_is_left(&place);
}

#[test]
fn a_range_that_is_none_is_refused() {
    let place = place();
    let refused = [
        ("3..1", "the smaller number stands first"),
        ("1..65", "there are 64 workers at most"),
        ("many", "such as 1..4"),
    ];
    for (workers, words) in refused {
        place.run(&["up", "--workers", workers]).fails(2, &[words]);
    }
}

#[test]
fn the_demo_runs_with_workers_that_come_and_go() {
    let place = Place::new();
    let _tidy = Tidy(&place);
    let demo = place.run(&["up", "--demo", "--exit-when-idle", "--workers", "1..3"]);
    assert_eq!(demo.code, 0, "{}\n{}", demo.out, demo.err);
    nothing_is_left(&place);
    assert!(!machines(&place).is_empty());
}
