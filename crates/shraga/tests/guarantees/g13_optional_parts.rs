//! Guarantee 13: optional parts (Dev Box, git, the programs of agents) that are missing at start-up degrade with one
//! clear line each, and nothing else suffers.
#![cfg(unix)]

use crate::common::Place;
use crate::daemon::Daemon;
use crate::programs::bare_path;

/// One agent whose program is there, one whose isn't.
const AGENTS: &str = r#"
[agents.here]
kind = "command"
program = ["sh", "-c", "echo done"]
[agents.gone]
kind = "command"
program = ["no-such-program", "--now"]
[worker]
agent = "here"
"#;

#[test]
fn guarantee_13_without_git_the_orchestrator_says_so_once_and_works() {
    let place = Place::new();
    let _store = place.start(&["serve"]);
    let mut command = place.command(&["orchestrate"]);
    command
        .env("PATH", bare_path(place.path()))
        .env("SHRAGA_UPDATE_MINUTES", "1");
    let mut daemon = Daemon::start(&place, command);
    daemon.until_said(&[
        "no newer version can be noticed: git is not installed",
        "install git",
    ]);
    let task = place.submit(&["work"]);
    place.until_status(&task, "Queued");
    assert_eq!(daemon.count("git is not installed"), 1, "{}", daemon.said());
    assert!(daemon.stop().success());
}

#[test]
fn guarantee_13_without_git_a_check_says_how_to_go_on() {
    let place = Place::new();
    let mut command = place.command(&["update", "--check"]);
    command.env("PATH", bare_path(place.path()));
    let ran = crate::daemon::run_bounded(command);
    ran.fails(3, &["git is not installed", "install git"]);
}

#[test]
fn guarantee_13_without_dev_boxes_one_line_says_so() {
    let place = Place::new();
    let _store = place.start(&["serve"]);
    let mut daemon = Daemon::orchestrate(&place, &[]);
    daemon.until_said(&["provisioning is off: DEVCENTER_ENDPOINT"]);
    let said = daemon.said();
    let mut lines = said
        .lines()
        .filter(|line| line.contains("provisioning is off"));
    assert!(lines.all(|line| !line.contains("WARN")), "{said}");
}

#[test]
fn guarantee_13_an_agent_whose_program_is_missing_is_off_and_the_others_work() {
    let place = Place::with_config(AGENTS);
    let running = place.start(&["up", "--workers", "1"]);
    let task = place.submit(&["work"]);
    let task = place.until_status(&task, "Completed");
    assert_eq!(task["result"].as_str().unwrap().trim(), "done");
    let said = place.said();
    let lines = said
        .lines()
        .filter(|line| line.contains("`no-such-program`"));
    assert_eq!(lines.count(), 1, "{said}");
    assert!(said.contains("agent `gone` is off"), "{said}");
    assert!(said.contains("agents.gone.program"), "{said}");
    assert!(running.stop().success());
}

#[test]
fn guarantee_13_a_worker_whose_only_program_is_missing_says_so_and_takes_nothing() {
    let place = Place::with_config(&AGENTS.replace("\"sh\"", "\"neither-this\""));
    let ran = place.run(&["worker"]);
    ran.fails(
        3,
        &[
            "no agent's program is there",
            "agent `gone` is off",
            "agent `here` is off",
            "hint:",
        ],
    );
}
