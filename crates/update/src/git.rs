//! Running git: with a total deadline, without prompts, hooks, helpers, pagers or work left behind.
//!
//! Settings go by environment, so that a command line shows what is done and nothing else.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use shraga_process::{
    Exit, GIT_PATIENCE, GIT_REMOTE, GIT_SSH, KEPT_BYTES, ProcessError, ToolError, ToolOutput,
    allowed_environment, tool_noted, tool_output,
};

/// Total time of a git command that talks to no remote. Longer delays the next check only; shorter
/// fails on slow disks.
pub(crate) const LOCAL_DEADLINE: Duration = Duration::from_secs(10);

/// What is set for every command: nobody is asked anything, and only these ways lead to a remote.
const FIXED: [(&str, &str); 10] = [
    ("LC_ALL", "C"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_ASKPASS", ""),
    ("SSH_ASKPASS", ""),
    ("SSH_ASKPASS_REQUIRE", "never"),
    ("GCM_INTERACTIVE", "never"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_PAGER", "cat"),
    ("GIT_ALLOW_PROTOCOL", "https:ssh:file"),
    // A clone without all objects fetches those it lacks in any command, the way its settings say.
    ("GIT_NO_LAZY_FETCH", "1"),
];

/// Git's own settings: no program that the checkout names is run, and nothing goes on afterwards. What a
/// file's content is put through has names of the checkout's choosing: [`Git::without_filters`].
const CONFIG: [(&str, &str); 10] = [
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.alternateRefsCommand", "true"),
    // A folder of a checkout can look like a repository, settings included.
    ("safe.bareRepository", "explicit"),
    // Showing one starts a program.
    ("log.showSignature", "false"),
    ("credential.helper", ""),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("submodule.recurse", "false"),
    ("fetch.writeCommitGraph", "false"),
];

/// What makes a checkout's setting one that runs a program on a file's content.
const FILTERS: &str = r"^filter\..*\.(clean|process|required)$";

/// Git in one folder.
pub(crate) struct Git {
    dir: PathBuf,
    env: BTreeMap<String, String>,
    note: Option<PathBuf>,
}

/// Why git gave no answer at all.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// It is not installed.
    Missing,
    /// It took longer than it may; nothing of it runs any more.
    TooLong(String),
    /// Something else, in words.
    Other(String),
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("git is not installed"),
            Self::TooLong(words) | Self::Other(words) => f.write_str(words),
        }
    }
}

/// What git answered.
pub(crate) struct Answer {
    /// Its exit code; -1 after a signal.
    pub(crate) code: i32,
    /// Its standard output.
    pub(crate) out: String,
    /// What it complained of last, on one line.
    pub(crate) complaint: String,
}

impl Git {
    /// Git in `dir`, seeing what it may of `environment`.
    pub(crate) fn new(dir: &Path, environment: &BTreeMap<String, String>) -> Self {
        let names: Vec<String> = GIT_REMOTE.iter().map(|name| (*name).to_owned()).collect();
        let mut env = allowed_environment(environment, &names);
        let fixed = FIXED
            .into_iter()
            .chain(GIT_PATIENCE)
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        env.extend(fixed);
        env.entry("GIT_SSH_COMMAND".to_owned())
            .or_insert_with(|| GIT_SSH.to_owned());
        let (dir, note) = (dir.to_owned(), None);
        Self { dir, env, note }.with(CONFIG)
    }

    /// The same, noting in this file what runs.
    pub(crate) fn noting(mut self, note: &Path) -> Self {
        self.note = Some(note.to_owned());
        self
    }

    /// The same with these settings, which win over the checkout's, and no other of ours.
    fn with<'a>(mut self, settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut count = 0;
        for (key, value) in settings {
            let (name, says) = (
                format!("GIT_CONFIG_KEY_{count}"),
                format!("GIT_CONFIG_VALUE_{count}"),
            );
            self.env.insert(name, key.to_owned());
            self.env.insert(says, value.to_owned());
            count += 1;
        }
        self.env
            .insert("GIT_CONFIG_COUNT".to_owned(), count.to_string());
        self
    }

    /// The same for commands that read the work tree: files are taken as they are, by no filter.
    pub(crate) async fn without_filters(&self) -> Result<Self, NoAnswer> {
        let list = ["config", "--null", "--name-only", "--get-regexp", FILTERS];
        let found = self.local(&list).await?.out;
        let filters = found.split_terminator('\0').map(|key| {
            let needed = key.ends_with(".required");
            (key, if needed { "false" } else { "" })
        });
        Ok(self.also(filters))
    }

    /// The same with these settings beside ours.
    pub(crate) fn also<'a>(&self, settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let git = Self {
            dir: self.dir.clone(),
            env: self.env.clone(),
            note: self.note.clone(),
        };
        git.with(CONFIG.into_iter().chain(settings))
    }

    /// Runs a command that talks to no remote.
    pub(crate) async fn local(&self, args: &[&str]) -> Result<Answer, NoAnswer> {
        self.run(args, LOCAL_DEADLINE).await
    }

    /// Runs a command; nothing of it is left after `deadline`.
    pub(crate) async fn run(&self, args: &[&str], deadline: Duration) -> Result<Answer, NoAnswer> {
        let argv: Vec<&str> = std::iter::once("git").chain(args.iter().copied()).collect();
        let (dir, env) = (&self.dir, self.env.clone());
        let output = match &self.note {
            None => tool_output(&argv, dir, env, deadline).await,
            Some(note) => tool_noted(&argv, dir, env, deadline, KEPT_BYTES, note)
                .await
                .map(|(output, _)| output),
        };
        output.map(answer).map_err(|error| match error {
            ToolError::Process(ProcessError::Start { source, .. })
                if source.kind() == ErrorKind::NotFound =>
            {
                NoAnswer::Missing
            }
            ToolError::TooLong { .. } => NoAnswer::TooLong(error.to_string()),
            other => NoAnswer::Other(shraga_core::causes::chain(&other)),
        })
    }
}

fn answer(output: ToolOutput) -> Answer {
    let complaint = String::from_utf8_lossy(&output.err);
    let last = complaint.lines().rfind(|line| !line.trim().is_empty());
    Answer {
        code: match output.exit {
            Exit::Code(code) => code,
            Exit::Signal(_) => -1,
        },
        out: String::from_utf8_lossy(&output.out).into_owned(),
        complaint: printable(last.unwrap_or("it said nothing")),
    }
}

/// What a remote says may hold anything; a log line may not.
fn printable(line: &str) -> String {
    line.trim().replace(char::is_control, " ")
}
