//! Guarantee 10: `GIT_BRANCH` decides what is compared, whatever branch is checked out, and is never taken for an
//! option of git's.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::common::Place;
use crate::daemon::{Daemon, run_bounded};
use crate::programs::{Repos, git, release};

/// What `update --check` says about the checkout, with its exit code.
fn check(place: &Place, repos: &Repos, branch: &str) -> (i32, Value) {
    let mut command = place.command(&["update", "--check", "--json"]);
    command
        .current_dir(&repos.checkout)
        .env("GIT_BRANCH", branch);
    let ran = run_bounded(command);
    let found = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.err));
    (ran.code, found)
}

/// What it found as one tuple: exit code, state, current and available version.
fn found(place: &Place, repos: &Repos, branch: &str) -> (i32, String, String, Option<String>) {
    let (code, found) = check(place, repos, branch);
    let text = |key: &str| found[key].as_str().map(str::to_owned);
    let state = text("state").unwrap();
    (code, state, text("current").unwrap(), text("available"))
}

fn tells(code: i32, state: &str, available: Option<&str>) -> (i32, String, String, Option<String>) {
    let available = available.map(str::to_owned);
    (code, state.to_owned(), "1.0.0".to_owned(), available)
}

#[test]
fn guarantee_10_the_branch_that_is_set_is_compared_whatever_is_checked_out() {
    let place = Place::new();
    let repos = Repos::at(place.path(), "1.0.0");
    release(&repos.origin, "stable", "1.1.0");
    release(&repos.origin, "main", "2.0.0");
    git(&repos.checkout, &["checkout", "--quiet", "-b", "mine"]);
    assert_eq!(
        found(&place, &repos, "stable"),
        tells(0, "available", Some("1.1.0"))
    );
    assert_eq!(
        found(&place, &repos, "main"),
        tells(0, "available", Some("2.0.0"))
    );
}

#[test]
fn guarantee_10_only_a_newer_version_is_available() {
    let place = Place::new();
    let repos = Repos::at(place.path(), "1.0.0");
    assert_eq!(
        found(&place, &repos, "main"),
        tells(0, "up-to-date", Some("1.0.0"))
    );
    release(&repos.origin, "main", "0.99.0");
    assert_eq!(
        found(&place, &repos, "main"),
        tells(0, "up-to-date", Some("0.99.0"))
    );
    release(&repos.origin, "main", "1.0.10");
    assert_eq!(
        found(&place, &repos, "main"),
        tells(0, "available", Some("1.0.10"))
    );
}

#[test]
fn guarantee_10_a_checkout_that_cannot_take_the_newer_version_says_why() {
    let place = Place::new();
    let repos = Repos::at(place.path(), "1.0.0");
    release(&repos.origin, "main", "1.1.0");
    fs::write(repos.checkout.join("VERSION"), "edited\n").unwrap();
    assert_eq!(
        found(&place, &repos, "main"),
        tells(0, "dirty", Some("1.1.0"))
    );

    git(&repos.checkout, &["checkout", "--quiet", "VERSION"]);
    fs::write(repos.checkout.join("own"), "").unwrap();
    git(&repos.checkout, &["add", "own"]);
    git(&repos.checkout, &["commit", "--quiet", "-m", "own work"]);
    assert_eq!(
        found(&place, &repos, "main"),
        tells(0, "diverged", Some("1.1.0"))
    );

    git(&repos.checkout, &["checkout", "--quiet", "--detach"]);
    assert_eq!(
        found(&place, &repos, "main"),
        tells(0, "detached", Some("1.1.0"))
    );
}

#[test]
fn guarantee_10_what_is_missing_is_named_and_never_taken_for_something_newer() {
    let place = Place::new();
    let repos = Repos::at(place.path(), "1.0.0");
    assert_eq!(
        found(&place, &repos, "nowhere"),
        tells(6, "missing-branch", None)
    );
    release(&repos.origin, "odd", "see the wiki");
    assert_eq!(found(&place, &repos, "odd"), tells(1, "bad-version", None));
    git(&repos.origin, &["checkout", "--quiet", "-b", "bare"]);
    git(&repos.origin, &["rm", "--quiet", "VERSION"]);
    git(&repos.origin, &["commit", "--quiet", "-m", "none"]);
    assert_eq!(
        found(&place, &repos, "bare"),
        tells(6, "missing-version", None)
    );

    fs::rename(&repos.origin, place.path().join("away")).unwrap();
    assert_eq!(found(&place, &repos, "main"), tells(5, "failed", None));
    git(&repos.checkout, &["remote", "remove", "origin"]);
    assert_eq!(
        found(&place, &repos, "main"),
        tells(6, "missing-remote", None)
    );

    let nowhere = place.path().join("nowhere");
    let ran = place.run(&["update", "--check", "--repo", nowhere.to_str().unwrap()]);
    ran.fails(3, &["no git checkout", "hint"]);
}

