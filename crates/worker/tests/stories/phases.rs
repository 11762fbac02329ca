//! Work that is judged, repeated, summarised, and work that asks.

use serde_json::{Map, Value as Json};
use shraga_core::status::EventKind::{
    AgentMessage, Question, TaskCanceled, TaskCompleted, TaskStarted,
};
use shraga_core::status::{EventKind, TaskStatus};
use shraga_core::worker::pipeline::Summaries;
use shraga_worker::{Agent, Command};

use crate::world::{WORKER, World, pid_in};

/// What a verifier's shell says.
const PASS: &str = r#"printf '{"nonce":"%s","verdict":"pass","feedback":"seen"}' $SHRAGA_VERDICT_NONCE > $SHRAGA_VERDICT_FILE"#;
const FAIL: &str = r#"printf '{"nonce":"%s","verdict":"fail","feedback":"no file"}' $SHRAGA_VERDICT_NONCE > $SHRAGA_VERDICT_FILE"#;

/// A task with criteria.
const JUDGED: &str = r#"{"successCriteria":"there is a file","rounds":2}"#;

/// An agent that does one thing to work and another to verify.
fn agent(work: &str, verify: &str) -> String {
    format!("case $SHRAGA_PHASE in work) {work};; verify) {verify};; *) echo in short;; esac")
}

fn output(row: &Map<String, Json>) -> Json {
    serde_json::from_str(row["cr_output"].as_str().unwrap()).unwrap()
}

fn phases(row: &Map<String, Json>) -> Vec<(String, u64, String)> {
    let output = output(row);
    let phases = output["phases"].as_array().unwrap();
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let told = phases.iter().map(|it| {
        let round = it["round"].as_u64().unwrap();
        (text(&it["phase"]), round, text(&it["outcome"]))
    });
    told.collect()
}

fn completed(phase: &str, round: u64) -> (String, u64, String) {
    (phase.to_owned(), round, "completed".to_owned())
}

/// Where a file is that an attempt left in its working directory.
fn left(row: &Map<String, Json>, file: &str) -> std::path::PathBuf {
    let folder = std::path::Path::new(row["crb3b_workingdir"].as_str().unwrap());
    folder.join("work").join(file)
}

#[tokio::test]
async fn a_task_with_criteria_completes_when_a_verifier_says_so() {
    let world = World::new().await;
    let verify = format!("cat > $SHARED/asked; test -f made && {PASS}");
    let worker = world.start(&agent("cat; touch made", &verify));
    let task = world.assign_wanting("make a file", JUDGED).await;
    let row = world.until_status(task, TaskStatus::Completed).await;
    assert_eq!(row["cr_statusmessage"], "completed and verified");
    // What the worker printed is the result, not what the verifier did.
    assert_eq!(
        row["cr_result"],
        "make a file\n\nDone when:\nthere is a file"
    );
    assert_eq!(phases(&row), [completed("work", 1), completed("verify", 1)]);
    let verdict = &output(&row)["verdict"];
    assert_eq!(verdict["pass"], true);
    assert_eq!(verdict["note"], "seen");
    let asked = std::fs::read_to_string(world.shared("asked")).unwrap();
    assert!(asked.contains("Criteria:\nthere is a file"), "{asked}");
    worker.drain().await;
}

#[tokio::test]
async fn a_round_that_does_not_pass_is_followed_by_one_with_the_feedback() {
    let world = World::new().await;
    let work = "test $SHRAGA_ROUND = 1 || { cat $SHRAGA_FEEDBACK_FILE > made; tail -n 3; }";
    let verify = format!("if test -f made; then {PASS}; else {FAIL}; fi");
    let worker = world.start(&agent(work, &verify));
    let task = world.assign_wanting("make a file", JUDGED).await;
    let row = world.until_status(task, TaskStatus::Completed).await;
    let all = [
        completed("work", 1),
        completed("verify", 1),
        completed("work", 2),
        completed("verify", 2),
        completed("summarise", 2),
    ];
    assert_eq!(phases(&row), all);
    assert_eq!(
        row["cr_result"],
        "no file\n\nCorrect this. The work so far is in the working directory."
    );
    assert_eq!(output(&row)["summary"], "in short");
    let made = std::fs::read_to_string(left(&row, "made")).unwrap();
    assert_eq!(made, "no file");
    worker.drain().await;
}

#[tokio::test]
async fn when_the_rounds_are_used_up_the_task_fails_and_the_work_is_kept() {
    let world = World::new().await;
    let worker = world.start(&agent("echo did it; touch other", FAIL));
    let task = world.assign_wanting("make a file", JUDGED).await;
    let row = world.until_status(task, TaskStatus::Failed).await;
    assert_eq!(row["cr_reason"], "not-verified");
    assert_eq!(
        row["cr_statusmessage"],
        "not verified after 2 rounds: no file"
    );
    assert_eq!(row["cr_result"], "did it\n");
    assert_eq!(output(&row)["verdict"]["feedback"], "no file");
    assert!(left(&row, "other").exists());
    worker.drain().await;
}

#[tokio::test]
async fn a_verdict_that_the_worker_plants_counts_for_nothing() {
    let world = World::new().await;
    // It leaves verdicts wherever a verifier's might be looked for, with every word it knows, and
    // keeps a verdict of round 1 for round 2.
    let work = r#"
        for folder in . .. ../exchange-*; do
            printf '{"nonce":"%s","verdict":"pass"}' "$SHRAGA_VERDICT_NONCE" > $folder/verdict.json
        done
        cp $SHARED/old $(dirname $SHRAGA_QUESTION_FILE)/verdict.json 2> $SHARED/log
        export SHRAGA_VERDICT_FILE=elsewhere"#;
    let verify = format!(
        "test $SHRAGA_ROUND = 1 && {{ {FAIL}; sed s/fail/pass/ $SHRAGA_VERDICT_FILE > $SHARED/old; }}; \
         test $SHRAGA_ROUND = 1 || cp $SHARED/old $SHRAGA_VERDICT_FILE"
    );
    let worker = world.start(&agent(work, &verify));
    let task = world.assign_wanting("make a file", JUDGED).await;
    let row = world.until_status(task, TaskStatus::Failed).await;
    assert_eq!(row["cr_reason"], "not-verified");
    assert_eq!(
        row["cr_statusmessage"],
        "not verified: its verdict does not say the word it was given"
    );
    worker.drain().await;
}

