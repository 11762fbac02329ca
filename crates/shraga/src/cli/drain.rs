//! `shraga drain` and `undrain`: an operator's wish that a worker takes nothing new, or takes work again.
//!
//! The wish has a column of its own in the worker's row, which the worker reads with its beats and never
//! writes, so it outlasts its restarts. Here it is only written; who heeds it are the worker and the
//! orchestrator.

use clap::Args;
use serde_json::json;
use shraga_core::model::{Mirror, Worker};
use shraga_core::row::{Condition, Table, Value, workers};
use shraga_core::status::WorkerState;
use shraga_core::time::{Span, Timestamp};
use shraga_dataverse::{Error, Role};

use super::Context;
use crate::display::clean::one_line;
use crate::display::progress::Spinner;
use crate::display::time::{age, rfc3339};
use crate::exit::{Exit, Failure};
use crate::roles::session::{Caller, Session};
use crate::tasks::watch::Watch;
use crate::tasks::workers as all;

/// How often the wish is written anew when the row changed under it. A worker changes its row with each
/// beat; more collisions than this mean that something else is wrong.
const TRIES: u32 = 10;

/// How long a worker may be silent and still be expected to say that it drains: three beats.
const SILENT: Span = Span::secs(90);

/// Names of held tasks that a line of progress has room for.
const NAMED: usize = 3;

/// Let a worker take nothing new: what runs goes on, what was not begun goes to others
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga drain workbench
  shraga drain workbench --wait && ssh workbench sudo reboot
  shraga undrain workbench

It stays drained over restarts, until `shraga undrain`. Needs an admin's token.")]
pub struct Drain {
    /// The worker's name or identity, or the start of one
    worker: String,
    /// Wait until it holds no task
    #[arg(long)]
    wait: bool,
}

/// Let a drained worker take work again
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  shraga undrain workbench

Needs an admin's token.")]
pub struct Undrain {
    /// The worker's name or identity, or the start of one
    worker: String,
}

impl Drain {
    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        let session = open(&context).await?;
        let watch = Watch::start(session.client.clone(), session.is_embedded()).await?;
        let worker = wish(&session, &self.worker, true).await?;
        if self.wait {
            return wait(&context, &session, watch, worker).await;
        }
        let held = all::held(&session.client, Some(worker.id)).await?;
        say(&context, &worker, &held)
    }
}

impl Undrain {
    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        let session = open(&context).await?;
        let worker = wish(&session, &self.worker, false).await?;
        let held = all::held(&session.client, Some(worker.id)).await?;
        say(&context, &worker, &held)
    }
}

async fn open(context: &Context) -> Result<Session, Failure> {
    let session = Session::open(&context.config, Caller::Admin).await?;
    if session.role() != Role::Admin {
        return Err(
            Failure::new(Exit::Authentication, "only an admin drains workers")
                .hint("give an admin's token with --token-file"),
        );
    }
    if !session
        .client
        .absent()
        .has(Table::Workers, workers::DRAINED)
    {
        let message = "this store has no column for the wish (cr_drainedon)";
        return Err(Failure::new(Exit::Configuration, message)
            .hint("an admin should run `shraga schema apply`"));
    }
    Ok(session)
}

