//! Claude Code.

use serde_json::json;
use shraga_testkit::model::Turn;

use crate::scene::{Scene, program};

fn config(more: &str) -> String {
    let program = program("SHRAGA_TEST_CLAUDE");
    format!(
        "[agents.claude]\nkind = \"claude\"\nprogram = [{program:?}]\n\
         env = [\"ANTHROPIC_BASE_URL\", \"ANTHROPIC_API_KEY\", \"CLAUDE_CODE_MAX_RETRIES\", \
         \"GIT_AUTHOR_NAME\", \"GIT_AUTHOR_EMAIL\", \"GIT_COMMITTER_NAME\", \"GIT_COMMITTER_EMAIL\"]\n\
         allowed_tools = [\"Bash(git:*)\", \"Bash(touch:*)\"]\nresult_grace_seconds = 2\n{more}\n"
    )
}

fn bash(command: &str) -> Turn {
    Turn::call("Bash", json!({"command": command, "description": "x"}))
}

fn work_folder(task: &serde_json::Value, scene: &Scene) -> std::path::PathBuf {
    let id = task["id"].as_str().unwrap();
    let workers = std::fs::read_dir(scene.place.data().join("work")).unwrap();
    let found = workers.flatten().map(|worker| {
        let tasks = worker.path().join("tasks");
        tasks.join(id).join("attempt-1").join("work")
    });
    found
        .filter(|path| path.is_dir())
        .last()
        .expect("it has worked")
}

#[test]
#[ignore = "needs Claude Code: cargo xtask interop --only claude"]
fn a_tool_call_changes_a_file_and_commits_over_several_turns() {
    let turns = [
        bash("touch made"),
        bash("git init -q ."),
        bash("git add made"),
        bash("git commit -q -m 'made it'"),
        Turn::say("all done"),
    ];
    let scene = Scene::new(&config(""), turns);
    let task = scene.task(&["make it"], "Completed");
    assert_eq!(task["result"], "all done");
    assert_eq!(task["cost_usd"].as_f64().map(|cost| cost > 0.0), Some(true));
    let work = work_folder(&task, &scene);
    let log = std::process::Command::new("git")
        .args(["log", "--format=%s"])
        .current_dir(&work)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(log.stdout).unwrap(), "made it\n");
    let said = scene.until_said(task["id"].as_str().unwrap(), "all done");
    assert!(said.contains("> Bash: git add made"), "{said}");
    assert!(scene.request(0).contains("make it"));
    assert_eq!(scene.model.seen().len(), 5);
}

#[test]
#[ignore = "needs Claude Code: cargo xtask interop --only claude"]
fn a_rate_limit_puts_the_task_off_without_counting() {
    let limited =
        Turn::refuse(429, "rate_limit_error", "too many").with_header("retry-after", 7200);
    let scene = Scene::new(&config(""), [limited]);
    let id = scene.place.submit(&["x"]);
    let why = scene.until_why(&id, "rate-limited");
    assert!(!why.contains("too-many-losses"), "{why}");
    assert_eq!(scene.model.seen().len(), 1, "it was tried again at once");
}

#[test]
#[ignore = "needs Claude Code: cargo xtask interop --only claude"]
fn an_overloaded_model_puts_the_task_off_too() {
    let scene = Scene::new(
        &config(""),
        [Turn::refuse(529, "overloaded_error", "Overloaded")],
    );
    let id = scene.place.submit(&["x"]);
    scene.until_why(&id, "model-overloaded");
}

#[test]
#[ignore = "needs Claude Code: cargo xtask interop --only claude"]
fn a_stream_that_stops_is_ended_and_the_task_is_tried_again() {
    let turns = [Turn::hang("I was about to"), Turn::say("second time lucky")];
    let scene = Scene::new(&config("silence_seconds = 15"), turns);
    let task = scene.task(&["x"], "Completed");
    assert_eq!(task["attempt"], 2);
    assert_eq!(task["result"], "second time lucky");
}

#[test]
#[ignore = "needs Claude Code: cargo xtask interop --only claude"]
fn turns_beyond_the_limit_fail_the_task() {
    let scene = Scene::new(&config("max_turns = 2"), [bash("touch again")]);
    let task = scene.task(&["x"], "Failed");
    assert_eq!(task["reason"], "budget-turns");
}

#[test]
#[ignore = "needs Claude Code: cargo xtask interop --only claude"]
fn a_task_is_canceled_in_mid_answer_and_nothing_is_left_running() {
    let scene = Scene::new(&config(""), [Turn::hang("thinking")]);
    let id = scene.place.submit(&["x"]);
    scene.until_said(&id, "[Claude Code");
    assert_eq!(scene.place.run(&["cancel", &id]).code, 0);
    scene.place.until_status(&id, "Canceled");
    let home = scene.place.path().display().to_string();
    let left = std::process::Command::new("pgrep")
        .args(["-f", &format!("stream-json.*{home}")])
        .output();
    assert_eq!(String::from_utf8(left.unwrap().stdout).unwrap(), "");
}

