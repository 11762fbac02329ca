//! `shraga update`: taking a version into use through the real binary, also one that is killed meanwhile.
#![cfg(unix)]

#[cfg(test)]
mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Place, Ran, until};
use serde_json::Value;

/// A remote whose versions are shell scripts, a checkout of it and an installation.
struct Installation {
    place: Place,
}

impl Installation {
    fn new() -> Self {
        let installation = Self {
            place: Place::with_config(
                "[update]\nrepo = \"checkout\"\nroot = \"root\"\nbranch = \"main\"\n\
                 build = [\"sh\", \"build.sh\"]\n",
            ),
        };
        fs::create_dir(installation.path("origin")).unwrap();
        git(
            &installation.path("origin"),
            &["init", "--quiet", "--initial-branch=main"],
        );
        installation.release("1.0.0", "");
        let path = installation.place.path();
        git(path, &["clone", "--quiet", "origin", "checkout"]);
        installation
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// A version of the branch, with something that is done first when it is built.
    fn release(&self, version: &str, build: &str) {
        let origin = self.path("origin");
        let program = format!("#!/bin/sh\necho shraga {version}\n");
        let make = "mkdir -p \"$CARGO_TARGET_DIR/release\"; cp program \"$CARGO_TARGET_DIR/release/shraga\"; \
                    chmod 755 \"$CARGO_TARGET_DIR/release/shraga\"";
        fs::write(origin.join("build.sh"), format!("{build}\n{make}\n")).unwrap();
        fs::write(origin.join("program"), program).unwrap();
        fs::write(origin.join("VERSION"), format!("{version}\n")).unwrap();
        git(&origin, &["add", "--all"]);
        git(&origin, &["commit", "--quiet", "--message", version]);
    }

    fn update(&self, args: &[&str]) -> Ran {
        let mut all = vec!["update"];
        all.extend_from_slice(args);
        self.place.run(&all)
    }

    /// What the program that is in use says of itself.
    fn says(&self) -> String {
        let program = self.path("root/current/shraga");
        let run = ["-c", "exec \"$0\"", program.to_str().unwrap()];
        let said = Command::new("sh").args(run).output().unwrap();
        String::from_utf8(said.stdout).unwrap()
    }
}

fn git(dir: &Path, args: &[&str]) {
    let done = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "git {args:?}: {said}");
}

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
