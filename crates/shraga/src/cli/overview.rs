//! The overview as `list` and `show` print it: a table for each part, with what fits.

use anstyle::Style;
use shraga_core::status::TaskStatus;

use crate::display::Output;
use crate::display::clean::one_line;
use crate::display::paint::{BOLD, CAREFUL, DIM, paint, status as style_of};
use crate::display::table::Table;
use crate::display::time::{age, duration};
use crate::tasks::overview::{Call, Overview, Part};
use crate::tasks::{TaskView, WorkerNames, shortened};

/// From how many columns on everything is shown.
const WIDE: u16 = 90;

/// Characters of a task's name at most where several columns share a line.
const NAME_CHARS: usize = 40;

/// A task in a part, with its shortened identity.
type Item<'a> = (&'a TaskView, Option<Call>, String);

/// The lines of the overview: as many as there are, or as fit into `height`.
pub(crate) fn lines(
    output: &Output,
    overview: &Overview,
    workers: &WorkerNames,
    height: Option<u16>,
) -> Vec<String> {
    let ids: Vec<_> = overview.tasks.iter().map(|task| task.id).collect();
    let ids: std::collections::HashMap<_, _> = ids.iter().copied().zip(shortened(&ids)).collect();
    let parts = Part::ALL.map(|part| {
        let tasks = overview.part(part).into_iter();
        let named = tasks.map(|(task, call)| (task, call, ids[&task.id].clone()));
        (part, named.collect::<Vec<Item<'_>>>())
    });
    let room = room(&parts, height.map(usize::from));
    let page = Page {
        output,
        overview,
        workers,
        wide: output.width().is_none_or(|width| width >= WIDE),
    };
    let mut lines = Vec::new();
    for ((part, items), room) in parts.iter().zip(room) {
        if items.is_empty() {
            continue;
        }
        if !lines.is_empty() {
            lines.push(String::new());
        }
        let shown = match items.len() <= room {
            true => items.len(),
            false => room.saturating_sub(1),
        };
        lines.extend(page.part(*part, &items[..shown], items.len()));
        if shown < items.len() {
            let more = format!("and {} more: `shraga list`", items.len() - shown);
            lines.push(paint(DIM, more));
        }
    }
    lines
}

/// How many lines a task of a part takes.
const fn unit(part: Part) -> usize {
    match part {
        Part::NeedsYou => 2,
        Part::Running | Part::Waiting | Part::Done => 1,
    }
}

/// How many tasks (or a line about the others) each part has room for: two at first, then more in turn
/// while lines are left, what needs somebody first.
fn room(parts: &[(Part, Vec<Item<'_>>); 4], height: Option<usize>) -> [usize; 4] {
    let wants = [0, 1, 2, 3].map(|at| parts[at].1.len());
    let Some(height) = height else {
        return wants;
    };
    let headings: usize = wants.iter().filter(|want| **want > 0).count() * 2;
    let mut left = height.saturating_sub(headings);
    let mut room = [0; 4];
    // What needs somebody gets half of it before the others share.
    let first = (left / 2 / unit(Part::NeedsYou)).min(wants[0]);
    room[0] = first;
    left -= first * unit(Part::NeedsYou);
    loop {
        let before = left;
        for (at, want) in wants.iter().enumerate() {
            let unit = unit(parts[at].0);
            if room[at] < *want && left >= unit {
                room[at] += 1;
                left -= unit;
            }
        }
        if left == before {
            return room;
        }
    }
}

/// What the parts have in common.
struct Page<'a> {
    output: &'a Output,
    overview: &'a Overview,
    workers: &'a WorkerNames,
    wide: bool,
}

impl Page<'_> {
    fn part(&self, part: Part, items: &[Item<'_>], all: usize) -> Vec<String> {
        let title = format!("{} {all}", part.title());
        let headings: &[&str] = match (part, self.wide) {
            (Part::NeedsYou, _) => &["NAME", "", "SINCE", "WHAT"],
            (Part::Running, true) => &["NAME", "TRY", "WORKER", "FOR", "SILENT", "COST", "DOES"],
            (Part::Running, false) => &["NAME", "TRY", "WORKER", "FOR", "SILENT"],
            (Part::Waiting, true) => &["NAME", "FOR", "PRIO", "WAITS FOR"],
            (Part::Waiting, false) => &["NAME", "FOR", "WAITS FOR"],
            (Part::Done, true) => &["NAME", "", "ENDED", "TOOK", "COST", "RESULT"],
            (Part::Done, false) => &["NAME", "", "ENDED", "RESULT"],
        };
        let headings: Vec<&str> = std::iter::once(title.as_str())
            .chain(headings.iter().copied())
            .collect();
        let mut table = Table::new(self.output, &headings);
        // The name and the last column give way.
        let last = headings.len() - 1;
        let gives_way = |at: &usize| *at == 1 || (*at == last && part != Part::Running);
        let keep: Vec<usize> = (0..headings.len()).filter(|at| !gives_way(at)).collect();
        for item in items {
            table.row(self.row(part, item));
        }
        table.keep(&keep);
        let mut lines = table.lines();
        if let Some(first) = lines.first_mut() {
            *first = first.replacen(&title, &paint(BOLD, &title), 1);
        }
        if part == Part::NeedsYou {
            return self.with_advice(lines, items);
        }
        lines
    }

    /// Under each line what is to be done.
    fn with_advice(&self, lines: Vec<String>, items: &[Item<'_>]) -> Vec<String> {
        let width = self.output.width().map_or(usize::MAX, usize::from);
        let mut all = Vec::with_capacity(lines.len() * 2);
        for (at, line) in lines.into_iter().enumerate() {
            all.push(line);
            let call = at.checked_sub(1).and_then(|at| items.get(at)?.1.as_ref());
            if let Some(call) = call {
                let advice = format!("  \u{2192} {}", one_line(&call.advice));
                all.push(paint(DIM, crate::display::cut(&advice, width)));
            }
        }
        all
    }

    fn row(&self, part: Part, (task, call, id): &Item<'_>) -> Vec<(String, Style)> {
        let now = self.overview.now;
        let plain = Style::new();
        let name: String = task.name.chars().take(NAME_CHARS).collect();
        let mut cells = vec![(id.clone(), DIM), (name, plain)];
        let ago = |at| age(at, now);
        let cost = task.cost_usd.map(|cost| format!("${cost:.2}"));
        let cost = (cost.unwrap_or_else(|| "-".to_owned()), DIM);
        let since = task.finished.or(task.started).unwrap_or(task.created);
        match part {
            Part::NeedsYou => {
                let kind = call.as_ref().map_or("waits", |call| call.kind);
                let what = call.as_ref().map_or(task.note(), |call| &call.what);
                let style = match task.status {
                    TaskStatus::Failed | TaskStatus::WaitingForInput => style_of(task.status),
                    _ => CAREFUL,
                };
                cells.extend([
                    (kind.to_owned(), style),
                    (ago(since), DIM),
                    (what.to_owned(), plain),
                ]);
            }
            Part::Running => {
                let idle = self.overview.heard(task).map(ago);
                cells.extend([
                    (task.attempt.to_string(), plain),
                    (self.workers.of(task.worker.as_deref()), plain),
                    (duration(task.started, None, now), plain),
                    (idle.unwrap_or_else(|| "-".to_owned()), DIM),
                ]);
                if self.wide {
                    let does = match task.status {
                        TaskStatus::Canceling => "is being ended",
                        _ => task.note(),
                    };
                    cells.extend([cost, (does.to_owned(), DIM)]);
                }
            }
            Part::Waiting => {
                cells.push((ago(task.created), DIM));
                if self.wide {
                    cells.push((priority(task), DIM));
                }
                cells.push((self.waits_for(task), plain));
            }
            Part::Done => {
                let result = match task.status {
                    TaskStatus::Completed => task.result_line().unwrap_or_default(),
                    _ => task.note(),
                };
                let status = task.status;
                cells.push((status.name().to_lowercase(), style_of(status)));
                cells.push((format!("{} ago", ago(since)), DIM));
                if self.wide {
                    let took = duration(task.started, task.finished, now);
                    cells.extend([(took, DIM), cost]);
                }
                cells.push((result.to_owned(), plain));
            }
        }
        cells
    }

    fn waits_for(&self, task: &TaskView) -> String {
        let now = self.overview.now;
        let note = match task.note() {
            "" if task.status == TaskStatus::Submitted => "to be released",
            "" if task.mirror.is_none() => "to be picked up",
            "" => "its turn",
            note => note,
        };
        match task.not_before.filter(|at| *at > now) {
            Some(at) => format!("{note}, {} more", at.since(now)),
            None => note.to_owned(),
        }
    }
}

fn priority(task: &TaskView) -> String {
    match task.priority {
        0 => "-".to_owned(),
        other => format!("{other:+}"),
    }
}
