//! What a worker is made of. The binary fills it in; nothing here reads files or the environment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::meter::Metering;
use shraga_core::fleet::Said;
use shraga_core::ids::{UserId, WorkerId};
use shraga_core::status::{Pool, WorkerKind};
use shraga_core::update::Release;
use shraga_core::worker::Keeping;
use shraga_core::worker::pipeline::Summaries;
use tokio::sync::watch;

use crate::workspace::Repositories;

/// How often a worker beats when nothing else makes it. Health suspects after 90 s of silence, so
/// two beats may be lost; twice as often would double a quiet hour's requests.
pub const DEFAULT_BEAT: Duration = Duration::from_secs(30);

/// How often a worker with work looks for requests to cancel where nothing wakes it (Dataverse).
pub const DEFAULT_BUSY_LOOK: Duration = Duration::from_secs(10);

/// How long running agents may go on after the first request to stop. Longer delays updates, shorter
/// throws away more work.
pub const DEFAULT_DRAIN: Duration = Duration::from_secs(600);

/// How long an agent goes on when its worker is gone. Shorter, and a machine that takes long to start its
/// worker again loses hours of work; longer, and an agent that nobody can stop spends more.
pub const DEFAULT_ORPHAN: Duration = Duration::from_secs(30 * 60);

/// How long an agent may take to end after `SIGTERM`, before `SIGKILL`.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// How often a running attempt notes what another would go on from. Each is a write of up to a
/// megabyte; rarer, and a lost machine costs more work.
pub const DEFAULT_CHECKPOINT: Duration = Duration::from_secs(300);

/// How long a program may go on after it said its last word. Closing takes a second or two; a child
/// that keeps a pipe open takes for ever, and holds the slot meanwhile.
pub const DEFAULT_RESULT_GRACE: Duration = Duration::from_secs(30);

/// What a worker is made of.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name, unique among its owner's workers. With an admin's token its identity follows from
    /// owner and name; a worker token has its own identity.
    pub name: String,
    /// Which worker it is, where somebody has made its row already: whoever made the machine it runs on.
    /// Computed from owner and name when `None`. A worker token's own identity must be the same.
    pub worker: Option<WorkerId>,
    /// The folder it keeps attempts, logs and unsent reports in; one process at a time uses it.
    pub folder: PathBuf,
    /// Tasks run at once. A worker token's own limit applies too.
    pub slots: u32,
    /// Labels it carries; a worker token's own labels replace them.
    pub labels: Vec<String>,
    /// Whom it serves, with an admin's token: shared when `None`.
    pub pool: Option<Pool>,
    /// Whose it is, with an admin's token: the caller's when `None`.
    pub owner: Option<UserId>,
    /// Whose mirrors it takes up, where people could make rows that say they are mirrors (Dataverse).
    /// None: those of its own identity and of whoever holds the orchestrators' lease.
    pub trusts: Vec<UserId>,
    /// What kind of machine it is.
    pub kind: WorkerKind,
    /// Agents by name.
    pub agents: BTreeMap<String, Agent>,
    /// How agents are metered, by name; one that isn't here tells nothing.
    pub metering: BTreeMap<String, Metering>,
    /// The agent of tasks that name none.
    pub default_agent: String,
    /// The agent that judges whether criteria hold: the one that worked, in a session of its own,
    /// when `None`.
    pub verifier: Option<String>,
    /// When work that is done is summarised.
    pub summaries: Summaries,
    /// How often what another attempt would go on from is noted in the store, while one runs; only at
    /// its end when `None`.
    pub checkpoint: Option<Duration>,
    /// The process's environment; agents see an allow-listed part of it.
    pub environment: BTreeMap<String, String>,
    /// Version of the binary.
    pub version: String,
    /// The release it runs, where whoever keeps it running says so: its version is that one's then.
    pub release: Option<Release>,
    /// What it is to say of its updates, now and later; [`Said::Off`]: it takes none by itself.
    pub update: watch::Receiver<Said>,
    /// How often it beats.
    pub beat: Duration,
    /// How often it looks while it has work, where nothing wakes it.
    pub busy_look: Duration,
    /// How long running agents may go on after the first request to stop.
    pub drain: Duration,
    /// How long attempts may take to come to where they can be left, when the worker hands over: fetching a repository
    /// takes longest. More would keep an update waiting for one that hangs, less would give back what is about to begin.
    pub settling: Duration,
    /// How long an agent may take to end after it is asked to.
    pub grace: Duration,
    /// How repositories are checked out.
    pub repositories: Repositories,
    /// How long attempts' folders are kept, and how much they may take.
    pub keeping: Keeping,
    /// What is started to look after an agent: a program and its arguments, which must end in
    /// [`shraga_process::supervise::serve`].
    pub supervisor: Vec<String>,
    /// How long an agent goes on when its worker is gone.
    pub orphan: Duration,
    /// Whether to stop as soon as there is nothing assigned (`--once`).
    pub until_idle: bool,
}

