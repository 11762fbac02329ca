//! Who works in `shraga up`: the orchestrator, and workers, either a fixed number in this process or as
//! many processes of their own as there is work for.
//!
//! They end in the order that loses nothing: workers, while the orchestrator brings their reports home,
//! then the orchestrator.

use std::sync::Arc;
use std::time::Duration;

use shraga_core::machine::ProviderKind;
use shraga_core::plan::machines::{Group, MachinePolicy};
use shraga_core::time::Span;
use shraga_dataverse::Client;
use shraga_orchestrator::Orchestrator;
use shraga_orchestrator::machines::{Provider, Settings};
use shraga_process::{lasting, supervise};
use shraga_worker::{Left, Worker};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::folder::Folder;
use super::machines::delete_after_stopped;
use super::processes::{self, Launch, Processes};
use super::signals::Stop;
use super::taking::{self, Taking};
use super::{agents, dev_boxes, local, orchestrator, worker};
use crate::cli::Context;
use crate::cli::up::Up;
use crate::clock;
use crate::config::{Config, Origin, env};
use crate::exit::{Exit, Failure};
use crate::vitals::Role;

/// How long after the workers the orchestrator goes on, so that their last reports reach people.
const SETTLE: Duration = Duration::from_millis(500);

/// Workers of single people that there may be beyond those of everyone: a machine bears so many more.
const OWN_WORKERS: u32 = 8;

/// Variables that are this process's own, and mean something else to a worker.
const OWN_VARIABLES: [&str; 8] = [
    "DATAVERSE_URL",
    "DATAVERSE_TOKEN",
    "SHRAGA_WORKER_ID",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    shraga_update::FOLDER_VARIABLE,
    shraga_update::RELEASE_VARIABLE,
];

/// The orchestrator and the workers.
pub(super) struct Crew {
    workers: JoinSet<Result<Left, Failure>>,
    orchestrator: JoinSet<Result<Left, Failure>>,
    pub(super) roles: Vec<Role>,
    drain: CancellationToken,
    halt: CancellationToken,
    pool: Option<Pool>,
    takes: Option<AbortOnDropHandle<()>>,
}

/// Workers that are processes of their own.
struct Pool {
    processes: Arc<Processes>,
    /// Ends the looking after them.
    rest: CancellationToken,
    stop: Stop,
}

impl Crew {
    pub(super) async fn start(
        verb: &Up,
        context: &Context,
        folder: &Folder,
        url: &str,
        stop: &Stop,
        taking: Option<&Taking>,
    ) -> Result<Self, Failure> {
        let config = &context.config;
        let drain = stop.drain.child_token();
        let halt = CancellationToken::new();
        let admin = local::client(
            config,
            local::transport(&folder.store, folder.admin.clone()),
        )?;
        // A worker without agents would take tasks only to fail them.
        let able = agents::say_missing(config) < config.agents.len();
        let (mut machines, mut pool) = (Settings::default(), None);
        // Those of an `up` that could grow go on with what they hold, whatever this one is told.
        if (able && verb.workers.grows()) || processes::any_left(&folder.path) {
            let processes = launched(verb, context, folder, url, admin.clone())?;
            let found = processes.take_over().await;
            if found > 0 {
                context.say(format_args!("{found} workers of an earlier start go on"));
            }
            machines.providers = vec![Arc::clone(&processes) as Arc<dyn Provider>];
            machines.policy = policy(verb, config);
            pool = Some(Pool {
                processes,
                rest: machines.rest.clone(),
                stop: stop.clone(),
            });
        }
        let address = Url::parse(url).ok();
        dev_boxes::add(&mut machines, config, &admin, address.as_ref())?;
        let client = admin.clone();
        let orchestrator =
            orchestrator::make_local(admin, config, folder, machines, halt.clone(), taking);
        let mut allowed = vec![taking::of_orchestrator(&orchestrator)];
        let mut roles = vec![Role::Orchestrator(orchestrator.status(), client)];
        let mut orchestrators = JoinSet::new();
        orchestrators.spawn(async move { run_orchestrator(orchestrator).await });
        let mut workers = JoinSet::new();
        let count = match able && !verb.workers.grows() {
            true => verb.workers.max,
            false => 0,
        };
        for number in 1..=count {
            let (worker, client) = local_worker(config, folder, number, taking)?;
            allowed.push(taking::of_worker(&worker));
            roles.push(Role::Worker(worker.status(), client));
            let ways = ways(&drain, stop, taking);
            let emptied = taking.map(|taking| taking.emptied.clone());
            workers.spawn(async move {
                let left = worker.run(ways).await?;
                if left == Left::HandedOver {
                    emptied.iter().for_each(CancellationToken::cancel);
                }
                Ok(left)
            });
        }
        let takes = taking.map(|taking| {
            let running = Some(taking.running().clone());
            taking.start(taking::any_of(allowed, running))
        });
        Ok(Self {
            workers,
            orchestrator: orchestrators,
            roles,
            drain,
            halt,
            pool,
            takes,
        })
    }

