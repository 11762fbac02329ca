//! Percent-encodes query options.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What may not stand in a query value: what ends or separates values, what `+`-decoding or
/// intermediaries would change, and everything beyond ASCII.
const UNSAFE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

pub(super) fn encode(value: &str) -> String {
    utf8_percent_encode(value, UNSAFE).to_string()
}

/// A query string in the making.
#[derive(Default)]
pub(super) struct Options(String);

impl Options {
    pub(super) fn push(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        self.0.extend(utf8_percent_encode(value, UNSAFE));
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}
