//! The log of the real binary: one line an event, nothing secret in it, and an end with its reason.
#![cfg(unix)]

#[cfg(test)]
mod common;

use std::process::{Command, Stdio};

use common::{Place, until};
use serde_json::Value;

const ECHO: &str = r#"
[agents.echo]
kind = "command"
program = ["sh", "-c", "cat"]
"#;

/// A log for machines, line by line; what is no JSON stays text.
fn objects(text: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| line.into());
    text.lines().map(parse).collect()
}

#[test]
fn a_log_for_machines_is_json_from_the_first_line_to_the_last_and_ends_with_the_reason() {
    let place = Place::with_config(ECHO);
    let running = place.start(&["up", "--log-format", "json"]);
    let hostile = "a\u{1b}[2J\r\n{\"level\":\"error\"}";
    let id = place.submit(&["the prompt", "--name", hostile]);
    place.until_status(&id, "Completed");
    assert!(running.stop().success());
    let lines = objects(&place.said());
    for line in &lines {
        assert!(
            line["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{line}"
        );
        assert!(
            line["time"].is_string() && line["target"].is_string(),
            "{line}"
        );
        assert_ne!(line["level"], "error", "{line}");
    }
    let about = |field: &str| lines.iter().filter(|line| line[field] == *id).count();
    assert!(about("task.id") >= 3, "mirrored, assigned, run: {lines:#?}");
    let ended = lines
        .iter()
        .find(|line| line["outcome"] == "completed")
        .unwrap();
    assert_eq!(ended["task.id"], *id);
    assert_eq!(ended["attempt"], 1);
    assert!(
        ended["worker.id"].is_string() && ended["duration_ms"].is_u64(),
        "{ended}"
    );
    let last = lines.last().unwrap();
    assert_eq!(last["exit.code"], 0, "{last}");
    assert_eq!(last["exit.reason"], "SIGTERM", "{last}");
}

#[test]
fn neither_tokens_nor_prompts_nor_results_are_logged_at_any_level() {
    let place = Place::with_config(
        "[agents.upper]\nkind = \"command\"\nprogram = [\"sh\", \"-c\", \"tr a-z A-Z; echo canary of the error >&2\"]\n",
    );
    let running = place.start(&["up", "--log-level", "trace"]);
    let id = place.submit(&["canary of the prompt", "--log-level", "trace"]);
    place.until_status(&id, "Completed");
    let said_by_verb = place.run(&["show", &id, "--log-level", "trace"]).err;
    assert!(running.stop().success());
    let log = place.said() + &said_by_verb;
    assert!(log.contains("TRACE"), "it was a log of everything");
    for name in ["admin.token", "user.token"] {
        let token = std::fs::read_to_string(place.data().join(name)).unwrap();
        assert!(!log.contains(token.trim()), "{name} is in the log");
    }
    for canary in [
        "canary of the prompt",
        "CANARY OF THE PROMPT",
        "canary of the error",
    ] {
        let line = log.lines().find(|line| line.contains(canary));
        assert_eq!(line, None);
    }
}

#[test]
fn a_daemon_that_cannot_begin_says_why_in_one_line_for_machines() {
    let place = Place::new();
    let mut command = place.command(&["orchestrate", "--log-format", "json"]);
    command
        .env("DATAVERSE_URL", "http://127.0.0.1:1")
        .env("DATAVERSE_TOKEN", "none");
    let ran = common::Ran::of(command.output().unwrap());
    assert_eq!(ran.code, 5, "{}", ran.err);
    let lines = objects(&ran.err);
    let last = lines.last().unwrap();
    assert_eq!(
        (&last["level"], &last["exit.code"]),
        (&"error".into(), &5.into())
    );
    let why = last["exit.reason"].as_str().unwrap();
    assert!(
        why.contains("127.0.0.1:1") && why.contains("connect"),
        "{why}"
    );
    assert!(last["hint"].is_string(), "{last}");
}

#[test]
fn a_log_for_people_has_no_colours_where_it_is_no_terminal() {
    let place = Place::new();
    assert!(place.start(&["serve"]).stop().success());
    let said = place.said();
    assert!(said.contains("INFO  serve begins  version="), "{said}");
    assert!(said.contains("serve ends: SIGTERM  exit.code=0"), "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");
}

#[test]
fn a_daemon_whose_log_nobody_reads_any_more_goes_on() {
    let place = Place::new();
    let mut child = place
        .command(&["serve", "--log-level", "debug"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    let endpoint = place.data().join("endpoint.json");
    until("it accepts requests", || endpoint.is_file());
    assert_eq!(place.json(&["list"]), serde_json::json!([]));
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert!(child.wait().unwrap().success());
}
