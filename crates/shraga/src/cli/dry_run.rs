//! `shraga orchestrate --dry-run`: what the orchestrator would do, next to what the original would have
//! done, pass after pass. Nothing is written anywhere.
//!
//! A pass is printed when it differs from the one before it: beside a running original, that is what the
//! two see differently.

use std::collections::HashMap;

use serde_json::{Value, json};
use shraga_core::ids::{TaskId, WorkerId};
use shraga_core::plan::Plan;
use shraga_core::row::ChangeSet;
use shraga_dataverse::{Client, Error};
use shraga_orchestrator::Orchestrator;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Context;
use super::plan::set_object;
use crate::clock;
use crate::display::clean::one_line;
use crate::exit::{Exit, Failure};
use crate::original::{self, Found, Original, Request};
use crate::roles::{orchestrator, signals};
use crate::state::FILE_NAME;
use crate::state::keeper::Keeper;

/// What would be done now.
struct Pass {
    /// Tasks that the original would have found, or that we would do something about.
    tasks: Vec<Compared>,
    /// Everything else that we would write.
    others: Vec<ChangeSet>,
    /// Things somebody should know.
    notes: Vec<String>,
}

/// A task, and what would become of it.
struct Compared {
    id: TaskId,
    name: Option<String>,
    ours: Vec<ChangeSet>,
    /// Why it would wait, if it would.
    waits: Option<&'static str>,
    original: Vec<Request>,
    found_by_original: bool,
}

/// Who plans, and for whom.
struct Planner {
    client: Client,
    orchestrator: Orchestrator,
    workers: watch::Receiver<Vec<WorkerId>>,
}

/// Plans until told to stop, or once.
pub(crate) async fn run(context: &Context, once: bool) -> Result<Exit, Failure> {
    let stop = signals::watch().drain;
    let client = orchestrator::open(&context.config).await?;
    let mut keeper = Keeper::open(FILE_NAME.into());
    let never = CancellationToken::new();
    let mut planner = Planner {
        orchestrator: orchestrator::make(client.clone(), &context.config, &keeper, never),
        workers: keeper.workers(),
        client,
    };
    if once {
        print(context, 1, &planner.pass().await?)?;
        return Ok(Exit::Done);
    }
    tokio::select! {
        ended = passes(context, &mut planner, &stop) => ended,
        () = keeper.follow(&stop) => Ok(Exit::Done),
    }
}

async fn passes(
    context: &Context,
    planner: &mut Planner,
    stop: &CancellationToken,
) -> Result<Exit, Failure> {
    let mut last = None;
    let mut number = 0_u64;
    loop {
        number += 1;
        match planner.pass().await {
            Ok(pass) => {
                let now = object(0, &pass);
                if last.as_ref() != Some(&now) {
                    print(context, number, &pass)?;
                }
                last = Some(now);
            }
            Err(error) => tracing::warn!("a pass failed: {}", error.explained()),
        }
        if !clock::pause(context.config.assign.tick_seconds.duration(), stop).await {
            return Ok(Exit::Done);
        }
    }
}

impl Planner {
    async fn pass(&mut self) -> Result<Pass, Error> {
        let plans = self.orchestrator.plan_only().await?;
        let admin = self.orchestrator.status().borrow().identity;
        let found = original::find(&self.client, admin).await?;
        let workers = self.workers.borrow().clone();
        let mut original = Original::default();
        let requests = |task: Found| {
            let requests = original.requests(&task, &workers, admin);
            (task, requests)
        };
        Ok(compare(plans, found.into_iter().map(requests).collect()))
    }
}

/// Puts what we would do next to what the original would have done.
fn compare(plans: Vec<Plan>, found: Vec<(Found, Vec<Request>)>) -> Pass {
    let mut pass = Pass {
        tasks: Vec::new(),
        others: Vec::new(),
        notes: Vec::new(),
    };
    let mut at: HashMap<TaskId, usize> = HashMap::new();
    for (task, original) in found {
        at.insert(task.id, pass.tasks.len());
        pass.tasks.push(Compared {
            name: Some(task.name),
            original,
            found_by_original: true,
            ..Compared::new(task.id)
        });
    }
    for plan in plans {
        for set in plan.sets {
            match set.task {
                Some(task) => pass.task(&mut at, task).ours.push(set),
                None => pass.others.push(set),
            }
        }
        for (task, reason) in plan.waiting {
            pass.task(&mut at, task).waits = Some(reason.message());
        }
        pass.notes.extend(plan.notes);
    }
    pass
}

impl Pass {
    fn task(&mut self, at: &mut HashMap<TaskId, usize>, id: TaskId) -> &mut Compared {
        let next = self.tasks.len();
        let at = *at.entry(id).or_insert(next);
        if at == next {
            self.tasks.push(Compared::new(id));
        }
        &mut self.tasks[at]
    }
}

impl Compared {
    fn new(id: TaskId) -> Self {
        Self {
            id,
            name: None,
            ours: Vec::new(),
            waits: None,
            original: Vec::new(),
            found_by_original: false,
        }
    }

    /// What we would do, in lines.
    fn ours(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.ours.iter().map(|set| set.why.clone()).collect();
        match self.waits {
            Some(why) => lines.push(format!("it waits: {why}")),
            None if lines.is_empty() => lines.push("nothing".to_owned()),
            None => {}
        }
        lines
    }

    /// What the original would have done, in lines.
    fn originals(&self) -> Vec<String> {
        match (self.found_by_original, self.original.as_slice()) {
            (false, _) => vec!["nothing: its question does not find it".to_owned()],
            (true, []) => vec!["nothing: it has no workers".to_owned()],
            (true, requests) => requests.iter().map(Request::says).collect(),
        }
    }
}

fn print(context: &Context, number: u64, pass: &Pass) -> Result<(), Failure> {
    let output = &context.output;
    if output.json {
        return output.object(&object(number, pass));
    }
    output.line(format_args!(
        "pass {number}: {} tasks, {} other writes; nothing is written",
        pass.tasks.len(),
        pass.others.len()
    ))?;
    for task in &pass.tasks {
        let name = task.name.as_deref().unwrap_or_default();
        output.line(format_args!("task {}  {}", task.id, one_line(name)))?;
        for (who, lines) in [("shraga", task.ours()), ("original", task.originals())] {
            for line in lines {
                output.line(format_args!("  {who:<9} {}", one_line(&line)))?;
            }
        }
    }
    let others = pass.others.iter().map(|set| &set.why);
    for line in others.chain(&pass.notes) {
        output.line(format_args!("also: {}", one_line(line)))?;
    }
    Ok(())
}

fn object(number: u64, pass: &Pass) -> Value {
    let request = |request: &Request| json!({ "method": request.method, "row": request.row, "cells": request.cells });
    let task = |task: &Compared| {
        json!({
            "task": task.id.to_string(),
            "name": task.name,
            "shraga": task.ours.iter().map(set_object).collect::<Vec<_>>(),
            "waits": task.waits,
            "original": task.original.iter().map(request).collect::<Vec<_>>(),
            "found_by_original": task.found_by_original,
        })
    };
    json!({
        "pass": number,
        "tasks": pass.tasks.iter().map(task).collect::<Vec<_>>(),
        "others": pass.others.iter().map(set_object).collect::<Vec<_>>(),
        "notes": pass.notes,
    })
}
