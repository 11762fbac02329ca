//! Canonical JSON objects, built by hand: keys sorted, no blanks, one spelling per value.
//!
//! Hashes cover these bytes, so the spelling is part of the format. Reading JSON is the edge's job.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use crate::time::Timestamp;

/// An object under construction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object(BTreeMap<&'static str, String>);

impl Object {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds text.
    pub(crate) fn text(self, key: &'static str, value: impl fmt::Display) -> Self {
        let value = quoted(&value.to_string());
        self.raw(key, value)
    }

    /// Adds text, or null.
    pub(crate) fn maybe(self, key: &'static str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.text(key, value),
            None => self.raw(key, "null".to_owned()),
        }
    }

    /// Adds text, if there is any.
    pub(crate) fn known(self, key: &'static str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.text(key, value),
            None => self,
        }
    }

    /// Adds a whole number.
    pub(crate) fn int(self, key: &'static str, value: impl Into<i64>) -> Self {
        let value: i64 = value.into();
        self.raw(key, value.to_string())
    }

    /// Adds yes or no.
    pub(crate) fn yes_no(self, key: &'static str, value: bool) -> Self {
        self.raw(key, value.to_string())
    }

    /// Adds a point in time.
    pub(crate) fn time(self, key: &'static str, value: Timestamp) -> Self {
        self.text(key, value)
    }

    /// Adds a list of texts.
    pub(crate) fn list(self, key: &'static str, values: &[String]) -> Self {
        let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
        self.raw(key, format!("[{}]", values.join(",")))
    }

    /// Adds a count that may be beyond what a signed number holds; it is cut there.
    pub(crate) fn count(self, key: &'static str, value: u64) -> Self {
        self.int(key, i64::try_from(value).unwrap_or(i64::MAX))
    }

    /// Adds a count, if it is known.
    pub(crate) fn counted(self, key: &'static str, value: Option<u64>) -> Self {
        match value {
            Some(value) => self.count(key, value),
            None => self,
        }
    }

    /// Adds an object.
    pub(crate) fn object(self, key: &'static str, value: Self) -> Self {
        self.raw(key, value.finish())
    }

    /// Adds a list of objects.
    pub(crate) fn objects(self, key: &'static str, values: impl Iterator<Item = Self>) -> Self {
        let values: Vec<String> = values.map(Self::finish).collect();
        self.raw(key, format!("[{}]", values.join(",")))
    }

    /// The text.
    pub(crate) fn finish(self) -> String {
        let members: Vec<String> = self
            .0
            .into_iter()
            .map(|(key, value)| format!("{}:{value}", quoted(key)))
            .collect();
        format!("{{{}}}", members.join(","))
    }

    fn raw(mut self, key: &'static str, value: String) -> Self {
        self.0.insert(key, value);
        self
    }
}

/// `text` as a JSON string: only quotes, backslashes and control characters are escaped.
fn quoted(text: &str) -> String {
    let plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0..b' ');
    if text.as_bytes().iter().all(plain) {
        return format!("\"{text}\"");
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_sorted_and_text_is_escaped() {
        let text = Object::new()
            .text("name", "a\"b\\c\n\u{1}é")
            .int("attempt", 2_i64)
            .maybe("boot", None::<String>)
            .time("at", Timestamp::from_secs(0))
            .list("lines", &["x".to_owned()])
            .finish();
        assert_eq!(
            text,
            "{\"at\":\"1970-01-01T00:00:00Z\",\"attempt\":2,\"boot\":null,\"lines\":[\"x\"],\
             \"name\":\"a\\\"b\\\\c\\n\\u0001é\"}"
        );
    }
}
