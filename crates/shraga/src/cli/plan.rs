//! `shraga plan`: what the orchestrator would do now, without doing it.

use clap::Args;
use serde_json::{Value, json};
use shraga_core::plan::Plan;
use shraga_core::row::ChangeSet;
use tokio_util::sync::CancellationToken;

use super::Context;
use crate::exit::{Exit, Failure};
use crate::roles::orchestrator;
use crate::state::FILE_NAME;
use crate::state::keeper::Keeper;

/// Print what the orchestrator would do now, and do nothing
#[derive(Debug, Args)]
#[command(
    name = "plan",
    after_help = "\
Examples:
  shraga plan
  shraga plan --json | jq '.[].sets[].why'

Needs an admin's token. Every line is a conditional write; the conditions make a stale plan harmless."
)]
pub struct ShowPlan {}

impl ShowPlan {
    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        print(&context).await
    }
}

/// Observes once, plans, prints.
pub(crate) async fn print(context: &Context) -> Result<Exit, Failure> {
    let client = orchestrator::open(&context.config).await?;
    let never = CancellationToken::new();
    let keeper = Keeper::open(FILE_NAME.into());
    let mut planner = orchestrator::make(client, &context.config, &keeper, never);
    let plans = planner.plan_only().await?;
    if context.output.json {
        let plans: Vec<_> = plans.iter().map(object).collect();
        context.output.object(&plans)?;
        return Ok(Exit::Done);
    }
    let quiet =
        |plan: &Plan| plan.sets.is_empty() && plan.waiting.is_empty() && plan.notes.is_empty();
    if plans.iter().all(quiet) {
        context.output.talk("nothing to do");
    }
    for plan in plans.iter().filter(|plan| !quiet(plan)) {
        let text = crate::display::clean::block(&plan.to_string());
        context.output.line(text.trim_end())?;
    }
    Ok(Exit::Done)
}

fn object(plan: &Plan) -> Value {
    let sets: Vec<_> = plan.sets.iter().map(set_object).collect();
    let waiting: Vec<_> = plan
        .waiting
        .iter()
        .map(|(task, reason)| json!({ "task": task.to_string(), "reason": reason.as_str() }))
        .collect();
    json!({
        "loop": plan.by.to_string(),
        "sets": sets,
        "waiting": waiting,
        "notes": plan.notes,
    })
}

/// A change set as scripts get it.
pub(crate) fn set_object(set: &ChangeSet) -> Value {
    let writes: Vec<_> = set.writes.iter().map(write).collect();
    json!({
        "task": set.task.map(|task| task.to_string()),
        "why": set.why,
        "writes": writes,
    })
}

fn write(write: &shraga_core::row::Write) -> Value {
    use shraga_core::row::Condition;
    let condition = match &write.condition {
        Condition::Absent => "absent".to_owned(),
        Condition::Version(etag) => etag.to_string(),
    };
    let cells: serde_json::Map<_, _> = write
        .cells
        .iter()
        .map(|(column, value)| (column.name().to_owned(), value.to_string().into()))
        .collect();
    json!({
        "table": write.table.name(),
        "id": write.id,
        "condition": condition,
        "cells": cells,
    })
}
