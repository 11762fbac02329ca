//! `shraga workers`: who works, and on what.

use anstyle::Style;
use clap::Args;
use serde_json::json;
use shraga_core::fleet::Said;
use shraga_core::model::{Mirror, Worker};
use shraga_core::row::Table;
use shraga_core::status::WorkerState;
use shraga_core::time::Timestamp;
use shraga_core::update::Release;
use shraga_dataverse::Role;

use super::Context;
use crate::display::paint::{DIM, color};
use crate::display::table;
use crate::display::time::{age, rfc3339};
use crate::exit::{Exit, Failure};
use crate::roles::session::{Caller, Session};
use crate::tasks::workers as all;

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
        let (workers, now) = all::all(&session.client).await?;
        // Mirrors are an admin's to see; a person's own tasks don't say how full a worker is.
        let held = match session.role() {
            Role::Admin => Some(all::held(&session.client, None).await?),
            Role::User | Role::Worker => None,
        };
        let rows: Vec<_> = workers
            .iter()
            .map(|worker| {
                let hers = |mirror: &&Mirror| mirror.worker() == Some(worker.id);
                let used = held.as_ref().map(|held| held.iter().filter(hers).count());
                (worker, used)
            })
            .collect();
        if context.output.json {
            let workers: Vec<_> = rows.iter().map(|(it, used)| object(it, *used)).collect();
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
            context.output.line(print(&context, &rows, now))?;
        }
        Ok(Exit::Done)
    }
}

/// A worker, and how many of its slots are in use, if that can be seen.
type Seen<'a> = (&'a Worker, Option<usize>);

fn print(context: &Context, workers: &[Seen<'_>], now: Timestamp) -> String {
    let mut table = table::Table::new(
        &context.output,
        &[
            "NAME",
            "STATUS",
            "POOL",
            "USED",
            "AGENTS",
            "LABELS",
            "VERSION",
            "LAST SEEN",
            "ID",
        ],
    );
    for (worker, used) in workers {
        let plain = Style::new();
        let seen = worker.last_seen.map(|at| format!("{} ago", age(at, now)));
        table.row([
            (worker.name.clone(), plain),
            (state(worker, now), state_style(worker)),
            (worker.pool.to_string(), plain),
            (slots(worker, *used), plain),
            (worker.agents.join(", "), plain),
            (worker.labels.join(", "), plain),
            version(worker),
            (seen.unwrap_or_else(|| "never".to_owned()), DIM),
            (worker.id.to_string(), DIM),
        ]);
    }
    table.print()
}

/// The version it runs, and the one it may take or failed with.
fn version(worker: &Worker) -> (String, Style) {
    let member = &worker.member;
    let runs = member.release.as_ref().map(Release::version);
    let runs = runs.or(member.version.as_deref()).unwrap_or("-");
    match (&member.said, member.outstanding()) {
        (Said::Failed(release, _), _) => (
            format!("{runs}, {} failed", release.version()),
            color(anstyle::AnsiColor::Red),
        ),
        (_, Some(release)) => (
            format!("{runs} > {}", release.version()),
            color(anstyle::AnsiColor::Yellow),
        ),
        (_, None) => (runs.to_owned(), Style::new()),
    }
}

/// `2/4`, or only how many there are.
fn slots(worker: &Worker, used: Option<usize>) -> String {
    match used {
        Some(used) => format!("{used}/{}", worker.slots),
        None => format!("-/{}", worker.slots),
    }
}

/// What it says of itself, and since when an operator wants it to take nothing new.
fn state(worker: &Worker, now: Timestamp) -> String {
    match (worker.drained, worker.state) {
        (None, state) => state.to_string(),
        (Some(at), WorkerState::Draining) => format!("drained {}", age(at, now)),
        (Some(_), state) => format!("{state}, drained"),
    }
}

fn state_style(worker: &Worker) -> Style {
    use anstyle::AnsiColor::{Cyan, Green, Red, Yellow};
    color(match worker.state {
        WorkerState::Ready | WorkerState::Busy if worker.drained.is_some() => Yellow,
        WorkerState::Ready => Green,
        WorkerState::Busy => Cyan,
        WorkerState::Provisioning | WorkerState::Draining | WorkerState::Suspect => Yellow,
        WorkerState::Failed => Red,
        WorkerState::Offline | WorkerState::Deprovisioned => return DIM,
    })
}

fn object(worker: &Worker, used: Option<usize>) -> serde_json::Value {
    json!({
        "id": worker.id.to_string(),
        "name": worker.name,
        "type": worker.kind.as_str(),
        "status": worker.state.as_str(),
        "pool": worker.pool.as_str(),
        "slots": worker.slots,
        "used": used,
        "drained_since": worker.drained.map(rfc3339),
        "labels": worker.labels,
        "agents": worker.agents,
        "version": worker.member.version,
        "release": worker.member.release.as_ref().map(ToString::to_string),
        "allowed_release": worker.member.allowed.as_ref().map(ToString::to_string),
        "update": worker.member.said.to_string(),
        "owner": worker.owner.to_string(),
        "last_seen": worker.last_seen.map(rfc3339),
        "last_assigned": worker.last_assigned.map(rfc3339),
    })
}
