//! Guarantee 19: a fatal error prints its whole cause chain (and a backtrace when asked) and ends with a documented
//! exit code that is never 0.

use shraga_testkit::evil::Act;

use crate::common::Place;
use crate::daemon::run_bounded;
use crate::scene::Scene;

#[test]
fn guarantee_19_a_fatal_error_has_its_whole_chain_a_hint_and_a_documented_code() {
    let scene = Scene::new();
    scene.evil.refuse();
    let ran = run_bounded(scene.command(&["orchestrate"]));
    // What was done, what failed, why, and what the system said: outermost first.
    let chain = [
        "error: can't talk to the store at http://127.0.0.1",
        ": could not connect to 127.0.0.1",
        "refused",
    ];
    ran.fails(5, &chain);
    ran.fails(5, &["hint:"]);
    let line = ran
        .err
        .lines()
        .find(|line| line.starts_with("error: "))
        .unwrap();
    let at = chain.map(|part| line.find(part).unwrap());
    assert!(at.is_sorted(), "{line}");
    assert!(
        !ran.err.contains("stack backtrace") && !line.contains("   0:"),
        "{}",
        ran.err
    );
    let help = scene.place.run(&["--help"]).out;
    assert!(help.contains("5 unreachable"), "{help}");
}

#[test]
fn guarantee_19_a_backtrace_is_shown_when_it_is_asked_for() {
    let place = Place::new();
    let mut command = place.command(&["list"]);
    command.env("RUST_BACKTRACE", "1");
    let ran = run_bounded(command);
    ran.fails(3, &["error: ", "hint:", "   0: "]);
    let help = place.run(&["--help"]).out;
    assert!(help.contains("RUST_BACKTRACE=1"), "{help}");
}

#[test]
fn guarantee_19_no_fatal_error_of_a_daemon_ends_with_code_0() {
    let place = Place::new();
    assert_eq!(place.run(&["orchestrate"]).code, 3, "nothing is configured");
    assert_eq!(place.run(&["worker"]).code, 3, "no agent is configured");
    assert_eq!(place.run(&["--config", "nowhere", "orchestrate"]).code, 3);
    assert_eq!(place.run(&["orchestrate", "--frobnicate"]).code, 2);
    let scene = Scene::new();
    scene.ends(
        Act::Close,
        &["orchestrate"],
        5,
        &["broke before the answer was complete"],
    );
}

#[test]
fn guarantee_19_a_fatal_error_shows_no_secret() {
    let scene = Scene::new();
    scene.evil.always(Act::Close);
    let mut command = scene.command(&["orchestrate"]);
    command
        .env("RUST_BACKTRACE", "1")
        .env("SHRAGA_LOG", "trace");
    let ran = run_bounded(command);
    ran.fails(5, &["error: "]);
    let token = scene.admin_token();
    assert!(
        !ran.err.contains(&token) && !ran.out.contains(&token),
        "the token is shown"
    );
}