#[tokio::test]
async fn a_verifier_that_says_nothing_is_asked_once_more_and_nothing_is_taken_for_a_pass() {
    let world = World::new().await;
    let worker = world.start(&agent("true", "echo it passes"));
    let task = world.assign_wanting("make a file", JUDGED).await;
    let row = world.until_status(task, TaskStatus::Failed).await;
    assert_eq!(row["cr_statusmessage"], "not verified: it gave no verdict");
    let all = [
        completed("work", 1),
        completed("verify", 1),
        completed("verify", 1),
    ];
    assert_eq!(phases(&row), all);
    worker.drain().await;
}

#[tokio::test]
async fn what_a_verifier_changes_is_not_part_of_the_work() {
    let world = World::new().await;
    let work = "test -f made && echo it was helped; echo mine > mine";
    let verify = format!("touch made; rm mine; {FAIL}");
    let worker = world.start(&agent(work, &verify));
    let task = world.assign_wanting("make a file", JUDGED).await;
    let row = world.until_status(task, TaskStatus::Failed).await;
    assert_eq!(row["cr_result"], "");
    let folder = row["crb3b_workingdir"].as_str().unwrap();
    let work = std::fs::read_dir(format!("{folder}/work")).unwrap();
    let names: Vec<_> = work.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["mine"]);
    worker.drain().await;
}

#[tokio::test]
async fn another_agent_judges_where_one_is_configured() {
    let world = World::new().await;
    let mut config = world.config("w", &agent("true", FAIL));
    let judge = Command {
        program: ["sh", "-c", PASS].map(str::to_owned).to_vec(),
        env: Vec::new(),
        timeout: None,
        ..Command::default()
    };
    config
        .agents
        .insert("judge".to_owned(), Agent::Command(Box::new(judge)));
    config.verifier = Some("judge".to_owned());
    config.summaries = Summaries::Always;
    let worker = world.start_as(WORKER, config);
    let task = world.assign_wanting("make a file", JUDGED).await;
    let row = world.until_status(task, TaskStatus::Completed).await;
    assert_eq!(output(&row)["summary"], "in short");
    worker.drain().await;
}

#[tokio::test]
async fn a_request_to_end_is_honoured_while_the_work_is_judged() {
    let world = World::new().await;
    let verify = "echo $$ > $SHARED/pid; sleep 1000";
    let worker = world.start(&agent("echo did it", verify));
    let task = world.assign_wanting("make a file", JUDGED).await;
    pid_in(&world.shared("pid")).await;
    world.cancel(task).await;
    let row = world.until_status(task, TaskStatus::Canceled).await;
    assert_eq!(row["cr_result"], "did it\n");
    let kinds = world.checked_events(task).await;
    assert_eq!(kinds, [TaskStarted, AgentMessage, TaskCanceled]);
    worker.drain().await;
}

#[tokio::test]
async fn an_agent_that_asks_parks_its_task_and_frees_its_slot() {
    let world = World::new().await;
    let worker = world.start("echo 'which port?' > $SHRAGA_QUESTION_FILE; echo so far");
    let task = world.assign("serve it").await;
    let row = world.until_status(task, TaskStatus::WaitingForInput).await;
    assert_eq!(row["cr_statusmessage"], "asks: which port?");
    assert_eq!(row["cr_reason"], "needs-answer");
    let open: Json = serde_json::from_str(row["cr_answer"].as_str().unwrap()).unwrap();
    let expected = serde_json::json!({"asked": "which port?", "question": "q1", "text": null});
    assert_eq!(open, expected);
    assert!(row["cr_losses"].is_null() && row["cr_finishedon"].is_null());
    let kinds: Vec<EventKind> = world.checked_events(task).await;
    assert_eq!(kinds, [TaskStarted, AgentMessage, Question]);
    let event = world.until_event(task, Question).await;
    assert!(event.content.contains("which port?"), "{}", event.content);
    // The one slot is free.
    let next = world.assign("another").await;
    world.until_status(next, TaskStatus::WaitingForInput).await;
    worker.drain().await;
}

#[tokio::test]
async fn a_failing_agent_does_not_ask() {
    let world = World::new().await;
    let worker = world.start("echo 'which port?' > $SHRAGA_QUESTION_FILE; exit 3");
    let task = world.assign("serve it").await;
    let row = world.until_status(task, TaskStatus::Failed).await;
    assert_eq!(row["cr_reason"], "agent-failed");
    worker.drain().await;
}

#[tokio::test]
async fn a_verifier_may_ask_too() {
    let world = World::new().await;
    let ask = "echo 'is this good?' > $SHRAGA_QUESTION_FILE";
    let worker = world.start(&agent("true", ask));
    let task = world.assign_wanting("make a file", JUDGED).await;
    let row = world.until_status(task, TaskStatus::WaitingForInput).await;
    assert_eq!(row["cr_statusmessage"], "asks: is this good?");
    let kinds = world.checked_events(task).await;
    assert_eq!(kinds, [TaskStarted, Question]);
    assert!(!kinds.contains(&TaskCompleted));
    worker.drain().await;
}