#[test]
#[ignore = "needs Claude Code: cargo xtask interop --only claude"]
fn a_refused_permission_becomes_a_question_and_the_answer_goes_on_in_the_same_session() {
    let turns = [
        bash("curl http://127.0.0.1:1/"),
        Turn::say("I may not"),
        Turn::say("done without"),
    ];
    let scene = Scene::new(&config(""), turns);
    let task = scene.task(&["fetch it"], "WaitingForInput");
    let id = task["id"].as_str().unwrap();
    let shown = scene.place.run(&["show", id]).out;
    assert!(shown.contains("Bash(curl http://127.0.0.1:1/)"), "{shown}");
    assert_eq!(scene.place.run(&["answer", id, "leave it out"]).code, 0);
    let task = scene.place.until_status(id, "Completed");
    assert_eq!(task["result"], "done without");
    let last = scene.request(2);
    assert!(last.contains("leave it out"), "{last}");
    assert!(
        last.contains("toolu_1"),
        "the session was not resumed: {last}"
    );
}

#[test]
#[ignore = "needs Claude Code: cargo xtask interop --only claude"]
fn a_key_that_is_not_accepted_becomes_a_question() {
    let scene = Scene::new(
        &config(""),
        [Turn::refuse(
            401,
            "authentication_error",
            "invalid x-api-key",
        )],
    );
    let task = scene.task(&["x"], "WaitingForInput");
    let shown = scene.place.run(&["show", task["id"].as_str().unwrap()]).out;
    assert!(shown.contains("not signed in"), "{shown}");
}

#[test]
#[ignore = "needs Claude Code: cargo xtask interop --only claude"]
fn a_conversation_that_no_longer_fits_fails_the_task_by_name() {
    let words = "prompt is too long: 210000 tokens > 200000 maximum";
    let scene = Scene::new(
        &config(""),
        [Turn::refuse(400, "invalid_request_error", words)],
    );
    let task = scene.task(&["x"], "Failed");
    assert_eq!(task["reason"], "context-full");
}

#[test]
#[ignore = "needs Claude Code: cargo xtask interop --only claude"]
fn another_agent_stands_in_for_one_that_is_used_up() {
    let more = "fallback = [\"other\"]\n[agents.other]\nkind = \"command\"\nprogram = [\"cat\"]\n[worker]\nagent = \"claude\"";
    let limited =
        Turn::refuse(429, "rate_limit_error", "too many").with_header("retry-after", 7200);
    let scene = Scene::new(&config(more), [limited]);
    let task = scene.task(&["to be echoed"], "Completed");
    assert!(task["result"].as_str().unwrap().contains("to be echoed"));
    scene.until_said(task["id"].as_str().unwrap(), "`other` stands in");
}

#[test]
#[ignore = "needs Claude Code: cargo xtask interop --only claude"]
fn a_child_that_outlives_the_result_does_not_hold_the_slot() {
    // The program starts its tools in sessions of their own, so this child is nobody's to end.
    let child = "sleep 600 & echo $! > ../child";
    let config = config("").replace("\"Bash(git:*)\"", "\"Bash\"");
    let scene = Scene::new(&config, [bash(child), Turn::say("done")]);
    let task = scene.task(&["x"], "Completed");
    let child = work_folder(&task, &scene).parent().unwrap().join("child");
    let child = std::fs::read_to_string(child).unwrap();
    // Gone already, or ended now.
    std::process::Command::new("kill")
        .arg(child.trim())
        .status()
        .unwrap();
}

/// With every command of the shell allowed.
fn open_config(more: &str) -> String {
    config(more).replace("\"Bash(git:*)\"", "\"Bash\"")
}

#[test]
#[ignore = "needs Claude Code: cargo xtask interop --only claude"]
fn a_question_of_the_agents_own_is_answered_in_the_same_session() {
    let turns = [
        bash("echo 'which colour?' > \"$SHRAGA_QUESTION_FILE\""),
        Turn::say("I asked"),
        Turn::say("painted it blue"),
    ];
    let scene = Scene::new(&open_config(""), turns);
    let task = scene.task(&["paint it"], "WaitingForInput");
    let id = task["id"].as_str().unwrap();
    let shown = scene.place.run(&["show", id]).out;
    assert!(shown.contains("which colour?"), "{shown}");
    assert_eq!(scene.place.run(&["answer", id, "blue"]).code, 0);
    let task = scene.place.until_status(id, "Completed");
    assert_eq!(task["result"], "painted it blue");
    assert_eq!(scene.model.seen().len(), 3);
    let last = scene.request(2);
    for earlier in ["paint it", "toolu_1", "I asked", "blue"] {
        assert!(last.contains(earlier), "{earlier:?} is not in {last}");
    }
}

