//! `shraga show`: one task on one screen, or all of them.
//!
//! What needs somebody comes first; then how the task stands; then as much of prompt, result and log as
//! fits. On a terminal no line is wrapped, so that what was counted is what is seen.

use clap::Args;
use serde_json::Value;
use shraga_core::ids::TaskId;
use shraga_core::row::{Table, tasks};
use shraga_core::time::Timestamp;
use shraga_dataverse::rows;

use super::{Context, list};
use crate::clock;
use crate::display::clean::{block, one_line};
use crate::display::paint::{BOLD, CAREFUL, DIM, paint, status as style_of};
use crate::display::time::{age, duration, rfc3339};
use crate::display::{Output, cut};
use crate::exit::{Exit, Failure};
use crate::roles::session::{Caller, Session};
use crate::tasks::candidates::{self, Candidate};
use crate::tasks::events::{Told, of_task};
use crate::tasks::overview::call;
use crate::tasks::paid::{Paid, Toll};
use crate::tasks::{TaskView, WorkerNames, find, json, retries};

/// Lines of prompt, result and log where there is no screen to fit.
const BLOCK_LINES: usize = 12;

/// Lines of the prompt that a screen begins with: what it was about, not all of it.
const PROMPT_LINES: usize = 3;

/// Lines that a block has at least, however small the screen.
const LEAST_LINES: usize = 3;

/// Ended tasks in the overview: more than fit a screen.
const ENDED: u32 = 50;

/// Show a task on one screen; without one, all tasks at a glance
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga show
  shraga show 0193f0a1
  shraga show 0193f0a1 --json | jq -r .result
  shraga show 0193f0a1 --json | jq .output.changes")]
pub struct Show {
    /// The task, or the start of its identity
    id: Option<String>,
}

impl Show {
    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        let session = Session::open(&context.config, Caller::Person).await?;
        let output = &context.output;
        let Some(id) = &self.id else {
            // A line stays for what is typed next.
            let height = output.height().map(|height| height.saturating_sub(1));
            return list::print(&context, &session, ENDED, height).await;
        };
        let task = find(&session, id).await?;
        let columns = [
            "cr_prompt",
            "cr_output",
            "crb3b_sessiontokens",
            tasks::USAGE.name(),
        ];
        let row = session
            .client
            .get(Table::Tasks, task.id.get(), &columns)
            .await?;
        let object = row.and_then(|row| row.object().ok()).unwrap_or_default();
        let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
        let told: Value = serde_json::from_str(text("cr_output")).unwrap_or(Value::Null);
        let toll = toll(&session, &context, text(tasks::USAGE.name())).await?;
        let events = of_task(&session.client, task.id).await?;
        if output.json {
            let late: Vec<_> = candidates::of(&events).map(|it| it.json(task.id)).collect();
            let mut shown = json(&task);
            shown["candidates"] = late.into();
            shown["output"] = told;
            shown["machines"] = toll.map(Toll::json).into();
            output.object(&shown)?;
            return Ok(Exit::Done);
        }
        let retries = match task.status.is_terminal() {
            true => retries(&session, &task).await?,
            false => Vec::new(),
        };
        let names = WorkerNames::read(&session.client).await?;
        let shown = Shown {
            worker: task.worker.as_deref().map(|id| names.of(Some(id))),
            prompt: text("cr_prompt"),
            output: told,
            tokens: text("crb3b_sessiontokens"),
            toll,
            task: &task,
            events: &events,
            retries,
            now: clock::wall(),
        };
        output.line(shown.screen(output).join("\n"))?;
        Ok(Exit::Done)
    }
}

/// What the task used of machines that are paid for; `None` where there is none, or it ran on none.
async fn toll(session: &Session, context: &Context, usage: &str) -> Result<Option<Toll>, Failure> {
    let places = match rows::ledger(Some(usage)) {
        Ok(ledger) => ledger.ran_on(),
        Err(error) => {
            tracing::warn!(%error, "what a task spent can't be understood");
            Vec::new()
        }
    };
    if places.is_empty() {
        return Ok(None);
    }
    let paid = Paid::read(&session.client, &context.config).await?;
    Ok(Some(paid.toll(&places)).filter(|toll| *toll != Toll::default()))
}

/// What is shown of a task.
struct Shown<'a> {
    task: &'a TaskView,
    worker: Option<String>,
    prompt: &'a str,
    /// `cr_output`, as far as it can be understood.
    output: Value,
    tokens: &'a str,
    /// What it used of machines that are paid for.
    toll: Option<Toll>,
    events: &'a [Told],
    /// The tasks that try it again.
    retries: Vec<TaskId>,
    now: Timestamp,
}

