//! The worker role: settings and agents become a worker's configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use shraga_core::repository::Allowed;
use shraga_core::time::Span;
use shraga_core::worker::Keeping;
use shraga_process::lasting;
use shraga_worker::{Left, Repositories, Stop, Worker, WorkerError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::folder::told;
use super::session::{Caller, Session};
use super::taking::{self, Taking};
use super::{agents, processes, signals, update};
use crate::cli::{Context, supervise};
use crate::clock;
use crate::config::{Config, env};
use crate::endpoint;
use crate::exit::{Exit, Failure};
use crate::vitals::{MetricsArgs, Role, Vitals};

/// How to configure an agent, for those who have none.
pub const AGENT_HINT: &str = "add one to shraga.toml, for example:\n  \
     [agents.shell]\n  kind = \"command\"\n  program = [\"sh\"]";

/// Longer than any agent runs.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How often the worker of a machine looks whether its store is gone for good.
const LEFT_LOOK: Duration = Duration::from_secs(30);

/// How often it looks whether what it printed has grown too long.
const LOG_LOOK: Duration = Duration::from_secs(10);

/// Runs one worker until it is told to stop.
///
/// # Errors
/// No agent is configured, the store can't be used, or another process is this worker.
pub async fn run(
    context: &Context,
    once: bool,
    metrics: &MetricsArgs,
    insecure: bool,
) -> Result<Exit, Failure> {
    let config = &context.config;
    can_work(config)?;
    let stop = signals::watch();
    let vitals = Vitals::start("worker", context, metrics, insecure, &stop).await?;
    let session = Session::open(config, Caller::Admin).await?;
    let name = config.worker.name.clone().unwrap_or_else(env::host_name);
    let folder = folder_of(config, &data_folder(config), &name);
    let mut settings = settings(config, &name, folder);
    settings.until_idle = once;
    let taking = Taking::of(config)?.filter(|_| !once);
    let mut ways = Stop {
        drain: stop.drain,
        now: stop.now,
        ..Stop::default()
    };
    if let Some(taking) = &taking {
        settings.release = Some(taking.running().clone());
        settings.update = taking.said();
        ways.hand_over = taking.hand_over.clone();
        ways.hand_over_empty = taking.hand_over_empty.clone();
    }
    let worker = Worker::new(session.client.clone(), settings);
    vitals.watch(vec![Role::Worker(worker.status(), session.client)]);
    let _takes = taking
        .as_ref()
        .map(|taking| taking.start(taking::of_worker(&worker)));
    match (worker.run(ways).await?, &taking) {
        (Left::HandedOver, Some(taking)) => taking.handed_over(),
        (Left::HandedOver | Left::Stopped, _) => Ok(Exit::Done),
    }
}

/// Runs the worker of a machine that `shraga up` has made in the folder `machine`: with the token there, at
/// the store of the data folder.
///
/// # Errors
/// As [`run`]; another process is this machine.
pub async fn run_on(context: &Context, machine: &Path) -> Result<Exit, Failure> {
    let config = &context.config;
    can_work(config)?;
    let stop = signals::watch();
    let vitals = Vitals::start("worker", context, &MetricsArgs::default(), false, &stop).await?;
    let (data, token) = (&config.store.data, processes::token_file(machine));
    let (session, url) = Session::of_folder(config, data, &token).await?;
    let name = config.worker.name.clone().unwrap_or_else(env::host_name);
    let worker = shraga_worker::Config {
        // What its token says.
        worker: None,
        ..settings(config, &name, processes::work_folder(machine))
    };
    let orphan = worker.orphan;
    let worker = Worker::new(session.client.clone(), worker);
    let about = [(processes::URL.to_owned(), url.to_string())];
    let _enrolled = lasting::enroll(machine, about.into())
        .await
        .map_err(|error| Failure::from_error(Exit::Conflict, error))?;
    vitals.watch(vec![Role::Worker(worker.status(), session.client)]);
    tokio::spawn(leave_when_left(worker.status(), orphan, stop.drain.clone()));
    tokio::spawn(keep_log_short(machine.to_owned(), stop.now.clone()));
    worker
        .run(Stop {
            drain: stop.drain,
            now: stop.now,
            ..Stop::default()
        })
        .await?;
    Ok(Exit::Done)
}

/// Tells a worker to leave whose store has been gone for `orphan`, once it runs nothing: nobody else would,
/// when the `up` that made it was killed and never came back.
async fn leave_when_left(
    status: watch::Receiver<shraga_worker::Status>,
    orphan: Duration,
    drain: CancellationToken,
) {
    while clock::pause(LEFT_LOOK, &drain).await {
        let status = status.borrow();
        let silent = status.beaten.map(shraga_worker::Mark::elapsed);
        if silent.is_some_and(|silent| silent > orphan) && status.running.is_empty() {
            tracing::warn!(
                "the store has not answered for {} s: leaving",
                orphan.as_secs()
            );
            drain.cancel();
            return;
        }
    }
}

/// Makes the machine's log anew whenever it has grown too long.
async fn keep_log_short(machine: PathBuf, stop: CancellationToken) {
    while clock::pause(LOG_LOOK, &stop).await {
        if let Err(error) = lasting::trim(&machine, lasting::LOG_BYTES_MAX) {
            tracing::debug!("the log can't be made anew: {error}");
        }
    }
}

/// Whether there is an agent that it could run.
fn can_work(config: &Config) -> Result<(), Failure> {
    if config.agents.is_empty() {
        return Err(Failure::new(
            Exit::Configuration,
            "no agent is configured, so there is nothing a worker could run",
        )
        .hint(AGENT_HINT));
    }
    if agents::say_missing(config) == config.agents.len() {
        return Err(Failure::new(
            Exit::Configuration,
            "no agent's program is there, so there is nothing a worker could run",
        )
        .hint("install one, or correct `program` in its section of shraga.toml"));
    }
    Ok(())
}

/// A worker's configuration as the settings have it.
pub(crate) fn settings(config: &Config, name: &str, folder: PathBuf) -> shraga_worker::Config {
    let mut settings = shraga_worker::Config::new(name, folder);
    settings.worker = config.worker.id.map(|id| id.0);
    settings.slots = config.worker.slots.0;
    settings.labels.clone_from(&config.worker.labels);
    settings.pool = config.worker.pool;
    settings.trusts.clone_from(&config.worker.trusts.0);
    settings.agents = agents::usable(config);
    settings.metering = agents::metering(config);
    settings.default_agent = default_agent(config);
    settings.verifier.clone_from(&config.worker.verifier);
    settings.summaries = config.worker.summaries;
    settings.checkpoint = config.worker.checkpoint_minutes.duration();
    settings.environment = env::all();
    settings.version = env!("CARGO_PKG_VERSION").to_owned();
    settings.release = update::runs();
    settings.beat = config.worker.beat_seconds.duration();
    settings.grace = config.worker.grace_seconds.duration();
    settings.repositories = Repositories {
        allowed: Allowed::new(config.worker.repositories.0.clone()),
        author: config.worker.git_author.0.clone(),
        push: config.worker.push,
        timeout: config.worker.git_timeout_seconds.duration(),
    };
    settings.keeping = keeping(config);
    settings.supervisor = supervise::launcher();
    settings.orphan = config.worker.orphan_minutes.duration().unwrap_or(FOR_EVER);
    settings
}

/// How long attempts' folders are kept, and how much they may take.
pub(crate) fn keeping(config: &Config) -> Keeping {
    let days = config.worker.retention_days.0;
    let gigabytes = config.worker.disk_cap_gb.0;
    Keeping {
        retention: days.map(|days| Span::secs(i64::from(days) * 86_400)),
        cap_bytes: gigabytes.map(|gigabytes| u64::from(gigabytes) * 1_000_000_000),
    }
}

/// Where the workers of this machine keep their attempts.
pub(crate) fn work_folder(config: &Config, data: &Path) -> PathBuf {
    let set = config.worker.folder.clone();
    set.unwrap_or_else(|| data.join("work"))
}

/// Where a worker called `name` keeps its attempts.
pub(crate) fn folder_of(config: &Config, data: &Path, name: &str) -> PathBuf {
    let root = work_folder(config, data);
    let safe = |c: char| {
        if c.is_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '_'
        }
    };
    root.join(name.chars().map(safe).collect::<String>())
}