#[test]
#[ignore = "needs Claude Code: cargo xtask interop --only claude"]
fn a_verdict_by_schema_sends_the_work_back_until_it_holds() {
    let verdict = |verdict: &str, feedback: &str| {
        let answer = json!({"verdict": verdict, "feedback": feedback});
        Turn::call("StructuredOutput", answer)
    };
    let turns = [
        Turn::say("I think it is done"),
        verdict("fail", "there is no file called made"),
        bash("touch made"),
        Turn::say("now it is there"),
        verdict("pass", "it is there"),
    ];
    let scene = Scene::new(&open_config("[worker]\nsummaries = \"never\""), turns);
    let task = scene.task(
        &["make it", "--criteria", "a file called made"],
        "Completed",
    );
    assert_eq!(task["result"], "now it is there");
    assert_eq!(task["attempt"], 1);
    assert_eq!(
        (
            &task["output"]["verdict"]["pass"],
            &task["output"]["verdict"]["rounds"]
        ),
        (&json!(true), &json!(2))
    );
    assert_eq!(scene.model.seen().len(), 5);
    // The verifier is told what to judge, in a session that does not hear what the worker said of itself.
    let verifies = scene.request(1);
    assert!(verifies.contains("a file called made") && verifies.contains("StructuredOutput"));
    assert!(!verifies.contains("I think it is done"), "{verifies}");
    // The worker goes on in its own session, with what was found missing.
    let again = scene.request(2);
    assert!(again.contains("I think it is done"), "{again}");
    assert!(again.contains("there is no file called made"), "{again}");
}

#[test]
#[ignore = "needs Claude Code: cargo xtask interop --only claude"]
fn what_it_commits_in_a_repository_is_told_as_evidence() {
    let repository = tempfile::tempdir().unwrap();
    let git = |args: &[&str]| {
        let who = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        let mut git = std::process::Command::new("git");
        let git = git.args(who).args(args).current_dir(repository.path());
        assert!(git.status().unwrap().success());
    };
    git(&["init", "-q", "-b", "main", "."]);
    git(&["commit", "-q", "--allow-empty", "-m", "first"]);
    let turns = [
        bash("echo hello > new"),
        bash("git add new"),
        bash("git commit -q -m 'say hello'"),
        Turn::say("it is committed"),
    ];
    let path = repository.path().to_str().unwrap();
    let more = format!("[worker]\nrepositories = [{path:?}]");
    let scene = Scene::new(&open_config(&more), turns);
    let task = scene.task(&["say hello", "--repo", path], "Completed");
    let changes = &task["output"]["changes"];
    assert_eq!(changes["commits"][0]["subject"], "say hello", "{changes}");
    assert_eq!(
        (&changes["commit_count"], &changes["unfinished"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(
        changes["files"],
        json!([{"path": "new", "added": 1, "removed": 0}])
    );
}

#[test]
#[ignore = "needs Claude Code: cargo xtask interop --only claude"]
fn it_goes_on_while_its_worker_is_killed_and_nothing_is_asked_of_the_model_twice() {
    let turns = [
        bash("echo begun > begun; until [ -e go ]; do sleep 0.1; done"),
        Turn::say("went on"),
    ];
    let mut scene = Scene::new(&open_config(""), turns);
    let id = scene.place.submit(&["x"]);
    scene.until_said(&id, "> Bash");
    scene.kill_and_start_again();
    let task = scene.place.until_status(&id, "Running");
    std::fs::write(work_folder(&task, &scene).join("go"), "").unwrap();
    let task = scene.place.until_status(&id, "Completed");
    assert_eq!(
        (&task["attempt"], &task["result"]),
        (&json!(1), &json!("went on"))
    );
    assert_eq!(scene.model.seen().len(), 2);
}

/// A tool call that lasts until there is a notice: what was used before it has been counted then. Each
/// turn of the model uses 120 tokens.
fn until_noticed() -> Turn {
    bash("while [ ! -e \"$SHRAGA_NOTICE_FILE\" ]; do sleep 0.1; done")
}

#[test]
#[ignore = "needs Claude Code: cargo xtask interop --only claude"]
fn the_model_is_warned_when_most_of_the_budget_is_used() {
    let mut turns = vec![bash("touch made"); 6];
    turns.extend([until_noticed(), Turn::say("wrapped up")]);
    let scene = Scene::new(&open_config(""), turns);
    let task = scene.task(&["x", "--budget", "1000tokens"], "Completed");
    assert_eq!(task["result"], "wrapped up");
    // What the seventh turn says of its own end may be counted by then, or not yet.
    let warned = "% of this task's budget of tokens is used";
    assert!(!scene.request(6).contains(warned));
    assert!(scene.request(7).contains(warned));
}

#[test]
#[ignore = "needs Claude Code: cargo xtask interop --only claude"]
fn at_its_limit_it_ends_after_the_tool_call_without_another_request() {
    let mut turns = vec![bash("touch made"); 6];
    turns.extend([until_noticed(), bash("touch more"), until_noticed()]);
    turns.push(Turn::say("one request too many"));
    let scene = Scene::new(&open_config(""), turns);
    let task = scene.task(&["x", "--budget", "1000tokens"], "Failed");
    assert_eq!(task["reason"], "budget-tokens");
    assert_eq!(scene.model.seen().len(), 9);
    assert!(work_folder(&task, &scene).join("more").exists());
}
