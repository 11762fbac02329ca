//! Rust sources: openings, sizes, and words that don't belong.

use super::Finding;
use crate::tree::Text;

/// Longest file, in lines without tests. Higher, and rooms lose their walls; lower, and one
/// thought is spread over many files.
const FILE_LINES_MAX: usize = 600;
/// Longest `main.rs`, in lines: what is in it can't be tested.
const MAIN_LINES_MAX: usize = 50;

/// Marks of unfinished work, spelled apart so that this file passes its own check.
const UNFINISHED: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("todo", "!("),
    concat!("unimple", "mented!("),
];

/// A queue without a bound grows until memory ends.
const UNBOUNDED: [&str; 4] = [
    concat!("unbounded", "_channel"),
    concat!("mpsc::", "unbounded("),
    concat!("mpsc::", "channel()"),
    concat!("channel::", "unbounded("),
];

/// Waiting by the clock makes a test slow when it passes and flaky when it fails.
const SLEEPS: [&str; 4] = [
    concat!("::", "sleep("),
    concat!("::", "sleep_until("),
    concat!("::", "sleep_ms("),
    concat!(" ", "sleep("),
];

/// `expect` complains once its reason is gone; these stay for ever.
const ALLOWS: [&str; 2] = [concat!("#[", "allow("), concat!("#![", "allow(")];

pub(super) fn check(text: &Text) -> Vec<Finding> {
    let mut findings = Vec::from_iter(opening(text));
    findings.extend(sizes(text));
    findings.extend(words(text, &UNFINISHED, "unfinished work"));
    findings.extend(words(text, &UNBOUNDED, "a channel without a bound"));
    findings.extend(words(text, &ALLOWS, "`allow`: use `expect` with a reason"));
    findings.extend(sleeps_in_tests(text));
    findings
}

/// Unit tests stand beside the module they test, whose opening is theirs.
fn opening(text: &Text) -> Option<Finding> {
    if text.is_test() && text.path.contains("/src/") {
        return None;
    }
    let opens = text
        .content
        .lines()
        .find(|line| !line.trim().is_empty() && !is_inner(line));
    let well = opens.is_some_and(|line| line.starts_with("//!") && line.len() > "//! ".len());
    (!well).then(|| Finding::new(text, 1, "a module opens with `//!`: what it is for"))
}

fn is_inner(line: &str) -> bool {
    line.starts_with("#![")
}

fn sizes(text: &Text) -> Option<Finding> {
    let lines = text.shipped_lines().count();
    if text.path.ends_with("/main.rs") && !text.is_test() && lines > MAIN_LINES_MAX {
        return Some(Finding::new(
            text,
            lines,
            format!("main.rs > {MAIN_LINES_MAX} lines"),
        ));
    }
    let long = !text.is_test() && lines > FILE_LINES_MAX;
    long.then(|| Finding::new(text, lines, format!("{lines} lines > {FILE_LINES_MAX}")))
}

fn words(text: &Text, banned: &[&str], what: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in text.content.lines().enumerate() {
        for word in banned.iter().filter(|word| has_word(line, word)) {
            findings.push(Finding::new(text, number + 1, format!("{what}: `{word}`")));
        }
    }
    findings
}

/// Whether the word stands in the line, not as a part of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let whole = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !word.starts_with(char::is_alphanumeric)
            || (whole(before) && (whole(after) || word.ends_with('(')))
    })
}

/// A wait for another process is a predicate with a deadline, in a file of that name.
fn sleeps_in_tests(text: &Text) -> Vec<Finding> {
    if text.path.ends_with("/wait.rs") {
        return Vec::new();
    }
    if text.is_test() {
        return words(text, &SLEEPS, "a test that waits by the clock");
    }
    let shipped = text.shipped_lines().count();
    let inline_tests = words(text, &SLEEPS, "a test that waits by the clock");
    inline_tests
        .into_iter()
        .filter(|finding| finding.line > shipped)
        .collect()
}
