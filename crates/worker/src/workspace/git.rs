//! Running git so that no repository decides what runs.
//!
//! A *local* git knows no settings but ours: neither the system's nor the person's, and it is only run
//! in repositories whose own settings are ours too. A git *towards* a repository also has the settings
//! of the machine's owner, since credentials come from git's own helpers; it is only run in a cache or
//! in a copy of ours, never where an agent works. Both have no hooks, no prompts, no submodules, no
//! pager, no clean-up in the background and a total deadline. What an agent's repository holds is read
//! by fetching from it, which git promises to be safe with a hostile one.
//!
//! Settings go by environment, so that nothing of them is on a command line.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use shraga_core::causes::chain;
use shraga_core::repository::{Address, Way};
use shraga_process::{
    Exit, GIT_PATIENCE, GIT_REMOTE, GIT_SSH, KEPT_BYTES, ProcessError, ToolError,
    allowed_environment, tool_head,
};

/// Total time of a git command that talks to no remote. Shorter fails on large repositories and slow
/// disks; longer keeps a slot from its next task.
const LOCAL_DEADLINE: Duration = Duration::from_secs(300);

/// Variables that lead https elsewhere than to the host itself.
const PROXIES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// What is set for every command.
const FIXED: [(&str, &str); 13] = [
    ("LC_ALL", "C"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_ASKPASS", ""),
    ("SSH_ASKPASS", ""),
    ("SSH_ASKPASS_REQUIRE", "never"),
    ("GCM_INTERACTIVE", "never"),
    ("GIT_PAGER", "cat"),
    ("GIT_EDITOR", ":"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    // An object that an agent put in another's place must not be what the evidence shows.
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    // A repository can name where the objects that it lacks are fetched from, and how.
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_LITERAL_PATHSPECS", "1"),
    ("GIT_LFS_SKIP_SMUDGE", "1"),
];

/// Settings that win over those of any file.
const CONFIG: [(&str, &str); 23] = [
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.untrackedCache", "false"),
    ("core.alternateRefsCommand", "true"),
    ("core.protectHFS", "true"),
    ("core.protectNTFS", "true"),
    ("core.autocrlf", "false"),
    // A folder of a checkout can look like a repository, settings included.
    ("safe.bareRepository", "explicit"),
    ("submodule.recurse", "false"),
    ("fetch.recurseSubmodules", "false"),
    ("push.recurseSubmodules", "no"),
    ("diff.ignoreSubmodules", "dirty"),
    ("fetch.writeCommitGraph", "false"),
    ("fetch.prune", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("log.showSignature", "false"),
    ("commit.gpgSign", "false"),
    ("push.gpgSign", "false"),
    ("push.followTags", "false"),
    ("transfer.bundleURI", "false"),
    // Where a redirect leads is nobody's choice but the address's.
    ("http.followRedirects", "false"),
    ("advice.detachedHead", "false"),
];

/// Why git didn't do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GitError {
    /// It is not installed.
    #[error("git is not installed on this worker")]
    Missing,
    /// It took longer than it may; nothing of it runs any more.
    #[error("{0}")]
    TooLong(String),
    /// It printed more than its answer may have.
    #[error("git {0} printed more than it may")]
    TooMuch(String),
    /// It said no.
    #[error("git {verb}: {complaint}")]
    Refused {
        /// The command.
        verb: String,
        /// What it complained of last, on one line.
        complaint: String,
    },
    /// It could not be run.
    #[error("{0}")]
    Other(String),
}

/// What git answered, whatever it thinks of it.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// Whether it succeeded.
    pub(super) good: bool,
    /// The head of its answer.
    pub(super) out: Vec<u8>,
    /// Whether that is all of it.
    pub(super) whole: bool,
    /// What it complained of, on one line.
    pub(super) complaint: String,
}

/// Git in one folder, with one set of settings.
#[derive(Clone, Debug)]
pub(super) struct Git {
    dir: PathBuf,
    env: BTreeMap<String, String>,
    deadline: Duration,
}

impl Git {
    /// Git that talks to nobody, with no settings but ours.
    pub(super) fn local(environment: &BTreeMap<String, String>, dir: &Path) -> Self {
        let mut env = allowed_environment(environment, &[]);
        // Ignored files and attributes of the worker's owner are no part of a task.
        env.remove("HOME");
        env.extend(own([
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_ALLOW_PROTOCOL", "file"),
        ]));
        Self::new(env, dir, LOCAL_DEADLINE).with(&[])
    }

    /// Git that may talk to `address`, whose host was resolved to `addresses` just now.
    pub(super) fn towards(
        environment: &BTreeMap<String, String>,
        dir: &Path,
        address: &Address,
        addresses: &[IpAddr],
        deadline: Duration,
    ) -> Self {
        let names = GIT_REMOTE.iter().chain(&["GIT_CONFIG_GLOBAL"]);
        let names: Vec<String> = names.map(|name| (*name).to_owned()).collect();
        let mut env = allowed_environment(environment, &names);
        env.entry("GIT_SSH_COMMAND".to_owned())
            .or_insert_with(|| GIT_SSH.to_owned());
        env.extend(own(GIT_PATIENCE));
        // People let git turn one of the two into the other.
        let ways = match address.way() {
            Way::Https | Way::Ssh => "https:ssh",
            Way::Local => "file",
        };
        env.insert("GIT_ALLOW_PROTOCOL".to_owned(), ways.to_owned());
        let git = Self::new(env, dir, deadline);
        match (address.way(), address.remote(), addresses) {
            // What was checked is what is connected to, whatever the name resolves to next time.
            (Way::Https, Some((host, port)), [_, ..]) => {
                let list: Vec<String> = addresses.iter().map(bracketed).collect();
                let pin = format!("{host}:{port}:{}", list.join(","));
                git.with(&[("http.curloptResolve", &pin)])
            }
            _ => git.with(&[]),
        }
    }

    fn new(mut env: BTreeMap<String, String>, dir: &Path, deadline: Duration) -> Self {
        env.extend(own(FIXED));
        Self {
            dir: dir.to_owned(),
            env,
            deadline,
        }
    }

    /// The same with these settings beside [`CONFIG`].
    fn with(mut self, more: &[(&str, &str)]) -> Self {
        let all = CONFIG.iter().chain(more);
        let mut count = 0;
        for (key, value) in all {
            let (name, says) = (
                format!("GIT_CONFIG_KEY_{count}"),
                format!("GIT_CONFIG_VALUE_{count}"),
            );
            self.env.insert(name, (*key).to_owned());
            self.env.insert(says, (*value).to_owned());
            count += 1;
        }
        self.set("GIT_CONFIG_COUNT", &count.to_string())
    }

    /// The same with one more variable.
    pub(super) fn set(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same with another deadline.
    pub(super) fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs a command with `input` to read, keeping the first `keep` bytes of its answer.
    pub(super) async fn ask(
        &self,
        args: &[&str],
        input: Vec<u8>,
        keep: usize,
    ) -> Result<Answer, GitError> {
        let argv: Vec<&str> = std::iter::once("git").chain(args.iter().copied()).collect();
        let env = self.env.clone();
        let ran = tool_head(&argv, &self.dir, env, self.deadline, input, keep).await;
        let (output, whole) = ran.map_err(trouble)?;
        Ok(Answer {
            good: output.exit == Exit::Code(0),
            complaint: complaint(&output.err),
            out: output.out,
            whole,
        })
    }

    /// Runs a command that has to succeed, and returns what it printed.
    pub(super) async fn run(&self, args: &[&str]) -> Result<Vec<u8>, GitError> {
        self.feed(args, Vec::new()).await
    }

    /// As [`Self::run`], with `input` to read.
    pub(super) async fn feed(&self, args: &[&str], input: Vec<u8>) -> Result<Vec<u8>, GitError> {
        let verb = args.first().copied().unwrap_or_default().to_owned();
        let answer = self.ask(args, input, KEPT_BYTES).await?;
        match (answer.good, answer.whole) {
            (_, false) => Err(GitError::TooMuch(verb)),
            (true, true) => Ok(answer.out),
            (false, true) => Err(GitError::Refused {
                verb,
                complaint: answer.complaint,
            }),
        }
    }

    /// As [`Self::run`], for an answer of one line.
    pub(super) async fn line(&self, args: &[&str]) -> Result<String, GitError> {
        let out = self.run(args).await?;
        Ok(String::from_utf8_lossy(&out).trim().to_owned())
    }
}

/// Whether what `environment` says leads https through a proxy, which resolves names by itself.
pub(super) fn has_proxy(environment: &BTreeMap<String, String>) -> bool {
    PROXIES
        .iter()
        .any(|name| environment.get(*name).is_some_and(|it| !it.is_empty()))
}

fn own<const N: usize>(pairs: [(&str, &str); N]) -> [(String, String); N] {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))
}

fn bracketed(address: &IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

fn trouble(error: ToolError) -> GitError {
    match error {
        ToolError::Process(ProcessError::Start { source, .. })
            if source.kind() == ErrorKind::NotFound =>
        {
            GitError::Missing
        }
        ToolError::TooLong { .. } => GitError::TooLong(error.to_string()),
        other => GitError::Other(chain(&other)),
    }
}

/// What git said is wrong, on one line: a remote's words may hold anything, a log line may not.
fn complaint(err: &[u8]) -> String {
    let text = String::from_utf8_lossy(err);
    let says = |line: &&str| line.starts_with("fatal:") || line.starts_with("error:");
    let line = text.lines().find(says);
    let line = line.or_else(|| text.lines().rfind(|line| !line.trim().is_empty()));
    let line = line.unwrap_or("it said nothing").trim();
    let shown: String = line.chars().take(300).collect();
    shown.replace(char::is_control, " ")
}
