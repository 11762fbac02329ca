//! The soak's folder: configuration, data, logs and records, and the program run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::process::Command;

use crate::agents::{Kind, SCRIPT};

/// What marks every process of the soak, in its environment.
pub(crate) const MARK: &str = "SHRAGA_SOAK";

/// The shortened times, in seconds.
pub(crate) struct Times;

impl Times {
    /// Between two beats of a worker.
    pub(crate) const BEAT: u32 = 2;
    /// From a suspicion on until a worker counts as dead.
    pub(crate) const CONFIRM: u32 = 12;
    /// For claiming what was assigned.
    pub(crate) const CLAIM: u32 = 10;
    /// Between two looks of the orchestrator.
    pub(crate) const TICK: u32 = 2;
    /// For an agent to end after it was asked to.
    pub(crate) const GRACE: u32 = 2;
    /// For one request.
    pub(crate) const REQUEST: u32 = 5;
}

/// Settings that shorten what would take too long, where this version has them.
const SHORTENED: [(&str, &str, u32); 7] = [
    ("assign", "tick_seconds", Times::TICK),
    ("health", "claim_timeout_seconds", Times::CLAIM),
    ("health", "suspect_seconds", 3 * Times::BEAT),
    ("health", "confirm_seconds", Times::CONFIRM),
    ("store", "request_timeout_seconds", Times::REQUEST),
    ("worker", "beat_seconds", Times::BEAT),
    ("worker", "grace_seconds", Times::GRACE),
];

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    root: PathBuf,
    shraga: PathBuf,
    mark: String,
}

impl Place {
    /// Lays out the folder for `shraga`; asks it which settings it has.
    pub(crate) async fn lay_out(root: &Path, shraga: &Path) -> Result<Self> {
        let root = root.canonicalize()?;
        let mark = root.to_string_lossy().into_owned();
        let shraga = shraga.canonicalize().context("finding the program")?;
        let place = Self { root, shraga, mark };
        fs::create_dir_all(place.records())?;
        fs::write(place.root.join("agent.sh"), SCRIPT)?;
        place.make_repository().await?;
        let settings = place.json(&["config"]).await?;
        let known = |section: &str, key: &str| {
            let path = format!("{section}.{key}");
            let mut all = settings.as_array().into_iter().flatten();
            all.any(|setting| setting["key"] == path.as_str())
        };
        fs::write(place.root.join("shraga.toml"), place.configuration(known))?;
        Ok(place)
    }

    /// A repository with one commit, for those tasks that work in one.
    async fn make_repository(&self) -> Result<()> {
        let folder = self.repository();
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("read.me"), "a repository\n")?;
        let author = ["-c", "user.name=soak", "-c", "user.email=soak@localhost"];
        for args in [
            &["init", "--quiet", "--initial-branch", "main"][..],
            &["add", "."],
            &["commit", "--quiet", "--message", "first"],
        ] {
            let mut git = Command::new("git");
            let git = git.args(author).args(args).current_dir(&folder);
            let status = git.env("HOME", &self.root).status().await?;
            if !status.success() {
                bail!("`git {}` ended with {status}", args.join(" "));
            }
        }
        Ok(())
    }

    /// See [`Self::make_repository`].
    pub(crate) fn repository(&self) -> PathBuf {
        self.root.join("repository")
    }

    fn configuration(&self, known: impl Fn(&str, &str) -> bool) -> String {
        let mut lines = Vec::new();
        for section in ["assign", "health", "store", "worker"] {
            lines.push(format!("[{section}]"));
            if section == "worker" {
                lines.push("agent = \"quick\"".to_owned());
                lines.push(format!("repositories = [{:?}]", self.repository()));
            }
            let keys = SHORTENED
                .iter()
                .filter(|(of, key, _)| *of == section && known(of, key));
            lines.extend(keys.map(|(_, key, value)| format!("{key} = {value}")));
        }
        let script = self.root.join("agent.sh");
        for kind in Kind::ALL {
            let name = kind.name();
            lines.extend([
                format!("[agents.{name}]\nkind = \"command\"\ntimeout_seconds = 120"),
                format!("program = [\"sh\", {script:?}, \"{name}\"]"),
                format!("env = [\"{MARK}\", \"SOAK_RECORDS\", \"SOAK_WORKER\"]\n"),
            ]);
        }
        lines.join("\n")
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where agents write that they ran.
    pub(crate) fn records(&self) -> PathBuf {
        self.root.join("records")
    }

    /// What marks the soak's processes.
    pub(crate) fn mark(&self) -> &str {
        &self.mark
    }

    /// The program, in the folder `name` of its own, with nothing of the environment that could configure it.
    pub(crate) fn command(&self, name: &str, args: &[&str]) -> Result<Command> {
        let home = self.root.join(name);
        fs::create_dir_all(&home)?;
        let mut command = Command::new(&self.shraga);
        command
            .args([
                "--config".as_ref(),
                self.root.join("shraga.toml").as_os_str(),
            ])
            .args(args)
            .current_dir(&home)
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "PATH"))
            .env("HOME", &home)
            .env("USER", "soak")
            .env("SHRAGA_UPDATE_MINUTES", "off")
            .env("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
            .env(MARK, &self.mark)
            .env("SOAK_RECORDS", self.records())
            .env("SOAK_WORKER", name)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        Ok(command)
    }

    /// Runs a verb to its end and reads what it prints.
    pub(crate) async fn json(&self, args: &[&str]) -> Result<Value> {
        let config = self.root.join("shraga.toml");
        if !config.exists() {
            fs::write(&config, "")?;
        }
        let output = self.command("people", args)?.arg("--json").output().await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!(
                "`{}` ended with {}: {}",
                args.join(" "),
                output.status,
                said.trim()
            );
        }
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("reading what `{}` prints", args.join(" ")))
    }

    /// Bytes of everything in the folder.
    pub(crate) fn bytes(&self) -> u64 {
        bytes_below(&self.root)
    }
}

fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() => bytes_below(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}
