//! Colours of states and findings, in one place. They are stripped on the way out where they aren't wanted.

use anstyle::{AnsiColor, Color, Style};
use shraga_core::status::TaskStatus;

/// Quiet text.
pub const DIM: Style = Style::new().dimmed();
/// Headings.
pub const BOLD: Style = Style::new().bold();
/// As it should be.
pub const GOOD: Style = color(AnsiColor::Green);
/// Works, and wants a look.
pub const CAREFUL: Style = color(AnsiColor::Yellow);
/// Broken.
pub const BAD: Style = color(AnsiColor::Red);

/// Text in this colour.
#[must_use]
pub const fn color(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(color)))
}

/// The style a task's status is shown in.
#[must_use]
pub const fn status(status: TaskStatus) -> Style {
    color(match status {
        TaskStatus::Completed => AnsiColor::Green,
        TaskStatus::Failed => AnsiColor::Red,
        TaskStatus::Canceled => AnsiColor::Yellow,
        TaskStatus::Running => AnsiColor::Cyan,
        TaskStatus::WaitingForInput => AnsiColor::Magenta,
        TaskStatus::Canceling => AnsiColor::Yellow,
        TaskStatus::Pending | TaskStatus::Queued | TaskStatus::Submitted => return Style::new(),
    })
}

/// `text` in `style`.
#[must_use]
pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}
