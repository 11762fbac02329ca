//! `shraga retry`: filing a task that has ended once more, as a task of its own.
//!
//! The one that ended stays as it is, for terminal states never change: what is filed is a new row that
//! tells what it tries again. Only the one who filed a task does so, and a task that may still end well
//! is left alone.
//!
//! With `--accept-candidate` what is filed names a late result of the task, and ends with it instead of
//! being worked on. Whether that result counts is the orchestrator's to decide.

use clap::Args;
use serde_json::Value as Json;
use shraga_core::ids::{EventId, TaskId};
use shraga_core::row::{Column, Table, Value, tasks};
use shraga_core::status::TaskStatus;
use shraga_dataverse::Error;

use super::Context;
use super::submit::{Draft, budget, file_and_tell, file_as_and_tell, refuse_orchestrator};
use crate::clock;
use crate::exit::{Exit, Failure};
use crate::roles::session::{Caller, Session};
use crate::tasks::events::{Told, of_task};
use crate::tasks::{TaskView, candidates, find, get};

/// File a task that has ended once more
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga retry 0193f0a1
  shraga retry 0193f0a1 --wait
  shraga retry 0193f0a1 --budget 5usd
  shraga retry 0193f0a1 --accept-candidate

Files a new task with the same name, prompt, priority and wishes, and prints its identity; `shraga show` names \
the one it tries again. The one that ended stays as it is. One that has not ended is not filed again (exit code 7). \
With --accept-candidate nothing is run: an attempt that had lost its task completed all the same, and its late \
result, which `shraga show` lists, becomes that of the new task. Accepting it again is refused (exit code 7). \
With --wait it shows progress and exits 0 when the new task completed, 1 when it failed or was canceled.")]
pub struct Retry {
    /// The task that ended, or the start of its identity
    id: String,
    /// Take a late result for done instead: the event that keeps it, where there are several
    #[arg(
        long,
        value_name = "EVENT",
        num_args = 0..=1,
        default_missing_value = "",
        conflicts_with_all = ["budget", "rounds"]
    )]
    accept_candidate: Option<String>,
    /// What the new one may use, instead of what the old one might: as `shraga submit` takes it
    #[arg(long, value_name = "LIMITS", value_parser = budget)]
    budget: Option<String>,
    /// How often the new one may be done and verified, at most
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// Wait until the new one has ended
    #[arg(long)]
    wait: bool,
}

impl Retry {
    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        let session = Session::open(&context.config, Caller::Person).await?;
        let task = find(&session, &self.id).await?;
        let row = read(&session, task.id).await?;
        refuse_mirror(&task, &row)?;
        refuse_orchestrator(&session)?;
        refuse_foreign(&session, &task, &row)?;
        refuse_open(&task)?;
        if let Some(named) = &self.accept_candidate {
            return self.accept(&context, &session, (&task, &row), named).await;
        }
        if task.status == TaskStatus::Completed {
            let talk = format!("task {} has completed: it is done once more", task.id);
            context.output.talk(talk);
        }
        if !session.client.absent().has(Table::Tasks, tasks::RETRY_OF) {
            let talk =
                "this store has no cr_retryof: the new task does not tell which one it tries again";
            context.output.talk(talk);
        }
        let input = self.input(task.input.as_deref());
        let draft = draft(&session, &task, &row, input);
        file_and_tell(&context, &session, &draft, self.wait).await
    }

    /// What the old one asked for, but for what is to be otherwise.
    fn input(&self, old: Option<&str>) -> Option<String> {
        let changes = self.budget.is_some() || self.rounds.is_some();
        let old = old.or(changes.then_some("{}"))?;
        let input = candidates::edited(&candidates::without(old), |input| {
            let budget = self.budget.clone().map(|it| ("budget", Json::from(it)));
            let rounds = self.rounds.map(|it| ("rounds", Json::from(it)));
            let changed = budget.into_iter().chain(rounds);
            input.extend(changed.map(|(key, value)| (key.to_owned(), value)));
        });
        Some(input)
    }

    async fn accept(
        &self,
        context: &Context,
        session: &Session,
        (task, row): (&TaskView, &Ended),
        named: &str,
    ) -> Result<Exit, Failure> {
        let absent = session.client.absent();
        for column in [tasks::INPUT, tasks::RETRY_OF] {
            if !absent.has(Table::Tasks, column) {
                let message = format!(
                    "this store has no {}, so no late result can be accepted",
                    column.name()
                );
                let hint = "ask an admin to run `shraga schema apply`";
                return Err(Failure::new(Exit::Configuration, message).hint(hint));
            }
        }
        let events = of_task(&session.client, task.id).await?;
        let event = choose(task, &events, named)?;
        let input = task.input.as_deref().unwrap_or_default();
        let draft = draft(
            session,
            task,
            row,
            Some(candidates::accepting(input, event)),
        );
        for counter in 0..ACCEPTANCES {
            let id = candidates::acceptance(event, counter);
            if let Some(before) = get(&session.client, id).await? {
                match before.status {
                    TaskStatus::Failed | TaskStatus::Canceled => continue,
                    status => return Err(accepted_before(id, status)),
                }
            }
            let filed = file_as_and_tell(context, session, &draft, id, self.wait).await?;
            // Filed meanwhile by somebody else of hers, or a row that she can't see.
            return filed.ok_or_else(|| {
                let message = format!("another row has the identity {id} that would accept it");
                Failure::new(Exit::Conflict, message).hint(format!(
                    "`shraga show {id}` tells whether it was accepted meanwhile"
                ))
            });
        }
        let message = format!("accepting it was tried {ACCEPTANCES} times, and failed");
        Err(Failure::new(Exit::Conflict, message).hint(format!(
            "`shraga show {}` names the tries and why they failed",
            task.id
        )))
    }
}