/// Writes the wish, unless it stands there already; the worker as its row is then.
async fn wish(session: &Session, text: &str, drained: bool) -> Result<Worker, Failure> {
    let client = &session.client;
    let mut worker = all::find(client, text).await?;
    let now = all::all(client).await?.1;
    for _ in 0..TRIES {
        if worker.drained.is_some() == drained {
            return Ok(worker);
        }
        let value = match drained {
            true => Value::Time(now),
            false => Value::Null,
        };
        let condition = Condition::Version(worker.etag.clone());
        let cells = [(workers::DRAINED, value)];
        let id = worker.id;
        let written = client.patch(Table::Workers, id.get(), &condition, &cells);
        match written.await {
            Ok(_) | Err(Error::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
        worker = all::find(client, &id.to_string()).await?;
    }
    Err(Failure::new(Exit::TryAgain, "the worker's row keeps changing").hint("try again"))
}

fn say(context: &Context, worker: &Worker, held: &[Mirror]) -> Result<Exit, Failure> {
    if context.output.json {
        context.output.object(&object(worker, held))?;
        return Ok(Exit::Done);
    }
    let name = one_line(&worker.name);
    let line = match (worker.drained, held.len()) {
        (None, _) if worker.state.is_gone() => {
            format!(
                "{name} may take work again, when it runs: it is {}",
                worker.state
            )
        }
        (None, _) => format!("{name} takes work again"),
        (Some(_), 0) => format!("{name} takes nothing new and holds no task"),
        (Some(_), _) => format!("{name} takes nothing new; {}", holds(held)),
    };
    context.output.line(line)?;
    Ok(Exit::Done)
}

/// `it holds 2 tasks: NAME, NAME`.
fn holds(held: &[Mirror]) -> String {
    let mut names: Vec<String> = held
        .iter()
        .take(NAMED)
        .map(|mirror| one_line(&mirror.name))
        .collect();
    if held.len() > NAMED {
        names.push(format!("and {} more", held.len() - NAMED));
    }
    let tasks = if held.len() == 1 { "task" } else { "tasks" };
    format!("it holds {} {tasks}: {}", held.len(), names.join(", "))
}

fn object(worker: &Worker, held: &[Mirror]) -> serde_json::Value {
    let held: Vec<_> = held
        .iter()
        .map(|mirror| json!({"task": mirror.task.to_string(), "attempt": mirror.shown.attempt.0}))
        .collect();
    json!({
        "id": worker.id.to_string(),
        "name": worker.name,
        "status": worker.state.as_str(),
        "drained_since": worker.drained.map(rfc3339),
        "holds": held,
    })
}

/// Waits until the worker holds nothing and has said that it drains, or is not there to say so.
async fn wait(
    context: &Context,
    session: &Session,
    mut watch: Watch,
    worker: Worker,
) -> Result<Exit, Failure> {
    let stop = crate::roles::signals::watch().drain;
    let mut spinner = Spinner::start(context.output);
    let id = worker.id.to_string();
    let (worker, held) = loop {
        match look(session, &id).await {
            Ok((worker, held, now)) => {
                watch.answered();
                let rests = held.is_empty() && heard(&worker, now);
                spinner.show(&progress(&worker, &held, now));
                if rests {
                    break (worker, held);
                }
            }
            Err(failure) => bear(&mut watch, failure, &stop).await?,
        }
        if stop.is_cancelled() {
            spinner.finish();
            let talk = "it stays drained; `shraga workers` shows what it holds";
            context.output.talk(talk);
            return Ok(Exit::TryAgain);
        }
        watch.next(&stop).await?;
    };
    spinner.finish();
    say(context, &worker, &held)
}

async fn look(session: &Session, id: &str) -> Result<(Worker, Vec<Mirror>, Timestamp), Failure> {
    let worker = all::find(&session.client, id).await?;
    let held = all::held(&session.client, Some(worker.id)).await?;
    let (_, now) = all::all(&session.client).await?;
    Ok((worker, held, now))
}

/// Lets a store that is away for a moment come back.
async fn bear(
    watch: &mut Watch,
    failure: Failure,
    stop: &tokio_util::sync::CancellationToken,
) -> Result<(), Failure> {
    match failure.error.downcast_ref::<Error>() {
        Some(error) => Ok(watch.bear(error.clone(), stop).await?),
        None => Err(failure),
    }
}

/// Whether it knows that it is drained, as far as there is a process to know it.
fn heard(worker: &Worker, now: Timestamp) -> bool {
    let silent = worker.last_seen.is_none_or(|at| now.since(at) > SILENT);
    worker.state == WorkerState::Draining || worker.state.is_gone() || silent
}

fn progress(worker: &Worker, held: &[Mirror], now: Timestamp) -> String {
    let name = one_line(&worker.name);
    match held {
        [] if heard(worker, now) => format!("{name} holds no task"),
        [] => format!("{name} has not said yet that it drains"),
        held => {
            let since = worker.drained.map(|at| age(at, now)).unwrap_or_default();
            format!("{name} drains since {since}; {}", holds(held))
        }
    }
}
