//! What became of the demo's tasks, and whether it is what should have.

use std::path::Path;

use anstyle::Style;

use super::{Filed, git};
use crate::clock;
use crate::display::Output;
use crate::display::paint::{BAD, DIM, GOOD, status as style_of};
use crate::display::table::Table;
use crate::display::time::duration;
use crate::exit::Failure;
use crate::tasks::{WorkerNames, json};

/// Whether a task ended as it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    Bad(String),
}

impl Verdict {
    pub(super) fn is_good(&self) -> bool {
        *self == Self::Good
    }
}

/// Judges every task, looking for its commit where there should be one.
pub(super) async fn judge(repository: &Path, filed: &[Filed]) -> Vec<Verdict> {
    let mut verdicts = Vec::with_capacity(filed.len());
    for task in filed {
        verdicts.push(match judge_one(repository, task).await {
            Ok(()) => Verdict::Good,
            Err(wrong) => Verdict::Bad(wrong),
        });
    }
    verdicts
}

async fn judge_one(repository: &Path, task: &Filed) -> Result<(), String> {
    let Some(view) = &task.view else {
        return Err("its row is gone".to_owned());
    };
    let piece = &task.piece;
    if view.status != piece.expected {
        return Err(format!("should be {}", piece.expected));
    }
    if view.attempt != piece.attempts {
        return Err(format!("should have taken {} attempts", piece.attempts));
    }
    if !piece.commits {
        return Ok(());
    }
    let commit = git::commit_of(repository, &task.id.to_string())
        .await
        .map_err(|failure| format!("its commit is missing: {:#}", failure.error))?;
    let told = view.result.as_deref().unwrap_or_default();
    if told.contains(&commit) {
        Ok(())
    } else {
        Err(format!("its result doesn't name its commit {commit}"))
    }
}

/// Prints the table of outcomes.
pub(super) fn print(
    output: Output,
    filed: &[Filed],
    verdicts: &[Verdict],
    workers: &WorkerNames,
) -> Result<(), Failure> {
    if output.json {
        let tasks: Vec<_> = filed
            .iter()
            .zip(verdicts)
            .filter_map(|(task, verdict)| {
                let mut object = json(task.view.as_ref()?);
                object["as_expected"] = verdict.is_good().into();
                Some(object)
            })
            .collect();
        return output.object(&tasks);
    }
    let mut table = Table::new(
        &output,
        &[
            "TASK",
            "STATUS",
            "WORKER",
            "ATTEMPTS",
            "TOOK",
            "AS EXPECTED",
            "RESULT",
        ],
    );
    for (task, verdict) in filed.iter().zip(verdicts) {
        if let Some(row) = row(task, verdict, workers) {
            table.row(row);
        }
    }
    output.line("")?;
    output.line(table.print())?;
    output.line("")?;
    let good = verdicts.iter().filter(|verdict| verdict.is_good()).count();
    output.line(format_args!(
        "{good} of {} tasks ended as they should",
        filed.len()
    ))
}

fn row(task: &Filed, verdict: &Verdict, workers: &WorkerNames) -> Option<[(String, Style); 7]> {
    let view = task.view.as_ref()?;
    let plain = Style::new();
    let (word, style) = match verdict {
        Verdict::Good => ("yes".to_owned(), GOOD),
        Verdict::Bad(wrong) => (format!("no: {wrong}"), BAD),
    };
    let worker = workers.of(view.worker.as_deref());
    Some([
        (task.piece.name.to_owned(), plain),
        (view.status.name().to_owned(), style_of(view.status)),
        (worker, DIM),
        (view.attempt.to_string(), plain),
        (duration(view.started, view.finished, clock::wall()), plain),
        (word, style),
        (
            view.result_line().unwrap_or_else(|| view.note()).to_owned(),
            DIM,
        ),
    ])
}
