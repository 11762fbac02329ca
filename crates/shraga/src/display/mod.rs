//! What people and scripts see: data on standard output, talk on standard error.
//!
//! Colours and moving pictures appear on a terminal only, and `NO_COLOR` is respected. Text that
//! came from a row is neutralised before it reaches a terminal ([`clean`]), so that it can't move
//! the cursor, change the title or pretend to be something else.

pub mod clean;
pub mod paint;
pub mod progress;
pub mod table;
pub mod time;

use std::io::{IsTerminal, Write};

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

    /// Prints a line of data.
    ///
    /// # Errors
    /// Standard output is closed or full.
    pub fn line(&self, text: impl std::fmt::Display) -> Result<(), Failure> {
        Ok(writeln!(anstream::stdout(), "{text}")?)
    }

    /// Prints `value` as one line of JSON.
    ///
    /// # Errors
    /// Standard output is closed or full.
    pub fn object(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(std::io::Error::from)?;
        Ok(writeln!(std::io::stdout().lock(), "{text}")?)
    }

    /// Says something to the person, beside the data.
    pub fn talk(&self, text: impl std::fmt::Display) {
        // Nothing can be done when standard error is gone, and the data matters more.
        writeln!(anstream::stderr(), "{text}").ok();
    }
}