impl Config {
    /// A local, shared worker with one slot and no agents; all else at its default.
    #[must_use]
    pub fn new(name: impl Into<String>, folder: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            worker: None,
            folder: folder.into(),
            slots: 1,
            labels: Vec::new(),
            pool: None,
            owner: None,
            trusts: Vec::new(),
            kind: WorkerKind::LocalMachine,
            agents: BTreeMap::new(),
            metering: BTreeMap::new(),
            default_agent: String::new(),
            verifier: None,
            summaries: Summaries::Rounds,
            checkpoint: Some(DEFAULT_CHECKPOINT),
            environment: BTreeMap::new(),
            version: String::new(),
            release: None,
            update: watch::Sender::new(Said::Off).subscribe(),
            beat: DEFAULT_BEAT,
            busy_look: DEFAULT_BUSY_LOOK,
            drain: DEFAULT_DRAIN,
            settling: Duration::from_secs(120),
            grace: DEFAULT_GRACE,
            repositories: Repositories::default(),
            keeping: Keeping::default(),
            supervisor: Vec::new(),
            orphan: DEFAULT_ORPHAN,
            until_idle: false,
        }
    }
}

/// What does a task's work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agent {
    /// Any program.
    Command(Box<Command>),
    /// Nothing at all, in this process: every task completes at once, through the same claim, outbox
    /// and report as any other. For measuring; configuration doesn't offer it.
    Noop,
}

/// An agent that is a program: prompt on standard input, result on standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments; no shell is involved.
    pub program: Vec<String>,
    /// Names of further variables of the worker's environment that it may see.
    pub env: Vec<String>,
    /// How long it may run; without bound when `None`.
    pub timeout: Option<Duration>,
    /// How it is called and understood.
    pub kind: Kind,
    /// How long it may print nothing before it counts as hanging; for ever when `None`.
    pub silence: Option<Duration>,
    /// How long it may go on after its last word, where its kind has one.
    pub result_grace: Duration,
    /// What people call it.
    pub name: String,
    /// The agents that are tried in its place when it can't work for a reason of its vendor's.
    pub fallback: Vec<Self>,
}

impl Default for Command {
    fn default() -> Self {
        Self {
            program: Vec::new(),
            env: Vec::new(),
            timeout: None,
            kind: Kind::Command,
            silence: None,
            result_grace: DEFAULT_RESULT_GRACE,
            name: String::new(),
            fallback: Vec::new(),
        }
    }
}

/// How a program is called and understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any program: prompt on standard input, result on standard output.
    Command,
    /// Claude Code.
    Claude(Claude),
    /// The Codex CLI of `OpenAI`.
    Codex(Codex),
}

/// What Claude Code is called with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claude {
    /// The model; its own choice when `None`.
    pub model: Option<String>,
    /// Its `--permission-mode`.
    pub permission_mode: String,
    /// Tools it may use without asking.
    pub allowed_tools: Vec<String>,
    /// Most turns of one phase.
    pub max_turns: Option<u32>,
}

/// What Codex is called with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codex {
    /// The model; its own choice when `None`.
    pub model: Option<String>,
    /// Its `sandbox_mode`.
    pub sandbox: String,
}
