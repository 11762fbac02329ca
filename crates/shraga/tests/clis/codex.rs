//! The Codex CLI of `OpenAI`. A custom provider leads it to loopback, since `OPENAI_BASE_URL` alone makes it
//! try a web socket first.

use serde_json::json;
use shraga_testkit::model::Turn;

use crate::scene::{Scene, program};

fn config() -> String {
    let program = program("SHRAGA_TEST_CODEX");
    format!(
        "[agents.codex]\nkind = \"codex\"\nmodel = \"gpt-5-codex\"\nsandbox = \"danger-full-access\"\n\
         program = [{program:?}, \"-c\", \"model_provider=loop\", \"-c\", '''model_providers.loop={{\
         name=\"loop\",base_url=\"MODEL/v1\",env_key=\"OPENAI_API_KEY\",wire_api=\"responses\",\
         request_max_retries=0,stream_max_retries=0}}''']\nenv = [\"OPENAI_API_KEY\"]\n"
    )
}

#[test]
#[ignore = "needs Codex: cargo xtask interop --only codex"]
fn a_tool_call_changes_a_file() {
    let command = json!({"cmd": "echo made > made && cat made"});
    let turns = [Turn::call("exec_command", command), Turn::say("all done")];
    let scene = Scene::new(&config(), turns);
    let task = scene.task(&["make it"], "Completed");
    assert_eq!(task["result"], "all done");
    let said = scene.until_said(task["id"].as_str().unwrap(), "all done");
    assert!(said.contains("> shell: "), "{said}");
    assert!(scene.request(0).contains("make it"));
    assert!(scene.request(1).contains("made"));
}

#[test]
#[ignore = "needs Codex: cargo xtask interop --only codex"]
fn a_rate_limit_puts_the_task_off_and_a_bad_key_becomes_a_question() {
    let limited = Turn::refuse(429, "rate_limit_exceeded", "Rate limit reached for gpt-5.");
    let scene = Scene::new(&config(), [limited]);
    let id = scene.place.submit(&["x"]);
    scene.until_why(&id, "rate-limited");
    scene.model.then([Turn::refuse(
        401,
        "invalid_request_error",
        "Incorrect API key provided",
    )]);
    scene.task(&["y"], "WaitingForInput");
}

#[test]
#[ignore = "needs Codex: cargo xtask interop --only codex"]
fn a_task_is_canceled_in_mid_answer() {
    let scene = Scene::new(&config(), [Turn::hang("thinking")]);
    let id = scene.place.submit(&["x"]);
    scene.until_said(&id, "[Codex");
    assert_eq!(scene.place.run(&["cancel", &id]).code, 0);
    scene.place.until_status(&id, "Canceled");
}

#[test]
#[ignore = "needs Codex: cargo xtask interop --only codex"]
fn a_question_is_answered_in_the_same_session() {
    let command = json!({"cmd": "echo 'which colour?' > \"$SHRAGA_QUESTION_FILE\""});
    let turns = [
        Turn::call("exec_command", command),
        Turn::say("I asked"),
        Turn::say("painted it blue"),
    ];
    let scene = Scene::new(&config(), turns);
    let task = scene.task(&["paint it"], "WaitingForInput");
    let id = task["id"].as_str().unwrap();
    assert_eq!(scene.place.run(&["answer", id, "blue"]).code, 0);
    let task = scene.place.until_status(id, "Completed");
    assert_eq!(task["result"], "painted it blue");
    let last = scene.request(2);
    for earlier in ["paint it", "I asked", "blue"] {
        assert!(last.contains(earlier), "{earlier:?} is not in {last}");
    }
}
