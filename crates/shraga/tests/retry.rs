//! Filing a task once more, through the real binary: `retry`, and what it leaves alone.
#![cfg(unix)]

#[cfg(test)]
mod common;

use common::{Place, Running};
use serde_json::Value;
use shraga_core::ids::MirrorId;

/// One fails until somebody mends what it needs; one never ends by itself.
const AGENTS: &str = r#"
[agents.flaky]
kind = "command"
program = ["sh", "-c", "cat; test -e HERE/mended || exit 3; echo; echo it works as $SHRAGA_TASK_NAME"]

[agents.long]
kind = "command"
program = ["sh", "-c", "while :; do read -t 1 x </dev/null; done; sleep 1000"]

[worker]
agent = "flaky"
summaries = "never"
"#;

fn up() -> (Place, Running) {
    let place = Place::new();
    let here = place.path().display().to_string();
    let config = AGENTS.replace("HERE", &here);
    assert!(std::fs::write(place.path().join("shraga.toml"), config).is_ok());
    let running = place.start(&["up", "--workers", "2"]);
    (place, running)
}

fn mend(place: &Place) {
    assert!(std::fs::write(place.path().join("mended"), "").is_ok());
}

#[test]
fn a_task_that_failed_runs_again_as_a_new_one_that_tells_which_it_tries_again() {
    let (place, running) = up();
    let old = place.submit(&[
        "the prompt",
        "--name",
        "nightly",
        "--agent",
        "flaky",
        "--priority",
        "7",
        "--key",
        "apart",
    ]);
    place.until_status(&old, "Failed");
    mend(&place);
    // All but the last digit: found like everywhere.
    let ran = place.run(&["retry", &old[..35], "--wait", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let new: Value = serde_json::from_str(&ran.out).unwrap();
    assert_ne!(new["id"], old.as_str());
    assert_eq!(new["retry_of"], old.as_str());
    assert_eq!(
        (&new["status"], &new["name"]),
        (&"Completed".into(), &"nightly".into())
    );
    let result = new["result"].as_str().unwrap();
    assert!(result.contains("the prompt"), "{result}");
    assert!(result.contains("it works as nightly"), "{result}");
    let new = new["id"].as_str().unwrap();
    let shown = place.run(&["show", new]).out;
    for said in [
        &format!("tries again {old}")[..],
        "priority +7",
        "key apart",
    ] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    let shown = place.run(&["show", &old]).out;
    assert!(shown.contains(&format!("tried again by {new}")), "{shown}");
    assert_eq!(place.json(&["show", &old])["status"], "Failed");
    assert!(running.stop().success());
}

#[test]
fn one_that_has_not_ended_is_left_alone_and_a_canceled_one_is_not() {
    let (place, _running) = up();
    let id = place.submit(&["x", "--agent", "long"]);
    place.until_status(&id, "Running");
    place.run(&["retry", &id]).fails(
        7,
        &["has not ended: Running", "shraga cancel", "shraga why"],
    );
    assert_eq!(place.run(&["cancel", &id]).code, 0);
    place.until_status(&id, "Canceled");
    let ran = place.run(&["retry", &id]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let again = ran.out.trim();
    let task = place.until_status(again, "Running");
    assert_eq!(task["retry_of"], id.as_str());
    assert_eq!(place.json(&["list"]).as_array().map(Vec::len), Some(2));
}

#[test]
fn what_has_completed_is_done_once_more_and_that_is_said() {
    let (place, _running) = up();
    mend(&place);
    let id = place.submit(&["x"]);
    place.until_status(&id, "Completed");
    let ran = place.run(&["retry", &id, "--wait"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("has completed"), "{}", ran.err);
    assert!(ran.out.contains("it works"), "{}", ran.out);
}

#[test]
fn mirrors_other_peoples_tasks_and_the_unknown_are_refused() {
    let (place, _running) = up();
    let id = place.submit(&["x"]);
    place.until_status(&id, "Failed");
    let bob = [
        "token",
        "create",
        "--user",
        "bob@example.com",
        "--role",
        "user",
    ];
    let token = place.json(&bob);
    let file = place.path().join("bob");
    std::fs::write(&file, token["token"].as_str().unwrap()).unwrap();
    let file = file.display().to_string();
    place
        .run(&["retry", &id, "--token-file", &file])
        .fails(6, &[]);
    place.run(&["retry", "ffffffff"]).fails(6, &[]);
    let admin = place.data().join("admin.token").display().to_string();
    let mirror = MirrorId::of(id.parse().unwrap(), 0).to_string();
    place
        .run(&["retry", &mirror, "--token-file", &admin])
        .fails(2, &["is a mirror", &id]);
    assert_eq!(place.json(&["list"]).as_array().map(Vec::len), Some(1));
}
