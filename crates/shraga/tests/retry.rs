//! Filing a task once more, through the real binary: `retry`, and what it leaves alone.
#![cfg(unix)]

#[cfg(test)]
mod common;

use std::io::{Read, Write};
use std::net::TcpStream;

use common::{Place, Running};
use serde_json::{Value, json};
use shraga_core::audit::hash;
use shraga_core::ids::{EventId, MirrorId};

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

/// What the worker that ran `id` would have kept, had it lost the task before its end.
#[expect(clippy::unwrap_used, reason = "a helper of tests fails them")]
fn keep_late(place: &Place, id: &str, result: &str) -> String {
    let log = place.run(&["logs", id, "--json"]).out;
    let mut events = log.lines().map(|line| serde_json::from_str(line).unwrap());
    let started: Value = events
        .find(|it: &Value| it["type"] == "TaskStarted")
        .unwrap();
    let attempt = started["attempt"].as_u64().unwrap();
    let stream = format!("{}/candidate", started["stream"].as_str().unwrap());
    let mirror = MirrorId::of(id.parse().unwrap(), 0);
    let event = EventId::of(mirror, &stream, 1).to_string();
    let content = json!({"outcome": "Completed", "result": result}).to_string();
    let admin = place.data().join("admin.token").display().to_string();
    let whose = place.json(&["costs", "--by", "user", "--token-file", &admin]);
    let user = &whose["rows"][0]["key"];
    let row = json!({
        "cr_name": "attempt 1 ended too late: Completed", "cr_type": "Candidate",
        "cr_taskid": id, "cr_attempt": attempt, "cr_stream": stream, "cr_sequence": 1,
        "cr_hash": hash("", &content), "cr_content": content, "cr_userid": user,
    });
    put(place, &format!("cr_shraga_events({event})"), &row);
    event
}

/// Makes a row as the admin.
fn put(place: &Place, row: &str, body: &Value) {
    let url = place.endpoint()["url"]
        .as_str()
        .expect("it has an address")
        .to_owned();
    let addr = url.strip_prefix("http://").expect("it is plain http");
    let token = std::fs::read_to_string(place.data().join("admin.token"))
        .expect("an admin's token is there");
    let body = body.to_string();
    let request = format!(
        "PATCH /api/data/v9.2/{row} HTTP/1.1\r\nHost: {addr}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nIf-None-Match: *\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        token.trim(),
        body.len()
    );
    let mut stream = TcpStream::connect(addr).expect("the store listens");
    stream
        .write_all(request.as_bytes())
        .expect("it takes the request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
}

#[test]
fn a_late_result_is_shown_accepted_once_and_not_run_again() {
    let (place, running) = up();
    let old = place.submit(&["the prompt", "--name", "nightly"]);
    place.until_status(&old, "Failed");
    place
        .run(&["retry", &old, "--accept-candidate"])
        .fails(6, &["has no late result", "runs it again"]);
    let event = keep_late(&place, &old, "it works\nafter all");
    let shown = place.run(&["show", &old]).out;
    for said in [
        "late result",
        "after all",
        &format!("shraga retry {} --accept-candidate {event}", &old[..18]),
    ] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    let late = place.json(&["show", &old])["candidates"][0].clone();
    assert_eq!(
        (&late["event"], &late["attempt"]),
        (&json!(event), &json!(1))
    );
    assert_eq!(late["result"], "it works\nafter all");
    assert!(late["accept"].as_str().unwrap().ends_with(&event));
    let screen = place.run(&["show"]).out;
    assert!(screen.contains("can be accepted"), "{screen}");

    place
        .run(&["retry", &old, "--accept-candidate", "ffff"])
        .fails(6, &["has no such late result"]);
    let ran = place.run(&["retry", &old, "--accept-candidate", "--wait", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let new: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(new["result"], "it works\nafter all");
    assert_eq!(
        (&new["status"], &new["attempt"]),
        (&json!("Completed"), &json!(0))
    );
    assert_eq!(new["retry_of"], old.as_str());
    let new = new["id"].as_str().unwrap();
    place
        .run(&["retry", &old, "--accept-candidate", &event])
        .fails(7, &["was accepted before", new]);
    assert_eq!(place.json(&["list"]).as_array().map(Vec::len), Some(2));

    // Done once more, it is work like any other.
    mend(&place);
    let ran = place.run(&["retry", new, "--wait"]);
    assert!(
        ran.out.contains("it works as nightly"),
        "{} {}",
        ran.out,
        ran.err
    );
    assert!(running.stop().success());
}

#[test]
fn a_task_is_filed_again_with_another_budget() {
    let (place, _running) = up();
    let old = place.submit(&["x", "--budget", "10m"]);
    place.until_status(&old, "Failed");
    place
        .run(&["retry", &old, "--budget", "much"])
        .fails(2, &["much"]);
    let ran = place.run(&["retry", &old, "--budget", "0.01turns"]);
    ran.fails(2, &[]);
    let ran = place.run(&["retry", &old, "--budget", "7turns"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let task = place.until_status(ran.out.trim(), "Failed");
    // The agent doesn't tell its turns, so that limit can't be kept: it was never begun.
    assert_eq!(task["reason"], "usage-unknown");
}