    /// Whether it has workers in this process.
    pub(super) fn has_workers(&self) -> bool {
        !self.workers.is_empty()
    }

    /// The first failure of a role, should there be one.
    pub(super) async fn failure(&mut self) -> Failure {
        loop {
            let ended = tokio::select! {
                Some(ended) = self.workers.join_next() => ended,
                Some(ended) = self.orchestrator.join_next() => ended,
                else => std::future::pending().await,
            };
            if let Err(failure) = outcome(ended) {
                return failure;
            }
        }
    }

    /// Makes way for the next process: workers first, while the orchestrator goes on, then the orchestrator. Workers that
    /// are processes of their own go on by themselves, and the next process takes them over. Whether all of it did:
    /// not where it was told to stop meanwhile.
    pub(super) async fn hand_over(mut self, taking: &Taking, stop: &Stop) -> Result<bool, Failure> {
        if let Some(pool) = &self.pool {
            pool.rest.cancel();
        }
        let mut left = Ok(true);
        while let Some(ended) = self.workers.join_next().await {
            left = left.and_then(|all| Ok(outcome(ended)? == Left::HandedOver && all));
        }
        if stop.drain.is_cancelled() || left.is_err() {
            return self.end().await.and(left).map(|_| false);
        }
        taking.ticks_end.cancel();
        while let Some(ended) = self.orchestrator.join_next().await {
            left = left.and_then(|all| Ok(outcome(ended)? == Left::HandedOver && all));
        }
        left
    }

    /// Ends workers, then the orchestrator.
    pub(super) async fn end(mut self) -> Result<(), Failure> {
        self.drain.cancel();
        if let Some(pool) = self.pool {
            // Nothing is started any more that would have to be ended.
            pool.rest.cancel();
            pool.processes.end(&pool.stop).await;
        }
        self.takes = None;
        let mut result = Ok(());
        while let Some(ended) = self.workers.join_next().await {
            result = result.and(outcome(ended).map(drop));
        }
        clock::pause(SETTLE, &CancellationToken::new()).await;
        self.halt.cancel();
        while let Some(ended) = self.orchestrator.join_next().await {
            result = result.and(outcome(ended).map(drop));
        }
        result
    }
}

fn outcome<T>(ended: Result<Result<T, Failure>, tokio::task::JoinError>) -> Result<T, Failure> {
    match ended {
        Ok(result) => result,
        Err(error) => Err(Failure::from_error(Exit::Failed, error)),
    }
}

async fn run_orchestrator(orchestrator: Orchestrator) -> Result<Left, Failure> {
    Ok(match orchestrator.run().await? {
        shraga_orchestrator::Left::HandedOver => Left::HandedOver,
        shraga_orchestrator::Left::Stopped => Left::Stopped,
    })
}

fn local_worker(
    config: &Config,
    folder: &Folder,
    number: u16,
    taking: Option<&Taking>,
) -> Result<(Worker, Client), Failure> {
    let base = config.worker.name.as_deref().unwrap_or("local");
    let name = format!("{base}-{number}");
    let who = local::worker_principal(&folder.person, &name, config);
    let client = local::client(config, local::transport(&folder.store, who))?;
    let place = worker::folder_of(config, &folder.path, &name);
    let mut settings = shraga_worker::Config {
        // Each has its own.
        worker: None,
        ..worker::settings(config, &name, place)
    };
    if let Some(taking) = taking {
        settings.release = Some(taking.running().clone());
        settings.update = taking.said();
    }
    Ok((Worker::new(client.clone(), settings), client))
}

