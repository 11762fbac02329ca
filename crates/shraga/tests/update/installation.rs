//! A remote, a checkout of it and an installation, for the real binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{Place, Ran};

/// A remote whose versions are shell scripts, a checkout of it and an installation.
pub(crate) struct Installation {
    pub(crate) place: Place,
}

impl Installation {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// With more settings of `[update]`.
    pub(crate) fn with(settings: &str) -> Self {
        let installation = Self {
            place: Place::with_config(&format!(
                "[update]\nrepo = \"checkout\"\nroot = \"root\"\nbranch = \"main\"\n\
                 build = [\"sh\", \"build.sh\"]\n{settings}",
            )),
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

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// A version of the branch, with something that is done first when it is built.
    pub(crate) fn release(&self, version: &str, build: &str) {
        self.release_doing(version, build, "");
    }

    /// The same, whose program does this after it has said its version.
    pub(crate) fn release_doing(&self, version: &str, build: &str, program: &str) {
        let origin = self.path("origin");
        let program = format!("#!/bin/sh\necho shraga {version}\n{program}");
        let make = "mkdir -p \"$CARGO_TARGET_DIR/release\"; cp program \"$CARGO_TARGET_DIR/release/shraga\"; \
                    chmod 755 \"$CARGO_TARGET_DIR/release/shraga\"";
        fs::write(origin.join("build.sh"), format!("{build}\n{make}\n")).unwrap();
        fs::write(origin.join("program"), program).unwrap();
        fs::write(origin.join("VERSION"), format!("{version}\n")).unwrap();
        git(&origin, &["add", "--all"]);
        git(&origin, &["commit", "--quiet", "--message", version]);
    }

    pub(crate) fn update(&self, args: &[&str]) -> Ran {
        let mut all = vec!["update"];
        all.extend_from_slice(args);
        self.place.run(&all)
    }

    /// What the program that is in use says of itself.
    pub(crate) fn says(&self) -> String {
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
