//! Tasks from filing to their end, through the real binary with `command` agents.
#![cfg(unix)]

#[cfg(test)]
mod common;

use common::{Place, Running, until};
use serde_json::Value;

const AGENTS: &str = r#"
[agents.echo]
kind = "command"
program = ["sh", "-c", "echo working on it; cat; echo; echo task $SHRAGA_TASK_NAME attempt $SHRAGA_ATTEMPT"]

[agents.fail]
kind = "command"
program = ["sh", "-c", "echo partly; echo no such luck >&2; exit 3"]

[agents.retry]
kind = "command"
program = ["sh", "-c", "test \"$SHRAGA_ATTEMPT\" -gt 1 || exit 75; echo second time lucky"]

[agents.long]
kind = "command"
program = ["sh", "-c", "echo begun; while :; do read -t 1 x </dev/null; done; sleep 1000"]

[worker]
agent = "echo"
"#;

fn up() -> (Place, Running) {
    let place = Place::with_config(AGENTS);
    let running = place.start(&["up", "--workers", "2"]);
    (place, running)
}

#[test]
fn a_task_is_worked_on_and_its_result_comes_back() {
    let (place, running) = up();
    let ran = place.run(&[
        "submit",
        "the prompt",
        "--name",
        "first",
        "--wait",
        "--json",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let task: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(task["status"], "Completed");
    assert_eq!(task["attempt"], 1);
    let result = task["result"].as_str().unwrap();
    assert!(result.contains("the prompt"), "{result}");
    assert!(result.contains("task first attempt 1"), "{result}");
    for key in [
        "id", "reason", "worker", "cost_usd", "created", "started", "finished",
    ] {
        assert!(task.get(key).is_some(), "{key} is missing");
    }
    assert!(task["worker"].is_string() && task["finished"].is_string());
    let plain = place.run(&["submit", "again", "--wait"]);
    assert!(
        plain.out.contains("again") && plain.err.contains("Completed"),
        "{}",
        plain.err
    );
    assert!(running.stop().success());
}

#[test]
fn a_prompt_may_come_from_standard_input() {
    use std::io::Write;
    let (place, _running) = up();
    let mut child = place
        .command(&["submit", "-", "--wait"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"from a pipe\n")
        .unwrap();
    let ran = common::Ran::of(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("from a pipe"));
}

#[test]
fn a_failed_task_exits_1_and_says_why() {
    let (place, _running) = up();
    let ran = place.run(&["submit", "x", "--agent", "fail", "--wait", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let task: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(task["status"], "Failed");
    let id = task["id"].as_str().unwrap();
    let why = place.run(&["why", id]);
    assert_eq!(why.code, 0);
    let show = place.run(&["show", id]);
    assert!(show.out.contains("no such luck"), "{}", show.out);
}

#[test]
fn an_attempt_that_asks_for_another_try_gets_it() {
    let (place, _running) = up();
    let ran = place.run(&["submit", "x", "--agent", "retry", "--wait", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let task: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(task["attempt"], 2);
}

#[test]
fn a_running_task_is_canceled_and_stays_so() {
    let (place, running) = up();
    let id = place.submit(&["x", "--agent", "long"]);
    place.until_status(&id, "Running");
    until("the agent speaks", || {
        place.run(&["logs", &id]).out.contains("begun")
    });
    assert_eq!(place.run(&["cancel", &id]).code, 0);
    place.until_status(&id, "Canceled");
    place.run(&["submit", "y", "--agent", "echo", "--wait"]);
    let again = place.run(&["cancel", &id]);
    assert_eq!(
        again.code, 0,
        "canceling a canceled task changes nothing: {}",
        again.err
    );
    assert!(running.stop().success());
}

#[test]
fn logs_follow_a_task_to_its_end() {
    let (place, _running) = up();
    let id = place.submit(&["say this"]);
    let ran = place.run(&["logs", "-f", &id]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    for word in [
        "TaskMirrored",
        "TaskAssigned",
        "TaskStarted",
        "working on it",
        "TaskCompleted",
    ] {
        assert!(ran.out.contains(word), "{word} is not in:\n{}", ran.out);
    }
    let lines = place.run(&["logs", &id, "--json"]).out;
    let ats: Vec<_> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["at"].to_string())
        .collect();
    assert!(ats.len() >= 4 && ats.is_sorted());
    assert!(ran.out.contains("-- attempt 1 on"), "{}", ran.out);
}

#[test]
fn a_task_for_an_unknown_agent_waits_and_why_says_so() {
    let (place, _running) = up();
    let id = place.submit(&["x", "--agent", "nobody-has-this"]);
    until("the reason is known", || {
        place.run(&["why", &id]).out.contains("no-worker-for-agent")
    });
    assert_eq!(place.run(&["cancel", &id]).code, 0);
    place.until_status(&id, "Canceled");
}

#[test]
fn without_an_agent_tasks_wait_and_up_says_how_to_configure_one() {
    let place = Place::new();
    let _running = place.start(&["up"]);
    until("it says what to configure", || {
        place.said().contains("[agents.")
    });
    let id = place.submit(&["x"]);
    until("the reason is known", || {
        place.run(&["why", &id]).out.contains("no-worker")
    });
}

#[test]
fn a_plan_is_printed_and_nothing_is_written() {
    let place = Place::with_config(AGENTS);
    let _running = place.start(&["serve"]);
    let id = place.submit(&["x"]);
    let dry = ["orchestrate", "--dry-run", "--once"];
    for verb in [&["plan"][..], &dry] {
        let ran = place.run(verb);
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(ran.out.contains(&id[..8]), "{}", ran.out);
    }
    assert!(place.json(&["plan"]).is_array());
    assert_eq!(place.json(&["show", &id])["status"], "Pending");
}

#[test]
fn store_orchestrator_and_worker_work_as_processes_of_their_own() {
    let place = Place::with_config(AGENTS);
    let _store = place.start(&["serve"]);
    let id = place.submit(&["in pieces"]);
    assert_eq!(place.run(&["orchestrate", "--once"]).code, 0);
    let _orchestrator = place.start(&["orchestrate"]);
    let _worker = place.start(&["worker", "--name", "piece", "--slots", "2"]);
    let task = place.until_status(&id, "Completed");
    assert!(task["result"].as_str().unwrap().contains("in pieces"));
    let workers = place.json(&["workers"]);
    assert_eq!(workers[0]["name"], "piece");
    assert_eq!(workers[0]["slots"], 2);
    place
        .run(&["worker", "--name", "piece"])
        .fails(7, &["another"]);
}

#[test]
fn up_leaves_when_nothing_is_open() {
    let place = Place::with_config(AGENTS);
    let running = place.start(&["serve"]);
    let id = place.submit(&["last one"]);
    assert!(running.stop().success());
    let ran = place.run(&["up", "--exit-when-idle"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let _running = place.start(&["serve"]);
    assert_eq!(place.json(&["show", &id])["status"], "Completed");
}

#[test]
fn up_says_what_can_never_end_instead_of_waiting_for_ever() {
    let place = Place::with_config(AGENTS);
    let running = place.start(&["serve"]);
    place.submit(&["hopeless", "--agent", "nobody-has-this"]);
    place.submit(&["fine"]);
    assert!(running.stop().success());
    let ran = place.run(&["up", "--exit-when-idle"]);
    ran.fails(1, &["hopeless", "no ready worker runs this agent"]);
    assert!(!ran.err.contains("fine:"), "{}", ran.err);
}

#[test]
fn the_overview_shows_what_needs_somebody_first() {
    let (place, _running) = up();
    let failed = place.submit(&["to fail", "--agent", "fail"]);
    let done = place.submit(&["to succeed"]);
    place.until_status(&failed, "Failed");
    place.until_status(&done, "Completed");
    for verb in ["list", "show"] {
        let ran = place.run(&[verb]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let at = |text: &str| ran.out.find(text).unwrap_or_else(|| panic!("{}", ran.out));
        assert!(at("Needs you 1") < at("to fail"), "{}", ran.out);
        assert!(at("to fail") < at("Done 1") && at("Done 1") < at("to succeed"));
        assert!(!ran.out.contains('\u{1b}'), "no colours in a pipe");
    }
}

#[test]
fn text_from_a_task_cannot_drive_the_terminal() {
    let place = Place::new();
    let _running = place.start(&["serve"]);
    let id = place.submit(&["x", "--name", "\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}name"]);
    let token = place.data().join("admin.token").display().to_string();
    let as_admin = ["why", id.as_str(), "--token-file", &token];
    for verb in [
        &["list"][..],
        &["show"],
        &["show", &id],
        &["list", "--json"],
        &["show", &id, "--json"],
        &["why", &id],
        &as_admin,
        &["plan"],
        &["orchestrate", "--dry-run", "--once"],
    ] {
        let ran = place.run(verb);
        let named = ran.out.contains("name") || verb[0] == "plan" || verb[0] == "orchestrate";
        assert!(
            named && !ran.out.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']),
            "{:?}",
            ran.out
        );
    }
}