impl Shown<'_> {
    /// The lines of the screen.
    fn screen(&self, output: &Output) -> Vec<String> {
        let width = output.width().map_or(usize::MAX, usize::from);
        // A line stays for what is typed next.
        let height = output.height().map(|height| usize::from(height).max(2) - 1);
        let mut lines = self.head(width);
        lines.extend(self.calls(width));
        lines.extend(self.facts(width));
        let prompt = block(self.prompt.trim());
        let (title, text) = match &self.task.result {
            Some(result) => ("Result", block(result.trim())),
            None if self.task.status.is_terminal() => ("", String::new()),
            None => ("Lately", self.lately()),
        };
        let heading = 2;
        let left = height.map(|height| height.saturating_sub(lines.len() + heading));
        let of_prompt = match left {
            Some(left) if !text.is_empty() => {
                PROMPT_LINES.max(left.saturating_sub(heading + text.lines().count()))
            }
            Some(left) => left.max(LEAST_LINES),
            None => BLOCK_LINES,
        };
        push_block(&mut lines, "Prompt", &prompt, (of_prompt, false), width);
        let left = height.map(|height| height.saturating_sub(lines.len() + heading));
        let of_text = left.map_or(BLOCK_LINES, |left| left.max(LEAST_LINES));
        push_block(&mut lines, title, &text, (of_text, true), width);
        lines
    }

    fn head(&self, width: usize) -> Vec<String> {
        let task = self.task;
        let status = task.status.name();
        let room = width.saturating_sub(status.len() + 2);
        let name = cut(&one_line(&task.name), room);
        let mut lines = vec![format!(
            "{}  {}",
            paint(BOLD, name),
            paint(style_of(task.status), status)
        )];
        lines.push(paint(DIM, cut(&task.id.to_string(), width)));
        lines
    }

    /// What somebody is to do, or else where it stands in words.
    fn calls(&self, width: usize) -> Vec<String> {
        let late = candidates::of(self.events).any(|it| it.completed());
        let mut lines = Vec::new();
        match call(self.task, late) {
            Some(call) => {
                for line in block(&call.what).lines() {
                    lines.extend(
                        wrapped(line, width)
                            .into_iter()
                            .map(|it| paint(CAREFUL, it)),
                    );
                }
                let advice = format!("\u{2192} {}", one_line(&call.advice));
                lines.extend(wrapped(&advice, width));
            }
            None => lines.extend(wrapped(&one_line(self.task.note()), width)),
        }
        for late in candidates::of(self.events) {
            lines.extend(self.late(&late, width));
        }
        if lines.iter().all(String::is_empty) {
            lines.clear();
        }
        if !lines.is_empty() {
            lines.insert(0, String::new());
        }
        lines
    }

    /// A late result, and what accepts it.
    fn late(&self, late: &Candidate<'_>, width: usize) -> Vec<String> {
        let at = age(late.told().at, self.now);
        let said = one_line(&late.told().event.name);
        let line = format!("late result {at} ago: {said}");
        let mut lines = vec![paint(CAREFUL, cut(&line, width))];
        let result = late.result().trim();
        if let Some(last) = result.lines().rfind(|line| !line.trim().is_empty()) {
            lines.push(cut(&format!("  {}", one_line(last.trim())), width));
        }
        if late.completed() && self.task.status.is_terminal() {
            // Not cut: it is to be typed.
            lines.push(format!(
                "  \u{2192} {}",
                late.command(&self.task.id.short())
            ));
        }
        lines
    }

    /// Short facts, as many to a line as fit.
    fn facts(&self, width: usize) -> Vec<String> {
        let mut lines = vec![String::new()];
        let mut line = String::new();
        for (label, value) in self.short() {
            let fact = format!("{label} {value}");
            let room = width.min(100);
            if !line.is_empty() && line.chars().count() + 3 + fact.chars().count() > room {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push_str(" \u{b7} ");
            }
            line.push_str(&fact);
        }
        lines.push(line);
        let long = self.changes().into_iter().chain(self.verdict());
        lines.extend(long.map(|line| cut(&line, width)));
        lines.into_iter().map(|line| paint_if(DIM, line)).collect()
    }

    fn short(&self) -> Vec<(&'static str, String)> {
        let (task, now) = (self.task, self.now);
        let ago = |at| format!("{} ago", age(at, now));
        let mut facts = vec![(
            "filed",
            format!("{} ({})", rfc3339(task.created), ago(task.created)),
        )];
        if task.attempt > 0 {
            facts.push(("attempt", task.attempt.to_string()));
        }
        facts.extend(self.worker.as_deref().map(|name| ("on", one_line(name))));
        facts.extend(task.started.map(|at| ("started", ago(at))));
        if task.started.is_some() && task.question.is_none() {
            facts.push(("took", duration(task.started, task.finished, now)));
        }
        facts.extend(task.finished.map(|at| ("ended", ago(at))));
        facts.extend(task.cost_usd.map(|cost| ("cost", format!("${cost:.2}"))));
        facts.extend(self.toll.map(|toll| ("machines", toll.fact())));
        if !self.tokens.is_empty() {
            facts.push(("tokens", one_line(self.tokens)));
        }
        if task.priority != 0 {
            facts.push(("priority", format!("{:+}", task.priority)));
        }
        facts.extend(self.asked());
        let later = task.not_before.filter(|at| *at > now);
        facts.extend(later.map(|at| ("not before", rfc3339(at))));
        facts.extend(task.reason.as_deref().map(|it| ("reason", one_line(it))));
        facts.extend(task.retry_of.map(|it| ("tries again", it.to_string())));
        let by = self.retries.iter();
        facts.extend(by.map(|it| ("tried again by", it.to_string())));
        facts.extend(task.email.as_deref().map(|it| ("for", one_line(it))));
        facts
    }

    /// What it asks of its worker.
    fn asked(&self) -> Vec<(&'static str, String)> {
        let input = self.task.input.as_deref().unwrap_or_default();
        let input: Value = serde_json::from_str(input).unwrap_or(Value::Null);
        let text = |key: &str| input.get(key).and_then(Value::as_str).map(one_line);
        let labels: Vec<_> = input
            .get("labels")
            .and_then(Value::as_array)
            .map(|labels| {
                labels
                    .iter()
                    .filter_map(Value::as_str)
                    .map(one_line)
                    .collect()
            })
            .unwrap_or_default();
        let mut asked: Vec<_> = [("agent", "agent"), ("key", "key"), ("repo", "repository")]
            .into_iter()
            .filter_map(|(key, label)| Some((label, text(key)?)))
            .collect();
        if !labels.is_empty() {
            asked.push(("labels", labels.join(", ")));
        }
        asked
    }

    /// What became of the repository.
    fn changes(&self) -> Option<String> {
        let changes = self.output.get("changes")?;
        let count = |key: &str| changes.get(key).and_then(Value::as_u64).unwrap_or(0);
        let text =
            |key: &str| one_line(changes.get(key).and_then(Value::as_str).unwrap_or_default());
        let lines = |key: &str| -> u64 {
            let files = changes.get("files").and_then(Value::as_array);
            let counts = files.into_iter().flatten();
            counts.filter_map(|file| file.get(key)?.as_u64()).sum()
        };
        Some(format!(
            "changes {}: {} commits, {} files, +{} -{}, push {}",
            text("branch"),
            count("commit_count"),
            count("file_count"),
            lines("added"),
            lines("removed"),
            text("push"),
        ))
    }

    /// What the verifier said.
    fn verdict(&self) -> Option<String> {
        let verdict = self.output.get("verdict")?;
        let text = |key: &str| verdict.get(key).and_then(Value::as_str).map(one_line);
        let passed = verdict.get("pass").and_then(Value::as_bool)?;
        let rounds = verdict.get("rounds").and_then(Value::as_u64).unwrap_or(1);
        let said = text("note")
            .or_else(|| text("feedback"))
            .unwrap_or_default();
        let how = if passed { "passed" } else { "not passed" };
        Some(format!("verified: {how} in round {rounds}; {said}"))
    }

    fn lately(&self) -> String {
        let said: Vec<_> = self.events.iter().map(|told| block(&told.text)).collect();
        said.join("\n")
    }
}

