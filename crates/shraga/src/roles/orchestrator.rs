//! The orchestrator role: settings and the original's state file become its configuration.

use std::time::Duration;

use shraga_core::ids::{BootId, WorkerId};
use shraga_core::plan::Policy;
use shraga_core::plan::budget::Budgets;
use shraga_core::plan::fleet::FleetPolicy;
use shraga_core::plan::shares::Shares;
use shraga_core::time::Span;
use shraga_dataverse::{Client, Role};
use shraga_orchestrator::{Left, LinkTries, Orchestrator, RunError, dev_box, machines};
use tokio_util::sync::CancellationToken;

use super::dev_boxes;
use super::folder::Folder;
use super::session::{Caller, Session};
use super::taking::{self, Taking};
use super::{signals, update};
use crate::cli::Context;
use crate::config::{Config, Unchecked, env};
use crate::exit::{Exit, Failure};
use crate::state::keeper::Keeper;
use crate::state::{self, State};
use crate::tasks::fleet;
use crate::vitals::{self, MetricsArgs, Vitals};

/// Runs the orchestrator until it is told to stop, or with `once` until nothing is left to do.
///
/// # Errors
/// The store can't be used, or the token isn't an admin's.
pub async fn run(
    context: &Context,
    once: bool,
    metrics: &MetricsArgs,
    insecure: bool,
) -> Result<Exit, Failure> {
    let stop = signals::watch();
    let vitals = Vitals::start("orchestrate", context, metrics, insecure, &stop).await?;
    let client = open(&context.config).await?;
    let mut keeper = Keeper::open(state::FILE_NAME.into());
    let mut machines = machines::Settings::default();
    let address = context.config.store.url.as_ref();
    dev_boxes::add(&mut machines, &context.config, &client, address)?;
    let mut settings = settings(&context.config, &keeper);
    settings.machines = machines;
    let taking = Taking::of(&context.config)?.filter(|_| !once);
    if let Some(taking) = &taking {
        settings.hand_over = taking.ticks_end.clone();
        settings.fleet = Some(roll_out(&context.config, taking));
    }
    let orchestrator = Orchestrator::new(client.clone(), settings, stop.drain.clone());
    let status = orchestrator.status();
    vitals.watch(vec![vitals::Role::Orchestrator(status.clone(), client)]);
    if once {
        let finished = finish_once(orchestrator).await;
        keeper.save(&status);
        return finished;
    }
    let takes = taking
        .as_ref()
        .map(|taking| taking.start(taking::of_orchestrator(&orchestrator)));
    let never = CancellationToken::new();
    let asked = async {
        taking::asked(taking.as_ref(), false).await;
        // It has no agents that anybody would have to go on with.
        taking.iter().for_each(|taking| taking.ticks_end.cancel());
        std::future::pending().await
    };
    let left = tokio::select! {
        ended = orchestrator.run() => ended?,
        () = keeper.keep(status, &never) => Left::Stopped,
        never = asked => never,
    };
    drop(takes);
    match (left, &taking) {
        (Left::HandedOver, Some(taking)) => taking.handed_over(),
        (Left::HandedOver | Left::Stopped, _) => Ok(Exit::Done),
    }
}

/// A client with an admin's rights. Who it is, the orchestrator asks itself: it can begin before it
/// knows.
///
/// # Errors
/// The store can't be used, or the token isn't an admin's.
pub(crate) async fn open(config: &Config) -> Result<Client, Failure> {
    let (client, info) = Session::connect(config, Caller::Admin).await?;
    if info.is_none_or(|info| info.role == Role::Admin) {
        return Ok(client);
    }
    Err(Failure::new(
        Exit::Authentication,
        "the orchestrator needs an admin's token, this is another's",
    )
    .hint(
        "`shraga token create --role admin` makes one; an embedded store's is in its data folder",
    ))
}

/// An orchestrator as the settings and the state file of the original have it.
pub(crate) fn make(
    client: Client,
    config: &Config,
    keeper: &Keeper,
    stop: CancellationToken,
) -> Orchestrator {
    Orchestrator::new(client, settings(config, keeper), stop)
}

