//! `shraga workers`: who works, and on what.

use anstyle::Style;
use clap::Args;
use serde_json::json;
use shraga_core::model::Worker;
use shraga_core::row::Table;
use shraga_core::status::{WorkerKind, WorkerState};
use shraga_core::time::Timestamp;
use shraga_dataverse::rows::{select, worker};
use shraga_wire::query::{OrderBy, Query};

use super::Context;
use crate::display::paint::{DIM, color};
use crate::display::table;
use crate::display::time::{age, rfc3339};
use crate::exit::{Exit, Failure};
use crate::roles::session::{Caller, Session};

/// List workers: what they are fit for, whom they serve, when they were last heard
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga workers
  shraga workers --json | jq '.[] | select(.status == \"ready\") | .name'

An admin's token shows all workers, a person's only her own.")]
pub struct Workers {}

impl Workers {
    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        let session = Session::open(&context.config, Caller::Admin).await?;
        let query = Query {
            select: select::WORKER.iter().map(|&name| name.to_owned()).collect(),
            order_by: vec![OrderBy {
                column: "cr_name".to_owned(),
                descending: false,
            }],
            ..Query::default()
        };
        let page = session.client.page(Table::Workers, &query, None).await?;
        let workers: Vec<_> = page
            .rows
            .iter()
            .filter_map(|row| {
                worker(row)
                    .inspect_err(
                        |error| tracing::warn!(%error, "a worker's row can't be understood"),
                    )
                    .ok()
            })
            .filter(|worker| worker.kind != WorkerKind::Orchestrator)
            .collect();
        if context.output.json {
            let workers: Vec<_> = workers.iter().map(object).collect();
            context.output.object(&workers)?;
        } else if !session.client.absent().has_table(Table::Workers) {
            context
                .output
                .talk("this store has no table of workers; `shraga schema apply` adds it");
        } else if workers.is_empty() {
            context
                .output
                .talk("no workers yet: `shraga worker` (or `shraga up`) starts one");
        } else {
            context.output.line(print(&context, &workers, page.now))?;
        }
        Ok(Exit::Done)
    }
}

fn print(context: &Context, workers: &[Worker], now: Timestamp) -> String {
    let mut table = table::Table::new(
        &context.output,
        &[
            "NAME",
            "STATUS",
            "POOL",
            "SLOTS",
            "AGENTS",
            "LABELS",
            "LAST SEEN",
            "ID",
        ],
    );
    for worker in workers {
        let plain = Style::new();
        let seen = worker.last_seen.map(|at| format!("{} ago", age(at, now)));
        table.row([
            (worker.name.clone(), plain),
            (worker.state.to_string(), state_style(worker.state)),
            (worker.pool.to_string(), plain),
            (worker.slots.to_string(), plain),
            (worker.agents.join(", "), plain),
            (worker.labels.join(", "), plain),
            (seen.unwrap_or_else(|| "never".to_owned()), DIM),
            (worker.id.to_string(), DIM),
        ]);
    }
    table.print()
}

fn state_style(state: WorkerState) -> Style {
    use anstyle::AnsiColor::{Cyan, Green, Red, Yellow};
    color(match state {
        WorkerState::Ready => Green,
        WorkerState::Busy => Cyan,
        WorkerState::Provisioning | WorkerState::Draining | WorkerState::Suspect => Yellow,
        WorkerState::Failed => Red,
        WorkerState::Offline | WorkerState::Deprovisioned => return DIM,
    })
}

fn object(worker: &Worker) -> serde_json::Value {
    json!({
        "id": worker.id.to_string(),
        "name": worker.name,
        "type": worker.kind.as_str(),
        "status": worker.state.as_str(),
        "pool": worker.pool.as_str(),
        "slots": worker.slots,
        "labels": worker.labels,
        "agents": worker.agents,
        "owner": worker.owner.to_string(),
        "last_seen": worker.last_seen.map(rfc3339),
        "last_assigned": worker.last_assigned.map(rfc3339),
    })
}