fn paint_if(style: anstyle::Style, line: String) -> String {
    match line.is_empty() {
        true => line,
        false => paint(style, line),
    }
}

/// A line over as many lines as it needs.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in line.split(' ') {
        let last = lines.last().map_or(0, |line| line.chars().count());
        if last > 0 && last + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.into_iter().map(|line| cut(&line, width)).collect()
}

/// A text under a title: its first lines, or its last, and how many there are beside.
fn push_block(
    lines: &mut Vec<String>,
    title: &str,
    text: &str,
    (room, last): (usize, bool),
    width: usize,
) {
    let text = text.replace('\t', "    ");
    let all: Vec<_> = text.lines().collect();
    if all.is_empty() {
        return;
    }
    lines.push(String::new());
    let shown = match all.len() <= room {
        true => all.len(),
        false => room,
    };
    let hidden = all.len() - shown;
    let place = if last { "last" } else { "first" };
    let beside = match hidden {
        0 => String::new(),
        _ => format!("  the {place} {shown} of {} lines", all.len()),
    };
    lines.push(format!("{}{}", paint(BOLD, title), paint_if(DIM, beside)));
    let shown = match last {
        true => &all[hidden..],
        false => &all[..shown],
    };
    lines.extend(shown.iter().map(|line| cut(line, width)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_says_what_it_leaves_out_and_keeps_the_end_of_a_result() {
        let mut lines = Vec::new();
        push_block(&mut lines, "Result", "a\nb\nc\nd", (2, true), 80);
        assert!(lines[1].contains("the last 2 of 4 lines"), "{lines:?}");
        assert_eq!(lines[2..], ["c", "d"]);
    }

    #[test]
    fn long_lines_are_wrapped_at_words_and_cut_where_there_are_none() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("abcdefghij", 5), ["abcd\u{2026}"]);
    }
}
