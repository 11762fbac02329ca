//! Guarantee 1: programs. Every external program (git, an agent, `az`) is started through one module, with a
//! deadline, bounded output, and its whole process group is ended when the deadline passes.
#![cfg(unix)]

use crate::common::Place;
use crate::programs::{hung, pids, until_gone};

fn place_with(script: &str) -> Place {
    let program = format!("[\"sh\", \"-c\", {script:?}]");
    Place::with_config(&format!(
        "[agents.a]\nkind = \"command\"\nprogram = {program}\nenv = [\"PIDS\"]\ntimeout_seconds = 2\n\
         [worker]\ngrace_seconds = 1\n"
    ))
}

#[test]
fn guarantee_01_an_agent_past_its_deadline_is_ended_with_its_children_however_deaf() {
    let place = place_with(
        "trap '' TERM; sleep 600 & echo $! >>\"$PIDS\"; echo $$ >>\"$PIDS\"; wait; sleep 600",
    );
    let file = pids(place.path());
    let running = place.start_with(&["up", "--workers", "1"], &[("PIDS", file.as_path())]);
    let task = place.submit(&["work"]);
    let task = place.until_status(&task, "Failed");
    assert_eq!(task["reason"], "timed-out", "{task}");
    assert!(!hung(place.path()).is_empty());
    until_gone(place.path());
    assert!(running.stop().success());
}

#[test]
fn guarantee_01_an_agent_that_leaves_a_child_behind_does_not_keep_its_task_open() {
    let place = place_with("sleep 600 & echo $! >>\"$PIDS\"; echo $! >>\"$PIDS\"; echo done");
    let file = pids(place.path());
    let running = place.start_with(&["up", "--workers", "1"], &[("PIDS", file.as_path())]);
    let task = place.submit(&["work"]);
    let task = place.until_status(&task, "Completed");
    assert_eq!(task["result"].as_str().unwrap().trim(), "done");
    until_gone(place.path());
    assert!(running.stop().success());
}

#[test]
fn guarantee_01_an_agent_that_prints_without_end_is_bounded_in_time_and_in_what_is_kept() {
    let place = place_with("exec yes");
    let running = place.start(&["up", "--workers", "1"]);
    let task = place.submit(&["work"]);
    let task = place.until_status(&task, "Failed");
    let kept = task["result"]
        .as_str()
        .map_or(0, |text| text.chars().count());
    assert!(
        kept <= 100_000,
        "{kept} characters of it are kept in the row"
    );
    assert!(running.stop().success());
}
