//! Draining workers through the real binary.
#![cfg(unix)]

#[cfg(test)]
mod common;

use common::Place;
use serde_json::Value;

/// An agent that waits for a file.
fn place() -> Place {
    let place = Place::new();
    let config = format!(
        r#"
[agents.wait]
kind = "command"
program = ["sh", "-c", "until [ -e '{}' ]; do sleep 0.02; done; echo gone on"]
"#,
        place.path().join("go").display()
    );
    std::fs::write(place.path().join("shraga.toml"), config)
        .expect("a temporary folder takes files");
    place
}

fn workers(place: &Place) -> Vec<Value> {
    let ran = place.run(&["workers", "--json"]);
    serde_json::from_str(&ran.out).expect("it is JSON")
}

#[test]
fn a_drained_worker_finishes_what_runs_and_takes_nothing_new_until_undrained() {
    let place = place();
    let _running = place.start(&["up", "--workers", "1"]);
    let first = place.submit(&["first"]);
    place.until_status(&first, "Running");
    let name = workers(&place)[0]["name"].as_str().unwrap().to_owned();
    let ran = place.run(&["drain", &name[..name.len() - 1]]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("holds 1 task: first"), "{}", ran.out);
    let again = place.run(&["drain", &name, "--json"]);
    assert_eq!(again.code, 0, "{}", again.err);
    let second = place.submit(&["second"]);
    std::fs::write(place.path().join("go"), "").unwrap();
    place.until_status(&first, "Completed");
    let waited = place.run(&["drain", &name, "--wait"]);
    assert_eq!(waited.code, 0, "{}", waited.err);
    assert!(waited.out.contains("holds no task"), "{}", waited.out);
    place.until_status(&second, "Queued");
    let shown = place.run(&["workers"]);
    assert!(shown.out.contains("drained"), "{}", shown.out);
    let ran = place.run(&["undrain", &name]);
    assert!(ran.out.contains("takes work again"), "{}", ran.out);
    place.until_status(&second, "Completed");
}

#[test]
fn a_worker_that_nobody_knows_is_not_drained() {
    let place = place();
    let _running = place.start(&["up"]);
    let ran = place.run(&["drain", "nobody"]);
    assert_eq!(ran.code, 6, "{}", ran.err);
    let token = place.data().join("user.token").display().to_string();
    let ran = place.run(&["drain", "nobody", "--token-file", &token]);
    assert_eq!(ran.code, 4, "{}", ran.err);
}
