//! Bytes of a program into lines of text.
//!
//! Nothing is refused: bytes that aren't UTF-8 become replacement characters, a line without an end
//! is cut into pieces, `\r\n` ends a line like `\n`.

/// Longest line in bytes; a longer one is cut into several. Longer lines would let one line fill an
/// event; shorter ones would cut ordinary compiler messages.
pub(crate) const LINE_BYTES: usize = 4 * 1024;

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Takes more bytes and hands each complete line, without its end, to `line`.
    pub(crate) fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(piece);
            if self.partial.ends_with(b"\n") {
                self.partial.pop();
                if self.partial.ends_with(b"\r") {
                    self.partial.pop();
                }
                self.cut_long(&mut line);
                line(&String::from_utf8_lossy(&self.partial));
                self.partial.clear();
            } else {
                self.cut_long(&mut line);
            }
        }
    }

    /// Hands over what stands after the last line end.
    pub(crate) fn finish(&mut self, mut line: impl FnMut(&str)) {
        if !self.partial.is_empty() {
            line(&String::from_utf8_lossy(&self.partial));
            self.partial.clear();
        }
    }

    fn cut_long(&mut self, line: &mut impl FnMut(&str)) {
        let mut start = 0;
        while self.partial.len() - start > LINE_BYTES {
            let end = start + boundary(&self.partial[start..], LINE_BYTES);
            line(&String::from_utf8_lossy(&self.partial[start..end]));
            start = end;
        }
        self.partial.drain(..start);
    }
}

/// The last place at or before `at` where a UTF-8 character doesn't continue; `at` itself when none
/// of the three bytes before it is one.
fn boundary(bytes: &[u8], at: usize) -> usize {
    let continues = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
    (at.saturating_sub(3)..=at)
        .rev()
        .find(|place| *place > 0 && bytes.get(*place).is_some_and(|byte| !continues(byte)))
        .unwrap_or(at)
}

#[cfg(test)]
mod tests;