/// The data folder that is near, or the one that would be made here.
pub(crate) fn data_folder(config: &Config) -> PathBuf {
    let found = std::env::current_dir()
        .ok()
        .and_then(|here| endpoint::find_folder(&here, env::home().as_deref()))
        .filter(|_| !config.is_set("store.data"));
    found.unwrap_or_else(|| config.store.data.clone())
}

/// The agent of tasks that name none: the one that was set, else the only one there is.
fn default_agent(config: &Config) -> String {
    match (&config.worker.agent, config.agents.as_slice()) {
        (Some(name), _) => name.clone(),
        (None, [only]) => only.name.clone(),
        (None, _) => String::new(),
    }
}

impl From<WorkerError> for Failure {
    fn from(error: WorkerError) -> Self {
        match error {
            WorkerError::FolderInUse { ref path } => {
                let hint = told(path, "give this one another --name");
                Self::from_error(Exit::Conflict, error).hint(hint)
            }
            WorkerError::AlreadyRunning { .. } | WorkerError::Superseded { .. } => {
                Self::from_error(Exit::Conflict, error)
                    .hint("stop the other one, or give this one another --name")
            }
            WorkerError::Folder(_) => Self::from_error(Exit::Failed, error).hint(
                "`worker.folder` names where attempts are kept; check that it can be written",
            ),
            WorkerError::Config(_) => Self::from_error(Exit::Configuration, error),
            WorkerError::NotAWorker => Self::from_error(Exit::Authentication, error)
                .hint("`shraga token create --role worker` makes a worker's token"),
            WorkerError::Store { step, source } => {
                Self::from(source).context(format!("the worker can't use the store: {step}"))
            }
        }
    }
}
