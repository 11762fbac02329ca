//! The demo while it runs: one moving line per task on a terminal, a line per change otherwise.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::Filed;
use crate::display::Output;
use crate::display::clean::one_line;
use crate::display::paint::{DIM, paint, status as style_of};
use crate::tasks::TaskView;
use shraga_core::status::TaskStatus;

/// Between two frames of the spinners.
const FRAME: Duration = Duration::from_millis(100);

/// Columns for the names of tasks.
const NAME_WIDTH: usize = 18;

/// The display.
pub(super) struct Live {
    output: Output,
    bars: Option<(MultiProgress, Vec<ProgressBar>)>,
    last: Vec<String>,
}

impl Live {
    pub(super) fn start(output: Output, filed: &[Filed]) -> Self {
        let bars = output.live.then(|| {
            let all = MultiProgress::new();
            let bars = filed.iter().map(|task| bar(&all, task)).collect();
            (all, bars)
        });
        Self {
            output,
            bars,
            last: vec![String::new(); filed.len()],
        }
    }

    pub(super) fn show(&mut self, filed: &[Filed]) {
        for (index, task) in filed.iter().enumerate() {
            let Some(view) = &task.view else { continue };
            let line = line(view, task);
            if line == self.last[index] {
                continue;
            }
            match &self.bars {
                Some((_, bars)) => {
                    bars[index].set_message(crate::display::clean::printed(&line).into_owned());
                    if view.status.is_terminal() {
                        bars[index].finish();
                    }
                }
                None => {
                    let name = task.piece.name;
                    self.output.talk(format_args!("{name:<NAME_WIDTH$} {line}"));
                }
            }
            self.last[index] = line;
        }
    }

    pub(super) fn finish(self) {
        for bar in self.bars.iter().flat_map(|(_, bars)| bars) {
            if !bar.is_finished() {
                bar.abandon();
            }
        }
    }
}

fn bar(all: &MultiProgress, task: &Filed) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner:.cyan} {prefix} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .tick_chars("\u{280b}\u{2819}\u{2839}\u{2838}\u{283c}\u{2834}\u{2826}\u{2827} ");
    let bar = all.add(ProgressBar::new_spinner().with_style(style));
    bar.set_prefix(format!("{:<NAME_WIDTH$}", task.piece.name));
    bar.enable_steady_tick(FRAME);
    bar
}

/// `Running    attempt 2  step 3 of 20: ...`
fn line(view: &TaskView, task: &Filed) -> String {
    let said = task.said.as_str();
    let waits = matches!(view.status, TaskStatus::Pending | TaskStatus::Queued);
    let now = if waits && task.spoke_in > view.attempt {
        TaskStatus::Running
    } else {
        view.status
    };
    let status = paint(style_of(now), format!("{:<10}", now.name()));
    let attempt = if view.attempt > 1 {
        format!("attempt {}  ", view.attempt)
    } else {
        String::new()
    };
    let words = match (view.result_line(), said) {
        (Some(result), _) => result,
        (None, "") => view.note(),
        (None, said) if !view.status.is_terminal() => said,
        (None, _) => view.note(),
    };
    format!("{status} {attempt}{}", paint(DIM, one_line(words)))
}
