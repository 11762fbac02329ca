//! An installation whose versions run the program under test, a keeper of it, and agents that wait.
//!
//! A version is a package of its own, built by cargo without a network: it tells its own version, has no rules to try in
//! histories, and is the real program otherwise.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::common::{Place, until};

/// The program of a version.
const STAND_IN: &str = r#"use std::os::unix::process::CommandExt;
fn main() {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    match args.first().and_then(|arg| arg.to_str()) {
        Some("--version") => println!("shraga {}", env!("CARGO_PKG_VERSION")),
        Some("sim") => {}
        _ => panic!("{}", std::process::Command::new("REAL").args(&args).exec()),
    }
}
"#;

/// Works as its prompt says: at once, or until a file appears, saying a line each moment. Notes who runs.
const AGENTS: &str = r#"
[worker]
slots = 12
[update]
repo = "checkout"
root = "root"
branch = "main"
build = ["sh", "build.sh"]
apply = true
check_minutes = 1
canary_minutes = "off"
[agents.hand]
kind = "command"
program = ["sh", "-c", '''
echo "$SHRAGA_TASK_ID $$" >>"$DIR/started"
read -r wish || :
n=0
[ "$wish" = quick ] || while [ ! -e "$DIR/go" ]; do echo "line $n"; n=$((n+1)); sleep 0.1; done
echo "done after $n"
''']
env = ["DIR"]
"#;

/// Builds the package; a version may do something first.
const BUILD: &str = "cargo build --release --offline --quiet";

pub(crate) struct Scene {
    pub(crate) place: Place,
}

impl Scene {
    /// Version 1.0.0, installed.
    pub(crate) fn new() -> Self {
        let scene = Self {
            place: Place::with_config(AGENTS),
        };
        fs::create_dir(scene.path("origin")).unwrap();
        scene.git("origin", &["init", "--quiet", "--initial-branch=main"]);
        scene.release("1.0.0", "");
        scene.git(".", &["clone", "--quiet", "origin", "checkout"]);
        let installed = scene.command(&["update", "--now"]).output().unwrap();
        let said = String::from_utf8_lossy(&installed.stderr);
        assert!(installed.status.success(), "{said}");
        scene
    }

    /// How many minutes the first worker that takes a version tries it, for daemons that start from now on; or `"off"`.
    pub(crate) fn try_for(&self, minutes: &str) {
        let text = AGENTS.replace(
            "canary_minutes = \"off\"",
            &format!("canary_minutes = {minutes}"),
        );
        fs::write(self.path("shraga.toml"), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Pushes a version, with something that is done first when it is built.
    pub(crate) fn release(&self, version: &str, first: &str) {
        let origin = self.path("origin");
        let package = format!("name = \"shraga\"\nversion = \"{version}\"\n");
        let manifest = format!("[package]\n{package}edition = \"2024\"\n[workspace]\n");
        fs::create_dir_all(origin.join("src")).unwrap();
        let real = env!("CARGO_BIN_EXE_shraga");
        for (name, text) in [
            ("Cargo.toml", manifest),
            ("src/main.rs", STAND_IN.replace("REAL", real)),
            ("build.sh", format!("{first}\n{BUILD}\n")),
            ("VERSION", format!("{version}\n")),
        ] {
            fs::write(origin.join(name), text).unwrap();
        }
        self.git("origin", &["add", "--all"]);
        self.git(
            "origin",
            &["commit", "--quiet", "--allow-empty", "-m", version],
        );
    }

    /// What comes next has nothing to do with what the branch had.
    pub(crate) fn begin_history_anew(&self) {
        self.git("origin", &["checkout", "--quiet", "--orphan", "other"]);
        self.git("origin", &["commit", "--quiet", "-m", "anew"]);
        self.git("origin", &["branch", "--quiet", "-M", "main"]);
    }

    pub(crate) fn git(&self, folder: &str, args: &[&str]) {
        let done = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
            .args(args)
            .current_dir(self.path(folder))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "git {args:?}: {said}");
    }

    /// The program under test here, with what a build needs in its environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.place.command(args);
        prepare(&mut command, self.place.path());
        command
    }

    /// Keeps `shraga ARGS...` of the installation running, until dropped.
    pub(crate) fn keep(&self, args: &[&str]) -> Keeper {
        Keeper::start(self, args)
    }

