//! Guarantee 8: git fetch ends within `GIT_TIMEOUT` (60 s) and git show within 10 s, as total deadlines; one that
//! passes leaves no process behind.
#![cfg(unix)]

use serde_json::Value;

use crate::common::Place;
use crate::daemon::{Daemon, run_bounded};
use crate::programs::{Repos, hanging_git, hung, in_front, release, until_gone};

/// Checks the checkout of `repos` with this git; the exit code and what it printed.
fn check(place: &Place, repos: &Repos, path: std::ffi::OsString) -> (i32, Value) {
    let mut command = place.command(&["update", "--check", "--json"]);
    command.current_dir(&repos.checkout).env("PATH", path);
    command.env("GIT_BRANCH", "main").env("GIT_TIMEOUT", "2");
    let ran = run_bounded(command);
    (ran.code, serde_json::from_str(&ran.out).unwrap())
}

#[test]
fn guarantee_08_a_fetch_that_hangs_is_ended_at_its_deadline_with_its_child() {
    let place = Place::new();
    let repos = Repos::at(place.path(), "1.0.0");
    let (code, found) = check(&place, &repos, hanging_git(place.path(), "fetch"));
    assert_eq!(code, 5);
    assert_eq!(found["state"], "timed-out");
    assert_eq!(found["current"], "1.0.0");
    assert_eq!(found["available"], Value::Null);
    until_gone(place.path());
}

#[test]
fn guarantee_08_a_show_that_hangs_is_ended_within_ten_seconds_with_its_child() {
    let place = Place::new();
    let repos = Repos::at(place.path(), "1.0.0");
    let (code, found) = check(&place, &repos, hanging_git(place.path(), "show"));
    assert_eq!(code, 5);
    assert_eq!(found["state"], "timed-out");
    until_gone(place.path());
}

#[test]
fn guarantee_08_git_that_prints_without_end_is_ended_and_fills_no_memory() {
    let place = Place::new();
    let repos = Repos::at(place.path(), "1.0.0");
    let flood = in_front(
        place.path(),
        "git",
        "case \"$1\" in fetch) exec yes;; esac\nexec REAL \"$@\"",
    );
    let (code, found) = check(&place, &repos, flood);
    assert_eq!(code, 5);
    assert_eq!(found["state"], "failed");
}

#[test]
fn guarantee_08_git_that_hangs_keeps_no_task_waiting_and_is_gone_after_a_stop() {
    let place = Place::new();
    let repos = Repos::at(place.path(), "1.0.0");
    release(&repos.origin, "main", "1.1.0");
    let _store = place.start(&["serve"]);
    let path = hanging_git(place.path(), "fetch");
    let mut command = place.command(&["orchestrate"]);
    command
        .env("PATH", path)
        .env("GIT_BRANCH", "main")
        .env("GIT_TIMEOUT", "3600");
    command.env("SHRAGA_UPDATE_MINUTES", "1");
    std::fs::write(
        place.path().join("shraga.toml"),
        "[update]\nrepo = \"checkout\"\n",
    )
    .unwrap();
    let daemon = Daemon::start(&place, command);
    crate::common::until("git hangs", || hung(place.path()).len() >= 2);

    let task = place.submit(&["work"]);
    place.until_status(&task, "Queued");
    assert!(daemon.stop().success());
    until_gone(place.path());
}
