//! Making text from rows harmless for a terminal.
//!
//! Control characters become visible pictures; characters that reorder text are dropped to a mark.
//! JSON output needs none of this: its encoder escapes what matters.

/// The text on one line: line breaks and tabs become spaces, other control characters visible.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.trim()
        .chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            other => harmless(other),
        })
        .collect()
}

/// The text with its line breaks and tabs, other control characters visible.
#[must_use]
pub fn block(text: &str) -> String {
    text.replace("\r\n", "\n")
        .chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            other => harmless(other),
        })
        .collect()
}

fn harmless(c: char) -> char {
    match c {
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        // C1 controls, marks and overrides of direction, line and paragraph separators, BOM.
        '\u{80}'..='\u{9f}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => '\u{fffd}',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_sequence_is_shown_instead_of_obeyed() {
        assert_eq!(one_line("\x1b[2Jgone"), "\u{241b}[2Jgone");
        assert_eq!(
            block("a\x1b]0;title\x07\nb"),
            "a\u{241b}]0;title\u{2407}\nb"
        );
        assert_eq!(block("\u{9b}31m"), "\u{fffd}31m");
    }

    #[test]
    fn text_of_several_lines_fits_one_where_one_is_shown() {
        assert_eq!(one_line("first\nsecond\tthird\n"), "first second third");
    }

    #[test]
    fn reversed_text_is_not_reversed() {
        assert_eq!(one_line("a\u{202e}b"), "a\u{fffd}b");
    }
}