/// What makes workers that are processes of their own.
fn launched(
    verb: &Up,
    context: &Context,
    folder: &Folder,
    url: &str,
    admin: Client,
) -> Result<Arc<Processes>, Failure> {
    if !lasting::SUPPORTED {
        return Err(Failure::new(
            Exit::Usage,
            "workers can't grow and shrink on this system: a process can't be told to end here",
        )
        .hint("give a number of workers, such as --workers 2"));
    }
    let config = &context.config;
    let launch = Launch {
        argv: supervise::this_program(&std::env::current_exe()?, &[])
            .into_iter()
            .chain(arguments(verb, config, folder)?)
            .collect(),
        env: env::all()
            .into_iter()
            .filter(|(name, _)| !OWN_VARIABLES.contains(&name.as_str()))
            .collect(),
        dir: std::env::current_dir()?,
        slots: config.worker.slots.0,
        labels: config.worker.labels.clone(),
    };
    // As the workers write it.
    let url = Url::parse(url).map_err(|error| Failure::from_error(Exit::Failed, error))?;
    let processes = Processes::new(admin, &folder.path, url.as_str(), launch);
    Ok(Arc::new(processes))
}

/// What a worker is told that this process was told: settings it finds itself.
fn arguments(verb: &Up, config: &Config, folder: &Folder) -> Result<Vec<String>, Failure> {
    let mut arguments = vec![
        "worker".to_owned(),
        "--data".to_owned(),
        folder.path.display().to_string(),
    ];
    if let Some(file) = &config.file {
        let file = file.canonicalize()?.display().to_string();
        arguments.extend(["--config".to_owned(), file]);
    }
    if verb.demo {
        arguments.push("--demo".to_owned());
    }
    let told = |key: &str| {
        let mut entries = config.entries.iter();
        let entry = entries.find(|entry| entry.key == key && entry.origin == Origin::Flag)?;
        let value = entry.value.as_deref()?;
        Some(value.trim_matches('"').to_owned())
    };
    let given = [
        ("--slots", verb.slots.clone()),
        ("--agent", verb.agent.clone()),
        ("--log-format", told("log.format")),
        ("--log-level", told("log.level")),
    ];
    for (flag, value) in given {
        if let Some(value) = value {
            arguments.extend([flag.to_owned(), value]);
        }
    }
    Ok(arguments)
}

/// How many there are to be: as many as `--workers` allows, and one for a person with much to do, where a
/// threshold is set. A fixed number is this process's own: then those that are there end once they have nothing to do.
fn policy(verb: &Up, config: &Config) -> MachinePolicy {
    let grows = verb.workers.grows();
    let (min, max) = match grows {
        true => (verb.workers.min.into(), verb.workers.max.into()),
        false => (0, 0),
    };
    let threshold = (grows && config.is_set("provision.threshold"))
        .then(|| config.provision.threshold.0.parse().ok())
        .flatten();
    let group = Group {
        threshold,
        pool_min: min,
        pool_max: max,
        total: max + threshold.map_or(0, |_: u32| OWN_WORKERS),
        slots: config.worker.slots.0,
        idle_stop: Some(Span::secs(config.worker.idle_seconds.0.into())),
        delete_after_stopped: delete_after_stopped(config),
        ..Group::process()
    };
    MachinePolicy {
        groups: [(ProviderKind::Process, group)].into(),
        events: true,
    }
}

/// How a worker in this process is told to stop, or to hand over.
fn ways(drain: &CancellationToken, stop: &Stop, taking: Option<&Taking>) -> shraga_worker::Stop {
    let mut ways = shraga_worker::Stop {
        drain: drain.clone(),
        now: stop.now.clone(),
        ..shraga_worker::Stop::default()
    };
    if let Some(taking) = taking {
        ways.hand_over = taking.hand_over.clone();
        ways.hand_over_empty = taking.hand_over_empty.clone();
    }
    ways
}
