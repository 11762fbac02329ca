//! Running the real binary in a folder of its own, and ending what was started.
#![expect(
    dead_code,
    reason = "every test file is a crate of its own and uses a part of this"
)]

mod rooms;
mod wait;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) use wait::until;

/// A folder with its own home, in which the program is run.
pub(crate) struct Place {
    dir: TempDir,
}

/// What a finished command left.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// With this configuration.
    pub(crate) fn with_config(text: &str) -> Self {
        let place = Self::new();
        std::fs::write(place.path().join("shraga.toml"), text).unwrap();
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join(".shraga")
    }

    /// The program, in this folder, with nothing of the environment that could configure it.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shraga"));
        command
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "PATH"))
            .env("HOME", self.path())
            .env("XDG_CONFIG_HOME", self.path().join("config"))
            .env("USER", "tester")
            // The program's own work tree is not a test's to fetch.
            .env("SHRAGA_UPDATE_MINUTES", "off")
            // Nor is the metadata service of the machine it runs on a test's to ask.
            .env("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }

    /// Runs and expects success; standard output as JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let mut all = args.to_vec();
        all.push("--json");
        let ran = self.run(&all);
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.err);
        serde_json::from_str(&ran.out).unwrap()
    }

    /// Starts `up`, `serve` or something next to one, and waits until the store accepts requests.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        self.start_with(args, &[])
    }

    /// The same, with more in its environment.
    pub(crate) fn start_with(&self, args: &[&str], env: &[(&str, &Path)]) -> Running {
        let endpoint = self.data().join("endpoint.json");
        if matches!(args, ["up" | "serve", ..]) {
            // One that was killed leaves it behind.
            std::fs::remove_file(&endpoint).ok();
        }
        let running = Running {
            child: self
                .command(args)
                .envs(env.iter().copied())
                .stdout(Stdio::null())
                .stderr(std::fs::File::create(self.path().join("stderr.log")).unwrap())
                .spawn()
                .unwrap(),
        };
        until("the store accepts requests", || endpoint.is_file());
        running
    }

    /// What a store tells about itself in the data folder.
    pub(crate) fn endpoint(&self) -> Value {
        let text = std::fs::read_to_string(self.data().join("endpoint.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// What the running program has said on standard error.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.path().join("stderr.log")).unwrap_or_default()
    }

    /// Files a task and returns its identity.
    pub(crate) fn submit(&self, args: &[&str]) -> String {
        let mut all = vec!["submit"];
        all.extend_from_slice(args);
        self.json(&all)["id"].as_str().unwrap().to_owned()
    }

    /// Waits until the task has this status.
    pub(crate) fn until_status(&self, id: &str, status: &str) -> Value {
        let mut task = Value::Null;
        until(&format!("task {id} is {status}"), || {
            task = self.json(&["show", id]);
            task["status"] == status
        });
        task
    }
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// Expects this exit code and these words on standard error.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "out: {}\nerr: {}", self.out, self.err);
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in: {}", self.err);
        }
    }
}

/// A started program; killed when dropped.
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Asks it to stop, as a service manager would, and waits.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.ask_to_stop();
        self.child.wait().unwrap()
    }

    /// Asks it to stop, and doesn't wait.
    pub(crate) fn ask_to_stop(&self) {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(asked.success());
    }

    /// Kills it without warning.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already, or ended now; either way it is waited for.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