    /// Whether this version is the one in use.
    pub(crate) fn is_in_use(&self, version: &str) -> bool {
        let link = fs::read_link(self.path("root/current")).unwrap();
        let release = link.file_name().unwrap().to_string_lossy().into_owned();
        release.starts_with(&format!("{version}-"))
    }

    /// Files a task as often as it takes: the store is away for a moment while versions change.
    pub(crate) fn files(&self, prompt: &str) -> String {
        let mut id = String::new();
        until("a task is filed", || {
            let ran = self.place.run(&["submit", prompt]);
            ran.out.trim().clone_into(&mut id);
            ran.code == 0
        });
        id
    }

    /// Task and process of each agent that was ever started.
    pub(crate) fn started(&self) -> Vec<(String, String)> {
        let told = fs::read_to_string(self.path("started")).unwrap_or_default();
        let pairs = told.lines().filter_map(|line| line.split_once(' '));
        pairs
            .map(|(task, pid)| (task.to_owned(), pid.to_owned()))
            .collect()
    }

    /// Files so many tasks whose agents wait, and waits until all of them run.
    pub(crate) fn at_work(&self, count: usize) -> Vec<String> {
        let tasks = (0..count).map(|_| self.files("wait")).collect();
        until("all agents run", || self.started().len() == count);
        tasks
    }
}

/// What the tools of a build need, and what agents write to.
fn prepare(command: &mut Command, place: &Path) {
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .unwrap_or_default();
    for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let set = std::env::var_os(name).map(PathBuf::from);
        command.env(name, set.unwrap_or_else(|| home.join(folder)));
    }
    command
        .env("DIR", place)
        .env_remove("SHRAGA_UPDATE_MINUTES");
}

/// `shraga keep` and what it keeps; both are killed when dropped.
pub(crate) struct Keeper {
    keeper: Child,
    /// The keeper's record of its program.
    record: PathBuf,
    /// What both say.
    log: PathBuf,
}

impl Keeper {
    fn start(scene: &Scene, args: &[&str]) -> Self {
        // What is said of the store's place is what `up` says.
        let log = scene.path(match args[0] {
            "up" => "stderr.log",
            _ => "other.log",
        });
        let mut all = vec!["keep", "--root", "root", "--"];
        all.extend_from_slice(args);
        let keeper = scene
            .command(&all)
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self {
            keeper,
            record: scene.path("root/keep").join(args[0]).join("child.json"),
            log,
        }
    }

    /// The versions that were started, one after the other.
    pub(crate) fn starts(&self) -> Vec<String> {
        let started = self.started().into_iter();
        started.map(|(release, _)| release).collect()
    }

    /// The same, each with its process.
    fn started(&self) -> Vec<(String, String)> {
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        let release = |line: &str| {
            let (_, rest) = line.split_once("INFO  started")?;
            let (_, rest) = rest.split_once("release=")?;
            let (release, rest) = rest.split_once(' ')?;
            let (_, pid) = rest.split_once("pid=")?;
            let pid = pid.split_whitespace().next()?;
            Some((release.to_owned(), pid.to_owned()))
        };
        said.lines().filter_map(release).collect()
    }

    /// Kills what it keeps as it is now.
    pub(crate) fn kill(&self) {
        let record: Value = serde_json::from_slice(&fs::read(&self.record).unwrap()).unwrap();
        signal("-KILL", &record["pid"].to_string());
    }

    /// Kills the last process of this version, if it still runs, and never the one that goes on after it.
    pub(crate) fn kill_version(&self, version: &str) {
        let mut started = self.started().into_iter();
        let last = started.rfind(|(release, _)| release.starts_with(&format!("{version}-")));
        let (_, pid) = last.unwrap();
        signal("-KILL", &pid);
    }

    /// Forgets which versions proved themselves here, as a keeper of another folder would know none.
    pub(crate) fn forget(&self) {
        fs::remove_file(self.record.with_file_name("memory.json")).unwrap();
    }

    /// Lets what it keeps stop in order, and starts nothing more.
    pub(crate) fn stop(&mut self) {
        signal("-TERM", &self.keeper.id().to_string());
        assert!(self.keeper.wait().unwrap().success());
    }
}

fn signal(which: &str, pid: &str) {
    Command::new("kill").args([which, pid]).status().unwrap();
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // Ended already, or ended now with what a failed test leaves running.
        if let Ok(None) = self.keeper.try_wait() {
            self.keeper.kill().ok();
            self.keeper.wait().ok();
            if self.record.exists() {
                self.kill();
            }
        }
    }
}
