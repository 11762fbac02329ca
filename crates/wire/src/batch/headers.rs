//! Headers of a batch part, kept as the lines they came in.
//!
//! A part has a handful of headers and a reader asks for a few, so looking through the lines is
//! cheaper than a map. Text that is not UTF-8, or a line without a colon, is skipped.

use bytes::Bytes;

/// Header lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Bytes);

impl Headers {
    /// Wraps header lines, each ended by LF or CRLF.
    #[must_use]
    pub const fn new(lines: Bytes) -> Self {
        Self(lines)
    }

    /// The trimmed value of the first header of this name, in any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// All headers, in order, trimmed.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let text = std::str::from_utf8(&self.0).unwrap_or("");
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim(), value.trim()))
    }
}
