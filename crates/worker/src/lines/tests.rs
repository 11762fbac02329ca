use proptest::prelude::*;

use super::*;

fn lines_of(pieces: &[&[u8]]) -> Vec<String> {
    let (mut lines, mut seen) = (Lines::default(), Vec::new());
    for piece in pieces {
        lines.push(piece, |line| seen.push(line.to_owned()));
    }
    lines.finish(|line| seen.push(line.to_owned()));
    seen
}

#[test]
fn lines_end_at_newlines_wherever_the_reads_were_cut() {
    assert_eq!(lines_of(&[b"a\nb", b"c\r", b"\n\nd"]), ["a", "bc", "", "d"]);
}

#[test]
fn a_character_cut_by_a_read_survives_and_a_broken_one_is_replaced() {
    assert_eq!(
        lines_of(&[b"gr\xc3", b"\xbcn\n\xff!\n"]),
        ["gr\u{fc}n", "\u{fffd}!"]
    );
}

#[test]
fn a_very_long_line_is_cut_between_characters() {
    let long = "\u{fc}".repeat(LINE_BYTES);
    let lines = lines_of(&[long.as_bytes()]);
    assert_eq!(lines.concat(), long);
    assert!(lines.iter().all(|line| line.len() <= LINE_BYTES));
    assert_eq!(lines.len(), 2);
}

proptest! {
    #[test]
    fn no_byte_of_text_without_newlines_is_lost(text in "[a-z\u{e4}\u{1f600}]{0,9000}", cut in 0_usize..9000) {
        let bytes = text.as_bytes();
        let cut = cut.min(bytes.len());
        prop_assert_eq!(lines_of(&[&bytes[..cut], &bytes[cut..]]).concat(), text);
    }
}