#[test]
fn guarantee_10_a_branch_is_never_taken_for_an_option_or_a_pattern() {
    let place = Place::new();
    let repos = Repos::at(place.path(), "1.0.0");
    for branch in [
        "--upload-pack=touch pwned",
        "-u touch",
        "main:other",
        "*",
        "../x",
        "a b",
    ] {
        assert_eq!(
            found(&place, &repos, branch),
            (3, "bad-branch".to_owned(), "0.1.0".to_owned(), None)
        );
    }
    assert!(!repos.checkout.join("pwned").exists());
}

#[test]
fn guarantee_10_nothing_that_the_checkout_names_is_run_by_a_check() {
    let place = Place::new();
    let repos = Repos::at(place.path(), "1.0.0");
    release(&repos.origin, "main", "1.1.0");
    let trap = repos.checkout.join(".git/hooks/reference-transaction");
    let ran = place.path().join("ran");
    fs::write(&trap, format!("#!/bin/sh\ntouch {}\n", ran.display())).unwrap();
    fs::set_permissions(&trap, fs::Permissions::from_mode(0o755)).unwrap();
    let trap = trap.to_str().unwrap();
    for setting in [
        "core.fsmonitor",
        "core.sshCommand",
        "core.alternateRefsCommand",
        "credential.helper",
        "diff.external",
        "filter.trap.clean",
        "filter.two words.process",
        "gpg.program",
        "remote.origin.uploadpack",
    ] {
        git(&repos.checkout, &["config", setting, trap]);
    }
    git(&repos.checkout, &["config", "filter.trap.required", "true"]);
    let inside = repos.checkout.join(".git");
    fs::write(inside.join("info/attributes"), "* filter=trap\n").unwrap();
    let others = format!("{}\n", repos.origin.join(".git/objects").display());
    fs::write(inside.join("objects/info/alternates"), others).unwrap();
    // As old as this it has to be read anew, through the filter.
    let file = fs::File::open(repos.checkout.join("VERSION")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(
        found(&place, &repos, "main"),
        tells(0, "available", Some("1.1.0"))
    );
    assert!(!ran.exists());
    assert_eq!(
        found(&place, &repos, "nowhere"),
        tells(6, "missing-branch", None)
    );
    assert!(!ran.exists());
}

#[test]
fn guarantee_10_a_folder_of_a_checkout_that_looks_like_a_repository_is_none() {
    let place = Place::new();
    let repos = Repos::at(place.path(), "1.0.0");
    let inner = repos.checkout.join("inner");
    let (from, to) = (repos.origin.display(), inner.display());
    git(
        place.path(),
        &[
            "clone",
            "--quiet",
            "--bare",
            &from.to_string(),
            &to.to_string(),
        ],
    );
    git(&inner, &["config", "core.bare", "false"]);
    git(
        &inner,
        &[
            "config",
            "core.worktree",
            &repos.checkout.display().to_string(),
        ],
    );
    let ran = place.run(&["update", "--check", "--repo", inner.to_str().unwrap()]);
    ran.fails(3, &["no git checkout"]);
}

#[test]
fn guarantee_10_a_clone_without_all_objects_is_compared_like_any_other() {
    let place = Place::new();
    let mut repos = Repos::at(place.path(), "1.0.0");
    git(&repos.origin, &["config", "uploadpack.allowFilter", "true"]);
    repos.checkout = place.path().join("partial");
    let from = format!("file://{}", repos.origin.display());
    let to = repos.checkout.display().to_string();
    git(
        place.path(),
        &["clone", "--quiet", "--filter=blob:none", &from, &to],
    );
    release(&repos.origin, "main", "1.1.0");
    assert_eq!(
        found(&place, &repos, "main"),
        tells(0, "available", Some("1.1.0"))
    );
}

#[test]
fn guarantee_10_the_orchestrator_says_once_what_is_available_and_on_which_branch() {
    let place = Place::with_config("[update]\nrepo = \"checkout\"\nbranch = \"stable\"\n");
    let repos = Repos::at(place.path(), "1.0.0");
    release(&repos.origin, "stable", "1.1.0");
    let _store = place.start(&["serve"]);
    let mut daemon = Daemon::orchestrate(&place, &[("SHRAGA_UPDATE_MINUTES", "1")]);
    daemon.until_said(&[
        "version 1.1.0 is available on stable, this is 1.0.0",
        "merge it with git",
    ]);
    let task = place.submit(&["work"]);
    place.until_status(&task, "Queued");
    assert_eq!(daemon.count("is available on"), 1);
    assert!(daemon.stop().success());
}
