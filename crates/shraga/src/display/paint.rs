//! Colours of states, in one place. They are stripped on the way out where they aren't wanted.

use anstyle::{AnsiColor, Style};
use shraga_core::status::TaskStatus;

/// Quiet text.
pub const DIM: Style = Style::new().dimmed();
/// Headings.
pub const BOLD: Style = Style::new().bold();

/// The style a task's status is shown in.
#[must_use]
pub const fn status(status: TaskStatus) -> Style {
    let color = match status {
        TaskStatus::Completed => AnsiColor::Green,
        TaskStatus::Failed => AnsiColor::Red,
        TaskStatus::Canceled => AnsiColor::Yellow,
        TaskStatus::Running => AnsiColor::Cyan,
        TaskStatus::WaitingForInput => AnsiColor::Magenta,
        TaskStatus::Canceling => AnsiColor::Yellow,
        TaskStatus::Pending | TaskStatus::Queued | TaskStatus::Submitted => return Style::new(),
    };
    Style::new().fg_color(Some(anstyle::Color::Ansi(color)))
}

/// `text` in `style`.
#[must_use]
pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}
