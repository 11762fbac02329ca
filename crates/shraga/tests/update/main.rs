//! `shraga update`: taking a version into use through the real binary, also one that is killed meanwhile.
#![cfg(unix)]

#[cfg(test)]
#[path = "../common/mod.rs"]
mod common;
// Who lives is read from `/proc`.
#[cfg(test)]
#[cfg(target_os = "linux")]
mod cut_short;
#[cfg(test)]
mod installation;
#[cfg(test)]
mod prebuilt;

use std::fs;
use std::process::Stdio;

use common::{Place, until};
use installation::Installation;
use serde_json::Value;

#[test]
fn a_version_is_taken_gone_back_from_and_taken_again_only_by_name() {
    let installation = Installation::new();
    let ran = installation.update(&["--now", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(told["changed"], true);
    assert_eq!(told["before"], Value::Null);
    installation.release("1.1.0", "");
    let ran = installation.update(&["--check"]);
    assert!(
        ran.out.contains("version 1.1.0 is available"),
        "{}",
        ran.out
    );
    assert!(ran.err.contains("shraga update --now"), "{}", ran.err);
    assert_eq!(installation.update(&["--now"]).code, 0);
    assert_eq!(installation.says(), "shraga 1.1.0\n");

    let ran = installation.update(&["--rollback"]);
    assert!(ran.out.contains("1.0.0-"), "{} {}", ran.out, ran.err);
    assert_eq!(installation.says(), "shraga 1.0.0\n");
    let again = installation.update(&["--now"]);
    again.fails(1, &["somebody went back from it", "--to"]);
    assert_eq!(installation.update(&["--now", "--to", "1.1.0"]).code, 0);
    assert_eq!(installation.says(), "shraga 1.1.0\n");
    let other = installation.update(&["--now", "--to", "9.0.0"]);
    other.fails(6, &["there is no version 9.0.0"]);
}

#[test]
fn an_update_that_is_killed_while_it_builds_changes_nothing_and_is_done_again() {
    let installation = Installation::new();
    assert_eq!(installation.update(&["--now"]).code, 0);
    let (began, go) = (installation.path("began"), installation.path("go"));
    let build = format!(
        "touch {}; while [ ! -e {} ]; do sleep 0.05; done",
        began.display(),
        go.display()
    );
    installation.release("1.1.0", &build);
    let mut updating = installation
        .place
        .command(&["update", "--now"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("it builds", || began.exists());
    let second = installation.update(&["--now"]);
    second.fails(7, &["another update is under way"]);
    updating.kill().unwrap();
    updating.wait().unwrap();
    assert_eq!(installation.says(), "shraga 1.0.0\n");

    fs::write(&go, "").unwrap();
    let ran = installation.update(&["--now"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(installation.says(), "shraga 1.1.0\n");
}

#[test]
fn a_program_of_no_installation_says_what_to_name() {
    let place = Place::new();
    for verb in ["--now", "--rollback"] {
        place.run(&["update", verb]).fails(3, &["--root"]);
    }
    place.run(&["update"]).fails(2, &["--check"]);
    place
        .run(&["update", "--check", "--to", "1.0.0"])
        .fails(2, &["--check"]);
}
