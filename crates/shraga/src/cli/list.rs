//! `shraga list`: one's tasks, what needs attention first.

use clap::Args;

use super::{Context, overview};
use crate::exit::{Exit, Failure};
use crate::roles::session::{Caller, Session};
use crate::tasks::overview::Overview;
use crate::tasks::{WorkerNames, json};

/// List tasks: those that need you, running, waiting, done
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga list
  shraga list --limit 500 --json | jq '.[] | select(.status == \"Failed\")'

You see your own tasks; an admin's token (--token-file) sees everybody's. `shraga show` shows as many as \
fit the terminal.")]
pub struct List {
    /// How many of the newest tasks that ended to show beside all that have not
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=5000))]
    limit: u32,
}

impl List {
    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        let session = Session::open(&context.config, Caller::Person).await?;
        print(&context, &session, self.limit, None).await
    }
}

/// Prints the overview with `ended` ended tasks, within `height` lines.
pub(super) async fn print(
    context: &Context,
    session: &Session,
    ended: u32,
    height: Option<u16>,
) -> Result<Exit, Failure> {
    let owner = (session.role() == shraga_dataverse::Role::User).then_some(session.me);
    let seen = Overview::read(&session.client, owner, ended).await?;
    let output = &context.output;
    if output.json {
        let tasks: Vec<_> = seen.tasks.iter().map(json).collect();
        output.object(&tasks)?;
    } else if seen.tasks.is_empty() {
        output.talk("no tasks yet: `shraga submit \"...\"` files one");
    } else {
        let workers = WorkerNames::read(&session.client).await?;
        let lines = overview::lines(output, &seen, &workers, height);
        output.line(lines.join("\n"))?;
    }
    Ok(Exit::Done)
}
