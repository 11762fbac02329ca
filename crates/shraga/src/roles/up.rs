//! Everything in one process: store, orchestrator and workers, stopped in the order that loses
//! nothing: workers first, then the orchestrator (which brings their reports home), then the store.

use std::time::Duration;

use shraga_dataverse::Client;
use tokio_util::sync::CancellationToken;

use super::crew::Crew;
use super::folder::Folder;
use super::session::Session;
use super::signals::{self, Stop};
use super::taking::{self, Taking};
use super::{folder, local, server, worker};
use crate::cli::Context;
use crate::cli::up::Up;
use crate::clock;
use crate::config::Config;
use crate::config::agents::{Agent, Kind};
use crate::demo;
use crate::display::clean::one_line;
use crate::exit::{Exit, Failure};
use crate::tasks::TaskView;
use crate::tasks::overview::{Call, Overview};
use crate::tasks::watch::Watch;
use crate::vitals::Vitals;

/// How long everything that is open must need somebody before `--exit-when-idle` gives up: workers take
/// seconds to come, and a reason is written when it has lasted.
const STUCK: Duration = Duration::from_secs(20);

/// Between two looks meanwhile.
const STUCK_LOOK: Duration = Duration::from_secs(2);

/// Tasks that are named then.
const STUCK_NAMED: usize = 10;

/// How many slots the demo's workers have, unless told otherwise: its two long tasks must not keep
/// the short ones waiting.
const DEMO_SLOTS: u32 = 2;

/// How long one attempt of the demo may take.
const DEMO_TIMEOUT_SECONDS: u32 = 120;

/// Runs it all.
///
/// # Errors
/// The data folder or the port is in use, or a role fails.
pub async fn run(verb: Up, mut context: Context) -> Result<Exit, Failure> {
    let stop = signals::watch();
    let vitals = Vitals::start("up", &context, &verb.metrics, verb.listen.insecure, &stop).await?;
    if verb.demo {
        prepare_demo(&mut context.config)?;
    }
    let folder = folder::open(&context.config.store.data, "up").await?;
    let serving = CancellationToken::new();
    let server = server::start(&folder, &context.config.store, &verb.listen, &serving).await?;
    greet(&verb, &context, &folder, &server);
    let person = local::client(
        &context.config,
        local::transport(&folder.store, folder.person.clone()),
    )?;
    let person = Session::greet(person).await?;
    // A demo, and what ends by itself, is not updated.
    let lasting = !verb.demo && !verb.exit_when_idle;
    let taking = Taking::of(&context.config)?.filter(|_| lasting);
    let taking = taking.as_ref();
    let mut crew = Crew::start(&verb, &context, &folder, server.url(), &stop, taking).await?;
    vitals.watch(std::mem::take(&mut crew.roles));
    let workers = crew.has_workers();
    let exit = tokio::select! {
        exit = purpose(&verb, &context, &folder, &person, &stop) => exit,
        failure = crew.failure() => Err(failure),
        () = stop.drain.cancelled() => Ok(Exit::Done),
        () = taking::asked(taking, workers) => Ok(Exit::HandOver),
    };
    let handed_over = match (taking, &exit) {
        (Some(taking), Ok(Exit::HandOver)) => crew.hand_over(taking, &stop).await,
        _ => crew.end().await.map(|()| false),
    };
    serving.cancel();
    server.finished().await?;
    drop(folder);
    match (handed_over?, taking) {
        (true, Some(taking)) => taking.handed_over(),
        _ if matches!(exit, Ok(Exit::HandOver)) => Ok(Exit::Done),
        _ => exit,
    }
}

/// What it runs for: the demo, until nothing is open, or until it is told to stop.
async fn purpose(
    verb: &Up,
    context: &Context,
    folder: &Folder,
    person: &Session,
    stop: &Stop,
) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    if verb.demo {
        exit = demo::run(person, &folder.path, context.output, &stop.drain).await?;
        if !verb.exit_when_idle {
            context.output.talk(
                "\nStill up. In another terminal, here or in a folder below, try:\n  \
                 shraga list\n  shraga workers\n  shraga submit \"...\"   (needs an agent in shraga.toml)\n\
                 Ctrl-C stops it.",
            );
        }
    }
    if !verb.exit_when_idle {
        stop.drain.cancelled().await;
        return Ok(exit);
    }
    let admin = local::client(
        &context.config,
        local::transport(&folder.store, folder.admin.clone()),
    )?;
    until_idle(admin, &stop.drain).await.and(Ok(exit))
}

/// Waits until no task is open, or none of the open ones can end without somebody's doing.
///
/// # Errors
/// The latter, naming them; or the store fails.
async fn until_idle(client: Client, stop: &CancellationToken) -> Result<(), Failure> {
    let mut watch = Watch::start(client.clone(), true).await?;
    let mut since = None;
    loop {
        let seen = Overview::read(&client, None, 1).await?;
        let stuck = seen.all_stuck();
        if stuck.as_ref().is_some_and(Vec::is_empty) || stop.is_cancelled() {
            return Ok(());
        }
        match stuck {
            Some(stuck) => {
                let first = *since.get_or_insert_with(clock::instant);
                if first.elapsed() >= STUCK {
                    return Err(cannot_end(&stuck));
                }
                tokio::select! {
                    changed = watch.next(stop) => changed?,
                    _ = clock::pause(STUCK_LOOK, stop) => {}
                }
            }
            None => {
                since = None;
                watch.next(stop).await?;
            }
        }
    }
}

fn cannot_end(stuck: &[(&TaskView, Call)]) -> Failure {
    let named = stuck.iter().take(STUCK_NAMED).map(|(task, call)| {
        let (name, what) = (one_line(&task.name), one_line(&call.what));
        format!(
            "\n  {}  {name}: {what}\n    {}",
            task.id.short(),
            call.advice
        )
    });
    let more = match stuck.len().saturating_sub(STUCK_NAMED) {
        0 => String::new(),
        more => format!("\n  and {more} more"),
    };
    let named: String = named.collect();
    let message = format!("what is open can't end by itself:{named}{more}");
    Failure::new(Exit::Failed, message).hint("without --exit-when-idle it waits for somebody")
}

fn greet(verb: &Up, context: &Context, folder: &Folder, server: &server::Server) {
    context.say(format_args!(
        "Store at {}, data in {}",
        server.url(),
        folder.path.display()
    ));
    if verb.demo {
        return;
    }
    if context.config.agents.is_empty() {
        context.say(format_args!(
            "No agent is configured: tasks will wait. To have them worked on, {}",
            worker::AGENT_HINT
        ));
    }
    context.say("File a task from another terminal: shraga submit \"...\" --wait");
}

/// The demo brings its own agent: this very program. Its workers that are processes of their own bring it too.
///
/// # Errors
/// Where this program is can't be told.
pub(crate) fn prepare_demo(config: &mut Config) -> Result<(), Failure> {
    let program = std::env::current_exe()?;
    config.agents.retain(|agent| agent.name != demo::AGENT);
    let program = vec![program.display().to_string(), "demo-agent".to_owned()];
    config.agents.push(Agent {
        timeout: crate::config::Seconds(DEMO_TIMEOUT_SECONDS),
        ..Agent::new(demo::AGENT, Kind::Command, program)
    });
    if !config.is_set("worker.slots") {
        config.worker.slots.0 = DEMO_SLOTS;
    }
    Ok(())
}
