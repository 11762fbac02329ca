//! Making text that somebody wrote harmless for a terminal: the one place where that is decided.
//!
//! Control characters become visible pictures, what reorders text becomes a mark, what can't be seen is
//! left out. Text from rows goes through [`one_line`] or [`block`] where it is put into a screen; all
//! that is printed goes through [`printed`] or [`json`] on its way out, which let nothing through but
//! line breaks, tabs and our own colours, whoever forgot what.

use std::borrow::Cow;
use std::fmt::Write;

/// The text on one line: line breaks and tabs become spaces, other control characters visible.
#[must_use]
pub fn one_line(text: &str) -> String {
    let spaced = |c| match c {
        '\n' | '\r' | '\t' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(' '),
        other => harmless(other),
    };
    text.trim().chars().filter_map(spaced).collect()
}

/// The text with its line breaks and tabs, other control characters visible.
#[must_use]
pub fn block(text: &str) -> String {
    let kept = |c| match c {
        '\n' | '\t' => Some(c),
        other => harmless(other),
    };
    let text = text.replace("\r\n", "\n");
    text.chars().filter_map(kept).collect()
}

/// What is about to be printed, with its colours.
#[must_use]
pub fn printed(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| c == '\x1b' || is_harmful(c)) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let colours = colours(rest);
        let taken = colours.max(c.len_utf8());
        match colours {
            0 => kept.extend(Some(c).filter(|c| !is_harmful(*c)).or_else(|| harmless(c))),
            _ => kept.push_str(&rest[..colours]),
        }
        rest = &rest[taken..];
    }
    Cow::Owned(kept)
}

/// JSON may hold characters that a terminal obeys and readers take for line breaks; escaped, they mean
/// the same.
#[must_use]
pub fn json(json: &str) -> Cow<'_, str> {
    if !json.contains(is_harmful) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if !is_harmful(c) {
            text.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a string doesn't fail.
            let _ = write!(text, "\\u{unit:04x}");
        }
    }
    Cow::Owned(text)
}

/// Length of the colours that `text` begins with, `ESC [ 0;1;31 m`; 0 when it begins otherwise.
fn colours(text: &str) -> usize {
    let Some(rest) = text.strip_prefix("\x1b[") else {
        return 0;
    };
    let numbers = rest.len()
        - rest
            .trim_start_matches(|c: char| c.is_ascii_digit() || c == ';')
            .len();
    match rest[numbers..].starts_with('m') {
        true => "\x1b[".len() + numbers + 1,
        false => 0,
    }
}

/// Whether a terminal may obey it, or a reader not see what stands there. Line feed and tab are not.
fn is_harmful(c: char) -> bool {
    !matches!(c, '\n' | '\t') && harmless(c) != Some(c)
}

/// What is shown for a character; nothing for what would not be seen.
fn harmless(c: char) -> Option<char> {
    match c {
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)),
        '\x7f' => Some('\u{2421}'),
        // C1 controls; marks, embeddings, overrides and isolates of direction; separators of lines and
        // paragraphs; anchors of annotations.
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{206f}'
        | '\u{fff9}'..='\u{fffb}' => Some('\u{fffd}'),
        // Soft hyphen, joiners, zero-width spaces, invisible operators, fillers, byte order mark, tags.
        '\u{ad}'
        | '\u{34f}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200d}'
        | '\u{2060}'..='\u{2065}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => None,
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    /// Text as somebody who means no good writes it: pieces of sequences among anything else.
    fn hostile() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "\x1b",
            "\x1b[",
            "\x1b[2J",
            "\x1b[31",
            "m",
            "\x1b[1;31m",
            "\x1b]0;",
            "\x1b]8;;http://x",
            "\x07",
            "\x1b\\",
            "\x1bP",
            "\u{9b}",
            "\u{9d}",
            "\u{90}",
            "\r",
            "\n",
            "\t",
            "\x08",
            "\x7f",
            "\u{202e}",
            "\u{2066}",
            "\u{200b}",
            "\u{200d}",
            "\u{feff}",
            "\u{2028}",
            "\u{85}",
            "\u{e0041}",
            "0;",
            "h",
            "text",
            "日本",
            "e\u{301}",
        ]);
        let piece = prop_oneof![
            3 => pieces.prop_map(str::to_owned),
            1 => any::<char>().prop_map(String::from),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    fn obeyed(c: char) -> bool {
        let invisible = [
            '\u{200b}', '\u{200d}', '\u{feff}', '\u{202e}', '\u{2066}', '\u{2028}',
        ];
        c.is_control() || invisible.contains(&c) || ('\u{e0000}'..='\u{e007f}').contains(&c)
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 500,
            rng_seed: RngSeed::Fixed(4),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn nothing_that_a_terminal_obeys_is_left_on_a_line(text in hostile()) {
            prop_assert!(!one_line(&text).contains(obeyed));
            let block = block(&text);
            prop_assert!(!block.contains(|c| obeyed(c) && c != '\n' && c != '\t'));
        }

        #[test]
        fn what_is_printed_holds_colours_and_nothing_else_a_terminal_obeys(text in hostile()) {
            let printed = printed(&text);
            let plain = anstream::adapter::strip_str(&printed).to_string();
            prop_assert!(!plain.contains(|c| obeyed(c) && c != '\n' && c != '\t'), "{printed:?}");
            for (at, _) in printed.match_indices('\x1b') {
                prop_assert!(colours(&printed[at..]) > 0, "{printed:?}");
            }
        }

        #[test]
        fn json_means_the_same_and_holds_nothing_a_terminal_obeys(text in hostile()) {
            let escaped = json(&serde_json::to_string(&text).unwrap()).into_owned();
            prop_assert!(!escaped.contains(obeyed));
            prop_assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), text);
        }

        #[test]
        fn cleaning_twice_changes_nothing_more(text in hostile()) {
            let once = block(&text);
            prop_assert_eq!(&block(&once), &once);
            prop_assert_eq!(printed(&once), once.as_str());
        }
    }

    #[test]
    fn an_escape_sequence_is_shown_instead_of_obeyed() {
        assert_eq!(one_line("\x1b[2Jgone"), "\u{241b}[2Jgone");
        assert_eq!(
            block("a\x1b]0;title\x07\nb"),
            "a\u{241b}]0;title\u{2407}\nb"
        );
        assert_eq!(block("\u{9b}31m"), "\u{fffd}31m");
        assert_eq!(
            printed("\x1b[1mour\x1b[0m \x1b[2Jtheir"),
            "\x1b[1mour\x1b[0m \u{241b}[2Jtheir"
        );
    }

    #[test]
    fn text_of_several_lines_fits_one_where_one_is_shown() {
        assert_eq!(one_line("first\nsecond\tthird\n"), "first second third");
    }

    #[test]
    fn reversed_text_is_not_reversed_and_hidden_text_not_hidden() {
        assert_eq!(one_line("a\u{202e}b"), "a\u{fffd}b");
        assert_eq!(one_line("pay\u{200b}load \u{e0041}"), "payload ");
    }
}
