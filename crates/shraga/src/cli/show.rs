//! `shraga show`: one task on one screen.

use clap::Args;
use shraga_core::row::Table;
use shraga_core::status::TaskStatus;
use shraga_core::time::Timestamp;

use super::Context;
use crate::clock;
use crate::display::clean::{block, one_line};
use crate::display::paint::{BOLD, DIM, paint, status as style_of};
use crate::display::time::{age, duration, rfc3339};
use crate::exit::{Exit, Failure};
use crate::roles::session::{Caller, Session};
use crate::tasks::events::{Told, of_task};
use crate::tasks::{TaskView, WorkerNames, find, json};

/// Lines of prompt, result and log that fit one screen together with the rest.
const BLOCK_LINES: usize = 12;

/// Show a task on one screen
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga show 0193f0a1
  shraga show 0193f0a1 --json | jq -r .result")]
pub struct Show {
    /// The task, or the start of its identity
    id: String,
}

impl Show {
    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        let session = Session::open(&context.config, Caller::Person).await?;
        let task = find(&session, &self.id).await?;
        if context.output.json {
            context.output.object(&json(&task))?;
            return Ok(Exit::Done);
        }
        let row = session
            .client
            .get(Table::Tasks, task.id.get(), &["cr_prompt"])
            .await?;
        let object = row.and_then(|row| row.object().ok()).unwrap_or_default();
        let prompt = object.get("cr_prompt").and_then(serde_json::Value::as_str);
        let events = of_task(&session.client, task.id).await?;
        let mut named = task;
        if named.worker.is_some() {
            let names = WorkerNames::read(&session.client).await?;
            named.worker = Some(names.of(named.worker.as_deref()));
        }
        let text = screen(&named, prompt.unwrap_or_default(), &events, clock::wall());
        context.output.line(text.trim_end())?;
        Ok(Exit::Done)
    }
}

fn screen(task: &TaskView, prompt: &str, events: &[Told], now: Timestamp) -> String {
    let mut lines = vec![
        format!(
            "{}  {}",
            paint(BOLD, one_line(&task.name)),
            paint(style_of(task.status), task.status)
        ),
        paint(DIM, task.id),
    ];
    let note = one_line(task.note());
    if !note.is_empty() {
        lines.push(note);
    }
    lines.push(String::new());
    for (label, value) in facts(task, now) {
        lines.push(format!("{}{value}", paint(DIM, format!("{label:<10}"))));
    }
    push_block(&mut lines, "Prompt", prompt, false);
    if let Some(result) = &task.result {
        push_block(&mut lines, "Result", result, true);
    }
    if !task.status.is_terminal() {
        let said: Vec<_> = events.iter().map(|told| told.text.as_str()).collect();
        push_block(&mut lines, "Lately", &said.join("\n"), true);
    }
    lines.join("\n")
}

fn facts(task: &TaskView, now: Timestamp) -> Vec<(&'static str, String)> {
    let mut facts = vec![(
        "filed",
        format!("{} ({} ago)", rfc3339(task.created), age(task.created, now)),
    )];
    if let Some(started) = task.started {
        facts.push(("started", rfc3339(started)));
    }
    if let Some(finished) = task.finished {
        facts.push(("finished", rfc3339(finished)));
    }
    if task.started.is_some() {
        facts.push(("took", duration(task.started, task.finished, now)));
    }
    if task.attempt > 0 {
        facts.push(("attempt", task.attempt.to_string()));
    }
    if let Some(worker) = &task.worker {
        facts.push(("worker", one_line(worker)));
    }
    if task.priority != 0 {
        facts.push(("priority", task.priority.to_string()));
    }
    if let Some(reason) = &task.reason {
        facts.push(("reason", one_line(reason)));
    }
    if let Some(cost) = task.cost_usd {
        facts.push(("cost", format!("${cost:.2}")));
    }
    if let Some(email) = &task.email {
        facts.push(("for", one_line(email)));
    }
    if !task.status.is_terminal() && task.status != TaskStatus::Running {
        facts.push(("why", format!("`shraga why {}` explains", task.id)));
    }
    facts
}

/// A text under a title: its first lines, or its last, and how many there are beside.
fn push_block(lines: &mut Vec<String>, title: &str, text: &str, last: bool) {
    let text = block(text.trim());
    let all: Vec<_> = text.lines().collect();
    if all.is_empty() {
        return;
    }
    lines.push(String::new());
    lines.push(paint(BOLD, title));
    let hidden = all.len().saturating_sub(BLOCK_LINES);
    let more = paint(DIM, format!("... {hidden} more lines"));
    let shown = if last {
        &all[hidden..]
    } else {
        &all[..all.len() - hidden]
    };
    if hidden > 0 && last {
        lines.push(more.clone());
    }
    lines.extend(shown.iter().map(|line| (*line).to_owned()));
    if hidden > 0 && !last {
        lines.push(more);
    }
}