/// An orchestrator in the process that holds the store: there is one at a time, so it keeps its
/// identity over a restart. It notices newer versions only where it takes them: otherwise the folder it works in is
/// somebody's project.
pub(crate) fn make_local(
    client: Client,
    config: &Config,
    folder: &Folder,
    machines: machines::Settings,
    stop: CancellationToken,
    taking: Option<&Taking>,
) -> Orchestrator {
    let keeper = Keeper::open(state::FILE_NAME.into());
    let mut settings = settings(config, &keeper);
    settings.boot = Some(BootId::new(folder.store.organization_id()));
    match taking {
        Some(taking) => {
            settings.hand_over = taking.ticks_end.clone();
            settings.fleet = Some(roll_out(config, taking));
        }
        None => settings.update = None,
    }
    settings.machines = machines;
    Orchestrator::new(client, settings, stop)
}

fn settings(config: &Config, keeper: &Keeper) -> shraga_orchestrator::Config {
    let name = format!("{}/{}", env::host_name(), std::process::id());
    let mut settings = shraga_orchestrator::Config::new(name);
    settings.admin_user = keeper.admin();
    settings.legacy_workers = keeper.workers();
    settings.link = LinkTries {
        tries: config.store.link_tries.0,
        delay: config.store.link_delay_seconds.duration(),
    };
    settings.period_open = config.assign.tick_seconds.duration();
    settings.policy = policy(config);
    settings.update = Some(update::settings(config));
    settings
}

/// How releases are rolled out by an orchestrator that takes them itself.
fn roll_out(config: &Config, taking: &Taking) -> FleetPolicy {
    fleet::policy(config, Some(taking.running().clone()))
}

/// The Dev Box settings, right or wrong.
pub(crate) fn dev_box(config: &Config) -> dev_box::Settings {
    let text = |value: &Option<Unchecked>| value.as_ref().map(|value| value.0.clone());
    dev_box::Settings {
        endpoint: text(&config.provision.endpoint),
        project: text(&config.provision.project),
        pool: config.provision.pool.0.clone(),
        threshold: config.provision.threshold.0.clone(),
    }
}

/// What the operator decided about tasks and workers.
pub(crate) fn policy(config: &Config) -> Policy {
    Policy {
        shared: config.assign.shared,
        shares: Shares {
            weights: config.assign.weights.0.clone(),
            user_running: config.assign.user_running.0,
            key_running: config.assign.key_running.0,
            keys: config.assign.keys.0.clone(),
        },
        budget: Budgets {
            user_day: config.budget.user_day.0,
            users: config.budget.users.0.clone(),
            day: config.budget.day.0,
            attempt: config.budget.attempt.0,
            // Known once the store was looked at.
            accounts: false,
        },
        claim_timeout: span(config.health.claim_timeout_seconds.duration()),
        silence: span(config.health.suspect_seconds.duration()),
        confirm: span(config.health.confirm_seconds.duration()),
        ..Policy::default()
    }
}

/// Workers known only from the original's state file.
pub(crate) fn legacy_workers() -> Vec<WorkerId> {
    State::read(state::FILE_NAME.as_ref()).shared_workers
}

fn span(length: Duration) -> Span {
    Span::millis(i64::try_from(length.as_millis()).unwrap_or(i64::MAX))
}

async fn finish_once(mut orchestrator: Orchestrator) -> Result<Exit, Failure> {
    let finished = orchestrator.run_until_idle().await?;
    tracing::info!(
        ticks = finished.ticks,
        done = finished.done,
        "nothing is left to do"
    );
    if finished.refused.is_empty() {
        return Ok(Exit::Done);
    }
    Err(Failure::new(
        Exit::Failed,
        format!(
            "the store refused {} rows for good:\n  {}",
            finished.refused.len(),
            finished.refused.join("\n  ")
        ),
    ))
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Store(source) => {
                Self::from(source).context("the orchestrator can't use the store")
            }
            RunError::AnotherAdmin { .. } => Self::from_error(Exit::Conflict, error).hint(
                "run it with that admin's identity, or hand its open tasks over first \
                 (docs/operations.md, \"Under another identity\"); `shraga doctor` shows who is who",
            ),
            RunError::Deadline(_) => {
                Self::from_error(Exit::Unreachable, error).hint("run it again, or without --once")
            }
        }
    }
}
