//! Guarantee 2: total deadlines. Every request ends within `REQUEST_TIMEOUT`, whatever the other side does: token,
//! name, connection, TLS, headers and body count together, so a server that drips a byte a second cannot beat it.

use shraga_testkit::evil::{Act, Evil, Options};

use crate::common::Place;
use crate::daemon::run_bounded;
use crate::scene::Scene;

/// A whole answer that would take minutes at a byte a second, longer than any test waits.
fn long_answer() -> (String, String) {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 600\r\n\r\n";
    (head.to_owned(), " ".repeat(600))
}

fn dripping_head() -> Act {
    let (head, body) = long_answer();
    Act::Drip {
        at_once: String::new(),
        slowly: head + &body,
    }
}

#[test]
fn guarantee_02_silence_and_bytes_that_drip_end_a_command_at_the_deadline() {
    let scene = Scene::new();
    scene.ends(
        Act::Hang,
        &["list"],
        5,
        &["no answer within 2s", "REQUEST_TIMEOUT"],
    );
    scene.ends(
        dripping_head(),
        &["list"],
        5,
        &["no answer within 2s", "waiting for an answer"],
    );
    let (at_once, slowly) = long_answer();
    let body = Act::Drip { at_once, slowly };
    scene.ends(
        body,
        &["list"],
        5,
        &["no answer within 2s", "the rest of the answer"],
    );
}

#[test]
fn guarantee_02_a_server_that_never_shakes_hands_ends_a_command_at_the_deadline() {
    let silent = Evil::start(Options::default(), Act::Hang);
    let place = Place::new();
    let mut command = place.command(&["list"]);
    command.env("DATAVERSE_URL", format!("https://{}", silent.address()));
    command
        .env("DATAVERSE_TOKEN", "secret")
        .env("REQUEST_TIMEOUT", "1");
    run_bounded(command).fails(5, &["no answer within 1s", "REQUEST_TIMEOUT"]);
}

#[test]
fn guarantee_02_an_orchestrator_that_gets_no_answer_at_its_start_ends_and_says_so() {
    let scene = Scene::new();
    scene.ends(
        Act::Hang,
        &["orchestrate"],
        5,
        &["no answer within 2s", "REQUEST_TIMEOUT"],
    );
}

#[test]
fn guarantee_02_a_running_orchestrator_leaves_a_silent_server_at_the_deadline() {
    let words = [
        "timeout: no answer within 2s (waiting for an answer)",
        "REQUEST_TIMEOUT",
    ];
    Scene::new().outlasts(Act::Hang, &words);
}

#[test]
fn guarantee_02_a_running_orchestrator_leaves_a_dripping_head_at_the_deadline() {
    let words = [
        "timeout: no answer within 2s (waiting for an answer)",
        "REQUEST_TIMEOUT",
    ];
    Scene::new().outlasts(dripping_head(), &words);
}

#[test]
fn guarantee_02_a_running_orchestrator_leaves_a_dripping_body_at_the_deadline() {
    let words = [
        "timeout: no answer within 2s (waiting for the rest of the answer)",
        "REQUEST_TIMEOUT",
    ];
    Scene::new().outlasts(Act::DripBody, &words);
}

#[test]
fn guarantee_02_a_stop_does_not_wait_for_a_server_that_is_silent() {
    let scene = Scene::new();
    let mut daemon = scene.orchestrate();
    scene.evil.always(Act::Hang);
    scene.place.submit(&["meanwhile"]);
    daemon.until_said(&["timeout: no answer"]);
    assert!(daemon.stop().success());
}
