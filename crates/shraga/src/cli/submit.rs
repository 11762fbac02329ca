//! `shraga submit`: filing a task, and waiting for its end.

use clap::Args;
use serde_json::json;
use shraga_core::budget::{Budget, BudgetError};
use shraga_core::ids::TaskId;
use shraga_core::repository::{Address, BadAddress, Reference};
use shraga_core::row::{Column, Table, Value, tasks};
use shraga_core::status::TaskStatus;
use shraga_dataverse::Role;
use uuid::Uuid;

use super::{Context, stdin};
use crate::display::progress::Progress;
use crate::exit::{Exit, Failure};
use crate::roles::session::{Caller, Session};
use crate::tasks::watch::Watch;
use crate::tasks::{self as views, TaskView};

/// Characters a task's name may have: the column's size.
const NAME_MAX_CHARS: usize = 100;

/// Characters a prompt may have: the column's size.
const PROMPT_MAX_CHARS: usize = 100_000;

/// File a task
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga submit \"Add a --json flag to the list command, tests green\" --wait
  shraga submit - --name nightly --priority 20 < prompt.txt
  shraga submit \"Fix issue 12\" --repo https://github.com/acme/app --ref main --push

Prints the task's identity. With --wait it shows progress and exits 0 when the task completed, 1 when it \
failed or was canceled.")]
pub struct Submit {
    /// What is to be done; - reads it from standard input
    prompt: String,
    /// A short name [default: the prompt's first line]
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// How to tell that it is done: judged by a session of its own, and worked on until it holds
    #[arg(long, value_name = "TEXT")]
    criteria: Option<String>,
    /// How often it may be worked on until the criteria hold [default: 3]
    #[arg(long, value_name = "N", requires = "criteria",
          value_parser = clap::value_parser!(u32).range(1..=10))]
    rounds: Option<u32>,
    /// The repository it is about: https://, ssh://, USER@HOST:PATH, or a path that the worker allows
    #[arg(long, value_name = "ADDRESS")]
    repo: Option<String>,
    /// The branch, tag or commit to begin from [default: the repository's default branch]
    #[arg(long = "ref", value_name = "REF", requires = "repo")]
    reference: Option<String>,
    /// Push the branch with its commits when it has completed
    #[arg(long, requires = "repo")]
    push: bool,
    /// The agent to run it with [default: the worker's]
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// -100 (whenever) to 100 (first); each step is worth ten minutes of waiting
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true,
          value_parser = clap::value_parser!(i64).range(-100..=100))]
    priority: i64,
    /// A label that its worker must carry; may be given several times
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
    /// Run it apart from your other tasks with this key: one after the other, unless an admin allows more
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// What it may use: any of usd, tokens, turns, s, m, h, kb, mb, such as 2.50usd,30m,200k-tokens,40turns
    #[arg(long, value_name = "LIMITS", value_parser = budget)]
    budget: Option<String>,
    /// Wait until it has ended
    #[arg(long)]
    wait: bool,
}

impl Submit {
    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        let draft = self.draft()?;
        let session = Session::open(&context.config, Caller::Person).await?;
        refuse_orchestrator(&session)?;
        self.say_what_is_lost(&context, &session)?;
        file_and_tell(&context, &session, &draft, self.wait).await
    }

    /// What this store can't hold: said, or refused when the task would run otherwise than asked.
    fn say_what_is_lost(&self, context: &Context, session: &Session) -> Result<(), Failure> {
        let absent = session.client.absent();
        let asks = self.agent.is_some()
            || self.repo.is_some()
            || self.key.is_some()
            || self.budget.is_some()
            || !self.labels.is_empty();
        if asks && !absent.has(Table::Tasks, tasks::INPUT) {
            let message = "this store has no cr_input, so a task can't name an agent, a repository, labels, a key or a budget";
            return Err(Failure::new(Exit::Configuration, message)
                .hint("file it without them, or ask an admin to run `shraga schema apply`"));
        }
        if self.priority != 0 && !absent.has(Table::Tasks, tasks::PRIORITY) {
            context
                .output
                .talk("this store has no cr_priority: the priority is ignored");
        }
        Ok(())
    }

    fn draft(&self) -> Result<Draft, Failure> {
        let prompt = match self.prompt.as_str() {
            "-" => stdin::read(PROMPT_MAX_CHARS)?,
            text => text.to_owned(),
        };
        if prompt.trim().is_empty() {
            return Err(Failure::new(Exit::Usage, "the prompt is empty")
                .hint("say what is to be done: shraga submit \"...\""));
        }
        let prompt = match &self.criteria {
            Some(criteria) => format!("{}\n\nDone when: {}", prompt.trim_end(), criteria.trim()),
            None => prompt,
        };
        at_most("prompt", &prompt, PROMPT_MAX_CHARS)?;
        let name = match &self.name {
            Some(name) => {
                at_most("name", name, NAME_MAX_CHARS)?;
                name.trim().to_owned()
            }
            None => name_from(&prompt),
        };
        Ok(Draft {
            name,
            prompt,
            input: json!({
                "successCriteria": self.criteria,
                "rounds": self.rounds,
                "repo": repository(self)?.map(|address| address.to_string()),
                "ref": self.reference,
                "push": self.push.then_some(true),
                "agent": self.agent,
                "labels": (!self.labels.is_empty()).then_some(&self.labels),
                "key": self.key,
                "budget": self.budget,
            }),
            priority: self.priority,
            beside: Vec::new(),
        })
    }
}

