//! Questions and criteria through the real binary: `submit --criteria`, `answer`, and what is shown between.
#![cfg(unix)]

#[cfg(test)]
mod common;

use common::{Place, Running};
use serde_json::Value;

const AGENTS: &str = r#"
[agents.asks]
kind = "command"
program = ["sh", "-c", '''
if test -n "$SHRAGA_ANSWER_FILE"; then echo "answered: $(cat $SHRAGA_ANSWER_FILE)"; cat kept
else echo kept > kept; echo "which port?" > $SHRAGA_QUESTION_FILE; fi''']

[agents.judged]
kind = "command"
program = ["sh", "-c", '''
case $SHRAGA_PHASE-$SHRAGA_ROUND in
work-*) echo "round $SHRAGA_ROUND";;
verify-1) printf '{"nonce":"%s","verdict":"fail","feedback":"not yet"}' $SHRAGA_VERDICT_NONCE > $SHRAGA_VERDICT_FILE;;
verify-*) printf '{"nonce":"%s","verdict":"pass"}' $SHRAGA_VERDICT_NONCE > $SHRAGA_VERDICT_FILE;;
esac''']

[worker]
agent = "asks"
summaries = "never"
"#;

fn up() -> (Place, Running) {
    let place = Place::with_config(AGENTS);
    let running = place.start(&["up", "--workers", "2"]);
    (place, running)
}

#[test]
fn a_question_waits_for_its_answer_and_the_task_goes_on_with_it() {
    let (place, running) = up();
    let id = place.submit(&["serve it"]);
    place.until_status(&id, "WaitingForInput");
    let why = place.run(&["why", &id]);
    assert!(why.out.contains("it asks: which port?"), "{}", why.out);
    assert!(why.out.contains("shraga answer"), "{}", why.out);
    let shown = place.run(&["show", &id]);
    assert!(shown.out.contains("which port?"), "{}", shown.out);
    place
        .run(&["answer", &id, "80", "--question", "q7"])
        .fails(7, &["another question", "which port?", "q1"]);
    place.run(&["answer", &id, "  "]).fails(2, &["empty"]);
    let answered = place.run(&["answer", &id, "80", "--question", "q1"]);
    assert_eq!(answered.code, 0, "{}", answered.err);
    let task = place.until_status(&id, "Completed");
    assert_eq!(task["result"], "answered: 80\nkept\n");
    assert_eq!(task["attempt"], 2);
    place
        .run(&["answer", &id, "81"])
        .fails(7, &["has ended already"]);
    let logs = place.run(&["logs", &id]);
    for said in ["which port?", "goes on from attempt 1"] {
        assert!(logs.out.contains(said), "{said}: {}", logs.out);
    }
    assert!(running.stop().success());
}

#[test]
fn a_task_that_waits_for_an_answer_can_be_canceled_and_then_takes_none() {
    let (place, _running) = up();
    let id = place.submit(&["serve it"]);
    place.until_status(&id, "WaitingForInput");
    assert_eq!(place.run(&["cancel", &id]).code, 0);
    place.until_status(&id, "Canceled");
    place.run(&["answer", &id, "80"]).fails(7, &["has ended"]);
}

#[test]
fn what_is_not_asked_or_not_hers_is_not_answered() {
    let (place, _running) = up();
    let id = place.submit(&["serve it"]);
    place.until_status(&id, "WaitingForInput");
    let token = place.json(&[
        "token",
        "create",
        "--user",
        "bob@example.com",
        "--role",
        "user",
    ]);
    let file = place.path().join("bob");
    std::fs::write(&file, token["token"].as_str().unwrap()).unwrap();
    let file = file.display().to_string();
    place
        .run(&["answer", &id, "80", "--token-file", &file])
        .fails(6, &[]);
    place.run(&["answer", "ffffffff", "80"]).fails(6, &[]);
    let task = place.json(&["show", &id]);
    assert_eq!(task["status"], "WaitingForInput");
}

#[test]
fn criteria_are_judged_and_rounds_are_bounded_by_the_one_who_files() {
    let (place, _running) = up();
    let submit = |more: &[&str]| {
        let mut args = vec![
            "submit",
            "do it",
            "--agent",
            "judged",
            "--criteria",
            "it works",
            "--wait",
            "--json",
        ];
        args.extend(more);
        let ran = place.run(&args);
        let task: Value = serde_json::from_str(&ran.out).unwrap();
        (ran.code, task)
    };
    let (code, task) = submit(&[]);
    assert_eq!((code, task["result"].as_str().unwrap()), (0, "round 2\n"));
    let (code, task) = submit(&["--rounds", "1"]);
    assert_eq!(
        (code, task["reason"].as_str().unwrap()),
        (1, "not-verified")
    );
    let refused = place.run(&["submit", "do it", "--rounds", "2"]);
    assert_eq!(refused.code, 2, "{}", refused.err);
}
