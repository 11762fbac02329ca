//! Workers as verbs see them: all of them, one by its name or identity, and what each holds.

use shraga_core::ids::WorkerId;
use shraga_core::model::{Mirror, Worker};
use shraga_core::row::{Table, tasks};
use shraga_core::status::TaskStatus;
use shraga_core::time::Timestamp;
use shraga_dataverse::rows::{self, select};
use shraga_dataverse::{Client, Error};
use shraga_wire::filter::{Comparison, Filter, Literal, Operand};
use shraga_wire::query::{OrderBy, Query};

use crate::display::clean::one_line;
use crate::exit::{Exit, Failure};

/// How many candidates an ambiguous name lists before it says "and more".
const LISTED: usize = 8;

/// Every worker that can be understood, by name, and the store's time.
///
/// # Errors
/// Any error of the request.
pub async fn all(client: &Client) -> Result<(Vec<Worker>, Timestamp), Error> {
    let query = Query {
        select: names(select::WORKER),
        order_by: vec![OrderBy {
            column: "cr_name".to_owned(),
            descending: false,
        }],
        ..Query::default()
    };
    let page = client.page(Table::Workers, &query, None).await?;
    let read = |row| {
        rows::worker(row)
            .inspect_err(|error| tracing::warn!(%error, "a worker's row can't be understood"))
            .ok()
    };
    let workers = page.rows.iter().filter_map(read);
    let workers = workers.filter(|worker| worker.kind.runs_tasks());
    Ok((workers.collect(), page.now))
}

/// The worker that `text` means: its name, its identity, or the start of one of both.
///
/// # Errors
/// There is none, or more than one.
pub async fn find(client: &Client, text: &str) -> Result<Worker, Failure> {
    let (workers, _) = all(client).await?;
    let wanted = text.trim().to_lowercase();
    let exact =
        |worker: &&Worker| worker.name.to_lowercase() == wanted || worker.id.to_string() == wanted;
    let begins = |worker: &&Worker| {
        worker.name.to_lowercase().starts_with(&wanted)
            || worker.id.to_string().starts_with(&wanted)
    };
    let mut found: Vec<&Worker> = workers.iter().filter(exact).collect();
    if found.is_empty() && !wanted.is_empty() {
        found = workers.iter().filter(begins).collect();
    }
    match found.as_slice() {
        [worker] => Ok((*worker).clone()),
        [] => Err(Failure::new(
            Exit::NotFound,
            format!("there is no worker `{}`", one_line(text)),
        )
        .hint("`shraga workers` lists them; with a person's token only her own")),
        several => Err(ambiguous(text, several)),
    }
}

fn ambiguous(text: &str, found: &[&Worker]) -> Failure {
    let mut lines: Vec<_> = found
        .iter()
        .take(LISTED)
        .map(|worker| format!("  {}  {}", worker.id, one_line(&worker.name)))
        .collect();
    if found.len() > LISTED {
        lines.push(format!("  and {} more", found.len() - LISTED));
    }
    let message = format!(
        "`{}` means several workers:\n{}",
        one_line(text),
        lines.join("\n")
    );
    Failure::new(Exit::Usage, message).hint("give more of the name, or the identity")
}

/// The mirrors that take a slot, of `worker` or of all; those that the caller may see and that can be
/// understood.
///
/// # Errors
/// Any error of the request.
pub async fn held(client: &Client, worker: Option<WorkerId>) -> Result<Vec<Mirror>, Error> {
    let of = worker.map(|worker| is("cr_assignedworkerid", Literal::Text(worker.to_string())));
    let query = Query {
        select: names(select::MIRROR),
        filter: Some(Filter::And([active()].into_iter().chain(of).collect())),
        ..Query::default()
    };
    let rows = client.list(Table::Tasks, &query).await?;
    Ok(rows
        .iter()
        .filter_map(|row| rows::mirror(row).ok())
        .collect())
}

/// Mirrors that take a slot of a worker.
#[must_use]
pub fn active() -> Filter {
    let status = |status: TaskStatus| is(tasks::STATUS.name(), Literal::Int(status.code()));
    Filter::And(vec![
        is("cr_ismirror", Literal::Bool(true)),
        Filter::Or(vec![
            status(TaskStatus::Running),
            status(TaskStatus::Canceling),
        ]),
    ])
}

fn is(column: &str, literal: Literal) -> Filter {
    Filter::Compare(
        Operand::Column(column.to_owned()),
        Comparison::Eq,
        Operand::Literal(literal),
    )
}

fn names(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|&name| name.to_owned()).collect()
}
