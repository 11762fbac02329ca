//! `shraga list`: one's tasks, what needs attention first.

use anstyle::Style;
use clap::Args;
use shraga_core::row::Table;
use shraga_core::status::TaskStatus;
use shraga_core::time::Timestamp;
use shraga_wire::query::{OrderBy, Query};

use super::Context;
use crate::display::paint::{BOLD, DIM, paint, status as style_of};
use crate::display::table;
use crate::display::time::{age, duration};
use crate::exit::{Exit, Failure};
use crate::roles::session::{Caller, Session};
use crate::tasks::{COLUMNS, TaskView, WorkerNames, json, mine, shortened};

/// List tasks: those that need you, running, waiting, done
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga list
  shraga list --limit 500 --json | jq '.[] | select(.status == \"Failed\")'

You see your own tasks; an admin's token (--token-file) sees everybody's.")]
pub struct List {
    /// How many of the newest tasks to show
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=5000))]
    limit: u32,
}

/// A part of the list: what it is called, and which tasks are in it.
type Part = (&'static str, fn(TaskStatus) -> bool);

const PARTS: [Part; 4] = [
    ("Needs you", |status| status == TaskStatus::WaitingForInput),
    ("Running", |status| {
        matches!(status, TaskStatus::Running | TaskStatus::Canceling)
    }),
    ("Waiting", |status| {
        matches!(
            status,
            TaskStatus::Pending | TaskStatus::Queued | TaskStatus::Submitted
        )
    }),
    ("Done", TaskStatus::is_terminal),
];

impl List {
    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        let session = Session::open(&context.config, Caller::Person).await?;
        let owner = (session.role() == shraga_dataverse::Role::User).then_some(session.me);
        let key = session.client.names().primary_id(Table::Tasks).to_owned();
        let query = Query {
            select: COLUMNS.iter().map(|&name| name.to_owned()).collect(),
            filter: Some(mine(owner)),
            order_by: vec![OrderBy {
                column: "createdon".to_owned(),
                descending: true,
            }],
            top: Some(self.limit),
            ..Query::default()
        };
        let page = session.client.page(Table::Tasks, &query, None).await?;
        let tasks = page
            .rows
            .iter()
            .map(|row| TaskView::read(row, &key))
            .collect::<Result<Vec<_>, _>>()
            .map_err(shraga_dataverse::Error::from)?;
        if context.output.json {
            let tasks: Vec<_> = tasks.iter().map(json).collect();
            context.output.object(&tasks)?;
        } else {
            let workers = WorkerNames::read(&session.client).await?;
            print(&context, &tasks, &workers, page.now)?;
        }
        Ok(Exit::Done)
    }
}

fn print(
    context: &Context,
    tasks: &[TaskView],
    workers: &WorkerNames,
    now: Timestamp,
) -> Result<(), Failure> {
    let output = &context.output;
    if tasks.is_empty() {
        output.talk("no tasks yet: `shraga submit \"...\"` files one");
        return Ok(());
    }
    let ids: Vec<_> = tasks.iter().map(|task| task.id).collect();
    let ids = shortened(&ids);
    for (title, belongs) in PARTS {
        let mut table = table::Table::new(
            output,
            &[
                "ID",
                "NAME",
                "STATUS",
                "FILED",
                "TOOK",
                "TRY",
                "WORKER",
                "WHY / RESULT",
            ],
        );
        let part: Vec<_> = tasks
            .iter()
            .zip(&ids)
            .filter(|(task, _)| belongs(task.status))
            .collect();
        if part.is_empty() {
            continue;
        }
        for (task, id) in &part {
            table.row(row(task, id, workers, now));
        }
        output.line(format_args!(
            "{} {}",
            paint(BOLD, title),
            paint(DIM, part.len())
        ))?;
        output.line(table.print())?;
    }
    Ok(())
}

fn row(task: &TaskView, id: &str, workers: &WorkerNames, now: Timestamp) -> [(String, Style); 8] {
    let plain = Style::new();
    let last = match task.status {
        TaskStatus::Completed => task.result_line().unwrap_or_default(),
        _ => task.note(),
    };
    [
        (id.to_owned(), DIM),
        (task.name.clone(), plain),
        (task.status.name().to_owned(), style_of(task.status)),
        (format!("{} ago", age(task.created, now)), DIM),
        (duration(task.started, task.finished, now), DIM),
        (task.attempt.to_string(), DIM),
        (workers.of(task.worker.as_deref()), DIM),
        (last.to_owned(), plain),
    ]
}
