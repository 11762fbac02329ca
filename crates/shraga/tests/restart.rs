//! Nothing is lost when everything dies at once.
#![cfg(unix)]

#[cfg(test)]
mod common;

use common::Place;

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
