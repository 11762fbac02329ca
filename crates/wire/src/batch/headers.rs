//! Headers of a batch part, kept as the lines they came in.
//!
//! A part has a handful of headers and a reader asks for a few, so looking through the lines is
//! cheaper than a map. A line that has no colon or is no UTF-8 is skipped.

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
        let (_, value) = self
            .lines()
            .find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))?;
        std::str::from_utf8(value).ok()
    }

    /// All headers, in order, trimmed.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let text = |bytes| std::str::from_utf8(bytes).ok();
        self.lines()
            .filter_map(move |(name, value)| Some((text(name)?, text(value)?)))
    }

    fn lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.split(|&byte| byte == b'\n').filter_map(|line| {
            let colon = memchr::memchr(b':', line)?;
            let (name, value) = (&line[..colon], &line[colon + 1..]);
            Some((name.trim_ascii(), value.trim_ascii()))
        })
    }
}
