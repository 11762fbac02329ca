//! What people and scripts see: data on standard output, talk on standard error.
//!
//! Colours and moving pictures appear on a terminal only, and `NO_COLOR` is respected. Text that
//! came from a row is neutralised before it reaches a terminal ([`clean`]), so that it can't move
//! the cursor, change the title or pretend to be something else; what is printed here goes through it
//! once more as a whole.

pub mod clean;
pub mod paint;
pub mod progress;
pub mod table;
pub mod time;

use std::io::{IsTerminal, Write};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use serde::Serialize;

use crate::exit::Failure;

/// Where output goes and how it looks.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// Whether data is wanted as JSON.
    pub json: bool,
    /// Whether standard output is a terminal.
    pub terminal: bool,
    /// Whether standard error is a terminal, so that progress may be drawn there.
    pub live: bool,
}

impl Output {
    /// Looks at the process's own streams.
    #[must_use]
    pub fn detect(json: bool) -> Self {
        Self {
            json,
            terminal: std::io::stdout().is_terminal(),
            live: std::io::stderr().is_terminal(),
        }
    }

    /// Columns that fit the terminal; `None` when standard output isn't one: then nothing is cut.
    #[must_use]
    pub fn width(&self) -> Option<u16> {
        let (terminal_size::Width(columns), _) = terminal_size::terminal_size()?;
        self.terminal.then_some(columns)
    }

    /// Lines that fit the terminal; `None` when standard output isn't one.
    #[must_use]
    pub fn height(&self) -> Option<u16> {
        let (_, terminal_size::Height(lines)) = terminal_size::terminal_size()?;
        self.terminal.then_some(lines)
    }

    /// Prints a line of data.
    ///
    /// # Errors
    /// Standard output is closed or full.
    pub fn line(&self, text: impl std::fmt::Display) -> Result<(), Failure> {
        let text = text.to_string();
        Ok(writeln!(anstream::stdout(), "{}", clean::printed(&text))?)
    }

    /// Prints `value` as one line of JSON.
    ///
    /// # Errors
    /// Standard output is closed or full.
    pub fn object(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(std::io::Error::from)?;
        Ok(writeln!(
            std::io::stdout().lock(),
            "{}",
            clean::json(&text)
        )?)
    }

    /// Says something to the person, beside the data.
    pub fn talk(&self, text: impl std::fmt::Display) {
        // Nothing can be done when standard error is gone, and the data matters more.
        let text = text.to_string();
        writeln!(anstream::stderr(), "{}", clean::printed(&text)).ok();
    }
}

/// `text` within `width` columns of a terminal; ends in `…` when something was left out. It must be clean
/// and without colours.
#[must_use]
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let fits = |c: &char| {
        let columns = c.width().unwrap_or(0);
        let fits = columns <= left;
        left = left.saturating_sub(columns);
        fits
    };
    let mut kept: String = text.chars().take_while(fits).collect();
    if width > 0 {
        kept.push('\u{2026}');
    }
    kept
}
