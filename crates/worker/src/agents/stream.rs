//! What agents that print a JSON object a line have in common: lines of any length, what was heard
//! so far, and a transcript for people.
//!
//! Nothing an agent prints is trusted: a line that is no JSON is kept as text, unknown types are
//! passed over, everything is bounded.

use std::collections::VecDeque;

use serde_json::Value;
use shraga_core::limits;
use shraga_core::usage::Usage;

use super::failures::Failure;

/// Longest line that is read. The longest that matter carry one answer of a model, or a file that a
/// tool read; a longer one is passed over and said to be.
const LINE_BYTES: usize = 8 * 1024 * 1024;

/// Longest input of a tool and longest line of its complaint, as shown.
const SHORT_UNITS: usize = 200;

/// How much of a tool's result the transcript keeps.
const RESULT_UNITS: usize = 2_000;

/// Bytes of a transcript that are kept: its end, in the largest column the platform has.
const TRANSCRIPT_BYTES: usize = limits::TRANSCRIPT_UNITS;

/// Cuts a stream into lines, however long.
#[derive(Debug, Default)]
pub(crate) struct LongLines {
    partial: Vec<u8>,
    skipping: bool,
}

impl LongLines {
    /// Hands each complete line to `line`; `None` stands for one that was too long.
    pub(super) fn push(&mut self, bytes: &[u8], mut line: impl FnMut(Option<&str>)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !self.skipping {
                self.partial.extend_from_slice(piece);
            }
            if self.partial.len() > LINE_BYTES {
                self.partial = Vec::new();
                self.skipping = true;
            }
            if piece.ends_with(b"\n") {
                self.end(&mut line);
            }
        }
    }

    /// Hands over what stands after the last line end.
    pub(super) fn finish(&mut self, mut line: impl FnMut(Option<&str>)) {
        if self.skipping || !self.partial.is_empty() {
            self.end(&mut line);
        }
    }

    fn end(&mut self, line: &mut impl FnMut(Option<&str>)) {
        if self.skipping {
            line(None);
        } else {
            let text = String::from_utf8_lossy(&self.partial);
            line(Some(text.trim_end_matches(['\r', '\n'])));
        }
        self.partial.clear();
        self.skipping = false;
    }
}

/// What an agent has said about itself so far.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// Its session.
    pub(crate) session: Option<String>,
    /// What it told of all its session, where its kind does that.
    pub(crate) told: Usage,
    /// Its model.
    pub(crate) model: Option<String>,
    /// What it used, as far as it told.
    pub(crate) usage: Usage,
    /// Its last words.
    pub(crate) result: String,
    /// Its answer by a schema, as JSON.
    pub(crate) structured: Option<String>,
    /// Whether it said that it is done, and how.
    pub(crate) end: Option<Result<(), Failure>>,
    /// What was said and done.
    pub(crate) transcript: Transcript,
}

impl Heard {
    /// Tells something to `tell`, and to the transcript.
    pub(super) fn telling<'a>(&'a mut self, tell: &'a mut dyn FnMut(&str)) -> Telling<'a> {
        Telling {
            heard: &mut self.transcript,
            tell,
        }
    }
}

impl Default for Heard {
    fn default() -> Self {
        Self {
            session: None,
            told: Usage::NONE,
            model: None,
            usage: Usage::UNKNOWN,
            result: String::new(),
            structured: None,
            end: None,
            transcript: Transcript::default(),
        }
    }
}

/// The end of what was said and done, as lines for people.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transcript {
    lines: VecDeque<String>,
    bytes: usize,
    cut: bool,
}

impl Transcript {
    pub(super) fn push(&mut self, line: &str) {
        self.bytes += line.len() + 1;
        self.lines.push_back(line.to_owned());
        while self.bytes > TRANSCRIPT_BYTES
            && let Some(first) = self.lines.pop_front()
        {
            self.bytes -= first.len() + 1;
            self.cut = true;
        }
    }

    /// All of it, within the column's limit.
    pub(crate) fn text(&self) -> String {
        let mut text = String::with_capacity(self.bytes + 4);
        if self.cut {
            text.push_str("…\n");
        }
        for line in &self.lines {
            text.push_str(line);
            text.push('\n');
        }
        limits::tail(&text, limits::TRANSCRIPT_UNITS)
    }
}

/// Tells something to whoever watches, and to the transcript.
pub(super) struct Telling<'a> {
    heard: &'a mut Transcript,
    tell: &'a mut dyn FnMut(&str),
}

impl Telling<'_> {
    /// Text of an agent, line by line.
    pub(super) fn text(&mut self, text: &str) {
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            self.line(line);
        }
    }

    /// One line.
    pub(super) fn line(&mut self, line: &str) {
        self.heard.push(line);
        (self.tell)(line);
    }

    /// The use of a tool: its name, and shortly what for.
    pub(super) fn tool(&mut self, name: &str, input: &Value) {
        let what = limits::line(&short_input(input), SHORT_UNITS);
        self.line(&format!("> {name}: {what}"));
    }

    /// What a tool answered: to the transcript only, unless it failed.
    pub(super) fn answer(&mut self, text: &str, failed: bool) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        if failed {
            (self.tell)(&format!("< failed: {}", limits::line(text, SHORT_UNITS)));
        }
        for line in limits::head(text, RESULT_UNITS).lines() {
            self.heard.push(&format!("< {line}"));
        }
    }
}

/// The part of a tool's input that says most in one line.
fn short_input(input: &Value) -> String {
    const TELLING: [&str; 9] = [
        "command",
        "cmd",
        "file_path",
        "path",
        "pattern",
        "url",
        "query",
        "description",
        "prompt",
    ];
    let said = TELLING.iter().find_map(|key| input.get(key)?.as_str());
    said.map_or_else(|| input.to_string(), str::to_owned)
}

/// The JSON object that a line of output is; other lines are text.
pub(super) fn object(line: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(line).ok()?;
    value.is_object().then_some(value)
}

/// A text member of an object.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A count in an object; 0 when there is none.
pub(super) fn count(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or_default()
}