/// Limits that can be understood, as they were given.
pub(super) fn budget(text: &str) -> Result<String, BudgetError> {
    let _: Budget = text.parse()?;
    Ok(text.trim().to_owned())
}

/// A task about to be filed.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) prompt: String,
    pub(crate) input: serde_json::Value,
    pub(crate) priority: i64,
    /// More cells, as they are.
    pub(crate) beside: Vec<(Column, Value)>,
}

/// Files `draft` and prints its identity, or waits until it has ended and prints its result.
pub(crate) async fn file_and_tell(
    context: &Context,
    session: &Session,
    draft: &Draft,
    waits: bool,
) -> Result<Exit, Failure> {
    let watch = Watch::start(session.client.clone(), session.is_embedded()).await?;
    let id = file(session, draft).await?;
    tell(context, session, watch, id, waits).await
}

/// Files `draft` under this identity, and tells as [`file_and_tell`] does; `None` where a row has that
/// identity already.
pub(crate) async fn file_as_and_tell(
    context: &Context,
    session: &Session,
    draft: &Draft,
    id: TaskId,
    waits: bool,
) -> Result<Option<Exit>, Failure> {
    let watch = Watch::start(session.client.clone(), session.is_embedded()).await?;
    let cells = cells(session, draft);
    match session.client.create(Table::Tasks, id.get(), &cells).await {
        Ok(made) => {
            let id = TaskId::new(made.id);
            tell(context, session, watch, id, waits).await.map(Some)
        }
        Err(shraga_dataverse::Error::Conflict(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Prints what was filed, or waits until it has ended and prints its result.
async fn tell(
    context: &Context,
    session: &Session,
    watch: Watch,
    id: TaskId,
    waits: bool,
) -> Result<Exit, Failure> {
    if waits {
        return wait(context, session, watch, id).await;
    }
    if context.output.json {
        let task = views::get(&session.client, id).await?;
        context.output.object(&task.as_ref().map(views::json))?;
    } else {
        context.output.line(id)?;
    }
    Ok(Exit::Done)
}

/// Files `draft` as the session's own.
pub(crate) async fn file(session: &Session, draft: &Draft) -> Result<TaskId, Failure> {
    let cells = cells(session, draft);
    // A store that chooses identities itself says which it chose.
    let made = session
        .client
        .create(Table::Tasks, Uuid::now_v7(), &cells)
        .await?;
    Ok(TaskId::new(made.id))
}

/// The row that files `draft`.
fn cells(session: &Session, draft: &Draft) -> Vec<(Column, Value)> {
    let mut input = draft.input.clone();
    if let Some(object) = input.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
    let mut cells: Vec<(Column, Value)> = vec![
        (tasks::NAME, draft.name.as_str().into()),
        (tasks::PROMPT, draft.prompt.as_str().into()),
        (tasks::STATUS, TaskStatus::Pending.code().into()),
        (tasks::PRIORITY, draft.priority.into()),
    ];
    if input.as_object().is_some_and(|object| !object.is_empty()) {
        cells.push((tasks::INPUT, input.to_string().into()));
    }
    if let Some(email) = session.info.as_ref().and_then(|info| info.email.clone()) {
        cells.push((tasks::EMAIL, email.into()));
    }
    cells.extend(draft.beside.iter().cloned());
    cells
}

/// Waits until the task has ended, showing how it moves; prints it and says how it ended.
async fn wait(
    context: &Context,
    session: &Session,
    mut watch: Watch,
    id: TaskId,
) -> Result<Exit, Failure> {
    let stop = crate::roles::signals::watch().drain;
    let mut progress = Progress::start(context.output);
    context.output.talk(format_args!("filed {id}"));
    let ended = loop {
        match views::get(&session.client, id).await {
            Ok(Some(task)) => {
                watch.answered();
                progress.show(&task);
                if task.status.is_terminal() {
                    break Some(task);
                }
            }
            Ok(None) => break None,
            Err(failure) => bear(&mut watch, failure, &stop).await?,
        }
        if stop.is_cancelled() {
            progress.finish();
            context.output.talk(format_args!(
                "the task goes on; `shraga show {id}` tells how it ends, `shraga cancel {id}` ends it"
            ));
            return Ok(Exit::TryAgain);
        }
        watch.next(&stop).await?;
    };
    progress.finish();
    let task = ended.ok_or_else(|| {
        Failure::new(
            Exit::NotFound,
            format!("the row of task {id} was deleted while waiting"),
        )
    })?;
    print_ended(context, &task)
}

/// Lets a store that is away for a moment come back.
async fn bear(
    watch: &mut Watch,
    failure: Failure,
    stop: &tokio_util::sync::CancellationToken,
) -> Result<(), Failure> {
    match failure.error.downcast_ref::<shraga_dataverse::Error>() {
        Some(error) => Ok(watch.bear(error.clone(), stop).await?),
        None => Err(failure),
    }
}

fn print_ended(context: &Context, task: &TaskView) -> Result<Exit, Failure> {
    if context.output.json {
        context.output.object(&views::json(task))?;
    } else if let Some(result) = &task.result {
        context
            .output
            .line(crate::display::clean::block(result.trim_end()))?;
    }
    Ok(match task.status {
        TaskStatus::Completed => Exit::Done,
        _ => Exit::Failed,
    })
}

/// The orchestrator's own rows are never discovered, so a task filed by it would wait for ever.
pub(super) fn refuse_orchestrator(session: &Session) -> Result<(), Failure> {
    let state = crate::state::State::read(crate::state::FILE_NAME.as_ref());
    let admin_there = session.is_embedded() && session.role() == Role::Admin;
    if !admin_there && state.admin != Some(session.me) {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Usage,
        "this is the orchestrator's own identity, whose tasks nobody picks up",
    )
    .hint("use a person's token: `shraga token create --user EMAIL --role user` makes one"))
}

fn at_most(what: &str, text: &str, limit: usize) -> Result<(), Failure> {
    let length = text.chars().count();
    if length <= limit {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Usage,
        format!("the {what} has {length} characters, at most {limit} fit"),
    ))
}

/// What is said of a repository, checked before anybody waits for a worker to refuse it. An address may
/// hold a password, so it isn't repeated.
fn repository(submit: &Submit) -> Result<Option<Address>, Failure> {
    if let Some(reference) = &submit.reference {
        let checked = reference.parse::<Reference>();
        checked.map_err(|error| Failure::from_error(Exit::Usage, error))?;
    }
    let address = submit.repo.as_ref().map(|text| text.parse()).transpose();
    address.map_err(|error: BadAddress| {
        Failure::new(Exit::Usage, format!("the address of --repo {error}")).hint(
            "write https://HOST/PATH, ssh://USER@HOST/PATH, USER@HOST:PATH, or an absolute path that a \
             worker allows",
        )
    })
}

/// The first line that says something, cut to fit.
fn name_from(prompt: &str) -> String {
    let line = prompt.trim().lines().next().unwrap_or_default().trim();
    if line.chars().count() <= NAME_MAX_CHARS {
        return line.to_owned();
    }
    let cut: String = line.chars().take(NAME_MAX_CHARS - 1).collect();
    format!("{}\u{2026}", cut.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_taken_from_a_prompt_fits_its_column() {
        assert_eq!(name_from("\n  First line \nsecond"), "First line");
        let long = name_from(&"word ".repeat(60));
        assert!(long.chars().count() <= NAME_MAX_CHARS);
        assert!(long.ends_with('\u{2026}'));
    }
}
