//! How long texts may be, and how they are cut: the limits of the shipped columns.
//!
//! Cutting happens where writes are built, so that a terminal write never fails because of optional
//! text. Lengths are UTF-16 units, as Dataverse counts; a cut never splits a character.

/// `cr_name` and other short columns. Longer, and Dataverse refuses the row.
pub const NAME_UNITS: usize = 100;

/// `crb3b_useremail`.
pub const EMAIL_UNITS: usize = 200;

/// `cr_statusmessage`. Longer, and Dataverse refuses the row; much shorter, and errors are cut.
pub const MESSAGE_UNITS: usize = 200;

/// `cr_result`, `cr_output` and other memos. The smallest of the original's memo columns, so that
/// every organisation holds it.
pub const MEMO_UNITS: usize = 100_000;

/// `cr_transcript`: the largest memo the platform has.
pub const TRANSCRIPT_UNITS: usize = 1_048_576;

/// A question to a person. Question and answer share one memo, in which escaping may take six times
/// the room; a question that doesn't fit on a page is rarely read.
pub const QUESTION_UNITS: usize = 4_000;

/// A person's answer, for the same reason.
pub const ANSWER_UNITS: usize = 12_000;

/// Shown where text was left out.
const ELLIPSIS: char = '…';

/// The beginning of `text`, at most `units` long; ends in `…` when something was left out.
#[must_use]
pub fn head(text: &str, units: usize) -> String {
    if fits(text, units) {
        return text.to_owned();
    }
    let mut room = units.saturating_sub(ELLIPSIS.len_utf16());
    let kept = text.chars().take_while(|c| take(&mut room, *c)).collect();
    with_ellipsis(kept, units, String::push)
}

/// The end of `text`, at most `units` long; begins with `…` when something was left out.
#[must_use]
pub fn tail(text: &str, units: usize) -> String {
    if fits(text, units) {
        return text.to_owned();
    }
    let mut room = units.saturating_sub(ELLIPSIS.len_utf16());
    let start = text
        .char_indices()
        .rev()
        .take_while(|(_, c)| take(&mut room, *c))
        .last()
        .map_or(text.len(), |(at, _)| at);
    with_ellipsis(text[start..].to_owned(), units, |kept, c| kept.insert(0, c))
}

/// `text` on one line, at most `units` long: line breaks and tabs become spaces.
#[must_use]
pub fn line(text: &str, units: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    head(&words.join(" "), units)
}

fn fits(text: &str, units: usize) -> bool {
    text.len() <= units || text.encode_utf16().count() <= units
}

fn take(room: &mut usize, c: char) -> bool {
    let left = room.checked_sub(c.len_utf16());
    *room = left.unwrap_or(0);
    left.is_some()
}

fn with_ellipsis(mut kept: String, units: usize, put: fn(&mut String, char)) -> String {
    if units > 0 {
        put(&mut kept, ELLIPSIS);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_left_alone() {
        assert_eq!(head("abc", 3), "abc");
        assert_eq!(tail("äöü", 3), "äöü");
    }

    #[test]
    fn a_cut_counts_utf16_units_and_never_splits_a_character() {
        assert_eq!(head("ab😀cd", 4), "ab…");
        assert_eq!(head("ab😀cd", 5), "ab😀…");
        assert_eq!(tail("ab😀cd", 4), "…cd");
        assert_eq!(tail("ab😀cd", 5), "…😀cd");
        assert_eq!(head("😀😀", 0), "");
    }

    #[test]
    fn a_line_has_no_breaks() {
        assert_eq!(line("a\n\tb  c", 10), "a b c");
    }
}
