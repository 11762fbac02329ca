//! One line of the log, for people or for machines.
//!
//! Whatever stands in a message or a field stays inside its line: for people control characters are
//! shown instead of obeyed, for machines they are escaped.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value};
use shraga_core::time::Timestamp;
use tracing::Level;

use super::fields::Fields;
use crate::display::{clean, paint, time};

/// What every line for machines has; a field of the same name gets a `field.` before its own.
const STANDING: [&str; 5] = ["time", "level", "message", "target", "spans"];

/// One event.
#[derive(Debug)]
pub(super) struct Line {
    /// This machine's time.
    pub(super) at: Timestamp,
    /// How bad it is.
    pub(super) level: Level,
    /// The module that says it.
    pub(super) target: &'static str,
    /// The message.
    pub(super) message: String,
    /// The names of the spans around it, outermost first.
    pub(super) spans: Vec<&'static str>,
    /// Its fields and theirs.
    pub(super) fields: Fields,
}

impl Line {
    /// `TIME LEVEL message  name=value ...` with a line break.
    pub(super) fn human(&self) -> String {
        let at = paint::paint(paint::DIM, time::rfc3339(self.at));
        let level = paint::paint(style(self.level), format_args!("{:5}", self.level));
        let mut line = format!("{at} {level} {}", clean::one_line(&self.message));
        for (at, (name, value)) in self.fields.iter().enumerate() {
            let gap = if at == 0 { "  " } else { " " };
            let name = paint::paint(paint::DIM, format_args!("{name}="));
            // Writing to a string doesn't fail.
            let _ = write!(line, "{gap}{name}{}", plain(value));
        }
        line.push('\n');
        line
    }

    /// One JSON object with a line break.
    pub(super) fn json(&self) -> String {
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
        put("time", precise(self.at).into());
        put("level", self.level.as_str().to_ascii_lowercase().into());
        put("message", self.message.as_str().into());
        put("target", self.target.into());
        if !self.spans.is_empty() {
            put("spans", self.spans.clone().into());
        }
        for (name, value) in self.fields.iter() {
            match STANDING.contains(&name) {
                true => put(&format!("field.{name}"), value.clone()),
                false => put(name, value.clone()),
            };
        }
        let mut line = clean::json(&Value::Object(object).to_string()).into_owned();
        line.push('\n');
        line
    }
}

/// A value on one line, in quotes where its end would not be seen.
fn plain(value: &Value) -> String {
    let Value::String(text) = value else {
        return clean::json(&value.to_string()).into_owned();
    };
    let text = clean::one_line(text);
    let ends_visibly = !text.is_empty() && !text.contains([' ', '"', '=']);
    if ends_visibly {
        return text;
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// RFC 3339 in UTC, to the millisecond.
fn precise(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis())
        .map_or_else(|_| time::rfc3339(at), |at| format!("{at:.3}"))
}

const fn style(level: Level) -> Style {
    paint::color(match level {
        Level::ERROR => AnsiColor::Red,
        Level::WARN => AnsiColor::Yellow,
        Level::INFO => AnsiColor::Green,
        Level::DEBUG => AnsiColor::Blue,
        Level::TRACE => return paint::DIM,
    })
}
