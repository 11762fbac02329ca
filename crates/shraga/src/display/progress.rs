//! Waiting made visible: a spinner with the task's state on a terminal, a line per change otherwise.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::Output;
use super::clean::{self, one_line};
use super::paint::{paint, status as style_of};
use crate::tasks::TaskView;

/// Between two frames of a spinner: smooth to the eye, nothing to a processor.
const FRAME: Duration = Duration::from_millis(100);

/// One line that changes: a spinner on a terminal, a line per change otherwise.
#[derive(Debug)]
pub struct Spinner {
    output: Output,
    bar: Option<ProgressBar>,
    last: String,
}

impl Spinner {
    /// Starts showing.
    #[must_use]
    pub fn start(output: Output) -> Self {
        let bar = output.live.then(|| {
            let bar = ProgressBar::new_spinner().with_style(style());
            bar.enable_steady_tick(FRAME);
            bar
        });
        Self {
            output,
            bar,
            last: String::new(),
        }
    }

    /// Shows what is so now.
    pub fn show(&mut self, line: &str) {
        self.show_as(line, line);
    }

    /// Shows `line`, on a terminal as `live`.
    fn show_as(&mut self, line: &str, live: &str) {
        if line == self.last {
            return;
        }
        match &self.bar {
            Some(bar) => bar.set_message(clean::printed(live).replace('\n', " ")),
            None => self.output.talk(line),
        }
        line.clone_into(&mut self.last);
    }

    /// Ends the display; nothing stays of it on a terminal.
    pub fn finish(self) {
        self.bar.inspect(ProgressBar::finish_and_clear);
    }
}

/// Shows how one task moves, on standard error.
#[derive(Debug)]
pub struct Progress(Spinner);

impl Progress {
    /// Starts showing.
    #[must_use]
    pub fn start(output: Output) -> Self {
        Self(Spinner::start(output))
    }

    /// Shows where the task is now.
    pub fn show(&mut self, task: &TaskView) {
        let line = state_line(task);
        let live = format!("{}  {line}", one_line(&task.name));
        self.0.show_as(&line, &live);
    }

    /// Ends the display, leaving the last state on the screen.
    pub fn finish(self) {
        let Self(Spinner { output, bar, last }) = self;
        if let Some(bar) = bar {
            bar.finish_and_clear();
            output.talk(&last);
        }
    }
}

/// `Running  attempt 2  reading the code`: what changes while one watches.
#[must_use]
pub fn state_line(task: &TaskView) -> String {
    let mut line = paint(style_of(task.status), task.status.name());
    if task.attempt > 1 {
        line += "  attempt ";
        line += &task.attempt.to_string();
    }
    let note = one_line(task.note());
    if !note.is_empty() {
        line += "  ";
        line += &note;
    }
    line
}

pub(crate) fn style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner:.cyan} {wide_msg} {elapsed:.dim}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}