/// How often one late result may be accepted anew after that failed: what makes it fail does not pass by
/// trying.
const ACCEPTANCES: u32 = 8;

/// The late result that is meant.
fn choose(task: &TaskView, events: &[Told], named: &str) -> Result<EventId, Failure> {
    let id = task.id;
    let (completed, others): (Vec<_>, Vec<_>) =
        candidates::of(events).partition(candidates::Candidate::completed);
    let found = match candidates::named(&completed, named) {
        Ok(one) => return Ok(one.id()),
        Err(found) => found,
    };
    if found.is_empty() {
        let what = match (completed.is_empty(), others.is_empty()) {
            (true, true) => "has no late result",
            (true, false) => "has no late result of an attempt that completed",
            (false, _) => "has no such late result",
        };
        return Err(
            Failure::new(Exit::NotFound, format!("task {id} {what}")).hint(format!(
                "`shraga show {id}` lists them; `shraga retry {id}` runs it again"
            )),
        );
    }
    let list: Vec<_> = found.iter().map(|it| it.id().to_string()).collect();
    let message = format!("task {id} has {} late results", found.len());
    Err(Failure::new(Exit::Usage, message).hint(format!(
        "name one: `shraga retry {id} --accept-candidate EVENT`, EVENT being {}",
        list.join(" or ")
    )))
}

fn accepted_before(id: TaskId, status: TaskStatus) -> Failure {
    let message = match status {
        TaskStatus::Completed => format!("that late result was accepted before, by task {id}"),
        _ => format!("that late result is being accepted by task {id}"),
    };
    Failure::new(Exit::Conflict, message).hint(format!("see it: `shraga show {id}`"))
}

/// What the row tells beside what every verb shows.
struct Ended {
    prompt: String,
    mirror_of: Option<String>,
    is_mirror: bool,
    owner: Option<String>,
}

async fn read(session: &Session, id: TaskId) -> Result<Ended, Failure> {
    let columns = [
        tasks::PROMPT.name(),
        tasks::IS_MIRROR.name(),
        tasks::MIRROR_OF.name(),
        "_ownerid_value",
    ];
    let row = session.client.get(Table::Tasks, id.get(), &columns).await?;
    let row = row.ok_or_else(|| Failure::new(Exit::NotFound, format!("task {id} is gone")))?;
    let object = row.object().map_err(Error::from)?;
    let text = |name: &str| object.get(name).and_then(Json::as_str).map(str::to_owned);
    Ok(Ended {
        prompt: text(tasks::PROMPT.name()).unwrap_or_default(),
        mirror_of: text(tasks::MIRROR_OF.name()),
        is_mirror: object.get(tasks::IS_MIRROR.name()) == Some(&Json::Bool(true)),
        owner: text("_ownerid_value"),
    })
}

/// A mirror's copy would be nobody's task.
fn refuse_mirror(task: &TaskView, row: &Ended) -> Result<(), Failure> {
    if !row.is_mirror {
        return Ok(());
    }
    let failure = Failure::new(Exit::Usage, format!("{} is a mirror, not a task", task.id));
    let of = row.mirror_of.as_deref().and_then(|id| id.parse().ok());
    Err(match of {
        Some(of) => {
            let of: TaskId = of;
            failure.hint(format!("its task: `shraga retry {of}`"))
        }
        None => failure,
    })
}

/// What is filed runs as the one who files it.
fn refuse_foreign(session: &Session, task: &TaskView, row: &Ended) -> Result<(), Failure> {
    let owner = row.owner.as_deref().and_then(|id| id.parse().ok());
    if owner == Some(session.me) {
        return Ok(());
    }
    let message = format!("task {} is somebody else's", task.id);
    Err(Failure::new(Exit::NotFound, message).hint("only who filed a task files it again"))
}

fn refuse_open(task: &TaskView) -> Result<(), Failure> {
    if task.status.is_terminal() {
        return Ok(());
    }
    let id = task.id;
    let message = format!("task {id} has not ended: {}", task.status);
    Err(
        Failure::new(Exit::Conflict, message).hint(match task.status {
            TaskStatus::Canceling => format!("it ends soon: `shraga show {id}`"),
            _ => format!("`shraga cancel {id}` ends it; `shraga why {id}` tells what it waits for"),
        }),
    )
}

/// The same work, as a row of its own. What it asks for is copied as it is, also where it can't be
/// understood here.
fn draft(session: &Session, task: &TaskView, row: &Ended, input: Option<String>) -> Draft {
    let mut beside: Vec<(Column, Value)> = vec![(tasks::RETRY_OF, task.id.get().into())];
    if let Some(input) = input {
        beside.push((tasks::INPUT, input.into()));
    }
    if let Some(at) = task.not_before.filter(|at| *at > clock::wall()) {
        beside.push((tasks::NOT_BEFORE, at.into()));
    }
    let known = session.info.as_ref().and_then(|info| info.email.as_ref());
    if let (None, Some(email)) = (known, &task.email) {
        beside.push((tasks::EMAIL, email.as_str().into()));
    }
    Draft {
        name: task.name.clone(),
        prompt: row.prompt.clone(),
        input: Json::Null,
        priority: task.priority,
        beside,
    }
}
